//! A raw epoll loop: the least that an echo server can do, and the ruler for the others.
//!
//! Edge-triggered, registered once for both directions, sockets in a slab whose index is the event's
//! data. `epoll(7)` gives the rules: read until a short read, accept until `WouldBlock`.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{SocketFlags, accept_with};
use slab::Slab;

use super::echo::{Drain, Echo, Flow};
use super::{EVENTS, Place, SCRATCH, announce, listen};
use crate::Result;

/// The listener's event data; no slab grows that far.
const LISTENER: u64 = u64::MAX;

pub(super) fn serve(place: Place) -> Result {
    let mut server = Server::new(listen(place)?)?;
    announce(server.listener.local_addr()?)?;
    server.run()
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Slab<Connection>,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    echo: Echo,
}

impl Server {
    fn new(listener: TcpListener) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // Accepted sockets inherit it.
        set_tcp_nodelay(&listener, true)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN | EventFlags::ET,
        )?;
        Ok(Self { epoll, listener, connections: Slab::new(), scratch: vec![0; SCRATCH] })
    }

    fn run(&mut self) -> Result {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    _ => self.on_ready(event),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(stream) => self.open(stream.into())?,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        let entry = self.connections.vacant_entry();
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(entry.key() as u64), interest)?;
        entry.insert(Connection { stream, echo: Echo::default() });
        Ok(())
    }

    fn on_ready(&mut self, event: Event) {
        let key = event.data.u64() as usize;
        let Some(Connection { stream, echo }) = self.connections.get_mut(key) else {
            return;
        };
        match echo.on_ready(stream, &mut self.scratch, drain(event.flags)) {
            Ok(Flow::Wait | Flow::Blocked) => {}
            Ok(Flow::Ended) | Err(_) => drop(self.connections.remove(key)),
        }
    }
}

fn drain(flags: EventFlags) -> Drain {
    if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
        Drain::UntilBlocked
    } else {
        Drain::UntilShort
    }
}
