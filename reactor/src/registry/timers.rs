//! Timers: free-standing closures, and those of a connection or a socket by key.
//!
//! The timers of one source form a list through the wheel, whose head is in the source: a handful at
//! most, so looking for a key is a short walk, and ending the source cancels them all.

use std::time::Duration;

use super::{Registry, Task};
use crate::id::{Key, MAX_TIMERS};
use crate::{TimerId, TimerKey, TimersFull};

/// What a timer is for.
pub(crate) enum Timed<App> {
    /// A key of a stream or a datagram socket; the next of its siblings.
    Source {
        source: Key,
        key: TimerKey,
        sibling: Option<Key>,
    },
    /// The deadlines of a stream.
    Guard {
        stream: Key,
    },
    /// A listener's rest is over.
    Rest {
        listener: Key,
    },
    /// A connection that is being made to a host: the end of its look-up, or the next attempt.
    Race {
        stream: Key,
    },
    /// A proxy should have said by now whom it speaks for.
    Preface {
        of: Key,
    },
    /// Peers of a datagram socket that took nothing are tried again.
    Retry {
        socket: Key,
    },
    /// The grace of a shutdown is over.
    Shutdown,
    Once(Task<App>),
    /// Boxed, since it is larger than the others, and each of a million timers is as large as the
    /// largest.
    Periodic(Box<Periodic<App>>),
    /// A periodic closure that is running right now.
    Running,
}

pub(crate) struct Periodic<App> {
    pub(crate) period: Duration,
    pub(crate) task: PeriodicTask<App>,
}

type PeriodicTask<App> = Box<dyn FnMut(&mut Registry<App>, &mut App)>;

impl<App> Registry<App> {
    /// Runs a closure once, after a delay. The delay is measured from the beginning of this turn and
    /// rounded up to a millisecond; a zero delay is the next turn, and [`Duration::MAX`] is never.
    /// Timers of the same millisecond fire in the order in which they were set, or last moved.
    ///
    /// # Errors
    ///
    /// If [`Limits::timers`](crate::Limits::timers) are set already.
    #[doc(alias("set_timer", "set_timeout", "sleep", "call_later"))]
    pub fn after(
        &mut self,
        delay: Duration,
        task: impl FnOnce(&mut Self, &mut App) + 'static,
    ) -> Result<TimerId, TimersFull> {
        self.shutdown.begin_anew();
        self.insert_timer(delay, || Timed::Once(Box::new(task))).map(TimerId)
    }

    /// Runs a closure again and again, first after one period. Periods that pass while the loop is
    /// busy are skipped, not made up for; the rhythm stays.
    ///
    /// ```
    /// use reactor::{Reactor, TimerId};
    /// use std::time::Duration;
    ///
    /// #[derive(Default)]
    /// struct App {
    ///     beats: u32,
    ///     heart: Option<TimerId>,
    /// }
    ///
    /// let mut reactor = Reactor::<App>::new()?;
    /// let heart = reactor.registry().every(Duration::from_millis(1), |registry, app: &mut App| {
    ///     app.beats += 1;
    ///     if app.beats == 3 {
    ///         // From inside or from anywhere else; whether it was still set is what this returns.
    ///         app.heart.take().map(|heart| registry.cancel(heart));
    ///     }
    /// })?;
    /// let mut app = App { beats: 0, heart: Some(heart) };
    /// reactor.run_until_idle(&mut app)?;
    /// assert_eq!(app.beats, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If [`Limits::timers`](crate::Limits::timers) are set already.
    #[doc(alias("interval", "set_interval"))]
    pub fn every(
        &mut self,
        period: Duration,
        task: impl FnMut(&mut Self, &mut App) + 'static,
    ) -> Result<TimerId, TimersFull> {
        self.shutdown.begin_anew();
        let periodic = Box::new(Periodic { period, task: Box::new(task) });
        self.insert_timer(period, || Timed::Periodic(periodic)).map(TimerId)
    }

