//! How a conversation can fail, and an operation of it: each in a way that the program can tell apart.

use std::io;
use std::time::Duration;

use reactor::tls::TlsFailure;
use reactor::{CloseReason, OpenError};
use thiserror::Error;

use crate::transfer::ftp::wire::command::Unsendable;
use crate::transfer::ftp::wire::reply::{Kind, Reply, ReplyError};

/// Why an operation failed, or the whole conversation.
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
    /// The server does not speak TLS ([`Security::Explicit`](super::Security)): it says this to `AUTH TLS`. It was
    /// told nobody's name and no password.
    #[error("the server does not speak TLS: {0}")]
    NoTls(Reply),
    /// Nobody that is trusted vouches for the server's certificate, or it is for another name.
    #[error("the server's certificate is not accepted: {0}")]
    NotTrusted(String),
    /// TLS could not be begun with the server.
    #[error("{0}")]
    Tls(String),
    /// The server protects the conversation, but not the files: it says this to `PROT P`.
    #[error("the server does not protect files: {0}")]
    NotProtected(Reply),
    /// The server does not let this user in.
    #[error("the server refuses the login: {0}")]
    Login(Reply),
    /// The server does not want the client at all.
    #[error("the server says: {0}")]
    Unwelcome(Reply),
    /// The server refuses this operation. The conversation goes on.
    #[error("the server says: {0}")]
    Refused(Reply),
    /// What the server says is no reply, or not one to what it was told.
    #[error("the server does not talk as FTP does: {0}")]
    Nonsense(String),
    /// A reply has not come in time.
    #[error("no reply for {0:?}")]
    NoReply(Duration),
    /// The data connection could not be opened, or has ended early. The conversation goes on.
    #[error("the data connection failed: {0}")]
    Data(String),
    /// The file on this side cannot be read, or written. The conversation goes on.
    #[error("{message}")]
    File {
        /// What kind of error it is.
        kind: io::ErrorKind,
        /// What the system says.
        message: String,
    },
    /// The list of a directory is longer than [`ClientLimits::listing`](super::ClientLimits::listing).
    #[error("the list of the directory has more than {0} bytes")]
    ListingTooLong(usize),
    /// The name has a line end in it, and FTP has none for such names.
    #[error("FTP has no way to say this name: {0}")]
    Unsendable(Unsendable),
    /// This side has given it up. The conversation goes on.
    #[error("given up")]
    Cancelled,
    /// The server ended the conversation in the middle of something.
    #[error("the server ended the connection")]
    EarlyEnd,
    /// The server reset the connection.
    #[error("the server reset the connection")]
    Reset,
    /// Anything else that ends connections, as a sentence.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Whether the same might work later: a full disk, too many users, a connection that broke.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Login(reply) | Self::Unwelcome(reply) | Self::Refused(reply) => {
                reply.kind() == Kind::TransientFailure
            }
            Self::NoReply(_) | Self::Data(_) | Self::EarlyEnd | Self::Reset => true,
            Self::Connect(_) | Self::Host(_) | Self::Other(_) => true,
            Self::NoTls(_)
            | Self::NotTrusted(_)
            | Self::Tls(_)
            | Self::NotProtected(_)
            | Self::Nonsense(_)
            | Self::File { .. }
            | Self::ListingTooLong(_)
            | Self::Unsendable(_)
            | Self::Cancelled => false,
        }
    }

    /// Whether the server says that there is no such thing (or that it must not be seen).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(reply) if reply.code == 550)
    }

    /// Whether it is this side that has broken off a transfer, for a reason of its own.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Cancelled | Self::ListingTooLong(_))
    }

    /// What the end of the control connection means, in the middle of something.
    pub(super) fn of_end(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::PeerClosed | CloseReason::Closed => Self::EarlyEnd,
            CloseReason::ConnectFailed(error) => Self::Connect(error.kind()),
            CloseReason::ConnectTimeout => Self::Connect(io::ErrorKind::TimedOut),
            CloseReason::HostFailed(failure) => Self::Host(failure.to_string()),
            CloseReason::Tls(TlsFailure::Certificate(why)) => Self::NotTrusted(why.clone()),
            CloseReason::Tls(failure) => Self::Tls(failure.to_string()),
            CloseReason::Reset => Self::Reset,
            other => Self::Other(other.to_string()),
        }
    }

    /// What the end of a data connection means, before all was there.
    pub(super) fn of_data(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::PeerClosed | CloseReason::Closed => {
                Self::Data("the server ended it early".to_owned())
            }
            CloseReason::IdleTimeout => Self::Data("nothing has moved for too long".to_owned()),
            CloseReason::FileFailed(error) => Self::from_io(error),
            other => Self::Data(other.to_string()),
        }
    }

    pub(super) fn of_open(error: &OpenError) -> Self {
        Self::Data(error.to_string())
    }

    pub(super) fn from_io(error: &io::Error) -> Self {
        Self::File { kind: error.kind(), message: error.to_string() }
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Self {
        Self::Nonsense(error.to_string())
    }
}
