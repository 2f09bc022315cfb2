//! The vocabulary of a trace: what can happen.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use super::Callback;
use crate::{CloseReason, ConnectionId, ProxyError, TimerKey};

/// What happened.
///
/// It prints as a few words: `read: 64 bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// The loop has waited, and the turn begins.
    TurnBegan {
        /// How many events the wait has brought.
        events: usize,
    },
    /// Everything there was to do has been done.
    TurnEnded {
        /// How long it took, without the wait.
        took: Duration,
    },

    /// An event of the poller has found its socket.
    Event {
        /// There may be something to read.
        read: bool,
        /// There may be room to write.
        write: bool,
        /// The peer has ended its direction, or the socket has failed.
        end: bool,
    },
    /// An event came for something that had ended already.
    StaleEvent,
    /// Another thread has woken the loop.
    Woken,
    /// Something is visited without an event: there was work left over, or it has yet to be opened.
    Visited,
    /// A connection is flushed at the end of the turn: others have written to it, or closed it.
    Touched,

    /// A read has brought bytes.
    Read {
        /// How many.
        bytes: usize,
    },
    /// A read has found nothing.
    ReadBlocked,
    /// A read has found the peer's FIN.
    ReadEnd,
    /// A read has failed, and with it the connection.
    ReadFailed(ErrorKind),
    /// The system has taken bytes.
    Wrote {
        /// How many it was offered.
        wanted: usize,
        /// How many it has taken.
        taken: usize,
    },
    /// The system has taken nothing.
    WriteBlocked {
        /// How many bytes it was offered.
        wanted: usize,
    },
    /// A write has failed, and with it the connection.
    WriteFailed(ErrorKind),
    /// This side sends no more, and has told the peer so.
    FinSent,
    /// An outgoing connection is begun.
    Connecting,
    /// An outgoing connection is made.
    Connected,
    /// The program has stopped reading a connection.
    Paused,
    /// The program goes on reading a connection.
    Resumed,
    /// A connection is not read while so much is queued for it.
    Held,
    /// A connection that was held is read again.
    Released,
    /// A connection or a datagram socket has ended.
    Closed {
        /// Why: a row of [`Stats::closes`](crate::Stats::closes).
        reason: &'static str,
    },

    /// A listener has let in a connection.
    Accepted(ConnectionId),
    /// A listener has closed a connection at once.
    Refused(Refusal),
    /// The system has failed to accept a connection.
    AcceptFailed(ErrorKind),
    /// A listener rests: it is ahead of its rate, or there are no descriptors.
    RestBegan,
    /// A listener accepts again.
    RestEnded,

    /// A datagram has come.
    Received {
        /// Bytes in it.
        bytes: usize,
    },
    /// The system has taken a datagram.
    Sent {
        /// Bytes in it.
        bytes: usize,
    },
    /// A datagram waits, since the system does not take it yet; or somebody else has given a
    /// connection something to send at the end of the turn.
    Queued {
        /// Bytes in it.
        bytes: usize,
    },
    /// There was no room to queue a datagram.
    Dropped {
        /// Bytes in it.
        bytes: usize,
    },
    /// A datagram socket has met with an error, and goes on.
    DatagramFailed(ErrorKind),

    /// The program is called.
    Called(Callback),
    /// It has returned.
    Returned(Callback),
    /// It has panicked instead.
    Panicked(Callback),
    /// A timer of a connection or a datagram socket has come due.
    TimerFired(TimerKey),
    /// The deadlines of a connection are looked at.
    DeadlinesChecked,
    /// Another thread's message is dealt with; the name says which of the calls of
    /// [`Handle`](crate::Handle) it was.
    Message(&'static str),
    /// The loop is told to shut down.
    ShutdownBegan,
    /// The grace is over, and the connections that are left are cut off.
    GraceEnded,

    /// A simulated network has done something to the traffic from this record's host.
    Network {
        /// What it has done.
        what: &'static str,
        /// The host it was for.
        to: u16,
        /// Bytes it was about.
        bytes: u32,
    },
    /// A simulated network has done something to the host of this record.
    Host(&'static str),
}

/// Why a connection was closed as soon as it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// [`Limits::connections`](crate::Limits::connections), or the system could not watch it.
    Full,
    /// [`Limits::connections_per_address`](crate::Limits::connections_per_address).
    Address,
    /// The listener's factory said no, or panicked.
    Factory,
    /// There was no descriptor but the spare one.
    Descriptors,
    /// [`Limits::handshakes`](crate::Limits::handshakes).
    Handshakes,
    /// A proxy has not said whom it speaks for.
    Proxy(ProxyError),
}

