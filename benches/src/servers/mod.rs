//! The echo servers, one file a peer.
//!
//! Each is written as its own documentation advises, and as its authors would call fair: Nagle's
//! delay off, one write for a batch of messages, no reading from a connection that does not take its
//! echo. They differ in the loop alone: those that work on readiness share `echo::Echo`, and raw epoll and
//! mio are one loop each for echo, for [`rooms`](crate::rooms) and for [`webs`](crate::webs), with a `Duty` of either.
//!
//! None of them has a thread or a signal handler for its own end: a second thread would make the
//! memory allocator and the C library slower, and that would be measured. SIGTERM ends them all.

#[cfg(feature = "peers")]
pub(crate) mod calloop;
pub(crate) mod duty;
mod echo;
pub(crate) mod epoll;
#[cfg(feature = "peers")]
mod message_io;
pub(crate) mod mio;
pub(crate) mod reactor;
#[cfg(feature = "peers")]
pub(crate) mod tokio;

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use clap::ValueEnum;
use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::program::Program;

use echo::Echoes;

/// Bytes that one read can take, in the servers with one buffer for all connections.
pub(crate) const SCRATCH: usize = 64 * 1024;

/// Events that one wait can report, in the servers that say.
pub(crate) const EVENTS: usize = 1024;

/// Connections that may wait to be accepted; message-io fixes the same number.
const BACKLOG: i32 = 1024;

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// A raw epoll loop: the ruler.
    Epoll,
    /// The reactor: ours.
    Reactor,
    /// A bare mio loop with a slab.
    Mio,
    /// calloop, the event loop of Wayland compositors.
    Calloop,
    /// message-io, events from sockets of any transport.
    MessageIo,
    /// tokio's current-thread runtime, a task a connection.
    Tokio,
}

impl Peer {
    /// Those who can keep a client that does not read, and go on.
    pub fn patient() -> impl Iterator<Item = &'static Peer> {
        Self::all().iter().filter(|peer| **peer != Self::MessageIo)
    }
}

crate::choice!(Peer);

/// Where to serve, and on what sockets.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The address to listen on.
    pub address: SocketAddr,
    /// The size of each connection's buffers in the kernel, which else decides by itself.
    ///
    /// message-io has no such option, and keeps the kernel's choice.
    pub kernel_buffers: Option<usize>,
    /// The size of a connection's own buffer, in the servers that have one; they choose one that suits
    /// small messages.
    pub own_buffer: Option<usize>,
}

impl Place {
    /// Any free port of loopback.
    pub const LOOPBACK: Place = Place {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        kernel_buffers: None,
        own_buffer: None,
    };
}

/// Serves echo at `place` until the process ends, and prints where once it listens.
pub fn serve(peer: Peer, place: Place) -> Result {
    match peer {
        Peer::Epoll => epoll::serve(Echoes::new(), place),
        Peer::Reactor => reactor::serve(place),
        Peer::Mio => mio::serve(Echoes::new(), place),
        #[cfg(feature = "peers")]
        Peer::Calloop => calloop::serve(place),
        #[cfg(feature = "peers")]
        Peer::MessageIo => message_io::serve(place),
        #[cfg(feature = "peers")]
        Peer::Tokio => tokio::serve(place),
        #[cfg(not(feature = "peers"))]
        _ => Err(crate::WITHOUT_PEERS.into()),
    }
}

/// The same of ours, on so many loops.
pub fn serve_on(loops: NonZeroUsize, place: Place) -> Result {
    reactor::serve_on(loops, place)
}

/// The program that is this server.
pub fn program(peer: Peer) -> Result<Program> {
    Ok(Program::server("echo")?.with(peer))
}

/// A listener that does not block; accepted sockets inherit the sizes of its buffers.
pub(crate) fn listen(place: Place) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(place.address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if let Some(bytes) = place.kernel_buffers {
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&place.address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Tells whoever started this process where to connect.
pub(crate) fn announce(address: impl fmt::Display) -> Result {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")?;
    Ok(stdout.flush()?)
}
