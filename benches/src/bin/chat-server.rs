//! `chat-server`: our chat server, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use benches::servers::Place;
use benches::{Result, chats};
use rustix::process::{Signal, set_parent_process_death_signal};

fn main() -> ExitCode {
    benches::exit("chat-server", run())
}

fn run() -> Result {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    benches::descriptors::raise_limit()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    chats::serve(Place { address, kernel_buffers: None, own_buffer: None })
}
