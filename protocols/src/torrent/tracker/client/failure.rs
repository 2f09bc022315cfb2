//! Why a tracker has not answered.

use std::time::Duration;

use thiserror::Error;

use crate::http::client::{Failure, NoUrl};
use crate::torrent::wire::announce::NoAnswer;

/// Why a tracker has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnnounceFailed {
    /// What it says it is makes no sense.
    #[error("expected http://HOST[:PORT]/PATH, https, or udp://HOST:PORT")]
    Url,
    /// Its URL does not say where it could be asked about torrents: the last part does not begin with `announce`.
    #[error("nothing says where it can be asked how many peers there are")]
    NoScrape,
    /// It is asked over TLS, and this client was given none ([`AnnounceOptions::secure`](super::AnnounceOptions)).
    #[error("there is no TLS to ask it with")]
    NoTls,
    /// It sends on to an address of this machine or its network that nobody else should send anybody to.
    #[error("it sends on to {0}, where no tracker is")]
    Inward(String),
    /// It is on this machine or its network, and is none that is asked there for the sake of a torrent: see
    /// [`AnnounceOptions::reach`](super::AnnounceOptions).
    #[error("{0} is inside of this network, and not to be asked there")]
    Inside(String),
    /// It sends on again and again, or to nowhere.
    #[error("it sends on, and that leads nowhere")]
    Redirect,
    /// HTTP failed.
    #[error(transparent)]
    Http(#[from] Failure),
    /// It answers with another status than 200.
    #[error("it answers with status {0}")]
    Status(u16),
    /// The answer is longer than one is.
    #[error("its answer is too long")]
    TooLong,
    /// It says no, or what it says makes no sense.
    #[error(transparent)]
    Answer(#[from] NoAnswer),
    /// There is no such host, or nobody could be asked for it.
    #[error("cannot find {host}: {why}")]
    NotFound {
        /// Which.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// There is no socket to ask by, or nobody listens there.
    #[error("cannot reach it: {0}")]
    Unreachable(String),
    /// It is silent.
    #[error("there is no answer for {} s", .0.as_secs())]
    Silent(Duration),
}

impl From<NoUrl> for AnnounceFailed {
    fn from(_: NoUrl) -> Self {
        Self::Url
    }
}
