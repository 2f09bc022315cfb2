//! Streams: open, flush, read, and everything that has to happen around a callback.

use std::any::Any;
use std::ops::ControlFlow;

use crate::id::Key;
use crate::ledger::{SMALL, Scratch};
use crate::offload::panic_message;
use crate::registry::{Order, Outcome, Protocol, Registry, SentFile, Timed, Transport};
use crate::slots::Found;
use crate::source::{Connection, Source};
use crate::stream::{Flushed, Intake, Received, Step, Stream};
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, Input, TimerKey};

impl<App> Registry<App> {
    /// Does for a connection what there is to do now: an event came, or it stood on the ready list.
    ///
    /// A connection in full swing, with nothing queued and nothing asked of it, takes the short way:
    /// one read, one callback, one write.
    #[inline(always)]
    pub(super) fn handle_stream<const TRACED: bool>(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) {
        if connection.stream.is_flowing() {
            if let Step::Break(reason) = self.read_once::<TRACED>(key, connection, app, scratch) {
                return self.retire_stream(key, &mut connection.stream, reason);
            }
            if connection.stream.is_drained() {
                return;
            }
        } else if connection.stream.is_closed() {
            // It ended earlier in this batch of events.
            self.ledger.stats.stale_events += 1;
            self.ledger.trace(|| What::StaleEvent);
            return;
        }
        self.handle_stream_thoroughly(key, connection, app, scratch);
    }

    #[cold]
    pub(super) fn handle_stream_thoroughly(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) {
        let step = self.drive(key, connection, app, scratch);
        self.finish(key, &mut connection.stream, step);
    }

    fn drive(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) -> Step {
        if !self.begin(key, connection, app)? {
            return Step::Continue(());
        }
        if connection.stream.can_flush() {
            self.flush_stream(key, connection, app)?;
        }
        if connection.stream.take_offer() {
            self.offer(key, connection, app)?;
        }
        self.read(key, connection, app, scratch)
    }

    /// Ends a connection whose step broke, and arms its guard if its deadlines have changed.
    #[inline]
    pub(crate) fn finish(&mut self, key: Key, stream: &mut Stream, step: Step) {
        if let ControlFlow::Break(reason) = step {
            return self.retire_stream(key, stream, reason);
        }
        if stream.take_guard_note() {
            self.arm_guard(key, stream);
        }
        // Where only `WouldBlock` re-arms the poller, a short write must be followed by another.
        if stream.can_flush() {
            stream.make_ready(key, &mut self.ledger);
        }
    }

    // ── opening ─────────────────────────────────────────────────────────────────────────────

