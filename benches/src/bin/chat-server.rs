//! `chat-server`: our chat server, for the measurements to start, alone or as one of several; it prints
//! `listening on 127.0.0.1:PORT`.

use std::net::SocketAddr;
use std::process::ExitCode;

use benches::chats::{self, Node};
use benches::servers::Place;
use clap::Parser;

/// A chat server on loopback.
#[derive(Parser)]
struct Options {
    /// The server of NATS by which it knows the others.
    #[arg(long, value_name = "ADDRESS", requires = "node")]
    nats: Option<SocketAddr>,
    /// What it is called among them.
    #[arg(long, value_name = "NAME", requires = "nats")]
    node: Option<String>,
}

fn main() -> ExitCode {
    let Options { nats, node } = Options::parse();
    let node = nats.zip(node).map(|(nats, name)| Node { nats, name });
    benches::child("chat-server", || chats::serve(Place::LOOPBACK, node))
}
