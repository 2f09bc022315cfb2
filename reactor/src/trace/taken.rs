//! A trace that has been taken.

use std::cell::RefCell;
use std::collections::vec_deque;
use std::fmt;
use std::rc::Rc;

use super::record::Line;
use super::{Record, Ring, Tracer};
use crate::Reactor;

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

impl<App> Reactor<App> {
    /// Begins a trace of the latest `capacity` records; one that was begun before is forgotten.
    ///
    /// See [`trace`](crate::trace) for what is in it and how to look at it.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// # use std::time::Duration;
    /// let mut reactor = Reactor::<()>::new()?;
    /// reactor.trace(10_000);
    /// reactor.registry().defer(|registry, _| registry.shutdown(Duration::ZERO));
    /// reactor.run(&mut ())?;
    /// let trace = reactor.take_trace();
    /// print!("{trace}");
    /// # assert!(trace.to_string().contains("task begins"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace(&mut self, capacity: usize) {
        let ledger = &mut self.registry().ledger;
        let ring = Rc::new(RefCell::new(Ring::new(capacity)));
        ledger.tracer = Tracer::new(ring, 0, ledger.clock.epoch());
    }

    /// Ends the trace, and gives it back. It is empty if none was begun.
    pub fn take_trace(&mut self) -> Trace {
        let tracer = std::mem::take(&mut self.registry().ledger.tracer);
        Trace { ring: tracer.into_ring(), hosts: vec!["loop".to_owned()], is_virtual: false }
    }
}

impl Trace {
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
        self.iter().map(|record| Line { record, hosts: &self.hosts }.to_string())
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
