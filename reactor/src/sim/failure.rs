//! A run that failed, told so that somebody can do something about it.

use std::error::Error;
use std::fmt;

use super::{Run, Tape};

/// So many of the latest records are printed.
const LINES: usize = 40;
/// A tape is printed if it is not longer than this.
const LONGEST_TEXT: usize = 2_000;

/// A run of a scenario that failed, and the smallest one that was found to fail in the same way.
///
/// It prints what went wrong, which faults it takes, how to run it again, and the end of its trace.
#[derive(Clone)]
pub struct Failure {
    found: Run,
    shrunk: Run,
}

impl Failure {
    pub(super) fn new(found: Run, shrunk: Run) -> Self {
        Self { found, shrunk }
    }

    /// The seed on which it was found, if that was a seed.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.found.seed
    }

    /// What went wrong, as it was found.
    #[must_use]
    pub fn message(&self) -> &str {
        self.found.message().unwrap_or_default()
    }

    /// The shrunk tape: [`Simulation::run_tape`](super::Simulation::run_tape) fails on it.
    #[must_use]
    pub fn tape(&self) -> &Tape {
        &self.shrunk.tape
    }

    /// The run as it was found.
    #[must_use]
    pub fn found(&self) -> &Run {
        &self.found
    }

    /// The shrunk run.
    #[must_use]
    pub fn shrunk(&self) -> &Run {
        &self.shrunk
    }
}

impl Error for Failure {}

/// As [`Display`](fmt::Display), for tests that end with `?` or `unwrap`: two runs, field by field, help nobody.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, shrunk } = self;
        match found.seed {
            Some(seed) => writeln!(f, "seed {seed} fails: {}", self.message())?,
            None => writeln!(f, "a run fails: {}", self.message())?,
        }
        write_shrunk(f, found, shrunk)?;
        write_faults(f, shrunk)?;
        write_replay(f, found, shrunk)?;
        write_trace(f, shrunk)
    }
}

fn write_shrunk(f: &mut fmt::Formatter<'_>, found: &Run, shrunk: &Run) -> fmt::Result {
    let (before, after) = (found.tape.len(), shrunk.tape.len());
    let busy = shrunk.tape.busy();
    writeln!(f, "shrunk from {before} choices to {after}, of which {busy} are not the calmest")?;
    match shrunk.message() {
        Some(message) if found.message() != Some(message) => {
            writeln!(f, "so shrunk it fails: {message}")
        }
        _ => Ok(()),
    }
}

fn write_faults(f: &mut fmt::Formatter<'_>, shrunk: &Run) -> fmt::Result {
    let happened = shrunk.faults.iter().filter(|&(_, count)| count > 0);
    let faults: Vec<String> = happened.map(|(fault, count)| format!("{count} {fault}")).collect();
    match faults.is_empty() {
        true => writeln!(f, "no fault has happened in it"),
        false => writeln!(f, "what has happened in it: {}", faults.join(", ")),
    }
}

fn write_replay(f: &mut fmt::Formatter<'_>, found: &Run, shrunk: &Run) -> fmt::Result {
    let text = shrunk.tape.to_string();
    writeln!(f, "to run it again:")?;
    if let Some((call, call_fault)) = shrunk.call_fault {
        return writeln!(f, "    simulation.run_call_fault({call}, CallFault::{call_fault:?})");
    }
    if let Some(seed) = found.seed {
        writeln!(f, "    simulation.run_seed({seed})")?;
    }
    if text.len() > LONGEST_TEXT {
        return Ok(());
    }
    writeln!(f, "    simulation.run_tape(&\"{text}\".parse::<Tape>()?)")
}

fn write_trace(f: &mut fmt::Formatter<'_>, shrunk: &Run) -> fmt::Result {
    let lines: Vec<String> = shrunk.trace.lines().collect();
    let latest = &lines[lines.len().saturating_sub(LINES)..];
    writeln!(f, "the last {} of its {} records:", latest.len(), shrunk.records)?;
    latest.iter().try_for_each(|line| writeln!(f, "{line}"))
}
