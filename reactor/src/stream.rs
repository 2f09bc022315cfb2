//! One connection: its socket, its state, its queues.
//!
//! ```text
//!   connect() ▶ Connecting ──▶ Opening ◀── accepted
//!                                 │ on_open
//!               end()             ▼            peer's FIN
//!      Ending ◀──────────────── Open ──────────────────────▶ PeerEnded
//!        │ flushed: FIN           │ close()                      │ close(), end()
//!        ▼                        ▼                              ▼
//!      Ended ──────close()──▶ Draining(OursOnly)          Draining(PeersFirst)
//!        │                        │ flushed: FIN                 │ flushed
//!        │ peer's FIN             ▼                              │
//!        │                    Lingering ──peer's FIN──▶ Closed ◀─┘
//!        └──▶ Draining(OursFirst) ──flushed──────────────▲
//!
//!   every state ── error, abort(), limit, deadline ──▶ Closed
//! ```
//!
//! While it is draining or lingering, what the peer still sends is read and thrown away: closing a
//! socket with unread data would make the kernel send RST, which destroys the reply that was just sent
//! (RFC 1122, 4.2.2.13).
//!
//! Nothing here calls a protocol: methods change the state and tell the caller what to call. A method
//! that returns [`Step`] may find that the connection has ended, and then breaks with the reason.

use std::io::{self, IoSlice};
use std::net::SocketAddrV4;
use std::ops::ControlFlow;
use std::rc::Rc;

use bytes::Bytes;

use crate::guard::{Doing, Guard, Phase};
use crate::id::Key;
use crate::input::Inbox;
use crate::ledger::{CORK, Ledger};
use crate::net::{Poller, Readiness, SHORT_READ_DRAINS, StdStream, StreamSocket};
use crate::outbox::{FilePiece, Front, MAX_SLICES, Outbox};
use crate::reason::CloseReason;
use crate::stats::SocketRow;
use crate::timer::Tick;
use crate::{Address, StreamLimits};

/// Goes on with a value, or ends the connection with a reason.
pub(crate) type Step<T = ()> = ControlFlow<CloseReason, T>;

/// Bytes of a file handed to the kernel in one call.
const FILE_CHUNK: u64 = 1024 * 1024;
/// Shared bytes up to this size are cheaper to copy to the cork than to send on their own.
const COPY_UP_TO: usize = 4 * 1024;

pub(crate) struct Stream {
    socket: StreamSocket,
    state: State,
    readiness: Readiness,
    holds: Holds,
    notes: Notes,
    outbox: Outbox,
    pub(crate) inbox: Inbox,
    limits: Rc<StreamLimits>,
    peer: Peer,
    /// The first of this connection's timers in the wheel.
    pub(crate) timers: Option<Key>,
    pub(crate) guard: Option<Box<Guard>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The system is connecting; writes queue. What is to be done once it has.
    Connecting(Next),
    /// The protocol has yet to hear of it.
    Opening(Next),
    Open,
    /// The peer sent FIN; we may still write.
    PeerEnded,
    /// Our FIN waits behind the outbox; the peer may still write.
    Ending,
    /// Our FIN has left; the peer may still write.
    Ended,
    /// Closing, with bytes to be flushed.
    Draining(Goodbye),
    /// Closing, our FIN has left: waiting for the peer's.
    Lingering,
    Closed,
}

/// What a protocol asked for before its connection was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Open,
    End,
    Close,
}

/// Whose FIN has been seen, or decided on, when a connection drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    OursOnly,
    OursFirst,
    PeersFirst,
}

/// Why a connection is not being read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Holds(u8);

impl Holds {
    const NONE: Self = Self(0);
    /// The program asked for it.
    const PAUSED: u8 = 1;
    /// The outbox is above its high mark.
    const OUTBOX: u8 = 2;
}

/// Which lists of the loop this connection stands on, and what it is owed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Notes(u8);

