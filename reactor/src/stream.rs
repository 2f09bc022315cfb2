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

use bytes::{Buf, Bytes};

use crate::guard::{Doing, Guard, Phase};
use crate::id::Key;
use crate::input::Inbox;
use crate::ledger::{CORK, Ledger, SCRATCH, SMALL, Scratch};
use crate::net::{Poller, Readiness, SHORT_READ_DRAINS, StdStream, StreamSocket};
use crate::outbox::{FilePiece, Front, MAX_SLICES, Outbox};
use crate::reason::CloseReason;
use crate::stats::SocketRow;
use crate::timer::Tick;
use crate::{Address, StreamLimits};

/// Goes on with a value, or ends the connection with a reason, boxed so that going on costs nothing.
pub(crate) type Step<T = ()> = ControlFlow<Box<CloseReason>, T>;

#[cold]
pub(crate) fn ended<T>(reason: CloseReason) -> Step<T> {
    Step::Break(Box::new(reason))
}

/// Bytes of a file handed to the kernel in one call.
const FILE_CHUNK: u64 = 1024 * 1024;
/// Shared bytes up to this size are cheaper to copy to the cork than to send on their own.
const COPY_UP_TO: usize = 4 * 1024;

pub(crate) struct Stream {
    socket: StreamSocket,
    state: State,
    readiness: Readiness,
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

/// Which lists of the loop this connection stands on, what it is owed, and why it is not read.
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
    /// Not read: the program asked for it.
    const PAUSED: u8 = 64;
    /// Not read: the outbox is above its high mark.
    const OUTBOX_HIGH: u8 = 128;

    /// Whether there is more to be known of it than where it came from.
    #[inline]
    fn ask_for_work(self) -> bool {
        self.0 & !(Self::SHARED | Self::COUNTED) != 0
    }

    /// Whether the connection is not to be read.
    fn hold(self) -> bool {
        self.has(Self::PAUSED | Self::OUTBOX_HIGH)
    }

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

/// What a read is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// The protocol.
    Deliver,
    /// Nobody: the connection is closing, and what still comes only has to be out of the way.
    Discard,
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
                if next == Next::Close {
                    // What is queued is sent, and its protocol hears only of the end.
                    self.state = State::Draining(Goodbye::OursOnly);
                    return Step::Continue(true);
                }
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
            Err(error) => ended(CloseReason::ConnectFailed(error)),
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
        if next == Next::End {
            self.end(ledger);
        }
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Whether it is open, there is something to read, and nothing else to do.
    #[inline]
    pub(crate) fn is_flowing(&self) -> bool {
        self.readiness.contains(Readiness::READ)
            && self.state == State::Open
            && !self.notes.ask_for_work()
            && self.outbox.is_empty()
    }

