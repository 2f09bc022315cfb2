//! A visit to one connection: opens, flushes and reads it, as far as there is something to do.
//!
//! ```text
//!   event ───────▶ handle_readiness ──┬── is_flowing ──▶ receive ──▶ call ──▶ uncork
//!                                     ├── on the ready list: later in this turn
//!                                     └── else ──────┐
//!   ready list ───────────────────────▶ handle ◀─────┘
//!                                         │
//!                     open ──▶ flush ──▶ offer ──▶ read ──▶ finish: ended? deadlines? more to do?
//!
//!   call ──▶ protocol ──┬── has written ─────────────────▶ uncork_straight ──▶ kernel
//!                       ├── has done more (attention) ───▶ attend: uncork, apply, hand over, settle
//!                       └── has panicked, or aborted ────▶ cut: the connection ends
//! ```

use std::any::Any;
use std::io;
use std::ops::ControlFlow;

use super::{Drained, Flushed, Intake, Outcome, Received, Step, Stream, Transport, ended};
use crate::id::Key;
use crate::ledger::Scratch;
use crate::net::Readiness;
use crate::offload::panic_message;
use crate::registry::{Protocol, Registry, SentFile};
use crate::slots::Found;
use crate::source::{Connection, Source};
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, Input};

/// A connection that is being visited, out of its slot, with all that its methods need.
pub(crate) struct Visit<'a, App> {
    /// Of its slot.
    index: usize,
    pub(super) connection: &'a mut Connection<App>,
    pub(super) registry: &'a mut Registry<App>,
    pub(super) app: &'a mut App,
}

impl<App> Registry<App> {
    /// Visits a connection that is in its slot, if it has not ended.
    pub(crate) fn visit(&mut self, key: Key, app: &mut App, act: impl FnOnce(&mut Visit<'_, App>)) {
        let Some(mut source) = self.slots.take(key) else {
            return;
        };
        if let Source::Stream(connection) = &mut *source
            && !connection.stream.is_closed()
        {
            act(&mut Visit::new(key.index(), connection, self, app));
        }
        self.slots.put(key.index(), source);
    }

    /// Flushes a connection that others have written to, or that was told to close.
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
            Step::Continue(false) => self.visit(key, app, |visit| {
                visit.flush_and_finish();
            }),
            Step::Break(reason) => stream.retire(key, reason, &mut self.ledger),
        }
    }
}

impl<'a, App> Visit<'a, App> {
    pub(crate) fn new(
        index: usize,
        connection: &'a mut Connection<App>,
        registry: &'a mut Registry<App>,
        app: &'a mut App,
    ) -> Self {
        Self { index, connection, registry, app }
    }

    // Held instead, it takes a register of each message for what few ask.
    pub(super) fn key(&self) -> Key {
        self.registry.slots.key_at(self.index)
    }

    /// Handles an event.
    ///
    /// A connection in full swing, with nothing queued or left, and nothing asked of it, takes the short way:
    /// one read, one callback, one write.
    pub(crate) fn handle_readiness(&mut self, readiness: Readiness, scratch: &mut Scratch) {
        self.registry.ledger.trace_visit(ConnectionId(self.key()), || What::event(readiness));
        let stream = &mut self.connection.stream;
        stream.note_readiness(readiness);
        if !stream.is_flowing() {
            return self.lend().handle_otherwise(scratch);
        }
        let step = match stream.io.receive(scratch, &mut self.registry.ledger) {
            Ok(length) => self.deliver_fresh(&scratch[..length]),
            Err(result) => return self.lend().handle_unread(result, scratch),
        };
        if let Step::Break(reason) = step {
            self.retire(reason);
        }
    }

    /// Handles an event of a connection that is not in full swing.
    #[cold]
    fn handle_otherwise(&mut self, scratch: &mut Scratch) {
        let stream = &mut self.connection.stream;
        if stream.is_closed() {
            // It ended earlier in this batch of events.
            self.registry.ledger.stats.stale_events += 1;
            return self.registry.ledger.trace(|| What::StaleEvent);
        }
        // Before anybody else sends something by its id.
        stream.note_layer();
        // On the ready list its visit comes at the end of this turn, and finds what the event says. One that takes
        // more than its share would have two visits a turn, and others wait for both. (One that is connecting may
        // only have failed, and is not to be written to before that is known.)
        if !stream.is_ready() || stream.is_connecting() || stream.is_opening() {
            self.handle(scratch);
        }
    }

