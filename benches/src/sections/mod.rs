//! The sections of the page, one file a kind, all with one silhouette: a function that lists contests.
//!
//! - `echo`, `crowd`, `connect`, `loops`: echo servers. [`counts`]: what is counted, of all servers.
//! - `parts`: rooms, datagrams, and what takes place in this process: timers, messages, slots, codecs.
//! - `protocols`: NATS, the web, JSON-RPC, TLS. `chat`, `network`, `town`: chat. `files`: FTP and TFTP.
//! - `latency`, `neighbours`, `memory`: what clients wait for, and what idle ones cost.
//! - `timed`: what those have in common whose unit of work takes its time.

mod chat;
mod connect;
pub mod counts;
mod crowd;
mod echo;
mod files;
mod latency;
mod loops;
mod memory;
mod neighbours;
mod network;
mod parts;
mod protocols;
mod timed;
mod town;

use std::time::Duration;

use crate::report::contest::{Contest, Drawing, Section};

pub use files::{Amounts, FILES};
pub use protocols::NATS;

/// How much time and how many clients there are.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// How long an entrant works in a turn, about.
    pub slice: Duration,
    /// Turns at most, where noise matters.
    pub rounds: usize,
    /// Turns, where one takes long.
    pub few_rounds: usize,
    /// Clients, where there are many.
    pub many: usize,
    /// By how much less is counted than for the committed table.
    pub counted_less: u64,
    /// What servers of files move.
    pub files: Amounts,
}

impl Scale {
    /// What the page is made of.
    pub const FULL: Self = Self {
        slice: Duration::from_millis(100),
        rounds: 5,
        few_rounds: 3,
        many: 10_000,
        counted_less: 4,
        files: Amounts { large: 1 << 30, clients: 300, each: 10_000_000, blocks: 16 << 20 },
    };

    /// Enough to see that everything works.
    pub const QUICK: Self = Self {
        slice: Duration::from_millis(10),
        rounds: 2,
        few_rounds: 1,
        many: 1_000,
        counted_less: 20,
        files: Amounts { large: 128 << 20, clients: 40, each: 1_000_000, blocks: 2 << 20 },
    };
}

/// Every section, in the order of the page.
pub fn all(scale: Scale) -> Vec<Section> {
    vec![
        counts::section(scale),
        echo::all(scale),
        connect::all(scale),
        loops::all(scale),
        parts::fan_out(scale),
        parts::datagrams(scale),
        parts::timers(scale),
        parts::messages(scale),
        parts::parts(scale),
        parts::codecs(scale),
        chat::all(scale),
        protocols::nats(scale),
        protocols::web(scale),
        #[cfg(feature = "tls")]
        protocols::tls(scale),
        protocols::calls(scale),
        files::all(scale),
        latency::all(scale),
        neighbours::all(scale),
        memory::all(scale),
    ]
}

/// A section whose drawings are how costs grow, all ratios, and the first column of the contest that is `shown`.
fn section(
    name: &'static str,
    about: &'static str,
    shown: &str,
    contests: Vec<Contest>,
) -> Section {
    let mut drawings = Vec::new();
    if contests.iter().filter(|contest| contest.grows_to.is_some()).count() > 1 {
        drawings.push(Drawing::Growth(0));
    }
    if contests.len() > 1 {
        drawings.push(Drawing::Ratios(0));
    }
    if contests.iter().any(|contest| contest.name == shown) {
        drawings.push(Drawing::Bars(shown.to_owned(), 0));
    }
    Section { name, about: about.to_owned(), contests, drawings }
}
