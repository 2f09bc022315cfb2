//! Where records are kept: the latest of them, and a hash over all there ever were.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::Record;

/// The records of a loop, or of all the loops of a simulated network.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// Not more than `capacity`.
    records: VecDeque<Record>,
    capacity: usize,
    /// How many there ever were.
    total: u64,
    mix: Mix,
}

impl Ring {
    /// A ring for so many records; its memory grows as they come.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { records: VecDeque::new(), capacity, total: 0, mix: Mix(0) }
    }

    /// As [`Self::new`], for the loops that write to it.
    pub(crate) fn shared(capacity: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self::new(capacity)))
    }

    /// Adds a record; the oldest goes, if there is no room.
    pub(crate) fn push(&mut self, record: Record) {
        self.total += 1;
        record.hash(&mut self.mix);
        if self.records.len() == self.capacity {
            self.records.pop_front();
        }
        // There is none to drop in a ring without room, which only counts and hashes.
        if self.capacity > 0 {
            self.records.push_back(record);
        }
    }

    /// How many records there ever were.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many of them are not here any more.
    pub(crate) fn dropped(&self) -> u64 {
        self.total - self.records.len() as u64
    }

    /// A hash over all there ever were: the same in every process for the same records.
    pub(crate) fn hash(&self) -> u64 {
        self.mix.finish()
    }

    pub(crate) fn records(&self) -> &VecDeque<Record> {
        &self.records
    }

    /// Those that came after the first `seen`, as far as they are still here: what a reader that
    /// remembers [`Self::total`] has not seen yet.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn since(&self, seen: u64) -> impl Iterator<Item = &Record> {
        let skipped = usize::try_from(seen.saturating_sub(self.dropped())).unwrap_or(usize::MAX);
        self.records.iter().skip(skipped)
    }

    pub(super) fn into_records(self) -> VecDeque<Record> {
        self.records
    }
}

/// A hash without a seed, for comparing runs. No two states, and no two words, lead to the same next
/// state, so two sequences that differ in one word differ in their hash for certain.
///
/// Whole words are added, whatever their size, so that the machine's word and byte order do not show.
#[derive(Clone, Debug)]
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        // The multiplier is 2⁶⁴ divided by the golden ratio, made odd: each bit reaches many others.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    fn write_u8(&mut self, word: u8) {
        self.add(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.add(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trace::What;

    fn read(bytes: usize) -> Record {
        Record::new(Duration::from_millis(bytes as u64), 0, None, What::Read { bytes })
    }

    fn ring_of(capacity: usize, lengths: impl IntoIterator<Item = usize>) -> Ring {
        let mut ring = Ring::new(capacity);
        lengths.into_iter().for_each(|bytes| ring.push(read(bytes)));
        ring
    }

    #[test]
    fn the_oldest_go_and_are_counted() {
        let ring = ring_of(3, 1..=5);
        assert!(ring.records().iter().eq(&[read(3), read(4), read(5)]));
        assert_eq!((ring.total(), ring.dropped()), (5, 2));
    }

    #[test]
    fn a_reader_sees_what_came_since_it_looked() {
        let mut ring = ring_of(3, 1..=2);
        let seen = ring.total();
        assert_eq!(ring.since(seen).count(), 0);
        ring.push(read(3));
        assert!(ring.since(seen).eq(&[read(3)]));
        (4..=9).for_each(|bytes| ring.push(read(bytes)));
        assert!(ring.since(seen).eq(&[read(7), read(8), read(9)]), "the others are gone");
    }

    #[test]
    fn the_hash_is_of_all_there_ever_were() {
        assert_eq!(ring_of(3, 1..=9).hash(), ring_of(100, 1..=9).hash());
        assert_eq!(ring_of(0, 1..=9).hash(), ring_of(100, 1..=9).hash());
        assert_ne!(ring_of(3, 2..=9).hash(), ring_of(3, 1..=9).hash());
    }

    #[test]
    fn one_other_record_makes_another_hash() {
        let hashes: Vec<u64> = (0..9)
            .map(|other| ring_of(9, (0..9).map(|at| if at == other { 100 } else { at })).hash())
            .collect();
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[at + 1..].contains(hash));
        }
    }

    #[test]
    fn the_hash_is_the_same_in_every_process() {
        let mut mix = Mix(0);
        ("packet lost", 1_u8, 2_u16, 3_u32, 4_u64, 5_usize, 6_isize).hash(&mut mix);
        assert_eq!(mix.finish(), 1_274_783_007_876_499_471);
    }
}
