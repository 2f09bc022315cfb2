//! How a call can fail.

use std::time::Duration;

use thiserror::Error;

use super::Error;

/// Why a call that was made has no result.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The other side has answered with an error.
    #[error("{0}")]
    Refused(Error),
    /// The result is there, and is not what was asked for.
    #[error("the result is not what was expected: {0}")]
    Unexpected(String),
    /// No answer came in this time. Whether the call was carried out is not known.
    #[error("no answer in {0:?}")]
    Timeout(Duration),
    /// It waited this long for a connection, and none was there: why the last try failed. It was not carried out,
    /// unless it had been sent once, and is one to be [sent again](super::Lost::SendAgain).
    #[error("no answer in {timeout:?}: {why}")]
    Unreachable {
        /// How long it waited.
        timeout: Duration,
        /// Why there was no connection, as a sentence.
        why: String,
    },
    /// The connection has ended. Whether the call was carried out is not known, unless `sent` is false.
    #[error("no answer: {why}")]
    Lost {
        /// Why it ended.
        why: String,
        /// Whether the call had been handed to the connection.
        sent: bool,
    },
    /// This side has cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Too many calls, or too many bytes of them, wait already: see
    /// [`Limits::made`](super::Limits::made) and [`Limits::kept`](super::Limits::kept).
    #[error("too many calls wait for their answers")]
    Full,
    /// The parameters cannot be JSON, or are longer than
    /// [`Limits::message`](super::Limits::message).
    #[error("the parameters cannot be sent: {0}")]
    Params(String),
    /// The loop has no timers left for the deadline.
    #[error("the loop has no timers left")]
    NoTimer,
}

/// Whoever has called, or listened, is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the connection has ended")]
pub struct Gone;
