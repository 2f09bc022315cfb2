//! Contests of work: what a unit of it takes, in turns that each fill a slice.

use std::fmt;
use std::time::{Duration, Instant};

use super::Scale;
use crate::Result;
use crate::report::contest::{Column, Contest, Entrant, Kind, Trial};
use crate::work::{Clock, Spent, Work};

/// What such a contest is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    /// What is counted: a message, a delivery.
    pub(super) unit: &'static str,
    /// The time to read.
    pub(super) clock: Clock,
    pub(super) scale: Scale,
}

impl Timed {
    /// The same work for each of these, the ruler first.
    pub(super) fn contest<P: fmt::Display + Copy + 'static, W: Work + 'static>(
        self,
        name: impl Into<String>,
        peers: &[P],
        start: impl Fn(P) -> Result<W> + Copy + 'static,
    ) -> Contest {
        let entrant = |&peer: &P| self.entrant(peer, move || start(peer));
        self.among(name, peers.iter().map(entrant).collect())
    }

    /// One among those whose work is not started alike.
    pub(super) fn among(self, name: impl Into<String>, entrants: Vec<Entrant>) -> Contest {
        let columns = [
            Column::new(format!("{} a {}", self.clock, self.unit), Kind::Time),
            Column::new("done in a second", Kind::Rate),
        ];
        Contest::new(name, self.scale.rounds, columns, entrants)
    }

    /// One who does the work.
    pub(super) fn entrant<W: Work + 'static>(
        self,
        name: impl fmt::Display,
        start: impl Fn() -> Result<W> + 'static,
    ) -> Entrant {
        let Self { clock, scale, .. } = self;
        Entrant::new(name, move || {
            let mut running = Running { work: start()?, clock, units: 1 };
            running.calibrate(scale.slice)?;
            Ok(running)
        })
    }
}

/// Work, and how much of it fills a slice.
struct Running<W> {
    work: W,
    clock: Clock,
    units: u64,
}

impl<W: Work> Running<W> {
    /// Finds how many units fill a slice, with what is done in between and does not count; it warms
    /// everything up as well.
    fn calibrate(&mut self, slice: Duration) -> Result {
        loop {
            let start = Instant::now();
            let Spent { units, wall, .. } = self.work.run(self.units)?;
            let took = wall.max(start.elapsed());
            if took >= slice / 4 {
                let filling = units as f64 * slice.as_secs_f64() / took.as_secs_f64();
                self.units = (filling as u64).max(1);
                return Ok(());
            }
            self.units = units.max(self.units) * 2;
        }
    }
}

impl<W: Work> Trial for Running<W> {
    fn turn(&mut self) -> Result<Vec<f64>> {
        let spent = self.work.run(self.units)?;
        Ok(vec![spent.each(self.clock), 1e9 / spent.each(Clock::Wall)])
    }
}
