//! The client of chat, with a server that says what the test says, on a simulated network: an hour of
//! silence takes no time.
#![cfg(feature = "chat")]

mod conversations;
mod losses;
mod stage;
mod swarm;
