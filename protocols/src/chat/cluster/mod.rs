//! Several chat servers as one network, over NATS.
//!
//! There are no links between the servers. Each is a **node** that owns its users; what they do it publishes, and all
//! others hear it and keep a picture of its users, and of what they are on.
//!
//! ```text
//!            effects, in their order                       effects of others, in theirs
//!   Server ──────────────────────────▶ Cluster ──▶ NATS ──▶ Cluster ──────────────────▶ Server
//!          ◀── apply, replace, lost ──         ◀──       ◀──
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `wire` | what nodes say to each other, and under which subjects |
//! | `peer` | what is known of one other node |
//! | `admission` | which of them may be heard: not with another format, or a clock that is wrong |
//! | `answers` | who waits for a snapshot of this node |
//! | `machine` | all of them: what comes is put in order, and what is missing is asked for |
//! | `claims` | nicks: one holder in the network |
//! | `driver` | the two on a loop, with a client of NATS, and the call that begins it |
//! | `bucket` | what the claims want asked of NATS' key-value store |
//! | `limits` | every bound, its default, and the reason for it |
//!
//! NATS delivers at most once. So everything bears the **epoch** of its publisher, which is another one for each life of
//! a node, and its **sequence**: a gap is seen, and the node is asked for a snapshot of all it owns.

mod admission;
mod answers;
mod bucket;
mod claims;
mod driver;
mod limits;
mod machine;
mod peer;
mod wire;

pub use admission::Clock;
pub use driver::{JoinError, Membership, Options, join};
pub use limits::Limits;
pub use machine::{Carried, Cluster, Counters, Gone, NodeStatus, Output};

#[cfg(test)]
mod tests;
