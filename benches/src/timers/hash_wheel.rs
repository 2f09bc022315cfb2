//! The crate hierarchical_hash_wheel_timer: four wheels of 256 slots, and a hash map to cancel by.
//!
//! It has no call to move a timer; its documentation advises to cancel it and to set another.

use std::time::{Duration, Instant};

use hierarchical_hash_wheel_timer::IdOnlyTimerEntry;
use hierarchical_hash_wheel_timer::wheels::Skip;
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;

use super::{Setting, Timers, deadline, tick};
use crate::Result;

pub(super) struct HashWheel {
    start: Instant,
    wheel: QuadWheelWithOverflow<IdOnlyTimerEntry<u64>>,
    ids: Vec<u64>,
    next_id: u64,
    /// Milliseconds that the wheel has seen pass.
    ticked: u64,
}

impl HashWheel {
    pub(super) fn new(places: usize) -> Self {
        Self {
            start: Instant::now(),
            wheel: QuadWheelWithOverflow::new(),
            ids: vec![0; places],
            next_id: 0,
            ticked: 0,
        }
    }

    fn set(&mut self, now: u64, setting: &Setting) -> Result {
        self.next_id += 1;
        self.ids[setting.place] = self.next_id;
        let delay = deadline(now, setting.delay).saturating_sub(self.ticked).max(1);
        let entry = IdOnlyTimerEntry { id: self.next_id, delay: Duration::from_millis(delay) };
        self.wheel.insert(entry).map_err(|_| "the wheel took no timer".into())
    }

    fn remove(&mut self, place: usize) -> Result {
        self.wheel.cancel(&self.ids[place]).map_err(|_| "the wheel had no such timer".into())
    }
}

impl Timers for HashWheel {
    fn insert(&mut self, settings: &[Setting]) -> Result {
        let now = tick(self.start);
        settings.iter().try_for_each(|setting| self.set(now, setting))
    }

    fn rearm(&mut self, settings: &[Setting]) -> Result {
        let now = tick(self.start);
        settings.iter().try_for_each(|setting| {
            self.remove(setting.place)?;
            self.set(now, setting)
        })
    }

    fn cancel(&mut self, settings: &[Setting]) -> Result {
        settings.iter().try_for_each(|setting| self.remove(setting.place))
    }

    fn fire(&mut self) -> Result<u64> {
        let (now, mut fired) = (tick(self.start), 0);
        while self.ticked < now {
            match self.wheel.can_skip() {
                Skip::Empty => self.ticked = now,
                Skip::Millis(most) if u64::from(most) < now - self.ticked => {
                    self.wheel.skip(most);
                    self.ticked += u64::from(most);
                }
                Skip::None | Skip::Millis(_) => {
                    fired += self.wheel.tick().len() as u64;
                    self.ticked += 1;
                }
            }
        }
        Ok(fired)
    }
}
