//! System calls of a whole run, counted by `strace -c`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// How long strace may take to write its summary once the server has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether strace is installed, and allowed to trace.
pub fn is_available() -> bool {
    let output = Command::new("strace").args(["-qq", "-c", "true"]).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}

/// The command line of strace, without the program to run, writing to `output`.
///
/// With `-D` the server is our child and the tracer is not, so the server hears our signals.
pub fn command(output: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-c", "-f", "-o"]).arg(output);
    command
}

/// The calls in strace's summary, which it writes after the server has ended.
pub fn read(output: &Path) -> Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(calls) = parse(&fs::read_to_string(output)?) {
            return Ok(calls);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(format!("strace wrote no summary to {}", output.display()).into())
}

/// The sum over the rows `% time, seconds, usecs/call, calls, [errors,] syscall`, once the last is there.
fn parse(text: &str) -> Option<u64> {
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
    use super::parse;

    const SUMMARY: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.38    0.005700           2      2001         1 recvfrom
  9.62    0.000607           0      2000           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.006307           1      4001         1 total
";

    #[test]
    fn calls_are_summed_with_and_without_errors() {
        assert_eq!(parse(SUMMARY), Some(4001));
    }

    #[test]
    fn a_summary_that_is_still_being_written_is_none() {
        assert_eq!(parse(&SUMMARY[..SUMMARY.len() - 8]), None);
        assert_eq!(parse(""), None);
    }
}
