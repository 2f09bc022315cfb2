//! What a connection is sent from outside its own callbacks, by its id.
//!
//! ```text
//!                    ┌─ goes_first ──▶ send_at_once ──▶ kernel
//!   send ──────┐     │                      │ what it did not take
//!              ├──▶ deliver                 ▼
//!   broadcast ─┘     └─ admit ─────▶ enqueue ──▶ outbox ──▶ flushed at the end of the turn
//! ```

use std::io;

use bytes::Bytes;

use super::{Step, Stream};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::outbox::{Broadcast, FilePiece, Outbox, Spares};
use crate::trace::{About, What};
use crate::{CloseReason, ConnectionId};

/// What is sent: bytes for one connection, or a [`Share`] of a message to many.
pub(crate) trait Parcel {
    fn bytes(&self) -> &[u8];
    /// Joins what is queued.
    fn enter(self, outbox: &mut Outbox, spares: &mut Spares);
}

impl Parcel for Bytes {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline(always)]
    fn enter(self, outbox: &mut Outbox, spares: &mut Spares) {
        outbox.push(self, spares);
    }
}

/// A message that others are sent too, its bytes at hand for all of them.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    message: &'a Broadcast,
    bytes: &'a [u8],
}

impl<'a> Share<'a> {
    pub(crate) fn of(message: &'a Broadcast) -> Self {
        Self { message, bytes: message.bytes() }
    }
}

impl Parcel for Share<'_> {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.bytes
    }

    #[inline(always)]
    fn enter(self, outbox: &mut Outbox, spares: &mut Spares) {
        outbox.share(self.message, spares);
    }
}

/// Why something was not taken.
pub(crate) enum Refusal {
    /// The connection has ended.
    Stale,
    /// It sends no more.
    Closing,
    /// There was no room, and it ends.
    Full,
}

impl Stream {
    /// Sends a parcel, `AT_ONCE` if nothing speaks against it. It comes back if the connection does not
    /// take it.
    #[inline(always)]
    pub(crate) fn deliver<const AT_ONCE: bool, P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<(), (Refusal, P)> {
        if AT_ONCE && self.goes_first(ledger) {
            self.send_at_once(key, parcel, ledger)
        } else {
            self.enqueue(key, parcel, ledger)
        }
    }

    // ── at once ─────────────────────────────────────────────────────────────────────────────

    /// Whether a parcel may go straight to the kernel: nothing waits in front of it, and it is the
    /// first of this turn. From here on it was.
    #[inline(always)]
    fn goes_first(&mut self, ledger: &Ledger) -> bool {
        // Once in 65,536 turns an old mark is taken for one of this turn's: then the parcel is queued.
        let turn = ledger.stats.turns as u16;
        if !self.is_at_ease() || !self.outbox.is_empty() || self.sent_in == turn {
            return false;
        }
        self.sent_in = turn;
        true
    }

    /// Whether it is open, and may be written to without anything else to be thought of.
    #[inline(always)]
    fn is_at_ease(&self) -> bool {
        self.is_open() && !self.notes.ask_for_work() && self.is_writable()
    }

    /// Nearly always the kernel takes all of it, and there is nothing to queue.
    #[inline(always)]
    fn send_at_once<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<(), (Refusal, P)> {
        let bytes = parcel.bytes();
        if self.is_watched(ledger) {
            let result = self.socket.write::<true>(bytes);
            return self.sent_at_once(key, parcel, result, ledger);
        }
        match self.socket.write::<false>(bytes) {
            Ok(sent) if sent == bytes.len() => {
                self.note_written(sent, ledger);
                Ok(())
            }
            result => self.sent_at_once(key, parcel, result, ledger),
        }
    }

    /// Notes what a write at once has brought about, and queues what is left.
    #[cold]
    #[inline(never)]
    fn sent_at_once<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        result: io::Result<usize>,
        ledger: &mut Ledger,
    ) -> Result<(), (Refusal, P)> {
        let wanted = parcel.bytes().len();
        let whose = About::Other(ConnectionId(key).into());
        let sent = match self.written(result, wanted, whose, ledger) {
            Step::Continue(sent) if sent == wanted => return Ok(()),
            Step::Continue(sent) => sent,
            Step::Break(reason) => {
                self.give_up(key, reason, ledger);
                return Err((Refusal::Stale, parcel));
            }
        };
        parcel.enter(&mut self.outbox, &mut ledger.spares);
        self.outbox.advance(sent, &mut ledger.spares);
        // The parcel is under way: if there is no room for the rest of it, only the connection ends.
        if let Step::Break(reason) = self.queued(0, whose, ledger) {
            self.give_up(key, reason, ledger);
        }
        self.touch(key, ledger);
        Ok(())
    }

    // ── queued ──────────────────────────────────────────────────────────────────────────────

    /// Queues a parcel, to be flushed at the end of the turn. If there is no room for it, the
    /// connection ends.
    #[inline]
    fn enqueue<P: Parcel>(
        &mut self,
        key: Key,
        parcel: P,
        ledger: &mut Ledger,
    ) -> Result<(), (Refusal, P)> {
        let length = parcel.bytes().len();
        if let Err(refusal) = self.admit(key, length, ledger) {
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
        Ok(())
    }

    /// Looks whether so many bytes may be queued.
    #[inline]
    fn admit(&mut self, key: Key, length: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
        if !self.is_open() && !self.can_write() {
            return Err(if self.is_closed() { Refusal::Stale } else { Refusal::Closing });
        }
        let charge = Outbox::charge_of(length);
        if self.outbox.charge() + charge > self.limits.outbox {
            return Err(self.refuse(key, CloseReason::OutboxFull, ledger));
        }
        if ledger.queued + charge > ledger.limits.outboxes {
            return Err(self.refuse(key, CloseReason::LoopOutboxFull, ledger));
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, key: Key, reason: CloseReason, ledger: &mut Ledger) -> Refusal {
        self.give_up(key, Box::new(reason), ledger);
        Refusal::Full
    }

    /// It has ended, as others find out: its protocol is told at the end of the turn.
    #[cold]
    fn give_up(&mut self, key: Key, reason: Box<CloseReason>, ledger: &mut Ledger) {
        if self.retire() {
            ledger.retired.push_back((key, reason));
        }
    }

    /// Queues a part of a file.
    pub(crate) fn enqueue_file(
        &mut self,
        id: ConnectionId,
        file: FilePiece,
        ledger: &mut Ledger,
    ) -> Step {
        ledger.trace_of(id, || What::Queued { bytes: file.remaining as usize });
        let before = self.outbox.charge();
        self.outbox.push_file(file, &mut ledger.spares);
        self.queued(before, About::Other(id.into()), ledger)
    }

    /// Sends what was queued for an open connection, if it is one message and all there is to do: what
    /// a broadcast that was gathered comes to. Whether it was; if not, what is left is to be flushed as
    /// ever.
    #[inline]
    pub(crate) fn flush_message(&mut self, ledger: &mut Ledger) -> Step<bool> {
        if !self.is_at_ease() || self.is_watched(ledger) {
            return Step::Continue(false);
        }
        let Some(message) = self.outbox.message() else {
            return Step::Continue(false);
        };
        let wanted = message.len();
        match self.socket.write::<false>(message) {
            Ok(sent) if sent == wanted => {
                self.note_written(sent, ledger);
                ledger.queued -= self.outbox.finish_message(&mut ledger.spares);
                Step::Continue(true)
            }
            result => self.flushed(result, wanted, ledger).map_continue(|_| false),
        }
    }
}
