//! What was agreed upon.

use std::fmt;

use super::{Engine, Fingerprint};

/// What a connection and its peer have agreed upon: of
/// [`Transport::tls`](crate::Transport::tls).
#[derive(Clone, Copy)]
pub struct TlsSession<'a>(&'a Engine);

impl<'a> TlsSession<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self(engine)
    }

    /// The version: `TLSv1.3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.0.version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        }
    }

    /// The cipher suite: `TLS13_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn cipher(&self) -> &'static str {
        self.0.cipher().and_then(|cipher| cipher.as_str()).unwrap_or("unknown")
    }

    /// The protocol both have chosen (ALPN), if they have.
    #[must_use]
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.0.alpn()
    }

    /// The name the client has asked for (SNI). On the client's side `None`.
    #[must_use]
    pub fn server_name(&self) -> Option<&'a str> {
        self.0.server_name()
    }

    /// The certificates that the peer has shown, its own first, as DER. They have been verified.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.peer_certificates().iter().map(AsRef::as_ref)
    }

    /// The fingerprint of the peer's certificate, if it has shown one.
    #[must_use]
    pub fn peer_fingerprint(&self) -> Option<Fingerprint> {
        self.peer_certificates().next().map(Fingerprint::of)
    }

    /// Whether it goes on with an earlier session, so that nobody had to sign anything.
    #[must_use]
    pub fn was_resumed(&self) -> bool {
        self.0.was_resumed()
    }

    /// The token of the session that it goes on with:
    /// [`ServerTls::with_token`](super::ServerTls::with_token).
    #[must_use]
    pub fn resumed_token(&self) -> Option<&'a [u8]> {
        self.0.resumed_token().filter(|token| !token.is_empty())
    }
}

impl fmt::Debug for TlsSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `TLSv1.3, TLS13_AES_256_GCM_SHA384`.
impl fmt::Display for TlsSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.version(), self.cipher())
    }
}
