//! Searching: a network a seed, on several threads.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use examples::output;
use indicatif::{ProgressBar, ProgressStyle};
use reactor::sim::{Fault, Run, Simulation, Summary};

use crate::{Options, again, one};

/// So many seeds bring every fault about.
const ENOUGH: u64 = 500;

/// Records of a run that are kept while searching: a failure is run again with all of them.
const RECORDS: usize = 2_048;

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let same = again::check(options, options.first)?;
    let began = Instant::now();
    let (summary, failed) = search(options);
    match failed.len() {
        0 => {}
        _ if options.keep_going => {
            return Err(format!("{} of {} seeds fail", failed.len(), summary.runs).into());
        }
        _ => return Err(one::explain(options, failed[0])),
    }
    let took = began.elapsed().as_secs_f64();
    output::say(format_args!(
        "{} seeds in {took:.1} s: {:.0} seeds/s, {:.0} events/s; nothing broke",
        summary.runs,
        summary.runs as f64 / took,
        summary.records as f64 / took,
    ))?;
    output::say(same)?;
    output::say(format_args!("\n{}", summary.faults))?;
    let missing = summary.faults.missing().filter(|fault| !options.subject.without.contains(fault));
    let missing: Vec<&str> = missing.map(Fault::name).collect();
    if missing.is_empty() || summary.runs < ENOUGH {
        return Ok(());
    }
    Err(format!("these faults never happened: {}", missing.join(", ")).into())
}

/// Runs all seeds, or up to the first that fails; those that do, the smallest first.
fn search(options: &Options) -> (Summary, Vec<u64>) {
    let next = AtomicU64::new(options.first);
    let end = options.first.saturating_add(options.seeds);
    let (reports, inbox) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..options.threads() {
            let (reports, next) = (reports.clone(), &next);
            scope.spawn(move || work(options, next, end, &reports));
        }
        drop(reports);
        let bar = progress_bar(options.seeds, "seeds");
        let (mut summary, mut failed) = (Summary::default(), Vec::new());
        for run in inbox {
            if let (Some(seed), Err(why)) = (run.seed, &run.result) {
                failed.push(seed);
                if options.keep_going {
                    bar.suspend(|| output::complain(format_args!("seed {seed}: {why}")));
                } else {
                    // The other threads finish the seed they are at.
                    next.store(end, Ordering::Relaxed);
                }
            }
            summary.add(&run);
            bar.set_position(summary.runs);
        }
        bar.finish_and_clear();
        failed.sort_unstable();
        (summary, failed)
    })
}

/// What each thread does.
fn work(options: &Options, next: &AtomicU64, end: u64, reports: &Sender<Run>) {
    let simulation = Simulation::new(options.subject.scenario).with_records(RECORDS);
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || reports.send(simulation.run_seed(seed)).is_err() {
            return;
        }
    }
}

/// A bar on a terminal, and nothing elsewhere.
pub(crate) fn progress_bar(length: u64, unit: &str) -> ProgressBar {
    let template = format!("{{wide_bar}} {{human_pos}}/{{human_len}} {unit}, {{eta}} left");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
