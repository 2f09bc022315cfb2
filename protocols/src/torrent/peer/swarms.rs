//! All torrents of a program: who connects, and which torrent it is for.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use reactor::{
    Address, ConnectOptions, ConnectionId, ListenOptions, ListenerId, OpenError, Reach, Registry,
};
use thiserror::Error;

use super::addresses::Failed;
use super::connection::{Connection, Way};
use super::member::Who;
use super::nodes::{Families, Nodes};
use super::{Host, Limits, Shared, Swarm};
use crate::torrent::machine::PeerKey;
use crate::torrent::wire::Info;
use crate::torrent::wire::message::Handshake;
use crate::torrent::wire::mse::{Encryption, Rc4};
use crate::torrent::{InfoHash, MetainfoLimits, PeerId};

/// Peers of one address that are let in no more before nobody from there is.
const LIARS: usize = 3;
/// How many of them are remembered.
const BANNED: usize = 1_000;

/// The torrents that a program shares.
#[derive(Debug)]
pub struct Swarms {
    id: PeerId,
    options: Arc<Options>,
    /// Where peers can connect to us, if they can.
    ports: Families<Option<u16>>,
    /// Its nodes of the DHT.
    pub(in crate::torrent) nodes: Nodes,
    list: BTreeMap<InfoHash, Swarm>,
    /// Connections that were accepted and have not said what they want, the oldest first.
    greeters: VecDeque<ConnectionId>,
    banned: VecDeque<Who>,
    next: u64,
}

/// How torrents are shared.
#[derive(Clone, Debug)]
pub struct Options {
    /// What this program and its version are called (BEP 10).
    pub program: String,
    /// The addresses that connections are made from, one of IPv4 and one of IPv6 at most; those to web seeds from the first.
    /// Where there is none the system chooses, which is the default; and where it is one that means all (0.0.0.0, ::).
    pub from: Vec<IpAddr>,
    /// Whether peers are told of other peers, and believed (BEP 11). Of private torrents they never are.
    pub pex: bool,
    /// Where web seeds may be. Default [`Reach::Outside`], since a torrent is a stranger's: a name may not lead to this
    /// machine or its network, and a URL of an address there may have no query; one of a link (169.254.…, fe80::…) is not
    /// asked. [`Reach::Anywhere`] is for torrents of one's own.
    pub reach: Reach,
    /// How web seeds are reached over TLS. Default `None`: those that want it are not asked.
    pub secure: Option<ConnectOptions>,
    /// When connections are encrypted. Default [`Encryption::Allow`].
    pub encryption: Encryption,
    /// The bounds of connections.
    pub limits: Limits,
    /// The bounds of a torrent that peers describe.
    pub metainfo: MetainfoLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: concat!("mio-reactor ", env!("CARGO_PKG_VERSION")).to_owned(),
            from: Vec::new(),
            pex: true,
            reach: Reach::Outside,
            secure: None,
            encryption: Encryption::default(),
            limits: Limits::default(),
            metainfo: MetainfoLimits::default(),
        }
    }
}

impl Options {
    /// Where trackers and web servers are asked from: the first of [`from`](Self::from), and any port. `None` if the system
    /// is to choose.
    #[must_use]
    pub fn first_from(&self) -> Option<Address> {
        let first = self.from.first().filter(|ip| !ip.is_unspecified())?;
        Some(Address::Ip((*first, 0).into()))
    }
}

/// There is no such torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no torrent {0} is shared")]
pub struct NoSwarm(pub InfoHash);

/// A connection on which a handshake has come.
pub(super) struct Arrived {
    pub(super) connection: ConnectionId,
    pub(super) ip: IpAddr,
    /// This side's address.
    pub(super) local: Option<SocketAddr>,
    pub(super) way: Way,
    pub(super) handshake: Handshake,
    /// What is sent to it is enciphered with this.
    pub(super) cipher: Option<Box<Rc4>>,
}

/// Why a connection ends after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// It is about another torrent than those here, or than the one it was made for.
    Torrent,
    /// It is this program.
    Ourselves,
    /// It has sent what is wrong before.
    Liar,
    /// It is connected already.
    Again,
    /// There are as many as there may be.
    Full,
}

impl Swarms {
    /// No torrents yet. The `id` has to be another for each run of the program.
    #[must_use]
    pub fn new(id: PeerId, options: Options) -> Self {
        Self {
            id,
            options: Arc::new(options),
            ports: Families::default(),
            nodes: Nodes::default(),
            list: BTreeMap::new(),
            greeters: VecDeque::new(),
            banned: VecDeque::new(),
            next: 0,
        }
    }

