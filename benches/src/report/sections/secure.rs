//! What an idle connection with TLS costs in memory.

use super::Scale;
use crate::report::contest::{Between, Column, Contest, Entrant, Kind, Trial};
use crate::secure::Secure;
use crate::{Result, descriptors, processor, secured};

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

pub(super) fn contest(scale: Scale) -> Contest {
    let entrant = |(secure, is_web): (Secure, bool)| {
        let name = format!("{}{}", secure.peer(), if is_web { ", HTTP" } else { "" });
        Entrant::new(name, move || Ok(Idle { secure, is_web, connections: scale.many / 5 }))
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

struct Idle {
    secure: Secure,
    is_web: bool,
    connections: usize,
}

impl Trial for Idle {
    fn turn(&mut self) -> Result<Vec<f64>> {
        descriptors::require(2 * self.connections + SPARE_DESCRIPTORS)?;
        let started = processor::start_apart(|| self.secure.start())?;
        Ok(vec![secured::idle(&started, self.connections, self.is_web)?])
    }
}
