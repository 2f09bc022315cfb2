//! Timers that wait for the same time, in the order in which they came.
//!
//! ```text
//!            first ▼
//!   place   0    1    2    3    4    5    6
//!         ┌────┬────┬────┬────┬────┬────┬────┐
//!         │    │    │ 17 │  4 │    │ 99 │  3 │ ◀── push
//!         └────┴────┴────┴────┴────┴────┴────┘
//!         popped already      ▲ removed
//! ```
//!
//! A timer that leaves its place leaves a hole, so no other timer moves, and no other's memory is touched. A
//! bucket that is mostly holes closes up: that takes as long as the bucket is, and comes as much more seldom,
//! so a removal costs the same however long the bucket is.

use std::mem;

/// No timer stands here.
const HOLE: u32 = u32::MAX;

/// A bucket closes up when it has three times as many holes as timers, and so many more.
const SPARE_HOLES: usize = 64;

/// A bucket that has run empty keeps room for so many, as it is likely to be filled again.
const SPARE_ROOM: usize = 256;

#[derive(Default)]
pub(super) struct Bucket {
    /// Which timers, by index.
    indices: Vec<u32>,
    holes: usize,
    /// Before it are holes only.
    first: usize,
}

impl Bucket {
    /// Adds a timer; its place.
    pub(super) fn push(&mut self, index: u32) -> u32 {
        let place = self.indices.len() as u32;
        self.indices.push(index);
        place
    }

    /// Removes the timer at this place.
    pub(super) fn remove(&mut self, place: u32) {
        self.indices[place as usize] = HOLE;
        self.holes += 1;
    }

    /// Removes the first timer.
    pub(super) fn pop_first(&mut self) -> Option<u32> {
        while let Some(index) = self.indices.get_mut(self.first) {
            self.first += 1;
            if *index != HOLE {
                self.holes += 1;
                return Some(mem::replace(index, HOLE));
            }
        }
        None
    }

    /// Closes the holes, and reports the timers' new places.
    pub(super) fn close_up(&mut self, mut moved: impl FnMut(u32, u32)) {
        self.indices.retain(|index| *index != HOLE);
        for (place, index) in self.indices.iter().enumerate() {
            moved(*index, place as u32);
        }
        self.holes = 0;
        self.first = 0;
        self.indices.shrink_to((2 * self.indices.len()).max(SPARE_ROOM));
    }

    /// Removes all timers.
    pub(super) fn clear(&mut self) {
        self.indices.clear();
        self.indices.shrink_to(SPARE_ROOM);
        self.holes = 0;
        self.first = 0;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.indices.iter().copied().filter(|index| *index != HOLE)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.indices.len() == self.holes
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.holes > 3 * (self.indices.len() - self.holes) + SPARE_HOLES
    }

    /// Whether this timer stands at this place.
    pub(super) fn has(&self, index: u32, place: u32) -> bool {
        self.indices.get(place as usize) == Some(&index)
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.indices.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_leaves_the_others_in_their_places() {
        let mut bucket = Bucket::default();
        let places: Vec<u32> = (10..15).map(|index| bucket.push(index)).collect();
        bucket.remove(places[0]);
        bucket.remove(places[3]);
        assert!(bucket.has(14, places[4]) && !bucket.has(13, places[3]));
        assert!(bucket.iter().eq([11, 12, 14]));
        assert_eq!(bucket.pop_first(), Some(11));
        assert_eq!(bucket.push(15), 5);
        assert!(std::iter::from_fn(|| bucket.pop_first()).eq([12, 14, 15]));
        assert!(bucket.is_empty());
    }

    #[test]
    fn a_line_of_holes_closes_up_and_gives_its_memory_back() {
        let mut bucket = Bucket::default();
        for index in 0..100_000 {
            bucket.push(index);
        }
        for place in 10..100_000 {
            bucket.remove(place);
        }
        assert!(bucket.is_sparse());
        let mut places = Vec::new();
        bucket.close_up(|index, place| places.push((index, place)));
        assert!(places.into_iter().eq((0..10).map(|index| (index, index))));
        assert!(!bucket.is_sparse() && bucket.room() <= SPARE_ROOM);
    }
}
