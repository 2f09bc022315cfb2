//! Work that can be done as often as it takes to measure it, and what it took.

use std::time::{Duration, Instant};
use std::{fmt, ops};

use crate::clients::ping::Latencies;
use crate::cost::Instrument;
use crate::program::{Program, Server, watch};
use crate::{Result, processor};

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

/// How a server is started.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Where this thread runs.
    Here,
    /// On a processor of its own, to be timed.
    Apart,
    /// By an instrument, to be counted.
    Under(&'a Instrument),
}

impl Start<'_> {
    /// Starts a program of this package.
    pub fn program(self, program: &Program) -> Result<Server> {
        match self {
            Self::Under(instrument) => instrument.start(program),
            _ => self.other(|| program.start()),
        }
    }

    /// Starts somebody else's, which cannot be counted: it does not say when it listens.
    pub fn other<T>(self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Self::Here => start(),
            Self::Apart => processor::start_apart(start),
            Self::Under(_) => Err("only programs of this package can be counted".into()),
        }
    }
}

/// Servers as child processes, and clients that do the same to them in each round: work that can be timed, and whose
/// instructions can be counted.
pub struct Loaded {
    /// The servers; what is counted is the first.
    pub servers: Vec<Server>,
    /// Units of a round.
    units: u64,
    round: Box<dyn FnMut() -> Result>,
}

impl Loaded {
    /// One server, and clients that have its first round behind them.
    pub fn new(server: Server, units: usize, round: impl FnMut() -> Result + 'static) -> Self {
        Self::several(vec![server], units, round)
    }

    /// Several servers that share the clients.
    pub fn several(
        servers: Vec<Server>,
        units: usize,
        round: impl FnMut() -> Result + 'static,
    ) -> Self {
        Self { servers, units: units as u64, round: Box::new(round) }
    }

    /// Ends the servers by SIGTERM.
    pub fn stop(self) -> Result {
        self.servers.into_iter().try_for_each(|it| it.stop())
    }

    /// Rounds for that long; how long each takes.
    pub fn latencies(&mut self, lasting: Duration) -> Result<Latencies> {
        let (end, mut latencies) = (Instant::now() + lasting, Latencies::new()?);
        while Instant::now() < end {
            let start = Instant::now();
            (self.round)()?;
            latencies.record(start.elapsed())?;
        }
        Ok(latencies)
    }

    /// What the first server does for a unit, counted over so many of them, in whole rounds.
    pub fn count(&mut self, instrument: &Instrument, units: u64) -> Result<f64> {
        let rounds = (units / self.units).max(1);
        let count = instrument.count(&self.servers[0], rounds, &mut self.round)?;
        Ok(count as f64 / (rounds * self.units) as f64)
    }
}

impl Work for Loaded {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let rounds = units.div_ceil(self.units);
        let load = || (0..rounds).try_for_each(|_| (self.round)());
        Ok(watch(&self.servers, rounds * self.units, load)?.1)
    }
}
