//! One node of the DHT, without a socket and a clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sha1::{Digest as _, Sha1};

use super::DhtLimits;
use super::answering::Asks;
use super::kept::Kept;
use super::lookup::{Lookup, Purpose};
use super::table::{BUCKET, Table};
use super::votes::Votes;
use crate::torrent::InfoHash;
use crate::torrent::tracker::Proof;
use crate::torrent::wire::krpc::{Packet, Query, Says};
use crate::torrent::wire::{DhtTable, NodeId, is_of_a_network_of_ones_own};

/// So often a way in is tried while nobody is known, and others are looked for while few are.
const BOOTSTRAP: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// So often what is kept is looked through.
const SWEEP: Duration = Duration::from_secs(60);

/// One node: what comes goes in by `handle_*`, what is to be sent is asked for.
///
/// ```
/// use std::time::Instant;
/// use protocols::torrent::dht::{DhtLimits, Node};
///
/// let (now, here) = (Instant::now(), "127.0.0.1:1".parse()?);
/// let there = "127.0.0.1:2".parse()?;
/// let mut one = Node::new(false, DhtLimits::default(), false, [1, 2], now);
/// let mut other = Node::new(false, DhtLimits::default(), false, [3, 4], now);
/// one.add_way_in(there);
/// one.handle_time(now);
/// let (to, question) = one.poll_send().expect("it asks");
/// assert_eq!(to, there);
/// other.handle_datagram(here, &question, now);
/// let (_, answer) = other.poll_send().expect("it answers");
/// one.handle_datagram(there, &answer, now);
/// assert_eq!(one.nodes(), 1);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Node {
    pub(super) limits: DhtLimits,
    /// Whether its socket is of IPv6: those nodes are by themselves (BEP 32).
    pub(super) is_v6: bool,
    /// Whether it takes no questions (BEP 43).
    pub(super) read_only: bool,
    pub(super) table: Table,
    pub(super) ways_in: Vec<SocketAddr>,
    /// Whom the program's node of the other kind knows, if it has one.
    pub(super) beside: Option<Vec<(NodeId, SocketAddr)>>,
    /// Nodes of the other kind that others have named.
    pub(super) elsewhere: VecDeque<SocketAddr>,
    /// Where others were the last time: tried beside the ways in, some at a time.
    pub(super) earlier: VecDeque<SocketAddr>,
    pub(super) lookups: BTreeMap<u64, Lookup>,
    pub(super) waiting: VecDeque<(NodeId, Purpose)>,
    pub(super) pending: HashMap<[u8; 4], Pending>,
    pub(super) kept: Kept,
    pub(super) proof: Proof,
    pub(super) out: VecDeque<(SocketAddr, Vec<u8>)>,
    pub(super) found: VecDeque<Found>,
    pub(super) rates: Rates,
    pub(super) address: Place,
    secret: [u64; 2],
    /// How many numbers were drawn.
    drawn: u64,
    /// When a way in was last tried, and when what is kept was looked through.
    bootstrapped: Option<Instant>,
    swept: Instant,
}

/// Where a node is.
///
/// ```text
///   Heard ── an address of the Internet is set ──▶ Known
/// ```
#[derive(Debug)]
pub(super) enum Place {
    /// Others say it, and what they say now may be believed; or it is only known on a network of one's own.
    Heard(Option<IpAddr>, Votes),
    /// Nobody can know it better.
    Known(IpAddr),
}

/// A question that is not answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) to: SocketAddr,
    pub(super) sent: Instant,
    pub(super) what: Asked,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whether it is there.
    Ping,
    /// For the lookup of this number.
    Lookup(u64),
    /// To note that something is shared here.
    Announce,
}

/// Questions of this second.
#[derive(Debug)]
pub(super) struct Rates {
    since: Instant,
    all: u32,
    of: HashMap<IpAddr, u32>,
}

/// What a search has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These share the torrent. The same may come several times, also when nobody searches: others say so.
    Peers(InfoHash, Vec<SocketAddr>),
    /// Nobody is left to be asked.
    Over {
        /// About which torrent.
        hash: InfoHash,
        /// How many nodes have answered.
        answered: usize,
        /// How many were told that it is shared here.
        announced: usize,
    },
}

