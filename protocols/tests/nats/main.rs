//! NATS: the client against the server that everybody runs, against a small one in the simulator, and beside another
//! client.
#![cfg(feature = "nats")]

mod broker;
mod kv;
#[path = "../outside/nats_server.rs"]
mod nats_server;
#[path = "../outside/mod.rs"]
mod outside;
mod real;
mod scripted;
mod simulated;
mod stage;
mod stranger;
