//! What an idle connection costs in memory.

use super::Scale;
use crate::idle::Growth;
use crate::report::contest::{Between, Column, Contest, Drawing, Entrant, Kind, Section, Trial};
use crate::servers::{self, Peer};
use crate::{Result, descriptors};

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
    let entrant = |peer: &Peer| {
        let peer = *peer;
        Entrant::new(peer, move || Ok(Idle { peer, connections }))
    };
    Contest {
        name: "idle connections".to_owned(),
        columns: vec![Column::new("bytes a connection", Kind::Bytes)],
        grows_to: None,
        rounds: 1,
        between: Between::IsPutAway,
        entrants: Peer::all().iter().map(entrant).collect(),
    }
}

struct Idle {
    peer: Peer,
    connections: usize,
}

impl Trial for Idle {
    fn turn(&mut self) -> Result<Vec<f64>> {
        descriptors::require(self.connections + SPARE_DESCRIPTORS)?;
        let server = servers::program(self.peer)?.start_apart()?;
        let growth = Growth::measure(server.address(), server.pid(), self.connections)?;
        Ok(vec![growth.each()])
    }
}
