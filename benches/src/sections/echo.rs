//! Echo: small messages and large ones, one connection and many, one message in flight and sixteen.

use super::timed::Timed;
use super::{Scale, crowd, section};
use crate::clients::load::{self, Load};
use crate::clients::pipeline::Pipeline;
use crate::loaded::Start;
use crate::report::contest::{Contest, Section};
use crate::servers::{self, Peer};
use crate::work::{Clock, Spent, Work};
use crate::{Result, descriptors};

const SMALL: usize = 64;
const LARGE: usize = 64 * 1024;

/// Connections, depth and size of each case.
const LOADS: [(usize, usize, usize); 11] = [
    (1, 1, SMALL),
    (50, 1, SMALL),
    (1_000, 1, SMALL),
    (1, 16, SMALL),
    (50, 16, SMALL),
    (1_000, 16, SMALL),
    (1, 1, LARGE),
    (50, 1, LARGE),
    (1_000, 1, LARGE),
    (1, 16, LARGE),
    (50, 16, LARGE),
];

/// A large message is 53 bytes longer than what loopback carries in one segment, and how the kernel
/// tears it apart stays with a connection: of the same server, one costs two and a half times what
/// another does. So a turn goes over so many of them.
const SAMPLED: usize = 16;

pub(super) fn all(scale: Scale) -> Section {
    let contests =
        LOADS.map(|load| contest(load, scale)).into_iter().chain([crowd::contest(scale)]);
    section(
        "echo",
        "What it costs a server to send a message back. The ruler is a raw epoll loop. (Large \
         messages end where the kernel's own limit on the memory of all TCP sockets would be \
         measured: at a thousand connections, and with sixteen in flight at fifty. A single \
         connection of them is connected anew sixteen times a turn: how loopback tears messages of \
         64 KiB into segments of 65483 bytes stays with a connection, and decides what they cost.)",
        "connections: 50, in flight on each: 1, bytes: 64",
        contests.collect(),
    )
}

fn contest((connections, depth, size): (usize, usize, usize), scale: Scale) -> Contest {
    let load = Load { connections, depth, size };
    let timed = Timed { unit: "message", clock: Clock::Processor, scale };
    let name = format!("connections: {connections}, in flight on each: {depth}, bytes: {size}");
    if size == LARGE {
        return timed.contest(name, Peer::all(), move |peer| large(peer, load));
    }
    let small = timed.contest(name, Peer::all(), move |peer| load::echo(Start::Apart, peer, load));
    Contest { grows_to: (depth == 1).then_some(connections), ..small }
}

/// Small messages go in rounds, which cost the clients least; large ones would not fit, and are sent on connections
/// that are opened for them.
fn large(peer: Peer, load: Load) -> Result<impl Work> {
    descriptors::require(load.connections)?;
    let program = servers::program(peer)?.with(format!("--own-buffer={}", load.size));
    let server = program.start_apart()?;
    Ok(move |units: u64| {
        let rounds = (units as usize).div_ceil(load.round());
        let samples = SAMPLED.div_ceil(load.connections).min(rounds);
        let each = rounds.div_ceil(samples);
        let mut spent = Spent::default();
        for _ in 0..samples {
            let mut clients = Pipeline::connect(server.address(), load)?;
            let exchange = || clients.exchange((each * load.depth) as u64);
            spent += server.watch((each * load.round()) as u64, exchange)?;
        }
        Ok(spent)
    })
}
