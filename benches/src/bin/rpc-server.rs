//! `rpc-server WHO`: one of the servers of JSON-RPC, for the measurements to start; a program of its own for the same
//! reason as `web-server`.

use benches::calls::{self, Calls};
use benches::servers::Place;
use clap::Parser;

/// A server of JSON-RPC on loopback.
#[derive(Parser)]
struct Options {
    who: Calls,
}

fn main() -> std::process::ExitCode {
    benches::child(|Options { who }| calls::serve(who, Place::LOOPBACK))
}
