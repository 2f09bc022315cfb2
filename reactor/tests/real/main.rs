//! The loop on real sockets: what a program sees of it, callback by callback.
//!
//! They are one program, and take turns in it: each asks for its descriptors back ([`support::Leaks`]), which belong
//! to the whole process. So a test that has no [`support::Stage`] watches its leaks by itself.

#[path = "../support/mod.rs"]
mod support;

mod broadcast;
mod closing;
mod connecting;
mod coupled;
mod datagrams;
mod embedding;
mod files;
mod flow;
mod idle;
mod limits;
mod listeners;
mod panics;
mod shutdown;
mod sockets;
mod statistics;
mod threads;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_descriptors;
