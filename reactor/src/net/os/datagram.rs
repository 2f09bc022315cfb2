//! Datagram sockets: UDP or, where there are such, Unix.

use std::any::Any;
use std::io;
use std::net::SocketAddr;

use socket2::{SockRef, Type};

use super::poller::Poller;
use super::{Failure, SHORT_READ_DRAINS, address, from_std, options, sys};
use crate::id::Token;
use crate::net::{AtOnce, Incoming, NO_METADATA, Outgoing, foreign, refuse_mismatch, refuse_name};
use crate::{Address, DatagramOptions, Membership, OpenError};

pub(crate) enum DatagramSocket {
    Udp(mio::net::UdpSocket),
    /// UDP with metadata.
    #[cfg(feature = "quinn-udp")]
    Rich {
        socket: mio::net::UdpSocket,
        rich: super::rich::Rich,
    },
    #[cfg(unix)]
    Unix {
        /// Dropped first: while the socket is open nobody can take its path for stale.
        path: Option<super::listener::unix::OwnedPath>,
        socket: mio::net::UnixDatagram,
    },
}

/// Makes the same call on mio's socket, of whichever kind it is.
macro_rules! each {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Self::Udp($socket) => $call,
            #[cfg(feature = "quinn-udp")]
            Self::Rich { socket: $socket, .. } => $call,
            #[cfg(unix)]
            Self::Unix { socket: $socket, .. } => $call,
        }
    };
}

/// A datagram socket as the standard library has it.
#[derive(Debug)]
#[non_exhaustive]
pub enum StdDatagram {
    /// UDP.
    Udp(std::net::UdpSocket),
    /// A Unix datagram socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixDatagram),
    /// One of another system than this machine's, which only loops of that system adopt.
    Other(Box<dyn Any + Send + Sync>),
}

impl StdDatagram {
    pub(crate) fn local(&self) -> Result<Address, OpenError> {
        let name = match self {
            Self::Udp(socket) => SockRef::from(socket).local_addr(),
            #[cfg(unix)]
            Self::Unix(socket) => SockRef::from(socket).local_addr(),
            Self::Other(_) => return Err(foreign()),
        };
        name.map(|name| address(&name)).map_err(OpenError::of(&Address::Unnamed))
    }
}

from_std! { StdDatagram, Udp(std::net::UdpSocket), std::os::unix::net::UnixDatagram }

