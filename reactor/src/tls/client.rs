//! TLS of a client.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, TicketRequest};
use rustls::pki_types::ServerName;

use super::pinned::Pinned;
use super::provider::provider;
use super::{Engine, Fingerprint, Identity, Roots, StartTlsError, TlsError};
use crate::Address;

/// Sessions that are kept of one server, for the connections of a conversation with it: as many as rustls keeps of each.
const OWN_SESSIONS: usize = 8;

/// How a client speaks TLS: for [`ConnectOptions::tls`](crate::ConnectOptions::tls), or for
/// [`Transport::start_tls`](crate::Transport::start_tls).
///
/// The peer's certificate is always verified: against roots, and the name one connects to; or against
/// fingerprints. Clones share the sessions that can be resumed.
///
/// ```no_run
/// use reactor::ConnectOptions;
/// use reactor::tls::{ClientTls, Roots};
///
/// let tls = ClientTls::new(Roots::system()?)?;
/// let tls = Some(tls.to("irc.example.org")?);
/// let options = ConnectOptions { tls, ..ConnectOptions::default() };
/// # Ok::<(), reactor::tls::TlsError>(())
/// ```
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// What [`ClientTls::builder`] makes a configuration of.
#[derive(Debug)]
#[must_use]
pub struct ClientTlsBuilder {
    trust: Trust,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum Trust {
    Roots(Roots),
    Pins(Vec<Fingerprint>),
}

impl ClientTls {
    /// Trusts servers that these roots vouch for.
    ///
    /// # Errors
    ///
    /// If TLS cannot be configured so.
    pub fn new(roots: Roots) -> Result<Self, TlsError> {
        Self::builder(roots).build()
    }

    /// Trusts servers with one of these certificates, whoever vouches for them, whatever names and dates
    /// are in them: for those that have signed theirs themselves.
    ///
    /// ```
    /// use reactor::tls::ClientTls;
    ///
    /// // As `openssl x509 -fingerprint -sha256` prints it; more than one while a server changes its certificate.
    /// # let printed = "00:".repeat(31) + "00";
    /// let tls = ClientTls::pinned(&[printed.parse()?])?;
    /// # drop(tls);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If TLS cannot be configured so.
    pub fn pinned(pins: &[Fingerprint]) -> Result<Self, TlsError> {
        Self::builder_pinned(pins).build()
    }

    /// A configuration that trusts these roots, and whatever is added.
    pub fn builder(roots: Roots) -> ClientTlsBuilder {
        ClientTlsBuilder::new(Trust::Roots(roots))
    }

    /// As [`builder`](Self::builder), with trust as of [`pinned`](Self::pinned).
    pub fn builder_pinned(pins: &[Fingerprint]) -> ClientTlsBuilder {
        ClientTlsBuilder::new(Trust::Pins(pins.to_vec()))
    }

    /// The same, for a server of this name: a host name, which is asked for (SNI) and which its certificate
    /// must be for; or an IP address, which is only held against the certificate. Without it, the host or
    /// the address that is connected to.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn to(&self, name: &str) -> Result<Self, TlsError> {
        let name = ServerName::try_from(bare(name).to_owned())
            .map_err(|_| TlsError::Name(name.to_owned()))?;
        Ok(Self { name: Some(name), ..self.clone() })
    }

    /// The same, with sessions of its own, which no connection of another one goes on with: for the connections of one
    /// conversation, of which each goes on with the session of one before it. So a server can tell that they are of
    /// the same client, as FTP's servers demand of data connections.
    ///
    /// A session goes on once for each ticket that the server has given, so this asks for one with each connection
    /// (RFC 9149), and for some more with the first.
    #[must_use]
    pub fn with_own_sessions(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(OWN_SESSIONS);
        config.send_ticket_request =
            Some(TicketRequest { new_session_count: 4, resumption_count: 1 });
        Self { config: Arc::new(config), name: self.name.clone() }
    }

    /// The same, for whoever is at this address, unless it is for a server already: for
    /// [`Transport::start_tls`](crate::Transport::start_tls) on a connection that somebody else has made to it, a proxy
    /// for instance.
    #[must_use]
    pub fn for_address(&self, address: &Address) -> Self {
        Self { name: self.name_for(address), ..self.clone() }
    }

    fn name_for(&self, address: &Address) -> Option<ServerName<'static>> {
        let of_address = || match (address.ip(), address.host()) {
            (Some(ip), _) => Some(ServerName::IpAddress(ip.into())),
            (_, Some(host)) => ServerName::try_from(bare(host).to_owned()).ok(),
            _ => None,
        };
        self.name.clone().or_else(of_address)
    }

    /// TLS for one connection to this address.
    pub(crate) fn engine(&self, address: &Address) -> Result<Engine, StartTlsError> {
        let name = self.name_for(address).ok_or(StartTlsError::NoName)?;
        Ok(Engine::client(Arc::clone(&self.config), name)?)
    }
}

/// A name may end with the root's dot, a certificate's does not.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl ClientTlsBuilder {
    fn new(trust: Trust) -> Self {
        Self { trust, identity: None, alpn: Vec::new() }
    }

    /// The certificate that is shown to a server that asks for one. Default none.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The protocols that are spoken, the best first (ALPN, RFC 7301). Default none.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// # Errors
    ///
    /// If TLS cannot be configured so.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let failed = |error: rustls::Error| TlsError::Configuration(error.to_string());
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let builder = match self.trust {
            Trust::Roots(roots) => builder.with_root_certificates(roots.into_store()),
            Trust::Pins(pins) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned::new(pins)))
            }
        };
        let mut config = match self.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(Shown(identity))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn;
        Ok(ClientTls { config: Arc::new(config), name: None })
    }
}

/// The one certificate of a client.
#[derive(Debug)]
struct Shown(Identity);

impl rustls::client::ResolvesClientCert for Shown {
    fn resolve(
        &self,
        _: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let key = self.0.key();
        key.key.choose_scheme(schemes).map(|_| Arc::clone(key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The same, not the like.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

impl Eq for ClientTls {}
