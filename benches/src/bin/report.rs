//! `cargo run --release -p benches --bin report [GROUP…]`: runs the groups and writes the page, with its
//! drawings beside it.
//!
//! Without a group it runs all of them, which takes a quarter of an hour, on a machine that does
//! nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::idle::Growth;
use benches::offered::{self, Offer};
use benches::program::{self, Server};
use benches::report::chart::{self, Curve, Legend};
use benches::report::page;
use benches::report::rounds::{self, Plan, Row};
use benches::servers::{self, Peer};
use benches::work::{Case, Group};
use benches::{Result, descriptors, groups};
use clap::Parser;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

/// The quantiles of a latency that are shown.
const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

/// The page of all measurements.
#[derive(Parser)]
struct Options {
    /// The groups to run; all, with latency and memory, by default.
    group: Vec<String>,
    /// Where to write the page; its drawings go to `benchmarks/` beside it.
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks.md")]
    output: PathBuf,
    /// Rounds of each case.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Milliseconds of each contender in a round.
    #[arg(long, default_value_t = 300)]
    slice: u64,
    /// Messages a second of the offered load.
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// Idle connections whose memory is measured.
    #[arg(long, default_value_t = 5_000)]
    idle: usize,
}

impl Options {
    fn plan(&self) -> Plan {
        Plan { slice: Duration::from_millis(self.slice), rounds: self.rounds }
    }

    fn wants(&self, name: &str) -> bool {
        self.group.is_empty() || self.group.iter().any(|group| group == name)
    }

    /// The directory of the drawings.
    fn drawings(&self) -> Result<PathBuf> {
        let directory = self.output.with_extension("");
        fs::create_dir_all(&directory)?;
        Ok(directory)
    }
}

fn main() -> Result {
    let options = Options::parse();
    let groups: Vec<Group> =
        groups::all().into_iter().filter(|group| options.wants(group.name)).collect();
    program::build(["echo-server", "fan-out-server", "datagram-server"])?;
    let mut text = page::head(options.rounds);
    for group in &groups {
        text += &measure(group, &options)?;
    }
    if options.wants("latency") {
        text += &latency(&options)?;
    }
    if options.wants("memory") {
        text += &memory(&options)?;
    }
    fs::write(&options.output, text)?;
    println!("wrote {}", options.output.display());
    Ok(())
}

/// One group: a table a case, and a drawing of all ratios.
fn measure(group: &Group, options: &Options) -> Result<String> {
    let slices: usize = group.cases.iter().map(|case| case.contenders.len() * options.rounds).sum();
    let bar = progress(group.name, slices);
    let (mut text, mut measured) = (page::group(group), Vec::new());
    for case in &group.cases {
        bar.set_message(case.name.clone());
        let rows = rounds::measure(case, options.plan(), || bar.inc(1))
            .map_err(|error| format!("{}, {}: {error}", group.name, case.name))?;
        measured.push((case, rows));
    }
    bar.finish_and_clear();
    if measured.len() > 1 {
        text += &draw_ratios(group, &measured, &options.drawings()?)?;
    }
    text += &draw_growth(group, &measured, options)?;
    for (number, (case, rows)) in (1..).zip(&measured) {
        text += &page::case(number, case, rows);
    }
    Ok(text)
}

/// The ratio of every contender, case by case.
fn draw_ratios(group: &Group, cases: &[(&Case, Vec<Row>)], directory: &Path) -> Result<String> {
    let steps: Vec<String> = (1..=cases.len()).map(|number| number.to_string()).collect();
    let curve = |(index, row): (usize, &Row)| Curve {
        name: row.name.clone(),
        figures: cases.iter().map(|(_, rows)| rows[index].ratio[1]).collect(),
    };
    let curves: Vec<Curve> = cases[0].1.iter().enumerate().map(curve).collect();
    let title = format!("{}: ratio to {}", group.name, curves[0].name);
    let legend = Legend {
        title: &title,
        across: ("the cases below, in order", &steps),
        up: "ratio",
        is_joined: false,
    };
    draw(directory, group.name, legend, &curves)
}

