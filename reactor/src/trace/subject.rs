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

/// Whom a record is about, as those say it who write it.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// The source that the loop turns to now, or `None` for the loop itself.
    Visit(Option<Subject>),
    /// The source that is being visited: a socket's own file does not know its id.
    Visited,
    /// Another source than the one that is being visited.
    Other(Subject),
}

macro_rules! kinds {
    ($($kind:ident $id:ident),*) => {
        /// A [`Subject`] without its name, which takes half the room in a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Kind {
            $($kind),*
        }

        impl Subject {
            pub(super) fn from_parts(kind: Kind, key: Key) -> Self {
                match kind {
                    $(Kind::$kind => Self::$kind($id(key)),)*
                }
            }

            pub(super) fn into_parts(self) -> (Kind, Key) {
                match self {
                    $(Self::$kind(id) => (Kind::$kind, id.0),)*
                }
            }
        }

        $(impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self::$kind(id)
            }
        })*

        impl fmt::Display for Subject {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind(id) => id.fmt(f),)*
                }
            }
        }
    };
}

kinds!(Connection ConnectionId, Listener ListenerId, Socket SocketId, Timer TimerId);

impl Subject {
    /// The slot it lives in; timers have none.
    pub(super) fn slot(self) -> Option<usize> {
        match self.into_parts() {
            (Kind::Timer, _) => None,
            (_, key) => Some(key.index()),
        }
    }
}
