//! The system's clock, and its random bits.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Instant, SystemTime};

use crate::id::Generations;

#[derive(Clone, Copy)]
pub(crate) struct System;

impl System {
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    pub(crate) fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    pub(crate) fn generations(&self) -> Generations {
        Generations::of_process()
    }

    pub(crate) fn random(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| hashed())
    }
}

/// The hash of nothing under the keys of a new hash map, of which no two have the same.
///
/// A system that knows no call for random bits has a file of them, which cannot be opened while peers
/// keep the process at its limit of descriptors. The keys come from the system too, and were drawn
/// when the loop's own maps were made: who does not know them cannot tell what comes next.
fn hashed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bits_differ_from_call_to_call() {
        let drawn: std::collections::HashSet<u64> =
            (0..1_000).flat_map(|_| [System.random(), hashed()]).collect();
        assert_eq!(drawn.len(), 2_000);
    }
}
