//! What happens in a turn, and in which order: who has its share, what fires when, and what a trace tells of it.

#[path = "../support/mod.rs"]
mod support;

#[cfg(unix)]
mod fairness;
mod pipelining;
mod reaching;
mod timers;
#[cfg(feature = "trace")]
mod trace;
