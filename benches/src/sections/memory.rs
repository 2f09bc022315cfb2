//! What an idle connection costs in memory.

use super::Scale;
use crate::clients::askers::{Asked, Asking};
use crate::clients::sockets::{connect_from, source};
use crate::loaded::Start;
use crate::memory::growth;
use crate::program::Server;
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Section};
use crate::servers::{self, Peer};
use crate::webs::Web;
use crate::{Result, descriptors, processor};

/// An echo of one message.
const ECHO: Asking =
    Asking { connections: 1, depth: 1, preface: b"", question: &[b'i'; 64], ending: &[b'i'; 64] };

pub(super) fn all(scale: Scale) -> Section {
    let echo = Entrant::each(Peer::all(), move |peer| {
        let start = move || Start::Here.program(&servers::program(peer)?);
        Ok(move || measure(scale.many, ECHO, start))
    });
    let webs = |webs: &[Web]| {
        let entrants = webs.iter().map(|&web| {
            let start = move || web.start(Start::Here);
            Entrant::new(web.peer(), move || {
                Ok(move || measure(scale.many, web.asking(1, 1), start))
            })
        });
        entrants.collect()
    };
    let contests = vec![
        contest("idle connections", echo),
        contest("idle connections of HTTP", webs(&[Web::Mio, Web::Reactor, Web::Hyper])),
        contest("idle WebSockets", webs(&[Web::TungsteniteSocket, Web::ReactorSocket])),
    ];
    Section {
        name: "memory",
        about: "What a connection that has been answered once and is idle since costs its server in \
                resident memory, by the growth from one connection to all of them: an echo of a \
                message, \"Hello, World!\" over HTTP on a connection that is kept, and an echo over \
                WebSocket."
            .to_owned(),
        drawings: vec![Drawing::Bars(contests[0].name.clone(), 0)],
        contests,
    }
}

/// The same of connections with TLS.
#[cfg(feature = "tls")]
pub(super) fn tls(scale: Scale) -> Contest {
    use crate::clients::secured;
    use crate::secure::Secure;

    let connections = scale.many / 5;
    let entrant = |(secure, is_web): (Secure, bool)| {
        let name = format!("{}{}", secure.peer(), if is_web { ", HTTP" } else { "" });
        let measure = move || {
            descriptors::require(2 * connections)?;
            let started = secure.start(Start::Apart)?;
            let pid = started.server.pid();
            let connect = secured::idle(&started, is_web)?;
            Ok(vec![growth(pid, connections, |_| connect())?])
        };
        Entrant::new(name, move || Ok(measure))
    };
    let all = [
        (Secure::TokioEcho, false),
        (Secure::ReactorEcho, false),
        (Secure::Nginx, true),
        (Secure::Haproxy, true),
        (Secure::Reactor, true),
    ];
    contest("idle connections", all.into_iter().map(entrant).collect())
}

fn contest(name: &str, entrants: Vec<Entrant>) -> Contest {
    Contest::put_away(name, 1, [Column::new("bytes a connection", Kind::Bytes)], entrants)
}

fn measure(
    connections: usize,
    asking: Asking,
    start: impl FnOnce() -> Result<Server>,
) -> Result<Vec<f64>> {
    descriptors::require(connections)?;
    let server = processor::start_apart(start)?;
    let idle = |index| {
        let mut stream = connect_from(source(index), server.address())?;
        asking.begin(&mut stream)?;
        Ok(stream)
    };
    Ok(vec![growth(server.pid(), connections, idle)?])
}