impl Node {
    /// A node that knows nobody. The `secret` has to be by chance; nobody else may know it.
    #[must_use]
    pub fn new(
        is_v6: bool,
        limits: DhtLimits,
        read_only: bool,
        secret: [u64; 2],
        now: Instant,
    ) -> Self {
        let mut node = Self {
            limits,
            is_v6,
            read_only,
            table: Table::new(NodeId::default()),
            ways_in: Vec::new(),
            beside: None,
            elsewhere: VecDeque::new(),
            earlier: VecDeque::new(),
            lookups: BTreeMap::new(),
            waiting: VecDeque::new(),
            pending: HashMap::new(),
            kept: Kept::default(),
            proof: Proof::new(secret, now),
            out: VecDeque::new(),
            found: VecDeque::new(),
            rates: Rates { since: now, all: 0, of: HashMap::new() },
            address: Place::Heard(None, Votes::default()),
            secret,
            drawn: 0,
            bootstrapped: None,
            swept: now,
        };
        node.table = Table::new(NodeId::new(node.draw()));
        node
    }

    /// Names a node that is asked first. As long as nobody answers it is tried again and again.
    pub fn add_way_in(&mut self, at: SocketAddr) {
        if at.is_ipv6() == self.is_v6 && !self.ways_in.contains(&at) {
            self.ways_in.push(at);
        }
    }

    /// Says where it is, if that is known. Else others say it, in time. Where nodes are few it keeps itself what is shared
    /// here.
    pub fn set_address(&mut self, ip: IpAddr) {
        self.address = match is_of_a_network_of_ones_own(ip) {
            true => Place::Heard(Some(ip), Votes::default()),
            false => Place::Known(ip),
        };
        self.rename(ip);
    }

    /// Goes on with what an earlier start has [written down](Self::saved): under its name, if a node here may have it, and
    /// with the nodes that it knew. They are asked whether they are still there, and nobody is told of them before.
    pub fn restore(&mut self, saved: &DhtTable) {
        let id = if self.is_v6 { saved.id6.or(saved.id) } else { saved.id.or(saved.id6) };
        id.into_iter().for_each(|id| self.table.rename(id));
        let nodes = saved.nodes.iter().copied();
        self.earlier = nodes.filter(|at| at.is_ipv6() == self.is_v6).collect();
        self.address.ip().into_iter().for_each(|ip| self.rename(ip));
    }

    /// What is worth to be written down for the next start.
    #[must_use]
    pub fn saved(&self) -> DhtTable {
        let (id, nodes) = (self.id(), self.known().into_iter().map(|(_, at)| at).collect());
        let (id, id6) = if self.is_v6 { (None, Some(id)) } else { (Some(id), None) };
        DhtTable { id, id6, nodes }
    }

    /// Says whom the program's other node [knows](Self::known): that of IPv6 if this is one of IPv4 (BEP 32). Who wants to
    /// hear of those hears of them; and as long as they are few, others are asked for more: see
    /// [`poll_elsewhere`](Self::poll_elsewhere).
    pub fn set_beside(&mut self, known: Option<Vec<(NodeId, SocketAddr)>>) {
        self.beside = known;
    }

    /// The nodes that have answered lately, those that are nearest to this one first.
    #[must_use]
    pub fn known(&self) -> Vec<(NodeId, SocketAddr)> {
        self.table.there()
    }

    /// A node of the other kind of which others have told. Whether it is there nobody knows.
    pub fn poll_elsewhere(&mut self) -> Option<SocketAddr> {
        self.elsewhere.pop_front()
    }

    /// A node is said to be there, by a peer that it belongs to (BEP 5, the message `port`). It is asked whether it is.
    pub fn handle_node(&mut self, at: SocketAddr, now: Instant) {
        if at.is_ipv6() == self.is_v6 && self.known().iter().all(|(_, known)| *known != at) {
            self.ask(at, Query::Ping, Asked::Ping, now);
        }
    }

