//! `datagram-server SERVER DUTY`: one of the datagram servers, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use benches::Result;
use benches::datagrams::{self, Datagrams, Duty};
use benches::servers::Place;
use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};

/// A datagram server on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves.
    server: Datagrams,
    /// What it does.
    duty: Duty,
}

fn main() -> ExitCode {
    benches::exit("datagram-server", run())
}

fn run() -> Result {
    let options = Options::parse();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    datagrams::serve(
        options.server,
        options.duty,
        Place { address, kernel_buffers: None, own_buffer: None },
    )
}
