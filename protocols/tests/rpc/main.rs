//! JSON-RPC on real sockets and on simulated ones: the specification's examples, everything at its limit,
//! and other people's programs at the other end.
#![cfg(feature = "rpc-web")]

mod bounds;
mod clients;
mod edges;
mod examples;
#[path = "../kit/mod.rs"]
mod kit;
mod later;
#[path = "../outside/mod.rs"]
mod outside;
mod simulated;
mod stage;
#[cfg(unix)]
mod strangers;
mod topics;
mod web;
#[cfg(unix)]
mod web_strangers;