    /// What it is called. Once others have said what its address is on the Internet, that is another one, which a node at
    /// that address may have (BEP 42). Ten have to have said so, of as many networks, and two thirds of those that were
    /// heard last.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.table.ours()
    }

    /// How many others it knows.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.table.len()
    }

    /// Looks for peers of a torrent; and if a port is named, tells those who keep it that it is shared here, there.
    pub fn search(&mut self, hash: InfoHash, announce: Option<u16>, now: Instant) {
        self.look_up(hash.into(), Purpose::Peers { announce }, now);
    }

    /// Ends the searches for other torrents than these: nobody is asked any more, or told that they are shared here. Each
    /// is [over](Found::Over).
    pub fn keep_searches(&mut self, may: impl Fn(&InfoHash) -> bool, now: Instant) {
        let mut ended = Vec::new();
        let mut stays = |target: NodeId, purpose| {
            let stays = purpose == Purpose::Nodes || may(&target.into());
            ended.extend((!stays).then_some(target));
            stays
        };
        self.lookups.retain(|_, lookup| stays(lookup.target, lookup.purpose));
        self.waiting.retain(|(target, purpose)| stays(*target, *purpose));
        let over = |target: NodeId| Found::Over { hash: target.into(), answered: 0, announced: 0 };
        self.found.extend(ended.into_iter().map(over));
        self.begin_waiting(now);
    }

    /// A datagram has come.
    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        match packet.says {
            Says::Query(id, query) => {
                let Packet { number, read_only, want, .. } = packet;
                self.handle_query(from, (id, query), Asks { number, read_only, want }, now);
            }
            Says::Response(response) => {
                self.handle_response(from, &packet.number, response, packet.ip, now);
            }
            Says::Error(_) => self.handle_refusal(from, &packet.number, now),
        }
    }

    /// Time has passed. It wants to be called about once a second.
    pub fn handle_time(&mut self, now: Instant) {
        self.give_up(now);
        if now - self.swept >= SWEEP {
            self.swept = now;
            self.kept.sweep(&self.limits, now);
        }
        let pause = if self.table.len() == 0 { BOOTSTRAP.0 } else { BOOTSTRAP.1 };
        let is_due = self.bootstrapped.is_none_or(|then| now - then >= pause);
        let has_way_in =
            !self.ways_in.is_empty() || !self.earlier.is_empty() || self.table.len() > 0;
        if self.table.len() < BUCKET && has_way_in && is_due {
            self.bootstrapped = Some(now);
            self.look_up(self.table.ours(), Purpose::Nodes, now);
        }
        let random = self.draw();
        if let Some(target) = self.table.poll_stale(random, now) {
            self.look_up(target, Purpose::Nodes, now);
        }
    }

    /// What is to be sent next, and to whom.
    pub fn poll_send(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.out.pop_front()
    }

    /// What was found.
    pub fn poll_found(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    // ── private ─────────────────────────────────────────────────────────────────────────────

    /// Bytes that nobody else can know before they are sent.
    pub(super) fn draw(&mut self) -> [u8; 20] {
        self.drawn += 1;
        let mut hash = Sha1::new();
        for part in [self.secret[0], self.secret[1], self.drawn] {
            hash.update(part.to_be_bytes());
        }
        hash.finalize().into()
    }

    /// Somebody says where we are. If nearly all do, and a node there may not be called as we are, we are called otherwise.
    pub(super) fn handle_vote(&mut self, voter: IpAddr, says: IpAddr) {
        if let Place::Heard(ours, votes) = &mut self.address
            && let Some(believed) = votes.handle_vote(voter, says)
        {
            *ours = Some(believed);
            self.rename(believed);
        }
    }

    /// Takes a name that a node at this address may have, unless it has one.
    fn rename(&mut self, ip: IpAddr) {
        if !self.table.ours().may_be_at(ip) {
            let id = NodeId::at(ip, self.draw());
            self.table.rename(id);
        }
    }
}

impl Place {
    /// The address, if there is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Heard(ip, _) => *ip,
            Self::Known(ip) => Some(*ip),
        }
    }
}

impl Rates {
    /// Whether a question of this address may be answered.
    pub(super) fn allow(&mut self, of: IpAddr, limits: &DhtLimits, now: Instant) -> bool {
        if now - self.since >= Duration::from_secs(1) {
            (self.since, self.all) = (now, 0);
            self.of.clear();
        }
        // Only what is answered counts: whoever asks too much takes nothing from others, and no more addresses are counted
        // than questions are answered.
        let answered = self.of.get(&of).copied().unwrap_or_default();
        if self.all >= limits.per_second || answered >= limits.per_address {
            return false;
        }
        self.all += 1;
        self.of.insert(of, answered + 1);
        true
    }
}
