//! Sets and checks the deadlines of a connection, from its state and its limits.

use std::mem;
use std::rc::Rc;

use super::guard::{Deadlines, Doing, Phase};
use super::{Step, Stream, Visit};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::registry::{Idle, Timed};
use crate::timer::Tick;
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, StreamLimits};

impl Stream {
    pub(super) fn begin(&mut self, phase: Phase, end: Tick, ledger: &Ledger) {
        self.io.guard_from(ledger.clock.tick()).begin(phase, end);
        self.io.deadlines.change();
    }

    /// Whether the guard's timer has to be set anew.
    pub(crate) fn has_guard_note(&self) -> bool {
        self.io.deadlines != Deadlines::Armed
    }

    fn take_guard_note(&mut self, ledger: &Ledger) {
        if mem::replace(&mut self.io.deadlines, Deadlines::Armed) == Deadlines::Closing {
            let end = ledger.clock.tick_after(self.limits.close_timeout);
            self.io.guard_from(ledger.clock.tick()).begin(Phase::Closing, end);
        }
    }

    /// Checks the deadlines: when to look again, or a break if one has passed.
    pub(crate) fn check_deadlines(&mut self, now: Tick) -> Step<Option<Tick>> {
        let doing = Doing {
            open: self.can_be_called(),
            reading: self.intake_of_others().is_some(),
            owes: self.io.has_unread() || !self.outbox.is_empty(),
        };
        let limits = Rc::clone(&self.limits);
        if !limits.has_deadlines() && self.io.guard().is_none() {
            return Step::Continue(None);
        }
        self.io.guard_from(now).check(now, &limits, doing).map_break(Box::new)
    }

    /// Removes the guard, since no deadlines are left; its timer, if it has one.
    pub(crate) fn dismiss_guard(&mut self) -> Option<Key> {
        self.io.take_guard()?.timer
    }

    pub(crate) fn set_limits(&mut self, limits: StreamLimits) {
        self.limits = Rc::new(limits);
        self.io.deadlines.change();
    }

    pub(crate) fn limits(&self) -> &StreamLimits {
        &self.limits
    }
}

impl<App> Visit<'_, App> {
    /// Sets the guard's timer to the next moment at which a deadline could have passed.
    pub(super) fn arm_guard(&mut self) {
        let key = self.key();
        let wheel = &mut self.registry.wheel;
        let stream = &mut self.connection.stream;
        stream.take_guard_note(&self.registry.ledger);
        let now = self.registry.ledger.clock.tick();
        let next = match stream.check_deadlines(now) {
            // Its protocol is asked, and that no callback may be on the stack: by the timer, at once.
            Step::Break(reason) if reason.is_silence() => Some(now),
            Step::Break(reason) => return self.retire(reason),
            Step::Continue(next) => next,
        };
        let Some(guard) = stream.io.guard() else {
            return;
        };
        match (guard.timer, next) {
            (Some(timer), Some(tick)) => drop(wheel.rearm(timer, tick)),
            // Beyond the timers' limit: a deadline is what keeps a loop from filling up.
            (None, Some(tick)) => {
                guard.timer = Some(wheel.insert(tick, || Timed::Guard { stream: key }));
            }
            (_, None) => drop(stream.dismiss_guard().map(|timer| wheel.cancel(timer))),
        }
    }

    /// The guard's timer has fired.
    pub(crate) fn look_at_deadlines(&mut self) {
        self.registry.ledger.trace_visit(ConnectionId(self.key()), || What::DeadlinesChecked);
        match self.connection.stream.check_deadlines(self.registry.ledger.clock.tick()) {
            Step::Break(reason) if reason.is_silence() => self.ask_about_silence(reason),
            Step::Break(reason) => self.retire(reason),
            Step::Continue(_) => self.arm_guard(),
        }
    }

    /// Asks the protocol of a silent connection whether it should end.
    fn ask_about_silence(&mut self, reason: Box<CloseReason>) {
        let now = self.registry.ledger.clock.tick();
        self.connection.stream.io.guard_from(now).note_asked(now);
        let mut answer = Idle::End;
        let step = self.call(Callback::Idle, |protocol, transport, app| {
            answer = protocol.on_idle(transport, app);
            if let Idle::EndWith(goodbye) = answer
                && transport.queued_bytes() == 0
            {
                transport.write(goodbye);
                transport.close();
            }
        });
        // It may have been closed, and what was not read so far has to be out of the way.
        if self.connection.stream.intake().is_some() {
            self.come_again();
        }
        self.finish(step);
        match answer {
            Idle::End | Idle::EndWith(_) if self.connection.stream.can_be_called() => {
                self.retire(reason);
            }
            _ => self.arm_guard(),
        }
    }
}
