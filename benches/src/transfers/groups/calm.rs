//! How soon a client is answered while another moves a large file, out or in.

use std::fs::File;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Report, entrants, present, tree_with};
use crate::Result;
use crate::ping::Latencies;
use crate::transfers::Scale;
use crate::transfers::load::control::Control;
use crate::transfers::load::single::{Client, drain};
use crate::transfers::peers::{self, Peer};
use crate::transfers::table::{Beside, Bound, Column, Contest, Line};
use crate::transfers::tree::{IN, Tree};

/// The large file.
const LARGE: &str = "large";
/// How often it is moved in a turn.
const TIMES: usize = 3;
/// The time from one question to the next.
const PAUSE: Duration = Duration::from_millis(1);

const COLUMNS: &[Column] =
    &[column("out: p50, µs"), column("p99"), column("in: p50, µs"), column("p99")];
const P99: [usize; 2] = [1, 3];

const fn column(head: &'static str) -> Column {
    Column { head, show: |seconds| format!("{:.0}", seconds * 1e6), beside: Beside::Nothing }
}

pub(super) fn measure(scale: Scale) -> Result<Report> {
    let tree = tree_with(LARGE, scale.large)?;
    let tree = &tree;
    let (present, absent) = present(&peers::FTP);
    let entrants = entrants(present, tree, move |peer| one_round(peer, tree, scale));
    let contest = Contest::run(COLUMNS, scale.crowds, entrants);
    let figures = |column| contest.figures(column, "reactor").iter().map(|it| it * 1e3).collect();
    let line = |text: &str, column| Line {
        text: text.to_owned(),
        measured: figures(column),
        bound: Bound::Most(5.0),
    };
    let lines = vec![
        line("p99 of a NOOP, in ms, while a file goes out", P99[0]),
        line("p99 of a NOOP, in ms, while a file comes in", P99[1]),
    ];
    let about = format!(
        "NOOP every millisecond on one control connection, while another client fetches and brings {} MiB \
         {TIMES} times. (Both clients share a processor, whose time slices are part of it: compare with \
         vsftpd, where the two have nothing to do with each other.)",
        scale.large >> 20
    );
    Ok(Report::new(about, &contest, lines, absent))
}

fn one_round(peer: Peer, tree: &Tree, scale: Scale) -> Result<Vec<f64>> {
    let server = peer.start(tree)?;
    let address = server.server().address();
    let mut quiet = Control::log_in(address, Ipv4Addr::LOCALHOST)?;
    let mut busy = Client::connect(peer, address)?;
    let out = ask_during(&mut quiet, || {
        (0..TIMES).try_for_each(|_| busy.fetch(LARGE, |data| drain(data, scale.large)))
    })?;
    let file = File::open(tree.path().join(LARGE))?;
    let into = ask_during(&mut quiet, || {
        (0..TIMES).try_for_each(|_| busy.bring(&format!("{IN}/file"), &file))
    })?;
    let all = [out.at(0.5), out.at(0.99), into.at(0.5), into.at(0.99)];
    Ok(all.iter().map(Duration::as_secs_f64).collect())
}

/// Asks, until somebody else is done, and at least once.
fn ask_during(quiet: &mut Control, load: impl FnOnce() -> Result + Send) -> Result<Latencies> {
    let is_over = AtomicBool::new(false);
    let mut latencies = Latencies::new()?;
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let result = load();
            is_over.store(true, Ordering::Release);
            result
        });
        let mut ask = || -> Result {
            loop {
                let asked = Instant::now();
                quiet.ask("NOOP", 200)?;
                latencies.record(asked.elapsed())?;
                if is_over.load(Ordering::Acquire) {
                    return Ok(());
                }
                thread::sleep(PAUSE);
            }
        };
        let asked = ask();
        let loaded = load.join().map_err(|_| "a client has panicked")?;
        loaded.and(asked)
    })?;
    Ok(latencies)
}
