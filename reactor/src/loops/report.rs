//! How several loops have ended: each, and all together.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::{ShutdownReport, Stats};

/// How the loops of [`Loops::run`](crate::Loops::run) have ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoopsReport<T, E> {
    /// Each of them, by index.
    pub loops: Vec<LoopReport<T, E>>,
}

/// How one of several loops has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoopReport<T, E> {
    /// What its body has returned, or why it has not.
    pub result: Result<T, LoopFailure<E>>,
    /// Who finished, and who was cut off. Empty if it did not run.
    pub shutdown: ShutdownReport,
    /// Its counters at its end.
    pub stats: Stats,
}

/// Why one of several loops has nothing to return.
#[derive(Error)]
#[non_exhaustive]
pub enum LoopFailure<E> {
    /// Its body has failed.
    #[error("{0}")]
    Failed(E),
    /// Its body has panicked. (A callback that panics ends its connection alone.)
    #[error("a loop has panicked: {0}")]
    Panicked(String),
    /// The system has no descriptors left for it, or no thread.
    #[error("a loop could not be started: {0}")]
    NoLoop(io::Error),
    /// Another one has failed before this one began.
    #[error("a loop was not started, since another one failed")]
    NotStarted,
}

/// As [`Display`](fmt::Display), and what the body has failed with as that has it.
impl<E: fmt::Debug> fmt::Debug for LoopFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "a loop has panicked: {message}"),
            Self::NoLoop(error) => write!(f, "a loop could not be started: {error}"),
            Self::NotStarted => f.write_str("a loop was not started, since another one failed"),
        }
    }
}

impl<T, E> LoopsReport<T, E> {
    /// The report on all of them: sums, and the time of the one that took longest.
    #[must_use]
    pub fn shutdown(&self) -> ShutdownReport {
        self.loops.iter().map(|one| one.shutdown.clone()).sum()
    }

    /// The counters of all of them, summed.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.loops.iter().map(|one| one.stats).sum()
    }

    /// What each has returned, by index.
    ///
    /// # Errors
    ///
    /// Why one has nothing to return: of several, one whose failure is its own.
    pub fn into_results(self) -> Result<Vec<T>, LoopFailure<E>> {
        let mut results = Vec::with_capacity(self.loops.len());
        let mut failure = None;
        for one in self.loops {
            match (one.result, &failure) {
                (Ok(result), _) => results.push(result),
                (Err(why), None | Some(LoopFailure::NotStarted)) => failure = Some(why),
                (Err(_), Some(_)) => {}
            }
        }
        failure.map_or(Ok(results), Err)
    }
}

impl<T, E> From<LoopFailure<E>> for LoopReport<T, E> {
    fn from(failure: LoopFailure<E>) -> Self {
        Self { result: Err(failure), shutdown: ShutdownReport::default(), stats: Stats::default() }
    }
}
