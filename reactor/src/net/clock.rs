//! The time of the loop: read once a turn, so that everything in a turn happens at the same time.

use std::time::{Duration, Instant};

use super::System;
use crate::timer::Tick;

pub(crate) struct Clock {
    system: System,
    epoch: Instant,
    now: Instant,
}

impl Clock {
    pub(crate) fn new(system: System) -> Self {
        let now = system.now();
        Self { system, epoch: now, now }
    }

    /// Reads the system's clock: the loop's time goes on.
    #[inline]
    pub(crate) fn refresh(&mut self) -> Instant {
        self.now = self.read();
        self.now
    }

    /// What the system's clock says, while the loop's time stands.
    #[inline]
    pub(crate) fn read(&self) -> Instant {
        self.system.now()
    }

    /// When the loop began.
    #[cfg(feature = "trace")]
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The time this turn began, or of the last [`Self::refresh`].
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Whole milliseconds that have passed since the loop began.
    pub(crate) fn tick(&self) -> Tick {
        to_tick(self.now - self.epoch)
    }

    /// The first tick at which `after` from now has passed entirely; no delay is the present tick,
    /// and one too long to count the last there is.
    pub(crate) fn tick_after(&self, after: Duration) -> Tick {
        if after.is_zero() {
            return self.tick();
        }
        (self.now - self.epoch)
            .checked_add(after)
            .and_then(|sum| sum.checked_add(Duration::from_nanos(999_999)))
            .map_or(Tick::MAX, to_tick)
    }

    /// When a tick comes; `None` if the system's clock cannot count as far.
    pub(crate) fn instant(&self, tick: Tick) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_millis(tick))
    }
}

fn to_tick(duration: Duration) -> Tick {
    Tick::try_from(duration.as_millis()).unwrap_or(Tick::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Poller;

    #[test]
    fn a_delay_is_rounded_up_and_never_overflows() {
        let poller = Poller::new().expect("there are descriptors");
        let mut clock = Clock::new(poller.system());
        assert_eq!(clock.tick_after(Duration::ZERO), 0);
        assert_eq!(clock.tick_after(Duration::from_nanos(1)), 1);
        assert_eq!(clock.tick_after(Duration::from_millis(7)), 7);
        assert_eq!(clock.tick_after(Duration::MAX), Tick::MAX);
        clock.now += Duration::from_micros(7_500);
        assert_eq!(clock.tick_after(Duration::ZERO), clock.tick());
        assert_eq!(clock.tick_after(Duration::from_micros(500)), 8);
    }
}
