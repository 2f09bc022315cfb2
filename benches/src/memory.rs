//! Resident memory of a process, as the kernel tells it.

use std::fs;

use rustix::process::Pid;

use crate::Result;

/// Bytes of memory the process holds at the moment.
///
/// From `smaps_rollup`, which counts pages; `statm` is quicker and off by some of them.
pub fn resident(pid: Pid) -> Result<u64> {
    let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
    let text = fs::read_to_string(&path)?;
    Ok(parse(&text).ok_or_else(|| format!("no resident set in {path}"))?)
}

/// The figure of the line `Rss: 1234 kB`.
fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{parse, resident};

    #[test]
    fn kilobytes_become_bytes() {
        assert_eq!(
            parse("55d0-7ffc ---p 0 00:00 0 [rollup]\nRss:                1424 kB\n"),
            Some(1_458_176)
        );
    }

    #[test]
    fn this_process_holds_something() -> crate::Result {
        assert!(resident(rustix::process::getpid())? > 64 * 1024);
        Ok(())
    }
}
