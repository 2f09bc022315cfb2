//! How much a loop has to do, as other threads see it: what an acceptor asks before it hands a socket on.

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Written by the loop, but for `given`, which whoever hands it sockets counts.
#[derive(Default)]
pub(crate) struct Load {
    connections: AtomicUsize,
    /// Sockets that were handed to the loop.
    given: AtomicUsize,
    /// Those of them that it has taken in, or refused.
    taken: AtomicUsize,
    has_ended: AtomicBool,
}

impl Load {
    pub(crate) fn set_connections(&self, connections: usize) {
        self.connections.store(connections, Relaxed);
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    pub(crate) fn note_end(&self) {
        self.has_ended.store(true, Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Acquire)
    }

    pub(crate) fn note_given(&self) {
        self.given.fetch_add(1, Relaxed);
    }

    /// The loop has ended, or has no room, and what was given came back.
    pub(crate) fn note_returned(&self) {
        self.given.fetch_sub(1, Relaxed);
    }

    /// It is one of the connections by now.
    pub(crate) fn note_taken(&self) {
        self.taken.fetch_add(1, Release);
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }

    /// Sockets that are on their way to the loop.
    pub(crate) fn coming(&self) -> usize {
        // Asked first: what is taken was given before.
        let taken = self.taken();
        self.given.load(Relaxed).saturating_sub(taken)
    }
}
