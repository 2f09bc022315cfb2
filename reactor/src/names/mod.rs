//! Connecting to a host by its name: what is known of one such connection, and who waits for the system.
//!
//! ```text
//!   connect ──▶ LookingUp ──── answered ────▶ Racing ──── an attempt is there ───▶ its stream becomes
//!                   │                          │  ▲                                the connection's
//!        no answer, │                     next │  │ 250 ms, or an attempt failed
//!        no address │                          └──┘
//!                   ▼                          │ none is left
//!                 lost ◀───────────────────────┘
//! ```
//!
//! What is done about it, with sockets and timers, is in `registry/names.rs`.

mod candidates;
mod lookups;

use std::net::SocketAddr;

use crate::id::Key;
use crate::{
    Address, Attempt, CloseReason, ConnectOptions, ConnectionId, Host, HostFailure, LookupError,
};

use candidates::Candidates;
pub(crate) use lookups::Lookups;

/// One host to be looked up, for one connection: what a resolver is asked
/// ([`Registry::set_resolver`](crate::Registry::set_resolver)).
#[derive(Clone, Debug)]
pub struct Lookup {
    pub(crate) id: ConnectionId,
    pub(crate) host: Host,
}

impl Lookup {
    /// Whose addresses are wanted.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The connection that waits for them.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.id
    }
}

/// A connection that is being made to a host.
pub(crate) struct Race {
    host: Host,
    /// How each attempt is made.
    pub(crate) options: ConnectOptions,
    stage: Stage,
    /// The end of the look-up, or the time for the next attempt.
    pub(crate) timer: Option<Key>,
}

enum Stage {
    LookingUp,
    Racing(Racing),
}

struct Racing {
    candidates: Candidates,
    running: Vec<(ConnectionId, SocketAddr)>,
    failed: Vec<Attempt>,
}

impl Race {
    pub(crate) fn new(host: Host, options: ConnectOptions) -> Self {
        Self { host, options, stage: Stage::LookingUp, timer: None }
    }

    /// The host's addresses are known; the time to be the first is given to so many of them. An answer that comes a
    /// second time changes nothing.
    pub(crate) fn answered(
        &mut self,
        found: Result<Vec<SocketAddr>, LookupError>,
        most: usize,
    ) -> Result<(), LookupError> {
        if let Stage::LookingUp = self.stage {
            let mut found = found?;
            let has_address = !found.is_empty();
            found.retain(|address| self.options.reach.allows(address.ip()));
            let candidates = Candidates::new(&found, most);
            if candidates.is_empty() {
                let is_inside = has_address && found.is_empty();
                return Err(if is_inside { LookupError::Inside } else { LookupError::NoAddress });
            }
            let (running, failed) = (Vec::new(), Vec::new());
            self.stage = Stage::Racing(Racing { candidates, running, failed });
        }
        Ok(())
    }

    /// The address to be tried next.
    pub(crate) fn next(&mut self) -> Option<SocketAddr> {
        self.racing()?.candidates.next()
    }

    pub(crate) fn started(&mut self, id: ConnectionId, address: SocketAddr) {
        if let Some(racing) = self.racing() {
            racing.running.push((id, address));
        }
    }

    /// An address could not even be tried.
    pub(crate) fn refused(&mut self, address: SocketAddr, reason: CloseReason) {
        if let Some(racing) = self.racing() {
            racing.failed.push(Attempt { address: Address::Ip(address), reason });
        }
    }

    /// An attempt has come to nothing.
    pub(crate) fn failed(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(racing) = self.racing() else { return };
        if let Some(at) = racing.running.iter().position(|(running, _)| *running == id) {
            let (_, address) = racing.running.remove(at);
            self.refused(address, reason);
        }
    }

    fn racing(&mut self) -> Option<&mut Racing> {
        match &mut self.stage {
            Stage::LookingUp => None,
            Stage::Racing(racing) => Some(racing),
        }
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    pub(crate) fn lookup(&self, id: ConnectionId) -> Lookup {
        Lookup { id, host: self.host.clone() }
    }

    pub(crate) fn is_looking_up(&self) -> bool {
        matches!(self.stage, Stage::LookingUp)
    }

    /// Whether there is another address to be tried later.
    pub(crate) fn has_more(&self) -> bool {
        matches!(&self.stage, Stage::Racing(racing) if !racing.candidates.is_empty())
    }

    /// Whether every address was tried, and none is on its way.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.stage {
            Stage::LookingUp => false,
            Stage::Racing(racing) => racing.candidates.is_empty() && racing.running.is_empty(),
        }
    }

    /// The attempts that are on their way.
    pub(crate) fn running(&self) -> Vec<ConnectionId> {
        match &self.stage {
            Stage::LookingUp => Vec::new(),
            Stage::Racing(racing) => racing.running.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// Why nothing came of it; those that are still on their way were given up for this reason.
    pub(crate) fn into_failure(self, reason: &CloseReason) -> HostFailure {
        let Self { host, stage, .. } = self;
        let Stage::Racing(racing) = stage else {
            return HostFailure::Lookup { host, error: LookupError::TimedOut };
        };
        let mut attempts = racing.failed;
        attempts.extend(
            racing.running.into_iter().map(|(_, address)| Attempt {
                address: Address::Ip(address),
                reason: reason.clone(),
            }),
        );
        HostFailure::Attempts { host, attempts }
    }

    pub(crate) fn into_lookup_failure(self, error: LookupError) -> HostFailure {
        HostFailure::Lookup { host: self.host, error }
    }
}
