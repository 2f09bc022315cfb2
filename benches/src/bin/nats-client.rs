//! `nats-client ADDRESS`: our client of NATS, for the measurements to start; it prints `listening on ADDRESS` when it is
//! connected to that server.

use std::net::SocketAddr;
use std::process::ExitCode;

use benches::nats;
use clap::Parser;

/// A client that does what it is asked over NATS.
#[derive(Parser)]
struct Options {
    /// The server.
    server: SocketAddr,
}

fn main() -> ExitCode {
    let Options { server } = Options::parse();
    benches::child("nats-client", || nats::serve(server))
}
