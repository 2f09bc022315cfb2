//! Writing: what a protocol writes, and what others send to its connection by id.
//!
//! ```text
//!   write ────┬─ small ──▶ cork ── the callback returns ──┐
//!             └─ large ───────────────────────────────────┤
//!   deliver ──┬─ first of its turn ───────────────────────┼──▶ transmit ──▶ kernel
//!             └─ else ──▶ outbox ─────── flush ───────────┘        │
//!                           ▲                                      │
//!                           └───── what the kernel did not take ───┘
//! ```
//!
//! Whatever finds something in front of it, in the outbox or in the cork, goes behind it.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use super::pending::Mark;
use super::{Io, Step, Stream, ended};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::outbox::{Cork, FilePiece, Front, MAX_SLICES, Outbox, Parcel, Pressure, Spares};
use crate::trace::{About, What};
use crate::{CloseReason, ConnectionId, WhenFull};

/// The least of a file that is sent by one call, however little of the budget is left.
const FILE_LEAST: usize = 64 * 1024;

impl Stream {
    // ── what its protocol writes ────────────────────────────────────────────────────────────

    /// A write that has something in front of it, or a layer, or is not the first of its callback.
    pub(super) fn write_behind(
        &mut self,
        bytes: &[u8],
        cork: &mut Cork,
        ledger: &mut Ledger,
    ) -> Step {
        if cork.is_closed() || !self.can_write() {
            ledger.stats.discarded_bytes += bytes.len() as u64;
            return Step::Continue(());
        }
        let is_first = cork.is_fresh();
        cork.outgrow();
        if !is_first && cork.gather(bytes) {
            return Step::Continue(());
        }
        let sent = self.transmit_behind(cork.take(), bytes, ledger)?;
        self.queue_rest(bytes, sent, ledger)
    }

    /// Writes bytes that are shared and need not be copied.
    pub(super) fn send(&mut self, mut bytes: Bytes, cork: &mut Cork, ledger: &mut Ledger) -> Step {
        let sent = self.transmit_behind(cork.take(), &bytes, ledger)?;
        bytes.advance(sent);
        self.queue(About::Visited, ledger, |outbox, spares| outbox.push(bytes, spares))
    }

    /// Queues a part of a file behind everything written so far.
    pub(crate) fn send_file(
        &mut self,
        file: FilePiece,
        cork: &mut Cork,
        ledger: &mut Ledger,
    ) -> Step {
        self.uncork(cork, ledger)?;
        self.queue(About::Visited, ledger, |outbox, spares| outbox.push_file(file, spares))
    }

    /// Sends what the cork has gathered, or queues it.
    pub(crate) fn uncork(&mut self, cork: &mut Cork, ledger: &mut Ledger) -> Step {
        if !self.can_transmit() {
            return self.transmit_otherwise(cork.take(), &[], ledger).map_continue(|_| ());
        }
        self.uncork_straight(cork, ledger)
    }

    /// As [`Self::uncork`], with nothing in front of it, and no layer.
    #[inline(always)]
    pub(super) fn uncork_straight(&mut self, cork: &mut Cork, ledger: &mut Ledger) -> Step {
        if cork.len() == 0 {
            return Step::Continue(());
        }
        let corked = cork.take();
        match self.transmit(corked, ledger) {
            Ok(()) => Step::Continue(()),
            Err(result) => self.transmit_rest(corked, result, ledger),
        }
    }

    /// Sends bytes that have nothing in front of them; what a write says that does not take all is for
    /// [`Self::transmit_rest`].
    // Called, an echo takes 40 instructions more.
    #[inline(always)]
    pub(super) fn transmit(
        &mut self,
        bytes: &[u8],
        ledger: &mut Ledger,
    ) -> Result<(), io::Result<usize>> {
        self.io.transmit(bytes, About::Visited, ledger)?;
        if self.io.is_watched() {
            self.io.note_moved(bytes.len(), ledger);
        }
        Ok(())
    }

