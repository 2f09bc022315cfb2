//! What is counted, not timed: user-space instructions and system calls of one unit of work, in figures
//! that no noise touches.
//!
//! One file a subject. A contender is a run under an instrument: it starts its server, has it do so many
//! units, and stops it.

mod chat;
mod datagrams;
mod echo;
mod fan_out;
mod network;
mod rpc;
#[cfg(feature = "tls")]
mod tls;
mod web;

use std::fmt;
use std::process::Command;
use std::rc::Rc;

use crate::Result;
use crate::chats;
use crate::cost::Measure;
use crate::nats::broker;
use crate::strace;

/// One form of work whose cost is counted.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in the committed table: `echo.50x1`.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    /// What is counted: a message, a delivery.
    pub unit: &'static str,
    /// The program that the runs start.
    pub program: &'static str,
    /// Units of the shorter of the two runs: whole rounds.
    units: usize,
    /// Units of a round: a run has whole ones.
    round: usize,
    /// Who does it, the ruler first.
    pub runners: Vec<Runner>,
}

/// One who does the work of a subject.
#[derive(Clone)]
pub struct Runner {
    /// Its name.
    pub name: String,
    run: Rc<Work>,
}

/// Starts a server under this instrument, has it do so many units, and stops it.
type Work = dyn Fn(Command, usize) -> Result;

/// Every subject, in the order of the table.
pub fn all() -> Vec<Subject> {
    [
        echo::subjects(),
        fan_out::subjects(),
        datagrams::subjects(),
        chat::subjects(),
        network::subjects(),
        rpc::subjects(),
        web::subjects(),
        #[cfg(feature = "tls")]
        tls::subjects(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The same, without those for which a program is missing, which is said.
pub fn possible() -> Vec<Subject> {
    let mut subjects = all();
    if !broker::is_installed() {
        eprintln!(
            "LEFT OUT: lines from one chat server to another, as nats-server is not installed"
        );
        subjects.retain(|subject| !subject.name.starts_with(network::NAME));
    }
    subjects
}

impl Subject {
    /// The same with fewer units, for a figure that nothing is held against.
    #[must_use]
    pub fn shortened(self, times: usize) -> Self {
        Self { units: (self.units / times).next_multiple_of(self.round), ..self }
    }

    /// What is counted of it: system calls too, where there is strace. Not those of a chat: its users are told of
    /// each other as they come, and strace stops at each of half a million deliveries before the first that counts.
    pub fn measures(&self) -> &'static [Measure] {
        match self.program != chats::PROGRAM && strace::is_available() {
            true => &[Measure::Instructions, Measure::SystemCalls],
            false => &[Measure::Instructions],
        }
    }

    /// The count for one unit, of one who does it.
    pub fn count(&self, runner: &Runner, measure: Measure) -> Result<f64> {
        measure
            .per_unit(self.units, |instrument, units| (runner.run)(instrument, units))
            .map_err(|error| format!("{}, {}: {error}", self.name, runner.name).into())
    }
}

impl Runner {
    /// One for each of these, who all do the same under the instrument that they are given.
    fn each<P: fmt::Display + Copy + 'static>(
        peers: &[P],
        run: impl Fn(P, Command, usize) -> Result + Copy + 'static,
    ) -> Vec<Self> {
        let runner =
            |&peer: &P| Self::new(peer, move |instrument, units| run(peer, instrument, units));
        peers.iter().map(runner).collect()
    }

    /// Work that is done so many units at a time under the given instrument.
    fn new(name: impl fmt::Display, run: impl Fn(Command, usize) -> Result + 'static) -> Self {
        Self { name: name.to_string(), run: Rc::new(run) }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Runner").field("name", &self.name).finish_non_exhaustive()
    }
}
