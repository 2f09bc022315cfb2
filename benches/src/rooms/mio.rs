//! A bare mio loop with a slab: what the reactor is built on, without the reactor.
//!
//! A token a member, registered once for both directions; a line is written to one after the other.

use std::io::{self, ErrorKind};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::member::{Member, Until};
use crate::Result;
use crate::servers::{EVENTS, Place, SCRATCH, announce, listen};

/// The listener's token; no slab grows that far.
const LISTENER: Token = Token(usize::MAX);

pub(super) fn serve(place: Place) -> Result {
    let mut server = Server::new(TcpListener::from_std(listen(place)?))?;
    announce(server.listener.local_addr()?)?;
    server.run()
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    members: Slab<Member<TcpStream>>,
    lines: Vec<u8>,
    scratch: Vec<u8>,
}

impl Server {
    fn new(mut listener: TcpListener) -> Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            members: Slab::new(),
            lines: Vec::new(),
            scratch: vec![0; SCRATCH],
        })
    }

    fn run(&mut self) -> Result {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    _ => self.on_ready(event),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.open(stream)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn open(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let entry = self.members.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(entry.key()), interest)?;
        entry.insert(Member::new(stream));
        Ok(())
    }

    fn on_ready(&mut self, event: &Event) {
        let Token(key) = event.token();
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        self.lines.clear();
        let has_left = member
            .flush()
            .and_then(|()| member.read(&mut self.scratch, &mut self.lines, Until::Short))
            .unwrap_or(true);
        if has_left || event.is_read_closed() || event.is_error() {
            self.members.remove(key);
        }
        self.tell_the_others(key);
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
