//! A raw epoll loop: the least that a room can do, and the ruler for the others.
//!
//! Edge-triggered, registered once for both directions, members in a slab whose index is the event's
//! data; a line is written to one after the other.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{SocketFlags, accept_with};
use slab::Slab;

use super::member::{Member, Until};
use crate::Result;
use crate::servers::{EVENTS, Place, SCRATCH, announce, listen};

/// The listener's event data; no slab grows that far.
const LISTENER: u64 = u64::MAX;

/// What an event says of a connection that is over, in one direction or in both.
const ENDING: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

pub(super) fn serve(place: Place) -> Result {
    let mut server = Server::new(listen(place)?)?;
    announce(server.listener.local_addr()?)?;
    server.run()
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    members: Slab<Member<TcpStream>>,
    lines: Vec<u8>,
    scratch: Vec<u8>,
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
        Ok(Self {
            epoll,
            listener,
            members: Slab::new(),
            lines: Vec::new(),
            scratch: vec![0; SCRATCH],
        })
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
        let entry = self.members.vacant_entry();
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(entry.key() as u64), interest)?;
        entry.insert(Member::new(stream));
        Ok(())
    }

    fn on_ready(&mut self, event: Event) {
        let (key, flags) = (event.data.u64() as usize, event.flags);
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        self.lines.clear();
        let has_left = member
            .flush()
            .and_then(|()| member.read(&mut self.scratch, &mut self.lines, Until::Short))
            .unwrap_or(true);
        if has_left || flags.intersects(ENDING) {
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
