//! Whether the same happens again: the same seed, the same run, to the last record.

use std::fmt;

use thiserror::Error;

use super::run::Start;
use super::{Network, Outcome, Run, Simulation};

/// Two runs that should have been the same are not; it prints the first record that differs, in both,
/// and the one before.
///
/// One of the hosts, or the scenario, has asked for something that the network does not know: the
/// machine's clock or its randomness, the order of a hash map, another thread, an address in memory,
/// or something that the run before has left behind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct Divergence {
    /// The number of the record, counted from zero.
    pub at: u64,
    /// The record before, which is the same in both; `None` if there is none.
    pub before: Option<String>,
    /// What the first run has there; `None` if it has ended.
    pub first: Option<String>,
    /// What the second run has there; `None` if it has ended.
    pub second: Option<String>,
}

impl<S: Fn(&mut Network) -> Outcome> Simulation<S> {
    /// Runs a seed twice, keeping every record, and compares; the hash of both.
    ///
    /// Two runs in one process do not show everything: see [`Run::compare_transcript`].
    ///
    /// # Errors
    ///
    /// If they differ.
    pub fn check_replay(&self, seed: u64) -> Result<u64, Box<Divergence>> {
        let whole = || Start { records: usize::MAX, is_quiet: true, ..self.start_seed(seed) };
        let [first, second] = [whole(), whole()].map(|start| self.run(start));
        if first.conclusion() != second.conclusion() {
            compare_lines(0, first.transcript(), second.transcript())?;
        }
        Ok(first.hash)
    }
}

impl Run {
    /// The run as text, to be compared with another process's: a line a record, in which nothing is
    /// left out that a record knows, and one with the hash and the result at the end.
    ///
    /// All records have to be there for it, so ask for
    /// [`with_records(usize::MAX)`](Simulation::with_records).
    pub fn transcript(&self) -> impl Iterator<Item = String> {
        let records = self.trace.iter().zip(self.trace.lines());
        let records = records.map(|(record, line)| match record.fine_print() {
            (0, 0) => line,
            (nanos, digest) => format!("{line}  +{nanos} ns #{digest:08x}"),
        });
        records.chain([self.conclusion()])
    }

    /// Compares it with the [`transcript`](Self::transcript) that another process has printed. What
    /// is the same throughout a process, the addresses of its memory and the layout of its hash maps,
    /// is not the same in the next one.
    ///
    /// ```
    /// # use reactor::sim::{Network, Simulation};
    /// let simulation = Simulation::new(|network: &mut Network| {
    ///     network.host("alone", |_| Ok(()));
    ///     Ok(network.run_for(std::time::Duration::from_secs(1))?)
    /// });
    /// let run = simulation.with_records(usize::MAX).run_seed(1);
    /// let elsewhere: Vec<String> = run.transcript().collect(); // as if it had come through a pipe
    /// run.compare_transcript(elsewhere)?;
    /// # Ok::<(), Box<reactor::sim::Divergence>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If they differ.
    pub fn compare_transcript(
        &self,
        other: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<(), Box<Divergence>> {
        compare_lines(self.trace.dropped(), self.transcript(), other.into_iter().map(Into::into))
    }

    fn conclusion(&self) -> String {
        let Self { hash, records, tape, result, .. } = self;
        let result = match result {
            Ok(()) => "passed".to_owned(),
            Err(message) => format!("failed: {}", message.replace('\n', " ")),
        };
        format!("hash {hash:016x} of {records} records, {} choices: {result}", tape.len())
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, before, first, second } = self;
        let text = |line: &Option<String>| line.clone().unwrap_or_else(|| "(nothing)".to_owned());
        writeln!(f, "two runs that should be the same differ at record {at}:")?;
        writeln!(f, "  before  {}", text(before))?;
        writeln!(f, "  first   {}", text(first))?;
        writeln!(f, "  second  {}", text(second))
    }
}

fn compare_lines(
    skipped: u64,
    first: impl Iterator<Item = String>,
    second: impl Iterator<Item = String>,
) -> Result<(), Box<Divergence>> {
    let (mut first, mut second) = (first.fuse(), second.fuse());
    let mut before = None;
    for at in skipped.. {
        match (first.next(), second.next()) {
            (None, None) => break,
            (one, other) if one == other => before = one,
            (first, second) => return Err(Box::new(Divergence { at, before, first, second })),
        }
    }
    Ok(())
}
