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
//!                                                        │
//!   every open state ──release()──▶ Draining(Unheard) ───┘ flushed: FIN is the system's
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

mod by_id;
mod connected;
mod couple;
mod deadlines;
mod detached;
mod guard;
mod handshake;
mod io;
mod layer;
mod moving;
mod pending;
mod read;
mod sending;
mod transport;
#[cfg(unix)]
mod unix;
mod visit;
mod write;

use std::rc::Rc;

use crate::address::{PackedAddress, Peers};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::net::{Poller, Readiness, StreamSocket};
use crate::outbox::Outbox;
use crate::reason::{CloseReason, Step, ended};
use crate::stats::SocketRow;
use crate::trace::What;
use crate::{Address, StreamLimits};

use couple::Coupling;
pub use couple::{CoupleError, NotCoupled, Uncoupled};
pub use detached::Detached;
use guard::{Deadlines, Phase};
use io::Io;
pub(crate) use io::{Origin, Received};
pub(crate) use layer::Layer;
use pending::{Between, Pending};
pub(crate) use read::Intake;
pub(crate) use transport::Outcome;
pub use transport::Transport;
#[cfg(unix)]
pub use unix::{PassError, PeerCredentials};
pub(crate) use visit::Visit;
pub(crate) use write::{Drained, Flushed, SendRefusal};

pub(crate) struct Stream {
    io: Io,
    state: State,
    told: Told,
    pending: Pending,
    outbox: Outbox,
    limits: Rc<StreamLimits>,
    peer: PackedAddress,
}

/// What its protocol has been told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// That it is open.
    Opened,
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
    Draining(Fins),
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
enum Fins {
    OursOnly,
    OursFirst,
    PeersFirst,
    /// The peer's is not waited for, and ours left to the system, which sends it behind all the rest.
    Unheard,
}

impl Stream {
    pub(crate) fn new(
        socket: StreamSocket,
        peer: Address,
        origin: Origin,
        limits: Rc<StreamLimits>,
        ledger: &mut Ledger,
    ) -> Self {
        let mut stream = Self {
            io: Io::new(socket, origin),
            state: State::Opening(Next::Open),
            told: Told::Nothing,
            pending: Pending::new(),
            outbox: Outbox::default(),
            limits,
            peer: ledger.peers.pack(peer),
        };
        if stream.limits.has_deadlines() {
            stream.io.deadlines.change();
        }
        if matches!(origin, Origin::Connecting | Origin::Named | Origin::Attempt) {
            stream.state = State::Connecting(Next::Open);
            if let Some(timeout) = stream.limits.connect_timeout {
                stream.begin(Phase::Connecting, ledger.clock.tick_after(timeout), ledger);
            }
        }
        stream
    }

    /// Takes in what an event says. A layer is told of it by [`Self::note_layer`].
    pub(crate) fn note_readiness(&mut self, readiness: Readiness) {
        self.io.readiness = self.io.readiness.with(readiness);
    }

    /// Tells the layer, if there is one, what is known of the socket.
    pub(crate) fn note_layer(&mut self) {
        // What is known of a socket that is connecting says that it has come to an end with that.
        if !self.is_connecting() {
            self.io.note_layer();
        }
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
        if !self.io.is_writable() {
            return Step::Continue(false);
        }
        match self.io.socket.is_connected() {
            Ok(true) => {
                ledger.trace(|| What::Connected);
                if next == Next::Close {
                    // What is queued is sent, and its protocol hears only of the end.
                    self.state = State::Draining(Fins::OursOnly);
                    return Step::Continue(true);
                }
                self.state = State::Opening(next);
                if let Some(guard) = self.io.guard() {
                    guard.opened(ledger.clock.tick());
                    self.io.deadlines.change();
                }
                self.begin_handshake(ledger);
                Step::Continue(true)
            }
            Ok(false) => {
                self.io.not_writable();
                Step::Continue(false)
            }
            Err(error) => ended(CloseReason::ConnectFailed(error)),
        }
    }

    /// Makes the connection open, right before `on_open` is called.
    pub(crate) fn open(&mut self) -> AfterOpen {
        let State::Opening(next) = self.state else {
            return AfterOpen(Next::Open);
        };
        self.enter(State::Open);
        self.told = Told::Opened;
        AfterOpen(next)
    }

