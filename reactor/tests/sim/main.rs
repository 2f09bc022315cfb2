//! Tests of the simulator: that it repeats what it did, finds what it is there to find, and tells of it so that somebody
//! can do something about it; and of the loop in it, where no real network would do what is asked.
//!
//! | file | what it holds |
//! |---|---|
//! | `determinism` | the same seed is the same run, and what spoils that is noticed |
//! | `canaries` | planted faults are found within so many seeds, and shrunk |
//! | `failures` | what a run that failed says of itself |
//! | `torture` | every call of a calm run, failing once in every way |
//! | `network` | what arrives when, and what becomes of it when something is done to a path or a host |
//! | `harness` | one protocol, tested with bytes |
//! | `callbacks` | whatever a callback does beside writing, each byte that it writes comes once, and in order |
//! | `coupled` | whatever happens to two coupled connections, each byte comes once, and each end |
//! | `crowd` | each of a hundred thousand connections costs the loop what one of a thousand does, and no turn more |
//! | `sockets` | simulated and real sockets are not mixed up |

#![cfg(feature = "sim")]

#[path = "../support/mod.rs"]
mod support;

mod callbacks;
mod canaries;
mod coupled;
mod crowd;
mod determinism;
mod failures;
mod harness;
mod network;
mod sockets;
mod torture;
