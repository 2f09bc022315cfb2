//! Why TLS fails on a connection, and whose fault that is.

use thiserror::Error;

use crate::Side;

/// Why TLS has failed on a connection: what
/// [`CloseReason::Tls`](crate::CloseReason::Tls) tells.
///
/// The text inside says it in the words of the library. Before a connection with such a reason ends, the
/// peer is sent the alert that belongs to it (RFC 8446, 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The peer's certificate is not accepted: it has expired, is for another name, comes from an authority
    /// that is not trusted, is not one of those that are pinned, or is missing.
    #[error("the peer's certificate is not accepted: {0}")]
    Certificate(String),
    /// The peer has given up, and its alert says why: `CertificateUnknown`, say, if it does not accept ours.
    #[error("the peer has given up on TLS: {0}")]
    Refused(String),
    /// What the peer sends is not TLS, or breaks its rules, or has been tampered with.
    #[error("the peer does not speak TLS as it should: {0}")]
    Broken(String),
    /// Both speak TLS, but have no version, no cipher, or no protocol (ALPN) in common.
    #[error("TLS has nothing in common with the peer: {0}")]
    NothingInCommon(String),
    /// Something on this side: no randomness, no time, a configuration that does not work.
    #[error("TLS failed on this side: {0}")]
    Ours(String),
}

impl TlsFailure {
    /// Whose fault it is.
    #[must_use]
    pub fn side(&self) -> Side {
        match self {
            Self::Ours(_) => Side::Local,
            Self::Certificate(_)
            | Self::Refused(_)
            | Self::Broken(_)
            | Self::NothingInCommon(_) => Side::Peer,
        }
    }
}