    /// Lets peers connect. Each says which torrent it is for. It may be called once for IPv4, and once for IPv6.
    ///
    /// # Errors
    ///
    /// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
    pub fn listen<App: Host>(
        &mut self,
        registry: &mut Registry<App>,
        address: Address,
        options: &ListenOptions,
    ) -> Result<ListenerId, OpenError> {
        let limits = self.options.limits.stream_limits();
        let options = ListenOptions { limits, ..options.clone() };
        let listener = registry.listen_with(address, &options, |_peer, _app| {
            Some(Box::new(Connection::new(Way::Accepted)))
        })?;
        if let Ok(bound) = registry.listener_address(listener)
            && let Some(bound) = bound.socket_addr()
        {
            *self.ports.of_mut(bound.is_ipv6()) = Some(bound.port());
            self.list.values_mut().for_each(|swarm| swarm.ports = self.ports);
        }
        Ok(listener)
    }

    /// Shares a torrent: what is there of it is given, and what is wanted is fetched. If it was
    /// [sought](Self::seek), its peers stay; if it is shared already, nothing changes.
    pub fn share<App: Host>(&mut self, registry: &mut Registry<App>, shared: Shared) {
        let hash = shared.info.hash();
        let swarm = self.enter(registry, hash);
        swarm.share(shared, registry);
    }

    /// Looks for the description of a torrent of which only the hash is known: its peers have it.
    /// [`Event::Info`](super::Event::Info) tells when it is there.
    pub fn seek<App: Host>(&mut self, registry: &mut Registry<App>, hash: InfoHash) {
        self.enter(registry, hash);
    }

    /// As [`seek`](Self::seek), where the description is at hand and what there is of its files is not yet known: so
    /// peers can join meanwhile, and of a private torrent (BEP 27) nobody is told. [`Event::Info`](super::Event::Info)
    /// does not come.
    pub fn find<App: Host>(&mut self, registry: &mut Registry<App>, info: Arc<Info>) {
        self.enter(registry, info.hash()).find(info);
    }

    /// Names an address where a peer of a torrent may be. It is tried again and again if it is `ours`: named by the
    /// person who runs the program, and not by a stranger.
    ///
    /// # Errors
    ///
    /// If there is no such torrent.
    pub fn add_peer<App: Host>(
        &mut self,
        registry: &mut Registry<App>,
        hash: InfoHash,
        address: SocketAddr,
        ours: bool,
    ) -> Result<(), NoSwarm> {
        let swarm = self.list.get_mut(&hash).ok_or(NoSwarm(hash))?;
        swarm.add_address(address, ours, registry);
        Ok(())
    }

    /// Names a server that has a torrent's files (BEP 19): pieces are fetched from there, too.
    ///
    /// # Errors
    ///
    /// If there is no such torrent.
    pub fn add_web_seed<App: Host>(
        &mut self,
        registry: &mut Registry<App>,
        hash: InfoHash,
        url: &str,
    ) -> Result<(), NoSwarm> {
        let swarm = self.list.get_mut(&hash).ok_or(NoSwarm(hash))?;
        let key = PeerKey(self.next);
        self.next += 1;
        swarm.add_web_seed(key, url, registry);
        Ok(())
    }

    /// Shares a torrent no more: its connections end.
    ///
    /// # Errors
    ///
    /// If there is no such torrent.
    pub fn leave<App: Host>(
        &mut self,
        registry: &mut Registry<App>,
        hash: InfoHash,
    ) -> Result<(), NoSwarm> {
        let swarm = self.list.remove(&hash).ok_or(NoSwarm(hash))?;
        swarm.leave(registry);
        Ok(())
    }

    /// A torrent.
    #[must_use]
    pub fn get(&self, hash: &InfoHash) -> Option<&Swarm> {
        self.list.get(hash)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Swarm> {
        self.list.values()
    }

    /// What this program calls itself.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The port that peers can connect to, if there is one: that of IPv4, if there is one for each.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port_of(false).or(self.port_of(true))
    }

    /// The port that peers of IPv6 can connect to, if there is one.
    #[must_use]
    pub fn port_v6(&self) -> Option<u16> {
        self.port_of(true)
    }

    /// The port that peers of IPv4 can connect to, or those of IPv6.
    pub(in crate::torrent) fn port_of(&self, is_v6: bool) -> Option<u16> {
        *self.ports.of(is_v6)
    }

