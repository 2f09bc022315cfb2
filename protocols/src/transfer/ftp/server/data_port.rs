//! Who may open a data connection: on a passive port the client alone, by its address, and once. Others are
//! turned away, and the port stays open for the one it is meant for (RFC 2577, 2: data-port theft).

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use reactor::{Address, ConnectionId};

use super::{Event, Server};

/// A passive port, as both see it: the session that has opened it, and the connection that comes to it.
///
/// ```text
///   Open ── the client comes ──▶ Admitted ── it is here ──▶ Taken
///     └─────────────────────────────┴── the session closes it, or ends ──▶ Closed
/// ```
#[derive(Debug)]
pub(super) struct PassivePort(Cell<PortState>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortState {
    Open,
    Admitted,
    Taken(ConnectionId),
    Closed,
}

impl PassivePort {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self(Cell::new(PortState::Open)))
    }

    /// Whether whoever has come is the one it is meant for.
    pub(super) fn admits(&self, from: &Address, client: IpAddr, server: &mut Server) -> bool {
        match from.ip().map(|ip| ip.to_canonical()) {
            Some(stranger) if stranger != client => {
                server.tell(&Event::DataRefused { peer: client, stranger });
                false
            }
            Some(_) if self.0.get() == PortState::Open => {
                self.0.set(PortState::Admitted);
                true
            }
            _ => false,
        }
    }

    /// The connection that came, while nobody has closed the port.
    pub(super) fn taken_by(&self) -> Option<ConnectionId> {
        match self.0.get() {
            PortState::Taken(data) => Some(data),
            PortState::Open | PortState::Admitted | PortState::Closed => None,
        }
    }

    /// Nobody is wanted any more, not even who was admitted and is not here yet.
    pub(super) fn close(&self) {
        self.0.set(PortState::Closed);
    }

    /// Who was admitted is here; whether it is wanted still.
    pub(super) fn take(&self, data: ConnectionId) -> bool {
        let is_wanted = self.0.get() != PortState::Closed;
        if is_wanted {
            self.0.set(PortState::Taken(data));
        }
        is_wanted
    }
}
