//! Servers under a load, which can be timed and counted.

use std::time::{Duration, Instant};

use crate::clients::ping::Latencies;
use crate::cost::Instrument;
use crate::program::{Program, Server, watch};
use crate::work::{Spent, Work};
use crate::{Result, processor};

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
        self.servers.into_iter().try_for_each(Server::stop)
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
