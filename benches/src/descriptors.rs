//! Room for many sockets in one process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// Raises the number of descriptors this process may open to the most it is allowed.
pub fn raise_limit() -> Result {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}

/// Raises the limit, and says what to do when it stays below `wanted`.
pub fn require(wanted: usize) -> Result {
    raise_limit()?;
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < wanted as u64 => {
            Err(format!("{wanted} descriptors are needed and {allowed} allowed: try `ulimit -Hn`, or fewer connections").into())
        }
        _ => Ok(()),
    }
}
