//! `web-server WHO`: one of the web servers, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use benches::Result;
use benches::servers::Place;
use benches::webs::{self, Web};
use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};

/// A web server on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves what.
    who: Web,
}

fn main() -> ExitCode {
    benches::exit("web-server", run())
}

fn run() -> Result {
    let options = Options::parse();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    benches::descriptors::raise_limit()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    webs::serve(options.who, Place { address, kernel_buffers: None, own_buffer: None })
}
