//! The reactor's wheel, through the calls that a program has: `after`, `rearm`, `cancel`, and a turn.

use std::time::Duration;

use reactor::{Reactor, Registry, TimerId};

use super::{Setting, Timers};
use crate::Result;

pub(super) struct Loop {
    reactor: Reactor<u64>,
    timers: Vec<Option<TimerId>>,
}

impl Loop {
    pub(super) fn new(places: usize) -> Result<Self> {
        Ok(Self { reactor: Reactor::new()?, timers: vec![None; places] })
    }
}

impl Timers for Loop {
    fn insert(&mut self, settings: &[Setting]) -> Result {
        let registry = self.reactor.registry();
        for setting in settings {
            self.timers[setting.place] = Some(set(registry, setting.delay)?);
        }
        Ok(())
    }

    fn rearm(&mut self, settings: &[Setting]) -> Result {
        let registry = self.reactor.registry();
        for setting in settings {
            let is_set = |timer| registry.rearm(timer, setting.delay);
            if !self.timers[setting.place].is_some_and(is_set) {
                return Err("the loop had no such timer".into());
            }
        }
        Ok(())
    }

    fn cancel(&mut self, settings: &[Setting]) -> Result {
        let registry = self.reactor.registry();
        for setting in settings {
            self.timers[setting.place].take().map(|timer| registry.cancel(timer));
        }
        Ok(())
    }

    fn fire(&mut self) -> Result<u64> {
        let mut fired = 0;
        let _ = self.reactor.turn(Some(Duration::ZERO), &mut fired)?;
        Ok(fired)
    }
}

fn set(registry: &mut Registry<u64>, delay: Duration) -> Result<TimerId> {
    Ok(registry.after(delay, |_, fired| *fired += 1)?)
}
