//! The deadlines of a stream, kept by one timer of the loop's wheel: the guard's.

use std::ops::ControlFlow;

use crate::ConnectionId;
use crate::id::Key;
use crate::registry::{Registry, Timed};
use crate::source::Source;
use crate::stream::Stream;
use crate::trace::What;

impl<App> Registry<App> {
    /// Sets the guard's timer to the next moment at which a deadline could have passed.
    pub(super) fn arm_guard(&mut self, key: Key, stream: &mut Stream) {
        let next = match stream.check_deadlines(self.ledger.clock.tick()) {
            ControlFlow::Break(reason) => return self.retire_stream(key, stream, reason),
            ControlFlow::Continue(next) => next,
        };
        let Some(timer) = stream.guard_timer() else {
            return;
        };
        match (&timer, next) {
            (Some(timer), Some(tick)) => drop(self.wheel.rearm(*timer, tick)),
            // Beyond the timers' limit: a deadline is what keeps a loop from filling up.
            (None, Some(tick)) => {
                *timer = Some(self.wheel.insert(tick, || Timed::Guard { stream: key }));
            }
            (_, None) => drop(stream.dismiss_guard().map(|timer| self.wheel.cancel(timer))),
        }
    }

    /// The guard's timer has fired.
    pub(super) fn handle_guard(&mut self, key: Key) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        if let Source::Stream(mut connection) = source {
            self.ledger.trace_visit(ConnectionId(key), || What::DeadlinesChecked);
            if !connection.stream.is_closed() {
                self.arm_guard(key, &mut connection.stream);
            }
            self.slots.put(key, Source::Stream(connection));
        } else {
            self.slots.put(key, source);
        }
    }
}
