//! Streams: open, flush, read, and everything that has to happen around a callback.

use std::ops::ControlFlow;

use crate::id::Key;
use crate::registry::{Order, Protocol, Registry, SentFile, Timed, Transport};
use crate::source::{Connection, Source};
use crate::stream::{Flushed, Received, Step, Stream};
use crate::{CloseReason, ConnectionId, Input, TimerKey};

/// What a read is charged against the budget at the least: its system call costs as much.
const LEAST_CHARGE: usize = 1024;

impl<App> Registry<App> {
    /// Does for a connection what there is to do now: an event came, or it stood on the ready list.
    #[inline]
    pub(super) fn handle_stream(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut [u8],
    ) {
        let step = self.drive(key, connection, app, scratch);
        self.finish(key, &mut connection.stream, step);
    }

    fn drive(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut [u8],
    ) -> Step {
        if !connection.stream.is_listening() && !self.begin(key, connection, app)? {
            return Step::Continue(());
        }
        if connection.stream.can_flush() {
            self.flush_stream(key, connection, app)?;
        }
        while connection.stream.take_offer() {
            self.offer(key, connection, app)?;
        }
        self.read(key, connection, app, scratch)
    }

    /// Ends a connection whose step broke, and arms its guard if its deadlines have changed.
    #[inline]
    pub(crate) fn finish(&mut self, key: Key, stream: &mut Stream, step: Step) {
        if let ControlFlow::Break(reason) = step {
            self.retire_stream(key, stream, reason);
        } else if stream.take_guard_note() {
            self.arm_guard(key, stream);
        }
    }

    // ── opening ─────────────────────────────────────────────────────────────────────────────

