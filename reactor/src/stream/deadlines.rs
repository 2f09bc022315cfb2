//! The deadlines of a connection, as its state and its limits make them.

use std::rc::Rc;

use super::notes::Notes;
use super::{Step, Stream};
use crate::StreamLimits;
use crate::guard::{Doing, Guard, Phase};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::timer::Tick;

impl Stream {
    pub(super) fn begin(&mut self, phase: Phase, end: Tick, ledger: &Ledger) {
        let guard = self.io.guard.get_or_insert_with(|| Box::new(Guard::new(ledger.clock.tick())));
        guard.begin(phase, end);
        self.notes.set(Notes::GUARD);
    }

    /// Whether the guard's timer has to be set anew.
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
        match &mut self.io.guard {
            None if !wanted => Step::Continue(None),
            guard => guard
                .get_or_insert_with(|| Box::new(Guard::new(now)))
                .check(now, limits, doing)
                .map_break(Box::new),
        }
    }

    /// The timer that looks after its deadlines; `None` without any.
    pub(crate) fn guard_timer(&mut self) -> Option<&mut Option<Key>> {
        self.io.guard.as_mut().map(|guard| &mut guard.timer)
    }

    /// There are no deadlines left to look after.
    pub(crate) fn dismiss_guard(&mut self) -> Option<Key> {
        self.io.guard.take().and_then(|guard| guard.timer)
    }

    pub(crate) fn set_limits(&mut self, limits: StreamLimits) {
        self.limits = Rc::new(limits);
        self.notes.set(Notes::GUARD);
    }

    pub(crate) fn limits(&self) -> &StreamLimits {
        &self.limits
    }
}
