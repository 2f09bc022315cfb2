//! Moves bytes from one connection of a couple to the other without a copy: from socket to pipe, from pipe to
//! socket.
//!
//! ```text
//!   a's socket ──splice──▶ pipe ──splice──▶ b's socket
//!                           └── what b did not take: the pipe itself joins b's outbox, and a is held
//! ```
//!
//! It pays where much comes at a time, since it takes two calls as copying does, and moves pages instead of
//! bytes. So a stream begins with copying, and changes its manner as it finds more or less.

use super::coupling::Manner;
use crate::ConnectionId;
use crate::id::Key;
use crate::ledger::{Ledger, Scratch};
use crate::outbox::{Front, Lent};
use crate::reason::Step;
use crate::registry::Registry;
use crate::slots::Found;
use crate::source::Source;
use crate::stream::{Received, Stream, Visit};
use crate::trace::About;

/// A copied read of this length is followed by a splice.
const MUCH: usize = 32 * 1024;
/// A splice that moved no more than this is followed by a copied read.
const LITTLE: usize = 8 * 1024;

impl<App> Visit<'_, App> {
    /// One read for the partner, in whichever way is better.
    pub(in crate::stream) fn forward_once(&mut self, scratch: &mut Scratch) -> Step {
        match self.splice()? {
            Some(Received::Bytes(_)) => Step::Continue(()),
            Some(other) => self.handle_received(other, scratch),
            None => {
                let stream = &mut self.connection.stream;
                let received = stream.receive_any(scratch, &mut self.registry.ledger)?;
                self.handle_received(received, scratch)
            }
        }
    }

    /// Moves what the socket has to its partner's; `None` if it has to be copied instead.
    fn splice(&mut self) -> Step<Option<Received>> {
        let Some(partner) = self.connection.stream.wants_splice() else {
            return Step::Continue(None);
        };
        let key = self.key();
        let Registry { slots, ledger, .. } = &mut *self.registry;
        let Found::Here(Source::Stream(other)) = slots.find(partner) else {
            return Step::Continue(None);
        };
        let (stream, other) = (&mut self.connection.stream, &mut other.stream);
        if !other.takes_splice() {
            return Step::Continue(None);
        }
        if !other.outbox.is_empty() {
            other.hold_partner(key);
            stream.hold();
            return Step::Continue(Some(Received::Nothing));
        }
        let Some(mut lent) = ledger.pipes.take(ledger.limits.pipes) else {
            return Step::Continue(None);
        };
        match stream.io.splice_in(&mut lent.pipe, ledger)? {
            None => {
                stream.set_manner(Manner::OnlyCopying);
                ledger.pipes.keep(lent);
                Step::Continue(None)
            }
            Some(Received::Bytes(moved)) => {
                if moved <= LITTLE {
                    stream.set_manner(Manner::Copying);
                }
                if other.take_spliced(key, partner, lent, ledger) {
                    stream.hold();
                }
                Step::Continue(Some(Received::Bytes(moved)))
            }
            Some(nothing) => {
                ledger.pipes.keep(lent);
                Step::Continue(Some(nothing))
            }
        }
    }
}

impl Stream {
    /// Where to splice to, if there is much to be moved and nothing in front of it.
    fn wants_splice(&self) -> Option<Key> {
        if self.io.has_unread() || self.io.is_layered() {
            return None;
        }
        self.io.coupling().filter(|it| it.manner == Manner::Splicing).map(|it| it.partner)
    }

    /// Whether bytes may go past it: it is open, and its wire carries them as they are.
    fn takes_splice(&self) -> bool {
        self.can_write() && self.can_be_called() && !self.io.is_layered()
    }

    /// Sends what is in a pipe, as far as the kernel takes it, and queues the rest; whether the partner has to
    /// wait for that.
    fn take_spliced(&mut self, from: Key, key: Key, mut lent: Lent, ledger: &mut Ledger) -> bool {
        self.count_taken(lent.pipe.len());
        let whose = About::Other(ConnectionId(key).into());
        let poured = self.pour(&mut lent, whose, ledger);
        if let Step::Break(reason) = poured {
            self.retire(key, reason, ledger);
            return true;
        }
        if lent.pipe.is_empty() {
            ledger.pipes.keep(lent);
            return false;
        }
        let before = self.outbox.charge();
        self.outbox.push_pipe(lent, &mut ledger.spares);
        ledger.recharge(before, self.outbox.charge());
        self.hold_partner(from);
        self.touch(key, ledger);
        true
    }

    fn pour(&mut self, lent: &mut Lent, whose: About, ledger: &mut Ledger) -> Step {
        if !self.io.is_writable() {
            return Step::Continue(());
        }
        match self.io.splice_out(&mut lent.pipe, whose, ledger)? {
            Some(_) => Step::Continue(()),
            // It has come half of the way, and is copied the other half.
            None => {
                let bytes = lent.pipe.take();
                self.queue(whose, ledger, |outbox, spares| outbox.push_copy(&bytes, spares))
            }
        }
    }

    /// Goes on with the pipe in front of the outbox: how many bytes have left.
    pub(in crate::stream) fn flush_pipe(&mut self, ledger: &mut Ledger) -> Step<usize> {
        let Some(Front::Pipe(lent)) = self.outbox.front() else {
            return Step::Continue(0);
        };
        let sent = self.io.splice_out(&mut lent.pipe, About::Visited, ledger)?;
        if sent.is_some() && !lent.pipe.is_empty() {
            return Step::Continue(sent.unwrap_or_default());
        }
        let before = self.outbox.charge();
        if let Some(mut lent) = self.outbox.pop_pipe(&mut ledger.spares) {
            self.outbox.push_front(lent.pipe.take(), &mut ledger.spares);
            ledger.pipes.keep(lent);
        }
        ledger.recharge(before, self.outbox.charge());
        Step::Continue(sent.unwrap_or_default())
    }

    fn set_manner(&mut self, manner: Manner) {
        if let Some(coupling) = self.io.coupling_mut() {
            coupling.manner = manner;
        }
    }

    /// Chooses the way of the next read by how much this one has brought.
    pub(super) fn note_copied(&mut self, bytes: usize) {
        if let Some(coupling) = self.io.coupling_mut().filter(|_| bytes >= MUCH)
            && coupling.manner == Manner::Copying
        {
            coupling.manner = Manner::Splicing;
        }
    }
}
