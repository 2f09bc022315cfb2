//! `cargo run --release -p benches --bin deliveries`: what a delivery to a member of a room and a
//! datagram cost, in figures that no noise touches: user-space instructions (needs valgrind).
//!
//! With `--check FILE` the reactor's figures are held against a committed table, with `--update FILE`
//! they become that table.

use std::path::PathBuf;

use benches::audience::{self, Audience, Seats};
use benches::correspondents::{self, Correspondents};
use benches::cost::Measure;
use benches::datagrams::{Datagrams, Duty};
use benches::figures::Figures;
use benches::rooms::Room;
use benches::table::Table;
use benches::{Result, processor};
use clap::Parser;

/// Members of the rooms.
const MEMBERS: [usize; 2] = [100, 1000];

/// Clients of the datagram servers, by duty.
const CLIENTS: [(Duty, usize); 2] = [(Duty::Echo, 50), (Duty::Bulk, 1)];

/// What the committed table says about itself.
const HEAD: &str = "\
# What a delivery of 64 bytes and a datagram cost the reactor, in user-space instructions.
";

/// Instructions a delivery and a datagram, peers side by side.
#[derive(Parser)]
struct Options {
    /// Measure the reactor only.
    #[arg(long)]
    reactor: bool,
    /// Deliveries or datagrams of the shorter of the two runs.
    #[arg(long, default_value_t = 20_000)]
    units: usize,
    /// Fail when a figure of the reactor exceeds this table by more than 3 %.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Write the figures of the reactor to this table.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    update: Option<PathBuf>,
}

fn main() -> Result {
    let options = Options::parse();
    processor::share_one()?;
    let mut ours = Figures::default();
    for members in MEMBERS {
        let seats = Seats { members, stalled: 0 };
        let measure = |room| deliver(room, seats, options.units);
        let figure = compare(&format!("fan-out to {members}"), Room::all(), &options, measure)?;
        ours.set(format!("instructions.fan-out.{members}"), figure);
    }
    for (duty, clients) in CLIENTS {
        let measure = |server| correspond(server, duty, clients, options.units);
        let title = format!("datagrams, {duty}, {clients} clients");
        let figure = compare(&title, Datagrams::all(), &options, measure)?;
        ours.set(format!("instructions.datagrams.{duty}"), figure);
    }
    keep(&options, &ours)
}

/// Prints a table of one case, and returns the reactor's figure.
fn compare<Peer: Copy + ToString>(
    title: &str,
    peers: &[Peer],
    options: &Options,
    measure: impl Fn(Peer) -> Result<f64>,
) -> Result<f64> {
    let mut table = Table::new(["", "instructions"]);
    let mut ours = 0.0;
    for peer in peers {
        let name = peer.to_string();
        if options.reactor && name != "reactor" {
            continue;
        }
        let figure = measure(*peer)?;
        if name == "reactor" {
            ours = figure;
        }
        table.row(name, [format!("{figure:.1}")]);
    }
    println!("{title}\n\n{table}");
    Ok(ours)
}

/// Instructions a delivery in a room.
fn deliver(room: Room, seats: Seats, units: usize) -> Result<f64> {
    let units = units.next_multiple_of(seats.members);
    Measure::Instructions.per_unit(units, |instrument, units| {
        let server = audience::program(room, seats)?.start_under(instrument)?;
        let mut audience = Audience::gather(server.address(), seats)?;
        audience.publish((units / seats.members) as u64)?;
        server.stop()
    })
}

/// Instructions a datagram that a server sends.
fn correspond(server: Datagrams, duty: Duty, clients: usize, units: usize) -> Result<f64> {
    let round = Correspondents::round_of(duty, clients) as usize;
    let units = units.next_multiple_of(round);
    Measure::Instructions.per_unit(units, |instrument, units| {
        let server = correspondents::program(server, duty)?.start_under(instrument)?;
        let mut clients = Correspondents::open(server.address(), duty, clients)?;
        (0..units / round).try_for_each(|_| clients.round())?;
        server.stop()
    })
}

fn keep(options: &Options, ours: &Figures) -> Result {
    if let Some(path) = &options.update {
        return ours.write(path, HEAD);
    }
    let Some(path) = &options.check else {
        return Ok(());
    };
    let verdicts = Figures::read(path)?.judge(ours, 3.0);
    let complain = |name: &str, complaint: String| format!("{name} {complaint}");
    let complaints: Vec<String> = verdicts
        .iter()
        .filter_map(|verdict| Some(complain(&verdict.name, verdict.complaint()?)))
        .collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join(", ").into()) }
}