impl DatagramSocket {
    pub(crate) fn open(
        _: &Poller,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<Self, OpenError> {
        let can_be_rich = cfg!(feature = "quinn-udp") && matches!(address, Address::Ip(_));
        refuse_name(address)?;
        refuse_mismatch(address, options.peer.as_ref())?;
        if options.metadata && !can_be_rich {
            return Err(OpenError::Unsupported(address.clone(), NO_METADATA));
        }
        match address {
            Address::Ip(local) => Self::open_udp(address, local, options),
            #[cfg(unix)]
            _ => unix::open(address, options),
            #[cfg(not(unix))]
            _ => Err(OpenError::Unsupported(address.clone(), "there are no Unix sockets here")),
        }
    }

    fn open_udp(
        address: &Address,
        local: &SocketAddr,
        options: &DatagramOptions,
    ) -> Result<Self, OpenError> {
        let failed = |error| OpenError::new(address, error);
        let socket = options::open(local, Type::DGRAM).map_err(failed)?;
        options::before_bind(&socket, local, options).map_err(failed)?;
        options::apply_multicast(&socket, options)?;
        socket.bind(&(*local).into()).map_err(failed)?;
        if let Some(to @ Address::Ip(peer)) = &options.peer {
            socket.connect(&(*peer).into()).map_err(|error| OpenError::new(to, error))?;
        }
        let socket = mio::net::UdpSocket::from_std(socket.into());
        Self::with_options(socket, options).map_err(failed)
    }

    #[cfg(feature = "quinn-udp")]
    fn with_options(socket: mio::net::UdpSocket, options: &DatagramOptions) -> io::Result<Self> {
        if !options.metadata {
            return Ok(Self::Udp(socket));
        }
        let rich = super::rich::Rich::new(&socket, options)?;
        Ok(Self::Rich { socket, rich })
    }

    #[cfg(not(feature = "quinn-udp"))]
    fn with_options(socket: mio::net::UdpSocket, _: &DatagramOptions) -> io::Result<Self> {
        Ok(Self::Udp(socket))
    }

    pub(crate) fn adopt(_: &Poller, socket: StdDatagram) -> Result<Self, OpenError> {
        match socket {
            StdDatagram::Udp(socket) => socket
                .set_nonblocking(true)
                .map(|()| Self::Udp(mio::net::UdpSocket::from_std(socket))),
            #[cfg(unix)]
            StdDatagram::Unix(socket) => socket.set_nonblocking(true).map(|()| {
                // Who made the path removes it.
                Self::Unix { socket: mio::net::UnixDatagram::from_std(socket), path: None }
            }),
            StdDatagram::Other(_) => return Err(foreign()),
        }
        .map_err(OpenError::of(&Address::Unnamed))
    }

    /// As [`adopt`](Self::adopt), with those options that are no matter of how the socket was opened.
    pub(crate) fn inherit(
        poller: &Poller,
        socket: StdDatagram,
        options: &DatagramOptions,
    ) -> Result<Self, OpenError> {
        match Self::adopt(poller, socket)? {
            Self::Udp(socket) => {
                Self::with_options(socket, options).map_err(OpenError::of(&Address::Unnamed))
            }
            #[cfg(any(unix, feature = "quinn-udp"))]
            other => Ok(other),
        }
    }

    /// The same socket once more, which may be at the path when this one is not.
    pub(crate) fn duplicate(&self) -> io::Result<StdDatagram> {
        let duplicate = self.socket().try_clone()?;
        Ok(match self {
            #[cfg(unix)]
            Self::Unix { path, .. } => {
                path.iter().for_each(super::listener::unix::OwnedPath::keep);
                StdDatagram::Unix(duplicate.into())
            }
            _ => StdDatagram::Udp(duplicate.into()),
        })
    }

    pub(crate) fn into_std(mut self, poller: &Poller) -> StdDatagram {
        // It fails only if the socket was never registered, and then there is nothing to undo.
        let _ = self.deregister(poller);
        match self {
            Self::Udp(socket) => StdDatagram::Udp(socket.into()),
            #[cfg(feature = "quinn-udp")]
            Self::Rich { socket, .. } => StdDatagram::Udp(socket.into()),
            #[cfg(unix)]
            Self::Unix { socket, path } => {
                path.iter().for_each(super::listener::unix::OwnedPath::keep);
                StdDatagram::Unix(socket.into())
            }
        }
    }

    pub(crate) fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        each!(self, socket => poller.register_read(socket, token))
    }

    /// From now on events tell of room for what is to be sent, too.
    pub(crate) fn register_both(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        each!(self, socket => poller.register_both(socket, token))
    }

    /// Goes on after an event that told of an error.
    pub(crate) fn register_again(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        each!(self, socket => poller.register_again(socket, token))
    }

    pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
        each!(self, socket => poller.deregister(socket))
    }

    /// Receives a datagram from a plain UDP socket. One that is shorter than the buffer says nothing about
    /// whether there are more. What other sockets have comes by [`receive`](Self::receive).
    #[inline(always)]
    pub(crate) fn receive_at_once(&self, buffer: &mut [u8]) -> AtOnce {
        match self {
            Self::Udp(socket) => match sys::receive_from(socket, buffer) {
                Ok((length, SocketAddr::V4(from))) => AtOnce::V4(length, from),
                Ok((length, SocketAddr::V6(from))) => AtOnce::V6(length, from),
                Err(error) => AtOnce::Failed(error),
            },
            #[cfg(any(unix, feature = "quinn-udp"))]
            _ => AtOnce::Otherwise,
        }
    }

    /// Receives from a socket that is not plain UDP.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Incoming> {
        match self {
            Self::Udp(_) => {
                // Where there is no other kind nobody reads into it.
                let _ = buffer;
                Err(io::ErrorKind::Unsupported.into())
            }
            #[cfg(feature = "quinn-udp")]
            Self::Rich { socket, rich } => rich.receive(socket, buffer),
            #[cfg(unix)]
            Self::Unix { socket, .. } => unix::receive(socket, buffer),
        }
    }

    /// Sends one datagram from a plain UDP socket to an IPv4 address. `None` for any other, which goes by
    /// [`send`](Self::send).
    pub(crate) fn send_at_once(
        &self,
        bytes: &[u8],
        to: Option<&Address>,
    ) -> Option<Result<(), Failure>> {
        match (self, to) {
            // On Unix mio has nothing to see here: it tells how a call ended only to systems whose
            // readiness ends with it.
            (Self::Udp(socket), Some(Address::Ip(SocketAddr::V4(to)))) if SHORT_READ_DRAINS => {
                Some(sys::send_to_v4(socket, bytes, to))
            }
            _ => None,
        }
    }

    /// How many datagrams of this length one [`send`](Self::send) takes.
    pub(crate) fn run_of(&self, length: usize) -> usize {
        match self {
            #[cfg(feature = "quinn-udp")]
            Self::Rich { rich, .. } => rich.run_of(length),
            _ => {
                let _ = length;
                1
            }
        }
    }

    /// Sends one datagram, or a run, whole or not at all; to the connected peer if there is no address.
    pub(crate) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<()> {
        if !outgoing.envelope.is_plain() && !self.takes_envelopes() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        #[cfg(feature = "quinn-udp")]
        if let Self::Rich { socket, rich } = self
            && let Some(result) = rich.send(socket, outgoing)
        {
            return result;
        }
        let Outgoing { bytes, to, .. } = *outgoing;
        match (self, to) {
            (Self::Udp(socket), Some(Address::Ip(to))) => socket.send_to(bytes, *to),
            (Self::Udp(socket), None) => socket.send(bytes),
            #[cfg(feature = "quinn-udp")]
            (Self::Rich { socket, .. }, None) => socket.send(bytes),
            #[cfg(unix)]
            (Self::Unix { socket, .. }, Some(Address::Path(to))) => socket.send_to(bytes, to),
            #[cfg(unix)]
            (Self::Unix { socket, .. }, Some(to @ Address::Abstract(_))) => {
                let to = super::listener::unix::sock_addr(to)?;
                socket.try_io(|| SockRef::from(socket).send_to(bytes, &to))
            }
            #[cfg(unix)]
            (Self::Unix { socket, .. }, None) => socket.send(bytes),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
        .map(drop)
    }

    #[cfg(feature = "quinn-udp")]
    fn takes_envelopes(&self) -> bool {
        matches!(self, Self::Rich { rich, .. } if rich.takes_envelopes())
    }

    #[cfg(not(feature = "quinn-udp"))]
    fn takes_envelopes(&self) -> bool {
        false
    }

    /// What socket2 knows how to do with it.
    fn socket(&self) -> SockRef<'_> {
        each!(self, socket => SockRef::from(socket))
    }

    /// The error of an earlier send that the network has reported since (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.socket().take_error().unwrap_or_else(Some)
    }

    pub(crate) fn join(&self, group: Membership) -> io::Result<()> {
        self.udp().and_then(|socket| options::join(&socket, group))
    }

    pub(crate) fn leave(&self, group: Membership) -> io::Result<()> {
        self.udp().and_then(|socket| options::leave(&socket, group))
    }

    pub(crate) fn local(&self) -> Address {
        self.socket().local_addr().map_or(Address::Unnamed, |name| address(&name))
    }

    /// The connected peer, if there is one.
    pub(crate) fn peer(&self) -> Option<Address> {
        self.socket().peer_addr().ok().map(|name| address(&name))
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            #[cfg(unix)]
            Self::Unix { .. } => "unixgram",
            _ => "udp",
        }
    }

    fn udp(&self) -> io::Result<SockRef<'_>> {
        match self.kind() {
            "udp" => Ok(self.socket()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::net::UnixDatagram;

    use socket2::Type;

    use super::super::listener::named;
    use super::super::listener::unix::{bind, open as open_socket, sock_addr};
    use super::super::options;
    use super::{DatagramSocket, Incoming};
    use crate::{Address, DatagramOptions, OpenError};

    pub(super) fn open(
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<DatagramSocket, OpenError> {
        let failed = |error| OpenError::new(address, error);
        let socket = open_socket(Type::DGRAM).map_err(failed)?;
        let path = match address {
            Address::Unnamed => None,
            _ => bind(&socket, address, true, options.unix_mode)?,
        };
        options::apply_buffers(&socket, options.receive_buffer, options.send_buffer)
            .map_err(failed)?;
        if let Some(peer) = &options.peer {
            sock_addr(peer)
                .and_then(|name| socket.connect(&name))
                .map_err(|error| OpenError::new(peer, error))?;
        }
        let socket = mio::net::UnixDatagram::from_std(UnixDatagram::from(socket));
        Ok(DatagramSocket::Unix { socket, path })
    }

    /// What fills the buffer was longer, or may have been: its last byte is there to tell, and is not
    /// handed on.
    pub(super) fn receive(
        socket: &mio::net::UnixDatagram,
        buffer: &mut [u8],
    ) -> io::Result<Incoming> {
        let (length, from) = socket.recv_from(buffer)?;
        let most = buffer.len() - 1;
        let truncated = length > most;
        Ok(Incoming { truncated, ..Incoming::plain(length.min(most), named(&from)) })
    }
}
