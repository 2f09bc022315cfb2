//! What the page is about: sections of contests, and in each the same trial for every entrant.
//!
//! ```text
//!   Section "latency" ─┬─ Contest "20000 messages a second" ─┬─ Entrant "epoll"   ─▶ Trial: turn() ─▶ figures,
//!                      └─ …                                  ├─ Entrant "reactor" ─▶ Trial      one a column
//!                                                            └─ …
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Result;

/// The name of the entrant that the page is about.
pub const OURS: &str = "reactor";

/// Whether an entrant is the reactor, in one of the ways in which it can be used.
pub fn is_ours(name: &str) -> bool {
    name.starts_with(OURS)
}

/// Something that is measured again and again.
pub trait Trial {
    /// Measures it once: a figure for every column of its contest.
    fn turn(&mut self) -> Result<Vec<f64>>;
}

impl<Turn: FnMut() -> Result<Vec<f64>>> Trial for Turn {
    fn turn(&mut self) -> Result<Vec<f64>> {
        self()
    }
}

/// Contests that belong together.
pub struct Section {
    /// Its name, on the command line and on the page.
    pub name: &'static str,
    /// What it shows, in a few sentences.
    pub about: String,
    /// Its contests.
    pub contests: Vec<Contest>,
    /// What is drawn of them.
    pub drawings: Vec<Drawing>,
}

/// The same trial for everyone.
pub struct Contest {
    /// Its name, without the section's.
    pub name: String,
    /// What is measured.
    pub columns: Vec<Column>,
    /// Where it stands in the drawing of how costs grow, if it is there.
    pub grows_to: Option<usize>,
    /// How often everyone takes a turn.
    pub rounds: usize,
    /// What happens between an entrant's turns.
    pub between: Between,
    /// Who takes part, the ruler first.
    pub entrants: Vec<Entrant>,
}

impl Contest {
    /// One whose entrants stay as they are between their turns.
    pub fn new(
        name: impl Into<String>,
        rounds: usize,
        columns: impl Into<Vec<Column>>,
        entrants: Vec<Entrant>,
    ) -> Self {
        let (name, columns, between) = (name.into(), columns.into(), Between::Stays);
        Self { name, columns, grows_to: None, rounds, between, entrants }
    }

    /// One whose entrants are put away.
    pub fn put_away(
        name: impl Into<String>,
        rounds: usize,
        columns: impl Into<Vec<Column>>,
        entrants: Vec<Entrant>,
    ) -> Self {
        Self { between: Between::IsPutAway, ..Self::new(name, rounds, columns, entrants) }
    }
}

/// What happens between an entrant's turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// It stays as it is, beside all the others, and is warm in its next turn.
    Stays,
    /// It is put away, and made ready anew: a second one beside it would need too much.
    IsPutAway,
}

/// One figure of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it is.
    pub name: String,
    /// How it is written.
    pub kind: Kind,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nanoseconds.
    Time,
    /// How many in a second.
    Rate,
    /// Bytes.
    Bytes,
    /// A number.
    Count,
}

/// A drawing of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drawing {
    /// The ratios of this column, contest by contest.
    Ratios(usize),
    /// This column, over the contests that stand in order of growth.
    Growth(usize),
    /// This column of the contest with this name.
    Bars(String, usize),
    /// The first columns, so many, of the contest with this name, from left to right.
    Columns(String, usize),
}

/// One who takes part.
pub struct Entrant {
    /// Its name.
    pub name: String,
    start: Box<dyn Fn() -> Result<Box<dyn Trial>>>,
}

impl Entrant {
    /// An entrant that is made ready when it is needed.
    pub fn new<T: Trial + 'static>(
        name: impl fmt::Display,
        start: impl Fn() -> Result<T> + 'static,
    ) -> Self {
        Self { name: name.to_string(), start: Box::new(move || Ok(Box::new(start()?))) }
    }

    /// One for each of these, all made ready alike.
    pub fn each<P: fmt::Display + Copy + 'static, T: Trial + 'static>(
        peers: &[P],
        start: impl Fn(P) -> Result<T> + Clone + 'static,
    ) -> Vec<Self> {
        let entrant = |&peer: &P| {
            let start = start.clone();
            Self::new(peer, move || start(peer))
        };
        peers.iter().map(entrant).collect()
    }

    /// Makes it ready: starts its server, connects its clients.
    pub fn start(&self) -> Result<Box<dyn Trial>> {
        (self.start)()
    }
}
