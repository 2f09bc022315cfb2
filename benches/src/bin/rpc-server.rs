//! `rpc-server [WHO]`: one of the servers of JSON-RPC, for the measurements to start, ours in lines by default; it
//! prints `listening on 127.0.0.1:PORT`.

use std::process::ExitCode;

use benches::calls::{self, Calls};
use benches::servers::Place;
use clap::Parser;

/// A server of JSON-RPC on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves, and by what.
    #[arg(default_value_t = Calls::ReactorLines)]
    who: Calls,
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::child("rpc-server", || calls::serve(options.who, Place::LOOPBACK))
}
