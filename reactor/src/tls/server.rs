//! TLS of a server.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::identity::{Asked, Identities};
use super::provider::provider;
use super::ticket::Tickets;
use super::{Engine, Fingerprint, Identity, Roots, TlsError, TlsFailure};

/// Tickets that a client gets who asks for some: so many connections at one time can go on with its session.
const MOST_TICKETS: usize = 4;

/// How a server speaks TLS: for [`ListenOptions::tls`](crate::ListenOptions::tls), or for
/// [`Transport::start_tls`](crate::Transport::start_tls).
///
/// Clones are the same configuration, for several listeners, several loops, several threads.
/// [`replace`](Self::replace) puts another one in its place, in all of them: who connects from then on gets
/// the new one, and nobody is dropped.
///
/// ```no_run
/// use reactor::tls::ServerTls;
/// use reactor::{ListenOptions, Reactor};
/// # use reactor::Protocol;
/// # struct Echo;
/// # impl<App> Protocol<App> for Echo {}
/// let mut reactor = Reactor::<()>::new()?;
/// let tls = ServerTls::from_files("chain.pem", "key.pem")?;
/// let options = ListenOptions { tls: Some(tls.clone()), ..ListenOptions::default() };
/// reactor.registry().listen_with("127.0.0.1:8443".parse()?, &options, |_peer, _app| {
///     Some(Box::new(Echo))
/// })?;
/// // Later, when there is a new certificate:
/// tls.replace(&ServerTls::from_files("chain.pem", "key.pem")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<RwLock<Arc<Loaded>>>,
    /// Instead of the number that is configured.
    tickets: Option<usize>,
    token: Option<Arc<[u8]>>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    tickets: Arc<Tickets>,
    identities: Vec<Identity>,
    asks_clients: bool,
}

impl Loaded {
    /// The same, by which sessions go on that were begun with that one. A session goes on with the client's certificate
    /// as it was verified then, so none does where one of the two asks for them.
    fn after(&self, other: &Self) -> Self {
        let keeps = !self.asks_clients && !other.asks_clients;
        let tickets = Arc::clone(if keeps { &other.tickets } else { &self.tickets });
        let mut config = ServerConfig::clone(&self.config);
        config.ticketer = Arc::<Tickets>::clone(&tickets);
        let identities = self.identities.clone();
        Self { config: Arc::new(config), tickets, identities, ..*self }
    }
}

/// What [`ServerTls::builder`] makes a configuration of.
#[derive(Debug)]
#[must_use]
pub struct ServerTlsBuilder {
    identities: Vec<Identity>,
    alpn: Vec<Vec<u8>>,
    clients: ClientCertificates,
    tickets: usize,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    None,
    /// They may; one that these do not vouch for is refused.
    Optional(Roots),
    /// They must, and these have to vouch for it.
    Required(Roots),
}

