//! A single-threaded event loop for TCP, UDP and Unix sockets: no async runtime, no `unsafe`,
//! bounded memory, and code to be read.
//!
//! ```
//! use reactor::{Input, Protocol, Reactor, Transport};
//!
//! struct Echo;
//!
//! impl<App> Protocol<App> for Echo {
//!     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
//!         transport.write(input.take_all());
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut reactor = Reactor::<()>::new()?;
//!     reactor.registry().listen("127.0.0.1:0".parse()?, |_peer, _app| Echo)?;
//! #   reactor.registry().shutdown(std::time::Duration::ZERO);
//!     reactor.run(&mut ())?;
//!     Ok(())
//! }
//! ```
//!
//! # Where to begin
//!
//! - To **use** it: [`Reactor`], then [`Protocol`] and what its callbacks are given, [`Transport`]
//!   and [`Input`]; [`DatagramProtocol`] for UDP; [`Registry`] for everything by id; [`Handle`] for
//!   other threads.
//! - To **operate** it: [`Limits`] and [`StreamLimits`] for every bound and its reason, [`Stats`] and
//!   [`Snapshot`] for what it does, [`CloseReason`] for why connections end.
//! - To **read** it: the modules, in the order in which one imports from those before it.
//!
//! | module | what it is |
//! |---|---|
//! | `id`, `address` | names for what is registered, and where it is |
//! | `error`, `reason` | what can go wrong with a call; who ended a connection, and why |
//! | `limits`, `options` | every bound with its default and reason; socket options |
//! | `input`, `outbox`, `timer` | the cursor protocols read, the queue they write, the timing wheel |
//! | `slots`, `ledger`, `stats` | the slab, what the loop notes down, what it tells of itself |
//! | `trace` | what the loop does, record by record, for a person and for Perfetto |
//! | `offload` | threads for work that blocks |
//! | `net` | the seam to the system: a written contract, and mio behind it |
//! | `admission`, `rate` | who may come in, and how often |
//! | `handle` | the loop as other threads see it |
//! | `registry` | the public face: what can be opened, set and asked; the traits a program implements |
//! | `stream` | one connection, from its socket to its protocol: state, one way in, one way out, visits |
//! | `listener`, `datagram`, `envelope` | the other kinds of socket: state, queues |
//! | `tls` | TLS under any protocol: its configuration, and the layer of the stream that speaks it |
//! | `dispatch` | from readiness to callbacks, one file a kind of work |
//! | `reactor` | the turn, on one screen |
//! | `sim` | a deterministic network to test protocols on |
//!
//! # Features
//!
//! - `signals`: SIGINT, SIGTERM and friends as events of the loop (Unix).
//! - `trace`: a record of everything the loop does, in a ring of bounded size, which prints a line a
//!   record and opens in Perfetto. Until one is begun it costs two comparisons a turn.
//! - `quinn-udp`: the local address and the congestion mark of UDP datagrams, and runs of them by one
//!   call ([`DatagramOptions::metadata`]).
//! - `icmp`: errors of the network, for UDP sockets that are connected to nobody
//!   ([`DatagramOptions::icmp`], Linux).
//! - `tls`: TLS under any protocol, on both sides ([`ListenOptions::tls`], [`ConnectOptions::tls`],
//!   [`Transport::start_tls`]), by rustls and ring; see [`tls`].
//! - `sim`: a deterministic network of loops, with every fault that sockets and pollers have,
//!   to test protocols on; it includes `trace`.

#![forbid(unsafe_code)]

mod address;
mod admission;
mod datagram;
mod dispatch;
mod envelope;
mod error;
mod handle;
mod id;
mod input;
mod ledger;
mod limits;
mod listener;
mod net;
mod offload;
mod options;
mod outbox;
mod rate;
mod reactor;
mod reason;
mod registry;
#[cfg(all(unix, feature = "signals"))]
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
mod slots;
mod source;
mod stats;
mod stream;
mod timer;
pub mod tls;
#[cfg(feature = "trace")]
pub mod trace;
#[cfg(not(feature = "trace"))]
mod trace;

pub use address::{Address, ParseAddressError};
pub use datagram::{Datagram, SocketClosed};
pub use dispatch::{CutOff, ShutdownReport};
pub use envelope::{Ecn, Envelope};
pub use error::{
    LoopError, OffloadError, OpenError, PostError, ReachError, SendError, SendFileError, Stale,
    TimersFull,
};
pub use handle::{Handle, RemoteTask, Undelivered};
pub use id::{ConnectionId, ListenerId, SocketId, TimerId, TimerKey};
pub use input::Input;
pub use limits::{DatagramLimits, Limits, MinRate, StreamLimits};
pub use net::{StdDatagram, StdListener, StdStream};
pub use options::{
    ConnectOptions, DatagramOptions, Keepalive, ListenOptions, Membership, MulticastInterface,
    StreamOptions,
};
pub use rate::TokenBucket;
pub use reactor::{Reactor, Turn};
pub use reason::{CloseReason, Closed, Side};
pub use registry::{DatagramProtocol, DatagramTransport, Protocol, Registry, SentFile, Typed};
#[cfg(all(unix, feature = "signals"))]
pub use signals::Signal;
pub use stats::{Rows, Snapshot, SocketRow, Stats};
pub use stream::{Detached, Transport};
