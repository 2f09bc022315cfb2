//! What clients do to a server, over loopback: one file a kind.
//!
//! - [`load`]: messages in rounds over all connections, every byte verified. [`pipeline`]: echo clients that write while
//!   they read, for messages that fill all buffers.
//! - [`audience`], [`correspondents`]: the clients of a room, and of a datagram server.
//! - [`user`], [`channel`], [`town`]: one client of a chat server, all on one channel, and ten thousand.
//! - [`askers`]: clients of a web server, of WebSockets, and callers of `sum`. [`callers`]: subscribers of a JSON-RPC
//!   server. `secured`: clients that speak TLS.
//! - [`offered`]: messages on a schedule, and their latencies. [`closed`]: clients that all wait at any
//!   time. [`ping`]: quiet clients. [`flood`]: those beside them. [`sockets`]: how they connect.

pub mod askers;
pub mod audience;
pub mod callers;
pub mod channel;
pub mod closed;
pub mod correspondents;
pub mod flood;
pub mod load;
pub mod offered;
pub mod ping;
pub mod pipeline;
#[cfg(feature = "tls")]
pub mod secured;
pub mod sockets;
pub mod town;
pub mod user;
