//! What a server has used, be it one process or hundreds, as the kernel has counted it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::time::ClockId;
use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;

use crate::{Result, memory};

/// A server's process, and those that have come of it and live.
#[derive(Debug, Clone)]
pub struct Processes {
    all: Vec<i32>,
}

/// What is said of a process in one line.
struct Stat {
    parent: i32,
    /// Time of its children that have ended, in ticks.
    children: u64,
}

impl Processes {
    /// All that live now.
    pub fn of(root: Pid) -> Result<Self> {
        let root = root.as_raw_nonzero().get();
        let mut by_parent: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            // One may end while it is looked at.
            if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
                && let Some(stat) = stat(pid)
            {
                by_parent.entry(stat.parent).or_default().push(pid);
            }
        }
        let (mut all, mut seen) = (vec![root], 0);
        while let Some(pid) = all.get(seen) {
            all.extend(by_parent.remove(pid).unwrap_or_default());
            seen += 1;
        }
        Ok(Self { all })
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Processor time, in user space and in the kernel, of all threads of all of them, and of those that
    /// have ended and were waited for.
    pub fn time(&self) -> Duration {
        self.all.iter().map(|pid| running_time(*pid) + ended_time(*pid)).sum()
    }

    /// Bytes of memory: of one process, the most that it ever had at one time; of several, what they have
    /// now, where a page that some of them share counts once.
    pub fn memory(&self) -> Result<u64> {
        match &*self.all {
            [one] => memory::peak(Pid::from_raw(*one).ok_or("no process")?),
            all => Ok(all.iter().map(|pid| share(*pid)).sum()),
        }
    }
}

fn running_time(pid: i32) -> Duration {
    let clock = ClockId::pid_cpu_clock_id(nix::unistd::Pid::from_raw(pid));
    clock.and_then(ClockId::now).map_or(Duration::ZERO, Into::into)
}

fn ended_time(pid: i32) -> Duration {
    let ticks = stat(pid).map_or(0, |stat| stat.children);
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64)
}

/// The memory of one among several: a page that two share is half of each.
fn share(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    memory::parse(&text, "Pss:").unwrap_or(0)
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, children: ticks(13)? + ticks(14)? })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Duration, Pid, Processes};
    use crate::Result;

    #[test]
    fn a_child_counts_while_it_lives_and_what_it_has_used_afterwards() -> Result {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; exec sleep 60",
        ]);
        let mut shell = shell.spawn()?;
        let root = Pid::from_child(&shell);
        let begun = std::time::Instant::now();
        loop {
            let used = Processes::of(root)?;
            // The inner shell has ended, and the time it took has not been lost. What comes after it has
            // hardly any memory yet when it is just being executed.
            let is_alone = used.time() > Duration::from_millis(50) && used.count() == 1;
            if is_alone && used.memory()? > 64 * 1024 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{used:?}");
        }
        shell.kill()?;
        shell.wait()?;
        Ok(())
    }
}
