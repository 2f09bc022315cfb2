//! What is known of a socket: whether it may be read, or written to, or has come to an end.

use crate::trace::What;

/// What an event says about a socket, and what the loop believes of it until a call says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness(u8);

impl Readiness {
    /// This and the next are the bits that epoll has for them, so an event is masked rather than translated.
    pub(crate) const READ: Self = Self(1);
    pub(crate) const WRITE: Self = Self(4);
    /// The peer has ended its direction, or the connection has failed; unread data may come first.
    pub(crate) const END: Self = Self(2);
    /// There is a layer on the socket, which may hold something that no event tells of.
    pub(crate) const LAYERED: Self = Self(8);
    /// There are deadlines, which want to know when bytes move.
    pub(crate) const WATCHED: Self = Self(16);
    /// The connection is open in both directions. Here one question finds that with all the others.
    pub(crate) const OPEN: Self = Self(32);
    /// Its protocol has left something unconsumed.
    pub(crate) const UNREAD: Self = Self(64);

    /// Those of the asked ones that it has.
    pub(crate) const fn among(self, asked: Self) -> Self {
        Self(self.0 & asked.0)
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self(0) }
    }
}

impl What {
    /// What an event says, in the trace.
    pub(crate) fn event(readiness: Readiness) -> Self {
        Self::Event {
            read: readiness.contains(Readiness::READ),
            write: readiness.contains(Readiness::WRITE),
            end: readiness.contains(Readiness::END),
        }
    }
}
