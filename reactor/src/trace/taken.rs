//! A trace that has been taken.

use std::collections::vec_deque;
use std::fmt;

use super::record::Named;
use super::{Record, Ring, Tracer};

/// What a loop did, or the loops of a simulated network; it prints one line a record.
///
/// See the [module](super) for how to get one.
#[derive(Clone, Debug)]
pub struct Trace {
    ring: Ring,
    /// What the hosts are called, by their numbers.
    hosts: Vec<String>,
    /// Whether time stands still while a loop works.
    is_virtual: bool,
}

impl Trace {
    /// What one loop has left.
    pub(crate) fn of_loop(tracer: Tracer) -> Self {
        Self { ring: tracer.into_ring(), hosts: vec!["loop".to_owned()], is_virtual: false }
    }

    /// What the loops of a simulated network did, whose names stand in the order of their numbers.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn of_network(ring: Ring, hosts: Vec<String>) -> Self {
        Self { ring, hosts, is_virtual: true }
    }

    /// The records, the oldest first.
    pub fn iter(&self) -> vec_deque::Iter<'_, Record> {
        self.ring.records().iter()
    }

    /// The records as they print, one line each.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = String> {
        self.iter().map(|record| Named { record, hosts: &self.hosts }.to_string())
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.records().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many older records there was no room for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.ring.dropped()
    }

    /// A hash over all records, those that were dropped included. It is the same in every process:
    /// two runs of a simulation with the same hash did the same.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.ring.hash()
    }

    /// What the hosts are called, in the order of [`Record::host`]: `loop`, if there is but one loop.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    pub(super) fn is_virtual(&self) -> bool {
        self.is_virtual
    }
}

impl<'a> IntoIterator for &'a Trace {
    type Item = &'a Record;
    type IntoIter = vec_deque::Iter<'a, Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Trace {
    type Item = Record;
    type IntoIter = vec_deque::IntoIter<Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.ring.into_records().into_iter()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped() > 0 {
            writeln!(f, "({} older records were dropped)", self.dropped())?;
        }
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}
