//! File transfer on real sockets and real files: the tree, the FTP server, and what peers do wrong.
#![cfg(feature = "transfer")]

mod dialogue;
mod hazards;
mod stage;
mod store;
mod transfers;
