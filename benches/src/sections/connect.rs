//! Connecting: a connection that is opened, echoes one message, and is closed by its client.

use std::io::{Read, Write};
use std::net::SocketAddr;

use super::timed::Timed;
use super::{Scale, section};
use crate::Result;
use crate::clients::sockets::connect;
use crate::loaded::{Loaded, Start};
use crate::report::contest::Section;
use crate::servers::{self, Peer};
use crate::work::Clock;

const NAME: &str = "connect, echo 64 bytes, close";

pub(super) fn all(scale: Scale) -> Section {
    let timed = Timed { unit: "connection", clock: Clock::Processor, scale };
    section(
        "connect",
        "What it costs a server to accept a connection, to send one message back, and to see \
         the connection closed, one after the other. The ruler is a raw epoll loop.",
        NAME,
        vec![timed.contest(NAME, Peer::all(), visits)],
    )
}

/// An echo server, and clients that come and go.
fn visits(peer: Peer) -> Result<Loaded> {
    let server = Start::Apart.program(&servers::program(peer)?)?;
    let (address, mut number) = (server.address(), 0);
    visit(address, number)?;
    Ok(Loaded::new(server, 1, move || {
        number += 1;
        visit(address, number)
    }))
}

fn visit(server: SocketAddr, number: u64) -> Result {
    let mut message = [b'c'; 64];
    message[..8].copy_from_slice(&number.to_le_bytes());
    let mut stream = connect(server)?;
    stream.write_all(&message)?;
    let mut reply = [0; 64];
    stream.read_exact(&mut reply)?;
    if reply == message { Ok(()) } else { Err("the echo differs from what was sent".into()) }
}
