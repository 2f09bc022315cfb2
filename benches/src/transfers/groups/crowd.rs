//! Many clients at one time, and what that takes of a server: time, and memory above all.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::{Report, entrants, megabytes, present, seconds, tree_with};
use crate::transfers::Scale;
use crate::transfers::load::crowd::{Crowd, FAREWELL};
use crate::transfers::peers::{self, Peer};
use crate::transfers::processes::Processes;
use crate::transfers::table::{Beside, Bound, Column, Contest, Line};
use crate::transfers::tree::Tree;
use crate::{Result, descriptors};

/// The file that all of them fetch.
const FILE: &str = "file";

const LOGINS: usize = 0;
const OUT: usize = 1;
const IN: usize = 3;
const MEMORY: usize = 6;
const COLUMNS: &[Column] = &[
    column("logins, s", seconds),
    column("out, s", seconds),
    column("server's", seconds),
    column("in, s", seconds),
    column("server's", seconds),
    column("memory after logins, MB", megabytes),
    column("in the end", megabytes),
    column("processes", |count| format!("{count:.0}")),
];

const fn column(head: &'static str, show: fn(f64) -> String) -> Column {
    Column { head, show, beside: Beside::Nothing }
}

pub(super) fn measure(scale: Scale) -> Result<Report> {
    descriptors::require(3 * scale.clients + 64)?;
    let tree = tree_with(FILE, scale.each)?;
    let tree = &tree;
    let (present, absent) = present(&peers::FTP);
    let entrants = entrants(present, tree, move |peer| one_round(peer, tree, scale));
    let contest = Contest::run(COLUMNS, scale.crowds, entrants);
    let faster = |(what, column)| Line {
        text: format!("{what}: speed of the reactor over that of pyftpdlib"),
        measured: contest.ratios(column, "pyftpdlib", "reactor"),
        bound: Bound::Least(1.0),
    };
    let memory = Line {
        text: "memory of the reactor over that of pyftpdlib".to_owned(),
        measured: contest.ratios(MEMORY, "reactor", "pyftpdlib"),
        bound: Bound::Most(1.0),
    };
    let lines = [("logins", LOGINS), ("out", OUT), ("in", IN)].map(faster);
    let lines = lines.into_iter().chain([memory]).collect();
    let about = format!(
        "{} clients log in, then all of them fetch a file of {} MB at the same time, then all bring one. \
         (Memory of several processes counts what they share once.)",
        scale.clients,
        scale.each as f64 / 1e6
    );
    Ok(Report::new(about, &contest, lines, absent))
}

fn one_round(peer: Peer, tree: &Tree, scale: Scale) -> Result<Vec<f64>> {
    let content = fs::read(tree.path().join(FILE))?;
    let server = peer.start(tree)?;
    let begun = Instant::now();
    let mut crowd = Crowd::log_in(server.server().address(), scale.clients)?;
    let logins = begun.elapsed();
    crowd.prepare()?;
    let processes = Processes::of(server.server().pid())?;
    let after_logins = processes.memory()?;
    let out = watch(&processes, || crowd.fetch(FILE, content.len()))?;
    let into = watch(&processes, || crowd.bring(&content))?;
    let in_the_end = processes.memory()?;
    drop(crowd);
    // Those who have a process for each session see it end one by one.
    thread::sleep(FAREWELL);
    tree.clear(scale.clients, scale.each, FILE)?;
    let times = [logins, out.0, out.1, into.0, into.1].map(|it| it.as_secs_f64());
    let rest = [after_logins as f64, in_the_end as f64, processes.count() as f64];
    Ok(times.into_iter().chain(rest).collect())
}

/// Time on the wall, and of the server's processes.
fn watch(processes: &Processes, load: impl FnOnce() -> Result) -> Result<(Duration, Duration)> {
    let (begun, before) = (Instant::now(), processes.time());
    load()?;
    Ok((begun.elapsed(), processes.time().saturating_sub(before)))
}
