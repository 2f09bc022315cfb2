//! Connecting: a connection that is opened, echoes one message, and is closed by its client.

use std::io::{Read, Write};

use crate::Result;
use crate::load::connect;
use crate::program::Server;
use crate::servers::{self, Peer};
use crate::work::{Case, Clock, Contender, Group, Spent, Work};

/// The group.
pub(super) fn group() -> Group {
    let case = Case {
        name: "connect, echo 64 bytes, close".to_owned(),
        grows_to: None,
        unit: "connection",
        clock: Clock::Processor,
        contenders: Contender::each(Peer::all(), ConnectWork::start),
    };
    Group {
        name: "connect",
        about: "What it costs a server to accept a connection, to send one message back, and to see \
                the connection closed, one after the other. The ruler is a raw epoll loop.",
        shown: "connect, echo 64 bytes, close",
        cases: vec![case],
    }
}

/// An echo server as a child process, and clients that come and go, as work.
struct ConnectWork {
    server: Server,
}

impl ConnectWork {
    fn start(peer: Peer) -> Result<Self> {
        let mut work = Self { server: servers::program(peer)?.start_apart()? };
        work.run(1)?;
        Ok(work)
    }
}

impl Work for ConnectWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        self.server.watch(units, || (0..units).try_for_each(|number| visit(&self.server, number)))
    }
}

fn visit(server: &Server, number: u64) -> Result {
    let mut message = [b'c'; 64];
    message[..8].copy_from_slice(&number.to_le_bytes());
    let mut stream = connect(server.address())?;
    stream.write_all(&message)?;
    let mut reply = [0; 64];
    stream.read_exact(&mut reply)?;
    if reply == message { Ok(()) } else { Err("the echo differs from what was sent".into()) }
}
