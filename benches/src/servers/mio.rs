//! A bare mio loop with a slab: what the reactor is built on, without the reactor.
//!
//! As in mio's own TCP example, a token a connection, registered once for both directions, but with one
//! scratch buffer for all, and reading stops at a short read.

use std::io::{self, ErrorKind};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::duty::{Drain, Duty};
use super::{EVENTS, Place, announce, listen};
use crate::Result;

/// The listener's token; no slab grows that far.
const LISTENER: Token = Token(usize::MAX);

pub(crate) fn serve(duty: impl Duty, place: Place) -> Result {
    let mut server = Server::new(duty, TcpListener::from_std(listen(place)?))?;
    announce(server.listener.local_addr()?)?;
    server.run()
}

struct Server<D: Duty> {
    poll: Poll,
    listener: TcpListener,
    connections: Slab<D::Connection<TcpStream>>,
    duty: D,
}

impl<D: Duty> Server<D> {
    fn new(duty: D, mut listener: TcpListener) -> Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, connections: Slab::new(), duty })
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
                    Token(key) => {
                        self.duty.on_ready(&mut self.connections, key, drain(event));
                    }
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
        let entry = self.connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(entry.key()), interest)?;
        entry.insert(self.duty.open(stream));
        Ok(())
    }
}

/// Reading may stop at a short read where mio works on epoll, unless the stream is about to end; its
/// backend on poll(2) reports a socket again only after `WouldBlock`.
fn drain(event: &Event) -> Drain {
    let is_ending = event.is_read_closed() || event.is_error();
    if is_ending || cfg!(mio_unsupported_force_poll_poll) {
        Drain::UntilBlocked
    } else {
        Drain::UntilShort
    }
}