/// What a unit costs every contender as there are more and more clients.
fn draw_growth(group: &Group, cases: &[(&Case, Vec<Row>)], options: &Options) -> Result<String> {
    let growing: Vec<_> = cases.iter().filter(|(case, _)| case.grows_to.is_some()).collect();
    let Some((case, rows)) = growing.first() else {
        return Ok(String::new());
    };
    let steps: Vec<String> =
        growing.iter().filter_map(|(case, _)| Some(case.grows_to?.to_string())).collect();
    let curve = |(index, row): (usize, &Row)| Curve {
        name: row.name.clone(),
        figures: growing.iter().map(|(_, rows)| rows[index].each / 1e3).collect(),
    };
    let curves: Vec<Curve> = rows.iter().enumerate().map(curve).collect();
    let title = format!("{}: {} a {}, as clients grow", group.name, case.clock, case.unit);
    let legend = Legend { title: &title, across: ("clients", &steps), up: "µs", is_joined: true };
    draw(&options.drawings()?, &format!("{}-growth", group.name), legend, &curves)
}

/// Latencies of every echo server under the same offered load, in turns.
fn latency(options: &Options) -> Result<String> {
    let offer = Offer { connections: 100, rate: options.rate, lasting: Duration::from_secs(1) };
    let bar = progress("latency", Peer::all().len() * options.rounds);
    let mut lanes = Vec::new();
    for peer in Peer::all() {
        let server = servers::program(*peer)?.start_apart()?;
        lanes.push((peer, server, Histogram::<u64>::new(3)?));
    }
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    for _ in 0..options.rounds {
        fastrand::shuffle(&mut order);
        for index in &order {
            let (peer, server, latencies) = &mut lanes[*index];
            let round = offered::run(server.address(), offer);
            latencies.add(round.map_err(|error| format!("latency, {peer}: {error}"))?)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let row = |(peer, _, latencies): &(&Peer, Server, Histogram<u64>)| {
        let at = |(quantile, _)| latencies.value_at_quantile(quantile) as f64;
        (peer.to_string(), QUANTILES.map(at).to_vec())
    };
    let rows: Vec<_> = lanes.iter().map(row).collect();
    write_latency(options, offer, &rows)
}

/// The section on latency: its drawing, and its table.
fn write_latency(options: &Options, offer: Offer, rows: &[(String, Vec<f64>)]) -> Result<String> {
    let steps = QUANTILES.map(|(_, name)| name.to_owned());
    let curve = |(name, figures): &(String, Vec<f64>)| Curve {
        name: name.clone(),
        figures: figures.iter().map(|nanoseconds| nanoseconds / 1e3).collect(),
    };
    let curves: Vec<Curve> = rows.iter().map(curve).collect();
    let title = format!("latency at {} messages a second", offer.rate);
    let legend = Legend { title: &title, across: ("quantile", &steps), up: "µs", is_joined: true };
    let drawing = draw(&options.drawings()?, "latency", legend, &curves)?;
    let table = page::figures(&QUANTILES.map(|(_, name)| name), rows, page::time);
    Ok(format!(
        "## latency\n\nHow long an echo of 64 bytes takes while {} a second are asked for, on {} \
         connections, whether or not the server keeps up: counted from when each was due. In \
         parentheses the ratio to a raw epoll loop.\n\n{drawing}{table}",
        offer.rate, offer.connections,
    ))
}

/// Memory of every echo server for an idle connection.
fn memory(options: &Options) -> Result<String> {
    descriptors::require(options.idle + SPARE_DESCRIPTORS)?;
    let bar = progress("memory", Peer::all().len());
    let mut rows = Vec::new();
    for peer in Peer::all() {
        let server = servers::program(*peer)?.start()?;
        let growth = Growth::measure(server.address(), server.pid(), options.idle)?;
        rows.push((peer.to_string(), vec![growth.each()]));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let table = page::figures(&["bytes"], &rows, |bytes| format!("{bytes:.0}"));
    Ok(format!(
        "## memory\n\nWhat an idle connection that has echoed one message costs its server in resident \
         memory, by the growth from one to {}. In parentheses the ratio to a raw epoll loop.\n\n{table}",
        options.idle,
    ))
}

/// Draws beside the page; the link to it.
fn draw(directory: &Path, name: &str, legend: Legend<'_>, curves: &[Curve]) -> Result<String> {
    let file = format!("{name}.svg");
    chart::draw(&directory.join(&file), legend, curves)?;
    let folder = directory.file_name().unwrap_or_default().to_string_lossy();
    Ok(page::drawing(legend.title, &format!("{folder}/{file}")))
}

fn progress(name: &'static str, slices: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>10} {bar:40} {pos}/{len} {eta} {msg}");
    ProgressBar::new(slices as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(name)
}
