//! The time and randomness of either system.

use std::time::{Instant, SystemTime};

use crate::id::Generations;
use crate::net::{os, sim};

#[derive(Clone)]
pub(crate) enum System {
    Os(os::System),
    Sim(sim::System),
}

impl System {
    #[inline(always)]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Os(system) => system.now(),
            Self::Sim(system) => virtual_now(system),
        }
    }

    pub(crate) fn wall_clock(&self) -> SystemTime {
        match self {
            Self::Os(system) => system.wall_clock(),
            Self::Sim(system) => system.wall_clock(),
        }
    }

    pub(crate) fn generations(&self) -> Generations {
        match self {
            Self::Os(system) => system.generations(),
            Self::Sim(system) => system.generations(),
        }
    }

    pub(crate) fn random(&self) -> u64 {
        match self {
            Self::Os(system) => system.random(),
            Self::Sim(system) => system.random(),
        }
    }
}

/// Out of line, so that reading a real clock does not pay for it.
#[cold]
#[inline(never)]
fn virtual_now(system: &sim::System) -> Instant {
    system.now()
}
