//! A node on the loop, for the torrents of a program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, OpenError, Registry,
    SocketClosed, SocketId, TimerKey,
};

use super::DhtLimits;
use super::node::{Found, Node};
use crate::torrent::InfoHash;
use crate::torrent::peer::{Dht, Host, Swarm, Swarms};
use crate::torrent::wire::DhtTable;

/// How often it is told the time.
const TICK: Duration = Duration::from_secs(1);
/// How often it is written down who is known.
const SAVE: Duration = Duration::from_secs(5 * 60);

const TIME: TimerKey = TimerKey(0);

/// How a program takes part.
#[derive(Clone, Debug, Default)]
pub struct DhtOptions {
    /// Nodes that are asked first: nobody else is known.
    pub nodes: Vec<SocketAddr>,
    /// What an earlier run of the program has [known](Host::on_dht): a way in where the network is as it was.
    pub saved: Option<DhtTable>,
    /// Ask only, and take no questions (BEP 43): for who is there for a moment, or cannot be reached.
    pub read_only: bool,
    /// The bounds.
    pub limits: DhtLimits,
}

/// The program's torrents are looked for and told of in the DHT, from now on: all but private ones (BEP 27). The socket is
/// bound to this address, which is to be that where peers can connect.
///
/// With an address of IPv6 it is the DHT of IPv6 (BEP 32). A program may join both, each once. Its two nodes go by one name
/// where both addresses may have it, tell others of whom the other one knows, and help each other to their first nodes.
///
/// # Errors
///
/// If the address is in use, or is not this machine's: see [`OpenError`].
pub fn join<App: Host>(
    registry: &mut Registry<App>,
    address: SocketAddr,
    options: DhtOptions,
) -> Result<SocketId, OpenError> {
    let DhtOptions { nodes, saved, read_only, limits } = options;
    let secret = [registry.random(), registry.random()];
    let mut node = Node::new(address.is_ipv6(), limits, read_only, secret, registry.now());
    nodes.into_iter().for_each(|at| node.add_way_in(at));
    if !address.ip().is_unspecified() {
        node.set_address(address.ip());
    }
    let (is_v6, searches, told) = (address.is_ipv6(), BTreeMap::new(), registry.now());
    let joined = Joined { node, is_v6, searches, saved: saved.unwrap_or_default(), told };
    // Else one of IPv6 at all addresses takes IPv4 as well, and that of IPv4 has no room beside it.
    let options = DatagramOptions { only_v6: Some(true), ..DatagramOptions::default() };
    registry.bind_datagram_with(Address::Ip(address), &options, joined)
}

struct Joined {
    node: Node,
    is_v6: bool,
    searches: BTreeMap<InfoHash, Search>,
    /// What an earlier run has known, of both DHTs.
    saved: DhtTable,
    /// When the program was last told what to write down.
    told: Instant,
}

/// Where it stands with a torrent.
enum Search {
    /// It has found peers, or nobody yet.
    UnderWay { has_peers: bool },
    /// It is looked for again then; sooner, where it is found to be alone.
    Again { then: Instant, if_alone: Instant },
}

impl Joined {
    /// Looks for what is to be looked for.
    fn search<App: Host>(&mut self, app: &mut App, now: Instant) {
        let swarms = app.swarms();
        self.searches.retain(|hash, _| swarms.get(hash).is_some());
        let may = |hash: &InfoHash| is_to_be_told(swarms, hash);
        // Who announces a torrent finds itself, too.
        let is_alone = |hash: &InfoHash| swarms.get(hash).is_some_and(Swarm::is_alone);
        let is_due = |hash: &InfoHash| match self.searches.get(hash) {
            None => true,
            Some(Search::UnderWay { .. }) => false,
            Some(Search::Again { then, if_alone }) => {
                *then <= now || (*if_alone <= now && is_alone(hash))
            }
        };
        let due = swarms.hashes().filter(|hash| is_due(hash) && may(hash));
        for hash in due.collect::<Vec<_>>() {
            self.searches.insert(hash, Search::UnderWay { has_peers: false });
            self.node.search(hash, swarms.port_of(self.is_v6), now);
        }
    }

    /// Drops the searches for torrents that are private, as is known by now, and for those that are shared no more: at the
    /// end of a search its torrent is announced.
    fn drop_searches<App: Host>(&mut self, app: &mut App, now: Instant) {
        let swarms = app.swarms();
        self.node.keep_searches(|hash| is_to_be_told(swarms, hash), now);
    }

