//! Measurements that a sceptic can repeat: the reactor's echo server beside its peers, in the same run.
//!
//! ```text
//!   bin/instructions ─┐          ┌─ servers   one echo server a peer, all with one silhouette
//!   bin/idle ─────────┼─▶ lib ───┼─ process   a server as a child process, bare or under an instrument
//!   bin/slow-readers ─┘          │            (callgrind, strace, memory: what the instruments say)
//!                                └─ load, flood, ping: what clients do to it, over loopback
//!   bin/echo-server   the child: `echo-server PEER` runs one of `servers`
//! ```
//!
//! - [`servers`]: the echo servers.
//! - [`process`]: starts one as a child process, and stops it.
//! - [`load`]: an exact number of messages, in rounds over all connections, every byte verified.
//! - [`flood`]: clients that send as much as the server takes, and read little or nothing.
//! - [`ping`]: one quiet client on a schedule, and its latencies.
//! - [`callgrind`], [`strace`]: instructions and system calls of a run.
//! - [`cost`]: what one message costs, as the difference of two runs.
//! - [`memory`], [`processor`], [`descriptors`]: resident bytes of a process, one processor for two
//!   processes, room for ten thousand sockets.
//! - [`figures`]: the committed table that a change is held against.
//! - [`table`]: columns for people.

#[cfg(not(target_os = "linux"))]
compile_error!("the measurements lean on epoll, callgrind and /proc: run them on Linux");

pub mod callgrind;
pub mod cost;
pub mod descriptors;
pub mod figures;
pub mod flood;
pub mod load;
pub mod memory;
pub mod ping;
pub mod process;
pub mod processor;
pub mod servers;
pub mod strace;
pub mod table;

/// A result whose error is only ever shown to the person who runs the measurement.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