    /// Takes a connection that is not open to where it is; `false` if there is nothing to do yet.
    fn begin(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step<bool> {
        let stream = &mut connection.stream;
        if stream.is_closed() {
            return Step::Continue(false);
        }
        if stream.is_connecting() {
            if !stream.finish_connecting(&self.ledger)? {
                return Step::Continue(false);
            }
            stream.settle(&self.ledger)?;
        }
        if connection.stream.is_opening() {
            let after = connection.stream.open();
            self.announce(key, connection, app)?;
            connection.stream.opened(after, &self.ledger);
            connection.stream.settle(&self.ledger)?;
        }
        Step::Continue(true)
    }

    /// Calls `on_open`, of a new connection or of a protocol that has taken over.
    fn announce(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        self.call(key, connection, app, Callback::Open, |protocol, transport, app| {
            protocol.on_open(transport, app);
        })
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Reads until the socket is empty, somebody holds it, or the budget is used up: then what is
    /// left waits for the next turn, and no event would remind us of it.
    fn read(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) -> Step {
        // Counted in reads, not in bytes: a system call costs as much as what it brings.
        for _ in 0..self.ledger.reads_a_turn {
            match connection.stream.intake() {
                Some(Intake::Deliver) => self.read_once::<true>(key, connection, app, scratch)?,
                Some(Intake::Discard) => self.discard_once(connection, scratch)?,
                None => return Step::Continue(()),
            }
        }
        if connection.stream.intake().is_some() {
            connection.stream.make_ready(key, &mut self.ledger);
        }
        Step::Continue(())
    }

    /// One read, for the protocol.
    #[inline(always)]
    fn read_once<const TRACED: bool>(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) -> Step {
        match connection.stream.receive::<TRACED>(scratch, &mut self.ledger)? {
            Received::Bytes(length) => {
                self.deliver::<TRACED>(key, connection, app, &scratch[..length])
            }
            // The end comes last: whoever took over, or was resumed, is first offered what is left.
            Received::End if connection.stream.take_offer() => self.offer(key, connection, app),
            Received::End => self.handle_end(key, connection, app),
            Received::Nothing => Step::Continue(()),
        }
    }

    /// One read, to have it out of the way: the connection is closing.
    fn discard_once(&mut self, connection: &mut Connection<App>, scratch: &mut Scratch) -> Step {
        if let Received::End = connection.stream.receive::<true>(scratch, &mut self.ledger)? {
            connection.stream.peer_ended(&self.ledger)?;
        }
        connection.stream.settle(&self.ledger)
    }

    /// Offers fresh bytes to the protocol, behind what it has left before.
    #[inline(always)]
    fn deliver<const TRACED: bool>(
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
        self.call_as::<TRACED>(key, connection, app, Callback::Data, |protocol, transport, app| {
            let mut input = Input::new(fresh);
            protocol.on_data(transport, &mut input, app);
            if !input.is_empty() {
                transport.keep(&input);
            }
        })
    }

    /// Offers what is in the inbox.
    fn offer(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        let bytes = connection.stream.inbox.take();
        let mut input = Input::new(&bytes);
        let step = self.call(key, connection, app, Callback::Data, |protocol, transport, app| {
            protocol.on_data(transport, &mut input, app);
        });
        let left = input.len();
        connection.stream.inbox.give_back(bytes, left);
        step?;
        connection.stream.check_inbox()
    }

    #[cold]
    fn handle_end(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        if !connection.stream.peer_ended(&self.ledger)? {
            return connection.stream.settle(&self.ledger);
        }
        self.call(key, connection, app, Callback::End, |protocol, transport, app| {
            protocol.on_end(transport, app);
        })
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Flushes a connection that others have written to, or that was told to close.
    #[inline]
    pub(crate) fn handle_touched(&mut self, key: Key, app: &mut App) {
        let Found::Here(Source::Stream(connection)) = self.slots.find(key) else {
            return;
        };
        self.ledger.trace_visit(ConnectionId(key), || What::Touched);
        let stream = &mut connection.stream;
        stream.untouch();
        // Nobody is called here, so it need not leave its slot.
        match stream.flush_message(&mut self.ledger) {
            Step::Continue(true) => {}
            Step::Continue(false) => self.flush_thoroughly(key, app),
            Step::Break(reason) => self.retire_stream_by_key(key, reason),
        }
    }

    #[inline(never)]
    fn flush_thoroughly(&mut self, key: Key, app: &mut App) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        let Source::Stream(mut connection) = source else {
            return self.slots.put(key, source);
        };
        if !connection.stream.is_closed() {
            let step = self.flush_stream(key, &mut connection, app);
            if connection.stream.intake().is_some() {
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
            if !connection.stream.can_be_called() {
                continue;
            }
            let sent = SentFile {
                requested: piece.sent + piece.remaining,
                sent: piece.sent,
                file: piece.file,
            };
            self.call(key, connection, app, Callback::FileSent, |protocol, transport, app| {
                protocol.on_file_sent(transport, sent, app);
            })?;
        }
        if connection.stream.can_flush() {
            connection.stream.make_ready(key, &mut self.ledger);
        }
        if connection.stream.take_drained(&self.ledger) {
            connection.stream.make_ready(key, &mut self.ledger);
            if connection.stream.can_write() {
                self.call(key, connection, app, Callback::Drain, |protocol, transport, app| {
                    protocol.on_drain(transport, app);
                })?;
            }
        }
        connection.stream.settle(&self.ledger)
    }

    // ── calling ─────────────────────────────────────────────────────────────────────────────

    /// Calls the protocol, then does what the call has brought about: sends what it wrote, obeys
    /// what it was told by its id, hands over to its successor.
    #[inline(always)]
    pub(super) fn call(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut dyn Protocol<App>, &mut Transport<'_, App>, &mut App),
    ) -> Step {
        self.call_as::<true>(key, connection, app, callback, call)
    }

    /// As [`Self::call`], where it is known whether there is a trace. Without one it is the short way,
    /// which only a connection takes that is open.
    #[inline(always)]
    fn call_as<const TRACED: bool>(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut dyn Protocol<App>, &mut Transport<'_, App>, &mut App),
    ) -> Step {
        if TRACED {
            self.ledger.trace_visit(ConnectionId(key), || What::Called(callback));
        }
        let Connection { stream, protocol } = connection;
        debug_assert!(TRACED || stream.is_open(), "it is_flowing");
        if TRACED && !stream.is_open() {
            self.ledger.attention = true;
            if !stream.can_write() {
                self.ledger.seal();
            }
        }
        let mut transport = Transport::new(ConnectionId(key), stream, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        if let Err(panic) = result {
            return self.cut_off_panicked(callback, panic);
        }
        if TRACED {
            self.ledger.trace(|| What::Returned(callback));
        }
        if self.ledger.attention {
            return self.attend(key, connection, app);
        }
        self.ledger.cork_limit = SMALL;
        connection.stream.uncork_as::<TRACED>(&mut self.ledger)
    }

    /// The callback has done more than write, or the connection is in another state than open.
    #[cold]
    fn attend(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        let successor = match self.outcome.take() {
            Some(Outcome::Ended(reason)) => return self.cut(reason),
            Some(Outcome::Replaced(protocol)) => Some(protocol),
            None => None,
        };
        // Taken first: what this connection was told must not be left to the next if a write fails.
        let orders = std::mem::take(&mut self.orders);
        self.ledger.unseal();
        connection.stream.uncork(&mut self.ledger)?;
        for order in orders {
            self.obey(key, connection, order);
        }
        if let Some(protocol) = successor
            && !connection.stream.is_closed()
        {
            let predecessor = std::mem::replace(&mut connection.protocol, protocol);
            // Dropping it is a user's code as well, and may panic.
            self.run_task(|_| drop(predecessor));
            if !connection.stream.can_be_called() {
                return connection.stream.settle(&self.ledger);
            }
            connection.stream.offer_again();
            connection.stream.make_ready(key, &mut self.ledger);
            return self.announce(key, connection, app);
        }
        connection.stream.check_inbox()?;
        connection.stream.settle(&self.ledger)?;
        if connection.stream.take_guard_note() {
            self.arm_guard(key, &mut connection.stream);
        }
        Step::Continue(())
    }

    #[cold]
    #[inline(never)]
    fn cut_off_panicked(&mut self, callback: Callback, panic: Box<dyn Any + Send>) -> Step {
        self.ledger.stats.panics += 1;
        self.ledger.trace(|| What::Panicked(callback));
        self.cut(Box::new(CloseReason::Panicked(panic_message(&*panic))))
    }

    /// The callback has ended its connection: what it wrote, decided and was told is void.
    #[cold]
    fn cut(&mut self, reason: Box<CloseReason>) -> Step {
        self.ledger.cork.clear();
        self.ledger.unseal();
        self.orders.clear();
        self.outcome = None;
        Step::Break(reason)
    }

    /// Calls one callback of a connection that is in its slot, if it is open and not closing.
    pub(super) fn call_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut dyn Protocol<App>, &mut Transport<'_, App>, &mut App),
    ) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        let Source::Stream(mut connection) = source else {
            return self.slots.put(key, source);
        };
        if connection.stream.can_be_called() {
            let step = self.call(key, &mut connection, app, callback, call);
            // It may have been closed, and what was not read so far has to be out of the way.
            if connection.stream.intake().is_some() {
                connection.stream.make_ready(key, &mut self.ledger);
            }
            self.finish(key, &mut connection.stream, step);
        }
        self.slots.put(key, Source::Stream(connection));
    }

    /// A timer of a connection has come due.
    pub(super) fn handle_stream_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_by_key(key, app, Callback::Timer, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
        });
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// Notes that a connection has ended: it is told, and removed, at the end of the turn.
    #[cold]
    pub(crate) fn retire_stream(
        &mut self,
        key: Key,
        stream: &mut Stream,
        reason: Box<CloseReason>,
    ) {
        if stream.retire() {
            self.ledger.retired.push_back((key, reason));
        }
    }

    /// As [`Self::retire_stream`], for a connection in its slot.
    pub(crate) fn retire_stream_by_key(&mut self, key: Key, reason: Box<CloseReason>) {
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
                guard.timer = Some(self.wheel.insert(tick, || Timed::Guard { stream: key }));
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
            self.ledger.trace_visit(ConnectionId(key), || What::DeadlinesChecked);
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
