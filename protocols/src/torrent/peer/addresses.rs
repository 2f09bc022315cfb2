//! Where peers are said to be, and when to try them: pure.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reactor::Backoff;

use crate::torrent::machine::PeerKey;
use crate::torrent::wire::mse::Encryption;

/// An address that others have named is tried so often; after that it has to be named again.
const TRIES: u32 = 5;
/// Peers that parted since neither had anything for the other.
const PARTED: Duration = Duration::from_secs(600);

/// The addresses of a torrent's peers.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: BTreeMap<SocketAddr, Known>,
    most: usize,
    encryption: Encryption,
}

/// How a peer is spoken to when it is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Plain,
    Encrypted,
}

/// Why nothing came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nobody was there.
    Unreached,
    /// Whoever was there has not answered this greeting.
    Unanswered,
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
    next: Greeting,
    /// Whether the other greeting was tried just before.
    is_second: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Instant),
    Dialled,
    Connected(PeerKey),
    Ourselves,
}

impl Addresses {
    pub(super) fn new(most: usize, encryption: Encryption) -> Self {
        Self { known: BTreeMap::new(), most, encryption }
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
        let next = match self.encryption.dials_encrypted() {
            true => Greeting::Encrypted,
            false => Greeting::Plain,
        };
        let state = State::Waiting(now);
        self.known.insert(address, Known { state, backoff, ours, next, is_second: false });
    }

    /// The next address to be tried, and how; it is being tried from now on.
    pub(super) fn poll_dial(&mut self, now: Instant) -> Option<(SocketAddr, Greeting)> {
        let is_due = |known: &Known| matches!(known.state, State::Waiting(then) if then <= now);
        let due = self.known.iter_mut().filter(|(_, known)| is_due(known));
        // Who has failed less goes first.
        let (address, known) = due.min_by_key(|(_, known)| known.backoff.tries())?;
        known.state = State::Dialled;
        Some((*address, known.next))
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
            known.is_second = false;
        }
    }

    /// It is our own address.
    pub(super) fn handle_ourselves(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            known.state = State::Ourselves;
        }
    }

    /// Nothing came of a try. Who does not answer one greeting is greeted the other way, at once, if that is allowed.
    pub(super) fn handle_failed(
        &mut self,
        address: SocketAddr,
        failed: Failed,
        now: Instant,
        random: u64,
    ) {
        let is_choice = self.encryption.allows_plain() && self.encryption.allows_encrypted();
        let Some(known) = self.known.get_mut(&address) else {
            return;
        };
        if known.state == State::Dialled {
            if failed == Failed::Unanswered && is_choice {
                known.next = known.next.other();
                known.is_second = !known.is_second;
                if known.is_second {
                    known.state = State::Waiting(now);
                    return;
                }
            }
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

    /// Whether one is known that is not our own.
    pub(super) fn is_any_other(&self) -> bool {
        self.known.values().any(|known| known.state != State::Ourselves)
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

impl Greeting {
    fn other(self) -> Self {
        match self {
            Self::Plain => Self::Encrypted,
            Self::Encrypted => Self::Plain,
        }
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
            let (mut addresses, mut now) = (Addresses::new(10, Encryption::Off), Instant::now());
            addresses.add(address(1), ours, now);
            for _ in 0..tries {
                assert_eq!(addresses.poll_dial(now), Some((address(1), Greeting::Plain)));
                assert_eq!(addresses.poll_dial(now), None, "it is being tried");
                addresses.handle_failed(address(1), Failed::Unreached, now, 0);
                assert_eq!(addresses.poll_dial(now), None, "not at once");
                now += Duration::from_secs(60);
            }
            assert_eq!(addresses.poll_dial(now).is_some(), ours);
        }
    }

    #[test]
    fn who_does_not_answer_one_greeting_is_greeted_the_other_way_at_once_and_then_later() {
        for (encryption, greetings) in [
            (Encryption::Off, [Greeting::Plain; 4]),
            (Encryption::Require, [Greeting::Encrypted; 4]),
            (
                Encryption::Allow,
                [Greeting::Plain, Greeting::Encrypted].repeat(2).try_into().expect("4"),
            ),
            (
                Encryption::Prefer,
                [Greeting::Encrypted, Greeting::Plain].repeat(2).try_into().expect("4"),
            ),
        ] {
            let (mut addresses, mut now) = (Addresses::new(10, encryption), Instant::now());
            addresses.add(address(1), true, now);
            for (turn, greeting) in greetings.into_iter().enumerate() {
                let is_choice = greetings[0] != greetings[1];
                if turn > 0 && !(is_choice && turn % 2 == 1) {
                    assert_eq!(addresses.poll_dial(now), None, "{encryption:?} {turn}");
                    now += Duration::from_secs(60);
                }
                assert_eq!(addresses.poll_dial(now), Some((address(1), greeting)));
                addresses.handle_failed(address(1), Failed::Unanswered, now, 0);
            }
        }
    }

    #[test]
    fn where_nobody_is_no_other_greeting_is_tried_and_what_was_answered_comes_first() {
        let (mut addresses, now) = (Addresses::new(10, Encryption::Allow), Instant::now());
        addresses.add(address(1), true, now);
        assert_eq!(addresses.poll_dial(now), Some((address(1), Greeting::Plain)));
        addresses.handle_failed(address(1), Failed::Unreached, now, 0);
        let later = now + Duration::from_secs(60);
        assert_eq!(addresses.poll_dial(later), Some((address(1), Greeting::Plain)));
        addresses.handle_failed(address(1), Failed::Unanswered, later, 0);
        assert_eq!(addresses.poll_dial(later), Some((address(1), Greeting::Encrypted)));
        addresses.handle_peer(address(1), ANN, later);
        addresses.handle_gone(ANN, true, later, 0);
        let next = addresses.poll_dial(later + PARTED);
        assert_eq!(next, Some((address(1), Greeting::Encrypted)));
    }

    #[test]
    fn where_a_peer_is_connected_nobody_is_dialled() {
        let (mut addresses, now) = (Addresses::new(10, Encryption::Off), Instant::now());
        addresses.handle_peer(address(1), ANN, now);
        addresses.add(address(1), false, now);
        assert_eq!(addresses.poll_dial(now), None);
        assert_eq!(addresses.connected().collect::<Vec<_>>(), [(address(1), ANN)]);
        addresses.handle_gone(ANN, true, now, 0);
        assert_eq!(addresses.poll_dial(now + Duration::from_secs(599)), None);
        assert!(addresses.poll_dial(now + PARTED).is_some());
    }

    #[test]
    fn our_own_address_is_dialled_once() {
        let (mut addresses, now) = (Addresses::new(10, Encryption::Off), Instant::now());
        addresses.add(address(1), true, now);
        assert_eq!(addresses.poll_dial(now), Some((address(1), Greeting::Plain)));
        addresses.handle_ourselves(address(1));
        addresses.handle_failed(address(1), Failed::Unreached, now, 0);
        addresses.add(address(1), true, now);
        assert_eq!(addresses.poll_dial(now + Duration::from_secs(9_999)), None);
    }

    #[test]
    fn ten_thousand_addresses_take_the_room_of_the_limit() {
        let (mut addresses, now) = (Addresses::new(1_000, Encryption::Off), Instant::now());
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
