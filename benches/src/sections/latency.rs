//! Latency under an offered load: messages leave on a schedule, whether or not the server keeps up.

use std::fmt;

use super::Scale;
use crate::Result;
use crate::clients::correspondents;
use crate::clients::offered::{self, Offer, Over};
use crate::datagrams::{Datagrams, Duty};
use crate::program::Program;
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Section};
use crate::servers::{self, Peer};

/// The quantiles that are shown.
const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// Messages a second: a fraction of what any of them can do, and much of it.
const RATES: [u32; 2] = [10_000, 50_000];

/// Clients, each with a connection or a socket.
const CONNECTIONS: usize = 100;

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 4;

pub(super) fn all(scale: Scale) -> Section {
    let messages = |rate| {
        let name = format!("{rate} messages a second");
        contest(name, (Over::Tcp, rate), Peer::all(), servers::program, scale)
    };
    let datagrams = |rate| {
        let (name, servers) =
            (format!("{rate} datagrams a second"), Datagrams::that_do(Duty::Echo));
        let program = |server| correspondents::program(server, Duty::Echo);
        contest(name, (Over::Udp, rate), &servers, program, scale)
    };
    let [few, many] = RATES;
    let contests = vec![messages(few), messages(many), datagrams(few)];
    let columns = |contest: &Contest| Drawing::Columns(contest.name.clone(), QUANTILES.len());
    Section {
        name: "latency",
        about: format!(
            "How long an echo of 64 bytes takes while so many a second are asked for, by {CONNECTIONS} \
             clients, whether or not the server keeps up: counted from when each was due, so a stall \
             makes every message late that was due meanwhile (no coordinated omission)."
        ),
        drawings: contests.iter().map(columns).collect(),
        contests,
    }
}

fn contest<P: fmt::Display + Copy + 'static>(
    name: String,
    (over, rate): (Over, u32),
    peers: &[P],
    program: fn(P) -> Result<Program>,
    scale: Scale,
) -> Contest {
    let offer = Offer { over, connections: CONNECTIONS, rate, lasting: scale.slice * SLICES };
    let start = move |peer| {
        let server = program(peer)?.start_apart()?;
        Ok(move || {
            let latencies = offered::run(server.address(), offer)?;
            Ok(QUANTILES.map(|(quantile, _)| latencies.at(quantile).as_nanos() as f64).into())
        })
    };
    let columns = QUANTILES.map(|(_, name)| Column::new(name, Kind::Time));
    Contest::new(name, scale.rounds, columns, Entrant::each(peers, start))
}
