//! The groups that criterion runs as well: what one unit of work takes.

use std::time::{Duration, Instant};

use super::Scale;
use crate::Result;
use crate::report::contest::{Between, Column, Contest, Drawing, Entrant, Kind, Section, Trial};
use crate::work::{Case, Clock, Contender, Group, Spent, Work};

pub(super) fn section(group: Group, scale: Scale) -> Section {
    let mut drawings = Vec::new();
    if group.cases.iter().filter(|case| case.grows_to.is_some()).count() > 1 {
        drawings.push(Drawing::Growth(0));
    }
    if group.cases.len() > 1 {
        drawings.push(Drawing::Ratios(0));
    }
    if let Some(shown) = group.cases.iter().find(|case| case.name == group.shown) {
        drawings.push(Drawing::Bars(shown.name.clone(), 0));
    }
    Section {
        name: group.name,
        about: group.about.to_owned(),
        contests: group.cases.into_iter().map(|case| contest(case, scale)).collect(),
        drawings,
    }
}

fn contest(case: Case, scale: Scale) -> Contest {
    let Case { name, grows_to, unit, clock, contenders } = case;
    let entrant = |contender: Contender| {
        Entrant::new(contender.name.clone(), move || Timed::start(&contender, clock, scale.slice))
    };
    Contest {
        name,
        columns: vec![
            Column::new(format!("{clock} a {unit}"), Kind::Time),
            Column::new("done in a second", Kind::Rate),
        ],
        grows_to,
        rounds: scale.rounds,
        between: Between::Stays,
        entrants: contenders.into_iter().map(entrant).collect(),
    }
}

/// Work, and how much of it fills a slice.
struct Timed {
    work: Box<dyn Work>,
    clock: Clock,
    units: u64,
}

impl Timed {
    fn start(contender: &Contender, clock: Clock, slice: Duration) -> Result<Self> {
        let mut timed = Self { work: contender.start()?, clock, units: 1 };
        timed.calibrate(slice)?;
        Ok(timed)
    }

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

impl Trial for Timed {
    fn turn(&mut self) -> Result<Vec<f64>> {
        let spent = self.work.run(self.units)?;
        Ok(vec![spent.each(self.clock), 1e9 / spent.each(Clock::Wall)])
    }
}
