//! What a stream knows of the one it is coupled with.

use std::cell::Cell;
use std::rc::Rc;

use crate::id::Key;
use crate::ledger::Ledger;
use crate::registry::Registry;
use crate::slots::Found;
use crate::source::Source;
use crate::stream::notes::Notes;
use crate::stream::{Pressure, Step, Stream};
use crate::trace::{About, What};
use crate::{ConnectionId, StreamLimits};

/// What a stream knows of the one it is coupled with.
pub(crate) struct Coupling {
    pub(super) partner: Key,
    pub(super) manner: Manner,
    /// The partner is not read until what is queued here has left.
    holds_partner: bool,
    /// Bytes of the partner's that this stream was given to send.
    taken: Rc<Cell<u64>>,
}

/// How what a stream brings comes to its partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Through the loop's buffer, since it is little at a time.
    Copying,
    /// From socket to socket, since it is much.
    Splicing,
    /// Through the buffer, however much: the system cannot do otherwise with these sockets.
    OnlyCopying,
}

impl Coupling {
    pub(super) fn new(partner: Key, taken: Rc<Cell<u64>>) -> Self {
        Self { partner, manner: Manner::Copying, holds_partner: false, taken }
    }
}

impl<App> Registry<App> {
    /// Passes on to its partner what a stream has brought; how much is queued there then, or `None` if it takes
    /// nothing any more.
    pub(super) fn forward(&mut self, from: Key, partner: Key, bytes: &[u8]) -> Option<Pressure> {
        let Found::Here(Source::Stream(connection)) = self.slots.find(partner) else {
            return None;
        };
        connection.stream.take_forwarded(from, partner, bytes, &mut self.ledger)
    }

    /// What is queued for a stream has left: its partner is read again.
    #[cold]
    pub(crate) fn release_partner(&mut self, partner: Key) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(partner) {
            connection.stream.unhold(partner, &mut self.ledger);
        }
    }
}

impl Stream {
    pub(super) fn couple(&mut self, coupling: Coupling) {
        self.io.couple(coupling);
        self.notes.set(Notes::COUPLED);
        // Each direction stands alone: two peers that wait for each other would wait for ever.
        self.set_limits(StreamLimits { outbox_holds_reading: false, ..self.limits().clone() });
    }

    pub(crate) fn is_coupled(&self) -> bool {
        self.notes.has(Notes::COUPLED)
    }

    pub(super) fn partner(&self) -> Option<Key> {
        Some(self.io.coupling()?.partner)
    }

    /// From here on it is read, whatever it was told before.
    pub(super) fn flow(&mut self, key: Key, ledger: &mut Ledger) {
        self.resume();
        self.unhold(key, ledger);
    }

    /// It is not read until its partner has sent what is queued there.
    pub(super) fn hold(&mut self) {
        self.notes.set(Notes::HELD);
    }

    fn unhold(&mut self, key: Key, ledger: &mut Ledger) {
        if self.notes.take(Notes::HELD) {
            ledger.trace_of(ConnectionId(key), || What::Released);
        }
        self.notes.set(Notes::OFFER);
        self.make_ready(key, ledger);
    }

    /// Whose partner is to be read again, now that what was queued has left.
    pub(crate) fn take_held_partner(&mut self) -> Option<Key> {
        if !self.is_coupled() || !self.outbox.is_empty() {
            return None;
        }
        let coupling = self.io.coupling_mut()?;
        std::mem::take(&mut coupling.holds_partner).then_some(coupling.partner)
    }

    /// Sends what its partner has brought, as far as the kernel takes it, and queues the rest.
    fn take_forwarded(
        &mut self,
        from: Key,
        key: Key,
        bytes: &[u8],
        ledger: &mut Ledger,
    ) -> Option<Pressure> {
        if !self.can_write() {
            return None;
        }
        match self.send_or_queue(key, bytes, ledger) {
            Step::Continue(()) => {}
            Step::Break(reason) => {
                self.retire(key, reason, ledger);
                return None;
            }
        }
        self.count_taken(bytes.len());
        let pressure = self.pressure();
        if pressure.is_high() {
            self.hold_partner(from);
        }
        Some(pressure)
    }

    pub(super) fn count_taken(&self, bytes: usize) {
        if let Some(coupling) = self.io.coupling() {
            coupling.taken.set(coupling.taken.get() + bytes as u64);
        }
    }

    fn send_or_queue(&mut self, key: Key, bytes: &[u8], ledger: &mut Ledger) -> Step {
        let whose = About::Other(ConnectionId(key).into());
        let mut rest = bytes;
        if self.can_transmit() {
            match self.io.transmit(bytes, whose, ledger) {
                Ok(()) => return Step::Continue(()),
                Err(result) => {
                    let sent = self.io.transmitted(result, bytes.len(), whose, ledger)?;
                    rest = bytes.get(sent..).unwrap_or_default();
                }
            }
        }
        self.touch(key, ledger);
        self.queue(whose, ledger, |outbox, spares| outbox.push_copy(rest, spares))
    }

    /// Remembers to have its partner read again when all that is queued has left.
    pub(super) fn hold_partner(&mut self, partner: Key) {
        if let Some(coupling) = self.io.coupling_mut().filter(|it| it.partner == partner) {
            coupling.holds_partner = true;
        }
    }
}
