//! Timers that have come due.

use crate::id::Key;
use crate::registry::{Registry, Timed};
use crate::slots::Found;
use crate::source::Source;
use crate::trace::{Callback, What};
use crate::{ConnectionId, SocketId, TimerId};

impl<App> Registry<App> {
    /// Fires what is due, up to the budget; what is left over fires in the next turn.
    pub(crate) fn fire_timers(&mut self, app: &mut App) {
        if self.wheel.len() == 0 {
            return;
        }
        self.wheel.advance(self.ledger.clock.tick());
        for _ in 0..self.ledger.limits.timer_budget {
            let Some(timer) = self.wheel.pop() else {
                return;
            };
            self.ledger.stats.timers_fired += 1;
            self.fire(timer, app);
        }
    }

    /// Fires one timer, which is in no list of the wheel any more.
    fn fire(&mut self, timer: Key, app: &mut App) {
        match self.wheel.get_mut(timer) {
            Some((_, Timed::Source { source, key, .. })) => {
                let (source, key) = (*source, *key);
                self.fire_source_timer(source, timer, key, app);
            }
            Some((_, Timed::Guard { stream })) => {
                let stream = *stream;
                self.visit(stream, app, |visit| {
                    visit.look_at_deadlines();
                });
            }
            Some((_, Timed::Rest { listener })) => {
                let listener = *listener;
                self.end_rest(listener);
            }
            Some((_, Timed::Race { stream })) => {
                let stream = *stream;
                self.handle_race_timer(stream);
            }
            Some((_, Timed::Preface { of })) => {
                let of = *of;
                self.end_preface(of);
            }
            Some((_, Timed::Retry { socket })) => {
                let socket = *socket;
                self.handle_retry(socket, timer);
            }
            Some((_, Timed::Periodic(_))) => self.fire_periodic(timer, app),
            Some((_, Timed::Once(_) | Timed::Shutdown | Timed::Running)) => {
                self.fire_once(timer, app);
            }
            None => {}
        }
    }

    fn fire_source_timer(&mut self, source: Key, timer: Key, key: crate::TimerKey, app: &mut App) {
        let is_stream = match self.slots.find(source) {
            Found::Here(Source::Stream(connection)) => {
                let mut head = connection.stream.timers();
                self.remove_source_timer(&mut head, timer);
                self.set_timer_head(source, head);
                true
            }
            Found::Here(Source::Datagram(socket)) => {
                let mut head = socket.queue.timers;
                self.remove_source_timer(&mut head, timer);
                self.set_timer_head(source, head);
                false
            }
            _ => {
                self.wheel.cancel(timer);
                return;
            }
        };
        if is_stream {
            self.ledger.trace_visit(ConnectionId(source), || What::TimerFired(key));
            self.handle_stream_timer(source, key, app);
        } else {
            self.ledger.trace_visit(SocketId(source), || What::TimerFired(key));
            self.handle_socket_timer(source, key, app);
        }
    }

    fn set_timer_head(&mut self, source: Key, head: Option<Key>) {
        match self.slots.find(source) {
            Found::Here(Source::Stream(connection)) => *connection.stream.timers_mut() = head,
            Found::Here(Source::Datagram(socket)) => socket.queue.timers = head,
            _ => {}
        }
    }

    fn fire_once(&mut self, timer: Key, app: &mut App) {
        match self.wheel.take(timer) {
            Some(Timed::Once(task)) => {
                let whose = Some(TimerId(timer).into());
                self.run_callback(whose, Callback::Timer, |registry| task(registry, app));
            }
            Some(Timed::Shutdown) => self.end_grace(app),
            _ => {}
        }
    }

    /// Runs a periodic closure, and sets it again unless it cancelled itself or panicked.
    fn fire_periodic(&mut self, timer: Key, app: &mut App) {
        let Some((due, timed)) = self.wheel.get_mut(timer) else {
            return;
        };
        let Timed::Periodic(mut periodic) = std::mem::replace(timed, Timed::Running) else {
            return;
        };
        let whose = Some(TimerId(timer).into());
        if !self.run_callback(whose, Callback::Timer, |registry| (periodic.task)(registry, app)) {
            self.wheel.cancel(timer);
            return;
        }
        let Some((deadline, timed)) = self.wheel.get_mut(timer) else {
            return;
        };
        let period = periodic.period;
        *timed = Timed::Periodic(periodic);
        if deadline != due {
            // It has moved itself.
            return;
        }
        let length = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        self.wheel.rearm(timer, next_beat(due, length, self.ledger.clock.tick()));
    }
}

/// The first beat after now of a rhythm that had one at `due`.
fn next_beat(due: u64, length: u64, now: u64) -> u64 {
    if length == 0 {
        return now;
    }
    let missed = now.saturating_sub(due) / length;
    due.saturating_add(length.saturating_mul(missed + 1))
}

#[cfg(test)]
mod tests {
    use super::next_beat;

    #[test]
    fn beats_that_were_missed_are_skipped_and_the_rhythm_stays() {
        assert_eq!(next_beat(100, 10, 100), 110);
        assert_eq!(next_beat(100, 10, 109), 110);
        assert_eq!(next_beat(100, 10, 110), 120);
        assert_eq!(next_beat(100, 10, 1_234), 1_240);
        assert_eq!(next_beat(100, 0, 150), 150);
        assert_eq!(next_beat(100, u64::MAX, 150), u64::MAX);
    }
}
