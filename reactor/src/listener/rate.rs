//! How often something may happen: so many a second in the long run, in bursts of at most so many.

use std::time::{Duration, Instant};

/// A token bucket, kept as the generic cell rate algorithm does (ITU-T I.371, annex A): its whole state
/// is the time at which it would be full again.
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
    /// Time in which one token grows.
    interval: Duration,
    /// How far ahead of the present `full_at` may be for there to be a token.
    tolerance: Duration,
    /// When the bucket is full again; `None` before the first token is taken.
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket: `burst` at once, then `per_second` a second. Zero of either counts as one.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, tolerance: interval * (burst.max(1) - 1), full_at: None }
    }

    /// Takes one token.
    ///
    /// # Errors
    ///
    /// If there is none, the time at which there will be.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        if full_at > now + self.tolerance {
            return Err(full_at - self.tolerance);
        }
        self.full_at = Some(full_at + self.interval);
        Ok(())
    }

    /// Whether no token is missing, so that the bucket may be forgotten.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
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
}
