//! One peer of a torrent.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use reactor::{ConnectionId, Registry};

use crate::torrent::PeerId;
use crate::torrent::machine::{PeerKey, PeerView};
use crate::torrent::wire::extension::Extensions;
use crate::torrent::wire::message::Message;
use crate::torrent::wire::mse::Rc4;

/// A peer with whom handshakes were exchanged.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: ConnectionId,
    /// What goes to it is enciphered with this.
    pub(super) cipher: Option<Box<Rc4>>,
    pub(super) who: Who,
    /// Whether this side has made the connection.
    pub(super) dialled: bool,
    /// Whether both speak the Fast extension; whether the peer understands messages of extensions.
    pub(super) fast: bool,
    pub(super) extended: bool,
    pub(super) node: PeerNode,
    /// What it has said of itself.
    pub(super) extensions: Extensions,
    /// What it said about pieces before they were known.
    pub(super) early: Early,
    /// Messages that are sent when all has been said.
    pub(super) out: Vec<u8>,
    /// Whether something is being read for it.
    pub(super) is_reading: bool,
    pub(super) since: Instant,
    /// When it was last sent something.
    pub(super) said: Instant,
    /// When it was last of use, or we to it.
    pub(super) useful: Option<Instant>,
    /// The addresses that it was told of, and when it told us of some.
    pub(super) told: BTreeSet<SocketAddr>,
    pub(super) tells: Option<Instant>,
}

/// A peer's node of the DHT (BEP 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerNode {
    /// It takes no part.
    None,
    /// It has one.
    Unsaid,
    /// It has said where: what it says afterwards is not heard.
    Said,
}

/// Who a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) ip: IpAddr,
    pub(super) id: PeerId,
}

/// What a peer has said about pieces before it was known how many there are.
#[derive(Debug, Default)]
pub(super) struct Early {
    has: Has,
    haves: Vec<u32>,
    interested: bool,
    unchoked: bool,
}

#[derive(Debug, Default)]
enum Has {
    #[default]
    Unsaid,
    All,
    Some(Box<[u8]>),
}

/// What can be told of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// Which one.
    pub key: PeerKey,
    /// The other end of its connection.
    pub ip: IpAddr,
    /// What it calls itself.
    pub id: PeerId,
    /// The program, and its version, if it says that.
    pub program: Option<String>,
    /// Whether this side has made the connection.
    pub dialled: bool,
    /// Whether everything it is sent is enciphered.
    pub encrypted: bool,
    /// What goes on with it, once pieces are known.
    pub view: Option<PeerView>,
}

impl Member {
    /// Sends it these bytes. Nothing goes to it otherwise.
    pub(super) fn send<App: 'static>(&mut self, mut bytes: Vec<u8>, registry: &mut Registry<App>) {
        self.said = registry.now();
        self.cipher.iter_mut().for_each(|cipher| cipher.apply(&mut bytes));
        // A connection that takes no more tells of its end by itself.
        let _ = registry.send(self.connection, bytes.into());
    }
}

impl Early {
    /// Remembers what a peer says; `false` if it says more than is kept.
    pub(super) fn handle(&mut self, message: &Message<'_>, most: usize) -> bool {
        match *message {
            Message::Bitfield(bits) => self.has = Has::Some(bits.into()),
            Message::HaveAll => self.has = Has::All,
            Message::HaveNone => self.has = Has::Unsaid,
            Message::Have(piece) => self.haves.push(piece),
            Message::Interested => self.interested = true,
            Message::NotInterested => self.interested = false,
            Message::Unchoke => self.unchoked = true,
            Message::Choke => self.unchoked = false,
            _ => {}
        }
        self.haves.len() * size_of::<u32>() <= most
    }

    /// The same again, now that pieces are known.
    pub(super) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let has = match &self.has {
            Has::Unsaid => None,
            Has::All => Some(Message::HaveAll),
            Has::Some(bits) => Some(Message::Bitfield(bits)),
        };
        let interested = self.interested.then_some(Message::Interested);
        let unchoked = self.unchoked.then_some(Message::Unchoke);
        let haves = self.haves.iter().map(|piece| Message::Have(*piece));
        has.into_iter().chain(haves).chain(interested).chain(unchoked)
    }
}
