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
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};

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

/// Whether system calls can be counted. Where they cannot it says so, once: strace is missing, or may not attach to
/// a program that runs already, as where only descendants may be traced.
pub fn can_trace() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| match try_to_trace() {
        Ok(()) => true,
        Err(error) => {
            eprintln!("LEFT OUT: system calls, as strace cannot count them: {error}");
            false
        }
    })
}

/// Traces a program that waits, just as a server.
fn try_to_trace() -> Result {
    let summary = NamedTempFile::new()?;
    let mut waiting = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    let traced = Tracer::attach(Pid::from_child(&waiting), summary.path()).and_then(Tracer::detach);
    waiting.kill()?;
    waiting.wait()?;
    traced
}

/// Fails if a program is not installed by which servers are started and their instructions counted.
fn require_programs() -> Result {
    let is_missing = |name: &&str| {
        let mut command = Command::new(name);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    match ["chrt", "valgrind", "vgdb"].into_iter().find(is_missing) {
        Some(name) => Err(format!("nothing can be counted: {name} is not installed").into()),
        None => Ok(()),
    }
}

/// Counts what a server does.
pub struct Instrument {
    measure: Measure,
    directory: TempDir,
}

impl Instrument {
    /// One that has counted nothing yet.
    pub fn new(measure: Measure) -> Result<Self> {
        require_programs()?;
        Ok(Self { measure, directory: TempDir::new()? })
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

    /// What the server does in so many rounds.
    pub fn count(
        &self,
        server: &Server,
        rounds: u64,
        mut round: impl FnMut() -> Result,
    ) -> Result<u64> {
        let mut load = |rounds| {
            (0..rounds).try_for_each(|_| round().and_then(|()| server.wait_until_asleep()))
        };
        load(1)?;
        match self.measure {
            Measure::Instructions => self.count_instructions(server, || load(rounds)),
            Measure::SystemCalls => self.count_system_calls(server, || load(rounds)),
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
        let tracer = Tracer::attach(server.pid(), &self.file("count"))?;
        let done = load();
        tracer.detach()?;
        done?;
        let text = fs::read_to_string(self.file("count"))?;
        Ok(system_calls(&text).ok_or("strace wrote no summary")?)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// strace, while it counts.
struct Tracer {
    process: Child,
    /// Kept: what it says at its end has room in the pipe.
    _said: BufReader<ChildStderr>,
}

impl Tracer {
    /// Attaches it to a program that runs, of which it counts all threads.
    fn attach(program: Pid, summary: &Path) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-o"]).arg(summary);
        command.arg("-p").arg(program.as_raw_nonzero().to_string());
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("it does not start: {error}"))?;
        let mut said = BufReader::new(process.stderr.take().ok_or("strace has no stderr")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        if !line.contains(" attached") {
            process.wait()?;
            return Err(line.trim_end().into());
        }
        Ok(Self { process, _said: said })
    }

    /// Has it write its summary, and end.
    fn detach(mut self) -> Result {
        kill_process(Pid::from_child(&self.process), Signal::INT)?;
        self.process.wait()?;
        Ok(())
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
    use super::*;

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
    fn who_cannot_be_traced_is_an_error() {
        let nobody = Pid::from_raw(i32::MAX).expect("it is not zero");
        let summary = NamedTempFile::new().expect("there is room");
        let error = Tracer::attach(nobody, summary.path()).err().expect("there is no such process");
        assert!(!error.to_string().is_empty(), "it says why");
    }

    #[test]
    fn system_calls_are_summed_with_and_without_errors() {
        assert_eq!(system_calls(SUMMARY), Some(4001));
        assert_eq!(system_calls(&SUMMARY[..SUMMARY.len() - 8]), None, "it is cut short");
    }
}
