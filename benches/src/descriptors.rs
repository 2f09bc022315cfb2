//! Room for many sockets in one process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// Raises the number of descriptors this process may open to the most it is allowed.
pub fn raise_limit() -> Result {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}

/// What a process opens beside its connections.
const SPARE: usize = 64;

/// Raises the limit, and says what to do where it leaves no room for so many connections.
pub fn require(connections: usize) -> Result {
    raise_limit()?;
    let wanted = connections + SPARE;
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < wanted as u64 => {
            Err(format!("{wanted} descriptors are needed and {allowed} allowed: try `ulimit -Hn`, or fewer connections").into())
        }
        _ => Ok(()),
    }
}
