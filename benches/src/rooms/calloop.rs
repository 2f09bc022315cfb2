//! calloop: a `Generic` source a member, its callback on the room that the loop lends it.
//!
//! Edge-triggered and registered once for both directions: a member becomes writable in the callback of
//! another, where its own interest cannot be changed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};
use slab::Slab;

use super::member::{Member, Until};
use crate::Result;
use crate::servers::{Place, SCRATCH, announce, listen};

pub(super) fn serve(place: Place) -> Result {
    let listener = listen(place)?;
    let mut event_loop = EventLoop::<Room>::try_new()?;
    let mut room = Room {
        handle: event_loop.handle(),
        members: Slab::new(),
        lines: Vec::new(),
        scratch: vec![0; SCRATCH],
    };
    announce(listener.local_addr()?)?;
    let source = Generic::new(listener, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(source, |_, listener, room| room.accept(listener))?;
    Ok(event_loop.run(None, &mut room, |_| {})?)
}

/// A socket that the loop watches and the room writes to.
#[derive(Clone)]
struct Socket(Rc<TcpStream>);

struct Room {
    handle: LoopHandle<'static, Room>,
    members: Slab<Member<Socket>>,
    lines: Vec<u8>,
    scratch: Vec<u8>,
}

impl Room {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<PostAction> {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.open(stream)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(PostAction::Continue);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let socket = Socket(Rc::new(stream));
        let key = self.members.insert(Member::new(socket.clone()));
        let source = Generic::new(socket, Interest::BOTH, Mode::Edge);
        self.handle
            .insert_source(source, move |_, _, room| Ok(room.on_ready(key)))
            .map_err(|refused| io::Error::other(refused.error))?;
        Ok(())
    }

    fn on_ready(&mut self, key: usize) -> PostAction {
        let Some(member) = self.members.get_mut(key) else {
            return PostAction::Remove;
        };
        self.lines.clear();
        // calloop does not tell that a stream is about to end.
        let has_left = member
            .flush()
            .and_then(|()| member.read(&mut self.scratch, &mut self.lines, Until::Blocked))
            .unwrap_or(true);
        if has_left {
            self.members.remove(key);
        }
        self.tell_the_others(key);
        if has_left { PostAction::Remove } else { PostAction::Continue }
    }

    fn tell_the_others(&mut self, from: usize) {
        if self.lines.is_empty() {
            return;
        }
        for (key, member) in &mut self.members {
            if key != from {
                member.offer(&self.lines);
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