impl ServerTls {
    /// The usual: one certificate, in PEM files; see [`Identity::from_files`].
    ///
    /// # Errors
    ///
    /// As of [`Identity::from_files`].
    pub fn from_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        Self::new(Identity::from_files(certificates, key)?)
    }

    /// The same with a certificate that is there already: one that is made at the start, say, or whose
    /// [fingerprint](Identity::fingerprint) is to be told.
    ///
    /// # Errors
    ///
    /// If TLS cannot be configured so.
    pub fn new(identity: Identity) -> Result<Self, TlsError> {
        Self::builder(identity).build()
    }

    /// A configuration with this certificate, and whatever is added.
    pub fn builder(identity: Identity) -> ServerTlsBuilder {
        ServerTlsBuilder {
            identities: vec![identity],
            alpn: Vec::new(),
            clients: ClientCertificates::None,
            tickets: 2,
        }
    }

    /// Puts another configuration in the place of this one, here and in all clones. Connections that are
    /// there go on as they are. Sessions can be resumed as before, unless one of the two asks clients for certificates.
    pub fn replace(&self, with: &Self) {
        let new = with.loaded();
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        *shared = Arc::new(new.after(&shared));
    }

    /// As this one, and always with its replacements, but with so many tickets after each handshake of TLS 1.3
    /// (see [`ServerTlsBuilder::tickets`]).
    #[must_use]
    pub fn with_tickets(&self, tickets: usize) -> Self {
        Self { tickets: Some(tickets), ..self.clone() }
    }

    /// As this one, and always with its replacements, but whoever resumes a session that was begun with it
    /// brings this token along: [`TlsSession::resumed_token`](super::TlsSession::resumed_token) tells it on a connection
    /// that has a token itself, the same or another. So it can be told that two connections are of the same client. The
    /// peer can neither read nor forge it. One of more than 255 bytes is in no ticket.
    #[must_use]
    pub fn with_token(&self, token: &[u8]) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// When the first of its certificates expires, without those that vouch for them; `None` if one does not tell: see
    /// [`Identity::expires`].
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        let loaded = self.loaded();
        let expiries = loaded.identities.iter().map(Identity::expires);
        expiries.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// The fingerprints of its certificates.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.loaded().identities.iter().map(Identity::fingerprint).collect()
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// TLS for one connection. Its configuration is its own until its hands are shaken.
    pub(crate) fn engine(&self) -> Result<Engine, TlsFailure> {
        let loaded = self.loaded();
        let own = self.token.as_ref().map(|token| Arc::new(loaded.tickets.with_token(token)));
        let mut config = ServerConfig::clone(&loaded.config);
        let asked = Arc::new(Asked::new(config.cert_resolver));
        config.cert_resolver = Arc::<Asked>::clone(&asked);
        config.send_tls13_tickets = self.tickets.unwrap_or(config.send_tls13_tickets);
        if let Some(own) = &own {
            config.ticketer = Arc::<Tickets>::clone(own);
        }
        Engine::server(Arc::new(config), asked, own)
    }
}

impl ServerTlsBuilder {
    /// Another certificate, for other names: a client is shown the first that is for the name it asks for
    /// (SNI, RFC 6066), and the first of all if none is.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identities.push(identity);
        self
    }

    /// The protocols that are spoken here, the best first (ALPN, RFC 7301): `h2`, `http/1.1`. A client that
    /// names some, and none of these, is refused; default none, so that nobody is.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Whether clients show certificates. Default: they are not asked.
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.clients = clients;
        self
    }

    /// Tickets that a client gets after the handshake, each to resume the session once more cheaply (TLS
    /// 1.3). Default 2. Where clients only send and then close, without reading, 0: tickets that nobody has
    /// read turn their end into a reset. A client that asks for a number of them (RFC 9149) reads them, and gets so
    /// many, four at most.
    pub fn tickets(mut self, tickets: usize) -> Self {
        self.tickets = tickets;
        self
    }

    /// # Errors
    ///
    /// If TLS cannot be configured so.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        let failed = |error: rustls::Error| TlsError::Configuration(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let asks_clients = !matches!(self.clients, ClientCertificates::None);
        let builder = match client_verifier(self.clients)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let identities = self.identities;
        let mut config = builder.with_cert_resolver(Arc::new(Identities(identities.clone())));
        config.alpn_protocols = self.alpn;
        config.send_tls13_tickets = self.tickets;
        config.max_tls13_tickets = MOST_TICKETS;
        // The client keeps its session itself, sealed: there is no table here that it could fill.
        let tickets = Arc::new(Tickets::new(Ticketer::new().map_err(failed)?));
        config.ticketer = Arc::<Tickets>::clone(&tickets);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let loaded = Loaded { config: Arc::new(config), tickets, identities, asks_clients };
        Ok(ServerTls {
            shared: Arc::new(RwLock::new(Arc::new(loaded))),
            tickets: None,
            token: None,
        })
    }
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn client_verifier(clients: ClientCertificates) -> Result<Option<Verifier>, TlsError> {
    let builder = |roots: Roots| {
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots.into_store()), provider())
    };
    let verifier = match clients {
        ClientCertificates::None => return Ok(None),
        ClientCertificates::Optional(roots) => builder(roots).allow_unauthenticated().build(),
        ClientCertificates::Required(roots) => builder(roots).build(),
    };
    verifier.map(Some).map_err(|error| TlsError::Configuration(error.to_string()))
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.loaded().identities).finish()
    }
}

/// The same, not the like.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
            && (self.tickets, &self.token) == (other.tickets, &other.token)
    }
}

impl Eq for ServerTls {}
