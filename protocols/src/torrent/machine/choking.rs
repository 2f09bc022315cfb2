//! Who is sent something: those who send the most, and one by turn (BEP 3); where a seed sends, three of four by turn.
//!
//! ```text
//!   interested peers, by what they give (by what they take, when there is nothing left to give us)
//!   ├── slots - 1, of a seed a quarter: unchoked ──┼──── by turn: unchoked ────┼── choked ───
//!                thought over every 10 s             others every 30 s; every 10 s if it is a
//!                                                    seed's, or somebody has not had one yet
//! ```
//!
//! While a slot is free nobody waits for a round: who becomes interested is unchoked at once. And nobody's choke
//! changes twice in a round, so that TCP has time to show what it can do.
//!
//! What a peer has from others, the rest of them mostly have as well, or have asked for: only what comes from a seed is new.
//! Where a seed gave by rate alone, those it began with would do all the giving, and nobody would want what the others have.
//!
//! By turn comes who has waited for the longest, so that everybody comes to have something to give. That is what the Fast
//! extension's allowed pieces (BEP 6) are for as well; they are not used here, nor given: whoever connects anew would be
//! owed some more pieces.

use std::cmp::Reverse;
use std::time::Instant;

use super::{Peer, PeerKey, Torrent};
use crate::torrent::wire::message::Message;

/// Rounds that those by turn stay.
const STAYS: u32 = 3;

/// When it is thought over next.
#[derive(Debug)]
pub(super) struct Choking {
    next: Instant,
    rounds: u32,
    by_turn: Vec<PeerKey>,
}

impl Choking {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, rounds: 0, by_turn: Vec::new() }
    }
}

impl Torrent {
    /// Time has passed: perhaps a round has.
    pub(super) fn think_over_chokes(&mut self, now: Instant) {
        if now >= self.choking.next {
            self.choking.next = now + self.limits.round;
            self.choking.rounds = self.choking.rounds.wrapping_add(1);
            self.choose_uploads(now);
        }
        self.fill_slots(now);
    }

    /// A peer wants something. If it was sent something before, and others have all slots by now, it waits for one: else who
    /// says again and again that it wants something, and nothing, would make room for others and keep its own.
    pub(super) fn handle_interested(&mut self, key: PeerKey, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.upload.is_interested = true;
        }
        if self.taken_slots() > self.limits.slots {
            self.set_choked(key, true, now);
        }
        self.fill_slots(now);
    }

    /// Gives free slots to those who wait for one.
    pub(super) fn fill_slots(&mut self, now: Instant) {
        if self.free_slots() > 0 {
            let waiting = self.ranked(Peer::is_waiting);
            self.unchoke(&waiting, now);
        }
    }

    /// Unchokes the first of these, as many as there are slots.
    fn unchoke(&mut self, waiting: &[PeerKey], now: Instant) {
        let may = |key: &PeerKey| {
            let peer = self.peers.get(key);
            peer.is_some_and(|it| it.is_waiting() && it.upload.may_change(&self.limits, now))
        };
        let first = waiting.iter().copied().filter(may).take(self.free_slots());
        let first: Vec<_> = first.collect();
        first.into_iter().for_each(|key| self.set_choked(key, false, now));
    }

    fn free_slots(&self) -> usize {
        self.limits.slots.saturating_sub(self.taken_slots())
    }

    fn taken_slots(&self) -> usize {
        self.peers.values().filter(|peer| peer.takes_slot()).count()
    }

    fn choose_uploads(&mut self, now: Instant) {
        let mut chosen = self.ranked(|peer| peer.upload.is_interested);
        let (slots, by_turn) = (self.limits.slots, self.slots_by_turn());
        let rest = chosen.split_off(chosen.len().min(slots.saturating_sub(by_turn)));
        self.take_turns(rest, by_turn);
        chosen.extend(&self.choking.by_turn);
        let dropped = self.peers.iter().filter(|(key, peer)| {
            let upload = &peer.upload;
            !upload.is_choked && !chosen.contains(key) && upload.may_change(&self.limits, now)
        });
        let dropped: Vec<_> = dropped.map(|(key, _)| *key).collect();
        dropped.into_iter().for_each(|key| self.set_choked(key, true, now));
        self.unchoke(&chosen, now);
    }

    fn slots_by_turn(&self) -> usize {
        let most = self.limits.slots * 3 / 4;
        if self.pieces.is_complete() { most.max(1) } else { 1 }
    }

    /// Chooses so many of these by turn.
    fn take_turns(&mut self, mut waiting: Vec<PeerKey>, count: usize) {
        let is_new = |peer: &PeerKey| self.peers.get(peer).is_some_and(|peer| peer.upload.is_new());
        // Who has had nothing yet has nothing to give yet either, so there each turn is short.
        let is_time = self.pieces.is_complete() || self.choking.rounds % STAYS == 1;
        let others = is_time || waiting.iter().any(is_new);
        let mut by_turn = std::mem::take(&mut self.choking.by_turn);
        by_turn.retain(|peer| !others && waiting.contains(peer));
        by_turn.truncate(count);
        waiting.retain(|peer| !by_turn.contains(peer));
        for _ in by_turn.len()..count {
            let next = self.longest_waiting(&waiting);
            waiting.retain(|peer| Some(*peer) != next);
            by_turn.extend(next);
        }
        self.choking.by_turn = by_turn;
    }

    /// Of these who has waited for the longest, newcomers since they came: else who comes again and again would leave no turn to
    /// those who stay. Who is being sent something comes last.
    fn longest_waiting(&self, peers: &[PeerKey]) -> Option<PeerKey> {
        let waits = |peer: &PeerKey| {
            let upload = &self.peers.get(peer)?.upload;
            Some((!upload.is_choked, upload.since()))
        };
        peers.iter().copied().min_by_key(waits)
    }

    /// Those peers, the best first. Among equals chance decides: if it were who came first, everybody would prefer the
    /// same ones, and who came late to all would never have anything to give.
    fn ranked(&mut self, is_meant: impl Fn(&Peer) -> bool) -> Vec<PeerKey> {
        let (is_seeding, chance) = (self.pieces.is_complete(), self.chance() | 1);
        let lot =
            |key: PeerKey| (key.0 + 1).wrapping_mul(chance).rotate_left(32).wrapping_mul(chance);
        let mut meant: Vec<_> = self.peers.iter().filter(|(_, peer)| is_meant(peer)).collect();
        meant.sort_by_key(|(key, peer)| (Reverse(peer.merit(is_seeding)), lot(**key)));
        meant.into_iter().map(|(key, _)| *key).collect()
    }

    fn set_choked(&mut self, key: PeerKey, choked: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.upload.set_choked(choked, now);
        self.say(key, if choked { Message::Choke } else { Message::Unchoke });
        if choked {
            self.drop_requests_of(key);
        }
    }
}

impl Peer {
    /// Whether it is being sent what it wants.
    fn takes_slot(&self) -> bool {
        self.upload.is_interested && !self.upload.is_choked
    }

    fn is_waiting(&self) -> bool {
        self.upload.is_interested && self.upload.is_choked
    }

    /// What it gives; what it takes, where nothing is left to be given. Who lets us wait gives nothing.
    fn merit(&self, is_seeding: bool) -> u64 {
        match (is_seeding, self.download.is_snubbed) {
            (true, _) => self.upload.rate.per_second(),
            (false, true) => 0,
            (false, false) => self.download.rate.per_second(),
        }
    }
}
