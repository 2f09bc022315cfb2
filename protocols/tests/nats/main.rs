//! NATS: the client against the server that everybody runs, against a small one in the simulator, and beside another
//! client.
#![cfg(feature = "nats")]

mod broker;
#[path = "../kit/mod.rs"]
mod kit;
mod kv;
#[path = "../outside/mod.rs"]
mod outside;
mod real;
mod scripted;
mod simulated;
mod stage;
mod stranger;