    /// The same visit, for what is seldom done: whoever takes it has it in memory, and the way of a message has
    /// not, which is 8 instructions.
    fn lend(&mut self) -> Visit<'_, App> {
        Visit::new(self.index, self.connection, self.registry, self.app)
    }

    /// Does everything that there is to do.
    #[cold]
    pub(crate) fn handle(&mut self, scratch: &mut Scratch) {
        let step = self.drive(scratch);
        self.finish(step);
    }

    fn drive(&mut self, scratch: &mut Scratch) -> Step {
        self.connection.stream.note_layer();
        if !self.open(scratch)? || !self.secure(scratch)? {
            return Step::Continue(());
        }
        if self.connection.stream.can_flush() {
            self.flush()?;
        }
        if self.connection.stream.take_offer() {
            self.offer()?;
        }
        self.read(scratch)
    }

    /// Ends a connection whose step broke, and arms its guard if its deadlines have changed.
    pub(super) fn finish(&mut self, step: Step) {
        if let ControlFlow::Break(reason) = step {
            return self.retire(reason);
        }
        if self.connection.stream.has_guard_note() {
            self.arm_guard();
        }
        // Where only `WouldBlock` re-arms the poller, a short write must be followed by another.
        if self.connection.stream.can_flush() {
            self.come_again();
        }
    }

    /// Has it visited in the next turn, without an event.
    pub(super) fn come_again(&mut self) {
        let key = self.key();
        self.connection.stream.make_ready(key, &mut self.registry.ledger);
    }

    /// Ends the connection: it is told, and removed, at the end of the turn.
    pub(crate) fn retire(&mut self, reason: Box<CloseReason>) {
        let key = self.key();
        self.connection.stream.retire(key, reason, &mut self.registry.ledger);
    }

    // ── opening ─────────────────────────────────────────────────────────────────────────────

    /// Opens a connection that is not open yet; `false` if that has to wait.
    fn open(&mut self, scratch: &mut Scratch) -> Step<bool> {
        let (stream, ledger) = (&mut self.connection.stream, &self.registry.ledger);
        if stream.is_closed() {
            return Step::Continue(false);
        }
        if stream.is_connecting() {
            if !stream.finish_connecting(ledger)? {
                return Step::Continue(false);
            }
            stream.note_layer();
            stream.settle(ledger)?;
        }
        if stream.is_opening() {
            if !self.shake_hands(scratch)? {
                return Step::Continue(false);
            }
            let (key, after) = (self.key(), self.connection.stream.open());
            let Registry { after_close, ledger, .. } = &mut *self.registry;
            if let Some(waiting) = after_close.get_mut(&key) {
                waiting.opened = Some(ledger.clock.now());
            }
            self.announce()?;
            self.connection.stream.opened(after);
            self.settle()?;
        }
        Step::Continue(true)
    }

    /// Calls `on_open`, of a new connection or of a protocol that has taken over.
    pub(super) fn announce(&mut self) -> Step {
        self.call(Callback::Open, |protocol, transport, app| {
            protocol.on_open(transport, app);
        })
    }

    pub(super) fn settle(&mut self) -> Step {
        self.connection.stream.settle(&self.registry.ledger)
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Reads until the socket is empty, reading is held, or the budget is used up: then what is
    /// left waits for the next turn, and no event would remind us of it.
    fn read(&mut self, scratch: &mut Scratch) -> Step {
        // Counted in reads, not in bytes: a system call costs as much as what it brings.
        for _ in 0..self.registry.ledger.reads_a_turn {
            match self.connection.stream.intake() {
                Some(Intake::Deliver) if self.connection.stream.is_coupled() => {
                    self.forward_once(scratch)?;
                }
                Some(Intake::Deliver) => {
                    let stream = &mut self.connection.stream;
                    let received = stream.receive_any(scratch, &mut self.registry.ledger)?;
                    self.handle_received(received, scratch)?;
                }
                Some(Intake::Discard) => self.discard_once(scratch)?,
                None => return Step::Continue(()),
            }
        }
        if self.connection.stream.intake().is_some() {
            self.come_again();
        }
        Step::Continue(())
    }

    /// Handles what a read says that has not emptied the socket, and goes on.
    fn handle_unread(&mut self, result: io::Result<usize>, scratch: &mut Scratch) {
        let step = self.drive_from(result, scratch);
        self.finish(step);
    }

    fn drive_from(&mut self, result: io::Result<usize>, scratch: &mut Scratch) -> Step {
        let stream = &mut self.connection.stream;
        let received = stream.io.received(result, &mut self.registry.ledger)?;
        self.handle_received(received, scratch)?;
        self.drive(scratch)
    }

    /// Handles what a read has brought.
    pub(super) fn handle_received(&mut self, received: Received, scratch: &Scratch) -> Step {
        match received {
            Received::Bytes(length) => self.deliver(&scratch[..length]),
            // The end comes last: a protocol that took over, or was resumed, is first offered what is left. The next
            // read says it again.
            Received::End if self.connection.stream.take_offer() => self.lend().offer(),
            Received::End => self.lend().end(),
            Received::Truncated => ended(CloseReason::Truncated),
            Received::Nothing => Step::Continue(()),
        }
    }

    /// Reads once and throws the bytes away: the connection is closing.
    fn discard_once(&mut self, scratch: &mut Scratch) -> Step {
        let stream = &mut self.connection.stream;
        let received = stream.receive_any(scratch, &mut self.registry.ledger)?;
        // This side has said goodbye, so how the peer ends does not matter.
        if matches!(received, Received::End | Received::Truncated) {
            stream.peer_ended()?;
        }
        self.settle()
    }

    /// Offers fresh bytes to the protocol, behind what it has left before.
    fn deliver(&mut self, fresh: &[u8]) -> Step {
        if self.connection.stream.io.has_unread() {
            self.connection.stream.io.keep(fresh);
            return self.offer();
        }
        self.prepare_call();
        self.deliver_fresh(fresh)
    }

    /// As [`Self::deliver`], where nothing is left, and nothing has to be prepared.
    #[inline(always)]
    fn deliver_fresh(&mut self, fresh: &[u8]) -> Step {
        self.call_prepared(Callback::Data, |protocol, transport, app| {
            let mut input = Input::new(fresh);
            protocol.on_data(transport, &mut input, app);
            if !input.is_empty() {
                transport.keep(&input);
            }
        })
    }

    /// Offers what is in the inbox.
    fn offer(&mut self) -> Step {
        let bytes = self.connection.stream.io.take_unread();
        let mut input = Input::new(&bytes);
        let step = self.call(Callback::Data, |protocol, transport, app| {
            protocol.on_data(transport, &mut input, app);
        });
        let left = input.len();
        self.connection.stream.io.give_back(bytes, left);
        step?;
        self.connection.stream.check_inbox()
    }

    /// Handles the peer's FIN.
    fn end(&mut self) -> Step {
        if !self.connection.stream.peer_ended()? {
            return self.settle();
        }
        self.call(Callback::End, |protocol, transport, app| {
            protocol.on_end(transport, app);
        })
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    fn flush_and_finish(&mut self) {
        let step = self.flush();
        if self.connection.stream.intake().is_some() {
            self.come_again();
        }
        self.finish(step);
    }

    /// Sends what is queued, and tells the protocol what has left.
    fn flush(&mut self) -> Step {
        let mut budget = self.registry.ledger.limits.write_budget;
        while let Flushed::File(piece) =
            self.connection.stream.flush(&mut budget, &mut self.registry.ledger)?
        {
            if !self.connection.stream.can_be_called() {
                continue;
            }
            let sent = SentFile {
                requested: piece.sent + piece.remaining,
                sent: piece.sent,
                file: piece.file,
            };
            self.call(Callback::FileSent, |protocol, transport, app| {
                protocol.on_file_sent(transport, sent, app);
            })?;
        }
        if self.connection.stream.can_flush() {
            self.come_again();
        }
        if let Some(drained) = self.connection.stream.take_low(&self.registry.ledger) {
            self.come_again();
            self.registry.tell_waiting(self.key(), Ok(()));
            if drained == Drained::Owed && self.connection.stream.can_write() {
                self.call(Callback::Drain, |protocol, transport, app| {
                    protocol.on_drain(transport, app);
                })?;
            }
        }
        if let Some(partner) = self.connection.stream.take_held_partner() {
            self.registry.release_partner(partner);
        }
        self.settle()
    }
}

impl<App> Visit<'_, App> {
    /// Calls the protocol, then does what the call has brought about: sends what it wrote, applies
    /// what it was told by its id, hands over to its successor.
    pub(super) fn call(
        &mut self,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) -> Step {
        self.prepare_call();
        self.call_prepared(callback, call)
    }

    /// Notes that a callback of this connection has to be followed by more than a write.
    fn prepare_call(&mut self) {
        let stream = &self.connection.stream;
        if !stream.is_plain() {
            self.registry.ledger.attention = true;
            if !stream.can_write() {
                self.registry.cork.close();
            }
        }
    }

    #[inline(always)]
    fn call_prepared(
        &mut self,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) -> Step {
        let (index, id) = (self.index, ConnectionId(self.key()));
        self.registry.ledger.trace_visit(id, || What::Called(callback));
        let Connection { stream, protocol } = &mut *self.connection;
        let mut transport = Transport::new(index, stream, self.registry);
        let result = Registry::<App>::guarded(|| call(&mut **protocol, &mut transport, self.app));
        if let Err(panic) = result {
            return self.lend().cut_off_panicked(callback, panic);
        }
        self.registry.ledger.trace(|| What::Returned(callback));
        if self.registry.ledger.attention {
            return self.lend().attend();
        }
        let Registry { cork, ledger, .. } = &mut *self.registry;
        cork.reset();
        self.connection.stream.uncork_straight(cork, ledger)
    }

    /// Deals with a callback that has done more than write, or whose connection is not plain.
    #[cold]
    fn attend(&mut self) -> Step {
        let successor = match self.registry.outcome.take() {
            Some(Outcome::Ended(reason)) => return self.cut(reason),
            Some(Outcome::Replaced(protocol)) => Some(protocol),
            None => None,
        };
        // Taken first: what this connection was told must not be left to the next if a write fails.
        let orders = std::mem::take(&mut self.registry.orders);
        let Registry { cork, ledger, .. } = &mut *self.registry;
        cork.reset();
        let step = self.connection.stream.uncork(cork, ledger);
        cork.shrink();
        ledger.attention = false;
        if step.is_break() {
            successor.into_iter().for_each(|protocol| self.discard(protocol));
            return step;
        }
        let key = self.key();
        for order in orders {
            self.connection.stream.apply(key, order, &mut self.registry.ledger);
        }
        match successor {
            Some(protocol) if self.connection.stream.is_closed() => self.discard(protocol),
            Some(protocol) => return self.succeed(protocol),
            None => {}
        }
        self.connection.stream.check_inbox()?;
        self.settle()?;
        if self.connection.stream.has_guard_note() {
            self.arm_guard();
        }
        Step::Continue(())
    }

    /// Lets another protocol take over: it hears that the connection is open, and is offered what is left.
    fn succeed(&mut self, protocol: Box<dyn Protocol<App>>) -> Step {
        let predecessor = std::mem::replace(&mut self.connection.protocol, protocol);
        self.discard(predecessor);
        // Also of one that the predecessor has closed: the end has a deadline, which that visit sets.
        self.come_again();
        if !self.connection.stream.can_be_called() {
            return self.settle();
        }
        self.connection.stream.offer_again();
        // Its predecessor may have been told of the shutdown, and is gone.
        self.registry.tell_anew(self.key());
        self.announce()
    }

    /// Drops a protocol: that is a user's code as well, and may panic.
    fn discard(&mut self, protocol: Box<dyn Protocol<App>>) {
        self.registry.run_task(|_| drop(protocol));
    }

    fn cut_off_panicked(&mut self, callback: Callback, panic: Box<dyn Any + Send>) -> Step {
        self.registry.ledger.stats.panics += 1;
        self.registry.ledger.trace(|| What::Panicked(callback));
        self.cut(Box::new(CloseReason::Panicked(panic_message(&*panic))))
    }

    /// Drops what a callback wrote, decided and was told, since it has ended its connection.
    fn cut(&mut self, reason: Box<CloseReason>) -> Step {
        self.registry.cork.clear();
        self.registry.cork.shrink();
        self.registry.cork.reset();
        self.registry.ledger.attention = false;
        self.registry.orders.clear();
        if let Some(Outcome::Replaced(successor)) = self.registry.outcome.take() {
            self.discard(successor);
        }
        Step::Break(reason)
    }
}

impl Stream {
    /// Whether it is open, there is something to read, and nothing else to do.
    fn is_flowing(&self) -> bool {
        self.io.is_flowing() && self.pending.is_quiet() && self.outbox.is_empty()
    }
}
