//! `fan-out-server ROOM`: one of the rooms, for the measurements to start; it prints
//! `listening on 127.0.0.1:PORT`.

use std::process::ExitCode;

use benches::rooms;
use benches::servers::{Peer, Place};
use clap::Parser;

/// A room on loopback.
#[derive(Parser)]
struct Options {
    /// Who keeps it.
    room: Peer,
    /// The size of each connection's send and receive buffer; the kernel decides by default.
    #[arg(long, value_name = "BYTES")]
    kernel_buffers: Option<usize>,
}

fn main() -> ExitCode {
    let Options { room, kernel_buffers } = Options::parse();
    benches::child("fan-out-server", || {
        rooms::serve(room, Place { kernel_buffers, ..Place::LOOPBACK })
    })
}
