//! Why a web seed cannot be used.

use thiserror::Error;

use crate::http::client::{Failure, NoUrl};

/// Why a web seed cannot be used, now or ever.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WebFailed {
    /// Its address is none.
    #[error(transparent)]
    Url(#[from] NoUrl),
    /// It is to be reached over TLS, and nobody said whom to trust.
    #[error("it wants TLS, which is not set up")]
    NoTls,
    /// It was not reached, or has not answered as a server does.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// It has not got the file, or does not give it.
    #[error("it answers {0}")]
    Status(u16),
    /// It sends on, nowhere or too often.
    #[error("it sends on, nowhere or too often")]
    Redirect,
    /// It sends on to what only this machine, or its network, can reach.
    #[error("it sends on to {0}, which is inside of this network")]
    Inward(String),
    /// It is on this machine or its network, and is nothing that is asked there for the sake of a torrent: see
    /// [`Options::reach`](crate::torrent::peer::Options).
    #[error("{0} is inside of this network, and not to be asked there")]
    Inside(String),
    /// It sends another part than was asked for, or another file.
    #[error("it does not send the part that was asked for")]
    Range,
    /// A piece that came from it is wrong.
    #[error("what it sends is wrong")]
    Lies,
}

impl WebFailed {
    /// Whether it will be the same the next time.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Failure(_) => false,
            // It takes too long, or too much was asked (RFC 9110, 15.5.9; RFC 6585, 4); the server's own troubles pass.
            Self::Status(status) => {
                (400..500).contains(status) && !matches!(status, 408 | 425 | 429)
            }
            _ => true,
        }
    }
}
