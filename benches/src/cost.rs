//! What one unit of work costs a server, in figures that no noise touches.
//!
//! ```text
//!   the server starts, clients connect, a first round ─▶ it sleeps ─▶ a round ─▶ it sleeps ─▶ a round ─▶ … ─▶ it sleeps
//!   whatever is done once: not counted                 └────────────────────────── counted ─────────────────────────┘
//! ```
//!
//! No round begins before the server waits: how the work falls into turns is the same in each run.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Result;
use crate::program::{Program, Server};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Instructions in user space, by valgrind's callgrind.
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
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Instructions => "user-space instructions",
            Self::SystemCalls => "system calls",
        })
    }
}

/// Whether strace is installed, and allowed to trace.
pub fn can_trace() -> bool {
    let output = Command::new("strace").args(["-qq", "-c", "true"]).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}

/// Counts what a server does in so many rounds.
#[derive(Debug)]
pub struct Instrument {
    measure: Measure,
    rounds: usize,
    directory: TempDir,
}

impl Instrument {
    /// One for so many rounds.
    pub fn new(measure: Measure, rounds: usize) -> Result<Self> {
        Ok(Self { measure, rounds, directory: TempDir::new()? })
    }

    /// Starts a server whose work can be counted. It is a batch to the scheduler: it does not take the processor from
    /// clients that are still writing their round.
    pub fn start(&self, program: &Program) -> Result<Server> {
        let mut command = Command::new("chrt");
        command.args(["--batch", "0"]);
        if self.measure == Measure::Instructions {
            command.args(["valgrind", "--tool=callgrind"]);
            let files =
                [("callgrind-out-file", "count"), ("log-file", "log"), ("vgdb-prefix", "pipe")];
            for (option, file) in files {
                command.arg(format!("--{option}={}", self.file(file).display()));
            }
        }
        program.start_under(command)
    }

    /// What the server does in all of them.
    pub fn count(&self, server: &Server, mut round: impl FnMut() -> Result) -> Result<u64> {
        let mut load = |rounds| {
            (0..rounds).try_for_each(|_| round().and_then(|()| server.wait_until_asleep()))
        };
        load(1)?;
        match self.measure {
            Measure::Instructions => self.count_instructions(server, || load(self.rounds)),
            Measure::SystemCalls => self.count_system_calls(server, || load(self.rounds)),
        }
    }

    fn count_instructions(&self, server: &Server, load: impl FnOnce() -> Result) -> Result<u64> {
        let tell = |what: &str| -> Result {
            let mut command = Command::new("vgdb");
            command.arg(format!("--vgdb-prefix={}", self.file("pipe").display()));
            command.arg(format!("--pid={}", server.pid().as_raw_nonzero())).arg(what);
            let output = command.output()?;
            if output.status.success() {
                Ok(())
            } else {
                Err(format!("vgdb {what}: {output:?}").into())
            }
        };
        tell("zero")?;
        load()?;
        tell("dump")?;
        let text = fs::read_to_string(self.file("count.1"))?;
        Ok(instructions(&text).ok_or("callgrind wrote no totals")?)
    }

    fn count_system_calls(&self, server: &Server, load: impl FnOnce() -> Result) -> Result<u64> {
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-o"]).arg(self.file("count"));
        command.arg("-p").arg(server.pid().as_raw_nonzero().to_string());
        let mut tracer = command.stderr(Stdio::piped()).spawn()?;
        let said = tracer.stderr.take().ok_or("strace has no stderr")?;
        let mut line = String::new();
        // That it is attached. What it says at its end has room in the pipe.
        let mut said = BufReader::new(said);
        said.read_line(&mut line)?;
        let done = load();
        kill_process(Pid::from_child(&tracer), Signal::INT)?;
        tracer.wait()?;
        done?;
        let text = fs::read_to_string(self.file("count"))?;
        Ok(system_calls(&text).ok_or_else(|| format!("strace wrote no summary: {line}"))?)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The figure of the line `totals:`, the last of what callgrind writes: all threads together.
fn instructions(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok())
}

/// The sum over the rows `% time, seconds, usecs/call, calls, [errors,] syscall`, once the last is there.
fn system_calls(text: &str) -> Option<u64> {
    let mut calls = 0;
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        match columns.as_slice() {
            [.., "total"] => return Some(calls),
            [_, _, _, count, .., _] => calls += count.parse::<u64>().unwrap_or(0),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{instructions, system_calls};

    const SUMMARY: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.38    0.005700           2      2001         1 recvfrom
  9.62    0.000607           0      2000           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.006307           1      4001         1 total
";

    #[test]
    fn the_instructions_are_in_the_last_line() {
        let text = "events: Ir\nsummary: 7\n\nfn=(1)\n16 400\ntotals: 1404\n";
        assert_eq!(instructions(text), Some(1404));
        assert_eq!(instructions("events: Ir\nfn=(1)\n16 400\n"), None, "it is cut short");
    }

    #[test]
    fn system_calls_are_summed_with_and_without_errors() {
        assert_eq!(system_calls(SUMMARY), Some(4001));
        assert_eq!(system_calls(&SUMMARY[..SUMMARY.len() - 8]), None, "it is cut short");
    }
}
