//! One large file, out and in: what a server adds to the least that there is to do.

use std::fs::File;
use std::time::Instant;

use super::{Report, megabytes, milliseconds, present, tree_with};
use crate::Result;
use crate::transfers::Scale;
use crate::transfers::load::single::{Client, compare, drain};
use crate::transfers::peers::{self, Peer, Started};
use crate::transfers::processes::Processes;
use crate::transfers::table::{Beside, Bound, Column, Contest, Entrant, Line};
use crate::transfers::tree::{IN, Tree};

/// The large file.
const LARGE: &str = "large";
/// One that is compared with what comes of it, before anything is measured.
const SAMPLE: &str = "sample";
const SAMPLE_BYTES: u64 = 3_000_001;

const COLUMNS: &[Column] = &[
    Column { head: "ms", show: milliseconds, beside: Beside::Ratio },
    Column { head: "server's ms", show: milliseconds, beside: Beside::Ratio },
    Column { head: "memory, MB", show: megabytes, beside: Beside::Nothing },
];
const TIME: usize = 0;
const PROCESSOR: usize = 1;

/// A server, a client that is logged in, and the processes that serve it.
struct Session {
    peer: Peer,
    // In this order: the client goes first.
    client: Client,
    processes: Processes,
    _server: Started,
}

/// RETR.
pub(super) fn out(scale: Scale) -> Result<Report> {
    let (tree, sessions, absent) = begin(scale)?;
    let tree = &tree;
    let entrant = |mut session: Session| Entrant {
        name: session.peer.to_string(),
        turn: Box::new(move || {
            session.measure(|client| client.fetch(LARGE, |data| drain(data, scale.large)))
        }),
    };
    let entrants = sessions.into_iter().map(|mut session| {
        session
            .client
            .fetch(SAMPLE, |data| compare(data, File::open(tree.path().join(SAMPLE))?))?;
        Ok(entrant(session))
    });
    let entrants = entrants.collect::<Result<_>>()?;
    let contest = Contest::run(COLUMNS, scale.rounds, entrants);
    let line = |text: &str, column| Line {
        text: text.to_owned(),
        measured: contest.ratios(column, "bare loop", "reactor"),
        bound: Bound::Least(0.97),
    };
    let lines = vec![
        line("RETR: speed of the reactor over that of a bare sendfile loop", TIME),
        line("RETR: the same by the servers' processor time", PROCESSOR),
    ];
    let about = format!(
        "RETR, {} MiB from memory, one client, from EPSV to 226. The ruler calls sendfile(2) until all is \
         sent.",
        scale.large >> 20
    );
    Ok(Report::new(about, &contest, lines, absent))
}

/// STOR.
pub(super) fn into(scale: Scale) -> Result<Report> {
    let (tree, sessions, absent) = begin(scale)?;
    let tree = &tree;
    let entrant = |mut session: Session| Entrant {
        name: session.peer.to_string(),
        turn: Box::new(move || {
            let file = File::open(tree.path().join(LARGE))?;
            let figures = session.measure(|client| client.bring(&format!("{IN}/file"), &file));
            let cleared = match &figures {
                Ok(_) => tree.clear(1, scale.large, LARGE),
                Err(_) => tree.sweep(),
            };
            cleared.and(figures)
        }),
    };
    let contest = Contest::run(COLUMNS, scale.rounds, sessions.into_iter().map(entrant).collect());
    let line = |text: &str, column| Line {
        text: text.to_owned(),
        measured: contest.ratios(column, "vsftpd", "reactor"),
        bound: Bound::Least(1.0),
    };
    let lines = vec![
        line("STOR: speed of the reactor over that of vsftpd", TIME),
        line("STOR: the same by the servers' processor time", PROCESSOR),
    ];
    let about = format!(
        "STOR, {} MiB to memory, one client, from EPSV to 226. The ruler reads and writes 64 KiB at a time.",
        scale.large >> 20
    );
    Ok(Report::new(about, &contest, lines, absent))
}

fn begin(scale: Scale) -> Result<(Tree, Vec<Session>, Vec<String>)> {
    let tree = tree_with(LARGE, scale.large)?;
    tree.add(SAMPLE, SAMPLE_BYTES)?;
    let (present, mut absent) = present(&peers::FTP);
    let mut sessions = Vec::new();
    for peer in [Peer::Bare].into_iter().chain(present) {
        match Session::begin(peer, &tree) {
            Ok(session) => sessions.push(session),
            Err(error) if peer.is_ours() => return Err(error),
            Err(error) => absent.push(error.to_string()),
        }
    }
    Ok((tree, sessions, absent))
}

impl Session {
    fn begin(peer: Peer, tree: &Tree) -> Result<Self> {
        let server = peer.start(tree)?;
        let client = Client::connect(peer, server.server().address())?;
        let processes = Processes::of(server.server().pid())?;
        Ok(Self { peer, client, processes, _server: server })
    }

    fn measure(&mut self, load: impl FnOnce(&mut Client) -> Result) -> Result<Vec<f64>> {
        let (begun, before) = (Instant::now(), self.processes.time());
        load(&mut self.client)?;
        let wall = begun.elapsed();
        let used = self.processes.time().saturating_sub(before);
        Ok(vec![wall.as_secs_f64(), used.as_secs_f64(), self.processes.memory()? as f64])
    }
}
