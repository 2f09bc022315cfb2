//! Writing: the cork, the outbox, files, and what the kernel takes of them.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use super::notes::Notes;
use super::{Step, Stream, ended};
use crate::CloseReason;
use crate::ledger::{CORK, Ledger, SMALL};
use crate::net::{Readiness, SHORT_READ_DRAINS};
use crate::outbox::{FilePiece, Front, MAX_SLICES};
use crate::trace::{About, What};

/// Bytes of a file that are worth a call, however little of a budget is left.
const FILE_LEAST: usize = 64 * 1024;
/// Shared bytes up to this size are cheaper to copy to the cork than to send on their own.
const COPY_UP_TO: usize = 4 * 1024;

/// How far a flush has come.
pub(crate) enum Flushed {
    /// To the end, or to where the kernel takes no more.
    Done,
    /// To the end of a file, whose sender wants to know.
    File(FilePiece),
}

enum FileStep {
    Sent(usize),
    /// The file, and how much of it left in this step.
    Finished(FilePiece, usize),
}

impl Stream {
    /// A write of the running protocol: small ones collect in the cork, large ones go straight out.
    ///
    /// A first write of middling size goes straight out too, since copying it costs more than most
    /// callbacks save by waiting: they write once. What follows it in the same callback is gathered.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Step {
        if ledger.cork.len() + bytes.len() <= ledger.cork_limit {
            ledger.cork.extend_from_slice(bytes);
            return Step::Continue(());
        }
        self.write_through(bytes, ledger)
    }

    /// A write that is too large to be gathered without a thought. Nearly always it is the first of its
    /// callback, nothing waits in front of it, and the kernel takes it whole.
    #[inline(never)]
    fn write_through(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Step {
        // The limit is another for who may not write, and for who has written much already.
        let is_first = ledger.cork_limit == SMALL && ledger.cork.is_empty();
        if !is_first || !self.can_write_now() || self.is_watched(ledger) {
            return self.write_further(bytes, is_first, ledger);
        }
        ledger.cork_limit = CORK;
        match self.socket.write::<false>(bytes) {
            Ok(sent) if sent == bytes.len() => {
                self.note_written(sent, ledger);
                Step::Continue(())
            }
            result => self.written_partly(bytes, result, ledger),
        }
    }

    /// Whether there is a trace, or a simulation: then what is done goes the general way, so that the
    /// short one need not ask at each step.
    #[inline(always)]
    pub(super) fn is_watched(&self, ledger: &Ledger) -> bool {
        ledger.is_traced() || self.socket.is_simulated()
    }

    /// Out of line, so that what goes through whole does not pay for it: twelve instructions a write.
    #[cold]
    #[inline(never)]
    fn written_partly(
        &mut self,
        bytes: &[u8],
        result: io::Result<usize>,
        ledger: &mut Ledger,
    ) -> Step {
        let sent = self.written(result, bytes.len(), About::Visited, ledger)?;
        self.queue_rest(bytes, sent, ledger)
    }

    #[inline(never)]
    fn write_further(&mut self, bytes: &[u8], is_first: bool, ledger: &mut Ledger) -> Step {
        if ledger.is_sealed() || !self.can_write() {
            ledger.stats.discarded_bytes += bytes.len() as u64;
            return Step::Continue(());
        }
        ledger.cork_limit = CORK;
        if !is_first && ledger.cork.len() + bytes.len() <= CORK {
            ledger.cork.extend_from_slice(bytes);
            return Step::Continue(());
        }
        let sent = self.write_behind_cork(bytes, ledger)?;
        self.queue_rest(bytes, sent, ledger)
    }

    /// Queues what the kernel has not taken of a write.
    fn queue_rest(&mut self, bytes: &[u8], sent: usize, ledger: &mut Ledger) -> Step {
        if sent == bytes.len() {
            return Step::Continue(());
        }
        let before = self.outbox.charge();
        self.outbox.push_copy(&bytes[sent..], &mut ledger.spares);
        self.queued(before, About::Visited, ledger)
    }

    /// As [`Self::write`], for bytes that are shared and need not be copied.
    pub(crate) fn send(&mut self, mut bytes: Bytes, ledger: &mut Ledger) -> Step {
        if bytes.len() <= COPY_UP_TO || ledger.is_sealed() || !self.can_write() {
            return self.write(&bytes, ledger);
        }
        let sent = self.write_behind_cork(&bytes, ledger)?;
        bytes.advance(sent);
        let before = self.outbox.charge();
        self.outbox.push(bytes, &mut ledger.spares);
        self.queued(before, About::Visited, ledger)
    }

    /// Sends the cork and `more` in one write, as far as the kernel takes them. What is left of the
    /// cork is queued; how much of `more` has left is returned.
    fn write_behind_cork(&mut self, more: &[u8], ledger: &mut Ledger) -> Step<usize> {
        let corked = ledger.cork.len();
        if corked == 0 && self.can_write_now() {
            let result = self.socket.write::<true>(more);
            return self.written(result, more.len(), About::Visited, ledger);
        }
        if !self.can_write_now() {
            self.queue_cork(0, ledger)?;
            return Step::Continue(0);
        }
        let slices = [IoSlice::new(&ledger.cork), IoSlice::new(more)];
        let result = self.socket.write_vectored(&slices);
        let sent = self.written(result, corked + more.len(), About::Visited, ledger)?;
        self.queue_cork(sent.min(corked), ledger)?;
        Step::Continue(sent.saturating_sub(corked))
    }

    /// Sends what the cork has gathered: nearly always into an empty queue, and whole.
    #[inline(always)]
    pub(crate) fn uncork(&mut self, ledger: &mut Ledger) -> Step {
        self.uncork_as::<true>(ledger)
    }

    /// As [`Self::uncork`], where it is known whether there is a trace.
    #[inline(always)]
    pub(crate) fn uncork_as<const TRACED: bool>(&mut self, ledger: &mut Ledger) -> Step {
        let corked = ledger.cork.len();
        if corked == 0 {
            return Step::Continue(());
        }
        if !self.can_write_now() {
            return self.queue_cork(0, ledger);
        }
        match self.socket.write::<TRACED>(&ledger.cork) {
            Ok(sent) if sent == corked => {
                if TRACED {
                    ledger.trace(|| What::Wrote { wanted: corked, taken: sent });
                }
                self.note_written(sent, ledger);
                ledger.cork.clear();
                Step::Continue(())
            }
            result => {
                let sent = self.written(result, corked, About::Visited, ledger)?;
                self.queue_cork(sent, ledger)
            }
        }
    }

    /// Queues what the kernel has not taken of the cork, which is empty then.
    #[cold]
    fn queue_cork(&mut self, sent: usize, ledger: &mut Ledger) -> Step {
        let before = self.outbox.charge();
        self.outbox.push_copy(&ledger.cork[sent..], &mut ledger.spares);
        ledger.cork.clear();
        // A message to itself by way of the registry may have made it larger than it should be.
        ledger.cork.shrink_to(CORK);
        self.queued(before, About::Visited, ledger)
    }

    /// Whether bytes may go straight to the kernel: nothing waits in front of them.
    #[inline]
    fn can_write_now(&self) -> bool {
        self.outbox.is_empty() && self.is_writable()
    }

    /// Whether the kernel may take something. While it is connecting the readiness is not believed.
    #[inline]
    pub(super) fn is_writable(&self) -> bool {
        self.readiness.contains(Readiness::WRITE)
    }

    /// Notes what a write has brought about.
    pub(super) fn written(
        &mut self,
        result: io::Result<usize>,
        wanted: usize,
        whose: About,
        ledger: &mut Ledger,
    ) -> Step<usize> {
        let sent = match result {
            Ok(sent) => sent,
            Err(error) => return self.write_failed(error, wanted, whose, ledger),
        };
        ledger.trace_about(whose, || What::Wrote { wanted, taken: sent });
        // A short write has filled the socket; where that is not promised, the next write finds out.
        if sent < wanted && SHORT_READ_DRAINS {
            self.readiness = self.readiness.without(Readiness::WRITE);
        }
        self.note_written(sent, ledger);
        Step::Continue(sent)
    }

    #[inline(always)]
    pub(super) fn note_written(&mut self, sent: usize, ledger: &mut Ledger) {
        ledger.stats.writes += 1;
        ledger.stats.written_bytes += sent as u64;
        if self.guard.is_some() {
            self.guard_written(sent, ledger);
        }
    }

    #[cold]
    fn write_failed(
        &mut self,
        error: io::Error,
        wanted: usize,
        whose: About,
        ledger: &mut Ledger,
    ) -> Step<usize> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                ledger.trace_about(whose, || What::WriteBlocked { wanted });
                self.readiness = self.readiness.without(Readiness::WRITE);
                Step::Continue(0)
            }
            io::ErrorKind::Interrupted => Step::Continue(0),
            kind => {
                ledger.trace_about(whose, || What::WriteFailed(kind));
                // What it has written must not reach whoever is called next.
                if matches!(whose, About::Visited) {
                    ledger.cork.clear();
                }
                ended(CloseReason::from_io(error))
            }
        }
    }

    /// Something may have been queued: keeps the accounts, the marks and the caps.
    pub(super) fn queued(&mut self, before: usize, whose: About, ledger: &mut Ledger) -> Step {
        let after = self.outbox.charge();
        if after == before {
            return Step::Continue(());
        }
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

    /// The outbox is above its high mark.
    #[cold]
    pub(super) fn note_high(&mut self, whose: About, ledger: &Ledger) {
        self.notes.set(Notes::OUTBOX_HIGH);
        if self.limits.outbox_holds_reading && !self.notes.has(Notes::HELD) {
            ledger.trace_about(whose, || What::Held);
            self.notes.set(Notes::HELD);
        }
    }

    /// Queues a part of a file behind everything written so far.
    pub(crate) fn send_file(&mut self, file: FilePiece, ledger: &mut Ledger) -> Step {
        self.uncork(ledger)?;
        let before = self.outbox.charge();
        self.outbox.push_file(file, &mut ledger.spares);
        self.queued(before, About::Visited, ledger)
    }

    /// Whether there is something queued that the kernel may take.
    #[inline]
    pub(crate) fn can_flush(&self) -> bool {
        !self.outbox.is_empty() && self.is_writable()
    }

    /// Sends what is queued, up to a budget, to the next file's end, or to where the kernel stops.
    pub(crate) fn flush(&mut self, budget: &mut usize, ledger: &mut Ledger) -> Step<Flushed> {
        while self.can_flush() && *budget > 0 {
            let sent = match self.outbox.front() {
                None => break,
                Some(Front::Bytes) => self.flush_bytes(ledger)?,
                Some(Front::File(_)) => match self.flush_file(*budget, ledger)? {
                    FileStep::Sent(sent) => sent,
                    FileStep::Finished(file, sent) => {
                        *budget = budget.saturating_sub(sent.max(1));
                        return Step::Continue(Flushed::File(file));
                    }
                },
            };
            *budget = budget.saturating_sub(sent.max(1));
        }
        Step::Continue(Flushed::Done)
    }

    /// One write: of the piece that is there, or a vectored one of several.
    fn flush_bytes(&mut self, ledger: &mut Ledger) -> Step<usize> {
        let (result, wanted) = match self.outbox.only() {
            Some(bytes) => (self.socket.write::<true>(bytes), bytes.len()),
            None => self.write_pieces(),
        };
        self.flushed(result, wanted, ledger)
    }

    /// Notes what a write from the outbox has brought about.
    pub(super) fn flushed(
        &mut self,
        result: io::Result<usize>,
        wanted: usize,
        ledger: &mut Ledger,
    ) -> Step<usize> {
        let sent = self.written(result, wanted, About::Visited, ledger)?;
        ledger.queued -= self.outbox.advance(sent, &mut ledger.spares);
        Step::Continue(sent)
    }

    /// Hands the kernel as many pieces as fit; how many bytes they are.
    #[inline(never)]
    fn write_pieces(&self) -> (io::Result<usize>, usize) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.outbox.slices(&mut slices);
        let slices = &slices[..count];
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let result = match slices {
            [one] => self.socket.write::<true>(one),
            several => self.socket.write_vectored(several),
        };
        (result, wanted)
    }

    /// One sendfile, of as much as the budget has left.
    fn flush_file(&mut self, budget: usize, ledger: &mut Ledger) -> Step<FileStep> {
        let Some(Front::File(piece)) = self.outbox.front() else {
            return Step::Continue(FileStep::Sent(0));
        };
        let count = piece.remaining.min(budget.max(FILE_LEAST) as u64) as usize;
        let result = if count == 0 {
            Ok(0)
        } else {
            self.socket.send_file(&piece.file, piece.offset, count)
        };
        let result = match result {
            // The file's own errors are not the connection's.
            Err(error) if is_files_error(&error) => {
                return ended(CloseReason::FileFailed(error));
            }
            result => result,
        };
        if let Ok(sent) = result {
            piece.offset += sent as u64;
            piece.remaining -= sent as u64;
            piece.sent += sent as u64;
        }
        // Sent whole, or shorter than it was said to be.
        if piece.remaining == 0 || matches!(result, Ok(0)) {
            let sent = self.written(result, 0, About::Visited, ledger)?;
            let before = self.outbox.charge();
            let finished = self.outbox.pop_file(&mut ledger.spares);
            ledger.recharge(before, self.outbox.charge());
            let step = finished.map(|file| FileStep::Finished(file, sent));
            return Step::Continue(step.unwrap_or(FileStep::Sent(sent)));
        }
        // A short count may also be the end of a page of the file: only `WouldBlock` ends a drain.
        self.written(result, 0, About::Visited, ledger).map_continue(FileStep::Sent)
    }

    /// Whether the outbox has fallen to its low mark after having been above the high one: reading
    /// goes on, if it was held, and `on_drain` is to be called.
    #[inline]
    pub(crate) fn take_drained(&mut self, ledger: &Ledger) -> bool {
        if !self.notes.has(Notes::OUTBOX_HIGH) || self.outbox.len() > self.limits.outbox_low {
            return false;
        }
        self.notes.take(Notes::OUTBOX_HIGH);
        if self.notes.take(Notes::HELD) {
            ledger.trace(|| What::Released);
            self.notes.set(Notes::OFFER);
        }
        true
    }
}

/// Whether sendfile failed because of the file rather than the connection.
fn is_files_error(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    !matches!(
        error.kind(),
        K::WouldBlock
            | K::Interrupted
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::BrokenPipe
            | K::NotConnected
            | K::TimedOut
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::NetworkDown
    )
}