impl Notes {
    const READY: u8 = 1;
    const TOUCHED: u8 = 2;
    /// Its guard has to be armed anew.
    const GUARD: u8 = 4;
    /// The inbox has to be offered again, with nothing new.
    const OFFER: u8 = 8;
    /// The socket may have duplicates, which would keep its registration alive.
    const SHARED: u8 = 16;
    /// It is counted against its peer's address.
    const COUNTED: u8 = 32;

    fn has(self, note: u8) -> bool {
        self.0 & note != 0
    }

    fn set(&mut self, note: u8) {
        self.0 |= note;
    }

    /// Clears a note; whether it was set.
    fn take(&mut self, note: u8) -> bool {
        let had = self.has(note);
        self.0 &= !note;
        had
    }
}

/// An address in 16 bytes: one IPv4 peer more or less is what most connections have.
enum Peer {
    V4(SocketAddrV4),
    Other(Box<Address>),
}

/// What a read has brought.
pub(crate) enum Received {
    Bytes(usize),
    /// The peer's FIN.
    End,
    /// Nothing for now.
    Nothing,
}

/// How far a flush has come.
pub(crate) enum Flushed {
    /// To the end, or to where the kernel takes no more.
    Done,
    /// To the end of a file, whose sender wants to know.
    File(FilePiece),
}

/// Where a stream comes from, which is where its life begins.
pub(crate) enum Origin {
    Accepted { counted: bool },
    Connecting,
    Adopted,
}

impl Stream {
    pub(crate) fn new(
        socket: StreamSocket,
        peer: Address,
        origin: &Origin,
        limits: Rc<StreamLimits>,
        ledger: &Ledger,
    ) -> Self {
        let mut stream = Self {
            socket,
            state: State::Opening(Next::Open),
            readiness: Readiness::WRITE,
            holds: Holds::NONE,
            notes: Notes(Notes::GUARD),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            limits,
            peer: Peer::from(peer),
            timers: None,
            guard: None,
        };
        match origin {
            Origin::Accepted { counted: false } => {}
            Origin::Accepted { counted: true } => stream.notes.set(Notes::COUNTED),
            Origin::Adopted => stream.notes.set(Notes::SHARED),
            Origin::Connecting => {
                stream.state = State::Connecting(Next::Open);
                stream.readiness = Readiness::default();
                if let Some(timeout) = stream.limits.connect_timeout {
                    stream.begin(Phase::Connecting, ledger.clock.tick_after(timeout), ledger);
                }
            }
        }
        stream
    }

    /// Takes in what an event says.
    #[inline]
    pub(crate) fn note_readiness(&mut self, readiness: Readiness) {
        self.readiness = self.readiness.with(readiness);
    }

