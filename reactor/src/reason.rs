//! Who ended a connection, and why.

use std::io;

use thiserror::Error;

use crate::tls::TlsFailure;
use crate::{Address, ConnectionId};

/// Why a connection, a listener or a datagram socket ended.
///
/// The `Display` text is a sentence for a log; [`CloseReason::side`] says whose doing it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides said goodbye, the peer first: everything either sent has arrived.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// Both sides said goodbye, ours first: everything that was queued has left, and the peer
    /// acknowledged it with a FIN of its own.
    #[error("closed")]
    Closed,
    /// The program called `abort`: the connection was reset, and what was queued is lost.
    #[error("aborted")]
    Aborted,
    /// The program took the socket back with `detach`.
    #[error("the socket was given back to the program")]
    Detached,
    /// The loop was shut down and this connection did not finish by the deadline.
    #[error("cut off by the shutdown of the loop")]
    Shutdown,
    /// A callback of this connection panicked; the text is the panic's message.
    #[error("its handler panicked: {0}")]
    Panicked(String),

    /// The peer reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// The connection could not be made; the error is the system's (`SO_ERROR`).
    #[error("could not connect: {0}")]
    ConnectFailed(#[source] io::Error),
    /// The system failed a read or a write for another reason: a route lost, a peer that keepalive
    /// found to be gone.
    #[error("the connection failed: {0}")]
    Failed(#[source] io::Error),
    /// The peer ended the connection without having said that it had sent all: its TLS without
    /// close_notify, or in the middle of the handshake. Somebody in between may have cut it off, so what was
    /// received may be a part only (RFC 8446, 6.1).
    #[error("the peer's end was cut off: it did not say that it was done")]
    Truncated,
    /// TLS has failed: why is inside.
    #[error("{0}")]
    Tls(#[source] TlsFailure),
    /// A file that was being sent could not be read.
    #[error("a file that was being sent could not be read: {0}")]
    FileFailed(#[source] io::Error),

    /// [`StreamLimits::connect_timeout`](crate::StreamLimits::connect_timeout) has passed.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// [`StreamLimits::handshake_timeout`](crate::StreamLimits::handshake_timeout) has passed.
    #[error("the handshake took too long")]
    HandshakeTimeout,
    /// [`StreamLimits::close_timeout`](crate::StreamLimits::close_timeout) has passed since `close`:
    /// the peer did not take what was queued, or did not say goodbye. The connection was reset.
    #[error("closing took too long")]
    CloseTimeout,
    /// [`StreamLimits::idle_timeout`](crate::StreamLimits::idle_timeout) has passed.
    #[error("nobody sent anything for too long")]
    IdleTimeout,
    /// [`StreamLimits::read_timeout`](crate::StreamLimits::read_timeout) has passed.
    #[error("the peer sent nothing for too long")]
    ReadTimeout,
    /// The peer was slower than [`StreamLimits::min_rate`](crate::StreamLimits::min_rate).
    #[error("the transfer was too slow")]
    TooSlow,
    /// The protocol left more unconsumed than [`StreamLimits::inbox`](crate::StreamLimits::inbox).
    #[error("its inbox is full: a message was longer than allowed")]
    InboxFull,
    /// More was queued than [`StreamLimits::outbox`](crate::StreamLimits::outbox).
    #[error("its outbox is full: the peer reads too slowly")]
    OutboxFull,
    /// More was queued in the whole loop than [`Limits::outboxes`](crate::Limits::outboxes).
    #[error("the outboxes of the loop are full")]
    LoopOutboxFull,
    /// The connection asked for a timer beyond [`Limits::timers`](crate::Limits::timers).
    #[error("the loop has no timers left")]
    TimersFull,
}

/// Whose doing the end of a connection was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The program on this side.
    Local,
    /// The peer.
    Peer,
    /// The system or the network between.
    System,
    /// A limit of this loop.
    Limit,
}

impl CloseReason {
    /// Whose doing it was.
    #[must_use]
    pub fn side(&self) -> Side {
        use CloseReason as R;
        match self {
            R::Closed | R::Aborted | R::Detached | R::Shutdown | R::Panicked(_) => Side::Local,
            R::PeerClosed | R::Reset | R::Truncated => Side::Peer,
            R::ConnectFailed(_) | R::Failed(_) | R::FileFailed(_) => Side::System,
            R::Tls(failure) => failure.side(),
            R::ConnectTimeout
            | R::HandshakeTimeout
            | R::CloseTimeout
            | R::IdleTimeout
            | R::ReadTimeout
            | R::TooSlow
            | R::InboxFull
            | R::OutboxFull
            | R::LoopOutboxFull
            | R::TimersFull => Side::Limit,
        }
    }

    /// Whether both sides said goodbye, so that nothing either sent was lost.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::PeerClosed | Self::Closed)
    }

    /// Whether the peer is told by RST. An alert of TLS says more, and would not survive one.
    pub(crate) fn resets(&self) -> bool {
        !self.is_clean() && !matches!(self, Self::Tls(_))
    }

    /// Sorts an error of a read or a write: a reset is the peer's doing, the rest the system's; a layer
    /// has given a reason of its own.
    pub(crate) fn from_io(error: io::Error) -> Self {
        use io::ErrorKind as K;
        let error = match error.downcast::<Self>() {
            Ok(reason) => return reason,
            Err(error) => error,
        };
        match error.kind() {
            K::ConnectionReset | K::BrokenPipe | K::ConnectionAborted => Self::Reset,
            _ => Self::Failed(error),
        }
    }

    /// As an error, by which a layer gives a reason: the other way of [`from_io`](Self::from_io).
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// The row of [`Stats::closes`](crate::Stats::closes) this reason is counted in.
    pub(crate) fn row(&self) -> usize {
        match self {
            Self::PeerClosed => 0,
            Self::Closed => 1,
            Self::Aborted => 2,
            Self::Detached => 3,
            Self::Shutdown => 4,
            Self::Panicked(_) => 5,
            Self::Reset => 6,
            Self::ConnectFailed(_) => 7,
            Self::Failed(_) => 8,
            Self::FileFailed(_) => 9,
            Self::ConnectTimeout => 10,
            Self::CloseTimeout => 11,
            Self::IdleTimeout => 12,
            Self::ReadTimeout => 13,
            Self::TooSlow => 14,
            Self::InboxFull => 15,
            Self::OutboxFull => 16,
            Self::LoopOutboxFull => 17,
            Self::TimersFull => 18,
            Self::Truncated => 19,
            Self::Tls(_) => 20,
            Self::HandshakeTimeout => 21,
        }
    }

    /// What the rows of [`Self::row`] are called in a table.
    pub(crate) const ROWS: [&'static str; 22] = [
        "peer closed",
        "closed",
        "aborted",
        "detached",
        "shutdown",
        "panicked",
        "reset",
        "connect failed",
        "failed",
        "file failed",
        "connect timeout",
        "close timeout",
        "idle timeout",
        "read timeout",
        "too slow",
        "inbox full",
        "outbox full",
        "loop outbox full",
        "timers full",
        "truncated",
        "TLS failed",
        "handshake timeout",
    ];
}

/// The end of a connection, as [`on_close`](crate::Protocol::on_close) is told it.
#[derive(Debug)]
pub struct Closed {
    /// Which connection it was; the id is stale from now on.
    pub id: ConnectionId,
    /// The other end.
    pub peer: Address,
    /// Who ended it, and why.
    pub reason: CloseReason,
    /// Whether [`on_open`](crate::Protocol::on_open) had been called: not so when connecting failed.
    pub opened: bool,
    /// Bytes that were queued and never handed to the system. What the system had taken but the
    /// peer had not acknowledged cannot be known.
    pub unsent: u64,
}
