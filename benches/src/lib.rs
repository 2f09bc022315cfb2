//! Measurements that a sceptic can repeat: the reactor's echo server beside its peers, in the same run.
//!
//! ```text
//!   benches/groups.rs  ──────┐          ┌─ groups, work    what is timed, and by whom it is done
//!   bin/report  (the page) ──┼──────────┼─ report          the same in turns, and what else is on the page
//!   bin/instructions ────────┘          └─ counts          what is counted, and by whom it is done
//!                                            │
//!                                            ▼
//!      program                                 a server as a child process, on its own processor
//!      servers, rooms, datagrams, chats        one file a peer, all alike; raw epoll and mio are one loop each
//!      timers, messages, parts, codecs         the same within this process
//!      load, pipeline, audience, …             what clients do to a server, over loopback
//!
//!   bin/echo-server, bin/fan-out-server, bin/datagram-server, bin/chat-server,
//!   bin/rpc-server, bin/web-server, bin/nats-client   the children
//!
//!   bin/transfers ──────── transfers            files, with a table of its own; the child: `transfer-server`
//! ```
//!
//! A new comparison is a function in [`groups`], and a line in `groups::all`: the page and criterion have it from
//! there. What is counted is a function in [`counts`]. A server that it starts is a program in `src/bin`, whose `main`
//! is [`child`]; one on a readiness loop is a `Duty` for the loops of [`servers`]. Its tests are a module of
//! `tests/all`.
//!
//! Who is measured:
//!
//! - [`servers`]: the echo servers.
//! - [`rooms`]: servers that send what one client says to all the others.
//! - [`datagrams`]: servers on one UDP socket. [`chats`]: chat servers. [`webs`]: web servers. [`calls`]: servers of
//!   JSON-RPC.
//! - [`timers`], [`messages`]: keepers of timers, and loops that other threads send to, in this process.
//! - [`nats`]: clients of NATS, and the `nats-server` that they, or our chat servers, are connected to.
//! - [`parts`], [`codecs`]: slots, queues, wire formats, in this process too.
//! - [`transfers`]: servers of files, over FTP and TFTP.
//! - `secure`: servers that speak TLS, and `secured`, their clients: with the feature `tls` only, as the loop is
//!   another one with it.
//!
//! By whom, and how:
//!
//! - [`work`]: groups, cases, contenders, and what some work took. [`groups`]: every group.
//! - [`report`]: the page with all of them, and with what is no group.
//! - [`counts`]: what is counted. [`figures`]: the committed table that a change is held against.
//! - [`cost`]: the instructions or system calls of one unit.
//! - [`program`]: a server as a child process, its processor time.
//! - [`load`]: an exact number of messages, in rounds over all connections, every byte verified.
//! - [`pipeline`]: echo clients that write while they read, for messages that fill all buffers.
//! - [`audience`], [`correspondents`]: the clients of a room, and of a datagram server.
//! - [`user`], [`channel`], [`town`]: one client of a chat server, all on one channel, and ten thousand.
//! - [`askers`]: clients of a web server, of WebSockets, and callers of `sum`.
//! - [`callers`]: subscribers of a JSON-RPC server, to be counted.
//! - [`offered`]: messages on a schedule, and their latencies. [`closed`]: clients that all wait at any
//!   time. [`ping`]: quiet clients.
//! - [`flood`]: clients that send as much as the server takes, and read little or nothing.
//! - [`idle`], [`memory`], [`processor`], [`descriptors`]: bytes of an idle connection, resident bytes of
//!   a process, processors shared or apart, room for ten thousand sockets.
//! - [`table`]: columns for people.

// Nobody's library: it is told what was measured, and not what measures.
#![allow(missing_debug_implementations)]
// Without the peers some of what is shared with them is for nobody.
#![cfg_attr(not(feature = "peers"), allow(dead_code, unused_imports))]

#[cfg(not(target_os = "linux"))]
compile_error!("the measurements lean on epoll, callgrind and /proc: run them on Linux");

/// What a program says that has us alone.
#[cfg(not(feature = "peers"))]
const WITHOUT_PEERS: &str = "this was built without the peers";

/// Has a choice of the command line show itself as it is said there.
macro_rules! shown_by_value {
    ($choice:ty) => {
        impl std::fmt::Display for $choice {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let value = clap::ValueEnum::to_possible_value(self);
                formatter.pad(value.as_ref().map_or("?", |value| value.get_name()))
            }
        }
    };
}
pub(crate) use shown_by_value;

use std::time::Duration;

use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};

pub mod askers;
pub mod audience;
pub mod callers;
pub mod calls;
pub mod channel;
pub mod chats;
pub mod closed;
pub mod correspondents;
pub mod cost;
pub mod counts;
pub mod datagrams;
pub mod descriptors;
pub mod figures;
pub mod flood;
pub mod load;
pub mod memory;
#[cfg(feature = "peers")]
pub mod messages;
#[cfg(feature = "peers")]
pub mod micro;
pub mod nats;
pub mod offered;
pub mod ping;
pub mod pipeline;
pub mod processor;
pub mod program;
#[cfg(feature = "peers")]
pub mod report;
pub mod rooms;
#[cfg(feature = "peers")]
pub mod sections;
#[cfg(feature = "tls")]
pub mod secure;
#[cfg(feature = "tls")]
pub mod secured;
pub mod servers;
pub mod sockets;
pub mod table;
#[cfg(feature = "peers")]
pub mod timers;
pub mod town;
pub mod transfers;
pub mod user;
pub mod webs;
pub mod work;

// What the loop keeps to itself, to be measured alone: the same files, which know nothing of the rest.
#[path = "../../reactor/src/id/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod id;
#[path = "../../reactor/src/outbox/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod outbox;
#[path = "../../reactor/src/net/os/pipe.rs"]
#[allow(dead_code)]
mod pipe;
#[path = "../../reactor/src/slots.rs"]
#[allow(dead_code)]
mod slots;

/// What the outbox takes from the system's side of the loop.
mod net {
    pub(crate) use crate::pipe::Pipe;
}

/// A silence of that long means that a server, or a loop, has lost what it was sent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a program of these owes the shell, and whoever reads what it says.
pub fn exit(program: &str, result: Result) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// What a program does that a measurement starts: it prints `listening on ADDRESS`, serves until SIGTERM, and does not
/// outlive its parent.
pub fn child<Options: Parser>(serve: impl FnOnce(Options) -> Result) -> std::process::ExitCode {
    let options = Options::parse();
    let prepare = || -> Result {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        descriptors::raise_limit()
    };
    exit("the server", prepare().and_then(|()| serve(options)))
}

/// A result whose error is only ever shown to the person who runs the measurement.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
