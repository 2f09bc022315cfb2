//! What peers say, once they are met.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::member::PeerNode;
use super::swarm::{Phase, traits};
use super::{Event, Options, Swarm};
use crate::torrent::machine::{Fetched, Keep, PeerKey, Violation};
use crate::torrent::wire::Info;
use crate::torrent::wire::bencode::NoBencode;
use crate::torrent::wire::extension::{self, Extensions, Metadata, PART, Pex};
use crate::torrent::wire::message::{Block, Message};

/// Nodes of peers that nobody has asked yet, of IPv4 and of IPv6. The DHT asks them every second, if the program takes part
/// in it.
const NODES: usize = 32;

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
            (Message::Port(port), _) => {
                self.handle_node(key, *port);
                Ok(())
            }
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

    /// A peer says where its node of the DHT is. Of a private torrent's peers nobody else is to hear (BEP 27).
    fn handle_node(&mut self, key: PeerKey, port: u16) {
        let is_private = self.is_known_private();
        if let Some(member) = self.members.get_mut(&key)
            && member.node != PeerNode::Said
            && self.nodes.iter().filter(|at| at.is_ipv6() == member.who.ip.is_ipv6()).count()
                < NODES
            && !is_private
        {
            member.node = PeerNode::Said;
            self.nodes.extend((port > 0).then_some(SocketAddr::new(member.who.ip, port)));
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
            self.find(info);
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
        if self.say_to_web_seed(key, message) {
            return;
        }
        if let Some(member) = self.members.get_mut(&key) {
            message.write(&mut member.out);
            self.dirty.push(key);
        }
    }
}
