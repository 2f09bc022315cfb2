//! Back-pressure by id: tells whether a receiver is above its mark, and when it has fallen.
//!
//! ```text
//!   send ──▶ Pressure::High ──▶ pause the source, when_drained ──▶ outbox at its low mark, or it has ended
//!     ▲                                                                          │
//!     └───────────────── resume the source ◀── the closure, exactly once ◀───────┘
//! ```
//!
//! `on_drain` is for a connection's own protocol, which knows its marks. Whoever sends to another's outbox
//! may have stopped at any height, so it asks to be told.

use super::Stream;
use super::pending::Mark;
use crate::id::Key;
use crate::outbox::Pressure;
use crate::registry::{Registry, Task};
use crate::slots::Found;
use crate::source::Source;
use crate::trace::Callback;
use crate::{ConnectionId, Stale, StreamLimits};

impl<App> Registry<App> {
    /// Has `act` called when what is queued for a connection has fallen to its
    /// [`outbox_low`](StreamLimits::outbox_low), however high it was, or when the connection has ended, which
    /// is an error. It is called exactly once, by the loop itself, and not before this call returns: at the
    /// latest in the next turn if the queue is that low already.
    ///
    /// Anybody may ask: a connection that feeds this one, a producer that is none. Each who asks is
    /// remembered until then, so one who has stopped sending should ask once.
    ///
    /// # Errors
    ///
    /// If it has ended already; `act` is dropped then.
    pub fn when_drained(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Self, &mut App, Result<(), Stale>) + 'static,
    ) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) if !connection.stream.is_closed() => {
                if connection.stream.has_fallen() {
                    self.deferred.push_back(told(act, Ok(())));
                } else {
                    connection.stream.watch();
                    let act = Box::new(move |result| told(act, result));
                    self.waiting.entry(id.0).or_default().push(act);
                }
            }
            // What its callback writes is part of its queue when it returns, and not before.
            Found::Running => {
                self.defer_call(move |registry, app| registry.look_again(id, act, app));
            }
            _ => return Err(Stale),
        }
        Ok(())
    }

    fn look_again(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Self, &mut App, Result<(), Stale>) + 'static,
        app: &mut App,
    ) {
        if self.is_connected(id) {
            let _ = self.when_drained(id, act);
        } else {
            told(act, Err(Stale))(self, app);
        }
    }

    /// Calls those who wait for the outbox of a connection: it has fallen, or the connection has ended.
    pub(crate) fn tell_waiting(&mut self, key: Key, result: Result<(), Stale>) {
        for act in self.waiting.remove(&key).unwrap_or_default() {
            self.deferred.push_back(act(result));
        }
    }

    /// Whether more is queued for a connection than its [`outbox_high`](StreamLimits::outbox_high).
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls: ask its
    /// [`Transport`](crate::Transport) there.
    pub fn pressure(&self, id: ConnectionId) -> Result<Pressure, Stale> {
        self.stream(id).map(Stream::pressure)
    }

    /// Bytes queued for a connection because the system has not taken them yet.
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls: ask its
    /// [`Transport`](crate::Transport) there.
    pub fn queued_bytes(&self, id: ConnectionId) -> Result<usize, Stale> {
        self.stream(id).map(Stream::queued_bytes)
    }

    /// The limits of a connection, its marks among them.
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls: ask its
    /// [`Transport`](crate::Transport) there.
    pub fn limits(&self, id: ConnectionId) -> Result<&StreamLimits, Stale> {
        self.stream(id).map(Stream::limits)
    }

    fn stream(&self, id: ConnectionId) -> Result<&Stream, Stale> {
        match self.slots.get(id.0) {
            Some(Some(Source::Stream(connection))) if !connection.stream.is_closed() => {
                Ok(&connection.stream)
            }
            _ => Err(Stale),
        }
    }

    /// The pressure of the connection whose callback is running. Its queue is out of reach here. But no queue
    /// is longer than all of them together, and to wait a turn too often does no harm.
    pub(super) fn pressure_of_running(&self) -> Pressure {
        let in_sight = self.ledger.queued == 0 && !self.cork.is_large();
        if in_sight { Pressure::Low } else { Pressure::High }
    }
}

fn told<App>(
    act: impl FnOnce(&mut Registry<App>, &mut App, Result<(), Stale>) + 'static,
    result: Result<(), Stale>,
) -> Task<App> {
    Box::new(move |registry, app| {
        registry.run_callback(None, Callback::Task, |registry| act(registry, app, result));
    })
}

impl Stream {
    pub(super) fn pressure(&self) -> Pressure {
        if self.outbox.len() > self.limits.outbox_high { Pressure::High } else { Pressure::Low }
    }

    /// Remembers that somebody wants to know when the outbox has fallen.
    fn watch(&mut self) {
        if self.pending.mark == Mark::Low {
            self.pending.mark = Mark::Watched;
        }
    }

    fn has_fallen(&self) -> bool {
        self.outbox.len() <= self.limits.outbox_low
    }
}