impl What {
    pub(crate) fn closed(reason: &CloseReason) -> Self {
        Self::Closed { reason: CloseReason::ROWS[reason.row()] }
    }

    /// Its name alone: the same for all reads, say, or that of the callback.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TurnBegan { .. } => "turn",
            Self::TurnEnded { .. } => "turn ends",
            Self::Event { .. } => "event",
            Self::StaleEvent => "stale event",
            Self::Woken => "woken",
            Self::Visited => "visited",
            Self::Touched => "touched",
            Self::Read { .. } => "read",
            Self::ReadBlocked => "read would block",
            Self::ReadEnd => "read FIN",
            Self::ReadFailed(_) => "read failed",
            Self::Wrote { .. } => "wrote",
            Self::WriteBlocked { .. } => "write would block",
            Self::WriteFailed(_) => "write failed",
            Self::FinSent => "sent FIN",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Held => "held",
            Self::Released => "released",
            Self::Closed { .. } => "closed",
            Self::Accepted(_) => "accepted",
            Self::Refused(_) => "refused",
            Self::AcceptFailed(_) => "accept failed",
            Self::RestBegan => "rests",
            Self::RestEnded => "rest ends",
            Self::Received { .. } => "received",
            Self::Sent { .. } => "sent",
            Self::Queued { .. } => "queued",
            Self::Dropped { .. } => "dropped",
            Self::DatagramFailed(_) => "datagram failed",
            Self::Called(callback) | Self::Returned(callback) | Self::Panicked(callback) => {
                callback.name()
            }
            Self::TimerFired(_) => "timer fired",
            Self::DeadlinesChecked => "deadlines checked",
            Self::Message(_) => "message",
            Self::ShutdownBegan => "shutdown",
            Self::GraceEnded => "grace ends",
            Self::Network { what, .. } | Self::Host(what) => what,
        }
    }

    /// How many bytes it is about, if it is about bytes: those that went through, not those offered.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        match self {
            Self::Read { bytes }
            | Self::Wrote { taken: bytes, .. }
            | Self::Received { bytes }
            | Self::Sent { bytes }
            | Self::Queued { bytes }
            | Self::Dropped { bytes } => Some(bytes),
            Self::Network { bytes, .. } => Some(bytes as usize),
            _ => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match *self {
            Self::TurnBegan { events: 1 } => f.write_str(": 1 event"),
            Self::TurnBegan { events } => write!(f, ": {events} events"),
            Self::TurnEnded { took } => write!(f, ": {took:.0?}"),
            Self::Event { read, write, end } => write_readiness(f, [read, write, end]),
            Self::Wrote { wanted, taken } if taken < wanted => {
                write!(f, ": {taken} of {wanted} bytes")
            }
            Self::WriteBlocked { wanted } => write!(f, ": {wanted} bytes"),
            Self::ReadFailed(kind)
            | Self::WriteFailed(kind)
            | Self::AcceptFailed(kind)
            | Self::DatagramFailed(kind) => write!(f, ": {kind}"),
            Self::Closed { reason: text } | Self::Message(text) => write!(f, ": {text}"),
            Self::Accepted(id) => write!(f, ": {id}"),
            Self::Refused(refusal) => write!(f, ": {refusal}"),
            Self::Called(_) => f.write_str(" begins"),
            Self::Returned(_) => f.write_str(" returns"),
            Self::Panicked(_) => f.write_str(" panics"),
            Self::TimerFired(TimerKey(key)) => write!(f, ": {key}"),
            // A packet without bytes carries news of another kind, which its name tells.
            Self::Network { bytes: 0, .. } => Ok(()),
            _ => self.bytes().map_or(Ok(()), |bytes| write!(f, ": {bytes} bytes")),
        }
    }
}

fn write_readiness(f: &mut fmt::Formatter<'_>, readiness: [bool; 3]) -> fmt::Result {
    let words = readiness.into_iter().zip([" read", " write", " end"]);
    f.write_str(":")?;
    words.filter(|(is_set, _)| *is_set).try_for_each(|(_, word)| f.write_str(word))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proxy(error) => return write!(f, "a proxy: {error}"),
            Self::Full => "the loop is full",
            Self::Address => "too many from its address",
            Self::Factory => "by the factory",
            Self::Handshakes => "too many handshakes",
            Self::Descriptors => "no descriptors left",
        })
    }
}
