//! How fast bytes may go: a rate, kept over transfers of any size.

use std::time::{Duration, Instant};

/// A rate in bytes a second, or none.
///
/// It never refuses: what has gone too early is made up for by waiting before the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rate: Option<u64>,
    /// When everything that has gone so far would have gone at this rate.
    free_at: Option<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.map(|rate| rate.max(1)), free_at: None }
    }

    /// So many bytes have gone: how long to wait until the next may.
    pub(super) fn handle_moved(&mut self, bytes: u64, now: Instant) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let time = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let free_at = self.free_at.map_or(now, |free_at| free_at.max(now)) + time;
        self.free_at = Some(free_at);
        free_at - now
    }

    /// How many bytes may go at once, if at most so many are wanted: a quarter of a second's worth.
    pub(super) fn portion(&self, wanted: u64) -> u64 {
        self.rate.map_or(wanted, |rate| wanted.min((rate / 4).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_early_is_waited_for() {
        let now = Instant::now();
        let mut pace = Pace::new(Some(1_000));
        assert_eq!(pace.portion(10_000), 250);
        assert_eq!(pace.handle_moved(250, now), Duration::from_millis(250));
        assert_eq!(pace.handle_moved(250, now), Duration::from_millis(500));
        let later = now + Duration::from_secs(9);
        assert_eq!(pace.handle_moved(500, later), Duration::from_millis(500));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.portion(u64::MAX), u64::MAX);
        assert_eq!(pace.handle_moved(u64::MAX, Instant::now()), Duration::ZERO);
    }
}
