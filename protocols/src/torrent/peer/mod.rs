//! Peers on the loop: connections that are made and accepted, each of which is client and server at once.
//!
//! ```text
//!   Swarms ─┬─ Swarm ─┬─ Torrent or Fetch: what to say to whom (`machine`)
//!           │         ├─ members: a Connection each ◀───────▶ peers
//!           │         ├─ addresses: where peers are said to be, and when to try them
//!           │         └─ pieces that are being put together ──▶ Store, on the threads for work that blocks
//!           └─ Swarm …
//! ```
//!
//! The program owns the [`Swarms`], and lends them to its connections: see [`Host`].
//!
//! | file | what it is |
//! |---|---|
//! | `swarms` | all torrents of a program; who connects, and which torrent it is for |
//! | `swarm` | one torrent: its peers, its addresses, its pieces |
//! | `member` | one peer of it |
//! | `meeting` | connections that are made, that come, and that end |
//! | `hearing` | what peers say |
//! | `upkeep` | what happens by itself as time passes |
//! | `doing` | what the machine wants done: say, read, check, hang up |
//! | `connection` | the protocol of one connection |
//! | `securing` | its encryption |
//! | `nodes` | the program's nodes of the DHT, as peers are told of them |
//! | `web` | servers that have a torrent's files |
//! | `lan` | peers on this network |
//! | `addresses` | where peers are said to be, and when to try them |
//! | `store` | where the bytes are kept |
//! | `limits` | every bound, its default, and the reason for it |

mod addresses;
mod connection;
mod doing;
mod hearing;
mod lan;
mod limits;
mod meeting;
mod member;
mod nodes;
mod securing;
mod store;
mod swarm;
mod swarms;
mod upkeep;
mod web;

use std::sync::Arc;
use std::time::Duration;

use reactor::Registry;

use super::InfoHash;
use super::disk::DiskError;
use super::wire::{DhtTable, Info};

pub use limits::Limits;
pub use member::PeerRow;
pub(super) use nodes::Dht;
pub use store::Store;
pub use swarm::{Shared, Swarm};
pub use swarms::{NoSwarm, Options, Swarms};
pub use web::{WebFailed, WebRow};

/// A program that shares torrents: it owns the [`Swarms`], and is told what becomes of them.
pub trait Host: Sized + 'static {
    /// Its torrents.
    fn swarms(&mut self) -> &mut Swarms;

    /// What the program's nodes of the DHT know, to be [written down](DhtTable::write) for the
    /// [next start](crate::torrent::dht::DhtOptions::saved): every few minutes, and when a socket of theirs ends. It is of
    /// both, if there is one of IPv4 and one of IPv6. While one knows nobody it does not say so.
    fn on_dht(&mut self, registry: &mut Registry<Self>, known: DhtTable) {
        let _ = (registry, known);
    }

    /// Something has happened to a torrent. It is called when no callback is on the stack.
    fn on_torrent(&mut self, registry: &mut Registry<Self>, hash: InfoHash, event: Event) {
        let _ = (registry, hash, event);
    }
}

/// What becomes of a torrent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Peers have sent the torrent's description: to go on, [share](Swarms::share) it.
    Info(Arc<Info>),
    /// A piece is there, is right, and is kept.
    Piece(u32),
    /// Everything that is wanted is there.
    Complete,
    /// A peer sent what is wrong, and is let in no more.
    Banned(std::net::IpAddr),
    /// A server that is said to have the files cannot be used.
    Web {
        /// Where it is, as the torrent says it.
        url: String,
        /// Why.
        why: WebFailed,
        /// How long it takes until it is asked again; it is not, if there is nothing here.
        pause: Option<Duration>,
    },
    /// A piece could not be kept: the disk is full, say. It is tried again.
    NotKept(DiskError),
}
