//! A binary heap by deadline: what a loop without a wheel has, and the ruler.
//!
//! Nothing is ever searched in it. A timer that is cancelled or moved leaves a stale entry behind, known
//! by its generation, and when there are more of those than of the others they are thrown away together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::{Setting, Timers, deadline, tick};
use crate::Result;

pub(super) struct Heap {
    start: Instant,
    heap: BinaryHeap<Reverse<Entry>>,
    /// The generation of each place; odd while a timer is set.
    generations: Vec<u32>,
    live: usize,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline: u64,
    place: u32,
    generation: u32,
}

impl Heap {
    pub(super) fn new(places: usize) -> Self {
        Self {
            start: Instant::now(),
            heap: BinaryHeap::with_capacity(places),
            generations: vec![0; places],
            live: 0,
        }
    }

    fn push(&mut self, now: u64, setting: &Setting) {
        let generation = self.generations[setting.place];
        let deadline = deadline(now, setting.delay);
        self.heap.push(Reverse(Entry { deadline, place: setting.place as u32, generation }));
    }

    fn sweep(&mut self) {
        if self.heap.len() > 2 * self.live + 64 {
            let generations = &self.generations;
            self.heap
                .retain(|Reverse(entry)| generations[entry.place as usize] == entry.generation);
        }
    }
}

impl Timers for Heap {
    fn insert(&mut self, settings: &[Setting]) -> Result {
        let now = tick(self.start);
        for setting in settings {
            self.generations[setting.place] += 1;
            self.live += 1;
            self.push(now, setting);
        }
        Ok(())
    }

    fn rearm(&mut self, settings: &[Setting]) -> Result {
        let now = tick(self.start);
        for setting in settings {
            self.generations[setting.place] += 2;
            self.push(now, setting);
            self.sweep();
        }
        Ok(())
    }

    fn cancel(&mut self, settings: &[Setting]) -> Result {
        for setting in settings {
            self.generations[setting.place] += 1;
            self.live -= 1;
            self.sweep();
        }
        Ok(())
    }

    fn fire(&mut self) -> Result<u64> {
        let (now, before) = (tick(self.start), self.live);
        while self.heap.peek().is_some_and(|Reverse(entry)| entry.deadline <= now) {
            let Some(Reverse(entry)) = self.heap.pop() else {
                break;
            };
            let generation = &mut self.generations[entry.place as usize];
            if *generation == entry.generation {
                *generation += 1;
                self.live -= 1;
            }
        }
        Ok((before - self.live) as u64)
    }
}
