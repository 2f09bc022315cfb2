//! The PROXY protocol, versions 1 and 2: a proxy says first of all whom it speaks for.
//!
//! ```text
//!   1:  PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n
//!   2:  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A │ 21 │ 11 │ length │ source │ destination │ their ports │ more
//!       the signature                       version  family
//!                                           command  transport
//! ```
//!
//! It is specified in HAProxy's [`proxy-protocol.txt`](https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
//! What is said is believed without a proof, so it is asked only of those who are trusted: [`ProxyProtocol`].
//!
//! | file | what it is |
//! |---|---|
//! | `header` | the header as it is written |
//! | `reader` | the header as it comes, in pieces: pure, and never a byte beyond it |
//! | `network` | whom to believe |

mod header;
mod network;
mod reader;

use std::time::Duration;

use thiserror::Error;

use crate::Address;

pub use header::ProxyVersion;
pub use network::{Network, ParseNetworkError};
pub(crate) use reader::{Reader, Said};

/// Has a listener expect the PROXY protocol of those who are trusted: see
/// [`ListenOptions::proxy_protocol`](crate::ListenOptions::proxy_protocol).
///
/// ```
/// use reactor::{ListenOptions, ProxyProtocol};
///
/// let trusted = vec!["10.0.0.0/8".parse()?, "::1".parse()?];
/// let options = ListenOptions {
///     proxy_protocol: Some(ProxyProtocol::from(trusted)),
///     ..ListenOptions::default()
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Who has to say whom it speaks for. Whoever else connects speaks for itself: a header from there is taken for
    /// what it is, bytes of somebody who lies or is in the wrong place.
    pub trusted: Vec<Network>,
    /// How long the header may take. Default 5 s: a proxy sends it with the first of its bytes.
    pub timeout: Duration,
}

impl From<Vec<Network>> for ProxyProtocol {
    fn from(trusted: Vec<Network>) -> Self {
        Self { trusted, timeout: Duration::from_secs(5) }
    }
}

impl ProxyProtocol {
    pub(crate) fn is_expected_of(&self, peer: &Address) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }
}

/// A connection that came by way of a proxy: what is known beside its peer, who is the client that the proxy speaks
/// for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxied {
    /// The proxy's own address: the other end of the socket.
    pub by: Address,
    /// Where the client had connected to.
    pub to: Address,
}

/// Why a connection was closed of which a proxy should have said whom it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// What it said first is no header: most likely it does not speak the PROXY protocol at all.
    #[error("there was no header")]
    Missing,
    /// What it said is not as the protocol has it.
    #[error("the header is malformed")]
    Malformed,
    /// The header is longer than any that is of use: 107 bytes in version 1, 4,096 in version 2.
    #[error("the header is too long")]
    TooLong,
    /// It ended, or failed, before the header was whole.
    #[error("it ended before its header was whole")]
    Ended,
    /// The header was not whole within [`ProxyProtocol::timeout`].
    #[error("its header took too long")]
    Late,
}
