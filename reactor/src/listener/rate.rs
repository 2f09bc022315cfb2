//! How often something may happen: so many a second in the long run, in bursts of at most so many.

use std::time::{Duration, Instant};

/// A token bucket, kept as a leaky one with a continuous state (ITU-T I.371, annex A): it is how much was missing
/// when it was last asked. Several questions of one moment, as of one turn of the loop, compute no time.
///
/// ```
/// use reactor::TokenBucket;
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let mut bucket = TokenBucket::new(2, 3);
/// assert_eq!([bucket.take(now), bucket.take(now), bucket.take(now)], [Ok(()); 3]);
/// let next = bucket.take(now).expect_err("the burst is over");
/// assert_eq!(next, now + Duration::from_millis(500));
/// assert_eq!(bucket.take(next), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Time in which one token grows, in nanoseconds, as all that follows: 64 bits of them are 584 years.
    interval: u64,
    /// How much may be missing for there to be a token.
    tolerance: u64,
    /// What was missing at that time: how long the bucket took to be full again.
    missing: u64,
    /// `None` before the first token is taken.
    at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket: `burst` at once, then `per_second` a second. Zero of either counts as one.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.max(1));
        let tolerance = interval * u64::from(burst.max(1) - 1);
        Self { interval, tolerance, missing: 0, at: None }
    }

    /// Takes one token.
    ///
    /// # Errors
    ///
    /// If there is none, the time at which there will be.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if self.at != Some(now) {
            self.grow(now);
        }
        if self.missing > self.tolerance {
            let wait = Duration::from_nanos(self.missing - self.tolerance);
            return Err(self.at.unwrap_or(now) + wait);
        }
        self.missing += self.interval;
        Ok(())
    }

    /// Whether no token is missing, so that the bucket may be forgotten.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        let mut then = *self;
        then.grow(now);
        then.missing == 0
    }

    /// Adds what has grown until now.
    // In line, a token of the same moment takes 24 instructions more.
    #[inline(never)]
    fn grow(&mut self, now: Instant) {
        let grown = self.at.map_or(Duration::ZERO, |before| now - before);
        self.missing = self.missing.saturating_sub(grown.as_nanos() as u64);
        self.at = self.at.max(Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_a_burst_and_then_its_rate() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut bucket = TokenBucket::new(4, 4);
        assert_eq!([0; 4].map(|millis| bucket.take(at(millis))), [Ok(()); 4]);
        assert_eq!(bucket.take(at(0)), Err(at(250)));
        assert_eq!(bucket.take(at(249)), Err(at(250)));
        assert_eq!(bucket.take(at(250)), Ok(()));
        assert!(!bucket.is_full(at(300)));
        assert!(bucket.is_full(at(10_000)));
        assert_eq!([0; 4].map(|_| bucket.take(at(10_000))), [Ok(()); 4]);
        assert!(bucket.take(at(10_000)).is_err());
    }

    #[test]
    fn the_slowest_bucket_with_the_largest_burst_does_not_overflow() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(1, u32::MAX);
        assert_eq!([0; 3].map(|_| bucket.take(now)), [Ok(()); 3]);
        assert!(!bucket.is_full(now + Duration::from_secs(2)));
        assert!(bucket.is_full(now + Duration::from_secs(3)));
    }
}
