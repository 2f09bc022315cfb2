//! Who is met: connections that are made, that come, and that end.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use reactor::{Address, ConnectOptions, ConnectionId, Registry};

use super::addresses::Failed;
use super::connection::{Connection, Way};
use super::member::{Early, Member, PeerNode, Who};
use super::nodes::{Dht, Nodes};
use super::swarm::Phase;
use super::swarms::{Arrived, Unwelcome};
use super::{Host, Swarm};
use crate::torrent::PeerId;
use crate::torrent::machine::{PeerKey, Torrent};
use crate::torrent::wire::extension::{self, Extensions};
use crate::torrent::wire::message::{Handshake, Message};

/// A peer that has been of no use for so long may have to go for another.
const USELESS: Duration = Duration::from_secs(60);
/// One that has said nothing at all by then, too.
const SPEECHLESS: Duration = Duration::from_secs(2);
/// Peers that have gone are remembered in case they turn out to have lied.
const GONE: usize = 1_000;

impl Swarm {
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
    pub(super) fn dial<App: Host>(&mut self, registry: &mut Registry<App>) {
        let limits = &self.options.limits;
        let now = registry.now();
        while self.members.len() + self.addresses.dialled() < limits.peers
            && self.addresses.dialled() < limits.dials
            && let Some((address, greeting)) = self.addresses.poll_dial(now)
        {
            let mut from = self.options.from.iter();
            let from =
                from.find(|from| from.is_ipv4() == address.is_ipv4() && !from.is_unspecified());
            let options = ConnectOptions {
                from: from.map(|from| Address::Ip((*from, 0).into())),
                limits: limits.stream_limits(),
                ..ConnectOptions::default()
            };
            let connection = Connection::new(Way::Dialled(self.hash, address, greeting));
            if registry.connect_with(Address::Ip(address), &options, connection).is_err() {
                self.addresses.handle_failed(address, Failed::Unreached, now, registry.random());
            }
        }
    }

    pub(super) fn handle_failed<App: Host>(
        &mut self,
        address: SocketAddr,
        failed: Failed,
        registry: &mut Registry<App>,
    ) {
        self.addresses.handle_failed(address, failed, registry.now(), registry.random());
        self.dial(registry);
    }

    pub(super) fn handle_ourselves(&mut self, address: SocketAddr) {
        self.addresses.handle_ourselves(address);
    }

    /// Lets a peer in, unless it is here already, or there is no room.
    pub(super) fn admit<App: Host>(
        &mut self,
        key: PeerKey,
        arrived: Arrived,
        answer: Handshake,
        registry: &mut Registry<App>,
    ) -> Result<(), Unwelcome> {
        let Arrived { connection, ip, way, handshake, cipher, .. } = arrived;
        let who = Who { ip, id: handshake.peer_id };
        let dialled = way != Way::Accepted;
        let now = registry.now();
        if let Some(known) = self.resolve_duplicate(who, dialled, answer.peer_id, registry) {
            // It need not be dialled there again.
            if let Way::Dialled(_, address, _) = way {
                self.addresses.handle_peer(address, known, now);
            }
            return Err(Unwelcome::Again);
        }
        if self.members.len() >= self.options.limits.peers && !self.make_room(now, registry) {
            return Err(Unwelcome::Full);
        }
        let member = Member {
            connection,
            cipher,
            who,
            dialled,
            fast: handshake.fast,
            extended: handshake.extended,
            node: if handshake.dht { PeerNode::Unsaid } else { PeerNode::None },
            extensions: Extensions::default(),
            early: Early::default(),
            // Who has dialled has said its own first.
            out: if dialled { Vec::new() } else { answer.to_bytes().to_vec() },
            is_reading: false,
            since: now,
            said: now,
            useful: None,
            told: Default::default(),
            tells: None,
        };
        self.members.insert(key, member);
        if let Way::Dialled(_, address, _) = way {
            self.addresses.handle_peer(address, key, now);
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
    pub(super) fn welcome<App: Host>(
        &mut self,
        key: PeerKey,
        nodes: &Nodes,
        registry: &mut Registry<App>,
    ) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let greeting = match &self.phase {
            Phase::Sharing(sharing) => sharing.torrent.greeting(member.fast),
            // One of three has to be said (BEP 6).
            _ => member.fast.then_some(Message::HaveNone),
        };
        greeting.into_iter().for_each(|greeting| greeting.write(&mut member.out));
        let (has_node, ip) = (member.node != PeerNode::None, member.who.ip);
        self.say_extensions(key);
        if let Dht::At(port) = nodes.part(ip)
            && has_node
            && !self.is_known_private()
        {
            self.say(key, &Message::Port(port));
        }
        self.dirty.push(key);
        self.act(registry);
    }

    /// Says what this side understands, if the peer does.
    pub(super) fn say_extensions(&mut self, key: PeerKey) {
        if let Some(member) = self.members.get(&key).filter(|member| member.extended) {
            let payload = self.extensions(member.who.ip).to_payload();
            self.say(key, &Message::Extended { id: extension::HANDSHAKE, payload: &payload });
        }
    }

    fn extensions(&self, peer: IpAddr) -> Extensions {
        let limits = &self.options.limits;
        Extensions {
            metadata: Some(extension::METADATA),
            pex: (self.options.pex && !self.is_private()).then_some(extension::PEX),
            metadata_size: self.info().map(|info| info.raw().len() as u64),
            port: *self.ports.of(peer.is_ipv6()),
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
}
