//! What the transfers of a server share: the tree, limits and counters; and the call that opens its port.

mod limits;
mod port;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

use reactor::{Address, DatagramOptions, OpenError, Registry, SocketId};
use thiserror::Error;

use super::{Code, Failure};
use crate::budget::{Budget, Spent, host};
use crate::counts::Counts;
use crate::transfer::store::{Access, Replace, Store};
use port::Port;
use session::Session;

pub use limits::Limits;

/// The state of a TFTP server: part of the application, shared by all its transfers.
///
/// TFTP has no users and no passwords: whoever reaches the port may read everything in the tree, and
/// write to it if it is [`Access::ReadWrite`]. So it belongs on loopback, or into a network of one's own.
///
/// ```
/// use protocols::transfer::store::{Access, Store};
/// use protocols::transfer::tftp::{self, Limits, Server};
/// use reactor::{DatagramOptions, Reactor};
///
/// let directory = tempfile::tempdir()?;
/// let store = Store::open(directory.path(), Access::ReadOnly)?;
/// let mut reactor = Reactor::<Server>::new()?;
/// let registry = reactor.registry();
/// tftp::bind(registry, "127.0.0.1:0".parse()?, &DatagramOptions::default())?;
/// # registry.shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut Server::new(store, Limits::default()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    store: Store,
    replace: Replace,
    limits: Limits,
    counters: Counters,
    budget: Budget,
    /// Who is being served, and with what: by the address a request came from.
    peers: BTreeMap<Address, Served>,
    places: u64,
    /// How many transfers there are of each source.
    sources: Counts<IpAddr>,
    sessions: BTreeMap<SocketId, Session>,
    /// Those of them whose file is safe, the oldest first.
    dallying: VecDeque<SocketId>,
}

/// A request that is being served: its place among the transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u64);

/// What a peer has asked for last.
#[derive(Debug)]
struct Served {
    place: Place,
    request: Vec<u8>,
    /// Its transfer, once it has a socket.
    session: Option<SocketId>,
}

/// What a server has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Transfers that are under way.
    pub open: u64,
    /// Files that were sent, all of them acknowledged.
    pub sent: u64,
    /// Bytes in them, as they were on the wire.
    pub sent_bytes: u64,
    /// Files that were received, and are safe.
    pub received: u64,
    /// Bytes in them, as they were on the wire.
    pub received_bytes: u64,
    /// Transfers that began, and failed.
    pub failed: u64,
    /// Requests that were answered with an error.
    pub refused: u64,
    /// Packets to the well-known port that were dropped: what is no request, requests that came twice,
    /// and those beyond a source's budget.
    pub dropped: u64,
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum Refusal {
    /// It came twice, or too soon: not a word.
    #[error("dropped")]
    Dropped,
    /// All places are taken.
    #[error("too many transfers; try again later")]
    Busy,
    /// Nobody may write here.
    #[error("this server is for reading only")]
    ReadOnly,
}

/// Binds the port at which a server is asked: 69 by custom. Each transfer has one of its own, which the
/// system chooses.
///
/// On an address that stands for all addresses of the machine, `options` should have
/// [`metadata`](DatagramOptions::metadata), so that the answer comes from where it was asked.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn bind<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &DatagramOptions,
) -> Result<SocketId, OpenError> {
    registry.bind_datagram_with(address, options, Port)
}

impl Server {
    /// A server of the files in a tree. A file that is there is never replaced.
    #[must_use]
    pub fn new(store: Store, limits: Limits) -> Self {
        Self {
            store,
            replace: Replace::No,
            counters: Counters::default(),
            budget: Budget::new(limits.requests_per_second, limits.sources),
            limits,
            peers: BTreeMap::new(),
            places: 0,
            sources: Counts::new(),
            sessions: BTreeMap::new(),
            dallying: VecDeque::new(),
        }
    }

