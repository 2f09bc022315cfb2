//! One torrent: its peers, its addresses, its pieces.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor::{Address, ConnectOptions, ConnectionId, Registry, TimerId};

use super::addresses::Addresses;
use super::connection::{Connection, Way};
use super::member::{Early, Member, Who};
use super::swarms::{Arrived, Unwelcome};
use super::{Event, Host, Options, PeerRow, Store};
use crate::torrent::machine::{
    BLOCK, Bitfield, Fetch, Fetched, Geometry, Keep, PeerKey, PeerTraits, Torrent, Violation,
};
use crate::torrent::wire::extension::{self, Extensions, Metadata, PART, Pex};
use crate::torrent::wire::message::{Block, Bounds, Message};
use crate::torrent::wire::{Info, bencode::NoBencode};
use crate::torrent::{InfoHash, PeerId};

/// How often time is told to a torrent.
const TICK: Duration = Duration::from_secs(1);
/// A peer that nothing was sent for so long gets an empty message (BEP 3 says two minutes).
const QUIET: Duration = Duration::from_secs(90);
/// A peer that has been of no use for so long may have to go for another.
const USELESS: Duration = Duration::from_secs(60);
/// One that has said nothing at all by then, too.
const SPEECHLESS: Duration = Duration::from_secs(2);
/// Peers that have gone are remembered in case they turn out to have lied.
const GONE: usize = 1_000;

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
///   Seeking ──its peers have sent the info──▶ Found ──share──▶ Sharing
///      └──────────────────────────share────────────────────────▲
/// ```
#[derive(Debug)]
pub struct Swarm {
    pub(super) hash: InfoHash,
    pub(super) options: Arc<Options>,
    /// Where peers can connect to us.
    port: Option<u16>,
    pub(super) phase: Phase,
    pub(super) members: BTreeMap<PeerKey, Member>,
    pub(super) addresses: Addresses,
    /// Peers that are to be sent something.
    pub(super) dirty: Vec<PeerKey>,
    pub(super) gone: VecDeque<(PeerKey, Who)>,
    /// What the program is to be told.
    pub(super) events: Vec<Event>,
    /// Peers that have lied, until they are let in no more.
    pub(super) liars: Vec<(PeerKey, Who)>,
    tick: Option<TimerId>,
    exchanged: Instant,
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
    /// Pieces that are whole, and for which no thread was free yet.
    pub(super) unchecked: VecDeque<(u32, bool)>,
    /// The key of the digests of blocks.
    pub(super) key: RandomState,
}

/// Why a connection ends in the middle.
#[derive(Debug)]
pub(super) enum Fault {
    Violation,
    Extension,
    /// It says too much before pieces are known.
    TooEarly,
    /// It is no member any more.
    Gone,
}

impl From<Violation> for Fault {
    fn from(_: Violation) -> Self {
        Self::Violation
    }
}

impl From<NoBencode> for Fault {
    fn from(_: NoBencode) -> Self {
        Self::Extension
    }
}