    /// Moves a timer: it fires after this delay instead, and a periodic one has its next beat then, also
    /// if it does so itself. Whether it was still to fire; if not, nothing has changed.
    ///
    /// ```
    /// # use reactor::{Registry, TimerId, TimersFull};
    /// # use std::time::Duration;
    /// const QUIET: Duration = Duration::from_secs(30);
    ///
    /// /// Something has happened: the lights stay on for a while.
    /// fn stay_awake<App>(registry: &mut Registry<App>, lights_out: &mut TimerId) -> Result<(), TimersFull> {
    ///     if !registry.rearm(*lights_out, QUIET) {
    ///         *lights_out = registry.after(QUIET, |_, _| println!("good night"))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn rearm(&mut self, timer: TimerId, delay: Duration) -> bool {
        self.wheel.rearm(timer.0, self.ledger.clock.tick_after(delay))
    }

    /// Cancels a timer; whether it was still to fire. A periodic one may cancel itself.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.wheel.cancel(timer.0)
    }

    pub(crate) fn insert_timer(
        &mut self,
        delay: Duration,
        timed: impl FnOnce() -> Timed<App>,
    ) -> Result<Key, TimersFull> {
        if self.wheel.len() >= self.ledger.limits.timers.min(MAX_TIMERS) {
            return Err(TimersFull);
        }
        Ok(self.wheel.insert(self.ledger.clock.tick_after(delay), timed))
    }

    /// Sets or moves the timer of a source that has this key.
    pub(crate) fn set_source_timer(
        &mut self,
        source: Key,
        head: &mut Option<Key>,
        key: TimerKey,
        after: Duration,
    ) -> Result<(), TimersFull> {
        let deadline = self.ledger.clock.tick_after(after);
        if let Some(timer) = self.find_source_timer(*head, key) {
            self.wheel.rearm(timer, deadline);
            return Ok(());
        }
        let sibling = *head;
        *head = Some(self.insert_timer(after, || Timed::Source { source, key, sibling })?);
        Ok(())
    }

    pub(crate) fn cancel_source_timer(&mut self, head: &mut Option<Key>, key: TimerKey) -> bool {
        self.find_source_timer(*head, key)
            .is_some_and(|timer| self.remove_source_timer(head, timer))
    }

    /// Takes a timer out of its source's list and out of the wheel.
    pub(crate) fn remove_source_timer(&mut self, head: &mut Option<Key>, timer: Key) -> bool {
        let next = self.sibling(timer);
        if *head == Some(timer) {
            *head = next;
        } else {
            let mut before = *head;
            while let Some((_, Timed::Source { sibling, .. })) =
                before.and_then(|current| self.wheel.get_mut(current))
            {
                if *sibling == Some(timer) {
                    *sibling = next;
                    break;
                }
                before = *sibling;
            }
        }
        self.wheel.cancel(timer)
    }

    /// Cancels all timers of a source that has ended.
    pub(crate) fn cancel_timers(&mut self, head: Option<Key>) {
        let mut next = head;
        while let Some(timer) = next {
            next = self.sibling(timer);
            self.wheel.cancel(timer);
        }
    }

    fn find_source_timer(&mut self, head: Option<Key>, wanted: TimerKey) -> Option<Key> {
        let mut next = head;
        while let Some(timer) = next {
            let (_, Timed::Source { key, sibling, .. }) = self.wheel.get_mut(timer)? else {
                return None;
            };
            if *key == wanted {
                return Some(timer);
            }
            next = *sibling;
        }
        None
    }

    fn sibling(&mut self, timer: Key) -> Option<Key> {
        match self.wheel.get_mut(timer)? {
            (_, Timed::Source { sibling, .. }) => *sibling,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timed;

    #[test]
    fn what_a_timer_is_for_is_small() {
        assert!(size_of::<Option<Timed<()>>>() <= 24);
    }
}
