//! `cargo run --release -p benches --bin report [SECTION…]`: measures, and writes the page, with its
//! drawings and what was measured beside it.
//!
//! Without a section it measures all of them, which takes about ten minutes, on a machine that should
//! do nothing else meanwhile. `--quick` tries everything in a minute or two, and writes to `target`. So
//! does whatever is measured on another machine than the page is of: it has no place beside what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use benches::report::chart::Picture;
use benches::report::contest::Section;
use benches::report::destination::{self, Asked, Destination};
use benches::report::results::{Measured, Results, Row};
use benches::report::{lines, machine, page, rounds};
use benches::sections::{self, Scale};
use benches::transfers::network;
use benches::{Result, descriptors, nats, program};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// The page of all measurements.
#[derive(Parser)]
struct Options {
    /// The sections to measure; all by default.
    section: Vec<String>,
    /// Of these only the tables that have this in their names; the others are kept.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// Little of everything, for trying it.
    #[arg(long)]
    quick: bool,
    /// How many clients there are where there are many: each wants a descriptor here, and one of the server.
    #[arg(long, value_name = "N")]
    many: Option<usize>,
    /// Measure nothing: write the page from what was measured.
    #[arg(long)]
    render: bool,
    /// Where to write the page; what belongs to it goes to a directory beside it. By default
    /// docs/benchmarks.md, if that is of this machine; else, or if quick, target/benchmarks.md.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the page is of another machine, drop all of it.
    #[arg(long)]
    drop: bool,
}

impl Options {
    fn scale(&self) -> Scale {
        let scale = if self.quick { Scale::QUICK } else { Scale::FULL };
        Scale { many: self.many.unwrap_or(scale.many), ..scale }
    }

    fn asked(&self) -> Asked {
        let &Self { quick, render, drop, .. } = self;
        Asked { output: self.output.clone(), quick, render, drop }
    }

    fn wants(&self, section: &Section) -> bool {
        !self.render
            && (self.section.is_empty() || self.section.iter().any(|name| name == section.name))
    }

    /// The section without the contests that are not asked for.
    fn pick(&self, mut section: Section) -> Section {
        if let Some(part) = &self.only {
            section.contests.retain(|contest| contest.name.contains(part));
        }
        section
    }
}

fn main() -> ExitCode {
    benches::exit("report", run())
}

fn run() -> Result {
    let options = Options::parse();
    let all = sections::all(options.scale());
    let names: Vec<&str> = all.iter().map(|section| section.name).collect();
    if let Some(unknown) = options.section.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("no section {unknown}: there are {}", names.join(", ")).into());
    }
    let wanted: Vec<Section> = all
        .into_iter()
        .filter(|section| options.wants(section))
        .map(|section| options.pick(section))
        .filter(|section| !section.contests.is_empty())
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the project has no root")?;
    let Destination { page, mut results, note } =
        options.asked().choose(root, &machine::describe())?;
    if let Some(note) = note {
        eprintln!("{note}");
    }
    let directory = page.with_extension("");
    fs::create_dir_all(&directory)?;
    let file = destination::file(&page);
    if !wanted.is_empty() {
        prepare(&wanted)?;
    }
    let bar = progress(&wanted);
    for section in wanted {
        let measured = measure(section, &bar);
        match options.only {
            Some(_) => results.replace_some(measured),
            None => results.replace(measured),
        }
        for gone in results.arrange(&names) {
            bar.suspend(|| eprintln!("dropped {}, which is no section any more", gone.name));
        }
        // After each: a run that is cut short has not been for nothing.
        results.write(&file)?;
    }
    bar.finish_and_clear();
    write(&results, &page, &directory)
}

/// Builds what the sections start, and goes to where they can be measured.
fn prepare(sections: &[Section]) -> Result {
    let is_wanted = |name| sections.iter().any(|section| section.name == name);
    descriptors::raise_limit()?;
    if network::is_entered() {
        return Ok(());
    }
    program::build()?;
    if is_wanted(sections::NATS)
        && let Err(error) = nats::build()
    {
        eprintln!("async-nats takes part as it was built before, or not at all: {error}");
    }
    if is_wanted(sections::FILES) { network::enter() } else { Ok(()) }
}

/// Measures a section, and tells at once of whoever fails.
fn measure(section: Section, bar: &ProgressBar) -> Measured {
    let Section { name, about, contests, drawings } = section;
    let begun = Instant::now();
    bar.set_prefix(name);
    let mut tables = Vec::new();
    for contest in &contests {
        bar.set_message(contest.name.clone());
        let table = rounds::measure(contest, || bar.inc(1));
        bar.inc(((contest.rounds - table.rounds) * contest.entrants.len()) as u64);
        let failed = |row: &Row| {
            Some(format!("{name}, {}, {}: {}", table.name, row.name, row.failure.as_ref()?))
        };
        for failure in table.rows.iter().filter_map(failed) {
            bar.suspend(|| eprintln!("{failure}"));
        }
        tables.push(table);
    }
    bar.suspend(|| eprintln!("{name}: {:.0?}", begun.elapsed()));
    Measured { name: name.to_owned(), about, tables, drawings }
}

fn write(results: &Results, page: &Path, directory: &Path) -> Result {
    let folder = directory.file_name().unwrap_or_default().to_string_lossy();
    let mut drawn = BTreeSet::new();
    let draw = |file: &str, picture: Picture| {
        picture.draw(&directory.join(file))?;
        drawn.insert(directory.join(file));
        Ok(format!("{folder}/{file}"))
    };
    fs::write(page, page::write(results, &lines::all()?, draw)?)?;
    forget_drawings(directory, &drawn)?;
    println!("wrote {}", page.display());
    Ok(())
}

/// Removes those that a page had once, and has no more.
fn forget_drawings(directory: &Path, drawn: &BTreeSet<PathBuf>) -> Result {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "svg") && !drawn.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn progress(sections: &[Section]) -> ProgressBar {
    let contests = sections.iter().flat_map(|section| &section.contests);
    let turns: usize = contests.map(|contest| contest.entrants.len() * contest.rounds).sum();
    let style = ProgressStyle::with_template("{prefix:>10} {bar:30} {pos}/{len} {eta} {msg}");
    ProgressBar::new(turns as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
