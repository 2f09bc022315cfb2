//! `fan-out-server ROOM`: one of the rooms, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use benches::Result;
use benches::rooms::{self, Room};
use benches::servers::Place;
use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};

/// A room on loopback.
#[derive(Parser)]
struct Options {
    /// Who keeps it.
    room: Room,
    /// The size of each connection's send and receive buffer; the kernel decides by default.
    #[arg(long, value_name = "BYTES")]
    kernel_buffers: Option<usize>,
}

fn main() -> ExitCode {
    benches::exit("fan-out-server", run())
}

fn run() -> Result {
    let options = Options::parse();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    benches::descriptors::raise_limit()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    rooms::serve(
        options.room,
        Place { address, kernel_buffers: options.kernel_buffers, own_buffer: None },
    )
}
