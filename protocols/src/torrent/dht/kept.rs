//! Who shares what, as others have said: pure.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use super::DhtLimits;
use crate::torrent::wire::NodeId;

/// Peers in one answer, of IPv4 and of IPv6: with eight nodes it is less than 1,000 bytes, and not cut on its way.
const ANSWERED: (usize, usize) = (50, 25);
/// The same beside eight nodes of IPv4 and eight of IPv6.
const BESIDE_MANY: (usize, usize) = (30, 15);

/// Who shares what.
#[derive(Debug, Default)]
pub(super) struct Kept {
    torrents: BTreeMap<NodeId, HashMap<SocketAddr, Instant>>,
}

impl Kept {
    /// A peer says that it shares something. `ours` is where this node stands.
    pub(super) fn put(
        &mut self,
        hash: NodeId,
        peer: SocketAddr,
        ours: &NodeId,
        limits: &DhtLimits,
        now: Instant,
    ) {
        let peers = self.torrents.entry(hash).or_default();
        peers.insert(peer, now);
        if peers.len() > limits.peers
            && let Some(oldest) = peers.iter().min_by_key(|(_, then)| **then).map(|(at, _)| *at)
        {
            peers.remove(&oldest);
        }
        if self.torrents.len() > limits.torrents
            && let Some(farthest) = self.torrents.keys().copied().max_by_key(|it| it.distance(ours))
        {
            self.torrents.remove(&farthest);
        }
    }

    /// Who shares it, beginning anywhere: not as many where the answer is long already.
    pub(super) fn get(&self, hash: &NodeId, random: u64, is_long: bool) -> Vec<SocketAddr> {
        let Some(peers) = self.torrents.get(hash) else {
            return Vec::new();
        };
        let begin = usize::try_from(random).unwrap_or_default() % peers.len().max(1);
        let is_v6 = peers.keys().any(SocketAddr::is_ipv6);
        let (v4, v6) = if is_long { BESIDE_MANY } else { ANSWERED };
        let most = if is_v6 { v6 } else { v4 };
        peers.keys().cycle().skip(begin).take(peers.len().min(most)).copied().collect()
    }

    /// Forgets who has not said it again.
    pub(super) fn sweep(&mut self, limits: &DhtLimits, now: Instant) {
        self.torrents.retain(|_, peers| {
            peers.retain(|_, then| now - *then < limits.memory);
            !peers.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn what_is_kept_has_room_and_an_end() {
        let limits = DhtLimits { torrents: 10, peers: 60, ..DhtLimits::default() };
        let (mut kept, ours, now) = (Kept::default(), NodeId::new([0; 20]), Instant::now());
        for hash in (0..100).rev() {
            kept.put(NodeId::new([hash; 20]), at(1), &ours, &limits, now);
        }
        assert_eq!(kept.torrents.len(), 10);
        assert!(kept.torrents.contains_key(&NodeId::new([9; 20])), "the nearest stay");
        let hash = NodeId::new([3; 20]);
        (1..1_000).for_each(|port| kept.put(hash, at(port), &ours, &limits, now));
        assert_eq!(kept.torrents[&hash].len(), 60);
        assert_eq!(kept.get(&hash, 7_777, false).len(), ANSWERED.0);
        assert_eq!(kept.get(&NodeId::new([77; 20]), 1, false), []);
        kept.sweep(&limits, now + limits.memory);
        assert!(kept.torrents.is_empty());
    }
}
