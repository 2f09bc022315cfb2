//! Torture: every call of a calm run fails once, in every way it may.

use std::error::Error;

use examples::output;
use reactor::sim::{Simulation, Victim};

use crate::search::progress_bar;
use crate::{Options, one};

/// As many failures as a person wants to read.
const SHOWN: usize = 10;

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let simulation = Simulation::new(options.subject.torture);
    let bar = progress_bar(0, "runs");
    let torture = simulation.torture(|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let Some(first) = torture.victims.first() else {
        let runs = torture.summary.runs;
        output::say(format_args!("{} calls, {runs} runs; nothing broke", torture.calls))?;
        return Ok(());
    };
    let run = simulation.with_records(usize::MAX).run_call_fault(first.number, first.call_fault);
    one::write_trace(options.trace.as_deref(), &run)?;
    let shown = torture.victims.iter().take(SHOWN).map(Victim::to_string);
    let shown: Vec<String> = shown.collect();
    Err(format!("{} runs failed:\n{}", torture.victims.len(), shown.join("\n")).into())
}
