//! What is going to happen, in order: by time, and at one time in the order in which it was planned.

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) struct Agenda<T> {
    entries: BTreeMap<(Duration, u64), T>,
    planned: u64,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new(), planned: 0 }
    }

    pub(super) fn plan(&mut self, at: Duration, what: T) {
        self.entries.insert((at, self.planned), what);
        self.planned += 1;
    }

    /// When the next entry is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|(&(at, _), _)| at)
    }

    /// The next entry, if it is due.
    pub(super) fn pop(&mut self, now: Duration) -> Option<T> {
        let first = self.entries.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
