//! The socket of a stream: the only code that reads from it and writes to it.

use std::fs::File;
use std::io::{self, IoSlice};

use super::Coupling;
use super::guard::{Deadlines, Guard};
use super::layer::{Layer, Layered};
use crate::CloseReason;
use crate::id::Key;
use crate::input::Inbox;
use crate::ledger::{Ledger, SCRATCH, Scratch};
use crate::net::{Pipe, Readiness, SHORT_READ_DRAINS, StreamSocket, cannot_splice};
use crate::reason::{Step, ended};
use crate::timer::Tick;
use crate::trace::{About, What};

pub(super) struct Io {
    pub(super) socket: StreamSocket,
    /// What is known of the socket. A layer knows by itself whether it may write.
    pub(super) readiness: Readiness,
    pub(super) origin: Origin,
    pub(super) deadlines: Deadlines,
    /// The turn in which a message from others last went straight to the kernel.
    pub(super) sent_in: u16,
    aside: Option<Box<Aside>>,
}

/// Where a stream comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It may be counted against its peer's address.
    Accepted {
        counted: bool,
    },
    Connecting,
    /// It is to be connected to a host by its name, and has no socket yet.
    Named,
    /// It is an attempt to connect such a one.
    Attempt,
    /// The socket may have duplicates, which would keep its registration alive.
    Adopted,
}

/// What few connections have, in a box of its own: the others pay eight bytes.
#[derive(Default)]
struct Aside {
    /// Its deadlines, which want to know when something moves.
    guard: Option<Guard>,
    layered: Option<Box<Layered>>,
    coupling: Option<Box<Coupling>>,
    /// The first of its timers in the wheel.
    timers: Option<Key>,
    inbox: Inbox,
}

impl Aside {
    fn is_empty(&self) -> bool {
        let Self { guard, layered, coupling, timers, inbox } = self;
        let is_held = layered.is_some() || coupling.is_some() || timers.is_some();
        guard.is_none() && !is_held && inbox.len() == 0
    }
}

/// What a read has brought.
pub(crate) enum Received {
    Bytes(usize),
    /// The peer's FIN, or what its layer says in its place.
    End,
    /// The peer's FIN where its layer should have said something before.
    Truncated,
    /// Nothing now.
    Nothing,
}

impl Io {
    pub(super) fn new(socket: StreamSocket, origin: Origin) -> Self {
        let readiness = match origin {
            // Nothing is known of it before it has connected.
            Origin::Connecting | Origin::Named | Origin::Attempt => Readiness::default(),
            Origin::Accepted { .. } | Origin::Adopted => Readiness::WRITE,
        };
        Self { socket, readiness, origin, deadlines: Deadlines::Armed, sent_in: 0, aside: None }
    }

    /// Puts a layer on the socket. No event tells what the layer still holds, so from here on it is the layer that
    /// says when there is nothing to read.
    pub(super) fn wrap(&mut self, layer: Box<dyn Layer>, before: Vec<u8>) {
        if !layer.is_open() {
            // One that has to be opened has secrets: what it sends tells nobody anything.
            self.socket.seal();
        }
        self.aside().layered = Some(Box::new(Layered::new(layer, before)));
        self.readiness = self.readiness.with(Readiness::READ).with(Readiness::LAYERED);
    }

    fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    /// Its layer, if it is of this kind.
    #[cfg(unix)]
    pub(super) fn layer_mut<L: Layer>(&mut self) -> Option<&mut L> {
        self.aside.as_mut()?.layered.as_mut()?.layer_mut()
    }

    /// Takes over what another has come to, but for what is in its inbox, which is returned. What is known of its
    /// socket is told again where that is registered, but that it is connected.
    pub(super) fn take_over(&mut self, other: Self) -> Vec<u8> {
        let own = Readiness::WATCHED.with(Readiness::OPEN).with(Readiness::UNREAD);
        let known = other.readiness.without(own);
        let (socket, layered, unread) = other.into_parts();
        self.socket = socket;
        if layered.is_some() {
            self.aside().layered = layered;
        } else if self.is_layered() {
            self.socket.seal();
        }
        self.readiness = self.readiness.with(known).with(Readiness::WRITE);
        unread
    }

