//! What many runs add up to.

use std::fmt;
use std::time::Duration;

use super::{FaultCounts, Run};

/// What many runs add up to; it prints a few lines, the faults one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many runs there were.
    pub runs: u64,
    /// Steps of all of them.
    pub steps: u64,
    /// Records of all of them.
    pub records: u64,
    /// How often each fault has happened.
    pub faults: FaultCounts,
    /// How much time has passed in the networks.
    pub length: Duration,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, run: &Run) {
        let Run { steps, records, length, .. } = *run;
        self.merge(&Self { runs: 1, steps, records, faults: run.faults.clone(), length });
    }

    /// Adds what other runs add up to: another thread's, say.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.records += other.records;
        self.faults.add(&other.faults);
        self.length = self.length.saturating_add(other.length);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, steps, records, faults, length } = self;
        let hours = length.as_secs_f64() / 3_600.0;
        writeln!(f, "{runs} runs, {steps} steps, {records} records, {hours:.1} virtual hours")?;
        faults.fmt(f)
    }
}
