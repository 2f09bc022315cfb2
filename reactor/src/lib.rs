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
//! # Depend on it
//!
//! The package is `mio-reactor`, this library in it `reactor`. It is not in the registry yet, and the crate `reactor`
//! there is somebody else's; name the folder or the git repository that you have it from:
//!
//! ```toml
//! [dependencies]
//! mio-reactor = { path = "../path/to/this/reactor", features = ["signals"] }
//! ```
//!
//! # What there is
//!
//! A program makes a [`Reactor`], opens sockets by its [`Registry`], and runs it. For each connection it has a
//! [`Protocol`]: a struct whose methods are called when something happens, with the [`Transport`] to answer on. What
//! all of them share is the program's own: a value of any type, lent to every callback.
//!
//! | You want to | There is |
//! |---|---|
//! | serve, or connect, over TCP or Unix sockets | [`Registry::listen`], [`Registry::connect`]; a [`Protocol`] each |
//! | connect to a host by its name | an [`Address`] that is one; [`ConnectOptions::race`], [`Registry::set_resolver`] |
//! | talk UDP or Unix datagrams | [`Registry::bind_datagram`]; a [`DatagramProtocol`] |
//! | speak in lines | a [`LineProtocol`], in a [`ByLine`] |
//! | cut what arrives into other messages | [`Input`], what a protocol leaves comes again; [`framing`] for frames |
//! | send | [`Transport::write`]; [`Transport::send`] for shared bytes, [`Transport::send_file`] |
//! | not be drowned by who reads slowly | [`StreamLimits`], [`Transport::queued_bytes`], [`Protocol::on_drain`], [`Registry::when_drained`] |
//! | reach another connection, or many | [`ConnectionId`]; [`Registry::send`], [`Registry::broadcast`], [`Registry::with`] |
//! | pass on from one connection to another | [`Transport::couple_to`] an address, [`Registry::couple`] |
//! | do something later | [`Transport::set_timer`], [`Registry::after`], [`Registry::every`] |
//! | end those who say nothing | [`StreamLimits::idle_timeout`], [`Protocol::on_idle`] |
//! | try again, and wait for answers | [`Registry::connect_again`], [`Backoff`], [`Requests`] |
//! | work that blocks, and other threads | [`Registry::offload`], [`Transport::offload`]; [`Handle`] |
//! | use several cores | [`Loops`], a loop each; [`Registry::listen_among`] |
//! | keep your own loop | [`Reactor::turn`], [`Reactor::next_deadline`] |
//! | end | [`Reactor::run_until_idle`] for clients, [`run_until_idle_for`](Reactor::run_until_idle_for) with a deadline; [`Registry::shutdown`], which drains and reports |
//! | encrypt | the feature `tls`: `ListenOptions::tls`, `ConnectOptions::tls` |
//! | survive strangers | [`Limits`] and [`StreamLimits`]: every bound, and the reason for it |
//! | know what happens | [`CloseReason`] for each end; [`Stats`], [`Snapshot`] |
//! | test a protocol with bytes, and on bad networks | the feature `sim` |
//!
//! The book, in the folder `docs` of the source, builds a server and a client step by step, and has a chapter for each
//! of the rest. Who wants to read the source finds a map of it at the head of `lib.rs`, above the modules, and the order
//! in which to read the loop in `docs/how-the-loop-works.md`.
//!
//! # Features
//!
//! - `signals`: SIGINT, SIGTERM and friends as events of the loop (Unix).
//! - `trace`: a record of everything the loop does, in a ring of bounded size, which prints a line a
//!   record and opens in Perfetto. Until one is begun, each record costs a comparison (see `trace`).
//! - `quinn-udp`: the local address and the congestion mark of UDP datagrams, and runs of them by one
//!   call ([`DatagramOptions::metadata`]).
//! - `icmp`: errors of the network, for UDP sockets that are connected to nobody
//!   ([`DatagramOptions::icmp`], Linux).
//! - `tls`: TLS under any protocol, on both sides ([`ListenOptions::tls`], [`ConnectOptions::tls`],
//!   [`Transport::start_tls`]), by rustls and ring; see [`tls`].
//! - `sim`: a deterministic network of loops, with every fault that sockets and pollers have,
//!   to test protocols on; it includes `trace`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The map: the modules, in the order in which one imports from those before it. Those of one row are read
// together; `tests/structure` holds them to it.
//
// | module | what it is |
// |---|---|
// | `words` | errors that are read by a person |
// | `id`, `address` | names for what is registered, and where it is |
// | `reason` | who ended a connection, and why |
// | `proxy` | the PROXY protocol: whom a proxy speaks for, written and read, and whom to believe it |
// | `tls` | TLS under any protocol: what it is configured with, and the engine behind it |
// | `limits`, `options` | every bound with its default and reason; socket options |
// | `error` | what can go wrong with a call |
// | `input`, `timer` | the cursor protocols read, the timing wheel |
// | `framing` | messages out of a stream of bytes: lines, frames with their length in front |
// | `backoff`, `requests` | for clients: how long to wait before another try, what has yet to be answered |
// | `slots`, `stats` | the table that holds all sources, and what the loop tells of itself |
// | `offload` | threads for work that blocks |
// | `trace` | what the loop does, record by record, for a person and for Perfetto |
// | `net` | the seam to the system: a written contract, and mio behind it |
// | `outbox` | the queue that protocols write |
// | `load` | how much a loop has to do, as other threads see it |
// | `shutdown` | how far the end of the loop has come, and the report on it |
// | `names` | connecting to a host: what is known of one such connection, and who waits for the system |
// | `handshakes` | how many layers are being opened, and how much of it is done in a turn |
// | `ledger` | what the loop notes down while it turns |
// | `handle`, `signals` (or `no_signals`), `source`, `stream`, `listener`, `datagram`, `registry` | each kind of socket: its state, its way in and out, its callbacks; and the registry that holds them all |
// | `by_line` | protocols that are told of lines instead of bytes |
// | `dispatch` | from readiness to callbacks, phase by phase |
// | `sender` | messages of one type to a loop |
// | `reactor` | the turn, on one screen |
// | `loops` | several loops, each on a thread of its own |
// | `sim` | a deterministic network to test protocols on |

