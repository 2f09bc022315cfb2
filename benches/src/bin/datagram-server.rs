//! `datagram-server SERVER DUTY`: one of the datagram servers, for the measurements to start; it
//! prints `listening on 127.0.0.1:PORT`.

use std::process::ExitCode;

use benches::datagrams::{self, Datagrams, Duty};
use benches::servers::Place;
use clap::Parser;

/// A datagram server on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves.
    server: Datagrams,
    /// What it does.
    duty: Duty,
}

fn main() -> ExitCode {
    let Options { server, duty } = Options::parse();
    benches::child("datagram-server", || datagrams::serve(server, duty, Place::LOOPBACK))
}
