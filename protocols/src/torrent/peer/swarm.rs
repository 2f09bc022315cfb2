//! One torrent: its peers, its addresses, its pieces.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor::{ConnectionId, Registry, TimerId};

use super::addresses::Addresses;
use super::member::{Member, Who};
use super::nodes::Families;
use super::web::WebSeed;
use super::{Event, Host, Options, PeerRow, Store, WebRow};
use crate::torrent::InfoHash;
use crate::torrent::machine::{BLOCK, Bitfield, Fetch, Geometry, PeerKey, PeerTraits, Torrent};
use crate::torrent::wire::Info;
use crate::torrent::wire::extension::Extensions;
use crate::torrent::wire::message::{Bounds, Message};

/// How often time is told to a torrent.
const TICK: Duration = Duration::from_secs(1);
/// Peers that are few, since those who give are some of them only.
const FEW: usize = 5;

/// A torrent to be shared: what it is, where it is kept, and what is there of it.
#[derive(Debug)]
pub struct Shared {
    /// What it is.
    pub info: Arc<Info>,
    /// Where its bytes are.
    pub store: Arc<dyn Store>,
    /// The pieces that are there, and right.
    pub have: Bitfield,
    /// Those that are wanted.
    pub wanted: Bitfield,
}

/// One torrent of [`Swarms`](super::Swarms).
///
/// ```text
///   Seeking ──find, or its peers have sent the info──▶ Found ──share──▶ Sharing
///      └──────────────────────────────share────────────────────────────▲
/// ```
#[derive(Debug)]
pub struct Swarm {
    pub(super) hash: InfoHash,
    pub(super) options: Arc<Options>,
    /// Where peers can connect to us.
    pub(super) ports: Families<Option<u16>>,
    pub(super) phase: Phase,
    pub(super) members: BTreeMap<PeerKey, Member>,
    pub(super) addresses: Addresses,
    pub(super) web: Vec<WebSeed>,
    /// How those are asked, once one is: as the program's type has it, which this has not.
    pub(super) clients: Option<Box<dyn Any>>,
    /// Connections that are not read until fewer pieces wait to be checked.
    pub(super) held: Vec<ConnectionId>,
    /// Where peers have said that their nodes of the DHT are.
    pub(super) nodes: Vec<SocketAddr>,
    /// Peers that are to be sent something.
    pub(super) dirty: Vec<PeerKey>,
    pub(super) gone: VecDeque<(PeerKey, Who)>,
    /// What the program is to be told.
    pub(super) events: Vec<Event>,
    /// Peers that have lied, until they are let in no more.
    pub(super) liars: Vec<(PeerKey, Who)>,
    tick: Option<TimerId>,
    pub(super) exchanged: Instant,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Only the hash is known.
    Seeking(Fetch),
    /// What it is is known, and not yet where to keep it.
    Found(Arc<Info>),
    Sharing(Box<Sharing>),
}

/// Everything about pieces.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) info: Arc<Info>,
    pub(super) torrent: Torrent,
    pub(super) store: Arc<dyn Store>,
    /// Pieces that are being put together.
    pub(super) buffers: HashMap<u32, Vec<u8>>,
    /// Memory for the next piece.
    pub(super) spare: Option<Vec<u8>>,
    /// Bytes of pieces that are being checked.
    pub(super) backlog: usize,
    /// Pieces that are whole, and for which no thread was free yet.
    pub(super) unchecked: VecDeque<(u32, bool)>,
    /// The key of the digests of blocks.
    pub(super) key: RandomState,
}

impl Swarm {
    pub(super) fn new<App: Host>(
        hash: InfoHash,
        options: Arc<Options>,
        ports: Families<Option<u16>>,
        registry: &mut Registry<App>,
    ) -> Self {
        let tick = registry.every(TICK, move |registry, app: &mut App| {
            let now = registry.now();
            app.swarms().handle_time(hash, now, registry);
        });
        Self {
            hash,
            ports,
            phase: Phase::Seeking(Fetch::new(hash, options.metainfo.bytes)),
            members: BTreeMap::new(),
            addresses: Addresses::new(options.limits.addresses, options.encryption),
            web: Vec::new(),
            clients: None,
            held: Vec::new(),
            nodes: Vec::new(),
            dirty: Vec::new(),
            gone: VecDeque::new(),
            events: Vec::new(),
            liars: Vec::new(),
            // Where there are no timers left, nothing is asked for twice, and nobody is dialled again.
            tick: tick.ok(),
            exchanged: registry.now(),
            options,
        }
    }

    // ── what one can ask ────────────────────────────────────────────────────────────────────

    /// What it is known by.
    #[must_use]
    pub fn hash(&self) -> InfoHash {
        self.hash
    }

    /// What it is, once that is known.
    #[must_use]
    pub fn info(&self) -> Option<&Arc<Info>> {
        match &self.phase {
            Phase::Seeking(_) => None,
            Phase::Found(info) => Some(info),
            Phase::Sharing(sharing) => Some(&sharing.info),
        }
    }

    /// Its pieces and peers, once it is shared.
    #[must_use]
    pub fn torrent(&self) -> Option<&Torrent> {
        match &self.phase {
            Phase::Sharing(sharing) => Some(&sharing.torrent),
            Phase::Seeking(_) | Phase::Found(_) => None,
        }
    }

