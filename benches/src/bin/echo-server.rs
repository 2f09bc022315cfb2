//! `echo-server PEER`: one of the echo servers, for the measurements to start; it prints
//! `listening on 127.0.0.1:PORT`.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use benches::servers::{self, Peer, Place};
use clap::Parser;

/// An echo server on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves.
    peer: Peer,
    /// The port to listen on; any free one by default.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many loops there are, of ours, each on a thread of its own.
    #[arg(long, value_name = "N")]
    loops: Option<NonZeroUsize>,
    /// The size of each connection's send and receive buffer; the kernel decides by default.
    #[arg(long, value_name = "BYTES")]
    kernel_buffers: Option<usize>,
    /// The size of a connection's own buffer, in the servers that have one.
    #[arg(long, value_name = "BYTES")]
    own_buffer: Option<usize>,
}

fn main() -> ExitCode {
    let Options { peer, port, loops, kernel_buffers, own_buffer } = Options::parse();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let place = Place { address, kernel_buffers, own_buffer };
    benches::child("echo-server", || match loops {
        Some(loops) if peer == Peer::Reactor => servers::serve_on(loops, place),
        _ => servers::serve(peer, place),
    })
}