mod address;
mod backoff;
mod by_line;
mod datagram;
mod dispatch;
mod error;
pub mod framing;
mod handle;
mod handshakes;
mod id;
mod input;
mod ledger;
mod limits;
mod listener;
mod load;
mod loops;
mod names;
mod net;
#[cfg(not(all(unix, feature = "signals")))]
mod no_signals;
mod offload;
mod options;
mod outbox;
mod proxy;
mod reactor;
mod reason;
mod registry;
mod requests;
mod sender;
mod shutdown;
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
mod words;

/// The byte buffers of the public interface ([`Bytes`](bytes::Bytes), [`Buf`](bytes::Buf)): the same version that this
/// crate has.
pub use bytes;

pub use address::{Address, Host, ParseAddressError};
pub use backoff::Backoff;
pub use by_line::{ByLine, LineProtocol};
pub use datagram::{Datagram, DatagramTransport, SocketClosed};
pub use error::{
    HandOffError, LoopError, OffloadError, OpenError, PostError, ReachError, SendError,
    SendFileError, Stale, TimersFull,
};
pub use handle::{Handle, RemoteTask, Undelivered};
pub use id::{ConnectionId, ListenerId, SocketId, TimerId, TimerKey};
pub use input::Input;
pub use limits::{DatagramLimits, Limits, MinRate, StreamLimits, WhenFull};
pub use listener::{Drained, TokenBucket};
pub use loops::{LoopFailure, LoopGroup, LoopReport, Loops, LoopsReport, OneLoop};
pub use names::Lookup;
pub use net::{Ecn, Envelope, StdDatagram, StdListener, StdStream};
pub use options::{
    ConnectOptions, DatagramOptions, Finish, Keepalive, ListenOptions, Membership,
    MulticastInterface, RaceOptions, Reach, StreamOptions,
};
pub use outbox::Pressure;
pub use proxy::{Network, ParseNetworkError, Proxied, ProxyError, ProxyProtocol, ProxyVersion};
pub use reactor::{Reactor, Turn};
pub use reason::{Attempt, CloseReason, Closed, HostFailure, LookupError, Side};
pub use registry::{DatagramProtocol, Idle, LastTry, Protocol, Registry, SentFile, Typed};
pub use requests::{RequestError, Requests};
pub use sender::Sender;
pub use shutdown::{CutOff, ShutdownReport};
#[cfg(all(unix, feature = "signals"))]
pub use signals::Signal;
pub use stats::{Rows, Snapshot, SocketRow, Stats};
pub use stream::{CoupleError, Detached, NotCoupled, Transport, Uncoupled};
#[cfg(unix)]
pub use stream::{PassError, PeerCredentials};
