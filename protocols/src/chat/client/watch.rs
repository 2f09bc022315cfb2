//! What is late: a welcome, an answer to a ping, the end after a goodbye.
//!
//! One timer does for all. It is set for what may be late next, and when it fires that is looked at anew,
//! so that a message costs no more than noting when it came.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::Registry;

use super::life::State;
use super::{Caller, Client, Failure};

/// How long the server may take to close the connection after `QUIT`.
const QUIT_PATIENCE: Duration = Duration::from_secs(5);

impl Client {
    /// When something will be late that is waited for now.
    fn deadline(&self) -> Option<Instant> {
        let limits = &self.options.limits;
        match &self.state {
            State::Registering { since, .. } => Some(*since + limits.registration),
            State::Online { pinged: Some(pinged), .. } => Some(*pinged + limits.ping_timeout),
            State::Online { pinged: None, .. } => Some(self.heard + limits.ping_interval),
            State::Quitting { sent, .. } => sent.map(|sent| sent + QUIT_PATIENCE),
            State::Resting(_) | State::Connecting(_) | State::Failing(..) | State::Over => None,
        }
    }

    /// Has a look when something may be late.
    pub(super) fn watch_again<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let Some(timer) = self.watch.take() {
            registry.cancel(timer);
        }
        if let Some(deadline) = self.deadline() {
            let (id, rest) = (self.id, deadline.saturating_duration_since(registry.now()));
            let timer = registry.after(rest, move |registry, app| {
                if let Some(client) = app.client(id) {
                    client.watch = None;
                    client.handle_watch(registry);
                }
            });
            // Without a timer TCP's own keepalive is left, which finds most of the dead too.
            self.watch = timer.ok();
        }
    }

    fn handle_watch<App: Caller>(&mut self, registry: &mut Registry<App>) {
        let now = registry.now();
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.handle_late(registry, now);
        }
        self.watch_again(registry);
    }

    fn handle_late<App: Caller>(&mut self, registry: &mut Registry<App>, now: Instant) {
        match &mut self.state {
            State::Registering { .. } => self.fail(registry, Failure::NotRegistered),
            State::Online { pinged: pinged @ None, .. } => {
                *pinged = Some(now);
                self.send_now(registry, Bytes::from_static(b"PING :are you there\r\n"));
            }
            State::Online { connection, .. } => {
                let connection = *connection;
                self.state = State::Failing(connection, Failure::Silent);
                // Nobody is there to close it in peace.
                let _ = registry.abort(connection);
            }
            State::Quitting { connection, .. } => drop(registry.close(*connection)),
            State::Resting(_) | State::Connecting(_) | State::Failing(..) | State::Over => {}
        }
    }
}
