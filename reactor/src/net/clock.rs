//! The time of the loop. It is read at most once in a turn, so everything in a turn happens at the same time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::System;
use crate::timer::Tick;

pub(crate) struct Clock {
    system: System,
    epoch: Instant,
    /// The time of this turn, once it was asked for. In most turns nobody asks.
    now: Cell<Option<Instant>>,
    /// From `epoch` to `now`, and in whole milliseconds. A turn in which many connections with deadlines move
    /// asks many times.
    passed: Cell<Option<(Duration, Tick)>>,
}

/// A millisecond, less the least there is.
const ALMOST_A_TICK: u32 = 999_999;

impl Clock {
    pub(crate) fn new(system: System) -> Self {
        let epoch = system.now();
        Self { system, epoch, now: Cell::new(Some(epoch)), passed: Cell::new(None) }
    }

    /// Ends the time of this turn: the next who asks gets a new one.
    pub(crate) fn go_on(&mut self) {
        self.now.set(None);
        self.passed.set(None);
    }

    /// As [`Self::go_on`], and reads the system's clock at once.
    pub(crate) fn refresh(&mut self) -> Instant {
        self.go_on();
        self.now()
    }

    /// Reads the system's clock, and leaves the loop's time as it is.
    pub(crate) fn read(&self) -> Instant {
        self.system.now()
    }

    /// When the loop began.
    #[cfg(feature = "trace")]
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The time of this turn, which is read when it is first asked for.
    pub(crate) fn now(&self) -> Instant {
        self.now.get().unwrap_or_else(|| {
            let now = self.read();
            self.now.set(Some(now));
            now
        })
    }

    /// Whole milliseconds that have passed since the loop began.
    pub(crate) fn tick(&self) -> Tick {
        self.passed().1
    }

    /// The first tick at which `after` from now has passed entirely; no delay is the present tick,
    /// and one too long to count the last there is.
    pub(crate) fn tick_after(&self, after: Duration) -> Tick {
        if after.is_zero() {
            return self.tick();
        }
        let (passed, _) = self.passed();
        // Two parts of a second: together they are far from the end of 32 bits.
        let nanos = passed.subsec_nanos() + after.subsec_nanos() + ALMOST_A_TICK;
        to_tick(passed.as_secs().checked_add(after.as_secs()), nanos)
    }

    fn passed(&self) -> (Duration, Tick) {
        self.passed.get().unwrap_or_else(|| {
            let passed = self.now() - self.epoch;
            let passed = (passed, to_tick(Some(passed.as_secs()), passed.subsec_nanos()));
            self.passed.set(Some(passed));
            passed
        })
    }

    /// When a tick comes; `None` if the system's clock cannot count as far.
    pub(crate) fn instant(&self, tick: Tick) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_millis(tick))
    }
}

fn to_tick(seconds: Option<u64>, nanos: u32) -> Tick {
    seconds
        .and_then(|seconds| seconds.checked_mul(1_000))
        .and_then(|millis| millis.checked_add(u64::from(nanos / 1_000_000)))
        .unwrap_or(Tick::MAX)
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
        assert_eq!(clock.tick_after(Duration::from_secs(u64::MAX / 1_000 - 1)), Tick::MAX - 1_615);
        clock.go_on();
        clock.now.set(Some(clock.epoch + Duration::from_micros(7_500)));
        assert_eq!(clock.tick_after(Duration::ZERO), clock.tick());
        assert_eq!(clock.tick_after(Duration::from_micros(500)), 8);
    }

    #[test]
    fn the_time_of_a_turn_stands_once_it_was_asked_for() {
        let mut clock = Clock::new(Poller::new().expect("there are descriptors").system());
        clock.go_on();
        let before = clock.read();
        let now = clock.now();
        assert!(now >= before && clock.read() >= now && clock.now() == now);
        assert!(clock.refresh() >= now);
    }
}
