//! One torrent, as a pure state machine: what each peer has, what to ask of whom, whom to send something. No
//! socket, no disk, no clock; what time it is, is an argument.
//!
//! ```text
//!   messages of peers ──handle_*──▶ ┌─────────┐ ──poll_action──▶ Say, HangUp, Ban   to peers
//!   pieces checked    ──handle_*──▶ │ Torrent │ ──poll_action──▶ Check              a piece is whole: hash and keep it
//!   a second passed   ──handle_*──▶ └─────────┘ ──next_upload──▶ Block              to be read, and sent
//! ```
//!
//! The bytes of blocks stay outside: the machine says which to keep.
//!
//! | file | what it is |
//! |---|---|
//! | `torrent` | the machine: what comes, what is to be done, what one can ask |
//! | `words` | what it and who drives it say to each other |
//! | `geometry`, `bitfield` | pieces and blocks; a set of pieces |
//! | `pieces`, `rarity` | what has become of each piece; which can be begun, the rarest first |
//! | `peer`, `rate` | what is known of one peer; bytes a second |
//! | `requesting` | what is asked of whom; at the end of several peers, which is called the end game |
//! | `choking` | who is sent something |
//! | `blame` | who sent what was wrong |
//! | `fetch` | the info dictionary, for those who come with a magnet link |
//! | `audit` | whether its books are right |
//! | `limits` | every bound, its default, and the reason for it |

mod audit;
mod bitfield;
mod blame;
mod choking;
mod fetch;
mod geometry;
mod limits;
mod peer;
mod pieces;
mod rarity;
mod rate;
mod requesting;
#[cfg(test)]
mod tests;
mod torrent;
mod words;

pub use bitfield::{Bitfield, NotABitfield};
pub use fetch::{Fetch, Fetched};
pub use geometry::{BLOCK, Geometry};
pub use limits::Limits;
pub use pieces::PieceState;
pub use torrent::Torrent;
pub use words::{
    Action, Checked, Digest, Keep, Parting, PeerKey, PeerTraits, PeerView, Traffic, Violation,
};

use peer::Peer;
