//! Pipes for coupled connections: few, shared by all, and only where something is under way.
//!
//! A pipe is taken for one move from socket to socket, and given back when that has emptied it. What the
//! receiver does not take at once stays in the pipe, which is a piece of the receiver's outbox until it is
//! empty. So a loop has as many in use as there are receivers that are slower than their sources.

use std::rc::Rc;

use crate::net::Pipe;

/// Pipes that are kept for the next move, two descriptors each.
const SPARES: usize = 16;

/// A pipe that is counted while it lives.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) pipe: Pipe,
    _counted: Rc<()>,
}

#[derive(Default)]
pub(crate) struct Pipes {
    spares: Vec<Lent>,
    counted: Rc<()>,
    couples: usize,
}

impl Pipes {
    /// An empty pipe; `None` if there are so many already, or the system has none.
    pub(crate) fn take(&mut self, most: usize) -> Option<Lent> {
        if let Some(spare) = self.spares.pop() {
            return Some(spare);
        }
        if Rc::strong_count(&self.counted) > most {
            return None;
        }
        let pipe = Pipe::new().ok()?;
        Some(Lent { pipe, _counted: Rc::clone(&self.counted) })
    }

    /// Takes back a pipe that has done its work.
    pub(crate) fn keep(&mut self, lent: Lent) {
        if lent.pipe.is_empty() && self.spares.len() < SPARES && self.couples > 0 {
            self.spares.push(lent);
        }
    }

    /// Two more connections are coupled.
    pub(crate) fn enter(&mut self) {
        self.couples += 1;
    }

    /// Two connections that were coupled have ended: with the last of them the pipes go.
    pub(crate) fn leave(&mut self) {
        self.couples = self.couples.saturating_sub(1);
        if self.couples == 0 {
            self.spares.clear();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_allowed_and_none_when_nobody_needs_them() {
        let mut pipes = Pipes::default();
        pipes.enter();
        let first = pipes.take(2).expect("there are descriptors");
        let second = pipes.take(2).expect("there are descriptors");
        assert!(pipes.take(2).is_none());
        drop(first);
        let third = pipes.take(2).expect("one has gone");
        pipes.keep(second);
        assert_eq!(pipes.spares.len(), 1);
        pipes.leave();
        assert!(pipes.spares.is_empty());
        pipes.keep(third);
        assert!(pipes.spares.is_empty(), "it was out when the last couple left");
    }
}
