//! Work that can be done as often as it takes to measure it, and what it took.

use std::time::{Duration, Instant};
use std::{fmt, ops};

use crate::Result;

/// Work that can be done as often as it takes to measure it.
pub trait Work {
    /// Does at least so many units of it.
    fn run(&mut self, units: u64) -> Result<Spent>;
}

impl<Run: FnMut(u64) -> Result<Spent>> Work for Run {
    fn run(&mut self, units: u64) -> Result<Spent> {
        self(units)
    }
}

/// What some work took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Units that were done.
    pub units: u64,
    /// Time on the clock on the wall.
    pub wall: Duration,
    /// Processor time of the one who was measured, in user space and in the kernel.
    pub processor: Duration,
}

impl Spent {
    /// So many units since then, by one in whose work nobody else takes part: the two clocks say the same.
    pub fn alone(units: u64, since: Instant) -> Self {
        let wall = since.elapsed();
        Self { units, wall, processor: wall }
    }

    /// The time on this clock for one unit, in nanoseconds.
    pub fn each(&self, clock: Clock) -> f64 {
        let time = match clock {
            Clock::Wall => self.wall,
            Clock::Processor | Clock::Client => self.processor,
        };
        time.as_nanos() as f64 / self.units.max(1) as f64
    }
}

impl ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.units += other.units;
        self.wall += other.wall;
        self.processor += other.processor;
    }
}

/// Which of the two times says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The clock on the wall: for latencies, and for work that nobody else takes part in.
    Wall,
    /// The processor time of the server: its load is saturated sooner than it is.
    Processor,
    /// The processor time of a client, where that is measured.
    Client,
}

impl fmt::Display for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Wall => "time",
            Self::Processor => "server's processor time",
            Self::Client => "client's processor time",
        })
    }
}
