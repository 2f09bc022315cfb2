//! One run: of a seed, or of a tape; and what there is to be said of one that failed.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use examples::output;
use reactor::sim::{Network, Outcome, Run, Simulation};

use crate::Options;

type Scenario = fn(&mut Network) -> Outcome;

pub(crate) fn run_seed(options: &Options, seed: u64) -> Result<(), Box<dyn Error>> {
    let run = simulation(options).run_seed(seed);
    if options.transcript {
        return run.transcript().try_for_each(output::say).map_err(Into::into);
    }
    report(options, &run)
}

pub(crate) fn run_tape(options: &Options, tape: &[u8]) -> Result<(), Box<dyn Error>> {
    report(options, &simulation(options).run_tape(tape))
}

/// A simulation that forgets nothing.
fn simulation(options: &Options) -> Simulation<Scenario> {
    Simulation::new(options.subject.scenario).with_records(usize::MAX)
}

fn report(options: &Options, run: &Run) -> Result<(), Box<dyn Error>> {
    write_trace(options.trace.as_deref(), run)?;
    output::say(format_args!(
        "{} events in {:.3} s of network time, hash {:016x}\n\n{}",
        run.records,
        run.length.as_secs_f64(),
        run.hash,
        run.faults,
    ))?;
    run.result.clone().map_err(Into::into)
}

/// Why a seed fails, and how to see it fail again.
pub(crate) fn explain(options: &Options, seed: u64) -> Box<dyn Error> {
    let simulation = simulation(options);
    let failure = simulation.explain(simulation.run_seed(seed));
    if let Err(error) = write_trace(options.trace.as_deref(), failure.shrunk()) {
        return error;
    }
    let mut text = format!("{failure}\nrun it again with\n");
    let tape = failure.tape();
    for what in [format!("--seed {seed}"), format!("--tape {tape}")] {
        let _ = writeln!(text, "  {}", options.command(&what));
    }
    text.into()
}

/// Writes what a run did, for a person or for Perfetto.
pub(crate) fn write_trace(path: Option<&Path>, run: &Run) -> Result<(), Box<dyn Error>> {
    let Some(path) = path else {
        return Ok(());
    };
    let failed = |error| format!("cannot write {}: {error}", path.display());
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    if path.extension().is_some_and(|extension| extension == "json") {
        run.trace.write_chrome(&mut file).map_err(failed)?;
    } else {
        write!(file, "{}", run.trace).map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    Ok(())
}