    /// Deals with what a write has said that did not take all: the rest is queued.
    #[cold]
    pub(super) fn transmit_rest(
        &mut self,
        bytes: &[u8],
        result: io::Result<usize>,
        ledger: &mut Ledger,
    ) -> Step {
        let sent = match self.io.transmitted(result, bytes.len(), About::Visited, ledger)? {
            0 => self.transmit_behind(&[], bytes, ledger)?,
            sent => sent,
        };
        self.queue_rest(bytes, sent, ledger)
    }

    /// Sends the corked bytes and `more` in one write, as far as the kernel takes them, if nothing waits in
    /// front of them. What is left of the corked ones is queued; how much of `more` has left is returned.
    fn transmit_behind(&mut self, corked: &[u8], more: &[u8], ledger: &mut Ledger) -> Step<usize> {
        if !self.can_transmit() || corked.is_empty() && more.is_empty() {
            return self.transmit_otherwise(corked, more, ledger);
        }
        if !corked.is_empty() {
            return self.transmit_with(corked, more, ledger);
        }
        self.repeat(|io| io.send(more, About::Visited, ledger))
    }

    /// As [`Self::transmit_behind`], through a layer if there is one that takes something.
    fn transmit_otherwise(
        &mut self,
        corked: &[u8],
        more: &[u8],
        ledger: &mut Ledger,
    ) -> Step<usize> {
        if corked.is_empty() && more.is_empty() {
            return Step::Continue(0);
        }
        if self.outbox.is_empty() && self.io.can_send() {
            return self.transmit_with(corked, more, ledger);
        }
        self.queue_rest(corked, 0, ledger)?;
        Step::Continue(0)
    }

    fn transmit_with(&mut self, corked: &[u8], more: &[u8], ledger: &mut Ledger) -> Step<usize> {
        let slices = [IoSlice::new(corked), IoSlice::new(more)];
        let sent = self.repeat(|io| io.transmit_vectored(&slices, ledger))?;
        self.queue_rest(corked, sent.min(corked.len()), ledger)?;
        Step::Continue(sent.saturating_sub(corked.len()))
    }

    /// Makes a write again that a signal has interrupted: no event would tell that it can be.
    fn repeat(&mut self, mut write: impl FnMut(&mut Io) -> Step<usize>) -> Step<usize> {
        loop {
            let sent = write(&mut self.io)?;
            if sent > 0 || !self.can_transmit() {
                return Step::Continue(sent);
            }
        }
    }

    /// Queues what the kernel has not taken; of nothing, nothing.
    fn queue_rest(&mut self, bytes: &[u8], sent: usize, ledger: &mut Ledger) -> Step {
        let rest = &bytes[sent..];
        if rest.is_empty() {
            return Step::Continue(());
        }
        self.queue(About::Visited, ledger, |outbox, spares| outbox.push_copy(rest, spares))
    }

    /// Whether bytes may go straight to the kernel: nothing waits in front of them, and no layer is between.
    pub(super) fn can_transmit(&self) -> bool {
        self.outbox.is_empty() && self.io.can_transmit()
    }

    /// Whether what its protocol writes may go straight to the kernel, and nothing else follows from a callback.
    pub(super) fn is_plain(&self) -> bool {
        self.io.is_straight() && self.outbox.is_empty()
    }

    // ── what others send it ─────────────────────────────────────────────────────────────────

    /// Sends a parcel at once if it may go first, and queues it otherwise.
    #[inline(always)]
    pub(crate) fn deliver<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<Pressure, (SendRefusal, P)> {
        if !self.io.is_unwatched() || !self.goes_first(ledger) {
            return self.deliver_otherwise(key, parcel, ledger);
        }
        self.transmit_parcel(key, parcel, ledger)
    }

