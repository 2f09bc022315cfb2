//! How it can fail to publish, to subscribe, to ask, and to be connected.

use std::time::Duration;

use reactor::CloseReason;
use thiserror::Error;

use crate::nats::wire::subject::InvalidSubject;
use crate::nats::wire::{Malformed, ServerError};

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nothing can be published as this.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// It is longer than the server takes.
    #[error("a message of {size} bytes, and the server takes {most}")]
    TooLong {
        /// Its bytes, with its headers.
        size: usize,
        /// What the server takes.
        most: usize,
    },
    /// Too much waits already: for a server that does not take it ([`Limits::outbox`](crate::nats::Limits::outbox)), or
    /// for there to be one ([`Limits::pending`](crate::nats::Limits::pending)).
    #[error("too much waits to be sent")]
    Full,
    /// The client has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why it was not subscribed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// This cannot be subscribed to, or is no name of a group.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// As many as [`Limits::subscriptions`](crate::nats::Limits::subscriptions) are made already.
    #[error("too many subscriptions")]
    Full,
    /// The client has ended, or is about to.
    #[error("the client is closed")]
    Closed,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent; one that waited for a connection may turn out to be longer than the server takes.
    #[error(transparent)]
    NotSent(#[from] PublishError),
    /// As many as [`Limits::requests`](crate::nats::Limits::requests) wait already. It was not sent.
    #[error("too many requests wait for their answers")]
    Full,
    /// The loop has no timers left. It was not sent.
    #[error("the loop has no timers left")]
    NoTimer,
    /// Nobody has subscribed to it: the server says so at once.
    #[error("nobody is there to answer")]
    NoResponders,
    /// No answer came in this time. Whether the request was carried out is not known.
    #[error("no answer in {0:?}")]
    TimedOut(Duration),
    /// The connection was lost behind it. Whether the request was carried out is not known, and an answer that comes
    /// later finds nobody.
    #[error("the connection was lost before there was an answer")]
    Lost,
    /// It made room for newer ones, while there was no connection. It was not sent.
    #[error("it was dropped before there was a connection")]
    Dropped,
    /// The client has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why it is not known whether the server has got everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The connection was lost.
    #[error("the connection was lost")]
    Lost,
    /// As many as [`Limits::flushes`](crate::nats::Limits::flushes) are asked for already.
    #[error("too many flushes wait for their answers")]
    Full,
    /// The client has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why there is no connection.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The server has said why, and hung up.
    #[error("{0}")]
    Server(ServerError),
    /// The server has refused this user, and hung up.
    #[error("{error}; it asked {user}")]
    Refused {
        /// Why.
        error: ServerError,
        /// As whom it asked: `as user ann`, `with a token`, with which public key, or without any.
        user: String,
    },
    /// The connection has ended, or was never made.
    #[error("{0}")]
    Transport(CloseReason),
    /// It could not be begun.
    #[error("{0}")]
    Open(String),
    /// What came is not NATS.
    #[error("the server does not speak NATS: {0}")]
    Malformed(Malformed),
    /// What it says of itself cannot be read, or comes at the wrong time.
    #[error("the server does not speak NATS: {0}")]
    Dialogue(String),
    /// It has said nothing at all in [`Limits::connect`](crate::nats::Limits::connect): a server of NATS speaks first,
    /// and many others wait for the client to do so.
    #[error("the server has not said who it is in time: perhaps it does not speak NATS")]
    Silent,
    /// It has not let this client in, in [`Limits::connect`](crate::nats::Limits::connect).
    #[error("the server has not answered in time")]
    Timeout,
    /// It has left too many `PING`s unanswered.
    #[error("the server does not answer any more")]
    Stale,
    /// It speaks TLS only, and this client has none configured.
    #[error("the server wants TLS")]
    TlsRequired,
    /// This client wants TLS, and the server does not speak it.
    #[error("the server does not speak TLS")]
    TlsUnavailable,
    /// TLS could not be begun.
    #[error("TLS cannot be begun: {0}")]
    Tls(String),
    /// There is no server to connect to.
    #[error("no server is known")]
    NoServers,
}

impl ConnectionError {
    /// Whether the server does not want this client: to ask again brings the same answer.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
