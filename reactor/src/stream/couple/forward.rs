//! Passes on bytes from one connection of a couple to the other, and holds its reading meanwhile.

use super::coupling::Coupling;
use crate::id::Key;
use crate::ledger::Ledger;
use crate::outbox::Pressure;
use crate::reason::Step;
use crate::registry::Registry;
use crate::slots::Found;
use crate::source::Source;
use crate::stream::Stream;
use crate::stream::pending::{Between, Mark, Reading};
use crate::trace::{About, What};
use crate::{ConnectionId, StreamLimits};

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
    pub(crate) fn release_partner(&mut self, partner: Key) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(partner) {
            connection.stream.unhold(partner, &mut self.ledger);
        }
    }
}

impl Stream {
    pub(super) fn couple(&mut self, coupling: Coupling) {
        self.io.couple(coupling);
        if self.pending.between == Between::Nothing {
            self.pending.between = Between::Couple;
        }
        // Each direction stands alone: two peers that wait for each other would wait for ever.
        self.set_limits(StreamLimits { outbox_holds_reading: false, ..self.limits().clone() });
        if self.pending.mark == Mark::Holding {
            self.pending.mark = Mark::High;
        }
    }

    pub(crate) fn is_coupled(&self) -> bool {
        self.io.coupling().is_some()
    }

    pub(super) fn partner(&self) -> Option<Key> {
        Some(self.io.coupling()?.partner)
    }

    /// Reads it from here on, even if it was paused before.
    pub(super) fn flow(&mut self, key: Key, ledger: &mut Ledger) {
        self.pending.reading = Reading::Again;
        self.make_ready(key, ledger);
    }

    /// It is not read until its partner has sent what is queued there. One that is paused looks again when it
    /// goes on.
    pub(super) fn hold(&mut self) {
        if self.pending.reading != Reading::Paused {
            self.pending.reading = Reading::Held;
        }
    }

    fn unhold(&mut self, key: Key, ledger: &mut Ledger) {
        if self.pending.reading == Reading::Held {
            ledger.trace_of(ConnectionId(key), || What::Released);
            self.flow(key, ledger);
        }
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
            let sent = self.io.send(bytes, whose, ledger)?;
            rest = bytes.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                return Step::Continue(());
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
