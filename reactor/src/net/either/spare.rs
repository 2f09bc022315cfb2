//! The descriptor that either system keeps in reserve.

use super::Poller;
use crate::net::{os, sim};

pub(crate) enum SpareDescriptor {
    Os(os::SpareDescriptor),
    Sim(SimulatedSpare),
}

/// One of the descriptors that a simulated process may have.
pub(crate) struct SimulatedSpare {
    system: sim::System,
    is_there: bool,
}

impl SpareDescriptor {
    pub(crate) fn new(poller: &Poller) -> Self {
        match poller {
            Poller::Os(poller) => Self::Os(os::SpareDescriptor::new(poller)),
            Poller::Sim(system) => {
                let is_there = system.take_descriptor();
                Self::Sim(SimulatedSpare { system: system.clone(), is_there })
            }
        }
    }

    pub(crate) fn release(&mut self) -> bool {
        match self {
            Self::Os(spare) => spare.release(),
            Self::Sim(spare) => spare.release(),
        }
    }

    pub(crate) fn restore(&mut self) {
        match self {
            Self::Os(spare) => spare.restore(),
            Self::Sim(spare) => spare.is_there = spare.is_there || spare.system.take_descriptor(),
        }
    }
}

impl SimulatedSpare {
    fn release(&mut self) -> bool {
        let was_there = std::mem::take(&mut self.is_there);
        if was_there {
            self.system.release_descriptor();
        }
        was_there
    }
}

impl Drop for SimulatedSpare {
    /// A process may end one loop and go on with another.
    fn drop(&mut self) {
        self.release();
    }
}
