//! How many of a kind each has: a host its connections, a user their sessions.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Who has none is not remembered.
#[derive(Debug)]
pub(crate) struct Counts<K>(BTreeMap<K, u32>);

impl<K: Ord> Counts<K> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Counts one more, unless there are so many already.
    pub(crate) fn take(&mut self, key: K, most: u32) -> bool {
        let count = self.0.get(&key).copied().unwrap_or_default();
        if count < most {
            self.0.insert(key, count + 1);
        }
        count < most
    }

    /// One fewer.
    pub(crate) fn give_back<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    /// Those of all together.
    #[cfg(feature = "transfer")]
    pub(crate) fn all(&self) -> u32 {
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_it_may_and_nobody_is_remembered_for_nothing() {
        let mut counts = Counts::new();
        assert!(!counts.take("none", 0));
        assert_eq!([0; 3].map(|_| counts.take("two", 2)), [true, true, false]);
        counts.give_back("two");
        assert!(counts.take("two", 2));
        ["two", "two", "none"].iter().for_each(|key| counts.give_back(key));
        assert!(counts.0.is_empty());
    }
}
