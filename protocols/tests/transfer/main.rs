//! File transfer on real sockets and real files: the tree, the FTP server, and what peers do wrong.
#![cfg(feature = "transfer")]

mod dialogue;
mod ftp_client;
#[cfg(feature = "tls")]
mod ftp_client_tls;
mod ftp_deadlines;
mod ftp_round_trips;
mod ftp_simulated;
mod hazards;
#[path = "../kit/mod.rs"]
mod kit;
mod logins;
#[path = "../outside/mod.rs"]
mod outside;
mod real_clients;
mod stage;
mod store;
mod tftp_disturbed;
mod tftp_files;
mod tftp_machine;
mod tftp_peers;
mod tftp_simulated;
mod tftp_stage;
mod transfers;