    /// The same server, which replaces files that are there with new ones of that name, or does not.
    #[must_use]
    pub fn replacing(mut self, replace: Replace) -> Self {
        self.replace = replace;
        self
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether a request is to be served. If so, it has a place from now on, until
    /// [`release`](Self::release).
    fn admit(
        &mut self,
        from: &Address,
        request: &[u8],
        is_write: bool,
        now: Instant,
    ) -> Result<Place, Refusal> {
        let source = host(from.ip().ok_or(Refusal::Dropped)?);
        self.budget.take(source, now).map_err(|_: Spent| Refusal::Dropped)?;
        if let Some(served) = self.peers.get(from) {
            self.check_is_new(served, request)?;
        }
        if is_write && self.store.access() == Access::ReadOnly {
            return Err(Refusal::ReadOnly);
        }
        let Limits { transfers, transfers_per_source, .. } = self.limits;
        let most = u32::try_from(transfers_per_source).unwrap_or(u32::MAX);
        if self.counters.open as usize >= transfers || !self.sources.take(source, most) {
            return Err(Refusal::Busy);
        }
        self.counters.open += 1;
        self.places += 1;
        let place = Place(self.places);
        // No request that was understood is longer than `LONGEST_REQUEST`.
        let served = Served { place, request: request.to_vec(), session: None };
        self.peers.insert(from.clone(), served);
        Ok(place)
    }

    /// Whether there is anything left of a source's budget for an answer.
    fn may_answer(&mut self, from: &Address, now: Instant) -> bool {
        from.ip().is_some_and(|ip| self.budget.take(ip, now).is_ok())
    }

    /// A client that has not heard the answer asks again, and is answered by the transfer that it has
    /// already. One that asks for something else has begun anew.
    fn check_is_new(&self, served: &Served, request: &[u8]) -> Result<(), Refusal> {
        let session = served.session.and_then(|id| self.sessions.get(&id));
        let was_answered = session.is_some_and(Session::was_answered);
        if served.request == request && !was_answered { Err(Refusal::Dropped) } else { Ok(()) }
    }

    /// A request has got its socket.
    fn enter(&mut self, id: SocketId, session: Session) {
        if let Some(served) = self.peers.get_mut(session.peer())
            && served.place == session.place()
        {
            served.session = Some(id);
        }
        self.sessions.insert(id, session);
    }

    /// A transfer is over, or has never begun: its place is free. What the peer has asked for last may
    /// be something else by now, and then is still being served.
    fn release(&mut self, peer: &Address, place: Place) {
        self.counters.open -= 1;
        if self.peers.get(peer).is_some_and(|served| served.place == place) {
            self.peers.remove(peer);
        }
        if let Some(source) = peer.ip().map(host) {
            self.sources.give_back(&source);
        }
    }

    /// A transfer only stays for a while from now on; the one that has to go for it, if there is no room.
    fn dally(&mut self, id: SocketId) -> Option<SocketId> {
        self.dallying.push_back(id);
        if self.dallying.len() > self.limits.dallying { self.dallying.pop_front() } else { None }
    }

    /// A transfer's socket is closed.
    fn leave(&mut self, id: SocketId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        if let Some(at) = self.dallying.iter().position(|&dallying| dallying == id) {
            self.dallying.remove(at);
        }
        Some(session)
    }

    fn count_sent(&mut self, bytes: u64) {
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes;
    }

    fn count_received(&mut self, bytes: u64) {
        self.counters.received += 1;
        self.counters.received_bytes += bytes;
    }
}

impl AsMut<Self> for Server {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Refusal {
    /// What the peer is told, if anything.
    fn report(&self) -> Option<(Code, String)> {
        match self {
            Self::Dropped => None,
            Self::Busy => Some((Code::Undefined, self.to_string())),
            Self::ReadOnly => Some((Code::AccessViolation, self.to_string())),
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open, sent, sent_bytes, received, received_bytes, failed, refused, .. } = self;
        write!(f, "sent {sent} files ({sent_bytes} bytes), ")?;
        write!(f, "received {received} ({received_bytes} bytes), {open} under way")?;
        if *failed > 0 {
            write!(f, "; {failed} failed")?;
        }
        if *refused > 0 {
            write!(f, "; {refused} requests refused")?;
        }
        Ok(())
    }
}

/// A failure that the system's way of saying it has room for.
fn out_of_sockets(error: &OpenError) -> Failure {
    Failure::from(io::Error::other(error.to_string()))
}
