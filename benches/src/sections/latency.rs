//! Latency under an offered load: messages leave on a schedule, whether or not the server keeps up.

use super::Scale;
use crate::clients::offered::{self, Offer};
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Section};
use crate::servers::{self, Peer};

/// The quantiles that are shown.
const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// Messages a second: a fraction of what any of them can do, and much of it.
const RATES: [u32; 2] = [10_000, 50_000];

const CONNECTIONS: usize = 100;

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 4;

pub(super) fn all(scale: Scale) -> Section {
    let contests: Vec<Contest> = RATES.iter().map(|rate| contest(*rate, scale)).collect();
    let columns = |contest: &Contest| Drawing::Columns(contest.name.clone(), QUANTILES.len());
    Section {
        name: "latency",
        about: format!(
            "How long an echo of 64 bytes takes while so many a second are asked for, on {CONNECTIONS} \
             connections, whether or not the server keeps up: counted from when each was due, so a stall \
             makes every message late that was due meanwhile (no coordinated omission)."
        ),
        drawings: contests.iter().map(columns).collect(),
        contests,
    }
}

fn contest(rate: u32, scale: Scale) -> Contest {
    let offer = Offer { connections: CONNECTIONS, rate, lasting: scale.slice * SLICES };
    let start = move |peer| {
        let server = servers::program(peer)?.start_apart()?;
        Ok(move || {
            let latencies = offered::run(server.address(), offer)?;
            Ok(QUANTILES.map(|(quantile, _)| latencies.at(quantile).as_nanos() as f64).into())
        })
    };
    let columns = QUANTILES.map(|(_, name)| Column::new(name, Kind::Time));
    let entrants = Entrant::each(Peer::all(), start);
    Contest::new(format!("{rate} messages a second"), scale.rounds, columns, entrants)
}
