//! The seam between the loop and the system.
//!
//! Everything above this module is written against the contract below; everything that names an
//! operating system, or mio, is below it. A backend offers:
//!
//! - [`Poller`]: waits for readiness, edge by edge, of what was registered **once** for both directions; a datagram
//!   socket for receiving, and for both once something had to wait;
//! - [`StreamSocket`], [`ListenerSocket`], [`DatagramSocket`]: calls that never block;
//! - [`System`]: the time, which [`Clock`] reads at most once in a turn, and random bits;
//! - [`Pool`]: threads for work that blocks, the system's look-up of hosts among it;
//! - [`SpareDescriptor`]: what is left when all descriptors are taken.
//!
//! And this is what a backend **may do**, which the loop has to bear:
//!
//! - report readiness that is not there, late, merged, split in two, or in any order;
//! - report an end of stream while data is still unread: it is a hint to go on reading, never the end;
//! - report a socket that was closed earlier in the same batch;
//! - answer `WouldBlock` to any call, and cut any read or write short at any byte;
//! - fail any call with any error; only those of [`Poller::wait`] concern the whole loop.
//!
//! What it may **not** do: lose an edge. After a call has answered `WouldBlock` there is another
//! event when it would no longer; where [`SHORT_READ_DRAINS`] holds, after a short read too.
//!
//! There are two backends, which know nothing of each other: `os`, the real system, and `sim`, a
//! simulated one (feature `sim`). Without the feature the types above **are** those of `os`; with it
//! they are those of `either`, an enum of both. A socket is of the same system as its poller.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::{Address, OpenError};

mod clock;
#[cfg(feature = "sim")]
mod either;
mod envelope;
mod os;
mod readiness;
#[cfg(feature = "sim")]
pub(crate) mod sim;

#[cfg(feature = "sim")]
use either as system;
#[cfg(not(feature = "sim"))]
use os as system;

pub(crate) use clock::Clock;
pub use envelope::{Ecn, Envelope};
pub(crate) use os::read_at;
pub(crate) use os::{
    Failure, OwnedPath, SHORT_READ_DRAINS, is_out_of_buffers, is_out_of_descriptors,
    is_passing_accept_error,
};
pub(crate) use os::{Pipe, cannot_splice};
pub use os::{StdDatagram, StdListener, StdStream};
pub(crate) use readiness::Readiness;
pub(crate) use system::{
    DatagramSocket, Events, ListenerSocket, Poller, Pool, SpareDescriptor, StreamSocket, System,
    Waker,
};

/// What a plain UDP socket has received: a length and a sender.
///
/// Each family stands apart, so that what is done with it is compiled for it: its address needs no second
/// look, and owns nothing that would have to be dropped.
pub(crate) enum AtOnce {
    V4(usize, SocketAddrV4),
    V6(usize, SocketAddrV6),
    Failed(io::Error),
    /// The socket's datagrams are of another kind, and nothing was received.
    Otherwise,
}

/// What one receive has brought, with all that is known of it.
pub(crate) struct Incoming {
    pub(crate) length: usize,
    /// Longer than this it is several datagrams of this length, the last of them perhaps shorter.
    pub(crate) stride: usize,
    pub(crate) from: Address,
    /// The local address it was sent to, if the socket tells.
    pub(crate) to: Option<IpAddr>,
    pub(crate) ecn: Option<Ecn>,
    /// It was longer than the buffer.
    pub(crate) truncated: bool,
}

impl Incoming {
    /// A datagram of which only the sender is known.
    pub(crate) fn plain(length: usize, from: Address) -> Self {
        Self { length, stride: length, from, to: None, ecn: None, truncated: false }
    }
}

/// A connection that begins.
pub(crate) struct Begun<Socket> {
    pub(crate) socket: Socket,
    /// The path from which a Unix socket connects, if it does.
    pub(crate) path: Option<OwnedPath>,
    /// Why it has come to nothing already: what a system finds out at once of one peer it may find out later
    /// of another.
    pub(crate) refused: Option<io::Error>,
}

/// One datagram to be sent, or a run of them; to the connected peer if there is no address.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) bytes: &'a [u8],
    /// Longer than this it is several datagrams of this length, the last of them perhaps shorter: at
    /// most so many as the socket takes in one call.
    pub(crate) stride: usize,
    pub(crate) to: Option<&'a Address>,
    pub(crate) envelope: Envelope,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn plain(bytes: &'a [u8], to: Option<&'a Address>) -> Self {
        Self { bytes, stride: bytes.len(), to, envelope: Envelope::default() }
    }

    /// How many datagrams it is: an empty one is one too.
    pub(crate) fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.stride.max(1)).max(1)
    }
}

