//! What an idle connection with TLS costs in memory.

use super::Scale;
use crate::report::contest::{Between, Column, Contest, Entrant, Kind};
use crate::secure::Secure;
use crate::{Result, descriptors, processor, secured};

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

pub(super) fn contest(scale: Scale) -> Contest {
    let entrant = |(secure, is_web): (Secure, bool)| {
        let name = format!("{}{}", secure.peer(), if is_web { ", HTTP" } else { "" });
        Entrant::new(name, move || Ok(move || measure(secure, is_web, scale.many / 5)))
    };
    let all = [
        (Secure::TokioEcho, false),
        (Secure::ReactorEcho, false),
        (Secure::Nginx, true),
        (Secure::Haproxy, true),
        (Secure::Reactor, true),
    ];
    Contest {
        name: "idle connections".to_owned(),
        columns: vec![Column::new("bytes a connection", Kind::Bytes)],
        grows_to: None,
        rounds: 1,
        between: Between::IsPutAway,
        entrants: all.into_iter().map(entrant).collect(),
    }
}

fn measure(secure: Secure, is_web: bool, connections: usize) -> Result<Vec<f64>> {
    descriptors::require(2 * connections + SPARE_DESCRIPTORS)?;
    let started = processor::start_apart(|| secure.start())?;
    Ok(vec![secured::idle(&started, connections, is_web)?])
}
