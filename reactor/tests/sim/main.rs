//! Tests of the simulator itself: that it repeats what it did, finds what it is there to find, and
//! tells of it so that somebody can do something about it.
//!
//! | file | what it holds |
//! |---|---|
//! | `determinism` | the same seed is the same run, and what spoils that is noticed |
//! | `canaries` | planted faults are found within so many seeds, and shrunk |
//! | `failures` | what a run that failed says of itself |
//! | `torture` | every call of a calm run, failing once in every way |

#![cfg(feature = "sim")]

mod canaries;
mod determinism;
mod failures;
mod torture;