    /// Takes out what it has: the socket, the layer if there is one, and what its protocol has left.
    pub(super) fn into_parts(self) -> (StreamSocket, Option<Box<Layered>>, Vec<u8>) {
        match self.aside.map(|aside| *aside) {
            Some(Aside { layered, mut inbox, .. }) => (self.socket, layered, inbox.take()),
            None => (self.socket, None, Vec::new()),
        }
    }

    /// Puts a layer back that has been in use, on a socket that nothing is known of.
    pub(super) fn restore(&mut self, mut layered: Box<Layered>) {
        self.socket.seal();
        layered.is_writable = false;
        self.aside().layered = Some(layered);
        // What it holds is announced by nobody.
        self.readiness = self.readiness.with(Readiness::READ).with(Readiness::LAYERED);
    }

    fn layered(&self) -> Option<&Layered> {
        self.aside.as_ref()?.layered.as_deref()
    }

    /// The layer, if there is one, and the socket below it.
    fn layered_mut(&mut self) -> Option<(&mut Layered, &StreamSocket)> {
        Some((self.aside.as_mut()?.layered.as_mut()?, &self.socket))
    }

    pub(super) fn guard(&mut self) -> Option<&mut Guard> {
        self.aside.as_mut()?.guard.as_mut()
    }

    pub(super) fn guard_from(&mut self, now: Tick) -> &mut Guard {
        self.readiness = self.readiness.with(Readiness::WATCHED);
        self.aside().guard.get_or_insert_with(|| Guard::new(now))
    }

    pub(super) fn take_guard(&mut self) -> Option<Guard> {
        self.readiness = self.readiness.without(Readiness::WATCHED);
        self.aside.as_mut()?.guard.take()
    }

    pub(super) fn couple(&mut self, coupling: Coupling) {
        self.aside().coupling = Some(Box::new(coupling));
    }

    pub(super) fn coupling(&self) -> Option<&Coupling> {
        self.aside.as_ref()?.coupling.as_deref()
    }

    pub(super) fn coupling_mut(&mut self) -> Option<&mut Coupling> {
        self.aside.as_mut()?.coupling.as_deref_mut()
    }

    pub(super) fn timers(&self) -> Option<Key> {
        self.aside.as_ref()?.timers
    }

    pub(super) fn timers_mut(&mut self) -> &mut Option<Key> {
        &mut self.aside().timers
    }

    /// Whether there is something in its inbox.
    pub(super) fn has_unread(&self) -> bool {
        self.readiness.contains(Readiness::UNREAD)
    }

