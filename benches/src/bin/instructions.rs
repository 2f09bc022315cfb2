//! `cargo run --release -p benches --bin instructions`: what one 64-byte echo costs, in figures that
//! no noise touches: user-space instructions (needs valgrind) and system calls (needs strace).
//!
//! With `--check FILE` the reactor's figures are held against a committed table, with `--update FILE`
//! they become that table; `scripts/check-instructions` does both.

use std::path::{Path, PathBuf};

use benches::cost::Measure;
use benches::figures::Figures;
use benches::load::Load;
use benches::process::EchoServer;
use benches::servers::Peer;
use benches::table::Table;
use benches::{Result, processor, strace};
use clap::Parser;

/// The loads of the published table: connections and depth.
const LOADS: [(usize, usize); 3] = [(50, 1), (1, 1), (50, 16)];

/// What the committed table says about itself.
const HEAD: &str = "\
# What a 64-byte echo costs the reactor, by connections x depth. `scripts/check-instructions` fails when
# one of these grows by more than 3 %, and `scripts/check-instructions --update` rewrites them.
";

/// Instructions and system calls a message, peers side by side.
#[derive(Parser)]
struct Options {
    /// Whom to measure; everyone by default.
    #[arg(long)]
    peer: Vec<Peer>,
    /// Connections; with neither this nor a depth, the loads of the published table.
    #[arg(long)]
    connections: Option<usize>,
    /// Messages in flight on each connection.
    #[arg(long)]
    depth: Option<usize>,
    /// Bytes a message.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Messages of the shorter of the two runs.
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// Count system calls too.
    #[arg(long)]
    syscalls: bool,
    /// Fail when a figure of the one peer measured exceeds this table.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// By how many per cent a figure may exceed the table; two builds of one source differ by less.
    #[arg(long, value_name = "PER CENT", default_value_t = 3.0)]
    tolerance: f64,
    /// Write the figures of the one peer measured to this table.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    update: Option<PathBuf>,
}

impl Options {
    fn peers(&self) -> &[Peer] {
        if self.peer.is_empty() { Peer::all() } else { &self.peer }
    }

    fn loads(&self) -> Vec<Load> {
        let load = |(connections, depth)| Load { connections, depth, size: self.size };
        if self.connections.is_none() && self.depth.is_none() {
            return LOADS.map(load).to_vec();
        }
        vec![load((self.connections.unwrap_or(1), self.depth.unwrap_or(1)))]
    }

    fn measures(&self) -> &'static [Measure] {
        match self.syscalls {
            true if strace::is_available() => &[Measure::Instructions, Measure::SystemCalls],
            true => {
                eprintln!("strace is not installed, or may not trace: no system calls");
                &[Measure::Instructions]
            }
            false => &[Measure::Instructions],
        }
    }
}

fn main() -> Result {
    let options = Options::parse();
    if (options.check.is_some() || options.update.is_some()) && options.peers().len() != 1 {
        return Err("a table has the figures of one peer: name it with --peer".into());
    }
    let server = EchoServer::beside_this()?;
    processor::share_one()?;
    let mut last = Figures::default();
    for measure in options.measures() {
        last.merge(&measure_peers(&options, &server, *measure)?);
    }
    match (&options.check, &options.update) {
        (Some(path), _) => check(path, &last, options.tolerance),
        (_, Some(path)) => update(path, &last),
        _ => Ok(()),
    }
}

/// Prints a table of one measure, and returns the figures of the last peer.
fn measure_peers(options: &Options, server: &EchoServer, measure: Measure) -> Result<Figures> {
    let loads = options.loads();
    let mut table = Table::new(heads(&loads));
    let mut ruler = None;
    let mut figures = Figures::default();
    for peer in options.peers() {
        eprintln!("{measure}: {peer}");
        let mut row = Vec::new();
        for load in &loads {
            row.push(measure.per_message(server, *peer, *load, options.messages)?);
            figures.set(name(measure, load), row[row.len() - 1]);
        }
        if *peer == Peer::Epoll {
            ruler = Some(row.clone());
        }
        table.row(peer.to_string(), cells(&row, ruler.as_deref()));
    }
    let ratios = if ruler.is_some() { ", and beside it the ratio to raw epoll" } else { "" };
    println!("{measure}{ratios}\n\n{table}");
    Ok(figures)
}

fn heads(loads: &[Load]) -> Vec<String> {
    let mut heads = vec![String::new()];
    for load in loads {
        heads.extend([format!("{} conn x {} deep", load.connections, load.depth), String::new()]);
    }
    heads
}

fn cells(row: &[f64], ruler: Option<&[f64]>) -> Vec<String> {
    let mut cells = Vec::new();
    for (column, figure) in row.iter().enumerate() {
        let ratio = ruler.map(|ruler| format!("{:.2}x", figure / ruler[column]));
        cells.extend([format!("{figure:.2}"), ratio.unwrap_or_default()]);
    }
    cells
}

fn name(measure: Measure, load: &Load) -> String {
    format!("{}.{}x{}", measure.key(), load.connections, load.depth)
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