    /// Does what was asked for before the connection was open.
    pub(crate) fn opened(&mut self, AfterOpen(next): AfterOpen) {
        if next == Next::End {
            self.end();
        }
    }

    // ── states ───────────────────────────────────────────────────────────────────────────────

    /// The only way into the open state, and out of it.
    fn enter(&mut self, state: State) {
        self.state = state;
        self.io.note_open(state == State::Open);
    }

    /// Whether its protocol may be called: it was told of the opening, and has not closed.
    pub(crate) fn can_be_called(&self) -> bool {
        matches!(self.state, State::Open | State::PeerEnded | State::Ending | State::Ended)
    }

    pub(crate) fn can_write(&self) -> bool {
        matches!(
            self.state,
            State::Open
                | State::PeerEnded
                | State::Connecting(Next::Open)
                | State::Opening(Next::Open)
        )
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// This side sends no more: FIN follows what is queued. The peer may go on.
    pub(crate) fn end(&mut self) {
        self.enter(match self.state {
            State::Connecting(Next::Open) => State::Connecting(Next::End),
            State::Opening(Next::Open) => State::Opening(Next::End),
            State::Open => State::Ending,
            State::PeerEnded => return self.close(),
            other => other,
        });
    }

    /// Both sides are done: flush, FIN, and wait for the peer's, up to a deadline.
    pub(crate) fn close(&mut self) {
        self.enter(match self.state {
            State::Connecting(Next::Open | Next::End) => State::Connecting(Next::Close),
            State::Opening(_) | State::Open | State::Ending => State::Draining(Fins::OursOnly),
            State::PeerEnded => State::Draining(Fins::PeersFirst),
            State::Ended => State::Lingering,
            State::Connecting(Next::Close)
            | State::Draining(_)
            | State::Lingering
            | State::Closed => return,
        });
        self.io.take_unread();
        self.io.deadlines = Deadlines::Closing;
    }

    /// This side is done, and does not wait for the other: flush, and leave the rest to the system.
    pub(crate) fn release(&mut self) {
        self.enter(match self.state {
            State::Connecting(_) | State::Opening(_) => return self.close(),
            State::Draining(Fins::OursFirst | Fins::PeersFirst | Fins::Unheard) | State::Closed => {
                return;
            }
            _ => State::Draining(Fins::Unheard),
        });
        self.io.take_unread();
        self.io.deadlines = Deadlines::Closing;
    }

    /// Takes the step that waits for everything queued to have left, if it has.
    pub(crate) fn settle(&mut self, ledger: &Ledger) -> Step {
        if !self.outbox.is_empty() || !self.waits_for_flush() {
            return Step::Continue(());
        }
        // A layer says its own goodbye before FIN.
        if !self.io.finish()? {
            return Step::Continue(());
        }
        match self.state {
            State::Ending => {
                self.state = State::Ended;
                self.send_fin(ledger)
            }
            State::Draining(Fins::OursOnly) => {
                self.state = State::Lingering;
                self.send_fin(ledger)
            }
            State::Draining(Fins::OursFirst | Fins::Unheard) => ended(CloseReason::Closed),
            State::Draining(Fins::PeersFirst) => ended(CloseReason::PeerClosed),
            State::Connecting(_)
            | State::Opening(_)
            | State::Open
            | State::PeerEnded
            | State::Ended
            | State::Lingering
            | State::Closed => Step::Continue(()),
        }
    }

    /// Whether there is a step that waits for everything queued to have left.
    fn waits_for_flush(&self) -> bool {
        matches!(self.state, State::Ending | State::Draining(_))
    }

    fn send_fin(&self, ledger: &Ledger) -> Step {
        match self.io.socket.shutdown_write() {
            Ok(()) => {
                ledger.trace(|| What::FinSent);
                Step::Continue(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                ended(CloseReason::Reset)
            }
            Err(error) => ended(CloseReason::from_io(error)),
        }
    }

    /// Ends the connection: at the end of the turn its protocol is told, and it is removed.
    pub(crate) fn retire(&mut self, key: Key, reason: Box<CloseReason>, ledger: &mut Ledger) {
        if self.state != State::Closed {
            self.enter(State::Closed);
            ledger.retired.push_back((key, reason));
        }
    }

    /// Whether its protocol has been told that it is open.
    pub(crate) fn was_opened(&self) -> bool {
        self.told == Told::Opened
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Takes it out of the loop's accounts, as the last thing but to dispose of it; its peer, who was in them.
    pub(crate) fn settle_accounts(&mut self, ledger: &mut Ledger) -> Address {
        ledger.recharge(self.outbox.charge(), 0);
        self.end_handshake(ledger);
        ledger.peers.unpack(self.peer)
    }

    /// Closes it, and takes it out of the poller; bytes that were not sent.
    pub(crate) fn dispose(mut self, reason: &CloseReason, poller: &Poller) -> u64 {
        if reason.resets() {
            self.io.socket.reset_on_close();
        }
        if self.io.origin == Origin::Adopted {
            // It fails only if the duplicate's owner has taken it out already.
            let _ = self.io.socket.deregister(poller);
        }
        self.outbox.unsent()
    }

    // ── the layer ───────────────────────────────────────────────────────────────────────────

    /// Puts a layer between its bytes and the wire, which the protocol knows nothing of. One that is not open
    /// yet is told of its opening when the layer is open.
    pub(crate) fn wrap(&mut self, layer: Box<dyn Layer>, ledger: &mut Ledger) {
        self.io.wrap(layer, Vec::new());
        self.note_layer();
        if self.io.is_open() {
            self.pending.between = Between::Layer;
            return;
        }
        self.pending.between = Between::Opening;
        ledger.handshakes.begin();
        if !self.is_connecting() {
            self.begin_handshake(ledger);
        }
    }

    #[cfg(unix)]
    fn descriptors(&mut self) -> Option<&mut layer::Descriptors> {
        self.io.layer_mut()
    }

    #[cfg(unix)]
    fn is_layered(&self) -> bool {
        self.io.is_layered()
    }

    /// Everything queued for the peer, files included.
    #[cfg(unix)]
    fn unsent(&self) -> u64 {
        self.outbox.unsent()
    }

    // ── the loop's lists ────────────────────────────────────────────────────────────────────

    /// Puts it on the ready list, which is visited without an event.
    pub(crate) fn make_ready(&mut self, key: Key, ledger: &mut Ledger) {
        if self.pending.listed.make_ready() {
            ledger.ready.push_back(key);
        }
    }

    /// Whether it stands on the ready list.
    fn is_ready(&self) -> bool {
        self.pending.listed.is_ready()
    }

    pub(crate) fn unmake_ready(&mut self) {
        self.pending.listed.unmake_ready();
    }

    /// Puts it on the list of those that are flushed at the end of the turn.
    pub(crate) fn touch(&mut self, key: Key, ledger: &mut Ledger) {
        if self.pending.listed.touch() {
            ledger.touched.push_back(key);
        }
    }

    pub(crate) fn untouch(&mut self) {
        self.pending.listed.untouch();
    }

    /// Whether it is made for another one, as one of several.
    pub(crate) fn is_attempt(&self) -> bool {
        self.io.origin == Origin::Attempt
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.io.origin == Origin::Accepted { counted: true }
    }

    /// The first of its timers in the wheel.
    pub(crate) fn timers(&self) -> Option<Key> {
        self.io.timers()
    }

    pub(crate) fn timers_mut(&mut self) -> &mut Option<Key> {
        self.io.timers_mut()
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    pub(crate) fn peer(&self, peers: &Peers) -> Address {
        peers.read(self.peer)
    }

    pub(crate) fn socket(&self) -> &StreamSocket {
        &self.io.socket
    }

    /// Bytes queued for the peer.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbox.len()
    }

    /// Bytes that the protocol has left unconsumed.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.io.unread()
    }

    pub(crate) fn row(&self, peers: &Peers) -> SocketRow {
        SocketRow {
            protocol: self.io.socket.kind(),
            receive_queue: self.unread_bytes(),
            send_queue: self.outbox.len(),
            local: self.io.socket.local(),
            peer: Some(self.peer(peers)),
            state: match self.state {
                State::Connecting(_) => "connecting",
                State::Opening(_) if self.is_shaking_hands() => "shaking hands",
                State::Opening(_) => "opening",
                State::Open if self.is_shaking_hands() => "open, shaking hands",
                State::Open if self.pending.holds() => "open, held",
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

// mio's sockets carry more in debug builds.
#[cfg(all(test, target_os = "linux", not(debug_assertions)))]
mod tests {
    use super::Stream;

    #[test]
    fn a_stream_is_small() {
        assert!(size_of::<Stream>() <= 56, "{}", size_of::<Stream>());
    }
}
