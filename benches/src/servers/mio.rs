//! A bare mio loop with a slab: what the reactor is built on, without the reactor.
//!
//! As in mio's own TCP example, a token a connection, registered once for both directions, but with one
//! scratch buffer for all, and reading stops at a short read.

use std::io::{self, ErrorKind};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::echo::{Drain, Echo, Flow};
use super::{EVENTS, Place, SCRATCH, announce, listen};
use crate::Result;

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
    connections: Slab<Connection>,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    echo: Echo,
}

impl Server {
    fn new(mut listener: TcpListener) -> Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, connections: Slab::new(), scratch: vec![0; SCRATCH] })
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
        let entry = self.connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(entry.key()), interest)?;
        entry.insert(Connection { stream, echo: Echo::default() });
        Ok(())
    }

    fn on_ready(&mut self, event: &Event) {
        let Token(key) = event.token();
        let Some(Connection { stream, echo }) = self.connections.get_mut(key) else {
            return;
        };
        match echo.on_ready(stream, &mut self.scratch, drain(event)) {
            Ok(Flow::Wait | Flow::Blocked) => {}
            Ok(Flow::Ended) | Err(_) => drop(self.connections.remove(key)),
        }
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
