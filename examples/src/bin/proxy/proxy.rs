//! From a client to the backend whose turn it is.
//!
//! ```text
//!   accepted ──▶ Front: paused ──▶ connect ──▶ Back ── open ──▶ coupled ──▶ ended, counted
//!                                    ▲          │        └─ header, TLS behind it ─▲
//!                                    │          │ could not be reached
//!                                    └── next ◀─┤
//!                                               └── all were tried ──▶ the client is reset
//! ```

use std::fmt;
use std::iter::Sum;

use bytes::Bytes;
use reactor::tls::{ClientTls, StartTlsError};
use reactor::{
    CloseReason, Closed, ConnectOptions, ConnectionId, OpenError, Protocol, ProxyVersion, Registry,
    Side, Transport,
};

use crate::backends::{Backends, Place, Tally};

/// The application: who there is to connect to, and what has been done.
pub(crate) struct Proxy {
    backends: Backends,
    options: ConnectOptions,
    /// What backends are told of clients, if anything.
    header: Option<ProxyVersion>,
    /// TLS that begins behind that.
    tls: Option<ClientTls>,
    clients: u64,
    refused: u64,
}

impl Proxy {
    pub(crate) fn new(
        backends: Backends,
        mut options: ConnectOptions,
        header: Option<ProxyVersion>,
    ) -> Self {
        let tls = header.and_then(|_| options.tls.take());
        Self { backends, options, header, tls, clients: 0, refused: 0 }
    }

    pub(crate) fn note_client(&mut self) {
        self.clients += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        let Self { backends, clients, refused, .. } = self;
        Counts { clients: *clients, refused: *refused, backends: backends.tallies() }
    }

    /// Begins to connect for a client of whom so many backends have been tried. One at which connecting fails
    /// at once is as good as tried.
    fn connect(
        &mut self,
        registry: &mut Registry<Self>,
        client: ConnectionId,
        header: &Bytes,
        tried: usize,
    ) {
        for tried in tried..self.backends.len() {
            let Some((place, address)) = self.backends.take_turn(registry.now()) else {
                break;
            };
            let (header, tls) = (header.clone(), self.tls.as_ref());
            let tls = tls.map(|tls| tls.for_address(&address));
            let stage = Stage::Reaching;
            let back = Back { client, header, tls, place, tried: tried + 1, stage };
            match registry.connect_with(address, &self.options, back) {
                Ok(_) => return,
                // It is this side that takes nobody any more.
                Err(OpenError::ShuttingDown(_) | OpenError::TooManyConnections(_)) => break,
                Err(error) => {
                    self.backends.note_failed(place, registry.now(), &error.to_string());
                }
            }
        }
        self.refused += 1;
        // It may have left meanwhile.
        let _ = registry.abort(client);
    }
}

/// What a client's connection runs until its backend has answered.
pub(crate) struct Front;

impl Protocol<Proxy> for Front {
    fn on_open(&mut self, client: &mut Transport<'_, Proxy>, proxy: &mut Proxy) {
        client.pause();
        let id = client.id();
        let header = proxy.header.map(|version| version.header(&client.peer(), &client.local()));
        proxy.connect(client.registry(), id, &header.unwrap_or_default(), 0);
    }
}

/// What a backend's connection runs until it has answered.
struct Back {
    client: ConnectionId,
    /// What the backend is told of the client, before anything else; nothing, if it is empty.
    header: Bytes,
    /// TLS that begins behind the header.
    tls: Option<ClientTls>,
    place: Place,
    /// So many have been tried for this client, this one among them.
    tried: usize,
    stage: Stage,
}

enum Stage {
    Reaching,
    /// It is there, and TLS with it cannot begin.
    Failed(StartTlsError),
    Reached,
}

impl Back {
    fn couple(&mut self, backend: &mut Transport<'_, Proxy>, proxy: &mut Proxy) {
        self.stage = Stage::Reached;
        let (place, id) = (self.place, backend.id());
        let coupled = backend.registry().couple(self.client, id, move |_, proxy, ended| {
            proxy.backends.note_end(place, &ended);
        });
        match coupled {
            Ok(()) => proxy.backends.note_open(place),
            // The client has left.
            Err(_) => backend.close(),
        }
    }
}

impl Protocol<Proxy> for Back {
    fn on_open(&mut self, backend: &mut Transport<'_, Proxy>, proxy: &mut Proxy) {
        if !self.header.is_empty() {
            backend.send(self.header.clone());
        }
        match &self.tls {
            None => self.couple(backend, proxy),
            Some(tls) => {
                if let Err(why) = backend.start_tls(tls) {
                    self.stage = Stage::Failed(why);
                    backend.abort();
                }
            }
        }
    }

    fn on_secure(&mut self, backend: &mut Transport<'_, Proxy>, proxy: &mut Proxy) {
        self.couple(backend, proxy);
    }

    fn on_close(&mut self, registry: &mut Registry<Proxy>, closed: &Closed, proxy: &mut Proxy) {
        let why = match &self.stage {
            Stage::Reached => return,
            Stage::Reaching if is_ours(&closed.reason) => {
                proxy.refused += 1;
                let _ = registry.abort(self.client);
                return;
            }
            Stage::Reaching => closed.reason.to_string(),
            Stage::Failed(why) => format!("cannot speak TLS: {why}"),
        };
        proxy.backends.note_failed(self.place, registry.now(), &why);
        proxy.connect(registry, self.client, &self.header, self.tried);
    }
}

/// Whether no backend is to blame, and no other would be reached either: the shutdown has closed the connection before
/// it was open, or this side has no descriptors left.
fn is_ours(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::ConnectFailed(error) => {
            error.get_ref().is_some_and(|inner| inner.downcast_ref::<OpenError>().is_some())
        }
        reason => reason.side() == Side::Local,
    }
}

/// What has been done: on one loop, or summed.
#[derive(Default)]
pub(crate) struct Counts {
    clients: u64,
    refused: u64,
    backends: Vec<Tally>,
}

impl Sum for Counts {
    /// All loops have the same backends.
    fn sum<I: Iterator<Item = Self>>(mut all: I) -> Self {
        let first = all.next().unwrap_or_default();
        all.fold(first, |mut sum, Self { clients, refused, backends }| {
            sum.clients += clients;
            sum.refused += refused;
            sum.backends.iter_mut().zip(&backends).for_each(|(sum, one)| sum.add(one));
            sum
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, refused, backends } = self;
        write!(f, "{clients} clients, {refused} of them refused")?;
        backends.iter().try_for_each(|backend| write!(f, "\n{backend}"))
    }
}