    /// As [`Self::deliver`], where there are deadlines, or something else is in its way.
    #[cold]
    fn deliver_otherwise<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<Pressure, (SendRefusal, P)> {
        if !self.goes_first(ledger) {
            return self.enqueue(key, parcel, ledger);
        }
        let length = parcel.bytes().len();
        let pressure = self.transmit_parcel(key, parcel, ledger)?;
        // A part of it would have been noted.
        if self.outbox.is_empty() {
            self.io.note_moved(length, ledger);
        }
        Ok(pressure)
    }

    // Called, a delivery takes 11 instructions more.
    #[inline(always)]
    fn transmit_parcel<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<Pressure, (SendRefusal, P)> {
        match self.io.transmit(parcel.bytes(), About::Other(ConnectionId(key).into()), ledger) {
            Ok(()) => Ok(Pressure::Low),
            Err(result) => self.deliver_rest(key, parcel, result, ledger),
        }
    }

    /// Whether a parcel may go straight to the kernel: nothing waits in front of it, and it is the first of
    /// this turn. It counts as sent from here on.
    fn goes_first(&mut self, ledger: &Ledger) -> bool {
        // Once in 65,536 turns an old mark is taken for one of this turn's: then the parcel is queued.
        let turn = ledger.stats.turns as u16;
        if !self.is_at_ease() || !self.outbox.is_empty() || self.io.sent_in == turn {
            return false;
        }
        self.io.sent_in = turn;
        true
    }

    /// Whether it is open and writable, and has nothing else to do.
    pub(super) fn is_at_ease(&self) -> bool {
        self.io.is_straight() && self.pending.is_quiet()
    }

