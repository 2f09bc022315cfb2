//! Where peers are said to be, and when to try them: pure.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reactor::Backoff;

use crate::torrent::machine::PeerKey;

/// An address that others have named is tried so often; after that it has to be named again.
const TRIES: u32 = 5;
/// Peers that parted since neither had anything for the other.
const PARTED: Duration = Duration::from_secs(600);

/// The addresses of a torrent's peers.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: BTreeMap<SocketAddr, Known>,
    most: usize,
}

/// What is known of an address.
///
/// ```text
///            ┌──────────── it is time ───────────┐
///            │                                   ▼
///   named ─▶ Waiting ◀──────── no ──────────── Dialled
///              ▲  ▲                              │ handshakes were exchanged
///              │  └────── it has gone ──── Connected
///         Ourselves: never again
/// ```
#[derive(Debug)]
struct Known {
    state: State,
    backoff: Backoff,
    /// Whether the program has named it, and not a stranger: it is never given up.
    ours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Instant),
    Dialled,
    Connected(PeerKey),
    Ourselves,
}

impl Addresses {
    pub(super) fn new(most: usize) -> Self {
        Self { known: BTreeMap::new(), most }
    }

    /// An address was named. `ours`: by the program.
    pub(super) fn add(&mut self, address: SocketAddr, ours: bool, now: Instant) {
        if let Some(known) = self.known.get_mut(&address) {
            known.ours |= ours;
            return;
        }
        let is_nowhere = address.port() == 0 || address.ip().is_unspecified();
        if is_nowhere || address.ip().is_multicast() || (self.known.len() >= self.most && !ours) {
            return;
        }
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        self.known.insert(address, Known { state: State::Waiting(now), backoff, ours });
    }

    /// The next address to be tried; it is being tried from now on.
    pub(super) fn poll_dial(&mut self, now: Instant) -> Option<SocketAddr> {
        let is_due = |known: &Known| matches!(known.state, State::Waiting(then) if then <= now);
        let due = self.known.iter_mut().filter(|(_, known)| is_due(known));
        // Who has failed less goes first.
        let (address, known) = due.min_by_key(|(_, known)| known.backoff.tries())?;
        known.state = State::Dialled;
        Some(*address)
    }

    /// How many are being tried.
    pub(super) fn dialled(&self) -> usize {
        self.known.values().filter(|known| known.state == State::Dialled).count()
    }

    /// A peer listens there: it was dialled, or has said so.
    pub(super) fn handle_peer(&mut self, address: SocketAddr, key: PeerKey, now: Instant) {
        self.add(address, false, now);
        if let Some(known) = self.known.get_mut(&address)
            && known.state != State::Ourselves
        {
            known.state = State::Connected(key);
        }
    }

    /// It is our own address.
    pub(super) fn handle_ourselves(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            known.state = State::Ourselves;
        }
    }

    /// Nothing came of a try.
    pub(super) fn handle_failed(&mut self, address: SocketAddr, now: Instant, random: u64) {
        let Some(known) = self.known.get_mut(&address) else {
            return;
        };
        if known.state == State::Dialled {
            known.state = State::Waiting(now + known.backoff.pause(random));
            if known.backoff.tries() >= TRIES && !known.ours {
                self.known.remove(&address);
            }
        }
    }

    /// A peer has gone. Those who `parted` in peace are left alone for a while.
    pub(super) fn handle_gone(&mut self, key: PeerKey, parted: bool, now: Instant, random: u64) {
        for known in self.known.values_mut().filter(|it| it.state == State::Connected(key)) {
            let pause = if parted { PARTED } else { known.backoff.pause(random) };
            known.state = State::Waiting(now + pause);
        }
    }

    /// A peer was of use: if it goes, it is tried again soon.
    pub(super) fn handle_useful(&mut self, key: PeerKey) {
        let of = self.known.values_mut().filter(|it| it.state == State::Connected(key));
        of.for_each(|known| known.backoff.reset());
    }

    /// Addresses where peers are connected: those one can tell others.
    pub(super) fn connected(&self) -> impl Iterator<Item = (SocketAddr, PeerKey)> {
        self.known.iter().filter_map(|(address, known)| match known.state {
            State::Connected(key) => Some((*address, key)),
            _ => None,
        })
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerKey = PeerKey(1);

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn an_address_is_tried_until_strangers_are_not_believed_any_more() {
        for (ours, tries) in [(false, TRIES), (true, 100)] {
            let (mut addresses, mut now) = (Addresses::new(10), Instant::now());
            addresses.add(address(1), ours, now);
            for _ in 0..tries {
                assert_eq!(addresses.poll_dial(now), Some(address(1)));
                assert_eq!(addresses.poll_dial(now), None, "it is being tried");
                addresses.handle_failed(address(1), now, 0);
                assert_eq!(addresses.poll_dial(now), None, "not at once");
                now += Duration::from_secs(60);
            }
            assert_eq!(addresses.poll_dial(now).is_some(), ours);
        }
    }

    #[test]
    fn where_a_peer_is_connected_nobody_is_dialled() {
        let (mut addresses, now) = (Addresses::new(10), Instant::now());
        addresses.handle_peer(address(1), ANN, now);
        addresses.add(address(1), false, now);
        assert_eq!(addresses.poll_dial(now), None);
        assert_eq!(addresses.connected().collect::<Vec<_>>(), [(address(1), ANN)]);
        addresses.handle_gone(ANN, true, now, 0);
        assert_eq!(addresses.poll_dial(now + Duration::from_secs(599)), None);
        assert_eq!(addresses.poll_dial(now + PARTED), Some(address(1)));
    }

    #[test]
    fn our_own_address_is_dialled_once() {
        let (mut addresses, now) = (Addresses::new(10), Instant::now());
        addresses.add(address(1), true, now);
        assert_eq!(addresses.poll_dial(now), Some(address(1)));
        addresses.handle_ourselves(address(1));
        addresses.handle_failed(address(1), now, 0);
        addresses.add(address(1), true, now);
        assert_eq!(addresses.poll_dial(now + Duration::from_secs(9_999)), None);
    }

    #[test]
    fn ten_thousand_addresses_take_the_room_of_the_limit() {
        let (mut addresses, now) = (Addresses::new(1_000), Instant::now());
        (1..10_001).for_each(|port| addresses.add(address(port), false, now));
        assert_eq!(addresses.len(), 1_000);
        addresses.add(address(20_000), true, now);
        assert_eq!(addresses.len(), 1_001, "what the program names is always taken");
        for nowhere in ["0.0.0.0:1", "192.0.2.1:0", "224.0.0.1:1"] {
            addresses.add(nowhere.parse().expect("it is an address"), true, now);
        }
        assert_eq!(addresses.len(), 1_001);
    }
}
