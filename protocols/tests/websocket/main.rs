//! WebSocket on real sockets, in the simulator, and against other people's libraries.
#![cfg(feature = "websocket")]

mod conversations;
mod deadlines;
mod goodbyes;
mod handshakes;
#[path = "../kit/mod.rs"]
mod kit;
mod limits;
#[path = "../outside/mod.rs"]
mod outside;
mod peers;
mod stage;
#[cfg(feature = "http")]
mod upgrades;
