//! The DHT (BEP 5): a table of who shares which torrent, that is spread over all who ask it. Nobody has to be asked for leave,
//! and no tracker need be there.
//!
//! ```text
//!   Node: pure ─┬─ table: nodes that answer, more of them the nearer they are
//!               ├─ lookups: one asks those it knows who is nearer, and those, until nobody is
//!               ├─ kept: who shares the torrents that are near
//!               └─ proof: who announces has been told a word at its address
//!
//!   datagrams ──▶ join: the socket on the loop ──▶ peers of the program's torrents
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `join` | the socket, and the torrents of a program |
//! | `node` | one node, without a socket and a clock |
//! | `answering` | what it is asked |
//! | `asking` | what it asks |
//! | `table` | the nodes that it knows |
//! | `lookup` | one search |
//! | `kept` | who shares what, as others have said |
//! | `votes` | where this node is, as others have said |
//! | `limits` | every bound, its default, and the reason for it |

mod answering;
mod asking;
mod join;
mod kept;
mod limits;
mod lookup;
mod node;
mod table;
mod votes;

pub use join::{DhtOptions, join};
pub use limits::DhtLimits;
pub use node::{Found, Node};
