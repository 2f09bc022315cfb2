//! What an idle connection costs in memory.

use super::Scale;
use crate::descriptors;
use crate::idle::Growth;
use crate::report::contest::{Between, Column, Contest, Drawing, Entrant, Kind, Section};
use crate::servers::{self, Peer};

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

pub(super) fn section(scale: Scale) -> Section {
    let contest = contest(scale.many);
    Section {
        name: "memory",
        about:
            "What a connection that has echoed one message and is idle since costs its server in \
                resident memory, by the growth from one connection to all of them."
                .to_owned(),
        drawings: vec![Drawing::Bars(contest.name.clone(), 0)],
        contests: vec![contest],
    }
}

fn contest(connections: usize) -> Contest {
    let measure = move |peer| {
        descriptors::require(connections + SPARE_DESCRIPTORS)?;
        let server = servers::program(peer)?.start_apart()?;
        Ok(vec![Growth::measure(server.address(), server.pid(), connections)?.each()])
    };
    Contest {
        name: "idle connections".to_owned(),
        columns: vec![Column::new("bytes a connection", Kind::Bytes)],
        grows_to: None,
        rounds: 1,
        between: Between::IsPutAway,
        entrants: Entrant::each(Peer::all(), move |peer| Ok(move || measure(peer))),
    }
}
