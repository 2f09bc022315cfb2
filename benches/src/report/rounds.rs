//! Every contender of a case in turns, in another order each round.
//!
//! Whatever else the machine does then falls on all of them alike, and a ratio is taken within a round,
//! of figures that were measured a second apart.

use std::time::{Duration, Instant};

use crate::Result;
use crate::work::{Case, Clock, Spent, Work};

/// How long each contender works in a round, about, and how many rounds there are.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How long.
    pub slice: Duration,
    /// How many.
    pub rounds: usize,
}

/// What the rounds of one contender showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Who it is.
    pub name: String,
    /// Nanoseconds a unit on the clock that the case is about: the median.
    pub each: f64,
    /// Units a second by the clock on the wall: the median.
    pub rate: f64,
    /// The ratio to the ruler in the same round: the lower quartile, the median, the upper quartile.
    pub ratio: [f64; 3],
}

/// One contender at work.
struct Lane {
    name: String,
    work: Box<dyn Work>,
    units: u64,
    each: Vec<f64>,
    rates: Vec<f64>,
}

/// Measures a case; `tick` is called after each slice.
pub fn measure(case: &Case, plan: Plan, tick: impl Fn()) -> Result<Vec<Row>> {
    let mut lanes = Vec::new();
    for contender in &case.contenders {
        let (name, work) = (contender.name.clone(), contender.start()?);
        let mut lane = Lane { name, work, units: 1, each: Vec::new(), rates: Vec::new() };
        lane.calibrate(plan.slice)?;
        lanes.push(lane);
    }
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    for _ in 0..plan.rounds {
        fastrand::shuffle(&mut order);
        for index in &order {
            lanes[*index].take_turn(case.clock)?;
            tick();
        }
    }
    let ruler = lanes.first().map(|lane| lane.each.clone()).unwrap_or_default();
    Ok(lanes.iter().map(|lane| lane.row(&ruler)).collect())
}

impl Lane {
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

    fn take_turn(&mut self, clock: Clock) -> Result {
        let spent = self.work.run(self.units)?;
        self.each.push(spent.each(clock));
        self.rates.push(1e9 / spent.each(Clock::Wall));
        Ok(())
    }

    fn row(&self, ruler: &[f64]) -> Row {
        let ratios: Vec<f64> =
            self.each.iter().zip(ruler).map(|(each, ruler)| each / ruler).collect();
        Row {
            name: self.name.clone(),
            each: quantile(&self.each, 0.5),
            rate: quantile(&self.rates, 0.5),
            ratio: [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part)),
        }
    }
}

/// The figure below which that part of them lies.
fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert!((quantile(&[9.0, 1.0, 5.0], 0.5) - 5.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
