//! WebSocket on real sockets, in the simulator, and against other people's libraries.
#![cfg(feature = "websocket")]

mod conversations;
mod deadlines;
mod goodbyes;
mod handshakes;
mod limits;
mod peers;
mod stage;
#[cfg(feature = "http")]
mod upgrades;