    /// Whether the socket has been read empty.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        !self.readiness.contains(Readiness::READ)
    }

    /// What a read now would be for; `None` if there is nothing to be read, or nobody to read it.
    #[inline]
    pub(crate) fn intake(&self) -> Option<Intake> {
        if !self.readiness.contains(Readiness::READ) {
            return None;
        }
        if self.state == State::Open && !self.notes.hold() {
            return Some(Intake::Deliver);
        }
        self.intake_of_others()
    }

    #[cold]
    fn intake_of_others(&self) -> Option<Intake> {
        match self.state {
            State::Open | State::Ending | State::Ended => {
                (!self.notes.hold()).then_some(Intake::Deliver)
            }
            // After the peer's FIN an event can only tell of its reset.
            State::PeerEnded | State::Draining(Goodbye::OursOnly) | State::Lingering => {
                Some(Intake::Discard)
            }
            State::Connecting(_) | State::Opening(_) | State::Draining(_) | State::Closed => None,
        }
    }

    /// Whether what is read goes to the protocol, rather than away.
    fn is_listening(&self) -> bool {
        matches!(self.state, State::Open | State::Ending | State::Ended)
    }

    /// One read. Edge-triggered pollers report no data twice, so what the call says about there
    /// being more is remembered.
    #[inline(always)]
    pub(crate) fn receive(&mut self, buffer: &mut Scratch, ledger: &mut Ledger) -> Step<Received> {
        ledger.stats.reads += 1;
        let length = match self.socket.read(buffer) {
            Ok(0) => return Step::Continue(Received::End),
            Ok(length) => length,
            Err(error) => return self.read_failed(error),
        };
        if length < SCRATCH && SHORT_READ_DRAINS && !self.readiness.contains(Readiness::END) {
            self.readiness = self.readiness.without(Readiness::READ);
        }
        ledger.stats.read_bytes += length as u64;
        if self.guard.is_some() {
            self.guard_read(length, ledger);
        }
        Step::Continue(Received::Bytes(length))
    }

    #[cold]
    fn guard_read(&mut self, length: usize, ledger: &Ledger) {
        if let Some(guard) = &mut self.guard {
            guard.note_read(length, ledger.clock.tick());
        }
    }

    #[cold]
    fn guard_written(&mut self, length: usize, ledger: &Ledger) {
        if let Some(guard) = &mut self.guard {
            guard.note_moved(length, ledger.clock.tick());
        }
    }

    /// Whether the protocol has left more than it may. One that is held cannot be blamed; it is not
    /// read either.
    pub(crate) fn check_inbox(&self) -> Step {
        if self.inbox.len() > self.limits.inbox && !self.notes.hold() && self.is_listening() {
            return ended(CloseReason::InboxFull);
        }
        Step::Continue(())
    }

    #[cold]
    fn read_failed(&mut self, error: io::Error) -> Step<Received> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.readiness = self.readiness.without(Readiness::READ);
                Step::Continue(Received::Nothing)
            }
            // Still ready; the caller's budget bounds how often this is tried.
            io::ErrorKind::Interrupted => Step::Continue(Received::Nothing),
            _ => ended(CloseReason::from_io(error)),
        }
    }

    /// The peer has sent FIN. Whether `on_end` is to be called.
    pub(crate) fn peer_ended(&mut self, ledger: &Ledger) -> Step<bool> {
        self.readiness = self.readiness.without(Readiness::READ);
        self.state = match self.state {
            State::Open => State::PeerEnded,
            State::Ending | State::Ended => {
                if !self.outbox.is_empty() {
                    self.begin_closing(ledger);
                }
                State::Draining(Goodbye::OursFirst)
            }
            State::Draining(Goodbye::OursOnly) => {
                self.state = State::Draining(Goodbye::OursFirst);
                return Step::Continue(false);
            }
            State::Lingering => return ended(CloseReason::Closed),
            // The second time it may be a reset, which a read does not tell of any more.
            State::PeerEnded => {
                let error = self.socket.take_error();
                return error
                    .map_or(Step::Continue(false), |error| ended(CloseReason::from_io(error)));
            }
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
            && !self.notes.hold()
            && self.notes.take(Notes::OFFER)
            && self.is_listening()
            && !self.inbox.is_empty()
    }

    /// Has the inbox offered again at the next visit: to a protocol that replaced another.
    pub(crate) fn offer_again(&mut self) {
        self.notes.set(Notes::OFFER);
    }

    pub(crate) fn pause(&mut self) {
        self.notes.set(Notes::PAUSED);
    }

    /// Goes on reading; whether the connection has to be visited for it.
    pub(crate) fn resume(&mut self) -> bool {
        let was_paused = self.notes.take(Notes::PAUSED);
        if was_paused {
            self.notes.set(Notes::OFFER);
        }
        was_paused
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Whether it is open in both directions.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether its protocol hears of things: it was told of the opening, and has not closed.
    pub(crate) fn can_be_called(&self) -> bool {
        matches!(self.state, State::Open | State::PeerEnded | State::Ending | State::Ended)
    }

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

    #[inline(never)]
    fn write_through(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Step {
        if ledger.is_sealed() || !self.can_write() {
            ledger.stats.discarded_bytes += bytes.len() as u64;
            return Step::Continue(());
        }
        let is_first = ledger.cork.is_empty() && ledger.cork_limit == SMALL;
        ledger.cork_limit = CORK;
        if !is_first && ledger.cork.len() + bytes.len() <= CORK {
            ledger.cork.extend_from_slice(bytes);
            return Step::Continue(());
        }
        let sent = self.write_behind_cork(bytes, ledger)?;
        if sent == bytes.len() {
            return Step::Continue(());
        }
        let before = self.outbox.charge();
        self.outbox.push_copy(&bytes[sent..]);
        self.queued(before, ledger)
    }

    /// As [`Self::write`], for bytes that are shared and need not be copied.
    pub(crate) fn send(&mut self, mut bytes: Bytes, ledger: &mut Ledger) -> Step {
        if bytes.len() <= COPY_UP_TO || ledger.is_sealed() || !self.can_write() {
            return self.write(&bytes, ledger);
        }
        let sent = self.write_behind_cork(&bytes, ledger)?;
        bytes.advance(sent);
        let before = self.outbox.charge();
        self.outbox.push(bytes);
        self.queued(before, ledger)
    }

    /// Sends the cork and `more` in one write, as far as the kernel takes them. What is left of the
    /// cork is queued; how much of `more` has left is returned.
    fn write_behind_cork(&mut self, more: &[u8], ledger: &mut Ledger) -> Step<usize> {
        let corked = ledger.cork.len();
        if corked == 0 && self.can_write_now() {
            let result = self.socket.write(more);
            return self.written(result, more.len(), ledger);
        }
        if !self.can_write_now() {
            self.queue_cork(0, ledger)?;
            return Step::Continue(0);
        }
        let slices = [IoSlice::new(&ledger.cork), IoSlice::new(more)];
        let result = self.socket.write_vectored(&slices);
        let sent = self.written(result, corked + more.len(), ledger)?;
        self.queue_cork(sent.min(corked), ledger)?;
        Step::Continue(sent.saturating_sub(corked))
    }

    /// Sends what the cork has gathered: nearly always into an empty queue, and whole.
    #[inline(always)]
    pub(crate) fn uncork(&mut self, ledger: &mut Ledger) -> Step {
        let corked = ledger.cork.len();
        if corked == 0 {
            return Step::Continue(());
        }
        if !self.can_write_now() {
            return self.queue_cork(0, ledger);
        }
        match self.socket.write(&ledger.cork) {
            Ok(sent) if sent == corked => {
                self.note_written(sent, ledger);
                ledger.cork.clear();
                Step::Continue(())
            }
            result => {
                let sent = self.written(result, corked, ledger)?;
                self.queue_cork(sent, ledger)
            }
        }
    }

    /// Queues what the kernel has not taken of the cork, which is empty then.
    #[cold]
    fn queue_cork(&mut self, sent: usize, ledger: &mut Ledger) -> Step {
        let before = self.outbox.charge();
        self.outbox.push_copy(&ledger.cork[sent..]);
        ledger.cork.clear();
        // A message to itself by way of the registry may have made it larger than it should be.
        ledger.cork.shrink_to(CORK);
        self.queued(before, ledger)
    }

    /// Whether bytes may go straight to the kernel: nothing waits in front of them.
    #[inline]
    fn can_write_now(&self) -> bool {
        self.outbox.is_empty() && self.is_writable()
    }

    /// Whether the kernel may take something. While it is connecting the readiness is not believed.
    #[inline]
    fn is_writable(&self) -> bool {
        self.readiness.contains(Readiness::WRITE)
    }

    /// Notes what a write has brought about.
    fn written(
        &mut self,
        result: io::Result<usize>,
        wanted: usize,
        ledger: &mut Ledger,
    ) -> Step<usize> {
        let sent = match result {
            Ok(sent) => sent,
            Err(error) => return self.write_failed(error, ledger),
        };
        // A short write has filled the socket; where that is not promised, the next write finds out.
        if sent < wanted && SHORT_READ_DRAINS {
            self.readiness = self.readiness.without(Readiness::WRITE);
        }
        self.note_written(sent, ledger);
        Step::Continue(sent)
    }

    #[inline(always)]
    fn note_written(&mut self, sent: usize, ledger: &mut Ledger) {
        ledger.stats.writes += 1;
        ledger.stats.written_bytes += sent as u64;
        if self.guard.is_some() {
            self.guard_written(sent, ledger);
        }
    }

    #[cold]
    fn write_failed(&mut self, error: io::Error, ledger: &mut Ledger) -> Step<usize> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.readiness = self.readiness.without(Readiness::WRITE);
                Step::Continue(0)
            }
            io::ErrorKind::Interrupted => Step::Continue(0),
            _ => {
                // What it has written must not reach whoever is called next.
                ledger.cork.clear();
                ended(CloseReason::from_io(error))
            }
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
            self.notes.set(Notes::OUTBOX_HIGH);
        }
        if after > self.limits.outbox {
            return ended(CloseReason::OutboxFull);
        }
        if ledger.queued > ledger.limits.outboxes {
            return ended(CloseReason::LoopOutboxFull);
        }
        Step::Continue(())
    }

    /// Queues shared bytes from outside this connection's own callbacks, for which there is room.
    pub(crate) fn enqueue(&mut self, bytes: Bytes, ledger: &mut Ledger) {
        let before = self.outbox.charge();
        self.outbox.push(bytes);
        let step = self.queued(before, ledger);
        debug_assert!(step.is_continue(), "whoever enqueues has looked for room");
    }

    /// Whether [`Self::enqueue`] would stay under the caps; breaks with the one it would exceed.
    pub(crate) fn check_room_for(&self, bytes: &Bytes, ledger: &Ledger) -> Step {
        let charge = Outbox::charge_of(bytes);
        if self.outbox.charge() + charge > self.limits.outbox {
            return ended(CloseReason::OutboxFull);
        }
        if ledger.queued + charge > ledger.limits.outboxes {
            return ended(CloseReason::LoopOutboxFull);
        }
        Step::Continue(())
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
        if !self.notes.has(Notes::OUTBOX_HIGH) || self.outbox.len() > self.limits.outbox_low {
            return false;
        }
        self.notes.take(Notes::OUTBOX_HIGH);
        self.notes.set(Notes::OFFER);
        true
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// This side sends no more: FIN follows what is queued. The peer may go on.
    pub(crate) fn end(&mut self, ledger: &Ledger) {
        self.state = match self.state {
            State::Connecting(Next::Open) => State::Connecting(Next::End),
            State::Opening(Next::Open) => State::Opening(Next::End),
            State::Open => State::Ending,
            State::PeerEnded => return self.close(ledger),
            other => other,
        };
    }

    /// Both sides are done: flush, FIN, and wait for the peer's, up to a deadline.
    pub(crate) fn close(&mut self, ledger: &Ledger) {
        self.state = match self.state {
            State::Connecting(Next::Open | Next::End) => State::Connecting(Next::Close),
            State::Opening(_) | State::Open | State::Ending => State::Draining(Goodbye::OursOnly),
            State::PeerEnded => State::Draining(Goodbye::PeersFirst),
            State::Ended => State::Lingering,
            State::Connecting(Next::Close)
            | State::Draining(_)
            | State::Lingering
            | State::Closed => return,
        };
        self.inbox = Inbox::default();
        self.begin_closing(ledger);
    }

    /// From here on the end has a deadline.
    fn begin_closing(&mut self, ledger: &Ledger) {
        let end = ledger.clock.tick_after(self.limits.close_timeout);
        self.begin(Phase::Closing, end, ledger);
    }

    /// Everything queued has left: takes the step that waited for it.
    #[inline]
    pub(crate) fn settle(&mut self) -> Step {
        if !self.outbox.is_empty() {
            return Step::Continue(());
        }
        match self.state {
            State::Ending => {
                self.state = State::Ended;
                self.send_fin()
            }
            State::Draining(Goodbye::OursOnly) => {
                self.state = State::Lingering;
                self.send_fin()
            }
            State::Draining(Goodbye::OursFirst) => ended(CloseReason::Closed),
            State::Draining(Goodbye::PeersFirst) => ended(CloseReason::PeerClosed),
            State::Connecting(_)
            | State::Opening(_)
            | State::Open
            | State::PeerEnded
            | State::Ended
            | State::Lingering
            | State::Closed => Step::Continue(()),
        }
    }

    fn send_fin(&self) -> Step {
        match self.socket.shutdown_write() {
            Ok(()) => Step::Continue(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => ended(CloseReason::Reset),
            Err(error) => ended(CloseReason::from_io(error)),
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
        self.notes.has(Notes::GUARD) && self.notes.take(Notes::GUARD)
    }

    /// When the guard wants to look, or that a deadline has passed.
    pub(crate) fn check_deadlines(&mut self, now: Tick) -> Step<Option<Tick>> {
        let doing = Doing {
            open: self.can_be_called(),
            reading: self.intake_of_others().is_some(),
            owes: !self.inbox.is_empty() || !self.outbox.is_empty(),
        };
        let limits = &self.limits;
        let wanted = limits.idle_timeout.is_some()
            || limits.read_timeout.is_some()
            || limits.min_rate.is_some();
        match &mut self.guard {
            None if !wanted => Step::Continue(None),
            guard => guard
                .get_or_insert_with(|| Box::new(Guard::new(now)))
                .check(now, limits, doing)
                .map_break(Box::new),
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
                State::Open if self.notes.hold() => "open, held",
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
