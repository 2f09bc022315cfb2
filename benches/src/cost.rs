//! What one unit of work costs a server.
//!
//! A server runs twice under an instrument, for N units and for three times as many. Whatever it does
//! once, starting, accepting, ending, is the same in both runs, so the difference divided by 2 N is what
//! a unit costs, and no noise of the machine touches it.

use std::fmt;
use std::process::Command;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::{Result, callgrind, strace};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Instructions in user space, by callgrind.
    Instructions,
    /// System calls, by strace.
    SystemCalls,
}

impl Measure {
    /// The word that stands for it in a table's file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::SystemCalls => "system-calls",
        }
    }

    /// The count for one unit of any work: `run` starts a server under an instrument, has it do so many
    /// units, and stops it.
    pub fn per_unit(self, units: usize, run: impl Fn(Command, usize) -> Result) -> Result<f64> {
        let short = self.count(|instrument| run(instrument, units))?;
        let long = self.count(|instrument| run(instrument, 3 * units))?;
        Ok((long as f64 - short as f64) / (2 * units) as f64)
    }

    /// The count of one whole run.
    fn count(self, run: impl FnOnce(Command) -> Result) -> Result<u64> {
        let directory = TempDir::new()?;
        let output = directory.path().join("count");
        run(match self {
            Self::Instructions => callgrind::command(&output),
            Self::SystemCalls => strace::command(&output),
        })?;
        match self {
            Self::Instructions => callgrind::read(&output),
            Self::SystemCalls => strace::read(&output),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Instructions => "user-space instructions",
            Self::SystemCalls => "system calls",
        })
    }
}
