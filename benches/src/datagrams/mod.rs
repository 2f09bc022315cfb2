//! Datagram servers, one file a peer, each on one UDP socket.
//!
//! As a [`Duty::Echo`] a server sends every datagram back; as a [`Duty::Bulk`] it answers every
//! datagram with a run of [`RUN`] datagrams of [`BULK`] bytes, numbered in their first byte.

mod batch;
#[cfg(feature = "peers")]
mod calloop;
mod epoll;
#[cfg(feature = "peers")]
mod message_io;
mod mio;
#[cfg(feature = "peers")]
mod quinn_udp;
mod reactor;
#[cfg(feature = "peers")]
mod tokio;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use clap::ValueEnum;
use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::servers::Place;

/// Datagrams of a run.
pub const RUN: usize = 32;

/// Bytes of each of them: what fits into a packet anywhere on the Internet.
pub const BULK: usize = 1200;

/// Bytes that one datagram can bring.
const SCRATCH: usize = 2048;

/// Datagrams that are received or sent at once, in the servers that do that.
const BATCH: usize = 32;

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Datagrams {
    /// A raw epoll loop with recvfrom and sendto: the ruler.
    Epoll,
    /// The reactor: ours.
    Reactor,
    /// The echo server of our protocols, which asks of each datagram whether it may be answered.
    ReactorEcho,
    /// The same as the ruler with recvmmsg and sendmmsg.
    Batch,
    /// A bare mio loop.
    Mio,
    /// A bare mio loop with quinn-udp: batches, and the kernel's segmentation.
    QuinnUdp,
    /// calloop, the event loop of Wayland compositors.
    Calloop,
    /// message-io, events from sockets of any transport.
    MessageIo,
    /// tokio's current-thread runtime.
    Tokio,
}

impl Datagrams {
    /// Every server that does this, the ruler first.
    pub fn that_do(duty: Duty) -> Vec<Datagrams> {
        let does = |it: &Datagrams| duty == Duty::Echo || *it != Self::ReactorEcho;
        Self::all().iter().copied().filter(does).collect()
    }
}

crate::choice!(Datagrams);

/// What a server does with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Duty {
    /// It sends it back.
    Echo,
    /// It answers with a run.
    Bulk,
}

crate::choice!(Duty);

/// Serves at `place` until the process ends, and prints where once it does.
pub fn serve(server: Datagrams, duty: Duty, place: Place) -> Result {
    match server {
        Datagrams::Epoll => epoll::serve(duty, place),
        Datagrams::Reactor => reactor::serve(duty, place),
        Datagrams::ReactorEcho => reactor::serve_protocol(place),
        Datagrams::Batch => batch::serve(duty, place),
        Datagrams::Mio => mio::serve(duty, place),
        #[cfg(feature = "peers")]
        Datagrams::QuinnUdp => quinn_udp::serve(duty, place),
        #[cfg(feature = "peers")]
        Datagrams::Calloop => calloop::serve(duty, place),
        #[cfg(feature = "peers")]
        Datagrams::MessageIo => message_io::serve(duty, place),
        #[cfg(feature = "peers")]
        Datagrams::Tokio => tokio::serve(duty, place),
        #[cfg(not(feature = "peers"))]
        _ => Err(crate::WITHOUT_PEERS.into()),
    }
}

/// The answers of a loop that receives a datagram at a time.
struct Answers {
    duty: Duty,
    scratch: [u8; SCRATCH],
    run: Vec<u8>,
}

impl Answers {
    fn new(duty: Duty) -> Self {
        Self { duty, scratch: [0; SCRATCH], run: run() }
    }

    /// Receives one, if there is any, and answers it; whether there may be another.
    fn one(
        &mut self,
        receive: impl FnOnce(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
        send: impl Fn(&[u8], SocketAddr) -> io::Result<usize>,
    ) -> io::Result<bool> {
        // What the kernel does not take is lost, as it might be anywhere on its way.
        let send = |datagram: &[u8], to| match send(datagram, to) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        };
        match receive(&mut self.scratch) {
            Ok((length, from)) => match self.duty {
                Duty::Echo => send(&self.scratch[..length], from)?,
                Duty::Bulk => {
                    self.run.chunks(BULK).try_for_each(|datagram| send(datagram, from))?;
                }
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// A socket that does not block.
fn bind(place: Place) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(place.address), Type::DGRAM, None)?;
    socket.bind(&place.address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The run, one datagram behind the other.
pub fn run() -> Vec<u8> {
    let datagram = |number: usize| {
        let mut datagram = [b'b'; BULK];
        datagram[0] = number as u8;
        datagram
    };
    (0..RUN).flat_map(datagram).collect()
}