    /// How they are shared.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn enter<App: Host>(&mut self, registry: &mut Registry<App>, hash: InfoHash) -> &mut Swarm {
        let (options, ports) = (&self.options, self.ports);
        self.list
            .entry(hash)
            .or_insert_with(|| Swarm::new(hash, Arc::clone(options), ports, registry))
    }

    /// What each of them is known by.
    pub(in crate::torrent) fn hashes(&self) -> impl Iterator<Item = InfoHash> {
        self.list.keys().copied()
    }

    /// Where nodes of this DHT are, as peers have said of their own, and the program's other node of those it has heard of;
    /// each once.
    pub(in crate::torrent) fn take_nodes(
        &mut self,
        is_v6: bool,
    ) -> impl Iterator<Item = SocketAddr> {
        let of_peers = self
            .list
            .values_mut()
            .flat_map(move |swarm| swarm.nodes.extract_if(.., move |at| at.is_ipv6() == is_v6));
        of_peers.chain(self.nodes.take_named(is_v6))
    }

    pub(super) fn get_mut(&mut self, hash: &InfoHash) -> Option<&mut Swarm> {
        self.list.get_mut(hash)
    }

    // ── connections ─────────────────────────────────────────────────────────────────────────

    pub(super) fn handshake(&self, info_hash: InfoHash) -> Handshake {
        let is_private = self.get(&info_hash).is_some_and(Swarm::is_known_private);
        let dht = self.nodes.is_any() && !is_private;
        Handshake { fast: true, extended: true, dht, info_hash, peer_id: self.id }
    }

    /// A connection was accepted. It has to say something; if too many say nothing, the one goes that has been silent
    /// for the longest.
    pub(super) fn handle_greeter<App: Host>(
        &mut self,
        id: ConnectionId,
        registry: &mut Registry<App>,
    ) {
        self.greeters.push_back(id);
        if self.greeters.len() > self.options.limits.greeters
            && let Some(oldest) = self.greeters.pop_front()
        {
            let _ = registry.abort(oldest);
        }
    }

    pub(super) fn forget_greeter(&mut self, id: ConnectionId) {
        self.greeters.retain(|greeter| *greeter != id);
    }

    /// A handshake has come: who it is from joins the torrent that it names, if it may.
    pub(super) fn handle_arrival<App: Host>(
        &mut self,
        arrived: Arrived,
        registry: &mut Registry<App>,
    ) -> Result<PeerKey, Unwelcome> {
        self.forget_greeter(arrived.connection);
        let Handshake { info_hash, peer_id, .. } = arrived.handshake;
        let who = Who { ip: arrived.ip, id: peer_id };
        let is_banned = self.is_banned(who);
        let answer = self.handshake(info_hash);
        let swarm = self.list.get_mut(&info_hash).ok_or(Unwelcome::Torrent)?;
        if matches!(arrived.way, Way::Dialled(hash, ..) if hash != info_hash) {
            return Err(Unwelcome::Torrent);
        }
        if peer_id == self.id {
            // It was accepted at the address that was dialled.
            arrived.local.into_iter().for_each(|local| swarm.handle_ourselves(local));
            return Err(Unwelcome::Ourselves);
        }
        if is_banned {
            return Err(Unwelcome::Liar);
        }
        let key = PeerKey(self.next);
        self.next += 1;
        swarm.admit(key, arrived, answer, registry)?;
        Ok(key)
    }

    /// Says first what there is to say to a peer that was let in.
    pub(super) fn welcome<App: Host>(
        &mut self,
        hash: InfoHash,
        key: PeerKey,
        registry: &mut Registry<App>,
    ) {
        if let Some(swarm) = self.list.get_mut(&hash) {
            swarm.welcome(key, &self.nodes, registry);
        }
    }

    pub(super) fn handle_failed<App: Host>(
        &mut self,
        hash: InfoHash,
        address: SocketAddr,
        failed: Failed,
        registry: &mut Registry<App>,
    ) {
        if let Some(swarm) = self.list.get_mut(&hash) {
            swarm.handle_failed(address, failed, registry);
        }
    }

    /// Lets a peer in no more.
    pub(super) fn ban<App: Host>(
        &mut self,
        hash: InfoHash,
        key: PeerKey,
        who: Who,
        registry: &mut Registry<App>,
    ) {
        if !self.banned.contains(&who) {
            self.banned.push_back(who);
        }
        if self.banned.len() > BANNED {
            self.banned.pop_front();
        }
        if let Some(swarm) = self.list.get_mut(&hash) {
            swarm.dismiss(key, registry);
        }
    }

    /// Whether a peer is let in no more. Several may share an address, so it takes several liars until nobody from
    /// there is let in.
    fn is_banned(&self, who: Who) -> bool {
        let of_there = self.banned.iter().filter(|banned| banned.ip == who.ip);
        self.banned.contains(&who) || of_there.count() >= LIARS
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────

    pub(super) fn handle_time<App: Host>(
        &mut self,
        hash: InfoHash,
        now: Instant,
        registry: &mut Registry<App>,
    ) {
        if let Some(swarm) = self.list.get_mut(&hash) {
            swarm.handle_time(now, registry);
        }
    }
}
