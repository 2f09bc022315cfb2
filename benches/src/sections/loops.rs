//! Several loops: what a message costs two of them, beside one.

use super::timed::Timed;
use super::{Scale, section};
use crate::Result;
use crate::clients::load::{Clients, Load};
use crate::loaded::{Loaded, Start};
use crate::program::Server;
use crate::report::contest::{Contest, Section};
use crate::servers::{self, Peer};
use crate::work::Clock;

/// Who they are: so many servers, of so many loops each.
const ALL: [(&str, &[usize]); 3] =
    [("one loop", &[1]), ("reactor", &[2]), ("two processes", &[1, 1])];

pub(super) fn all(scale: Scale) -> Section {
    section(
        "loops",
        "What an echo costs two loops, on two threads, beside one: in processor time of both. They and the clients \
         share all processors, so with two loops three threads share two. What that costs is seen by two \
         processes of one loop each, which have nothing in common but the clients: what two loops cost beyond \
         those is what several loops cost.",
        "connections: 50, in flight on each: 16",
        [(50, 1), (50, 16), (1_000, 1)].map(|load| contest(load, scale)).into(),
    )
}

fn contest((connections, depth): (usize, usize), scale: Scale) -> Contest {
    let load = Load { connections, depth, size: 64 };
    let timed = Timed { unit: "message", clock: Clock::Processor, scale };
    let entrants = ALL.map(|(name, loops)| timed.entrant(name, move || echo(load, loops)));
    timed.among(format!("connections: {connections}, in flight on each: {depth}"), entrants.into())
}

fn echo(load: Load, loops: &[usize]) -> Result<Loaded> {
    let start = |loops: &usize| {
        Start::Here.program(&servers::program(Peer::Reactor)?.with("--loops").with(loops))
    };
    let servers = loops.iter().map(start).collect::<Result<Vec<_>>>()?;
    let addresses: Vec<_> = servers.iter().map(Server::address).collect();
    let mut clients = Clients::connect_to(&addresses, load)?;
    Ok(Loaded::several(servers, load.round(), move || clients.round()))
}