    /// Its peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerRow> + '_ {
        self.members.iter().map(|(key, member)| PeerRow {
            key: *key,
            ip: member.who.ip,
            id: member.who.id,
            program: member.extensions.program.clone().or_else(|| member.who.id.program()),
            dialled: member.dialled,
            encrypted: member.cipher.is_some(),
            view: self.torrent().and_then(|torrent| torrent.peer(*key)),
        })
    }

    /// Whether something is missing, and so few peers are connected that more are of use: fewer than five.
    #[must_use]
    pub fn wants_peers(&self) -> bool {
        self.members.len() < FEW && self.torrent().is_none_or(|torrent| !torrent.is_complete())
    }

    /// Whether something is missing, and of nobody is known where it may be had.
    pub(in crate::torrent) fn is_alone(&self) -> bool {
        self.wants_peers() && self.members.is_empty() && !self.addresses.is_any_other()
    }

    /// The servers that are said to have its files.
    pub fn web_seeds(&self) -> impl Iterator<Item = WebRow> + '_ {
        self.web.iter().map(|seed| WebRow {
            url: seed.url.clone(),
            view: self.torrent().and_then(|torrent| torrent.peer(seed.key)),
        })
    }

    /// How many addresses are known.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Whether its peers come from its trackers only (BEP 27). As long as it is not known, it may be.
    pub(super) fn is_private(&self) -> bool {
        self.info().is_none_or(|info| info.is_private())
    }

    /// Whether it is known that they do.
    pub(in crate::torrent) fn is_known_private(&self) -> bool {
        self.info().is_some_and(|info| info.is_private())
    }

    /// What messages may be as long as.
    pub(super) fn bounds(&self) -> Bounds {
        let limits = &self.options.limits;
        let bitfield = match self.info() {
            Some(info) => Bitfield::bytes_of(info.pieces()),
            None => limits.early,
        };
        Bounds { bitfield, block: BLOCK as usize, extended: limits.extended }
    }

    /// Whether more has come than is checked in time. Peers wait then, as TCP lets them; else what they send would fill
    /// the memory.
    pub(super) fn is_behind(&self) -> bool {
        let Phase::Sharing(sharing) = &self.phase else {
            return false;
        };
        let two_pieces = 2 * sharing.info.piece_length() as usize;
        sharing.backlog > self.options.limits.backlog.max(two_pieces)
    }

    // ── joining and leaving ─────────────────────────────────────────────────────────────────

    /// It is known what it is.
    pub(super) fn find(&mut self, info: Arc<Info>) {
        if let Phase::Seeking(_) = self.phase {
            self.phase = Phase::Found(info);
        }
    }

    pub(super) fn share<App: Host>(&mut self, shared: Shared, registry: &mut Registry<App>) {
        if let Phase::Sharing(_) = self.phase {
            return;
        }
        let Shared { info, store, have, wanted } = shared;
        let Some(geometry) = Geometry::new(info.length(), info.piece_length()) else {
            return;
        };
        let (chance, now) = (registry.random(), registry.now());
        let limits = self.options.limits.machine.clone();
        let torrent =
            Torrent::new(geometry, have, |piece| wanted.contains(piece), limits, chance, now);
        let (buffers, unchecked) = Default::default();
        let key = RandomState::new();
        let was_complete = torrent.is_complete();
        let (spare, backlog) = Default::default();
        let sharing = Sharing { info, torrent, store, buffers, spare, backlog, unchecked, key };
        self.phase = Phase::Sharing(Box::new(sharing));
        if was_complete {
            self.events.push(Event::Complete);
        }
        let keys: Vec<_> = self.members.keys().copied().collect();
        for key in keys {
            // That the info is here now is news, and a size for those who look for it too.
            self.say_extensions(key);
            self.catch_up(key, registry);
        }
        self.join_web_seeds(registry);
        self.act(registry);
    }

    /// A peer that was here before pieces were known.
    fn catch_up<App: Host>(&mut self, key: PeerKey, registry: &mut Registry<App>) {
        let now = registry.now();
        let (Some(member), Phase::Sharing(sharing)) = (self.members.get_mut(&key), &mut self.phase)
        else {
            return;
        };
        let torrent = &mut sharing.torrent;
        torrent.handle_peer(key, member.fast, now);
        torrent.handle_traits(key, traits(&member.extensions), now);
        // What there is first is over, so that a bitfield would come too late for some.
        torrent.have().iter().for_each(|piece| Message::Have(piece).write(&mut member.out));
        self.dirty.push(key);
        let early = std::mem::take(&mut member.early);
        let mut messages = early.messages();
        if messages.any(|message| torrent.handle_message(key, &message, now).is_err()) {
            let _ = registry.release(member.connection);
        }
    }

    pub(super) fn leave<App: Host>(mut self, registry: &mut Registry<App>) {
        self.tick.take().map(|tick| registry.cancel(tick));
        for member in self.members.values() {
            // It may be ending already.
            let _ = registry.release(member.connection);
        }
    }
}

pub(super) fn traits(said: &Extensions) -> PeerTraits {
    PeerTraits { reqq: said.requests, upload_only: said.upload_only == Some(true) }
}
