//! BitTorrent (BEP 3): everybody who wants a torrent's files is client and server at once.
//!
//! ```text
//!   FILE.torrent ──▶ wire::Metainfo ─┐           tracker: who else is there?  (HTTP, UDP)
//!   magnet:?xt=… ──▶ wire::Magnet ───┤              ▲
//!                                    ▼              │
//!   files ◀── disk ◀─────────────  peers ◀───────▶ peers ◀───────▶ peers
//!             pieces, verified on the pool
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | bencode, metainfo, magnet links: pure |
//! | [`machine`] | one torrent's pieces and peers: what to ask of whom, whom to send something; pure |
//! | `create` | a torrent of files that are there |
//! | [`disk`] | pieces and blocks, and the files they are in |
//! | [`peer`] | connections to peers, on the loop |
//! | [`tracker`] | who else shares a torrent |
//! | [`dht`] | the same, where there is no tracker |
//! | `limits` | every bound, its default, and the reason for it |

mod create;
pub mod dht;
pub mod disk;
mod inward;
mod limits;
pub mod machine;
pub mod peer;
pub mod tracker;
pub mod wire;

pub use create::{CreateError, Draft};
pub use limits::{MetainfoLimits, TrackerLimits};
pub use wire::{InfoHash, PeerId};
