//! What an idle connection costs in memory.

use super::Scale;
use crate::Result;
use crate::askers::{Asked, Asking};
use crate::descriptors;
use crate::idle::Growth;
use crate::processor;
use crate::program::Running;
use crate::report::contest::{Between, Column, Contest, Drawing, Entrant, Kind, Section};
use crate::servers::{self, Peer};
use crate::webs::Web;

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

/// An echo of one message.
const ECHO: Asking =
    Asking { connections: 1, depth: 1, preface: b"", question: &[b'i'; 64], ending: &[b'i'; 64] };

pub(super) fn section(scale: Scale) -> Section {
    let many = scale.many;
    let echo = contest(
        "idle connections",
        Entrant::each(Peer::all(), move |peer| {
            Ok(move || measure(many, ECHO, || Ok(Running::new(servers::program(peer)?.start()?))))
        }),
    );
    let webs = |name, webs: &[Web]| {
        let entrants = webs.iter().map(|&web| {
            Entrant::new(web.peer(), move || {
                Ok(move || measure(many, web.asking(1, 1), || web.start()))
            })
        });
        contest(name, entrants.collect())
    };
    Section {
        name: "memory",
        about:
            "What a connection that has been answered once and is idle since costs its server in \
                resident memory, by the growth from one connection to all of them: an echo of a \
                message, \"Hello, World!\" over HTTP on a connection that is kept, and an echo over \
                WebSocket."
                .to_owned(),
        drawings: vec![Drawing::Bars(echo.name.clone(), 0)],
        contests: vec![
            echo,
            webs("idle connections of HTTP", &[Web::Mio, Web::Reactor, Web::Hyper]),
            webs("idle WebSockets", &[Web::TungsteniteSocket, Web::ReactorSocket]),
        ],
    }
}

fn contest(name: &str, entrants: Vec<Entrant>) -> Contest {
    Contest {
        name: name.to_owned(),
        columns: vec![Column::new("bytes a connection", Kind::Bytes)],
        grows_to: None,
        rounds: 1,
        between: Between::IsPutAway,
        entrants,
    }
}

fn measure(
    connections: usize,
    asking: Asking,
    start: impl FnOnce() -> Result<Running>,
) -> Result<Vec<f64>> {
    descriptors::require(connections + SPARE_DESCRIPTORS)?;
    let running = processor::start_apart(start)?;
    let server = &running.server;
    Ok(vec![Growth::measure(server.address(), server.pid(), &asking, connections)?.each()])
}
