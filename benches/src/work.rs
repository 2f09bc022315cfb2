//! What is measured: a group of cases, and in each the same work done by every contender.
//!
//! ```text
//!   Group "fan-out" ─┬─ Case "1000 members" ─┬─ Contender "epoll"   ─▶ Work: run(units) ─▶ Spent
//!                    └─ Case "100 members"   ├─ Contender "reactor" ─▶ Work
//!                                            └─ …
//! ```
//!
//! Criterion and the report measure the same groups, the one a contender after the other, the other
//! all of them in turns.

use std::fmt;
use std::time::Duration;

use crate::Result;

/// Work that can be done as often as it takes to measure it.
pub trait Work {
    /// Does at least so many units of it.
    fn run(&mut self, units: u64) -> Result<Spent>;
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
    /// The time on this clock for one unit, in nanoseconds.
    pub fn each(&self, clock: Clock) -> f64 {
        self.time(clock).as_nanos() as f64 / self.units.max(1) as f64
    }

    /// The time on this clock, for another number of units at the same pace.
    pub fn scaled(&self, clock: Clock, units: u64) -> Duration {
        self.time(clock).mul_f64(units as f64 / self.units.max(1) as f64)
    }

    fn time(&self, clock: Clock) -> Duration {
        match clock {
            Clock::Wall => self.wall,
            Clock::Processor | Clock::Client => self.processor,
        }
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.units += other.units;
        self.wall += other.wall;
        self.processor += other.processor;
    }
}

/// Which of the two times says something about a case.
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

/// Cases that belong together.
#[derive(Debug)]
pub struct Group {
    /// Its name, on the command line and in the report.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// The name of the case whose figures are drawn side by side.
    pub shown: &'static str,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One form of the work, and who does it.
#[derive(Debug)]
pub struct Case {
    /// Its name, without the group's.
    pub name: String,
    /// Where it stands in the drawing of how the cost grows, if it is one of those cases.
    pub grows_to: Option<usize>,
    /// What is counted: a message, a delivery.
    pub unit: &'static str,
    /// The time to read.
    pub clock: Clock,
    /// Who does it, the ruler first.
    pub contenders: Vec<Contender>,
}

/// One who does the work of a case.
pub struct Contender {
    /// Its name.
    pub name: String,
    start: Box<dyn Fn() -> Result<Box<dyn Work>>>,
}

impl Contender {
    /// A contender that is made ready when it is needed.
    pub fn new<W: Work + 'static>(
        name: impl fmt::Display,
        start: impl Fn() -> Result<W> + 'static,
    ) -> Self {
        Self { name: name.to_string(), start: Box::new(move || Ok(Box::new(start()?))) }
    }

    /// One for each of these, all made ready alike.
    pub fn each<P: fmt::Display + Copy + 'static, W: Work + 'static>(
        peers: &[P],
        start: impl Fn(P) -> Result<W> + Copy + 'static,
    ) -> Vec<Self> {
        Self::each_by_name(peers, |peer| peer, start)
    }

    /// The same, where what they are called is said apart.
    pub fn each_by_name<P: Copy + 'static, Name: fmt::Display, W: Work + 'static>(
        peers: &[P],
        name: fn(P) -> Name,
        start: impl Fn(P) -> Result<W> + Copy + 'static,
    ) -> Vec<Self> {
        peers.iter().map(|&peer| Self::new(name(peer), move || start(peer))).collect()
    }

    /// Makes it ready: starts its server, connects its clients.
    pub fn start(&self) -> Result<Box<dyn Work>> {
        (self.start)().map_err(|error| format!("{}: {error}", self.name).into())
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Duration, Spent};

    #[test]
    fn what_was_spent_scales_with_the_units() {
        let spent = Spent {
            units: 4,
            wall: Duration::from_nanos(400),
            processor: Duration::from_nanos(200),
        };
        assert_eq!(spent.scaled(Clock::Wall, 10), Duration::from_nanos(1000));
        assert!((spent.each(Clock::Processor) - 50.0).abs() < 1e-9);
    }
}