    /// As [`Self::transmit_rest`], a parcel: the rest is queued. It cannot be refused any more: unless the connection
    /// ends for want of room, the rest is queued beyond its cap.
    #[cold]
    fn deliver_rest<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        result: io::Result<usize>,
        ledger: &mut Ledger,
    ) -> Result<Pressure, (SendRefusal, P)> {
        let whose = About::Other(ConnectionId(key).into());
        let sent = match self.io.transmitted(result, parcel.bytes().len(), whose, ledger) {
            Step::Continue(sent) => sent,
            Step::Break(reason) => {
                self.retire(key, reason, ledger);
                return Err((SendRefusal::Stale, parcel));
            }
        };
        if sent == 0 {
            return self.enqueue(key, parcel, ledger);
        }
        if sent == parcel.bytes().len() {
            return Ok(Pressure::Low);
        }
        let queued =
            self.queue(About::Other(ConnectionId(key).into()), ledger, |outbox, spares| {
                parcel.enter(outbox, spares);
                outbox.advance(sent, spares);
            });
        if let Step::Break(reason) = queued
            && self.limits.when_full == WhenFull::Close
        {
            self.retire(key, reason, ledger);
        }
        self.touch(key, ledger);
        Ok(self.pressure())
    }

    /// Queues a parcel, to be flushed at the end of the turn. It comes back if the connection does not
    /// take it; if there is no room for it, the connection does what its limits say.
    pub(crate) fn enqueue<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<Pressure, (SendRefusal, P)> {
        let length = parcel.bytes().len();
        if let Err(refusal) = self.admit(key, Outbox::charge_of(length), ledger) {
            return Err((refusal, parcel));
        }
        ledger.trace_of(ConnectionId(key), || What::Queued { bytes: length });
        let is_high = self.outbox.len() + length > self.limits.outbox_high;
        parcel.enter(&mut self.outbox, &mut ledger.spares);
        ledger.queued += Outbox::charge_of(length);
        if is_high {
            self.note_high(About::Other(ConnectionId(key).into()), ledger);
        }
        self.touch(key, ledger);
        Ok(if is_high { Pressure::High } else { Pressure::Low })
    }

    /// Checks whether something of this charge may be queued.
    pub(super) fn admit(
        &mut self,
        key: Key,
        charge: usize,
        ledger: &mut Ledger,
    ) -> Result<(), SendRefusal> {
        if !self.can_write() {
            return Err(if self.is_closed() { SendRefusal::Stale } else { SendRefusal::Closing });
        }
        if self.lacks_room(charge, ledger).is_none() {
            return Ok(());
        }
        if let Step::Break(reason) = self.make_room(ledger) {
            self.retire(key, reason, ledger);
            return Err(SendRefusal::Stale);
        }
        let Some(reason) = self.lacks_room(charge, ledger) else {
            return Ok(());
        };
        if self.limits.when_full == WhenFull::Close {
            self.retire(key, Box::new(reason), ledger);
        }
        Err(SendRefusal::Full)
    }

    /// Which cap has no room for something of this charge.
    fn lacks_room(&self, charge: usize, ledger: &Ledger) -> Option<CloseReason> {
        if self.outbox.charge() + charge > self.limits.outbox {
            Some(CloseReason::OutboxFull)
        } else if ledger.queued + charge > ledger.limits.outboxes {
            Some(CloseReason::LoopOutboxFull)
        } else {
            None
        }
    }

    /// Sends what only waits for the end of the turn: much in one turn does not mean that the peer reads
    /// slowly.
    fn make_room(&mut self, ledger: &mut Ledger) -> Step {
        while self.can_flush() && matches!(self.outbox.front(), Some(Front::Bytes)) {
            if self.flush_bytes(ledger)? == 0 {
                break;
            }
        }
        Step::Continue(())
    }

    /// Queues a part of a file.
    pub(crate) fn enqueue_file(
        &mut self,
        id: ConnectionId,
        file: FilePiece,
        ledger: &mut Ledger,
    ) -> Step {
        ledger.trace_of(id, || What::Queued { bytes: file.remaining as usize });
        self.queue(About::Other(id.into()), ledger, |outbox, spares| outbox.push_file(file, spares))
    }

    // ── what has waited ─────────────────────────────────────────────────────────────────────

    /// Whether there is something queued that the kernel may take.
    pub(crate) fn can_flush(&self) -> bool {
        (!self.outbox.is_empty() || self.io.is_pending()) && self.io.can_send()
    }

    /// Sends what is queued, up to a budget, to the next file's end, or to where the kernel stops.
    pub(crate) fn flush(&mut self, budget: &mut usize, ledger: &mut Ledger) -> Step<Flushed> {
        while self.can_flush() && *budget > 0 {
            let (sent, finished) = match self.outbox.front() {
                // All of it, or what the kernel takes.
                None => {
                    self.io.push()?;
                    break;
                }
                Some(Front::Bytes) => (self.flush_bytes(ledger)?, None),
                Some(Front::Pipe(_)) => (self.flush_pipe(ledger)?, None),
                Some(Front::File(_)) => self.flush_file(*budget, ledger)?,
            };
            *budget = budget.saturating_sub(sent.max(1));
            if let Some(file) = finished {
                return Step::Continue(Flushed::File(file));
            }
        }
        Step::Continue(Flushed::Done)
    }

    /// Sends what was queued for an open connection, if it is one message and all there is to do: what
    /// a broadcast that was gathered comes to. Whether it was; if not, what is left is to be flushed as
    /// ever.
    pub(crate) fn flush_message(&mut self, ledger: &mut Ledger) -> Step<bool> {
        let message = self.outbox.message().filter(|_| self.is_at_ease());
        let Some(message) = message else {
            return Step::Continue(false);
        };
        let wanted = message.len();
        let sent = self.io.send(message, About::Visited, ledger)?;
        ledger.queued -= if sent == wanted {
            self.outbox.finish_message(&mut ledger.spares)
        } else {
            self.outbox.advance(sent, &mut ledger.spares)
        };
        Step::Continue(sent == wanted)
    }

    /// One write: of the piece that is there, or a vectored one of several.
    fn flush_bytes(&mut self, ledger: &mut Ledger) -> Step<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let sent = match self.outbox.only() {
            Some(bytes) => self.io.send(bytes, About::Visited, ledger)?,
            None => {
                let count = self.outbox.slices(&mut slices);
                self.io.transmit_vectored(&slices[..count], ledger)?
            }
        };
        ledger.queued -= self.outbox.advance(sent, &mut ledger.spares);
        Step::Continue(sent)
    }

    /// One sendfile, of as much as the budget has left: how many bytes have left, and the file if that was
    /// all of it, or all that there is.
    fn flush_file(
        &mut self,
        budget: usize,
        ledger: &mut Ledger,
    ) -> Step<(usize, Option<FilePiece>)> {
        let Some(Front::File(piece)) = self.outbox.front() else {
            return Step::Continue((0, None));
        };
        let count = piece.remaining.min(budget.max(FILE_LEAST) as u64) as usize;
        let sent = if count == 0 {
            0
        } else {
            match self.io.transmit_file(&piece.file, piece.offset, count, ledger)? {
                Some(sent) => sent,
                None => return Step::Continue((0, None)),
            }
        };
        piece.offset += sent as u64;
        piece.remaining -= sent as u64;
        piece.sent += sent as u64;
        if sent > 0 && piece.remaining > 0 {
            return Step::Continue((sent, None));
        }
        let before = self.outbox.charge();
        let finished = self.outbox.pop_file(&mut ledger.spares);
        ledger.recharge(before, self.outbox.charge());
        Step::Continue((sent, finished))
    }

    /// Whether the outbox has fallen to its low mark, where somebody wants to know: reading goes on, if it was
    /// held.
    pub(crate) fn take_low(&mut self, ledger: &Ledger) -> Option<Drained> {
        if self.pending.mark == Mark::Low || self.outbox.len() > self.limits.outbox_low {
            return None;
        }
        match std::mem::replace(&mut self.pending.mark, Mark::Low) {
            Mark::Low | Mark::Watched => Some(Drained::Watched),
            Mark::High => Some(Drained::Owed),
            Mark::Holding => {
                ledger.trace(|| What::Released);
                self.pending.offer_again();
                self.note_read_again(ledger);
                Some(Drained::Owed)
            }
        }
    }

    // ── the outbox ──────────────────────────────────────────────────────────────────────────

    /// Queues something, and keeps the accounts, the marks and the caps.
    pub(super) fn queue(
        &mut self,
        whose: About,
        ledger: &mut Ledger,
        push: impl FnOnce(&mut Outbox, &mut Spares),
    ) -> Step {
        let before = self.outbox.charge();
        push(&mut self.outbox, &mut ledger.spares);
        let after = self.outbox.charge();
        if after == before {
            return Step::Continue(());
        }
        // What its callback has yet to write goes behind it.
        ledger.attention |= matches!(whose, About::Visited);
        ledger.recharge(before, after);
        if self.outbox.len() > self.limits.outbox_high {
            self.note_high(whose, ledger);
        }
        if after > self.limits.outbox {
            return ended(CloseReason::OutboxFull);
        }
        if ledger.queued > ledger.limits.outboxes {
            return ended(CloseReason::LoopOutboxFull);
        }
        Step::Continue(())
    }

    /// Notes that the outbox is above its high mark.
    fn note_high(&mut self, whose: About, ledger: &Ledger) {
        if self.pending.mark == Mark::Holding {
            return;
        }
        self.pending.mark = Mark::High;
        if self.limits.outbox_holds_reading {
            ledger.trace_about(whose, || What::Held);
            self.pending.mark = Mark::Holding;
        }
    }
}

/// Why something was not taken.
pub(crate) enum SendRefusal {
    /// The connection has ended.
    Stale,
    /// It sends no more.
    Closing,
    /// There was no room; it ends, if its limits say so.
    Full,
}

/// Who is to hear that the outbox has fallen to its low mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Those who have asked.
    Watched,
    /// They, and its protocol: it has been above the high mark.
    Owed,
}

/// How far a flush has come.
pub(crate) enum Flushed {
    /// To the end, or to where the kernel takes no more.
    Done,
    /// To the end of a file, whose sender wants to know.
    File(FilePiece),
}
