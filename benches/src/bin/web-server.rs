//! `web-server WHO`: one of the web servers, for the measurements to start. With others in one program their HTTP and
//! WebSocket are compiled otherwise, and cost other instructions.

use benches::servers::Place;
use benches::webs::{self, Web};
use clap::Parser;

/// A web server on loopback.
#[derive(Parser)]
struct Options {
    who: Web,
}

fn main() -> std::process::ExitCode {
    benches::child(|Options { who }| webs::serve(who, Place::LOOPBACK))
}
