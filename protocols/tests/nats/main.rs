//! NATS: the client against the server that everybody runs, against what says what a test wants, and beside another
//! client. On simulated networks it is in `examples/simulate`.
#![cfg(feature = "nats")]

#[path = "../kit/mod.rs"]
mod kit;
mod kv;
#[path = "../outside/nats_server.rs"]
mod nats_server;
#[path = "../outside/mod.rs"]
mod outside;
mod real;
mod scripted;
mod stage;
mod stranger;
mod watch;
