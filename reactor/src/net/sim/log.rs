//! What the network itself writes into the trace, between the records of the loops.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::trace::{Record, Ring, What};

pub(crate) struct Log {
    ring: Rc<RefCell<Ring>>,
    now: Duration,
}

impl Log {
    pub(crate) fn new(ring: Rc<RefCell<Ring>>) -> Self {
        Self { ring, now: Duration::ZERO }
    }

    pub(super) fn set_now(&mut self, now: Duration) {
        self.now = now;
    }

    /// Something was done to the traffic between two hosts.
    pub(super) fn note(&self, what: &'static str, from: u16, to: u16, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.push(Record::new(self.now, from, None, What::Network { what, to, bytes }));
    }

    /// As [`note`](Self::note), of bytes that a program has sent: not only how many, but which.
    pub(super) fn note_bytes(&self, what: &'static str, from: u16, to: u16, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let what = What::Network { what, to, bytes: length };
        self.push(Record::new(self.now, from, None, what).with_digest(digest(bytes)));
    }

    /// Something was done to a host.
    pub(super) fn note_host(&self, what: &'static str, host: u16) {
        self.push(Record::new(self.now, host, None, What::Host(what)));
    }

    fn push(&self, record: Record) {
        self.ring.borrow_mut().push(record);
    }
}

/// A number that tells bytes apart, the same on every machine (FNV-1a, a word at a time).
fn digest(bytes: &[u8]) -> u32 {
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| {
        // The product carries upwards only; the high half has to reach the low one too.
        let sum = mix(sum, u64::from_le_bytes(*word));
        sum ^ sum >> 32
    });
    let sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    (sum ^ sum >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn a_digest_tells_bytes_apart_wherever_they_differ() {
        let digests: std::collections::BTreeSet<u32> = (0..100)
            .map(|at| {
                let mut bytes = [7; 100];
                bytes[at] = 8;
                digest(&bytes)
            })
            .collect();
        assert_eq!(digests.len(), 100);
        assert_eq!(digest(b"the same"), digest(b"the same"));
    }
}
