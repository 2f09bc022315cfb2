//! `echo-server PEER`: one of the echo servers, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use benches::Result;
use benches::servers::{self, Peer, Place};
use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal};

/// An echo server on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves.
    peer: Peer,
    /// The port to listen on; any free one by default.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The size of each connection's send and receive buffer; the kernel decides by default.
    #[arg(long, value_name = "BYTES")]
    kernel_buffers: Option<usize>,
    /// The size of a connection's own buffer, in the servers that have one.
    #[arg(long, value_name = "BYTES")]
    own_buffer: Option<usize>,
}

fn main() -> ExitCode {
    benches::exit("echo-server", run())
}

fn run() -> Result {
    let options = Options::parse();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    benches::descriptors::raise_limit()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let Options { peer, kernel_buffers, own_buffer, .. } = options;
    servers::serve(peer, Place { address, kernel_buffers, own_buffer })
}
