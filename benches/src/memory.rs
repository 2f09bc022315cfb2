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
    Ok(parse(&text, "Rss:").ok_or_else(|| format!("no resident set in {path}"))?)
}

/// The most bytes of memory the process has held at one time, as the kernel noted them down.
pub fn peak(pid: Pid) -> Result<u64> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let text = fs::read_to_string(&path)?;
    Ok(parse(&text, "VmHWM:").ok_or_else(|| format!("no high-water mark in {path}"))?)
}

/// What each of so many connections adds to the resident memory of a process: by its growth from one to all of them, so
/// that what it touches once, code and scratch buffers, does not count.
pub fn growth<C>(
    pid: Pid,
    connections: usize,
    connect: impl Fn(usize) -> Result<C>,
) -> Result<f64> {
    let _first = connect(0)?;
    let before = resident(pid)?;
    let _idle = (0..connections).map(connect).collect::<Result<Vec<_>>>()?;
    Ok(resident(pid)?.saturating_sub(before) as f64 / connections as f64)
}

/// The figure of a line like `Rss: 1234 kB`.
pub(crate) fn parse(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{parse, peak, resident};

    #[test]
    fn kilobytes_become_bytes() {
        assert_eq!(
            parse("55d0-7ffc ---p 0 00:00 0 [rollup]\nRss:                1424 kB\n", "Rss:"),
            Some(1_458_176)
        );
    }

    #[test]
    fn this_process_holds_something() -> crate::Result {
        let this = rustix::process::getpid();
        assert!(resident(this)? > 64 * 1024);
        assert!(peak(this)? > 64 * 1024);
        Ok(())
    }
}
