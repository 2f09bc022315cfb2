//! What peers, trackers and files say: bytes in, values out; no socket, no disk, no clock.
//!
//! | file | what it is |
//! |---|---|
//! | [`bencode`] | the format of nearly everything else |
//! | `hash` | what a torrent is known by |
//! | `peer_id` | what a peer calls itself |
//! | `metainfo` | a `.torrent` file |
//! | `info` | the part of it that is hashed: pieces and files |
//! | `names` | names of files as they can be on a disk |
//! | [`message`], [`extension`] | what peers say to each other |
//! | [`mse`] | connections that are encrypted |
//! | [`announce`] | what a tracker is asked, and answers, over HTTP |
//! | [`udp`] | the same over UDP |
//! | [`krpc`], `node_id` | what nodes of the DHT say to each other, and what they are called |
//! | `dht_table` | what such a node writes down for its next start |
//! | [`lan`] | who else on this network shares a torrent |
//! | `magnet` | a link that says the hash, and where to ask |

pub mod announce;
pub mod bencode;
mod dht_table;
pub mod extension;
mod hash;
mod info;
pub mod krpc;
pub mod lan;
mod magnet;
pub mod message;
mod metainfo;
pub mod mse;
mod names;
mod node_id;
mod peer_id;
pub mod udp;

pub use dht_table::{DhtTable, NoTable};
pub use hash::{InfoHash, NoHash};
pub use info::{File, Info, InfoError, Layout, Span};
pub use magnet::{Magnet, NoMagnet};
pub use metainfo::{Metainfo, MetainfoError};
pub(super) use names::RESERVED;
pub use names::{NameRule, Names, NoPath};
pub(super) use node_id::is_of_a_network_of_ones_own;
pub use node_id::{Distance, NodeId};
pub use peer_id::PeerId;
