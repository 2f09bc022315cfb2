//! `web-server WHO`: one of the web servers, for the measurements to start; it prints
//! `listening on 127.0.0.1:PORT`.

use std::process::ExitCode;

use benches::servers::Place;
use benches::webs::{self, Web};
use clap::Parser;

/// A web server on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves what.
    who: Web,
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::child("web-server", || webs::serve(options.who, Place::LOOPBACK))
}
