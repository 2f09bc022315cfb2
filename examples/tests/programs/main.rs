//! The programs as a person meets them: started, talked to, and ended. Each subject is a module, and all are one
//! program, which is linked once.
//!
//! Where a test needs somebody else's program, `outside` asks it who it is, and leaves out what is not there.
#![cfg(unix)]

#[path = "../../../protocols/tests/outside/nats_server.rs"]
mod nats_server;
#[path = "../../../protocols/tests/outside/mod.rs"]
mod outside;
#[path = "../support/mod.rs"]
mod support;

mod browser;
mod chat;
mod chat_clients;
mod chat_script;
mod chat_servers;
#[cfg(not(mio_unsupported_force_poll_poll))]
mod chat_terminal;
mod command_lines;
mod echo;
mod embedding;
mod key_value;
#[cfg(target_os = "linux")]
mod logins;
mod nats;
mod network;
mod pages;
mod playground;
mod proxy;
mod real_peers;
mod rpc;
mod services;
mod tls;
mod torrent;
mod transfer;
mod web;
mod web_socket;
