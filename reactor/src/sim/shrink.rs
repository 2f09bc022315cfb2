//! Making a tape smaller while what is run on it still fails.
//!
//! ```text
//!   4f a1 07 … 3c 99   a seed's tape
//!   4f a1 07 …         its end is cut off
//!   00 a1 00 … 00 17   blocks are zeroed, from halves down to single bytes
//!   a1 00 17           blocks are taken out
//!   81 00 01           what is left is lowered, when nothing else helps any more
//! ```
//!
//! The passes are repeated as long as one of them helps; what was tried once is not tried again.
//! Since zero is the calmest choice, and what lies beyond the end of a tape is zero, what is left is
//! what the failure takes.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::tape::{busy, trimmed};

/// A tape is taken apart into so many blocks at most: a try for each byte would be too many for a long
/// one, and a short one is worth it.
const BLOCKS: usize = 128;

/// A smaller tape on which `fails` is still so, found with at most so many tries. The last tape for
/// which `fails` was true is the one that is returned, but for zeros at its end.
///
/// It is the same every time for the same `tape` and the same answers.
pub(super) fn shrink(tape: &[u8], tries: usize, fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let best = trimmed(tape).to_vec();
    let mut shrinker = Shrinker { best, left: tries, tried: HashSet::default(), fails };
    while shrinker.helps(Shrinker::make_shorter) || shrinker.helps(Shrinker::lower_bytes) {}
    shrinker.best
}

struct Shrinker<F> {
    /// The smallest tape that fails, without zeros at its end.
    best: Vec<u8>,
    /// Tries that are left.
    left: usize,
    /// The hashes of what was tried.
    tried: HashSet<u64>,
    fails: F,
}

impl<F: FnMut(&[u8]) -> bool> Shrinker<F> {
    /// Whether a pass has brought a smaller tape.
    fn helps(&mut self, pass: impl FnOnce(&mut Self)) -> bool {
        let before = self.best.clone();
        pass(self);
        self.best != before
    }

    fn make_shorter(&mut self) {
        self.cut_end();
        self.zero_blocks();
        self.delete_blocks();
    }

    /// Looks for a short beginning that fails, as if every longer one did too.
    fn cut_end(&mut self) {
        let mut passing = 0;
        if self.improves(Vec::new()) {
            return;
        }
        while passing + 1 < self.best.len() && self.left > 0 {
            let middle = passing.midpoint(self.best.len());
            if !self.improves(self.best[..middle].to_vec()) {
                passing = middle;
            }
        }
    }

    fn zero_blocks(&mut self) {
        for size in halves(self.best.len()) {
            let mut at = 0;
            while at < self.best.len() && self.left > 0 {
                let end = self.best.len().min(at + size);
                if busy(&self.best[at..end]) > 0 {
                    let mut candidate = self.best.clone();
                    candidate[at..end].fill(0);
                    self.improves(candidate);
                }
                at += size;
            }
        }
    }

    /// Looks for the lowest value of each byte that fails, as if every higher one did too.
    fn lower_bytes(&mut self) {
        for at in 0..self.best.len() {
            let mut passing = 0;
            while let Some(&value) = self.best.get(at)
                && passing + 1 < value
                && self.left > 0
            {
                let middle = passing.midpoint(value);
                let mut candidate = self.best.clone();
                candidate[at] = middle;
                if !self.improves(candidate) {
                    passing = middle;
                }
            }
        }
    }

    fn delete_blocks(&mut self) {
        let least = self.best.len() / BLOCKS;
        for size in halves(self.best.len()).take_while(|&size| size >= least) {
            // From the end, where there is more that does not matter.
            let mut end = self.best.len();
            while end > 0 && self.left > 0 {
                let at = end.saturating_sub(size);
                let mut candidate = self.best.clone();
                candidate.drain(at..end);
                self.improves(candidate);
                end = at.min(self.best.len());
            }
        }
    }

    /// Tries another tape, which becomes the best if it fails.
    fn improves(&mut self, candidate: Vec<u8>) -> bool {
        let candidate = trimmed(&candidate);
        if self.left == 0 || candidate == self.best || !self.tried.insert(hash(candidate)) {
            return false;
        }
        self.left -= 1;
        let fails = (self.fails)(candidate);
        if fails {
            self.best = candidate.to_vec();
        }
        fails
    }
}

/// The same in every process, so that a shrink is.
fn hash(tape: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    tape.hash(&mut hasher);
    hasher.finish()
}

/// The sizes of blocks in something so long: half of it, a quarter, and so on down to one.
fn halves(length: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(length / 2), |size| Some(size / 2)).take_while(|&size| size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shrinks with more tries than it takes, and checks that the result does fail.
    fn shrunk(tape: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let least = shrink(tape, 100_000, &fails);
        assert!(fails(&least));
        least
    }

    fn noise(length: u32) -> Vec<u8> {
        (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect()
    }

    fn sum(tape: &[u8]) -> u32 {
        tape.iter().copied().map(u32::from).sum()
    }

    #[test]
    fn what_fails_on_any_tape_needs_none() {
        assert_eq!(shrunk(&noise(500), |_| true), []);
    }

    #[test]
    fn what_fails_on_no_other_tape_is_left_as_it_is() {
        let tape = noise(50);
        assert_eq!(shrunk(&tape, |tried| tried == tape), tape);
    }

    #[test]
    fn the_end_is_cut_off() {
        let tape = noise(1_000);
        let tries = std::cell::Cell::new(0);
        let least = shrink(&tape, 20, |tried| {
            tries.set(tries.get() + 1);
            tried.get(..17) == tape.get(..17)
        });
        assert_eq!(least.len(), 17);
        assert_eq!(tries.get(), 20, "the rest were spent on zeros");
    }

    #[test]
    fn a_byte_that_matters_is_lowered_and_moved_to_the_front() {
        assert_eq!(shrunk(&noise(300), |tape| tape.iter().any(|&byte| byte >= 100)), [100]);
    }

    #[test]
    fn bytes_that_matter_where_they_are_stay_there_among_zeros() {
        let fails = |tape: &[u8]| tape.get(40) >= Some(&5) && tape.get(90) >= Some(&7);
        let mut wanted = vec![0; 91];
        (wanted[40], wanted[90]) = (5, 7);
        assert_eq!(shrunk(&[200; 2_000], fails), wanted);
    }

    #[test]
    fn what_is_made_of_many_bytes_becomes_few() {
        let least = shrunk(&noise(400), |tape| sum(tape) >= 1_000);
        assert!(busy(&least) <= 16, "{least:?}");
    }

    #[test]
    fn tries_are_not_exceeded_and_the_best_so_far_is_kept() {
        for tries in [0, 1, 2, 10, 100] {
            let mut tried = 0;
            let mut last = noise(300);
            let least = shrink(&noise(300), tries, |tape| {
                tried += 1;
                let fails = sum(tape) > 500;
                if fails {
                    last = tape.to_vec();
                }
                fails
            });
            assert!(tried <= tries);
            assert_eq!(least, last, "whoever keeps the last that failed has the result");
        }
    }

    #[test]
    fn the_same_tape_shrinks_in_the_same_way() {
        let run = || shrink(&noise(300), 50, |tape| sum(tape) % 7 == 3);
        assert_eq!(run(), run());
    }
}
