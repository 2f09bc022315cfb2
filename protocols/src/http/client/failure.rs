//! How a request can fail.

use http::StatusCode;
use reactor::tls::TlsFailure;
use reactor::{Address, HostFailure};
use thiserror::Error;

use super::SocksRefusal;
use crate::http::wire::{NotInflated, Refusal};

/// Why a request was not answered, or its answer is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no connection: nobody listens there, or there is no way.
    #[error("cannot connect to {address}: {why}")]
    Unreachable {
        /// Where.
        address: Address,
        /// What the system says.
        why: String,
    },
    /// There is no such host, or nobody could be asked for it.
    #[error("cannot find {address}: {why}")]
    NotFound {
        /// Which.
        address: Address,
        /// What the resolver says.
        why: String,
    },
    /// Connecting took too long.
    #[error("cannot connect to {0}: it takes too long")]
    ConnectTimeout(Address),
    /// Nobody that is trusted vouches for the server's certificate, or it is for another name.
    #[error("the server's certificate is not accepted: {0}")]
    NotTrusted(String),
    /// TLS could not be begun with the server.
    #[error("{0}")]
    Tls(String),
    /// The proxy does not let anybody through to the server, or not without knowing who it is.
    #[error("the proxy says {0}")]
    Proxy(StatusCode),
    /// The SOCKS proxy does not let anybody through to the server.
    #[error("the SOCKS proxy does not let anybody through: {0}")]
    Socks(SocksRefusal),
    /// The proxy that was asked for a tunnel to the server ended the connection, or what it said is no answer.
    #[error("the proxy opens no way: {0}")]
    ProxyLost(String),
    /// The proxy that was asked for a tunnel to the server did not open one in time.
    #[error("the proxy has fallen silent")]
    ProxySilent,
    /// As many requests as there may be wait for that server already.
    #[error("too many requests wait for {0}")]
    Busy(Address),
    /// The connection ended before an answer began.
    #[error("the server closed the connection without an answer")]
    NoAnswer,
    /// The connection failed before all of the answer was here.
    #[error("the connection failed: {0}")]
    Lost(String),
    /// The connection ended in the middle of the body: it is not whole.
    #[error("the answer was cut off after {0} bytes of its body")]
    Cut(u64),
    /// Nothing came for too long.
    #[error("the server has fallen silent")]
    Silent,
    /// All of it was not over within [its time](super::Ask::with_timeout).
    #[error("it was not answered in time")]
    Timeout,
    /// What the server sends is not HTTP, or could be read in two ways.
    #[error("the server's answer makes no sense: {0}")]
    Malformed(Refusal),
    /// More interim responses than are taken, or a change to a protocol that was not offered.
    #[error("the server answers before the answer, again and again")]
    Interim,
    /// The body comes compressed, and cannot be decompressed, or not within [bounds](crate::http::InflateLimits).
    #[error("the answer cannot be decompressed: {0}")]
    Coding(NotInflated),
    /// This side has given it up.
    #[error("given up")]
    Cancelled,
}

impl Failure {
    /// Whether nothing of the request can have reached the server: it can be sent again, whatever it is.
    #[must_use]
    pub fn is_before_sending(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NotFound { .. }
                | Self::ConnectTimeout(_)
                | Self::NotTrusted(_)
                | Self::Tls(_)
                | Self::Proxy(_)
                | Self::Socks(_)
                | Self::ProxyLost(_)
                | Self::ProxySilent
                | Self::Busy(_)
        )
    }

    /// The same of a SOCKS proxy that was asked for a way: it is not the server that has failed.
    pub(super) fn of_socks(self) -> Self {
        match self {
            why if why.is_before_sending() => why,
            Self::Silent => Self::Socks(SocksRefusal::Silent),
            _ => Self::Socks(SocksRefusal::NoAnswer),
        }
    }

    /// The same of a proxy that was asked for a tunnel.
    pub(super) fn of_tunnel(self) -> Self {
        match self {
            why if why.is_before_sending() => why,
            Self::Silent => Self::ProxySilent,
            Self::Lost(why) => Self::ProxyLost(why),
            Self::Malformed(why) => Self::ProxyLost(format!("its answer makes no sense: {why}")),
            Self::Interim => Self::ProxyLost("it answers before the answer".to_owned()),
            _ => Self::ProxyLost("it closes the connection without an answer".to_owned()),
        }
    }

    /// The same of a server with which TLS was to begin, behind a proxy.
    pub(super) fn of_beginning(self) -> Self {
        match self {
            why if why.is_before_sending() => why,
            why => Self::Tls(why.to_string()),
        }
    }

    /// What it means that TLS has failed.
    pub(super) fn of_tls(failure: &TlsFailure) -> Self {
        match failure {
            TlsFailure::Certificate(why) => Self::NotTrusted(why.clone()),
            other => Self::Tls(other.to_string()),
        }
    }

    /// What it means that no connection came about with a host.
    pub(super) fn of_host(address: Address, failure: &HostFailure) -> Self {
        let attempts = failure.attempts().iter();
        match failure {
            HostFailure::Lookup { error, .. } => Self::NotFound { address, why: error.to_string() },
            _ if failure.kind() == std::io::ErrorKind::TimedOut => Self::ConnectTimeout(address),
            _ => {
                let told = attempts.map(ToString::to_string);
                Self::Unreachable { address, why: told.collect::<Vec<_>>().join("; ") }
            }
        }
    }
}
