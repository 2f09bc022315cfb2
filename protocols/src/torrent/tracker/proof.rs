//! Ids of connections over UDP (BEP 15): who has one has received it, so the address it asks from is its own.
//!
//! Nothing is kept of a connection: the id is a hash of the address, of a secret, and of what time it is. One is good
//! for two minutes at least, and for four at most.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};

/// How long an id is the newest.
const SLOT: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(in crate::torrent) struct Proof {
    secret: [u64; 2],
    epoch: Instant,
}

impl Proof {
    pub(in crate::torrent) fn new(secret: [u64; 2], now: Instant) -> Self {
        Self { secret, epoch: now }
    }

    /// The id for an address, whatever port it asks from: a router may change that in between.
    pub(in crate::torrent) fn issue(&self, source: IpAddr, now: Instant) -> u64 {
        self.id(source, self.slot(now))
    }

    /// Whether the id is one that was given to that address, not long ago.
    pub(in crate::torrent) fn is_good(&self, id: u64, source: IpAddr, now: Instant) -> bool {
        let slot = self.slot(now);
        id == self.id(source, slot)
            || slot.checked_sub(1).is_some_and(|it| id == self.id(source, it))
    }

    fn slot(&self, now: Instant) -> u64 {
        now.duration_since(self.epoch).as_secs() / SLOT.as_secs()
    }

    fn id(&self, source: IpAddr, slot: u64) -> u64 {
        let mut hash = Sha1::new();
        self.secret.iter().for_each(|part| hash.update(part.to_be_bytes()));
        match source.to_canonical() {
            IpAddr::V4(ip) => hash.update(ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => hash.update(ip.octets()),
        }
        hash.update(slot.to_be_bytes());
        let hash: [u8; 20] = hash.finalize().into();
        hash.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_good_for_its_address_and_for_two_minutes() {
        let start = Instant::now();
        let proof = Proof::new([1, 2], start);
        let (ann, bob) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for age in [0, 1, 60, 119] {
            let then = start + Duration::from_secs(age);
            let id = proof.issue(ann, then);
            assert!(proof.is_good(id, ann, then) && !proof.is_good(id, bob, then));
            assert!(proof.is_good(id, ann, then + Duration::from_secs(120)), "{age}");
            assert!(!proof.is_good(id, ann, then + Duration::from_secs(240)), "{age}");
            assert!(!proof.is_good(id + 1, ann, then));
        }
        let mapped = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(proof.issue(mapped, start), proof.issue(ann, start));
        assert_ne!(Proof::new([1, 3], start).issue(ann, start), proof.issue(ann, start));
    }
}
