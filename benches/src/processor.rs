//! Which processors a server and its load run on.
//!
//! Where counts matter and speed does not, they share one: the server then sleeps until the clients have
//! written a whole round and wait, so that every wait reports the same connections, and two runs of the
//! same program differ by less than a thousandth. Where time matters, each has its own.

use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Keeps this process, and those it starts from now on, on one of the processors it may use.
pub fn share_one() -> Result {
    let processors = everywhere()?;
    let last = processors.last().ok_or("no processor is allowed")?;
    Ok(sched_setaffinity(None, &only(*last))?)
}

/// Starts a server on one processor, and keeps this thread on another from then on. Where there is only
/// one they share it.
pub fn start_apart<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    let processors = everywhere()?;
    let [first, .., last] = processors else {
        return start();
    };
    // A child inherits where it may run, with all its threads.
    sched_setaffinity(None, &only(*last))?;
    let started = start();
    sched_setaffinity(None, &only(*first))?;
    started
}

/// Starts something that is not measured: where the load is, away from what is.
pub fn start_with_load<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    if let [first, _, ..] = everywhere()? {
        sched_setaffinity(None, &only(*first))?;
    }
    start()
}

/// The processors this program was allowed before it chose among them.
fn everywhere() -> Result<&'static [usize]> {
    static EVERYWHERE: OnceLock<Vec<usize>> = OnceLock::new();
    let usable = usable()?;
    Ok(EVERYWHERE.get_or_init(|| usable))
}

/// The processors this thread may use.
fn usable() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect())
}

fn only(processor: usize) -> CpuSet {
    let mut one = CpuSet::new();
    one.set(processor);
    one
}
