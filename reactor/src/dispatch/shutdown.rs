//! Shutting down, as a phase of a turn: everybody is told, and the slow are cut off at the deadline.

use std::collections::VecDeque;
use std::time::Duration;

use crate::id::Key;
use crate::registry::{Registry, Timed};
use crate::shutdown::{Shutdown, ShutdownReport, Telling};
use crate::slots::Found;
use crate::source::Source;
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, ListenerId, SocketId};

impl<App> Registry<App> {
    pub(crate) fn begin_shutdown(&mut self, grace: Duration) {
        let deadline = self.ledger.clock.tick_after(grace);
        if let Shutdown::Ending { timer, .. } = self.shutdown {
            let Some(timer) = timer else { return };
            if self.wheel.get_mut(timer).is_some_and(|(planned, _)| deadline < planned) {
                self.wheel.rearm(timer, deadline);
            }
            return;
        }
        let timer = self.wheel.insert(deadline, || Timed::Shutdown);
        self.shutdown = Shutdown::Ending {
            began: self.now(),
            timer: Some(timer),
            telling: Telling::Due,
            report: ShutdownReport::default(),
        };
    }

    /// Tells everybody, once, when no callback is on the stack: so many in a turn as the budget allows.
    pub(crate) fn tell_of_shutdown(&mut self, app: &mut App) {
        if let Shutdown::Ending { telling: Telling::Due, .. } = &self.shutdown {
            self.begin_telling();
        }
        self.tell(self.ledger.budgeted(usize::MAX), app);
    }

    /// Closes the listeners, and those whose peer is not known yet, all at once, so that no connection comes
    /// afterwards. One that came between the decision and now is told too.
    fn begin_telling(&mut self) {
        self.ledger.trace_loop(|| What::ShutdownBegan);
        let mut keys: Vec<Key> = self.slots.iter().map(|(key, _)| key).collect();
        keys.retain(|key| !self.drop_preface(*key));
        keys.retain(|key| self.remove_listener(ListenerId(*key)).is_err());
        if let Shutdown::Ending { telling, .. } = &mut self.shutdown {
            *telling = Telling::Underway(keys.into());
        }
    }

    /// Tells so many of those who are on the list now.
    fn tell(&mut self, most: usize, app: &mut App) {
        let listed = self.untold().map_or(0, |rest| rest.len());
        for _ in 0..most.min(listed) {
            let Some(key) = self.untold().and_then(VecDeque::pop_front) else { return };
            self.tell_one(key, app);
        }
    }

    /// Has a connection told once more: what was told has not closed it, and another protocol has taken over, or the
    /// same has asked for it. One that has yet to be told is told once.
    pub(crate) fn tell_anew(&mut self, key: Key) {
        if self.away.is_to_be_told(key) {
            return;
        }
        if let Some(rest) = self.untold()
            && !rest.contains(&key)
        {
            rest.push_back(key);
        }
    }

    /// Those who have yet to hear of the shutdown, while everybody is told.
    fn untold(&mut self) -> Option<&mut VecDeque<Key>> {
        match &mut self.shutdown {
            Shutdown::Ending { telling: Telling::Underway(rest), .. } => Some(rest),
            _ => None,
        }
    }

    /// Tells one source. It may have ended meanwhile; each of these calls looks.
    fn tell_one(&mut self, key: Key, app: &mut App) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(key)
            && connection.stream.is_attempt()
        {
            // It ends with the connection that it is made for.
            return;
        }
        if let Found::Here(source) = self.slots.find(key)
            && source.is_opening()
        {
            // Its protocol has not heard that it is open, and need not hear that it may not be.
            let _ = self.close(ConnectionId(key)).or_else(|_| self.close_socket(SocketId(key)));
            return;
        }
        if self.away.tell_after(key) {
            return self.hold_until_told(key);
        }
        self.call_by_key(key, app, Callback::Shutdown, |protocol, transport, app| {
            protocol.on_shutdown(transport, app);
        });
        self.call_socket_by_key(key, app, Callback::Shutdown, |visit| {
            visit.protocol.on_shutdown(&mut visit.transport, visit.app);
        });
    }

    /// It waits for an answer, which is another's to give: it is not asked for more until then.
    fn hold_until_told(&mut self, key: Key) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(key) {
            connection.stream.hold_until_told();
        }
    }

    /// Tells a connection whose work is back, or is not waited for any longer.
    pub(crate) fn tell_of_end(&mut self, key: Key, app: &mut App) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(key)
            && connection.stream.release_to_be_told(&self.ledger)
        {
            connection.stream.make_ready(key, &mut self.ledger);
        }
        self.call_by_key(key, app, Callback::Shutdown, |protocol, transport, app| {
            protocol.on_shutdown(transport, app);
        });
    }

    /// The grace is over: whatever is still there is cut off. Those that have not been told are told first.
    pub(crate) fn end_grace(&mut self, app: &mut App) {
        if let Shutdown::Ending { timer, .. } = &mut self.shutdown {
            *timer = None;
        }
        self.tell(usize::MAX, app);
        for key in self.away.take_untold() {
            self.tell_of_end(key, app);
        }
        self.ledger.trace_loop(|| What::GraceEnded);
        let keys: Vec<Key> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            match self.slots.find(key) {
                Found::Here(Source::Stream(connection)) => {
                    let reason = Box::new(CloseReason::Shutdown);
                    connection.stream.retire(key, reason, &mut self.ledger);
                }
                Found::Here(Source::Datagram(socket)) => {
                    socket.queue.retire(CloseReason::Shutdown, &mut self.ledger);
                }
                Found::Here(Source::Listener(_) | Source::Preface(_))
                | Found::Running
                | Found::Gone => {}
            }
        }
    }

    /// What the shutdown waits for: sockets, and work for which there is still grace.
    pub(crate) fn awaited(&self) -> usize {
        let work = if self.shutdown.awaits_work() { self.offloads.len() } else { 0 };
        self.slots.len() + work
    }

    /// What work has left to be done when it is back: in a closure, or in a message that a handle has been given in
    /// this turn, of which the loop will be woken.
    fn has_work_left(&self) -> bool {
        self.has_tasks() || self.mailbox.has_messages()
    }

    /// The report, once everything has ended; and again, until something is asked of the loop anew.
    pub(crate) fn finish_shutdown(&mut self) -> Option<ShutdownReport> {
        if self.awaited() > 0 || (self.shutdown.awaits_work() && self.has_work_left()) {
            return None;
        }
        match std::mem::replace(&mut self.shutdown, Shutdown::Running) {
            Shutdown::Running => None,
            Shutdown::Ending { began, timer, report, .. } => {
                timer.map(|timer| self.wheel.cancel(timer));
                let took = self.ledger.clock.refresh() - began;
                let work_lost = self.offloads.len();
                Some(self.end_with(ShutdownReport { took, work_lost, ..report }))
            }
            Shutdown::Done(report) => {
                let report = self.end_with(report);
                // What waits may have it begin anew.
                (!self.has_tasks()).then_some(report)
            }
        }
    }

    fn end_with(&mut self, report: ShutdownReport) -> ShutdownReport {
        self.shutdown = Shutdown::Done(report.clone());
        report
    }
}
