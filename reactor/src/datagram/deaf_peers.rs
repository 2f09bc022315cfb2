//! Peers of a Unix datagram socket that do not take what they are sent, each with a queue of its own.
//!
//! A Unix socket that is connected to nobody is writable whatever its peers do. A send to one whose queue is
//! full is refused, and on Linux the refusal itself raises the edge: the memory that the datagram was put
//! in has become free again. Whoever waits for that edge spins, and if there is one queue for all, the
//! peers that do receive wait for the one that does not.
//!
//! ```text
//!   send to a ──▶ taken                                   a: has no queue here
//!   send to b ──▶ refused ──▶ b: │ 1 │ 2 │ 3 │   tried again in 1 ms, 2 ms, 4 ms … 100 ms
//!   send to b ──────────────▶ b: │ 1 │ 2 │ 3 │ 4 │        until all of it is taken
//! ```

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::Address;
use crate::id::Key;
use crate::timer::Tick;

/// The first pause, in ticks: a peer that is only busy for a moment is not kept waiting.
const FIRST: Tick = 1;
/// The longest pause: ten tries a second cost nothing, and nobody waits long who receives again.
const LONGEST: Tick = 100;

/// Those peers, in the order of their addresses; there are none as long as all receive.
#[derive(Default)]
pub(crate) struct DeafPeers {
    peers: BTreeMap<Address, DeafPeer>,
    /// The timer of the next try.
    pub(crate) timer: Option<Key>,
}

/// One of them, for which at least one datagram waits.
pub(crate) struct DeafPeer {
    queue: VecDeque<Bytes>,
    charge: usize,
    pause: Tick,
    retry: Tick,
}

impl DeafPeers {
    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    pub(crate) fn contains(&self, peer: &Address) -> bool {
        self.peers.contains_key(peer)
    }

    /// What waits for a peer, bookkeeping included.
    pub(crate) fn charge(&self, peer: &Address) -> usize {
        self.peers.get(peer).map_or(0, |peer| peer.charge)
    }

    /// Puts a datagram behind what waits for its peer.
    pub(crate) fn push(&mut self, peer: &Address, bytes: Bytes, charge: usize, now: Tick) {
        let first =
            || DeafPeer { queue: VecDeque::new(), charge: 0, pause: FIRST, retry: now + FIRST };
        let peer = self.peers.entry(peer.clone()).or_insert_with(first);
        peer.charge += charge;
        peer.queue.push_back(bytes);
    }

    /// The next datagram for a peer that is to be tried again now.
    pub(crate) fn due(&self, now: Tick) -> Option<(Address, Bytes)> {
        let (address, peer) = self.peers.iter().find(|(_, peer)| peer.retry <= now)?;
        Some((address.clone(), peer.queue.front()?.clone()))
    }

    /// The peer has not taken it.
    pub(crate) fn refused(&mut self, peer: &Address, now: Tick) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.retry = now.saturating_add(peer.pause);
            peer.pause = (peer.pause * 2).min(LONGEST);
        }
    }

    /// The first datagram for a peer is done with: taken, or lost.
    pub(crate) fn done(&mut self, address: &Address, charge: usize) {
        let Some(peer) = self.peers.get_mut(address) else {
            return;
        };
        peer.queue.pop_front();
        peer.charge -= charge;
        peer.pause = FIRST;
        if peer.queue.is_empty() {
            self.peers.remove(address);
        }
    }

    /// When the next of them is to be tried again.
    pub(crate) fn next_retry(&self) -> Option<Tick> {
        self.peers.values().map(|peer| peer.retry).min()
    }

    /// Datagrams that wait.
    pub(crate) fn queued(&self) -> usize {
        self.peers.values().map(|peer| peer.queue.len()).sum()
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.peers.values().flat_map(|peer| &peer.queue).map(Bytes::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_a_peer_refuses_and_begin_anew_when_it_takes_something() {
        let mut deaf = DeafPeers::default();
        let peer = Address::Path("deaf".into());
        for byte in [1, 2] {
            deaf.push(&peer, Bytes::from(vec![byte]), 65, 0);
        }
        let (mut now, mut pauses) = (0, Vec::new());
        for _ in 0..9 {
            let next = deaf.next_retry().expect("it waits");
            assert!(deaf.due(next - 1).is_none());
            pauses.push(next - now);
            now = next;
            deaf.refused(&peer, now);
        }
        assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 32, 64, 100]);
        now += LONGEST;
        assert_eq!(deaf.due(now), Some((peer.clone(), Bytes::from_static(&[1]))));
        deaf.done(&peer, 65);
        assert_eq!((deaf.charge(&peer), deaf.queued(), deaf.bytes()), (65, 1, 1));
        deaf.refused(&peer, now);
        assert_eq!(deaf.next_retry(), Some(now + FIRST));
        deaf.done(&peer, 65);
        assert!(deaf.is_empty() && deaf.next_retry().is_none());
    }
}
