//! Echo on real sockets: streams, datagrams, and what peers do wrong.

mod datagrams;
mod failures;
#[path = "../outside/mod.rs"]
mod outside;
mod stage;
mod streams;
