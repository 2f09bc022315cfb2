//! calloop: the socket as a `Generic` source, level-triggered, with a bounded number of datagrams an event.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};

use super::{BATCH, BULK, Duty, SCRATCH, bind, run};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let socket = bind(place)?;
    announce(socket.local_addr()?)?;
    let mut event_loop = EventLoop::<Server>::try_new()?;
    let source = Generic::new(socket, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(source, |_, socket, server| server.on_ready(socket))?;
    let mut server = Server { duty, scratch: [0; SCRATCH], run: run() };
    Ok(event_loop.run(None, &mut server, |_| {})?)
}

struct Server {
    duty: Duty,
    scratch: [u8; SCRATCH],
    run: Vec<u8>,
}

impl Server {
    fn on_ready(&mut self, socket: &UdpSocket) -> io::Result<PostAction> {
        for _ in 0..BATCH {
            match socket.recv_from(&mut self.scratch) {
                Ok((length, from)) => self.answer(socket, length, from)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(PostAction::Continue)
    }

    fn answer(&self, socket: &UdpSocket, length: usize, to: SocketAddr) -> io::Result<()> {
        match self.duty {
            Duty::Echo => send(socket, &self.scratch[..length], to),
            Duty::Bulk => self.run.chunks(BULK).try_for_each(|datagram| send(socket, datagram, to)),
        }
    }
}

/// What the kernel does not take is lost, as it might be anywhere on its way.
fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    match socket.send_to(datagram, to) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}