    // ── opening ─────────────────────────────────────────────────────────────────────────────

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting(_))
    }

    /// Whether `on_open` has yet to be called.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_))
    }

    /// Looks whether connecting has come to its end; `false` if not yet.
    pub(crate) fn finish_connecting(&mut self, ledger: &Ledger) -> Step<bool> {
        let State::Connecting(next) = self.state else {
            return Step::Continue(true);
        };
        if !self.readiness.contains(Readiness::WRITE) {
            return Step::Continue(false);
        }
        match self.socket.is_connected() {
            Ok(true) => {
                self.state = State::Opening(next);
                if let Some(guard) = &mut self.guard {
                    guard.opened(ledger.clock.tick());
                    self.notes.set(Notes::GUARD);
                }
                Step::Continue(true)
            }
            Ok(false) => {
                self.readiness = self.readiness.without(Readiness::WRITE);
                Step::Continue(false)
            }
            Err(error) => Step::Break(CloseReason::ConnectFailed(error)),
        }
    }

    /// `on_open` is being called: from here on the connection is open.
    pub(crate) fn open(&mut self) -> AfterOpen {
        let State::Opening(next) = self.state else {
            return AfterOpen(Next::Open);
        };
        self.state = State::Open;
        AfterOpen(next)
    }

    /// Does what was asked for before the connection was open.
    pub(crate) fn opened(&mut self, AfterOpen(next): AfterOpen, ledger: &Ledger) {
        match next {
            Next::Open => {}
            Next::End => self.end(),
            Next::Close => self.close(ledger),
        }
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Whether a read may bring something that somebody wants, or that has to be thrown away.
    #[inline]
    pub(crate) fn can_receive(&self) -> bool {
        self.readiness.contains(Readiness::READ) && self.wants_input()
    }

    #[inline]
    fn wants_input(&self) -> bool {
        match self.state {
            State::Open | State::Ending | State::Ended => self.holds == Holds::NONE,
            State::Draining(Goodbye::OursOnly) | State::Lingering => true,
            State::Connecting(_)
            | State::Opening(_)
            | State::PeerEnded
            | State::Draining(_)
            | State::Closed => false,
        }
    }

    /// Whether what is read goes to the protocol, rather than away.
    #[inline]
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.state, State::Open | State::Ending | State::Ended)
    }

    /// One read. Edge-triggered pollers report no data twice, so what the call says about there
    /// being more is remembered.
    #[inline]
    pub(crate) fn receive(&mut self, buffer: &mut [u8], ledger: &mut Ledger) -> Step<Received> {
        let room = self.limits.inbox.saturating_sub(self.inbox.len());
        let wanted = if self.is_listening() { buffer.len().min(room) } else { buffer.len() };
        if wanted == 0 {
            return Step::Break(CloseReason::InboxFull);
        }
        ledger.stats.reads += 1;
        match self.socket.read(&mut buffer[..wanted]) {
            Ok(0) => Step::Continue(Received::End),
            Ok(length) => {
                if length < wanted && SHORT_READ_DRAINS && !self.readiness.contains(Readiness::END)
                {
                    self.readiness = self.readiness.without(Readiness::READ);
                }
                ledger.stats.read_bytes += length as u64;
                if let Some(guard) = &mut self.guard {
                    guard.note_read(length, ledger.clock.tick());
                }
                Step::Continue(Received::Bytes(length))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.readiness = self.readiness.without(Readiness::READ);
                    Step::Continue(Received::Nothing)
                }
                // Still ready; the caller's budget bounds how often this is tried.
                io::ErrorKind::Interrupted => Step::Continue(Received::Nothing),
                _ => Step::Break(CloseReason::from_io(error)),
            },
        }
    }

    /// The peer has sent FIN. Whether `on_end` is to be called.
    pub(crate) fn peer_ended(&mut self) -> Step<bool> {
        self.readiness = self.readiness.without(Readiness::READ);
        self.state = match self.state {
            State::Open => State::PeerEnded,
            State::Ending | State::Ended => State::Draining(Goodbye::OursFirst),
            State::Draining(Goodbye::OursOnly) => {
                self.state = State::Draining(Goodbye::OursFirst);
                return Step::Continue(false);
            }
            State::Lingering => return Step::Break(CloseReason::Closed),
            other => {
                self.state = other;
                return Step::Continue(false);
            }
        };
        Step::Continue(true)
    }

    /// Whether something unconsumed is to be offered again with nothing new behind it.
    pub(crate) fn take_offer(&mut self) -> bool {
        self.notes.has(Notes::OFFER)
            && self.holds == Holds::NONE
            && self.notes.take(Notes::OFFER)
            && self.is_listening()
            && !self.inbox.is_empty()
    }

    /// Has the inbox offered again at the next visit: to a protocol that replaced another.
    pub(crate) fn offer_again(&mut self) {
        self.notes.set(Notes::OFFER);
    }

    pub(crate) fn pause(&mut self) {
        self.holds.0 |= Holds::PAUSED;
    }

    /// Goes on reading; whether the connection has to be visited for it.
    pub(crate) fn resume(&mut self) -> bool {
        let was_paused = self.holds.0 & Holds::PAUSED != 0;
        self.holds.0 &= !Holds::PAUSED;
        if was_paused {
            self.notes.set(Notes::OFFER);
        }
        was_paused
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    #[inline]
    pub(crate) fn can_write(&self) -> bool {
        matches!(
            self.state,
            State::Open
                | State::PeerEnded
                | State::Connecting(Next::Open)
                | State::Opening(Next::Open)
        )
    }

    /// A write of the running protocol: small ones collect in the cork, large ones go straight out.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Step {
        if !self.can_write() {
            ledger.stats.discarded_bytes += bytes.len() as u64;
            return Step::Continue(());
        }
        if ledger.cork.len() + bytes.len() <= CORK {
            ledger.cork.extend_from_slice(bytes);
            return Step::Continue(());
        }
        self.emit(&Bytes::new(), bytes, ledger)
    }

    /// As [`Self::write`], for bytes that are shared and need not be copied.
    pub(crate) fn send(&mut self, bytes: Bytes, ledger: &mut Ledger) -> Step {
        if bytes.len() <= COPY_UP_TO || !self.can_write() {
            return self.write(&bytes, ledger);
        }
        self.emit(&bytes, &[], ledger)
    }

    /// Sends what the cork has gathered.
    #[inline]
    pub(crate) fn uncork(&mut self, ledger: &mut Ledger) -> Step {
        if ledger.cork.is_empty() {
            Step::Continue(())
        } else {
            self.emit(&Bytes::new(), &[], ledger)
        }
    }

    /// Sends the cork and behind it `shared` or `borrowed`, of which one is empty, as far as the
    /// kernel takes them; the rest is queued.
    fn emit(&mut self, shared: &Bytes, borrowed: &[u8], ledger: &mut Ledger) -> Step {
        let mut cork = std::mem::take(&mut ledger.cork);
        let more = if borrowed.is_empty() { &shared[..] } else { borrowed };
        let step = self.emit_now(&cork, more, ledger).map_continue(|sent| {
            let before = self.outbox.charge();
            if let Some(rest) = cork.get(sent..) {
                self.outbox.push_copy(rest);
            }
            let sent_more = sent.saturating_sub(cork.len());
            if borrowed.is_empty() {
                self.outbox.push(shared.slice(sent_more..));
            } else {
                self.outbox.push_copy(&borrowed[sent_more..]);
            }
            before
        });
        // Bounded, since a message to itself by way of the registry may have made it larger.
        cork.clear();
        cork.shrink_to(CORK);
        ledger.cork = cork;
        match step {
            Step::Continue(before) => self.queued(before, ledger),
            Step::Break(reason) => Step::Break(reason),
        }
    }

    /// Writes at once if nothing waits in front; how many bytes the kernel took.
    #[inline]
    fn emit_now(&mut self, cork: &[u8], more: &[u8], ledger: &mut Ledger) -> Step<usize> {
        if !self.outbox.is_empty() || !self.is_writable() {
            return Step::Continue(0);
        }
        let result = match (cork, more) {
            (cork, []) => self.socket.write(cork),
            ([], more) => self.socket.write(more),
            _ => self.socket.write_vectored(&[IoSlice::new(cork), IoSlice::new(more)]),
        };
        self.written(result, cork.len() + more.len(), ledger)
    }

    /// Whether the kernel may take something.
    #[inline]
    fn is_writable(&self) -> bool {
        self.readiness.contains(Readiness::WRITE)
            && !matches!(self.state, State::Connecting(_) | State::Closed)
    }

    /// Notes what a write has brought about.
    #[inline]
    fn written(
        &mut self,
        result: io::Result<usize>,
        wanted: usize,
        ledger: &mut Ledger,
    ) -> Step<usize> {
        ledger.stats.writes += 1;
        match result {
            Ok(sent) => {
                // A short write has filled the socket; where that is not promised, the next write
                // finds out.
                if sent < wanted && SHORT_READ_DRAINS {
                    self.readiness = self.readiness.without(Readiness::WRITE);
                }
                ledger.stats.written_bytes += sent as u64;
                if let Some(guard) = &mut self.guard {
                    guard.note_moved(sent, ledger.clock.tick());
                }
                Step::Continue(sent)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.readiness = self.readiness.without(Readiness::WRITE);
                    Step::Continue(0)
                }
                io::ErrorKind::Interrupted => Step::Continue(0),
                _ => Step::Break(CloseReason::from_io(error)),
            },
        }
    }

    /// Something may have been queued: keeps the accounts, the marks and the caps.
    fn queued(&mut self, before: usize, ledger: &mut Ledger) -> Step {
        let after = self.outbox.charge();
        if after == before {
            return Step::Continue(());
        }
        ledger.recharge(before, after);
        if self.outbox.len() > self.limits.outbox_high {
            self.holds.0 |= Holds::OUTBOX;
        }
        if after > self.limits.outbox {
            return Step::Break(CloseReason::OutboxFull);
        }
        if ledger.queued > ledger.limits.outboxes {
            return Step::Break(CloseReason::LoopOutboxFull);
        }
        Step::Continue(())
    }

    /// Queues shared bytes from outside this connection's own callbacks.
    pub(crate) fn enqueue(&mut self, bytes: Bytes, ledger: &mut Ledger) -> Step {
        let before = self.outbox.charge();
        self.outbox.push(bytes);
        self.queued(before, ledger)
    }

    /// Whether [`Self::enqueue`] would stay under the caps.
    pub(crate) fn has_room_for(&self, bytes: &Bytes, ledger: &Ledger) -> bool {
        self.outbox.charge() + bytes.len() <= self.limits.outbox
            && ledger.queued + bytes.len() <= ledger.limits.outboxes
    }

    /// Queues a part of a file behind everything written so far.
    pub(crate) fn send_file(&mut self, file: FilePiece, ledger: &mut Ledger) -> Step {
        self.uncork(ledger)?;
        let before = self.outbox.charge();
        self.outbox.push_file(file);
        self.queued(before, ledger)
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
                Some(Front::File(_)) => match self.flush_file(ledger)? {
                    FileStep::Sent(sent) => sent,
                    FileStep::Finished(file) => return Step::Continue(Flushed::File(file)),
                },
            };
            *budget = budget.saturating_sub(sent.max(1));
        }
        Step::Continue(Flushed::Done)
    }

    /// One vectored write.
    fn flush_bytes(&mut self, ledger: &mut Ledger) -> Step<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.outbox.slices(&mut slices);
        let slices = &slices[..count];
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let result = match slices {
            [one] => self.socket.write(one),
            several => self.socket.write_vectored(several),
        };
        let sent = self.written(result, wanted, ledger)?;
        let before = self.outbox.charge();
        self.outbox.advance(sent);
        ledger.recharge(before, self.outbox.charge());
        Step::Continue(sent)
    }

    /// One sendfile.
    fn flush_file(&mut self, ledger: &mut Ledger) -> Step<FileStep> {
        let Some(Front::File(piece)) = self.outbox.front() else {
            return Step::Continue(FileStep::Sent(0));
        };
        let count = piece.remaining.min(FILE_CHUNK) as usize;
        let result = if count == 0 {
            Ok(0)
        } else {
            self.socket.send_file(&piece.file, piece.offset, count)
        };
        let result = match result {
            // The file's own errors are not the connection's.
            Err(error) if is_files_error(&error) => {
                return Step::Break(CloseReason::FileFailed(error));
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
            self.written(result, 0, ledger)?;
            let before = self.outbox.charge();
            let finished = self.outbox.pop_file();
            ledger.recharge(before, self.outbox.charge());
            return Step::Continue(finished.map_or(FileStep::Sent(0), FileStep::Finished));
        }
        // A short count may also be the end of a page of the file: only `WouldBlock` ends a drain.
        self.written(result, 0, ledger).map_continue(FileStep::Sent)
    }

    /// Whether the outbox has fallen to its low mark after having been above the high one: reading
    /// goes on, and `on_drain` is to be called.
    #[inline]
    pub(crate) fn take_drained(&mut self) -> bool {
        if self.holds.0 & Holds::OUTBOX == 0 || self.outbox.len() > self.limits.outbox_low {
            return false;
        }
        self.holds.0 &= !Holds::OUTBOX;
        self.notes.set(Notes::OFFER);
        true
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// This side sends no more: FIN follows what is queued. The peer may go on.
    pub(crate) fn end(&mut self) {
        self.state = match self.state {
            State::Connecting(Next::Open) => State::Connecting(Next::End),
            State::Opening(Next::Open) => State::Opening(Next::End),
            State::Open => State::Ending,
            State::PeerEnded => State::Draining(Goodbye::PeersFirst),
            other => other,
        };
    }

    /// Both sides are done: flush, FIN, and wait for the peer's, up to a deadline.
    pub(crate) fn close(&mut self, ledger: &Ledger) {
        self.state = match self.state {
            State::Connecting(_) => State::Connecting(Next::Close),
            State::Opening(_) => State::Opening(Next::Close),
            State::Open | State::Ending => State::Draining(Goodbye::OursOnly),
            State::PeerEnded => State::Draining(Goodbye::PeersFirst),
            State::Ended => State::Lingering,
            closing @ (State::Draining(_) | State::Lingering | State::Closed) => {
                self.state = closing;
                return;
            }
        };
        if !matches!(self.state, State::Connecting(_)) {
            self.inbox = Inbox::default();
            let end = ledger.clock.tick_after(self.limits.close_timeout);
            self.begin(Phase::Closing, end, ledger);
        }
    }

    /// Everything queued has left: takes the step that waited for it.
    #[inline]
    pub(crate) fn settle(&mut self) -> Step {
        match self.state {
            State::Open | State::Connecting(_) | State::PeerEnded => Step::Continue(()),
            _ if !self.outbox.is_empty() => Step::Continue(()),
            State::Ending => {
                self.state = State::Ended;
                self.send_fin()
            }
            State::Draining(Goodbye::OursOnly) => {
                self.state = State::Lingering;
                self.send_fin()
            }
            State::Draining(Goodbye::OursFirst) => Step::Break(CloseReason::Closed),
            State::Draining(Goodbye::PeersFirst) => Step::Break(CloseReason::PeerClosed),
            State::Opening(_) | State::Ended | State::Lingering | State::Closed => {
                Step::Continue(())
            }
        }
    }

    fn send_fin(&self) -> Step {
        match self.socket.shutdown_write() {
            Ok(()) => Step::Continue(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Step::Break(CloseReason::Reset)
            }
            Err(error) => Step::Break(CloseReason::from_io(error)),
        }
    }

    /// The connection has ended, as the loop's list of retired ones says. `false` if it had already.
    pub(crate) fn retire(&mut self) -> bool {
        let first = self.state != State::Closed;
        self.state = State::Closed;
        first
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Releases what the loop's accounts hold for it, and what the kernel would keep.
    pub(crate) fn bury(
        &mut self,
        reason: &CloseReason,
        poller: &Poller,
        ledger: &mut Ledger,
    ) -> u64 {
        let unsent = self.outbox.unsent();
        ledger.recharge(self.outbox.charge(), 0);
        if !reason.is_clean() {
            self.socket.reset_on_close();
        }
        if self.notes.has(Notes::SHARED) {
            // It fails only if the duplicate's owner has taken it out already.
            let _ = self.socket.deregister(poller);
        }
        unsent
    }

    /// Takes the socket out, with what was neither consumed nor sent.
    pub(crate) fn into_parts(
        self,
        poller: &Poller,
        ledger: &mut Ledger,
    ) -> (StdStream, Vec<u8>, Vec<u8>) {
        let Self { socket, mut inbox, outbox, .. } = self;
        ledger.recharge(outbox.charge(), 0);
        (socket.into_std(poller), inbox.take(), outbox.into_bytes())
    }

    // ── deadlines ───────────────────────────────────────────────────────────────────────────

    fn begin(&mut self, phase: Phase, end: Tick, ledger: &Ledger) {
        let guard = self.guard.get_or_insert_with(|| Box::new(Guard::new(ledger.clock.tick())));
        guard.begin(phase, end);
        self.notes.set(Notes::GUARD);
    }

    /// Whether the guard's timer has to be set anew.
    #[inline]
    pub(crate) fn take_guard_note(&mut self) -> bool {
        self.notes.take(Notes::GUARD)
    }

    /// When the guard wants to look, or that a deadline has passed.
    pub(crate) fn check_deadlines(&mut self, now: Tick) -> Step<Option<Tick>> {
        let doing = Doing {
            open: matches!(
                self.state,
                State::Open | State::PeerEnded | State::Ending | State::Ended
            ),
            reading: self.wants_input(),
            owes: !self.inbox.is_empty() || !self.outbox.is_empty(),
        };
        let limits = &self.limits;
        let wanted = limits.idle_timeout.is_some()
            || limits.read_timeout.is_some()
            || limits.min_rate.is_some();
        match &mut self.guard {
            None if !wanted => Step::Continue(None),
            guard => {
                guard.get_or_insert_with(|| Box::new(Guard::new(now))).check(now, limits, doing)
            }
        }
    }

    pub(crate) fn set_limits(&mut self, limits: StreamLimits) {
        self.limits = Rc::new(limits);
        self.notes.set(Notes::GUARD);
    }

    pub(crate) fn limits(&self) -> &StreamLimits {
        &self.limits
    }

    // ── the loop's lists ────────────────────────────────────────────────────────────────────

    /// Puts it on the list of those that are visited without an event.
    pub(crate) fn make_ready(&mut self, key: Key, ledger: &mut Ledger) {
        if !self.notes.has(Notes::READY) {
            self.notes.set(Notes::READY);
            ledger.ready.push_back(key);
        }
    }

    pub(crate) fn unmake_ready(&mut self) {
        self.notes.take(Notes::READY);
    }

    /// Puts it on the list of those that are flushed at the end of the turn.
    pub(crate) fn touch(&mut self, key: Key, ledger: &mut Ledger) {
        if !self.notes.has(Notes::TOUCHED) {
            self.notes.set(Notes::TOUCHED);
            ledger.touched.push(key);
        }
    }

    pub(crate) fn untouch(&mut self) {
        self.notes.take(Notes::TOUCHED);
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.notes.has(Notes::COUNTED)
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    pub(crate) fn peer(&self) -> Address {
        match &self.peer {
            Peer::V4(address) => Address::Ip((*address).into()),
            Peer::Other(address) => (**address).clone(),
        }
    }

    pub(crate) fn socket(&self) -> &StreamSocket {
        &self.socket
    }

    /// Bytes queued for the peer.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbox.len()
    }

    pub(crate) fn row(&self) -> SocketRow {
        SocketRow {
            protocol: self.socket.kind(),
            receive_queue: self.inbox.len(),
            send_queue: self.outbox.len(),
            local: self.socket.local(),
            peer: Some(self.peer()),
            state: match self.state {
                State::Connecting(_) => "connecting",
                State::Opening(_) => "opening",
                State::Open if self.holds != Holds::NONE => "open, held",
                State::Open => "open",
                State::PeerEnded => "peer ended",
                State::Ending => "ending",
                State::Ended => "ended",
                State::Draining(_) => "draining",
                State::Lingering => "lingering",
                State::Closed => "closed",
            },
        }
    }
}

/// What [`Stream::opened`] has to do after `on_open`.
#[must_use]
pub(crate) struct AfterOpen(Next);

enum FileStep {
    Sent(usize),
    Finished(FilePiece),
}

impl From<Address> for Peer {
    fn from(address: Address) -> Self {
        match address {
            Address::Ip(std::net::SocketAddr::V4(address)) => Self::V4(address),
            other => Self::Other(Box::new(other)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", not(debug_assertions)))]
    fn a_stream_is_small() {
        assert!(size_of::<Stream>() <= 72, "{}", size_of::<Stream>());
    }

    #[test]
    fn a_peers_address_survives_being_packed() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/a"] {
            let address: Address = text.parse().expect("it is an address");
            let peer = Peer::from(address.clone());
            let unpacked = match peer {
                Peer::V4(address) => Address::Ip(address.into()),
                Peer::Other(address) => *address,
            };
            assert_eq!(unpacked, address);
        }
        assert_eq!(size_of::<Peer>(), 16);
    }
}
