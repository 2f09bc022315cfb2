//! The questions, one file each, all alike: a function that measures, and reports.

mod blocks;
mod calm;
mod crowd;
mod large;

use std::fmt;

use clap::ValueEnum;

use super::peers::Peer;
use super::table::{Contest, Entrant, Line};
use super::{Scale, tree::Tree};
use crate::Result;
use crate::table::Table;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// One large file goes out over FTP.
    Retr,
    /// One large file comes in over FTP.
    Stor,
    /// Many clients log in, fetch and bring at one time.
    Crowd,
    /// How soon one client is answered while another moves a large file.
    Calm,
    /// One file goes out over TFTP.
    Tftp,
}

/// What has been found out.
pub struct Report {
    /// What was measured, in a sentence or two.
    pub about: String,
    /// The medians.
    pub table: Table,
    /// What was promised.
    pub lines: Vec<Line>,
    /// Who could not be measured, and who has failed.
    pub words: Vec<String>,
    /// Whether somebody has failed.
    pub failed: bool,
}

impl Group {
    /// Measures it.
    pub fn measure(self, scale: Scale) -> Result<Report> {
        match self {
            Self::Retr => large::out(scale),
            Self::Stor => large::into(scale),
            Self::Crowd => crowd::measure(scale),
            Self::Calm => calm::measure(scale),
            Self::Tftp => blocks::measure(scale),
        }
    }
}

impl Report {
    fn new(about: String, contest: &Contest, lines: Vec<Line>, absent: Vec<String>) -> Self {
        let failures = contest.failures();
        let failed = !failures.is_empty();
        let words = absent.into_iter().chain(failures).collect();
        Self { about, table: contest.table(), lines, words, failed }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}", self.about, self.table)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.words.iter().try_for_each(|word| writeln!(f, "  not measured: {word}"))
    }
}

/// Those who are here, and a word about each of the others.
fn present(peers: &[Peer]) -> (Vec<Peer>, Vec<String>) {
    let absent = peers.iter().filter_map(|peer| peer.absence()).collect();
    (peers.iter().copied().filter(|peer| peer.absence().is_none()).collect(), absent)
}

/// One for each of these, who takes a whole round anew; what a failure leaves in the tree is removed.
fn entrants<'a>(
    peers: Vec<Peer>,
    tree: &'a Tree,
    round: impl Fn(Peer) -> Result<Vec<f64>> + Copy + 'a,
) -> Vec<Entrant<'a>> {
    let entrant = |peer: Peer| Entrant {
        name: peer.to_string(),
        turn: Box::new(move || {
            let figures = round(peer);
            tree.sweep()?;
            figures
        }),
    };
    peers.into_iter().map(entrant).collect()
}

/// A directory with one file in it.
fn tree_with(name: &str, length: u64) -> Result<Tree> {
    let tree = Tree::new()?;
    tree.add(name, length)?;
    Ok(tree)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e3)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2}")
}
