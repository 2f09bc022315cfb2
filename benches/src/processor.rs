//! One processor for a server and its load, where counts matter and speed does not.
//!
//! The server then sleeps until the clients have written a whole round and wait, so that every wait
//! reports the same connections, and two runs of the same program differ by less than a thousandth.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Keeps this process, and those it starts from now on, on one of the processors it may use.
pub fn share_one() -> Result {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|processor| allowed.is_set(*processor));
    let mut one = CpuSet::new();
    one.set(last.ok_or("no processor is allowed")?);
    Ok(sched_setaffinity(None, &one)?)
}
