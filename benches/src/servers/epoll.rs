//! A raw epoll loop: the least that a server can do, and the ruler for the others.
//!
//! Edge-triggered, registered once for both directions, sockets in a slab whose index is the event's
//! data. `epoll(7)` gives the rules: read until a short read, accept until `WouldBlock`.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{SocketFlags, accept_with};
use slab::Slab;

use super::duty::{Drain, Duty};
use super::{EVENTS, Place, announce, listen};
use crate::Result;

/// The listener's event data; no slab grows that far.
const LISTENER: u64 = u64::MAX;

pub(crate) fn serve(duty: impl Duty, place: Place) -> Result {
    let mut server = Server::new(duty, listen(place)?)?;
    announce(server.listener.local_addr()?)?;
    server.run()
}

struct Server<D: Duty> {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Slab<D::Connection<TcpStream>>,
    duty: D,
}

impl<D: Duty> Server<D> {
    fn new(duty: D, listener: TcpListener) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // Accepted sockets inherit it.
        set_tcp_nodelay(&listener, true)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN | EventFlags::ET,
        )?;
        Ok(Self { epoll, listener, connections: Slab::new(), duty })
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
                    key => {
                        let (key, drain) = (key as usize, drain(event.flags));
                        self.duty.on_ready(&mut self.connections, key, drain);
                    }
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
        entry.insert(self.duty.open(stream));
        Ok(())
    }
}

fn drain(flags: EventFlags) -> Drain {
    if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
        Drain::UntilBlocked
    } else {
        Drain::UntilShort
    }
}
