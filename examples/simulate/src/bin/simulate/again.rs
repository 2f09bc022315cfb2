//! The same seed does the same: twice in this process, and once in another.

use std::env;
use std::error::Error;
use std::process::Command;

use reactor::sim::Simulation;

use crate::Options;

/// Runs a seed three times; a line that says so.
pub(crate) fn check(options: &Options, seed: u64) -> Result<String, Box<dyn Error>> {
    let simulation = Simulation::new(options.subject.scenario).with_records(usize::MAX);
    let hash = simulation.check_replay(seed)?;
    let child = Command::new(env::current_exe()?)
        .args([options.subject.name, "--seed", &seed.to_string(), "--transcript"])
        .output()?;
    let transcript = String::from_utf8_lossy(&child.stdout);
    simulation.run_seed(seed).compare_transcript(transcript.lines())?;
    Ok(format!("seed {seed} did the same four times, once in another process: {hash:016x}"))
}
