//! How a conversation can fail, and a payload: each in a way that the program can tell apart.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use reactor::CloseReason;
use thiserror::Error;

use crate::echo::Mismatch;

/// Why a conversation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listens there, there is no way, or no answer.
    #[error("could not connect: {0}")]
    Connect(io::ErrorKind),
    /// The server was given by its name, which could not be looked up, or none of its addresses could be connected
    /// to: the text tells of each.
    #[error("{0}")]
    Host(String),
    /// What came back is not what was sent.
    #[error("the peer is no echo server: {0}")]
    Mismatch(Mismatch),
    /// The peer ended the conversation first.
    #[error("the peer ended the connection first, with {missing} bytes unanswered")]
    EarlyEnd {
        /// Bytes that were sent and did not come back.
        missing: usize,
    },
    /// [`ClientLimits::timeout`](crate::echo::ClientLimits::timeout) has passed with nothing coming back.
    #[error("nothing came back for {0:?}")]
    Timeout(Duration),
    /// The peer reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// Anything else that ends connections, as a sentence.
    #[error("{0}")]
    Other(String),
}

/// A payload was not sent; it is handed back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotSent {
    /// There is no room for it before something comes back, or ever if it is longer than
    /// [`ClientLimits::window`](crate::echo::ClientLimits::window).
    #[error("too much is on its way already")]
    WindowFull(Bytes),
    /// It is empty, which means nothing on a stream.
    #[error("a stream carries no empty payload")]
    Empty(Bytes),
    /// The conversation is over, or ending.
    #[error("the conversation is over")]
    Ended(Bytes),
    /// The loop has no timer to wait for it with.
    #[error("the loop has no timers left")]
    NoTimer(Bytes),
    /// The system did not take the datagram: it is too long, or an earlier one was refused.
    #[error("{error}")]
    Refused {
        /// The payload.
        payload: Bytes,
        /// What the system says.
        error: io::Error,
    },
}

impl Failure {
    /// What the end of a connection means while `missing` bytes were waited for.
    pub(super) fn new(reason: &CloseReason, missing: usize) -> Self {
        match reason {
            CloseReason::PeerClosed | CloseReason::Closed => Self::EarlyEnd { missing },
            CloseReason::ConnectFailed(error) => Self::Connect(error.kind()),
            CloseReason::ConnectTimeout => Self::Connect(io::ErrorKind::TimedOut),
            CloseReason::HostFailed(failure) => Self::Host(failure.to_string()),
            CloseReason::Reset => Self::Reset,
            other => Self::Other(other.to_string()),
        }
    }
}
