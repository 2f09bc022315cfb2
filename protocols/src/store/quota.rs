//! How much a user may keep.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that may be in a tree, and those that are. It is shared by all sessions of a user, and by
/// uploads that are under way: what they have written counts at once.
#[derive(Debug)]
pub struct Quota {
    limit: u64,
    used: AtomicU64,
}

impl Quota {
    /// A quota of which so much is used already.
    #[must_use]
    pub fn new(limit: u64, used: u64) -> Self {
        Self { limit, used: AtomicU64::new(used) }
    }

    /// Bytes that may be there.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are there.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes so many bytes; whether there were so many.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives back what is not there any more. More than was taken is not owed.
    pub(super) fn give_back(&self, bytes: u64) {
        let rest = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let quota = Quota::new(10, 4);
        assert!(quota.take(6));
        assert!(!quota.take(1));
        assert!(!quota.take(u64::MAX));
        quota.give_back(3);
        assert!(quota.take(3));
        quota.give_back(100);
        assert_eq!(quota.used(), 0);
    }
}
