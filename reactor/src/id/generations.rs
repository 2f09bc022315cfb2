//! Where generations come from: one counter for all loops of the process.
//!
//! A loop takes them in blocks, so that to register something, or to set a timer, it need not ask a counter
//! that other threads ask too.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

pub(super) const GENERATION_BITS: u32 = 38;
pub(super) const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
const BLOCK_BITS: u32 = 16;
/// How many blocks there are before the first is handed out again: four million, of 65,536 generations.
const BLOCKS: u32 = 1 << (GENERATION_BITS - BLOCK_BITS);

static NEXT_BLOCK: AtomicU32 = AtomicU32::new(0);

/// A number that no two registrations share until 2³⁸ have been made: not within a month at 100,000 a
/// second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(NonZeroU64);

/// A loop's block of generations, and where it gets more.
pub(crate) struct Generations {
    next: NonZeroU64,
    left: u32,
    counter: Counter,
}

#[derive(Clone)]
enum Counter {
    /// Of all loops of the process.
    Process(&'static AtomicU32),
    /// Of a simulated network, whose runs must not depend on what came before them.
    Network(Rc<Cell<u64>>),
}

impl Generation {
    /// The one with this number; zero is none.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number & GENERATION_MASK).map(Self)
    }

    #[cfg(test)]
    pub(crate) fn of(number: u64) -> Self {
        Self::from_number(number).expect("a literal above zero")
    }

    pub(crate) fn number(self) -> NonZeroU64 {
        self.0
    }
}

impl Generations {
    /// Those of a loop of its own.
    pub(crate) fn of_process() -> Self {
        Self { next: NonZeroU64::MIN, left: 0, counter: Counter::Process(&NEXT_BLOCK) }
    }

    /// Those of a loop that shares a counter with the others of its network.
    #[cfg_attr(not(feature = "sim"), allow(dead_code))]
    pub(crate) fn of_network(counter: Rc<Cell<u64>>) -> Self {
        Self { next: NonZeroU64::MIN, left: 0, counter: Counter::Network(counter) }
    }

    /// A generation that nobody else has.
    pub(crate) fn take(&mut self) -> Generation {
        if self.left == 0 {
            self.refill();
        }
        let taken = Generation(self.next);
        self.next = self.next.saturating_add(1);
        self.left -= 1;
        taken
    }

    fn refill(&mut self) {
        let (first, length) = match &self.counter {
            Counter::Process(counter) => {
                let block = counter.fetch_add(1, Ordering::Relaxed) % BLOCKS;
                (u64::from(block) << BLOCK_BITS, 1 << BLOCK_BITS)
            }
            Counter::Network(counter) => {
                counter.set(counter.get() + 1);
                (counter.get() & GENERATION_MASK, 1)
            }
        };
        // Zero is none: the first block is shorter by it.
        self.next = NonZeroU64::new(first).unwrap_or(NonZeroU64::MIN);
        self.left = (length - u32::from(first == 0)).max(1);
    }
}

impl Clone for Generations {
    /// Others, of the same counter: for something else that the same loop names.
    fn clone(&self) -> Self {
        Self { next: NonZeroU64::MIN, left: 0, counter: self.counter.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn from(counter: &'static AtomicU32) -> Generations {
        Generations { next: NonZeroU64::MIN, left: 0, counter: Counter::Process(counter) }
    }

    #[test]
    fn two_loops_never_hand_out_the_same() {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let (mut one, mut other) = (from(&COUNTER), from(&COUNTER));
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            assert!(seen.insert(one.take().number()));
            assert!(seen.insert(other.take().number()));
        }
    }

    #[test]
    fn a_counter_that_wraps_skips_zero_and_keeps_two_loops_apart() {
        // Its last block, and behind that the first again; the number itself wraps as well.
        for last in [BLOCKS - 1, u32::MAX] {
            let counter = Box::leak(Box::new(AtomicU32::new(last)));
            let (mut one, mut other) = (from(counter), from(counter));
            let mut seen = HashSet::new();
            for _ in 0..100_000 {
                let (mine, theirs) = (one.take().number(), other.take().number());
                assert!(mine.get() <= GENERATION_MASK && theirs.get() <= GENERATION_MASK);
                assert!(seen.insert(mine) && seen.insert(theirs));
            }
        }
    }

    #[test]
    fn the_loops_of_a_network_share_their_count_and_no_other() {
        let counter = Rc::new(Cell::new(0));
        let mut one = Generations::of_network(Rc::clone(&counter));
        let mut other = Generations::of_network(counter);
        let taken = [one.take(), other.take(), one.take()].map(|taken| taken.number().get());
        assert_eq!(taken, [1, 2, 3]);
    }
}
