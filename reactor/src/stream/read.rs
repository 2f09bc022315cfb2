//! Reading: when there is something to read, and who gets it.

use super::guard::Deadlines;
use super::pending::{Between, Reading};
use super::{Fins, Received, State, Step, Stream, ended};
use crate::CloseReason;
use crate::ledger::{Ledger, Scratch};

/// What a read is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// The protocol.
    Deliver,
    /// Nobody: the connection is closing, and what still comes is thrown away.
    Discard,
}

impl Stream {
    /// What a read now would be for; `None` if there is nothing to be read, or nobody to read it.
    pub(crate) fn intake(&self) -> Option<Intake> {
        if !self.io.is_readable() {
            return None;
        }
        if self.state == State::Open && !self.pending.holds() {
            return Some(Intake::Deliver);
        }
        self.intake_of_others()
    }

    pub(super) fn intake_of_others(&self) -> Option<Intake> {
        match self.state {
            State::Open | State::Ending | State::Ended => {
                (!self.pending.holds()).then_some(Intake::Deliver)
            }
            // After the peer's FIN an event can only tell of its reset.
            State::PeerEnded
            | State::Draining(Fins::OursOnly | Fins::Unheard)
            | State::Lingering => Some(Intake::Discard),
            State::Connecting(_) | State::Opening(_) | State::Draining(_) | State::Closed => None,
        }
    }

    /// Whether what is read goes to the protocol, and is not thrown away.
    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, State::Open | State::Ending | State::Ended)
    }

    /// One read, through the layer if there is one: see [`Io::receive`](super::io::Io::receive).
    pub(crate) fn receive_any(
        &mut self,
        buffer: &mut Scratch,
        ledger: &mut Ledger,
    ) -> Step<Received> {
        if self.pending.between == Between::Starting {
            self.pending.between = Between::Securing;
            let mut bytes = self.io.take_unread();
            self.io.feed(&mut bytes)?;
        }
        self.io.receive_any(buffer, ledger)
    }

    /// Ends a connection whose protocol has left too much unconsumed, unless reading is held.
    pub(crate) fn check_inbox(&self) -> Step {
        if self.io.unread() > self.limits.inbox && !self.pending.holds() && self.is_listening() {
            return ended(CloseReason::InboxFull);
        }
        Step::Continue(())
    }

    /// Notes the peer's FIN; whether `on_end` is to be called.
    pub(crate) fn peer_ended(&mut self) -> Step<bool> {
        self.io.end_taken();
        match self.state {
            State::Open => self.enter(State::PeerEnded),
            State::Ending | State::Ended => {
                self.io.deadlines = Deadlines::Closing;
                self.enter(State::Draining(Fins::OursFirst));
            }
            State::Draining(Fins::OursOnly) => {
                self.enter(State::Draining(Fins::OursFirst));
                return Step::Continue(false);
            }
            State::Lingering => return ended(CloseReason::Closed),
            // The second time it may be a reset, which a read does not tell of any more.
            State::PeerEnded => {
                let error = self.io.socket.take_error();
                return error
                    .map_or(Step::Continue(false), |error| ended(CloseReason::from_io(error)));
            }
            _ => return Step::Continue(false),
        }
        Step::Continue(true)
    }

    /// Whether something unconsumed is to be offered again with nothing new behind it.
    pub(crate) fn take_offer(&mut self) -> bool {
        if self.pending.reading != Reading::Again || self.pending.holds() {
            return false;
        }
        self.pending.reading = Reading::Fresh;
        self.is_listening() && self.io.has_unread()
    }

    /// Has the inbox offered again at the next visit: to a protocol that replaced another.
    pub(crate) fn offer_again(&mut self) {
        self.pending.offer_again();
    }

    pub(crate) fn pause(&mut self) {
        self.pending.reading = match self.pending.reading {
            Reading::Untold | Reading::UntoldPaused => Reading::UntoldPaused,
            Reading::Fresh | Reading::Again | Reading::Paused | Reading::Held => Reading::Paused,
        };
    }

    /// Whether its protocol is to be given what comes.
    pub(super) fn wants_input(&self) -> bool {
        self.can_be_called() && !self.pending.holds()
    }

    /// Goes on reading; whether the connection has to be visited for it.
    pub(crate) fn resume(&mut self, ledger: &Ledger) -> bool {
        let (next, was_paused) = match self.pending.reading {
            Reading::Paused => (Reading::Again, true),
            Reading::UntoldPaused => (Reading::Untold, false),
            other => (other, false),
        };
        self.pending.reading = next;
        if was_paused {
            self.note_read_again(ledger);
        }
        was_paused
    }

    /// A peer that was not read cannot be blamed for its silence until now.
    pub(super) fn note_read_again(&mut self, ledger: &Ledger) {
        if let Some(guard) = self.io.guard() {
            guard.note_read_again(ledger.clock.tick());
        }
    }

    /// Is not read until it is told of the shutdown of the loop.
    pub(crate) fn hold_until_told(&mut self) {
        self.pending.reading = match self.pending.reading {
            Reading::Fresh | Reading::Again => Reading::Untold,
            Reading::Paused => Reading::UntoldPaused,
            other => other,
        };
    }

    /// Is read again, unless the program has paused it; whether it has to be visited for it.
    pub(crate) fn release_to_be_told(&mut self, ledger: &Ledger) -> bool {
        let (next, was_held) = match self.pending.reading {
            Reading::Untold => (Reading::Again, true),
            Reading::UntoldPaused => (Reading::Paused, false),
            other => (other, false),
        };
        self.pending.reading = next;
        if was_held {
            self.note_read_again(ledger);
        }
        was_held
    }
}
