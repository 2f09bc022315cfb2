//! The end of a turn: calls `on_close` for what has ended, and frees its slot.

use crate::id::Key;
use crate::net::OwnedPath;
use crate::registry::{AfterClose, Ended, Registry};
use crate::slots::Found;
use crate::source::{Connection, Source};
use crate::trace::{Callback, What};
use crate::{CloseReason, Closed, ConnectionId, ListenerId, Stale};

impl<App> Registry<App> {
    /// Removes what has ended, up to the budget. The others, and what ends in these callbacks, wait for the
    /// next turn, which does not sleep.
    pub(crate) fn reap(&mut self, app: &mut App) {
        if self.ledger.retired.is_empty() {
            return;
        }
        for _ in 0..self.ledger.budgeted(self.ledger.retired.len()) {
            let Some((key, reason)) = self.ledger.retired.pop_front() else {
                break;
            };
            if let Found::Here(Source::Listener(_)) = self.slots.find(key) {
                self.bury_listener(ListenerId(key), &reason, app);
                continue;
            }
            match self.slots.remove(key) {
                Some(Source::Stream(connection)) => {
                    self.dispose_stream(key, connection, *reason, app);
                }
                Some(Source::Datagram(socket)) => self.dispose_socket(key, *socket, *reason, app),
                Some(Source::Preface(preface)) => self.settle_preface(*preface, app),
                Some(Source::Listener(_)) | None => {}
            }
        }
        let kept = self.ledger.peers.len();
        debug_assert!(kept <= self.slots.len(), "an address is kept for as long as its connection");
        if !self.resting.is_empty() {
            self.wake_resting();
        }
    }

    /// Closes a connection that has ended, settles its accounts, and calls `on_close`.
    fn dispose_stream(
        &mut self,
        key: Key,
        connection: Connection<App>,
        reason: CloseReason,
        app: &mut App,
    ) {
        let Connection { mut stream, protocol } = connection;
        self.cancel_timers(stream.timers());
        stream.dismiss_guard().map(|timer| self.wheel.cancel(timer));
        let is_attempt = stream.is_attempt();
        self.count_connections(-isize::from(!is_attempt));
        self.away.forget(key);
        let proxied = self.proxied.remove(&key);
        let reason = self.leave_race(key, reason);
        self.tell_waiting(key, Err(Stale));
        let (peer, opened) = (stream.settle_accounts(&mut self.ledger), stream.was_opened());
        let after_close = self.after_close.remove(&key).map(|after| {
            let waited = stream.limits().deadline(&reason).unwrap_or_default();
            (after, waited)
        });
        if let (true, Some(ip)) = (stream.is_counted(), peer.ip()) {
            self.by_address.leave(ip);
        }
        let receiver = self.detaching.iter().position(|(detaching, _)| *detaching == key);
        let receiver = receiver.map(|at| self.detaching.swap_remove(at).1);
        let path = self.client_paths.remove(&key);
        let (unsent, detached) = if receiver.is_some() {
            path.iter().for_each(OwnedPath::keep);
            (0, Some(stream.into_detached(peer.clone(), proxied, &self.poller)))
        } else {
            drop(path);
            (stream.dispose(&reason, &self.poller), None)
        };
        self.ledger.trace_visit(ConnectionId(key), || What::closed(&reason));
        if !is_attempt {
            self.note_end(key, &peer, &reason, unsent);
        }
        let id = ConnectionId(key);
        let closed = Closed { id, peer, reason, opened, unsent };
        #[cfg(feature = "sim")]
        self.ends.iter_mut().for_each(|ends| ends.push(closed.clone()));
        self.run_callback(Some(id.into()), Callback::Close, |registry| {
            // Dropped in here: that is a user's code as well, and may panic.
            let mut protocol = protocol;
            protocol.on_close(registry, &closed, app);
        });
        if let Some((AfterClose { opened, act }, waited)) = after_close {
            let ended = Ended { closed: &closed, opened, waited };
            self.run_callback(None, Callback::Task, |registry| act(registry, app, ended));
        }
        if let (Some(receiver), Some(detached)) = (receiver, detached) {
            self.run_callback(Some(id.into()), Callback::Detached, |registry| {
                receiver(detached, registry, app);
            });
        }
    }

    fn note_end(&mut self, key: Key, peer: &crate::Address, reason: &CloseReason, unsent: u64) {
        self.ledger.stats.closes[reason.row()] += 1;
        self.ledger.stats.lost_bytes += unsent;
        self.shutdown.note_end(ConnectionId(key), peer, reason, unsent);
    }
}
