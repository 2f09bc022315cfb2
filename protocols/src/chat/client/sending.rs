//! What leaves on the connection, and when.

use std::time::Instant;

use bytes::Bytes;
use reactor::{ConnectionId, Registry};

use super::life::State;
use super::outgoing::Next;
use super::{Caller, Client};

impl Client {
    /// The connection, if there is one that is open.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        match &self.state {
            State::Registering { connection, .. }
            | State::Online { connection, .. }
            | State::Quitting { connection, .. } => Some(*connection),
            State::Resting(_) | State::Connecting(_) | State::Failing(..) | State::Over => None,
        }
    }

    /// Whether this is the connection it has now, open or not.
    pub(super) fn is_on(&self, id: ConnectionId) -> bool {
        match &self.state {
            State::Connecting(connection) | State::Failing(connection, _) => *connection == id,
            _ => self.connection() == Some(id),
        }
    }

    /// Sends a line that cannot wait.
    pub(super) fn send_now<App>(&mut self, registry: &mut Registry<App>, line: Bytes) {
        self.outgoing.charge(registry.now());
        self.send_free(registry, vec![line]);
    }

    /// Sends lines that servers do not count: those of registering.
    pub(super) fn send_free<App>(&mut self, registry: &mut Registry<App>, lines: Vec<Bytes>) {
        for line in lines {
            if let Some(connection) = self.connection() {
                // It fails if the connection has ended: then `on_close` is on its way.
                let _ = registry.send(connection, line);
            }
        }
    }

    /// Sends what may be sent by now.
    pub(super) fn flush<App: Caller>(&mut self, registry: &mut Registry<App>) {
        let Some(connection) = self.connection().filter(|_| self.is_online()) else { return };
        let now = registry.now();
        loop {
            match self.outgoing.poll(now) {
                // It fails if the connection has ended: then `on_close` is on its way.
                Next::Send(line) => drop(registry.send(connection, line)),
                Next::Wait(then) => return self.flush_at(registry, then),
                Next::Nothing => break,
            }
        }
        if let State::Quitting { sent: sent @ None, .. } = &mut self.state {
            *sent = Some(now);
            self.watch_again(registry);
        }
    }

    fn flush_at<App: Caller>(&mut self, registry: &mut Registry<App>, then: Instant) {
        if self.send_timer.is_none() {
            let (id, rest) = (self.id, then.saturating_duration_since(registry.now()));
            let timer = registry.after(rest, move |registry, app| {
                if let Some(client) = app.client(id) {
                    client.send_timer = None;
                    client.flush(registry);
                }
            });
            // Without a timer it goes on with the next thing that is said.
            self.send_timer = timer.ok();
        }
    }
}
