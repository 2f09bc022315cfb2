//! A B-tree by deadline, with a number beside it for timers of the same one.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Setting, Timers, deadline, tick};
use crate::Result;

/// When a timer is due, and the number that tells it from others.
type Key = (u64, u64);

pub(super) struct Btree {
    start: Instant,
    by_deadline: BTreeMap<Key, usize>,
    keys: Vec<Key>,
    next_number: u64,
}

impl Btree {
    pub(super) fn new(places: usize) -> Self {
        Self {
            start: Instant::now(),
            by_deadline: BTreeMap::new(),
            keys: vec![(0, 0); places],
            next_number: 0,
        }
    }

    fn set(&mut self, now: u64, setting: &Setting) {
        self.next_number += 1;
        let key = (deadline(now, setting.delay), self.next_number);
        self.by_deadline.insert(key, setting.place);
        self.keys[setting.place] = key;
    }
}

impl Timers for Btree {
    fn insert(&mut self, settings: &[Setting]) -> Result {
        let now = tick(self.start);
        for setting in settings {
            self.set(now, setting);
        }
        Ok(())
    }

    fn rearm(&mut self, settings: &[Setting]) -> Result {
        let now = tick(self.start);
        for setting in settings {
            self.by_deadline.remove(&self.keys[setting.place]);
            self.set(now, setting);
        }
        Ok(())
    }

    fn cancel(&mut self, settings: &[Setting]) -> Result {
        for setting in settings {
            self.by_deadline.remove(&self.keys[setting.place]);
        }
        Ok(())
    }

    fn fire(&mut self) -> Result<u64> {
        let (now, mut fired) = (tick(self.start), 0);
        while let Some(first) = self.by_deadline.first_entry() {
            if first.key().0 > now {
                break;
            }
            first.remove();
            fired += 1;
        }
        Ok(fired)
    }
}