    /// Sends what is to be sent, and tells of what was found.
    fn pump<App: Host>(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        while let Some((to, bytes)) = self.node.poll_send() {
            // What cannot be sent is as good as lost on its way.
            let _ = socket.send_to(&bytes, &Address::Ip(to));
        }
        while let Some(found) = self.node.poll_found() {
            match found {
                Found::Peers(hash, peers) => self.handle_peers(socket, app, hash, peers),
                Found::Over { hash, .. } => self.handle_over(socket, hash),
            }
        }
    }

    fn handle_peers<App: Host>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        app: &mut App,
        hash: InfoHash,
        peers: Vec<SocketAddr>,
    ) {
        if !is_to_be_told(app.swarms(), &hash) {
            return;
        }
        if let Some(Search::UnderWay { has_peers }) = self.searches.get_mut(&hash) {
            *has_peers = true;
        }
        for peer in peers {
            // It is shared: that was asked just now.
            let _ = app.swarms().add_peer(socket.registry(), hash, peer, false);
        }
    }

    fn handle_over<App>(&mut self, socket: &mut DatagramTransport<'_, App>, hash: InfoHash) {
        let limits = &self.node.limits;
        if let Some(search) = self.searches.get_mut(&hash) {
            let pause = match search {
                Search::UnderWay { has_peers: true } => limits.interval,
                Search::UnderWay { .. } | Search::Again { .. } => limits.retry,
            };
            let now = socket.registry().now();
            *search = Search::Again { then: now + pause, if_alone: now + limits.retry };
        }
    }

    fn tick<App: Host>(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let now = socket.registry().now();
        self.drop_searches(app, now);
        self.talk_to_the_other(app);
        app.swarms().take_nodes(self.is_v6).for_each(|at| self.node.handle_node(at, now));
        self.node.handle_time(now);
        self.search(app, now);
        self.pump(socket, app);
        if now - self.told >= SAVE {
            self.told = now;
            self.save(socket.registry(), app);
        }
        socket.set_timer(TIME, TICK);
    }

    /// Has the program write down who is known. Whom peers have named within the last second nobody has asked yet: the
    /// next start will.
    fn save<App: Host>(&self, registry: &mut Registry<App>, app: &mut App) {
        let known = self.node.saved();
        let named: Vec<_> = app.swarms().take_nodes(self.is_v6).collect();
        if !known.nodes.is_empty() || !named.is_empty() {
            let table = app.swarms().nodes.write_down(self.is_v6, known, &named);
            app.on_dht(registry, table);
        }
    }

    /// Whom it knows, and whom it has heard of that is not its own kind.
    fn talk_to_the_other<App: Host>(&mut self, app: &mut App) {
        let nodes = &mut app.swarms().nodes;
        std::iter::from_fn(|| self.node.poll_elsewhere()).for_each(|at| nodes.name(at));
        self.node.set_beside(nodes.exchange(self.is_v6, self.node.known()));
    }
}

/// Whether others may hear of a torrent: it is shared here, and not known to be private.
fn is_to_be_told(swarms: &Swarms, hash: &InfoHash) -> bool {
    swarms.get(hash).is_some_and(|swarm| !swarm.is_known_private())
}

impl<App: Host> DatagramProtocol<App> for Joined {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let port = socket.local().port().filter(|_| !self.node.read_only);
        let part = port.map_or(Dht::Asking, Dht::At);
        let begins = app.swarms().nodes.enter(self.is_v6, part, &std::mem::take(&mut self.saved));
        self.node.restore(&begins);
        app.swarms().nodes.call(self.is_v6, self.node.id());
        self.tick(socket, app);
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let now = socket.registry().now();
        if let Some(from) = datagram.from.socket_addr() {
            self.drop_searches(app, now);
            self.node.handle_datagram(from, datagram.bytes, now);
            self.pump(socket, app);
        }
    }

    fn on_close(&mut self, registry: &mut Registry<App>, _: &SocketClosed, app: &mut App) {
        app.swarms().nodes.leave(self.is_v6);
        self.save(registry, app);
    }

    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, App>, _: TimerKey, app: &mut App) {
        self.tick(socket, app);
    }
}
