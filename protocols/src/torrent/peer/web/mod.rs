//! Web seeds (BEP 19): servers that have a torrent's files, from which pieces are fetched by ranges.
//!
//! ```text
//!   machine ──asks for blocks, as of any peer──▶ WebSeed ──one run of them after the other──▶ GET file, Range
//!      ◀──────────────── blocks ────────────────────┘ ◀──────────────── bytes ──────────────────┘
//! ```
//!
//! To the machine it is a peer that has everything, lets nobody wait, and wants nothing. So it is asked for what is rarest
//! among the peers, what it owes is asked of others when it is late, and who lies is found like any other.
//!
//! | file | what it is |
//! |---|---|
//! | `seed` | one of them: what it was asked for, and when it is left alone |
//! | `run` | blocks behind each other, and the bytes of them that have come |
//! | `fetching` | requests, and their answers, on the loop |
//! | `failure` | why one cannot be used |

mod failure;
mod fetching;
mod run;
mod seed;

pub use failure::WebFailed;
pub use seed::WebRow;

pub(super) use seed::WebSeed;
