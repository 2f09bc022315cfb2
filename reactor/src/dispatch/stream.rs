//! Streams: open, flush and read, as far as there is something to do; and the end of one.

use std::ops::ControlFlow;

use crate::id::Key;
use crate::ledger::Scratch;
use crate::registry::{Registry, SentFile};
use crate::slots::Found;
use crate::source::{Connection, Source};
use crate::stream::{Flushed, Intake, Received, Step, Stream};
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, Input};

impl<App> Registry<App> {
    /// Does for a connection what there is to do now: an event came, or it stood on the ready list.
    ///
    /// A connection in full swing, with nothing queued and nothing asked of it, takes the short way:
    /// one read, one callback, one write.
    #[inline(always)]
    pub(super) fn handle_stream(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) {
        if connection.stream.is_flowing() {
            if let Step::Break(reason) = self.read_once(key, connection, app, scratch) {
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
    pub(super) fn announce(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
    ) -> Step {
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
                Some(Intake::Deliver) => self.read_once(key, connection, app, scratch)?,
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
    fn read_once(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) -> Step {
        match connection.stream.receive(scratch, &mut self.ledger)? {
            Received::Bytes(length) => self.deliver(key, connection, app, &scratch[..length]),
            // The end comes last: whoever took over, or was resumed, is first offered what is left.
            Received::End if connection.stream.take_offer() => self.offer(key, connection, app),
            Received::End => self.handle_end(key, connection, app),
            Received::Nothing => Step::Continue(()),
        }
    }

    /// One read, to have it out of the way: the connection is closing.
    fn discard_once(&mut self, connection: &mut Connection<App>, scratch: &mut Scratch) -> Step {
        if let Received::End = connection.stream.receive(scratch, &mut self.ledger)? {
            connection.stream.peer_ended(&self.ledger)?;
        }
        connection.stream.settle(&self.ledger)
    }

    /// Offers fresh bytes to the protocol, behind what it has left before.
    #[inline(always)]
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
        self.call(key, connection, app, Callback::Data, |protocol, transport, app| {
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

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// Notes that a connection has ended: it is told, and removed, at the end of the turn.
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
}
