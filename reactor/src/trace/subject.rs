//! Whom a record is about.

use std::fmt;

use crate::id::Key;
use crate::{ConnectionId, ListenerId, SocketId, TimerId};

/// Whom a record is about, if not the loop as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A connection.
    Connection(ConnectionId),
    /// A listener.
    Listener(ListenerId),
    /// A datagram socket.
    Socket(SocketId),
    /// A free-standing timer.
    Timer(TimerId),
}

/// A [`Subject`] without its name, which takes half the room in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Connection,
    Listener,
    Socket,
    Timer,
}

impl Subject {
    pub(super) fn from_parts(kind: Kind, key: Key) -> Self {
        match kind {
            Kind::Connection => Self::Connection(ConnectionId(key)),
            Kind::Listener => Self::Listener(ListenerId(key)),
            Kind::Socket => Self::Socket(SocketId(key)),
            Kind::Timer => Self::Timer(TimerId(key)),
        }
    }

    pub(super) fn into_parts(self) -> (Kind, Key) {
        match self {
            Self::Connection(id) => (Kind::Connection, id.0),
            Self::Listener(id) => (Kind::Listener, id.0),
            Self::Socket(id) => (Kind::Socket, id.0),
            Self::Timer(id) => (Kind::Timer, id.0),
        }
    }

    /// The slot it lives in; timers have none.
    pub(super) fn slot(self) -> Option<usize> {
        match self.into_parts() {
            (Kind::Timer, _) => None,
            (_, key) => Some(key.index()),
        }
    }
}

macro_rules! from_ids {
    ($($kind:ident $id:ty),*) => {
        $(impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self::$kind(id)
            }
        })*
    };
}
from_ids!(Connection ConnectionId, Listener ListenerId, Socket SocketId, Timer TimerId);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => id.fmt(f),
            Self::Listener(id) => id.fmt(f),
            Self::Socket(id) => id.fmt(f),
            Self::Timer(id) => id.fmt(f),
        }
    }
}
