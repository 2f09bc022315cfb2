//! Flushing: what stands in the outbox leaves, as far as the kernel takes it.

use std::io::IoSlice;

use super::pending::Mark;
use super::{Step, Stream};
use crate::ledger::Ledger;
use crate::outbox::{FilePiece, Front, MAX_SLICES};
use crate::trace::{About, What};

/// Bytes of a file that are worth a call, however little of a budget is left.
const FILE_LEAST: usize = 64 * 1024;

/// How far a flush has come.
pub(crate) enum Flushed {
    /// To the end, or to where the kernel takes no more.
    Done,
    /// To the end of a file, whose sender wants to know.
    File(FilePiece),
}

impl Stream {
    /// Whether there is something queued that the kernel may take.
    pub(crate) fn can_flush(&self) -> bool {
        (!self.outbox.is_empty() || self.io.is_pending()) && self.io.can_send()
    }

    /// Sends what is queued, up to a budget, to the next file's end, or to where the kernel stops.
    pub(crate) fn flush(&mut self, budget: &mut usize, ledger: &mut Ledger) -> Step<Flushed> {
        while self.can_flush() && *budget > 0 {
            let (sent, finished) = match self.outbox.front() {
                None if self.io.push()? => break,
                None => (0, None),
                Some(Front::Bytes) => (self.flush_bytes(ledger)?, None),
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
        match self.io.transmit(message, About::Visited, ledger) {
            Ok(()) => {
                ledger.queued -= self.outbox.finish_message(&mut ledger.spares);
                Step::Continue(true)
            }
            Err(result) => {
                let sent = self.io.transmitted(result, wanted, About::Visited, ledger)?;
                ledger.queued -= self.outbox.advance(sent, &mut ledger.spares);
                Step::Continue(false)
            }
        }
    }

    /// One write: of the piece that is there, or a vectored one of several.
    fn flush_bytes(&mut self, ledger: &mut Ledger) -> Step<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let sent = match self.outbox.only() {
            Some(bytes) => self.io.send(bytes, ledger)?,
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

    /// Whether the outbox has fallen to its low mark after having been above the high one: reading
    /// goes on, if it was held, and `on_drain` is to be called.
    pub(crate) fn take_drained(&mut self, ledger: &Ledger) -> bool {
        if self.pending.mark == Mark::Low || self.outbox.len() > self.limits.outbox_low {
            return false;
        }
        if std::mem::replace(&mut self.pending.mark, Mark::Low) == Mark::Holding {
            ledger.trace(|| What::Released);
            self.pending.offer_again();
        }
        true
    }
}