/// Who is told, on whatever thread, what the system says of a host.
pub(crate) type Found = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

impl OpenError {
    /// Sorts what the system said by what a person can do about it.
    pub(crate) fn new(address: &Address, error: io::Error) -> Self {
        let address = address.clone();
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable(address),
            io::ErrorKind::PermissionDenied => Self::PermissionDenied(address),
            io::ErrorKind::Unsupported => {
                Self::Unsupported(address, "this system has no such sockets")
            }
            _ if is_out_of_descriptors(&error) => Self::NoDescriptors(address),
            _ => Self::Io { address, error },
        }
    }

    /// Whether it is the address's doing: it would be the same at any other time, and may be another with another.
    pub(crate) fn is_mistake(&self) -> bool {
        match self {
            Self::Unsupported(..) => true,
            #[cfg(feature = "tls")]
            Self::Tls(..) => true,
            _ => false,
        }
    }

    /// What the system said; where that has been sorted, with this error inside.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io { error, .. } => error,
            sorted => io::Error::other(sorted),
        }
    }

    /// As [`Self::new`], for what comes of opening something at this address.
    pub(crate) fn of(address: &Address) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::new(address, error)
    }
}

/// Refuses to adopt a socket.
fn foreign() -> OpenError {
    let reason = "it is of another system than this loop, or of another thread";
    OpenError::Unsupported(Address::Unnamed, reason)
}

/// Refuses an address that no socket of this machine can have: a name, which is looked up to be connected to.
pub(crate) fn refuse_name(address: &Address) -> Result<(), OpenError> {
    match address {
        Address::Host(_) => Err(OpenError::Unsupported(address.clone(), A_NAME)),
        _ => Ok(()),
    }
}

/// Refuses an address that cannot be the other end of a socket with this one.
pub(crate) fn refuse_mismatch(one: &Address, other: Option<&Address>) -> Result<(), OpenError> {
    let why = match (one, other) {
        (_, None) => return Ok(()),
        (_, Some(Address::Host(_))) => LOOK_IT_UP,
        (Address::Ip(one), Some(Address::Ip(other))) if one.is_ipv4() && other.is_ipv6() => {
            ONLY_IPV4
        }
        // An IPv6 socket may take IPv4 as well, if the system lets it.
        (Address::Ip(_), Some(Address::Ip(_))) => return Ok(()),
        (Address::Ip(_), Some(_)) => ONLY_IP,
        (_, Some(Address::Ip(_))) => ONLY_UNIX,
        (_, Some(Address::Unnamed)) => NOBODY,
        (_, Some(_)) => return Ok(()),
    };
    Err(OpenError::Unsupported(other.unwrap_or(one).clone(), why))
}

/// Refuses an address that cannot be connected to from that one.
pub(crate) fn refuse_from(remote: &Address, from: Option<&Address>) -> Result<(), OpenError> {
    match (remote, from) {
        (Address::Ip(remote), Some(from @ Address::Ip(ip))) if remote.is_ipv6() && ip.is_ipv4() => {
            Err(OpenError::Unsupported(from.clone(), ONLY_IPV6))
        }
        _ => refuse_mismatch(remote, from),
    }
}

/// Why an address is refused: what it would need instead.
const A_NAME: &str =
    "a name may have several addresses; say one, such as 127.0.0.1:PORT, or 0.0.0.0:PORT for all";
const LOOK_IT_UP: &str =
    "a name may have several addresses; look it up first, and give one of them";
pub(crate) const NOBODY: &str = "it has no name by which one could reach it";
const ONLY_IPV4: &str = "the other end is IPv4, and both are of one family: open a socket for each";
const ONLY_IPV6: &str = "the other end is IPv6, and both are of one family: open a socket for each";
const ONLY_IP: &str =
    "the other end is an IP address, and both are of one kind: open a socket for each";
const ONLY_UNIX: &str =
    "the other end is a Unix socket, and both are of one kind: open a socket for each";

/// Why metadata is refused to a socket that has none.
const NO_METADATA: &str = "metadata is told of UDP, with the feature quinn-udp";
