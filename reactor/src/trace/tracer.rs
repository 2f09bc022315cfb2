//! How a loop writes its records.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use super::{About, Record, Ring, Subject, What};

/// Writes the records of a loop, if a trace has been begun.
#[derive(Default)]
pub(crate) struct Tracer(Option<Begun>);

struct Begun {
    /// Shared by all the loops of a simulated network, so that their records stand in one order.
    ring: Rc<RefCell<Ring>>,
    host: u16,
    /// The moment from which the records count time.
    epoch: Instant,
    visited: Cell<Option<Subject>>,
}

impl Tracer {
    pub(crate) fn new(ring: Rc<RefCell<Ring>>, host: u16, epoch: Instant) -> Self {
        Self(Some(Begun { ring, host, epoch, visited: Cell::new(None) }))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a record, whose making costs nothing if there is no trace.
    // Out of line, so that a loop without one does not pay for it.
    #[cold]
    pub(crate) fn record(
        &self,
        now: impl FnOnce() -> Instant,
        about: About,
        what: impl FnOnce() -> What,
    ) {
        if let Some(begun) = &self.0 {
            begun.record(now(), about, what);
        }
    }

    /// What has been written, with what the others have that share the ring.
    pub(super) fn into_ring(self) -> Ring {
        let Some(Begun { ring, .. }) = self.0 else { return Ring::new(0) };
        Rc::try_unwrap(ring).map_or_else(|shared| shared.borrow().clone(), RefCell::into_inner)
    }
}

impl Begun {
    fn record(&self, now: Instant, about: About, what: impl FnOnce() -> What) {
        let subject = self.subject(about);
        let at = now.saturating_duration_since(self.epoch);
        self.ring.borrow_mut().push(Record::new(at, self.host, subject, what()));
    }

    fn subject(&self, about: About) -> Option<Subject> {
        match about {
            About::Visit(subject) => {
                self.visited.set(subject);
                subject
            }
            About::Visited => self.visited.get(),
            About::Other(subject) => Some(subject),
        }
    }
}
