//! How long to wait before connecting again.

use std::time::Duration;

/// Pauses, each about twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first.min(longest) }
    }

    /// The next pause; `random` decides how much of it is taken off, half of it at most.
    pub(super) fn pause(&mut self, random: u64) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        let off = (random >> 32) as f64 / f64::from(u32::MAX) / 2.0;
        pause.mul_f64(1.0 - off.min(0.5))
    }

    /// All is well again.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.first, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_ceiling_and_differ_from_each_others() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(2), seconds(7));
        let pauses = [0; 4].map(|random| backoff.pause(random));
        assert_eq!(pauses, [2, 4, 7, 7].map(seconds));
        assert_eq!(backoff.pause(u64::MAX), Duration::from_millis(3_500));
        backoff.reset();
        assert_eq!(backoff.pause(0), seconds(2));
    }
}
