//! The real system: mio for readiness, socket2 for options, rustix for calls on Unix.
//!
//! This folder is the only place that names mio's types. Each kind of socket has a file, and so has
//! each platform, for what differs between them.

use socket2::SockAddr;

use crate::Address;

mod datagram;
mod listener;
mod names;
mod options;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pipe;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_pipe.rs"]
mod pipe;
mod poller;
#[cfg(feature = "quinn-udp")]
mod rich;
mod stream;
mod system;

#[cfg(unix)]
#[path = "unix.rs"]
mod sys;
#[cfg(windows)]
#[path = "windows.rs"]
mod sys;

pub(crate) use datagram::DatagramSocket;
pub use datagram::StdDatagram;
pub(crate) use listener::ListenerSocket;
pub use listener::StdListener;
#[cfg(unix)]
pub(crate) use listener::unix::OwnedPath;
pub(crate) use pipe::{Pipe, cannot_splice};
pub(crate) use poller::{Events, Poller, Waker};
pub use stream::StdStream;
pub(crate) use stream::StreamSocket;
#[cfg(windows)]
pub(crate) use sys::OwnedPath;
pub(crate) use sys::read_at;
pub(crate) use sys::{
    Failure, SHORT_READ_DRAINS, SpareDescriptor, is_out_of_buffers, is_out_of_descriptors,
    is_passing_accept_error,
};
pub(crate) use system::System;

pub(crate) use crate::offload::Pool;

/// The address that a socket's name is, of whichever kind.
fn address(name: &SockAddr) -> Address {
    #[cfg(unix)]
    if let Some(path) = name.as_pathname() {
        return Address::Path(path.to_owned());
    }
    #[cfg(unix)]
    if let Some(name) = name.as_abstract_namespace() {
        return Address::Abstract(name.to_vec());
    }
    name.as_socket().map_or(Address::Unnamed, Address::Ip)
}

/// Makes a socket as the standard library has it from one of its own.
macro_rules! from_std {
    ($kind:ident, $ip:ident($inet:ty), $unix:ty) => {
        impl From<$inet> for $kind {
            fn from(socket: $inet) -> Self {
                Self::$ip(socket)
            }
        }

        #[cfg(unix)]
        impl From<$unix> for $kind {
            fn from(socket: $unix) -> Self {
                Self::Unix(socket)
            }
        }
    };
}
use from_std;
