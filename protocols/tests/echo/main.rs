//! Echo on real sockets: streams, datagrams, and what peers do wrong.

mod datagrams;
mod exchange;
mod failures;
#[path = "../kit/mod.rs"]
mod kit;
#[path = "../outside/mod.rs"]
mod outside;
mod refusals;
mod stage;
mod streams;
