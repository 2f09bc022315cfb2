//! Runs a protocol on simulated networks, a seed at a time, and looks whether all that must hold does.
//!
//! ```console
//! $ cargo run --release -p simulate -- echo --seeds 10000
//! 10000 seeds in 34.2 s: 292 seeds/s, 1161024 events/s; nothing broke
//! ```
//!
//! When something breaks it says what, shrinks the run to a small one, and prints the command that
//! does it again:
//!
//! ```console
//! $ cargo run --release -p simulate -- echo --seed 4711 --trace failure.json
//! ```

#![forbid(unsafe_code)]

mod again;
mod one;
mod search;
mod torture;

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use examples::endpoint::how_many;
use examples::output;
use reactor::sim::Tape;
use simulate::{SUBJECTS, Subject};

/// Run a protocol on simulated networks
///
/// Without --seed, --tape or --torture it searches: one network a seed, each with faults of its own.
/// It ends with 1 if something broke that must hold, or if a fault that can happen never did (in a
/// search of 500 seeds or more).
#[derive(Parser)]
#[command(name = "simulate", version)]
struct Options {
    /// Which protocol
    #[arg(value_name = "PROTOCOL", value_parser = subject())]
    subject: Subject,

    /// How many seeds to search
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = how_many::<u64>)]
    seeds: u64,

    /// The first of them
    #[arg(long, value_name = "S", default_value_t = 0)]
    first: u64,

    /// Threads to search with; by default, one for each processor
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Go on when one fails, and name all that do, without making them smaller
    #[arg(long, conflicts_with_all = ["seed", "tape", "torture"])]
    keep_going: bool,

    /// Run this seed alone
    #[arg(long, value_name = "S", conflicts_with = "torture")]
    seed: Option<u64>,

    /// Run what a shrunk failure has left of its seed
    #[arg(long, value_name = "TAPE", conflicts_with_all = ["seed", "torture"])]
    tape: Option<Tape>,

    /// Write the trace of the run to a file, or that of the failure: for Perfetto if its name ends
    /// in .json, else a line for each event
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Run without faults, and make every single call fail once, in every way it may
    #[arg(long)]
    torture: bool,

    /// Print the trace of a seed for another process to compare
    #[arg(long, hide = true, requires = "seed")]
    transcript: bool,
}

fn subject() -> impl TypedValueParser<Value = Subject> {
    PossibleValuesParser::new(SUBJECTS.map(|subject| subject.name)).map(|name| {
        let found = SUBJECTS.into_iter().find(|subject| subject.name == name);
        found.unwrap_or(SUBJECTS[0])
    })
}

fn main() -> ExitCode {
    output::exit("simulate", run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    match (&options.seed, &options.tape) {
        (Some(seed), _) => one::run_seed(options, *seed),
        (_, Some(tape)) => one::run_tape(options, tape),
        _ if options.torture => torture::run(options),
        _ => search::run(options),
    }
}

impl Options {
    fn threads(&self) -> usize {
        let threads = self.threads.or_else(|| thread::available_parallelism().ok());
        threads.map_or(1, NonZeroUsize::get)
    }

    /// The command that runs one seed, or one tape, again.
    fn command(&self, what: &str) -> String {
        format!("cargo run --release -p simulate -- {} {what}", self.subject.name)
    }
}
