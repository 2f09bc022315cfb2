//! calloop: a `Generic` source a member, its callback on the room that the loop lends it.
//!
//! Edge-triggered and registered once for both directions: a member becomes writable in the callback of
//! another, where its own interest cannot be changed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};
use slab::Slab;

use super::room::{Member, Room};
use crate::Result;
use crate::servers::calloop::accept_all;
use crate::servers::duty::{Drain, Duty};
use crate::servers::{Place, announce, listen};

pub(super) fn serve(place: Place) -> Result {
    let listener = listen(place)?;
    let mut event_loop = EventLoop::<Server>::try_new()?;
    let (handle, members, room) = (event_loop.handle(), Slab::new(), Room::new());
    let mut server = Server { handle, members, room };
    announce(listener.local_addr()?)?;
    let source = Generic::new(listener, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(source, |_, listener, server| {
        accept_all(listener, |stream| server.open(stream))
    })?;
    Ok(event_loop.run(None, &mut server, |_| {})?)
}

/// A socket that the loop watches and the room writes to.
#[derive(Clone)]
struct Socket(Rc<TcpStream>);

struct Server {
    handle: LoopHandle<'static, Server>,
    members: Slab<Member<Socket>>,
    room: Room,
}

impl Server {
    fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        let socket = Socket(Rc::new(stream));
        let key = self.members.insert(self.room.open(socket.clone()));
        let source = Generic::new(socket, Interest::BOTH, Mode::Edge);
        self.handle
            .insert_source(source, move |_, _, server| Ok(server.on_ready(key)))
            .map_err(|refused| io::Error::other(refused.error))?;
        Ok(())
    }

    fn on_ready(&mut self, key: usize) -> PostAction {
        // calloop does not tell that a stream is about to end.
        self.room.on_ready(&mut self.members, key, Drain::UntilBlocked);
        if self.members.contains(key) { PostAction::Continue } else { PostAction::Remove }
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
