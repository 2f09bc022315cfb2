//! Running a scenario on as many seeds as one likes.

use std::fmt;

use super::run::Start;
use super::shrink::shrink;
use super::{Choices, Failure, Network, Outcome, Run, Summary};

/// How many records of a run's trace are kept where nothing else was said.
const RECORDS: usize = 16_384;
/// How many runs a shrink may take where nothing else was said.
const TRIES: usize = 2_000;
/// How many steps a run may make where nothing else was said: far more than a scenario needs that
/// ends at all.
const STEPS: u64 = 50_000_000;

/// A scenario, to be run on as many seeds as one likes.
///
/// The scenario is given a [`Network`] of no hosts and no faults. It adds its hosts, says what goes
/// wrong ([`Network::swarm`], most often), lets time pass, and looks at what has become of it. It
/// fails by returning an error or by panicking, and must not know anything but the network: no clock,
/// no randomness and no state of its own that outlives a run.
///
/// ```
/// use reactor::sim::{Network, Simulation};
/// use reactor::{Input, Protocol, Transport};
/// use std::time::Duration;
///
/// struct Echo;
///
/// impl<App> Protocol<App> for Echo {
///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
///         transport.write(input.take_all());
///     }
/// }
///
/// let simulation = Simulation::new(|network: &mut Network| {
///     network.swarm();
///     network.host("server", |registry| Ok(registry.listen("0.0.0.0:7".parse()?, |_, _| Echo)?));
///     network.run_for(Duration::from_secs(10))?;
///     network.calm();
///     network.finish(Duration::from_secs(1))?;
///     Ok(())
/// });
/// let summary = simulation.search(0..10)?;
/// assert_eq!(summary.runs, 10);
/// # Ok::<(), Box<reactor::sim::Failure>>(())
/// ```
#[derive(Clone)]
pub struct Simulation<S> {
    scenario: S,
    records: usize,
    tries: usize,
    steps: u64,
}

impl<S: Fn(&mut Network) -> Outcome> Simulation<S> {
    /// A simulation of a scenario.
    pub fn new(scenario: S) -> Self {
        Self { scenario, records: RECORDS, tries: TRIES, steps: STEPS }
    }

    /// Keeps so many of the latest records of each run. Breaches of the callbacks' contract, and their
    /// panics, are looked for in them after each step, so a turn of a loop that writes more than are
    /// kept is not seen entirely.
    #[must_use]
    pub fn with_records(mut self, records: usize) -> Self {
        self.records = records;
        self
    }

    /// Runs the scenario so many times at most to shrink a failure; not at all for zero.
    #[must_use]
    pub fn with_tries(mut self, tries: usize) -> Self {
        self.tries = tries;
        self
    }

    /// Fails a run that makes more steps than this: it would never end.
    #[must_use]
    pub fn with_steps(mut self, steps: u64) -> Self {
        self.steps = steps;
        self
    }

    // ── one run ─────────────────────────────────────────────────────────────────────────────

    /// Runs it on a seed.
    pub fn run_seed(&self, seed: u64) -> Run {
        self.run(self.start_seed(seed))
    }

    /// Runs it on a tape: another run's, or a fuzzer's. Beyond its end it reads zeros, the calmest
    /// choice, so an empty tape is the run in which nothing goes wrong.
    ///
    /// ```
    /// # use reactor::sim::{Network, Simulation};
    /// # let simulation = Simulation::new(|network: &mut Network| match network.choose(256) {
    /// #     7 => Err("a seven".into()),
    /// #     _ => Ok(()),
    /// # });
    /// assert!(simulation.run_tape(&[7]).has_failed());
    /// assert!(!simulation.run_tape(&[]).has_failed());
    /// ```
    pub fn run_tape(&self, tape: &[u8]) -> Run {
        self.run(self.start_tape(tape))
    }

    // ── many runs ───────────────────────────────────────────────────────────────────────────

    /// Runs it on seeds until it fails on one.
    ///
    /// # Errors
    ///
    /// The first failure, shrunk.
    pub fn search(&self, seeds: impl IntoIterator<Item = u64>) -> Result<Summary, Box<Failure>> {
        let mut summary = Summary::default();
        for seed in seeds {
            let run = self.run(Start { is_quiet: true, ..self.start_seed(seed) });
            if run.has_failed() {
                return Err(Box::new(self.explain(run)));
            }
            summary.add(&run);
        }
        Ok(summary)
    }

    /// Shrinks a run that failed, and tells of it.
    pub fn explain(&self, run: Run) -> Failure {
        let shrunk = self.shrink(&run, self.tries);
        Failure::new(run, shrunk)
    }

    /// The smallest run that fails [in the same way](Run::fails_like) as one that failed, as far as
    /// so many tries can tell. A run that has not failed is as small as it gets.
    ///
    /// A run that fails in another way does not count: it may be a fault of its own, and is best
    /// looked for by itself, once this one is mended.
    pub fn shrink(&self, run: &Run, tries: usize) -> Run {
        if !run.has_failed() {
            return run.clone();
        }
        let mut smallest = run.clone();
        shrink(&run.tape, tries, |tape| {
            let call_fault = run.call_fault;
            let tried = self.run(Start { call_fault, is_quiet: true, ..self.start_tape(tape) });
            let fails = tried.fails_like(run);
            if fails {
                smallest = tried;
            }
            fails
        });
        smallest
    }

    // ── how a run begins ────────────────────────────────────────────────────────────────────

    pub(super) fn run(&self, start: Start) -> Run {
        Run::of(&self.scenario, start)
    }

    pub(super) fn start_seed(&self, seed: u64) -> Start {
        Start { seed: Some(seed), ..self.start(Choices::from_seed(seed)) }
    }

    pub(super) fn start_tape(&self, tape: &[u8]) -> Start {
        self.start(Choices::from_tape(tape.to_vec()))
    }

    fn start(&self, choices: Choices) -> Start {
        let Self { records, steps, .. } = *self;
        Start { seed: None, choices, call_fault: None, records, steps, is_quiet: false }
    }
}

impl<S> fmt::Debug for Simulation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("records", &self.records)
            .field("tries", &self.tries)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