impl Swarm {
    pub(super) fn new<App: Host>(
        hash: InfoHash,
        options: Arc<Options>,
        port: Option<u16>,
        registry: &mut Registry<App>,
    ) -> Self {
        let tick = registry.every(TICK, move |registry, app: &mut App| {
            let now = registry.now();
            app.swarms().handle_time(hash, now, registry);
        });
        Self {
            hash,
            port,
            phase: Phase::Seeking(Fetch::new(hash, options.metainfo.bytes)),
            members: BTreeMap::new(),
            addresses: Addresses::new(options.limits.addresses),
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
            view: self.torrent().and_then(|torrent| torrent.peer(*key)),
        })
    }

    /// How many addresses are known.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Whether its peers come from its trackers only (BEP 27). As long as it is not known, it may be.
    fn is_private(&self) -> bool {
        self.info().is_none_or(|info| info.is_private())
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

    // ── joining and leaving ─────────────────────────────────────────────────────────────────

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
        let sharing = Sharing { info, torrent, store, buffers, unchecked, key };
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

    // ── connections ─────────────────────────────────────────────────────────────────────────

    pub(super) fn add_address<App: Host>(
        &mut self,
        address: SocketAddr,
        ours: bool,
        registry: &mut Registry<App>,
    ) {
        self.addresses.add(address, ours, registry.now());
        self.dial(registry);
    }

    /// Makes as many connections as there may be.
    fn dial<App: Host>(&mut self, registry: &mut Registry<App>) {
        let limits = &self.options.limits;
        let now = registry.now();
        while self.members.len() + self.addresses.dialled() < limits.peers
            && self.addresses.dialled() < limits.dials
            && let Some(address) = self.addresses.poll_dial(now)
        {
            let from = self.options.from.filter(|from| from.is_ipv4() == address.is_ipv4());
            let options = ConnectOptions {
                from: from.map(|from| Address::Ip((from, 0).into())),
                limits: limits.stream_limits(),
                ..ConnectOptions::default()
            };
            let connection = Connection::new(Way::Dialled(self.hash, address));
            if registry.connect_with(Address::Ip(address), &options, connection).is_err() {
                self.addresses.handle_failed(address, now, registry.random());
            }
        }
    }

    pub(super) fn handle_failed<App: Host>(
        &mut self,
        address: SocketAddr,
        registry: &mut Registry<App>,
    ) {
        self.addresses.handle_failed(address, registry.now(), registry.random());
        self.dial(registry);
    }

    pub(super) fn handle_ourselves(&mut self, address: SocketAddr) {
        self.addresses.handle_ourselves(address);
    }

    /// Lets a peer in, unless it is here already, or there is no room.
    pub(super) fn admit<App: Host>(
        &mut self,
        key: PeerKey,
        arrived: &Arrived,
        ours: PeerId,
        registry: &mut Registry<App>,
    ) -> Result<(), Unwelcome> {
        let Arrived { connection, ip, way, handshake, .. } = arrived;
        let who = Who { ip: *ip, id: handshake.peer_id };
        let dialled = *way != Way::Accepted;
        let now = registry.now();
        if let Some(known) = self.resolve_duplicate(who, dialled, ours, registry) {
            // It need not be dialled there again.
            if let Way::Dialled(_, address) = way {
                self.addresses.handle_peer(*address, known, now);
            }
            return Err(Unwelcome::Again);
        }
        if self.members.len() >= self.options.limits.peers && !self.make_room(now, registry) {
            return Err(Unwelcome::Full);
        }
        let member = Member {
            connection: *connection,
            who,
            dialled,
            fast: handshake.fast,
            extended: handshake.extended,
            extensions: Extensions::default(),
            early: Early::default(),
            out: Vec::new(),
            is_reading: false,
            since: now,
            said: now,
            useful: None,
            told: Default::default(),
            tells: None,
        };
        self.members.insert(key, member);
        if let Way::Dialled(_, address) = way {
            self.addresses.handle_peer(*address, key, now);
        }
        if let Phase::Sharing(sharing) = &mut self.phase {
            sharing.torrent.handle_peer(key, handshake.fast, now);
        }
        Ok(())
    }

    /// Two connections to one peer: both ends have to keep the same. It is the one that the greater of the two ids has
    /// made; and of two made by one side the newer, which it would not have made if the older were of use. From another
    /// address anybody could say that id, so there the older stays. Returns the older, if that stays.
    fn resolve_duplicate<App: Host>(
        &mut self,
        who: Who,
        dialled: bool,
        ours: PeerId,
        registry: &mut Registry<App>,
    ) -> Option<PeerKey> {
        let (&key, older) = self.members.iter().find(|(_, member)| member.who.id == who.id)?;
        let newer_stays = match older.dialled == dialled {
            _ if older.who.ip != who.ip => false,
            true => true,
            false => dialled == (ours > who.id),
        };
        if newer_stays {
            self.dismiss(key, registry);
        }
        (!newer_stays).then_some(key)
    }

    /// Ends the connection of a peer that has been of no use; whether there was one.
    fn make_room<App: Host>(&mut self, now: Instant, registry: &mut Registry<App>) -> bool {
        let is_spare = |member: &Member| match (member.useful, &member.extensions) {
            (Some(then), _) => now - then >= USELESS,
            (None, said) if *said == Extensions::default() => now - member.since >= SPEECHLESS,
            (None, _) => now - member.since >= USELESS,
        };
        let mut spare = self.members.iter().filter(|(_, member)| is_spare(member));
        let Some((&key, _)) = spare.next() else {
            return false;
        };
        self.dismiss(key, registry);
        true
    }

    pub(super) fn dismiss<App: Host>(&mut self, key: PeerKey, registry: &mut Registry<App>) {
        if let Some(member) = self.members.get(&key) {
            let connection = member.connection;
            let _ = registry.release(connection);
            self.handle_closed(key, connection, false, registry);
        }
    }

    /// Says first what there is to say: which pieces there are, and then what this side understands.
    pub(super) fn welcome<App: Host>(&mut self, key: PeerKey, registry: &mut Registry<App>) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let greeting = match &self.phase {
            Phase::Sharing(sharing) => sharing.torrent.greeting(member.fast),
            // One of three has to be said (BEP 6).
            _ => member.fast.then_some(Message::HaveNone),
        };
        greeting.into_iter().for_each(|greeting| greeting.write(&mut member.out));
        self.say_extensions(key);
        self.dirty.push(key);
        self.act(registry);
    }

    /// Says what this side understands, if the peer does.
    fn say_extensions(&mut self, key: PeerKey) {
        if self.members.get(&key).is_some_and(|member| member.extended) {
            let payload = self.extensions().to_payload();
            self.say(key, &Message::Extended { id: extension::HANDSHAKE, payload: &payload });
        }
    }

    fn extensions(&self) -> Extensions {
        let limits = &self.options.limits;
        Extensions {
            metadata: Some(extension::METADATA),
            pex: (self.options.pex && !self.is_private()).then_some(extension::PEX),
            metadata_size: self.info().map(|info| info.raw().len() as u64),
            port: self.port,
            program: Some(self.options.program.clone()),
            requests: Some(limits.machine.asked),
            upload_only: self.torrent().map(Torrent::is_complete).filter(|is| *is),
        }
    }

    /// A connection has ended.
    pub(super) fn handle_closed<App: Host>(
        &mut self,
        key: PeerKey,
        connection: ConnectionId,
        parted: bool,
        registry: &mut Registry<App>,
    ) {
        let is_it = self.members.get(&key).is_some_and(|it| it.connection == connection);
        let Some(member) = self.members.remove(&key).filter(|_| is_it) else {
            return;
        };
        let now = registry.now();
        self.gone.push_back((key, member.who));
        if self.gone.len() > GONE {
            self.gone.pop_front();
        }
        self.addresses.handle_gone(key, parted, now, registry.random());
        match &mut self.phase {
            Phase::Seeking(fetch) => fetch.handle_gone(key, now),
            Phase::Found(_) => {}
            Phase::Sharing(sharing) => sharing.torrent.handle_gone(key, now),
        }
        self.act(registry);
    }

    // ── what peers say ──────────────────────────────────────────────────────────────────────

    pub(super) fn handle_message(
        &mut self,
        key: PeerKey,
        message: &Message<'_>,
        now: Instant,
    ) -> Result<(), Fault> {
        let Some(member) = self.members.get_mut(&key) else {
            return Err(Fault::Gone);
        };
        match (message, &mut self.phase) {
            (Message::Extended { id, payload }, _) => self.handle_extended(key, *id, payload, now),
            (Message::Piece { piece, begin, bytes }, Phase::Sharing(sharing)) => {
                let length = bytes.len() as u32;
                let block = Block { piece: *piece, begin: *begin, length };
                if sharing.torrent.handle_block(key, block, now)? == Keep::Yes {
                    sharing.keep(block, bytes);
                    if member.useful.replace(now).is_none() {
                        self.addresses.handle_useful(key);
                    }
                }
                Ok(())
            }
            (message, Phase::Sharing(sharing)) => {
                if matches!(message, Message::Request(_)) {
                    member.useful = Some(now);
                }
                Ok(sharing.torrent.handle_message(key, message, now)?)
            }
            (message, _) => match member.early.handle(message, self.options.limits.early) {
                true => Ok(()),
                false => Err(Fault::TooEarly),
            },
        }
    }

    fn handle_extended(
        &mut self,
        key: PeerKey,
        id: u8,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Fault> {
        match id {
            extension::HANDSHAKE => self.handle_extensions(key, Extensions::read(payload)?, now),
            extension::METADATA => self.handle_metadata(key, Metadata::read(payload)?, now),
            extension::PEX => self.handle_pex(key, &Pex::read(payload)?, now),
            _ => {}
        }
        Ok(())
    }

    fn handle_extensions(&mut self, key: PeerKey, said: Extensions, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if let Some(port) = said.port {
            let listens = SocketAddr::new(member.who.ip, port);
            self.addresses.handle_peer(listens, key, now);
        }
        member.extensions.update(said);
        let said = &member.extensions;
        match (&mut self.phase, said.metadata, said.metadata_size) {
            (Phase::Seeking(fetch), Some(_), Some(size)) => fetch.handle_offer(key, size, now),
            (Phase::Sharing(sharing), ..) => {
                sharing.torrent.handle_traits(key, traits(said), now);
            }
            _ => {}
        }
    }

    fn handle_metadata(&mut self, key: PeerKey, message: Metadata<'_>, now: Instant) {
        match (message, &mut self.phase) {
            (Metadata::Request(part), _) => self.send_metadata(key, part),
            (Metadata::Data { part, bytes, .. }, Phase::Seeking(fetch)) => {
                match fetch.handle_data(key, part, bytes, now) {
                    Fetched::Part => {}
                    Fetched::Whole(raw) => self.handle_info(raw),
                    Fetched::Wrong => self.ban(key),
                }
            }
            (Metadata::Reject(_), Phase::Seeking(fetch)) => fetch.handle_gone(key, now),
            _ => {}
        }
    }

    /// Its hash is right. What cannot be used all the same nobody can use.
    fn handle_info(&mut self, raw: Vec<u8>) {
        if let Ok(info) = Info::parse(raw.into(), &self.options.metainfo) {
            let info = Arc::new(info);
            self.events.push(Event::Info(Arc::clone(&info)));
            self.phase = Phase::Found(info);
        }
    }

    fn send_metadata(&mut self, key: PeerKey, part: u32) {
        let info = self.info().map(Arc::clone);
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let Some(id) = member.extensions.metadata else {
            return;
        };
        let raw = info.as_ref().map(|info| info.raw().as_ref()).unwrap_or_default();
        let begin = (part as usize).saturating_mul(PART as usize);
        let end = begin.saturating_add(PART as usize).min(raw.len());
        let answer = match raw.get(begin..end) {
            // A peer may ask for it again and again, and not read what it gets.
            Some(bytes) if !bytes.is_empty() && member.out.len() < self.options.limits.batch => {
                Metadata::Data { part, total: raw.len() as u64, bytes }
            }
            _ => Metadata::Reject(part),
        };
        self.say(key, &Message::Extended { id, payload: &answer.to_payload() });
    }

    /// Peers that a peer knows of. None may tell more often than every so often.
    fn handle_pex(&mut self, key: PeerKey, pex: &Pex, now: Instant) {
        let Options { pex: is_on, limits, .. } = &*self.options;
        if !is_on || self.is_private() {
            return;
        }
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if member.tells.is_none_or(|then| now - then >= limits.pex / 2) {
            member.tells = Some(now);
            pex.added.iter().for_each(|address| self.addresses.add(*address, false, now));
        }
    }

    pub(super) fn say(&mut self, key: PeerKey, message: &Message<'_>) {
        if let Some(member) = self.members.get_mut(&key) {
            message.write(&mut member.out);
            self.dirty.push(key);
        }
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────

    pub(super) fn handle_time<App: Host>(&mut self, now: Instant, registry: &mut Registry<App>) {
        match &mut self.phase {
            Phase::Seeking(fetch) => fetch.handle_time(now),
            Phase::Found(_) => {}
            Phase::Sharing(sharing) => {
                sharing.torrent.handle_time(now);
                let torrent = &sharing.torrent;
                sharing.buffers.retain(|piece, _| torrent.is_in_work(*piece));
            }
        }
        let quiet = self.members.iter().filter(|(_, member)| now - member.said >= QUIET);
        let quiet: Vec<_> = quiet.map(|(key, _)| *key).collect();
        quiet.into_iter().for_each(|key| self.say(key, &Message::KeepAlive));
        if now - self.exchanged >= self.options.limits.pex {
            self.exchanged = now;
            self.tell_of_peers();
        }
        self.dial(registry);
        self.check_again(registry);
        self.act(registry);
    }

    /// Tells peers of other peers: of those that have come, and of those that have gone, since the last time.
    fn tell_of_peers(&mut self) {
        if !self.options.pex || self.is_private() {
            return;
        }
        let connected: Vec<_> = self.addresses.connected().collect();
        let keys: Vec<_> = self.members.keys().copied().collect();
        for key in keys {
            let Some(member) = self.members.get_mut(&key) else {
                continue;
            };
            let Some(id) = member.extensions.pex else {
                continue;
            };
            let pex = member.news(key, &connected);
            if !pex.is_empty() {
                self.say(key, &Message::Extended { id, payload: &pex.to_payload() });
            }
        }
    }
}

impl Member {
    /// What has changed among the peers since this one was last told.
    fn news(&mut self, ours: PeerKey, connected: &[(SocketAddr, PeerKey)]) -> Pex {
        let others = connected.iter().filter(|(_, key)| *key != ours).map(|(address, _)| *address);
        let others: std::collections::BTreeSet<_> = others.collect();
        let dropped = self.told.difference(&others).take(extension::ADDRESSES);
        let added = others.difference(&self.told).take(extension::ADDRESSES);
        let pex = Pex { added: added.copied().collect(), dropped: dropped.copied().collect() };
        self.told.retain(|address| !pex.dropped.contains(address));
        self.told.extend(&pex.added);
        pex
    }
}

fn traits(said: &Extensions) -> PeerTraits {
    PeerTraits { reqq: said.requests, upload_only: said.upload_only == Some(true) }
}
