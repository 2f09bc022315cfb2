//! Echo with as many connections as a process may have: a few thousand of everyone at once would be too
//! many, so each is measured alone, from its first connection on.

use std::time::{Duration, Instant};

use super::Scale;
use crate::clients::closed;
use crate::clients::load::{Clients, Load};
use crate::program::Server;
use crate::report::contest::{Column, Contest, Entrant, Kind, Trial};
use crate::servers::{self, Peer};
use crate::work::{Clock, Spent};
use crate::{Result, descriptors};

const SIZE: usize = 64;

/// The deep load's messages in flight on each connection.
const DEEP: usize = 16;

/// A round of so many takes long, and a turn should have some of them.
const SLICES: u32 = 4;

pub(super) fn contest(scale: Scale) -> Contest {
    let (connections, lasting) = (scale.many, scale.slice * SLICES);
    let columns = [
        Column::new(format!("{} a message", Clock::Processor), Kind::Time),
        Column::new("done in a second", Kind::Rate),
        Column::new(format!("the same, {DEEP} in flight on each"), Kind::Time),
        Column::new("p50", Kind::Time),
        Column::new("p99", Kind::Time),
        Column::new("p99/p50", Kind::Count),
    ];
    let name = format!("connections: {connections}, bytes: {SIZE}");
    let entrants = Entrant::each(Peer::all(), move |peer| Ok(Crowd { peer, connections, lasting }));
    let crowd = Contest::put_away(name, scale.few_rounds, columns, entrants);
    Contest { grows_to: Some(connections), ..crowd }
}

struct Crowd {
    peer: Peer,
    connections: usize,
    lasting: Duration,
}

impl Trial for Crowd {
    fn turn(&mut self) -> Result<Vec<f64>> {
        descriptors::require(self.connections)?;
        let server = servers::program(self.peer)?.start_apart()?;
        let load = Load { connections: self.connections, depth: 1, size: SIZE };
        let mut clients = Clients::connect(server.address(), load)?;
        let one = self.spend(&server, &mut clients)?;
        clients.deepen(DEEP)?;
        let deep = self.spend(&server, &mut clients)?;
        // A circle of so many takes a good part of a slice.
        let latencies = closed::run(clients.into_streams(), self.lasting * 2)?;
        let [p50, p99] = [0.5, 0.99].map(|part| latencies.at(part).as_nanos() as f64);
        let each = [one.each(Clock::Processor), 1e9 / one.each(Clock::Wall)];
        Ok([&each[..], &[deep.each(Clock::Processor), p50, p99, p99 / p50]].concat())
    }
}

impl Crowd {
    /// Rounds until the time is over.
    fn spend(&self, server: &Server, clients: &mut Clients) -> Result<Spent> {
        let (start, round) = (Instant::now(), clients.load().round());
        let mut spent = Spent::default();
        while start.elapsed() < self.lasting {
            spent += server.watch(round as u64, || clients.round())?;
        }
        Ok(spent)
    }
}