    /// Takes a connection that is not open to where it is; `false` if there is nothing to do yet.
    #[cold]
    fn begin(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step<bool> {
        let stream = &mut connection.stream;
        if stream.is_closed() {
            return Step::Continue(false);
        }
        if stream.is_connecting() && !stream.finish_connecting(&self.ledger)? {
            return Step::Continue(false);
        }
        if connection.stream.is_opening() {
            let after = connection.stream.open();
            self.announce(key, connection, app)?;
            connection.stream.opened(after, &self.ledger);
            connection.stream.settle()?;
        }
        Step::Continue(true)
    }

    /// Calls `on_open`, of a new connection or of a protocol that has taken over.
    fn announce(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        self.call(key, connection, app, |protocol, transport, app| {
            protocol.on_open(transport, app);
        })
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Reads until the socket is empty, somebody holds it, or the budget is used up.
    #[inline]
    fn read(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut [u8],
    ) -> Step {
        let mut budget = self.ledger.limits.read_budget;
        while connection.stream.can_receive() {
            if budget == 0 {
                connection.stream.make_ready(key, &mut self.ledger);
                break;
            }
            match connection.stream.receive(scratch, &mut self.ledger)? {
                Received::Bytes(length) => {
                    budget = budget.saturating_sub(length.max(LEAST_CHARGE));
                    if connection.stream.is_listening() {
                        self.deliver(key, connection, app, &scratch[..length])?;
                    }
                }
                Received::End => self.handle_end(key, connection, app)?,
                Received::Nothing => budget = budget.saturating_sub(LEAST_CHARGE),
            }
        }
        Step::Continue(())
    }

    /// Offers fresh bytes to the protocol, behind what it has left before.
    #[inline]
    fn deliver(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        fresh: &[u8],
    ) -> Step {
        if !connection.stream.inbox.is_empty() {
            connection.stream.inbox.append(fresh);
            return self.offer(key, connection, app);
        }
        let mut input = Input::new(fresh);
        let step = self.call(key, connection, app, |protocol, transport, app| {
            protocol.on_data(transport, &mut input, app);
        });
        if !input.is_empty() {
            connection.stream.inbox.keep(&input);
        }
        step
    }

    /// Offers what is in the inbox.
    fn offer(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        let bytes = connection.stream.inbox.take();
        let mut input = Input::new(&bytes);
        let step = self.call(key, connection, app, |protocol, transport, app| {
            protocol.on_data(transport, &mut input, app);
        });
        let left = input.len();
        connection.stream.inbox.give_back(bytes, left);
        step
    }

    fn handle_end(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        if !connection.stream.peer_ended()? {
            return connection.stream.settle();
        }
        self.call(key, connection, app, |protocol, transport, app| {
            protocol.on_end(transport, app);
        })
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Flushes a connection that others have written to, or that was told to close.
    pub(crate) fn handle_touched(&mut self, key: Key, app: &mut App) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        let Source::Stream(mut connection) = source else {
            return self.slots.put(key, source);
        };
        connection.stream.untouch();
        if !connection.stream.is_closed() {
            let step = self.flush_stream(key, &mut connection, app);
            if connection.stream.can_receive() {
                connection.stream.make_ready(key, &mut self.ledger);
            }
            self.finish(key, &mut connection.stream, step);
        }
        self.slots.put(key, Source::Stream(connection));
    }

    /// Sends what is queued, and tells the protocol what has left.
    fn flush_stream(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        let mut budget = self.ledger.limits.write_budget;
        while let Flushed::File(piece) = connection.stream.flush(&mut budget, &mut self.ledger)? {
            let sent = SentFile {
                requested: piece.sent + piece.remaining,
                sent: piece.sent,
                file: piece.file,
            };
            self.call(key, connection, app, |protocol, transport, app| {
                protocol.on_file_sent(transport, sent, app);
            })?;
        }
        if connection.stream.can_flush() {
            connection.stream.make_ready(key, &mut self.ledger);
        }
        if connection.stream.take_drained() {
            connection.stream.make_ready(key, &mut self.ledger);
            if connection.stream.can_write() {
                self.call(key, connection, app, |protocol, transport, app| {
                    protocol.on_drain(transport, app);
                })?;
            }
        }
        connection.stream.settle()
    }

    // ── calling ─────────────────────────────────────────────────────────────────────────────

    /// Calls the protocol, then does what the call has brought about: sends what it wrote, obeys
    /// what it was told by its id, hands over to its successor.
    #[inline]
    pub(super) fn call(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        call: impl FnOnce(&mut dyn Protocol<App>, &mut Transport<'_, App>, &mut App),
    ) -> Step {
        let Connection { stream, protocol } = connection;
        self.ledger.sealed = false;
        let mut transport = Transport::new(ConnectionId(key), stream, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        let (replacement, ended) = transport.into_outcome();
        if result.is_err() || ended.is_some() || replacement.is_some() || !self.orders.is_empty() {
            self.handle_outcome(key, connection, app, result, replacement, ended)?;
        }
        connection.stream.uncork(&mut self.ledger)?;
        connection.stream.settle()
    }

    #[cold]
    fn handle_outcome(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        result: Result<(), String>,
        replacement: Option<Box<dyn Protocol<App>>>,
        ended: Option<CloseReason>,
    ) -> Step {
        if let Err(message) = result {
            self.ledger.stats.panics += 1;
            return self.cut(CloseReason::Panicked(message));
        }
        if let Some(reason) = ended {
            return self.cut(reason);
        }
        connection.stream.uncork(&mut self.ledger)?;
        for order in std::mem::take(&mut self.orders) {
            self.obey(key, connection, &order);
        }
        if let Some(protocol) = replacement
            && !connection.stream.is_closed()
        {
            connection.protocol = protocol;
            connection.stream.offer_again();
            connection.stream.make_ready(key, &mut self.ledger);
            return self.announce(key, connection, app);
        }
        Step::Continue(())
    }

    /// The callback has ended its connection: what it wrote and was told is void.
    fn cut(&mut self, reason: CloseReason) -> Step {
        self.ledger.cork.clear();
        self.orders.clear();
        Step::Break(reason)
    }

    /// Calls one callback of a connection that is in its slot, if it is open.
    pub(super) fn call_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        call: impl FnOnce(&mut dyn Protocol<App>, &mut Transport<'_, App>, &mut App),
    ) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        let Source::Stream(mut connection) = source else {
            return self.slots.put(key, source);
        };
        if !connection.stream.is_closed() {
            let step = self.call(key, &mut connection, app, call);
            self.finish(key, &mut connection.stream, step);
        }
        self.slots.put(key, Source::Stream(connection));
    }

    /// A timer of a connection has come due.
    pub(super) fn handle_stream_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_by_key(key, app, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
        });
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// Notes that a connection has ended: it is told, and removed, at the end of the turn.
    #[cold]
    pub(crate) fn retire_stream(&mut self, key: Key, stream: &mut Stream, reason: CloseReason) {
        if stream.retire() {
            self.ledger.retired.push_back((key, reason));
        }
    }

    /// As [`Self::retire_stream`], for a connection in its slot.
    pub(crate) fn retire_stream_by_key(&mut self, key: Key, reason: CloseReason) {
        if let Some(Source::Stream(mut connection)) = self.slots.take(key) {
            self.retire_stream(key, &mut connection.stream, reason);
            self.slots.put(key, Source::Stream(connection));
        }
    }

    // ── deadlines ───────────────────────────────────────────────────────────────────────────

    /// Sets the guard's timer to the next moment at which a deadline could have passed.
    pub(super) fn arm_guard(&mut self, key: Key, stream: &mut Stream) {
        let next = match stream.check_deadlines(self.ledger.clock.tick()) {
            ControlFlow::Break(reason) => return self.retire_stream(key, stream, reason),
            ControlFlow::Continue(next) => next,
        };
        let Some(guard) = &mut stream.guard else {
            return;
        };
        match (guard.timer, next) {
            (Some(timer), Some(tick)) => drop(self.wheel.rearm(timer, tick)),
            // Beyond the timers' limit: a deadline is what keeps a loop from filling up.
            (None, Some(tick)) => {
                guard.timer = Some(self.wheel.insert(tick, Timed::Guard { stream: key }));
            }
            (timer, None) => {
                timer.map(|timer| self.wheel.cancel(timer));
                stream.guard = None;
            }
        }
    }

    /// The guard's timer has fired.
    pub(super) fn handle_guard(&mut self, key: Key) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        if let Source::Stream(mut connection) = source {
            if !connection.stream.is_closed() {
                self.arm_guard(key, &mut connection.stream);
            }
            self.slots.put(key, Source::Stream(connection));
        } else {
            self.slots.put(key, source);
        }
    }
}

impl Order {
    /// Whether it ends a datagram socket, which knows no other order.
    pub(super) fn is_close(&self) -> bool {
        matches!(self, Self::Close | Self::Abort)
    }
}
