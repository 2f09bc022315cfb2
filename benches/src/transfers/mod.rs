//! Files: servers of FTP and of TFTP, beside the least that one could do.
//!
//! ```text
//!   bin/transfers ──▶ groups    one question each: large, crowd, calm, blocks
//!                       │
//!            ┌──────────┼─────────────┐
//!            ▼          ▼             ▼
//!          peers       load         table      the servers as child processes; the clients, all of them
//!            │                                 in this process; rounds, ratios and lines
//!            ▼
//!        processes    what all processes of a server have used, as the kernel counts it
//!        servers      what runs in a child of this package: `transfer-server PEER --root DIRECTORY`
//!        network      a network of one's own, in which the congestion control can be chosen
//! ```
//!
//! Everybody serves the same directory, in memory if there is room, and is asked by the same clients,
//! who leave to the kernel what they are sent, so that they do not become the measure. What a server
//! sends is compared byte for byte once, before it is measured.

pub mod groups;
pub mod load;
pub mod network;
pub mod peers;
pub mod processes;
pub mod servers;
pub mod table;
pub mod tree;

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Bytes of the large file.
    pub large: u64,
    /// Rounds in which it goes out and comes in.
    pub rounds: usize,
    /// Clients at one time.
    pub clients: usize,
    /// Bytes each of them fetches, and brings.
    pub each: u64,
    /// Rounds of them.
    pub crowds: usize,
    /// Bytes of the file that goes in blocks, over TFTP.
    pub blocks: u64,
}

impl Scale {
    /// What the lines are held against: about two minutes.
    pub const FULL: Self = Self {
        large: 1 << 30,
        rounds: 5,
        clients: 300,
        each: 10_000_000,
        crowds: 2,
        blocks: 16 << 20,
    };
    /// To see that everything works: seconds.
    pub const QUICK: Self = Self {
        large: 128 << 20,
        rounds: 3,
        clients: 40,
        each: 1_000_000,
        crowds: 1,
        blocks: 2 << 20,
    };
    /// For the tests.
    pub const TINY: Self =
        Self { large: 1 << 20, rounds: 2, clients: 5, each: 100_000, crowds: 1, blocks: 100_000 };
}
