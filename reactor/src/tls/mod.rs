//! TLS under any protocol: a layer of the stream, and what it is configured with.
//!
//! ```text
//!   protocol ── plain ──▶ stream ── plain ──▶ TlsLayer ── Engine ── records ──▶ socket
//!                                                │          └ the one file that calls rustls' connections
//!                                                └ ServerTls, ClientTls: made once, shared by every connection
//! ```
//!
//! Nothing of rustls is part of the public interface, so that another version of it, or another library,
//! can take its place without anybody noticing.

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod engine;
#[cfg(feature = "tls")]
mod error;
#[cfg(feature = "tls")]
mod expiry;
#[cfg(feature = "tls")]
mod fingerprint;
#[cfg(feature = "tls")]
mod identity;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod pinned;
#[cfg(feature = "tls")]
mod provider;
#[cfg(feature = "tls")]
mod roots;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod session;
#[cfg(feature = "tls")]
mod start;
#[cfg(feature = "tls")]
mod ticket;

pub use crate::reason::TlsFailure;

#[cfg(feature = "tls")]
pub use {
    client::{ClientTls, ClientTlsBuilder},
    error::{StartTlsError, TlsError},
    fingerprint::{Fingerprint, ParseFingerprintError},
    identity::Identity,
    roots::Roots,
    server::{ClientCertificates, ServerTls, ServerTlsBuilder},
    session::TlsSession,
    start::Tls,
};

#[cfg(feature = "tls")]
pub(crate) use engine::Engine;
#[cfg(feature = "tls")]
pub(crate) use start::sealed::Made;
