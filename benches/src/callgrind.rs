//! User-space instructions of a whole run, counted by valgrind's callgrind.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Result;

/// The command line of callgrind, without the program to run, writing to `output`.
pub fn command(output: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(option("--callgrind-out-file", output))
        .arg(option("--log-file", &output.with_extension("log")));
    command
}

/// The instructions in callgrind's output, all threads together.
pub fn read(output: &Path) -> Result<u64> {
    let text = fs::read_to_string(output)?;
    let total = parse(&text).ok_or_else(|| format!("no totals in {}", output.display()))?;
    Ok(total)
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// The figure of the line `totals:`, the last of the file.
fn parse(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_total_is_the_last_line() {
        assert_eq!(parse("events: Ir\nsummary: 7\n\nfn=(1)\n16 400\ntotals: 1404\n"), Some(1404));
    }

    #[test]
    fn a_file_cut_short_has_no_total() {
        assert_eq!(parse("events: Ir\nfn=(1)\n16 400\n"), None);
    }
}
