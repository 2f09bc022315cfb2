//! `cargo run --release -p benches --bin instructions [SUBJECT…]`: what an echo, a delivery and a
//! datagram cost, in figures that no noise touches: user-space instructions (needs valgrind) and system
//! calls (needs strace).
//!
//! With `--check FILE` the reactor's figures are held against a committed table, with `--update FILE`
//! they become that table; `scripts/check-instructions` does both.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::cost::Measure;
use benches::counts::{self, Subject};
use benches::figures::Figures;
use benches::table::Table;
use benches::{Result, processor, program};
use clap::Parser;

/// The one whose figures the committed table has.
const OURS: &str = "reactor";

/// What the committed table says about itself.
const HEAD: &str = "\
# What one unit of work costs the reactor: an echo of 64 bytes, by connections x messages in flight; a
# delivery of a line of 64 bytes, by members of the room; a datagram that is sent, back to one of 50 peers
# or in a run to one. `scripts/check-instructions` fails when one of these grows by more than 3 %, and
# `scripts/check-instructions --update` rewrites them.
";

/// Instructions and system calls, peers side by side.
#[derive(Parser)]
struct Options {
    /// What to count, by how its name begins: `echo`, `fan-out.1000`; everything by default.
    subject: Vec<String>,
    /// Whose: everyone's by default.
    #[arg(long)]
    peer: Vec<String>,
    /// Count system calls too.
    #[arg(long)]
    syscalls: bool,
    /// Fail when a figure of the reactor exceeds this table.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// By how many per cent a figure may exceed the table; two builds of one source differ by less.
    #[arg(long, value_name = "PER CENT", default_value_t = 3.0)]
    tolerance: f64,
    /// Write the figures of the reactor to this table.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    update: Option<PathBuf>,
}

impl Options {
    fn subjects(&self) -> Vec<Subject> {
        let is_wanted = |subject: &Subject| {
            self.subject.is_empty()
                || self.subject.iter().any(|part| subject.name.starts_with(part))
        };
        counts::possible().into_iter().filter(is_wanted).collect()
    }

    fn wants_peer(&self, name: &str) -> bool {
        self.peer.is_empty() || self.peer.iter().any(|peer| peer == name)
    }

    fn measures(&self, subject: &Subject) -> &'static [Measure] {
        match self.syscalls {
            true => subject.measures(),
            false => &[Measure::Instructions],
        }
    }
}

fn main() -> ExitCode {
    benches::exit("instructions", run())
}

fn run() -> Result {
    let options = Options::parse();
    let subjects = options.subjects();
    if subjects.is_empty() {
        return Err("no subject begins like that".into());
    }
    program::build()?;
    processor::share_one()?;
    let mut ours = Figures::default();
    for subject in &subjects {
        measure(&options, subject, &mut ours)?;
    }
    match (&options.check, &options.update) {
        (Some(path), _) => check(path, &ours, options.tolerance),
        (_, Some(path)) => update(path, &ours),
        _ => Ok(()),
    }
}

/// Prints the table of one subject, and takes over the figures of the reactor.
fn measure(options: &Options, subject: &Subject, ours: &mut Figures) -> Result {
    let measures = options.measures(subject);
    let heads = measures.iter().flat_map(|measure| [measure.to_string(), String::new()]);
    let mut table = Table::new([String::new()].into_iter().chain(heads));
    let mut ruler = None;
    for (place, runner) in subject.runners.iter().enumerate() {
        if !options.wants_peer(&runner.name) {
            continue;
        }
        let counts = measures.iter().map(|measure| subject.count(runner, *measure));
        let counts: Vec<f64> = counts.collect::<Result<_>>()?;
        if place == 0 {
            ruler = Some(counts.clone());
        }
        if runner.name == OURS {
            for (measure, count) in measures.iter().zip(&counts) {
                ours.set(format!("{}.{}", measure.key(), subject.name), *count);
            }
        }
        table.row(&runner.name, cells(&counts, ruler.as_deref()));
    }
    println!("{}: {}, a {}\n\n{table}", subject.name, subject.about, subject.unit);
    Ok(())
}

/// Each figure, and beside it the ratio to the ruler, if that is measured too.
fn cells(counts: &[f64], ruler: Option<&[f64]>) -> Vec<String> {
    let cells = |(column, count): (usize, &f64)| {
        let ratio = ruler.map(|ruler| format!("{:.2}x", count / ruler[column]));
        [format!("{count:.2}"), ratio.unwrap_or_default()]
    };
    counts.iter().enumerate().flat_map(cells).collect()
}

fn check(path: &Path, measured: &Figures, tolerance: f64) -> Result {
    let verdicts = Figures::read(path)?.judge(measured, tolerance);
    let mut table = Table::new(["", "measured", "committed", "ceiling", ""]);
    for verdict in &verdicts {
        let figure =
            |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
        let columns = [Some(verdict.measured), verdict.committed, verdict.ceiling].map(figure);
        let complaint = verdict.complaint().unwrap_or_else(|| "ok".to_owned());
        table.row(&verdict.name, columns.into_iter().chain([complaint]));
    }
    println!("{table}");
    match verdicts.iter().filter(|verdict| verdict.complaint().is_some()).count() {
        0 if verdicts.is_empty() => Err("no figure of the reactor was measured".into()),
        0 => Ok(()),
        bad => Err(format!(
            "{bad} of {} figures are worse than {} allows",
            verdicts.len(),
            path.display()
        )
        .into()),
    }
}

fn update(path: &Path, measured: &Figures) -> Result {
    let mut figures = Figures::read(path)?;
    figures.merge(measured);
    figures.write(path, HEAD)?;
    println!("wrote {}", path.display());
    Ok(())
}