    /// Bytes in its inbox.
    pub(super) fn unread(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.inbox.len())
    }

    /// Puts bytes into its inbox, behind what is there.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.aside().inbox.append(bytes);
        self.readiness = self.readiness.with(Readiness::UNREAD);
    }

    /// Takes the bytes out of its inbox for a dispatch; [`Self::give_back`] returns them.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        self.readiness = self.readiness.without(Readiness::UNREAD);
        self.aside.as_mut().map_or_else(Vec::new, |aside| aside.inbox.take())
    }

    /// Returns what a dispatch left: the last `left` bytes of what was taken.
    pub(super) fn give_back(&mut self, bytes: Vec<u8>, left: usize) {
        self.readiness = self.readiness.with(Readiness::UNREAD.when(left > 0));
        let aside = self.aside();
        aside.inbox.give_back(bytes, left);
        if aside.is_empty() {
            self.aside = None;
        }
    }

    pub(super) fn is_layered(&self) -> bool {
        self.layered().is_some()
    }

    /// Whether its layer, if it has one, carries bytes.
    pub(super) fn is_open(&self) -> bool {
        self.layered().is_none_or(Layered::is_open)
    }

    /// Whether its layer has something to send of its own accord.
    pub(super) fn is_pending(&self) -> bool {
        self.layered().is_some_and(Layered::is_pending)
    }

    /// Tells the layer that its socket is writable: from here on it is the layer that knows.
    pub(super) fn note_layer(&mut self) {
        if self.is_writable()
            && let Some((layered, _)) = self.layered_mut()
        {
            layered.is_writable = true;
            self.readiness = self.readiness.without(Readiness::WRITE);
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        self.readiness.contains(Readiness::READ)
    }

    /// Whether the kernel may take something. While it is connecting the readiness is not believed.
    pub(super) fn is_writable(&self) -> bool {
        self.readiness.contains(Readiness::WRITE)
    }

    /// Whether bytes may go straight to the kernel: it may take something, and no layer is between.
    pub(super) fn can_transmit(&self) -> bool {
        self.is_writable() && !self.readiness.contains(Readiness::LAYERED)
    }

    /// Whether something can be sent, through a layer or without one.
    pub(super) fn can_send(&self) -> bool {
        self.is_writable() || self.layered().is_some_and(Layered::can_write)
    }

    /// The peer's end was taken: there is nothing more to be read, and a layer does not say it again.
    pub(super) fn end_taken(&mut self) {
        self.not_readable();
        if let Some((layered, _)) = self.layered_mut() {
            layered.end_taken();
        }
    }

    /// Whether it is open, may be read and written, has not ended, no layer is between, and nothing is left unread.
    pub(super) fn is_flowing(&self) -> bool {
        let wanted = Readiness::OPEN.with(Readiness::READ).with(Readiness::WRITE);
        let others = Readiness::END.with(Readiness::LAYERED).with(Readiness::UNREAD);
        self.readiness.among(wanted.with(others)) == wanted
    }

    /// Whether it is open, and bytes may go straight to the kernel.
    pub(super) fn is_straight(&self) -> bool {
        let wanted = Readiness::OPEN.with(Readiness::WRITE);
        self.readiness.among(wanted.with(Readiness::LAYERED)) == wanted
    }

    /// As [`Self::is_straight`], and nobody wants to know when bytes move.
    pub(super) fn is_unwatched(&self) -> bool {
        let wanted = Readiness::OPEN.with(Readiness::WRITE);
        let asked = wanted.with(Readiness::LAYERED).with(Readiness::WATCHED);
        self.readiness.among(asked) == wanted
    }

    /// Whether its deadlines want to know when bytes move.
    pub(super) fn is_watched(&self) -> bool {
        self.readiness.contains(Readiness::WATCHED)
    }

    pub(super) fn note_open(&mut self, is_open: bool) {
        self.readiness =
            self.readiness.without(Readiness::OPEN).with(Readiness::OPEN.when(is_open));
    }

    pub(super) fn not_readable(&mut self) {
        self.readiness = self.readiness.without(Readiness::READ);
    }

    pub(super) fn not_writable(&mut self) {
        self.readiness = self.readiness.without(Readiness::WRITE);
    }

    /// Gives the layer what was read before it was there.
    pub(super) fn feed(&mut self, bytes: &mut [u8]) -> Step {
        match self.layered_mut().map(|(layered, socket)| layered.feed(socket, bytes)) {
            Some(Err(error)) => ended(CloseReason::from_io(error)),
            _ => Step::Continue(()),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> Option<&crate::tls::Engine> {
        self.layered()?.layer()
    }

    // ── in ──────────────────────────────────────────────────────────────────────────────────

    /// One read. Nearly always it empties the socket; what else it says is for [`Self::received`].
    /// Edge-triggered pollers report no data twice, so what the call says about there being more is remembered.
    #[inline(always)]
    pub(super) fn receive(
        &mut self,
        buffer: &mut Scratch,
        ledger: &mut Ledger,
    ) -> Result<usize, io::Result<usize>> {
        let result = self.socket.read(buffer);
        ledger.stats.reads += 1;
        match result {
            Ok(length) if SHORT_READ_DRAINS && (1..SCRATCH).contains(&length) => {
                self.note_received(length, ledger);
                self.not_readable();
                Ok(length)
            }
            result => Err(result),
        }
    }

    /// As [`Self::receive`], through the layer if there is one, and also where an end has been announced.
    pub(super) fn receive_any(
        &mut self,
        buffer: &mut Scratch,
        ledger: &mut Ledger,
    ) -> Step<Received> {
        // With an end behind it a short read has not drained the socket.
        let believes = SHORT_READ_DRAINS && !self.readiness.contains(Readiness::END);
        let (result, is_drained) = match self.layered_mut() {
            None => {
                let result = self.socket.read(buffer);
                let is_short = matches!(result, Ok(1..SCRATCH));
                (result, believes && is_short)
            }
            Some((layered, socket)) => {
                let result = layered.read(socket, buffer, believes, &mut ledger.layers);
                let is_drained = result.is_ok() && layered.is_drained();
                (result, is_drained)
            }
        };
        if is_drained {
            self.not_readable();
        }
        ledger.stats.reads += 1;
        self.received(result, ledger)
    }

    /// Moves what there is to a pipe; `None` if the system cannot do that with this socket. How much came says
    /// nothing about what is left: a pipe may be full at any length.
    pub(super) fn splice_in(
        &mut self,
        pipe: &mut Pipe,
        ledger: &mut Ledger,
    ) -> Step<Option<Received>> {
        let result = match self.socket.splice_in(pipe) {
            Err(error) if cannot_splice(&error) => return Step::Continue(None),
            result => result,
        };
        ledger.stats.reads += 1;
        self.received(result, ledger).map_continue(Some)
    }

    fn note_received(&mut self, length: usize, ledger: &mut Ledger) {
        ledger.trace(|| What::Read { bytes: length });
        ledger.stats.read_bytes += length as u64;
        if self.is_watched() {
            self.note_read(length, ledger);
        }
    }

    #[cold]
    fn note_read(&mut self, length: usize, ledger: &Ledger) {
        if let Some(guard) = self.guard() {
            guard.note_read(length, ledger.clock.tick());
        }
    }

    /// Deals with what a read says.
    #[cold]
    pub(super) fn received(
        &mut self,
        result: io::Result<usize>,
        ledger: &mut Ledger,
    ) -> Step<Received> {
        let error = match result {
            Ok(0) => {
                ledger.trace(|| What::ReadEnd);
                return Step::Continue(Received::End);
            }
            Ok(length) => {
                self.note_received(length, ledger);
                return Step::Continue(Received::Bytes(length));
            }
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                ledger.trace(|| What::ReadBlocked);
                self.not_readable();
                Step::Continue(Received::Nothing)
            }
            // Still ready; the caller's budget bounds how often this is tried.
            io::ErrorKind::Interrupted => Step::Continue(Received::Nothing),
            io::ErrorKind::UnexpectedEof => {
                ledger.trace(|| What::ReadEnd);
                Step::Continue(Received::Truncated)
            }
            kind => {
                ledger.trace(|| What::ReadFailed(kind));
                ended(CloseReason::from_io(error))
            }
        }
    }

    // ── out ─────────────────────────────────────────────────────────────────────────────────

    /// One write, to a socket that no layer is on. Nearly always the kernel takes all of it, which is for
    /// [`Self::note_moved`] if the socket is watched; what else it says is for [`Self::transmitted`].
    // Called, an echo takes 29 instructions more.
    #[inline(always)]
    pub(super) fn transmit(
        &self,
        bytes: &[u8],
        whose: About,
        ledger: &mut Ledger,
    ) -> Result<(), io::Result<usize>> {
        debug_assert!(!self.is_layered(), "nothing goes past a layer");
        match self.socket.write(bytes) {
            Ok(sent) if sent == bytes.len() => {
                note_sent(sent, sent, whose, ledger);
                Ok(())
            }
            result => Err(result),
        }
    }

    /// Deals with what a write says; how many bytes it took.
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
        note_sent(sent, wanted, whose, ledger);
        self.note_moved(sent, ledger);
        Step::Continue(sent)
    }

    #[cold]
    pub(super) fn note_moved(&mut self, sent: usize, ledger: &Ledger) {
        if let Some(guard) = self.guard() {
            guard.note_moved(sent, ledger.clock.tick());
        }
    }

    /// One write, through the layer if there is one; how many bytes were taken.
    pub(super) fn send(&mut self, bytes: &[u8], whose: About, ledger: &mut Ledger) -> Step<usize> {
        let result = match self.layered_mut() {
            None => self.socket.write(bytes),
            Some((layered, socket)) => layered.write(socket, bytes, &mut ledger.layers),
        };
        self.transmitted(result, bytes.len(), whose, ledger)
    }

    /// As [`Self::send`], several pieces.
    pub(super) fn transmit_vectored(
        &mut self,
        slices: &[IoSlice<'_>],
        ledger: &mut Ledger,
    ) -> Step<usize> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let result = match self.layered_mut() {
            None => self.socket.write_vectored(slices),
            Some((layered, socket)) => layered.write_vectored(socket, slices, &mut ledger.layers),
        };
        self.transmitted(result, wanted, About::Visited, ledger)
    }

    /// As [`Self::send`], a part of a file: how many bytes of it, of which there are none at its
    /// end; `None` for nothing now. A short count may be the end of one of the file's pages, so it does not
    /// mean that the kernel takes no more.
    pub(super) fn transmit_file(
        &mut self,
        file: &File,
        offset: u64,
        count: usize,
        ledger: &mut Ledger,
    ) -> Step<Option<usize>> {
        let result = match self.layered_mut() {
            None => self.socket.send_file(file, offset, count),
            Some((layered, socket)) => {
                layered.send_file(socket, file, offset, count, &mut ledger.layers)
            }
        };
        match result {
            Err(error) if is_files_error(&error) => ended(CloseReason::FileFailed(error)),
            Err(error) => {
                self.transmit_failed(error, count, About::Visited, ledger).map_continue(|_| None)
            }
            result => self.transmitted(result, 0, About::Visited, ledger).map_continue(Some),
        }
    }

    /// Sends what is in a pipe: how many bytes of it, or `None` if the system cannot do that with this socket.
    /// As with a file, a short count does not mean that the kernel takes no more.
    pub(super) fn splice_out(
        &mut self,
        pipe: &mut Pipe,
        whose: About,
        ledger: &mut Ledger,
    ) -> Step<Option<usize>> {
        let wanted = pipe.len();
        match self.socket.splice_out(pipe) {
            Err(error) if cannot_splice(&error) => Step::Continue(None),
            Err(error) => self.transmit_failed(error, wanted, whose, ledger).map_continue(Some),
            result => self.transmitted(result, 0, whose, ledger).map_continue(Some),
        }
    }

    /// Sends what a layer has to send of its own accord; whether nothing of it is left.
    pub(super) fn push(&mut self) -> Step<bool> {
        let pushed = match self.layered_mut() {
            None => return Step::Continue(true),
            Some((layered, socket)) => layered.push(socket),
        };
        self.pushed(pushed)
    }

    /// As [`Self::push`], with the layer's goodbye behind everything.
    pub(super) fn finish(&mut self) -> Step<bool> {
        let pushed = match self.layered_mut() {
            None => return Step::Continue(true),
            Some((layered, socket)) => layered.finish(socket),
        };
        self.pushed(pushed)
    }

    fn pushed(&self, pushed: io::Result<()>) -> Step<bool> {
        match pushed {
            Ok(()) => Step::Continue(!self.is_pending()),
            Err(error) => ended(CloseReason::from_io(error)),
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

fn note_sent(sent: usize, wanted: usize, whose: About, ledger: &mut Ledger) {
    ledger.trace_about(whose, || What::Wrote { wanted, taken: sent });
    ledger.stats.writes += 1;
    ledger.stats.written_bytes += sent as u64;
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
            // A layer's own.
            | K::Other
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_have_is_gone_with_the_last_unread_byte() {
        let mut io = Io::new(StreamSocket::pending(), Origin::Named);
        assert!(io.aside.is_none());
        io.keep(b"abc");
        let unread = io.take_unread();
        io.give_back(unread, 1);
        assert_eq!((io.unread(), io.take_unread()), (1, b"c".to_vec()));
        io.give_back(b"c".to_vec(), 0);
        assert!(io.aside.is_none());
        io.guard_from(0);
        io.keep(b"d");
        let unread = io.take_unread();
        io.give_back(unread, 0);
        assert!(io.guard().is_some());
    }
}
