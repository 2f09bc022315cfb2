//! Measurements that a sceptic can repeat: the reactor's echo server beside its peers, in the same run.
//!
//! ```text
//!   bin/report  (the page) ──▶ sections ──▶ report     contests, in turns, and the page of them
//!   bin/instructions ────────▶ counts ────▶ cost       what one unit takes, held against a committed table
//!                                 │
//!                                 ▼
//!      loaded, work                            servers under a load, which are timed or counted; what else is timed
//!      program                                 a server as a child process, on its own processor
//!      servers, rooms, datagrams, chats, …     one file a peer, all alike; raw epoll and mio are one loop each
//!      timers, messages, micro                 the same within this process
//!      clients                                 what they do to a server, over loopback
//!
//!   bin/bench-server, bin/web-server, bin/rpc-server   the children
//! ```
//!
//! A new comparison is a function in [`sections`], and a line in `sections::all`; what it is to reach, an entry of
//! `lines.toml`. What is counted is a function in [`counts`]. A server is a word of `bench-server`; one on a readiness
//! loop is a `Duty` for the loops of [`servers`]. Its clients are a function that gives [`loaded::Loaded`], which both time
//! and count. Its tests are a module of `tests/all`.
//!
//! Who is measured:
//!
//! - [`servers`]: the echo servers. [`rooms`]: servers that send what one client says to all the others.
//! - [`datagrams`]: servers on one UDP socket. [`chats`]: chat servers. [`webs`]: web servers. [`calls`]: servers of
//!   JSON-RPC. [`transfers`]: servers of files, over FTP and TFTP, and their clients.
//! - [`nats`]: clients of NATS, and the `nats-server` that they, or our chat servers, are connected to.
//! - `secure`: servers that speak TLS, with the feature `tls` only, as the loop is another one with it.
//! - [`timers`], [`messages`], [`micro`]: keepers of timers, loops that other threads send to, slots, queues and wire
//!   formats, in this process.
//!
//! By whom, and how:
//!
//! - [`work`]: what some work took. [`loaded`]: servers under a load. [`sections`]: every section of the page. [`report`]: how it comes about.
//! - [`counts`]: what is counted. [`figures`]: the committed table that a change is held against.
//! - [`cost`]: the instructions or system calls of one unit. [`table`]: columns for people.
//! - [`program`]: a server as a child process, its processor time. [`memory`], [`processor`], [`descriptors`]: resident
//!   bytes of a process, processors shared or apart, room for ten thousand sockets.
//! - [`clients`]: what they do to a server.

// Nobody's library: it is told what was measured, and not what measures.
#![allow(missing_debug_implementations)]
// Without the peers some of what is shared with them is for nobody.
#![cfg_attr(not(feature = "peers"), allow(dead_code, unused_imports))]

#[cfg(not(target_os = "linux"))]
compile_error!("the measurements lean on epoll, callgrind and /proc: run them on Linux");

/// What a program says that has us alone.
#[cfg(not(feature = "peers"))]
const WITHOUT_PEERS: &str = "this was built without the peers";

/// Has a choice of the command line list all there are, and show itself as it is said there.
macro_rules! choice {
    ($choice:ty) => {
        impl $choice {
            /// All of them, the ruler first where there is one.
            pub fn all() -> &'static [Self] {
                clap::ValueEnum::value_variants()
            }
        }

        impl std::fmt::Display for $choice {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let value = clap::ValueEnum::to_possible_value(self);
                formatter.pad(value.as_ref().map_or("?", |value| value.get_name()))
            }
        }
    };
}
pub(crate) use choice;

use std::time::Duration;

use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};

pub mod calls;
pub mod chats;
pub mod clients;
pub mod cost;
pub mod counts;
pub mod datagrams;
pub mod descriptors;
pub mod figures;
pub mod loaded;
pub mod memory;
#[cfg(feature = "peers")]
pub mod messages;
#[cfg(feature = "peers")]
pub mod micro;
pub mod nats;
pub mod processor;
pub mod program;
#[cfg(feature = "peers")]
pub mod report;
pub mod rooms;
#[cfg(feature = "peers")]
pub mod sections;
#[cfg(feature = "tls")]
pub mod secure;
pub mod servers;
pub mod table;
#[cfg(feature = "peers")]
pub mod timers;
pub mod transfers;
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
