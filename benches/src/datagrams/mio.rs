//! A bare mio loop, as in mio's own UDP example: receive until `WouldBlock`, answer each.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::{BULK, Duty, SCRATCH, bind, run};
use crate::Result;
use crate::servers::{EVENTS, Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let mut socket = UdpSocket::from_std(bind(place)?);
    announce(socket.local_addr()?)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    let mut events = Events::with_capacity(EVENTS);
    let mut server = Server { socket, duty, scratch: [0; SCRATCH], run: run() };
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        server.on_ready()?;
    }
}

struct Server {
    socket: UdpSocket,
    duty: Duty,
    scratch: [u8; SCRATCH],
    run: Vec<u8>,
}

impl Server {
    fn on_ready(&mut self) -> io::Result<()> {
        loop {
            match self.socket.recv_from(&mut self.scratch) {
                Ok((length, from)) => self.answer(length, from)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn answer(&self, length: usize, to: SocketAddr) -> io::Result<()> {
        match self.duty {
            Duty::Echo => self.send(&self.scratch[..length], to),
            Duty::Bulk => self.run.chunks(BULK).try_for_each(|datagram| self.send(datagram, to)),
        }
    }

    /// What the kernel does not take is lost, as it might be anywhere on its way.
    fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        match self.socket.send_to(datagram, to) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
