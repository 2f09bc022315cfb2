//! What can go wrong when TLS is configured, and when it is begun.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::words::debug_in_words;

debug_in_words!(TlsError);

/// Certificates, keys, roots or names that TLS cannot be configured with.
#[derive(Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file, or a text, is not PEM, or longer than a megabyte.
    #[error("{0} is not PEM: {1}")]
    Pem(String, String),
    /// It has no certificate in it.
    #[error("{0} has no certificate in it")]
    NoCertificate(String),
    /// It has no private key in it.
    #[error("{0} has no private key in it")]
    NoKey(String),
    /// A certificate cannot be read, or does not go with its key, or the key is of a kind that cannot sign.
    #[error("the certificate and its key cannot be used: {0}")]
    Identity(String),
    /// The system has no roots to trust, or they cannot be read.
    #[error("the system's root certificates cannot be used: {0}")]
    Roots(String),
    /// A name that a certificate cannot be for.
    #[error("{0:?} is no name that a certificate can be for")]
    Name(String),
    /// TLS itself refuses the configuration.
    #[error("TLS cannot be configured so: {0}")]
    Configuration(String),
}

/// TLS could not be begun on an open connection, which goes on as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartTlsError {
    /// It has TLS already.
    #[error("the connection has TLS already")]
    Already,
    /// Its bytes go to another connection, or come from one.
    #[error("the connection is coupled with another")]
    Coupled,
    /// One of its directions has ended, or is ending.
    #[error("the connection is closing")]
    Closing,
    /// A file, or more than 64 KiB, has yet to be sent without TLS.
    #[error("there is too much to be sent before TLS can begin")]
    Busy,
    /// A client has to say whose certificate it expects: [`ClientTls::to`](crate::tls::ClientTls::to).
    #[error("there is no name that the peer's certificate could be held against")]
    NoName,
    /// TLS itself refuses.
    #[error(transparent)]
    Failed(#[from] super::TlsFailure),
}
