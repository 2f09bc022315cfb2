//! Either system, chosen when a loop is made: the real one or a simulated one (feature `sim`).
//!
//! Everything here has the names and methods of `os`, so that what is above the seam reads the same
//! with the feature and without. A real socket pays one branch a call that always goes the same way;
//! the simulated side is marked cold.
//!
//! Sockets and poller of a loop are of one system: the poller opens and adopts them, and refuses
//! those of the other kind.

/// Asks the same of a real socket and of a simulated one.
macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Self::Os($socket) => $call,
            Self::Sim(shelved) => shelved.with(|$socket| $call),
        }
    };
}

mod datagram;
mod listener;
mod poller;
mod shelf;
mod spare;
mod stream;
mod system;

pub(crate) use datagram::DatagramSocket;
pub use datagram::SimulatedDatagram;
pub(crate) use listener::ListenerSocket;
pub use listener::SimulatedListener;
pub(crate) use poller::{Events, Poller, Waker};
pub(crate) use spare::SpareDescriptor;
pub use stream::SimulatedStream;
pub(crate) use stream::StreamSocket;
pub(crate) use system::System;

use crate::{Address, OpenError};

/// A simulated system knows nothing of real descriptors, nor of the sockets of another thread.
fn not_simulated_here() -> OpenError {
    let reason = "this loop is simulated, and it is not, or on another thread";
    OpenError::Unsupported(Address::Unnamed, reason)
}
