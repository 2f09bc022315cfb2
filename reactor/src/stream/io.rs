//! The socket of a stream, and what is known of it: the one way in, and the one way out.

use std::fs::File;
use std::io::{self, IoSlice};

use super::guard::Guard;
use super::{Step, ended};
use crate::CloseReason;
use crate::ledger::{Ledger, SCRATCH, Scratch};
use crate::net::{Readiness, SHORT_READ_DRAINS, StreamSocket};
use crate::trace::{About, What};

pub(super) struct Io {
    pub(super) socket: StreamSocket,
    pub(super) readiness: Readiness,
    /// Its deadlines, if it has any: they want to know when something moves.
    pub(super) guard: Option<Box<Guard>>,
}

/// What a read has brought.
pub(crate) enum Received {
    Bytes(usize),
    /// The peer's FIN.
    End,
    /// Nothing for now.
    Nothing,
}

impl Io {
    pub(super) fn is_readable(&self) -> bool {
        self.readiness.contains(Readiness::READ)
    }

    /// Whether the kernel may take something. While it is connecting the readiness is not believed.
    pub(super) fn is_writable(&self) -> bool {
        self.readiness.contains(Readiness::WRITE)
    }

    pub(super) fn not_readable(&mut self) {
        self.readiness = self.readiness.without(Readiness::READ);
    }

    pub(super) fn not_writable(&mut self) {
        self.readiness = self.readiness.without(Readiness::WRITE);
    }

    // ── in ──────────────────────────────────────────────────────────────────────────────────

    /// One read. Edge-triggered pollers report no data twice, so what the call says about there
    /// being more is remembered.
    #[inline(always)]
    pub(super) fn receive(&mut self, buffer: &mut Scratch, ledger: &mut Ledger) -> Step<Received> {
        ledger.stats.reads += 1;
        let length = match self.socket.read(buffer) {
            Ok(length) if length > 0 => length,
            result => return self.received_nothing(result, ledger),
        };
        ledger.trace(|| What::Read { bytes: length });
        if length < SCRATCH && SHORT_READ_DRAINS && !self.readiness.contains(Readiness::END) {
            self.not_readable();
        }
        ledger.stats.read_bytes += length as u64;
        if self.guard.is_some() {
            self.note_read(length, ledger);
        }
        Step::Continue(Received::Bytes(length))
    }

    #[cold]
    fn note_read(&mut self, length: usize, ledger: &Ledger) {
        if let Some(guard) = &mut self.guard {
            guard.note_read(length, ledger.clock.tick());
        }
    }

    #[cold]
    fn received_nothing(&mut self, result: io::Result<usize>, ledger: &Ledger) -> Step<Received> {
        let Err(error) = result else {
            ledger.trace(|| What::ReadEnd);
            return Step::Continue(Received::End);
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                ledger.trace(|| What::ReadBlocked);
                self.not_readable();
                Step::Continue(Received::Nothing)
            }
            // Still ready; the caller's budget bounds how often this is tried.
            io::ErrorKind::Interrupted => Step::Continue(Received::Nothing),
            kind => {
                ledger.trace(|| What::ReadFailed(kind));
                ended(CloseReason::from_io(error))
            }
        }
    }

    // ── out ─────────────────────────────────────────────────────────────────────────────────

    /// One write. Nearly always the kernel takes all of it; what else it says is for
    /// [`Self::transmitted`].
    #[inline(always)]
    pub(super) fn transmit(
        &mut self,
        bytes: &[u8],
        whose: About,
        ledger: &mut Ledger,
    ) -> Result<(), io::Result<usize>> {
        match self.socket.write(bytes) {
            Ok(sent) if sent == bytes.len() => {
                self.note_sent(sent, sent, whose, ledger);
                Ok(())
            }
            result => Err(result),
        }
    }

    /// What a write has brought about that did not take all: how many bytes it took.
    #[cold]
    pub(super) fn transmitted(
        &mut self,
        result: io::Result<usize>,
        wanted: usize,
        whose: About,
        ledger: &mut Ledger,
    ) -> Step<usize> {
        let sent = match result {
            Ok(sent) => sent,
            Err(error) => return self.transmit_failed(error, wanted, whose, ledger),
        };
        // A short write has filled the socket; where that is not promised, the next write finds out.
        if sent < wanted && SHORT_READ_DRAINS {
            self.not_writable();
        }
        self.note_sent(sent, wanted, whose, ledger);
        Step::Continue(sent)
    }

    /// As [`Self::transmit`], several pieces.
    pub(super) fn transmit_vectored(
        &mut self,
        slices: &[IoSlice<'_>],
        ledger: &mut Ledger,
    ) -> Step<usize> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let result = self.socket.write_vectored(slices);
        self.transmitted(result, wanted, About::Visited, ledger)
    }

    /// As [`Self::transmit`], a part of a file: how many bytes of it, of which there are none at its
    /// end; `None` for nothing now. A short count may be the end of one of the file's pages, so it does not
    /// mean that the kernel takes no more.
    pub(super) fn transmit_file(
        &mut self,
        file: &File,
        offset: u64,
        count: usize,
        ledger: &mut Ledger,
    ) -> Step<Option<usize>> {
        match self.socket.send_file(file, offset, count) {
            Err(error) if is_files_error(&error) => ended(CloseReason::FileFailed(error)),
            Err(error) => {
                self.transmit_failed(error, count, About::Visited, ledger).map_continue(|_| None)
            }
            result => self.transmitted(result, 0, About::Visited, ledger).map_continue(Some),
        }
    }

    #[inline(always)]
    fn note_sent(&mut self, sent: usize, wanted: usize, whose: About, ledger: &mut Ledger) {
        ledger.trace_about(whose, || What::Wrote { wanted, taken: sent });
        ledger.stats.writes += 1;
        ledger.stats.written_bytes += sent as u64;
        if self.guard.is_some() {
            self.note_moved(sent, ledger);
        }
    }

    #[cold]
    fn note_moved(&mut self, length: usize, ledger: &Ledger) {
        if let Some(guard) = &mut self.guard {
            guard.note_moved(length, ledger.clock.tick());
        }
    }

    fn transmit_failed(
        &mut self,
        error: io::Error,
        wanted: usize,
        whose: About,
        ledger: &Ledger,
    ) -> Step<usize> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                ledger.trace_about(whose, || What::WriteBlocked { wanted });
                self.not_writable();
                Step::Continue(0)
            }
            io::ErrorKind::Interrupted => Step::Continue(0),
            kind => {
                ledger.trace_about(whose, || What::WriteFailed(kind));
                ended(CloseReason::from_io(error))
            }
        }
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
