//! What can go wrong with a call: each operation has a small enum of its own.
//!
//! Errors *of a connection* are not here: they end it, with a [`CloseReason`](crate::CloseReason).
//! A call that refuses something hands it back inside its error.

use std::fs::File;
use std::io;

use bytes::Bytes;
use thiserror::Error;

use crate::Address;
use crate::words::debug_in_words;

debug_in_words!(OpenError, Stale, TimersFull, OffloadError, LoopError);

/// A socket could not be opened: by `listen`, `connect`, `bind_datagram` or an `adopt`.
#[derive(Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another socket has the address (`EADDRINUSE`).
    #[error("address already in use: {0}")]
    AddressInUse(Address),
    /// No interface of this machine has the address (`EADDRNOTAVAIL`), or the multicast interface
    /// does not exist.
    #[error("no interface of this machine has the address {0}")]
    AddressNotAvailable(Address),
    /// Something that is not a socket is at the path; it was left alone.
    #[error("{0} exists and is not a socket")]
    PathTaken(Address),
    /// The system does not allow it: a port below 1024, a directory that is not ours.
    #[error("permission denied: {0}")]
    PermissionDenied(Address),
    /// The process or the system has no descriptors left (`EMFILE`, `ENFILE`).
    #[error("no file descriptors left to open {0}")]
    NoDescriptors(Address),
    /// The loop is at [`Limits::connections`](crate::Limits::connections).
    #[error("the loop has no connections left to open {0}")]
    TooManyConnections(Address),
    /// This platform has no such sockets, or the address is of the wrong kind for the call.
    #[error("{0} cannot be used here: {1}")]
    Unsupported(Address, &'static str),
    /// The loop is shutting down and takes nothing new.
    #[error("the loop is shutting down: {0} was not opened")]
    ShuttingDown(Address),
    /// TLS cannot be begun with it: there is no name to verify, say.
    #[cfg(feature = "tls")]
    #[error("cannot speak TLS with {0}: {1}")]
    Tls(Address, crate::tls::StartTlsError),
    /// Anything else the system says.
    #[error("cannot open {address}: {error}")]
    Io {
        /// What was to be opened.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
}

/// Bytes could not be queued for a connection; they are handed back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Stale(Bytes),
    /// The connection is closing: this side has said it sends no more.
    #[error("the connection is closing")]
    Closing(Bytes),
    /// The queue has no room. Whether the connection ends for it, with
    /// [`CloseReason::OutboxFull`](crate::CloseReason::OutboxFull) or
    /// [`LoopOutboxFull`](crate::CloseReason::LoopOutboxFull), is what
    /// [`StreamLimits::when_full`](crate::StreamLimits::when_full) says.
    #[error("the outbox is full")]
    Full(Bytes),
}

impl SendError {
    /// The bytes that were not sent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Stale(bytes) | Self::Closing(bytes) | Self::Full(bytes) => bytes,
        }
    }
}

/// A file could not be queued for a connection; it is handed back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendFileError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Stale(File),
    /// The connection is closing: this side has said it sends no more.
    #[error("the connection is closing")]
    Closing(File),
    /// The queue has no room; whether the connection ends for it is as in [`SendError::Full`].
    #[error("the outbox is full")]
    Full(File),
}

/// A protocol could not be reached by the id of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReachError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Stale,
    /// It runs a protocol of another type.
    #[error("the connection runs another protocol")]
    OtherProtocol,
}

/// A connection could not be handed to another loop; it goes on in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandOffError {
    /// It is closing, or one of its ends has said that it sends no more.
    #[error("the connection is closing")]
    Closing,
    /// It is coupled with another one, of the same loop.
    #[error("the connection is coupled with another one")]
    Coupled,
    /// A handshake of TLS is under way.
    #[error("a handshake is under way")]
    Securing,
    /// A file waits to be sent, which its own loop gives back when it is.
    #[error("a file waits to be sent")]
    Files,
}

/// The id names something that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("it has ended")]
pub struct Stale;

/// A timer could not be set: the loop is at [`Limits::timers`](crate::Limits::timers).
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("the loop has no timers left")]
pub struct TimersFull;

/// A message could not be left for the loop; it is handed back.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
pub enum PostError<T> {
    /// The loop has ended.
    #[error("the loop has ended")]
    Ended(T),
    /// [`Limits::tasks`](crate::Limits::tasks) wait already.
    #[error("too many messages wait for the loop")]
    Full(T),
}

impl<T> PostError<T> {
    /// What was not delivered.
    pub fn into_inner(self) -> T {
        match self {
            Self::Ended(message) | Self::Full(message) => message,
        }
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> PostError<U> {
        match self {
            Self::Ended(message) => PostError::Ended(f(message)),
            Self::Full(message) => PostError::Full(f(message)),
        }
    }
}

/// As [`Display`](std::fmt::Display): what is handed back is most often a closure, which has no `Debug`.
impl<T> std::fmt::Debug for PostError<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Offloaded work brought no result.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OffloadError {
    /// The work panicked; the text is the panic's message.
    #[error("offloaded work panicked: {0}")]
    Panicked(String),
}

/// The loop itself failed: the only error a turn can have, since whatever goes wrong on one
/// connection ends that connection.
#[derive(Error)]
#[error("waiting for events failed: {0}")]
pub struct LoopError(pub(crate) io::Error);

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::LoopFailure;

    /// `main` prints `Debug` of what it returns.
    #[test]
    fn what_main_may_end_with_is_a_sentence() {
        let address = Address::from(std::path::Path::new("/run/a"));
        let not = "localhost".parse::<Address>().expect_err("it has no port");
        let opened = || OpenError::AddressInUse(address.clone());
        let sentences: [(Box<dyn Error>, &str); 7] = [
            (opened().into(), "address already in use: unix:/run/a"),
            (LoopFailure::Failed(opened()).into(), "address already in use: unix:/run/a"),
            (not.clone().into(), &not.to_string()),
            (Stale.into(), "it has ended"),
            (TimersFull.into(), "the loop has no timers left"),
            (PostError::Full(|| ()).into(), "too many messages wait for the loop"),
            (
                LoopError(io::ErrorKind::Other.into()).into(),
                "waiting for events failed: other error",
            ),
        ];
        for (error, sentence) in sentences {
            assert_eq!(format!("{error:?}"), sentence);
            assert_eq!(format!("{error}"), sentence);
        }
    }
}
