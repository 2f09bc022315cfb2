//! The nodes that a node knows: more of them the nearer they are. Pure.
//!
//! Those that have the same number of bits with it at the front share a bucket of eight. So half of all nodes share one, a
//! quarter the next, and whoever is near is known.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::torrent::wire::{NodeId, is_of_a_network_of_ones_own};

/// Nodes in a bucket, and in an answer (BEP 5).
pub(super) const BUCKET: usize = 8;
/// A node that has not answered for so long may be gone.
const GOOD: Duration = Duration::from_secs(15 * 60);
/// So many questions in a row without an answer, and it is.
const STRIKES: u8 = 2;
/// A bucket in which nothing has changed for so long is looked after.
pub(super) const STALE: Duration = Duration::from_secs(15 * 60);

/// So many buckets are looked after at the beginning: farther ones have millions of nodes.
const SPARSE: usize = 16;

/// All nodes that are known: 160 buckets at most.
#[derive(Debug)]
pub(super) struct Table {
    ours: NodeId,
    buckets: Vec<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    contacts: Vec<Contact>,
    changed: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Contact {
    id: NodeId,
    at: SocketAddr,
    /// When it last answered.
    heard: Instant,
    /// Questions since then that it has not answered.
    strikes: u8,
}

/// What became of a node that has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is in the table.
    Yes,
    /// There are eight like it; this one of them has to be asked whether it is still there.
    Full(SocketAddr),
    /// It may not be in it.
    No,
}

impl Table {
    pub(super) fn new(ours: NodeId) -> Self {
        Self { ours, buckets: Vec::new() }
    }

    pub(super) fn ours(&self) -> NodeId {
        self.ours
    }

    /// How many nodes are known.
    pub(super) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.contacts.len()).sum()
    }

    /// We are called otherwise from now on: others are nearer then.
    pub(super) fn rename(&mut self, ours: NodeId) {
        let buckets = std::mem::take(&mut self.buckets);
        self.ours = ours;
        for contact in buckets.into_iter().flat_map(|bucket| bucket.contacts) {
            self.handle_answer(contact.id, contact.at, contact.heard);
        }
    }

    /// A node has answered.
    pub(super) fn handle_answer(&mut self, id: NodeId, at: SocketAddr, now: Instant) -> Kept {
        let is_crowd = |contact: &Contact| {
            contact.at.ip() == at.ip() && contact.id != id && !is_of_a_network_of_ones_own(at.ip())
        };
        if id != self.ours && id.may_be_at(at.ip()) {
            // It was started again, and is called otherwise.
            for bucket in &mut self.buckets {
                bucket.contacts.retain(|contact| contact.at != at || contact.id == id);
            }
        }
        // One address may stand for one node, else who has many ports would be everywhere.
        if id == self.ours || !id.may_be_at(at.ip()) || self.contacts().any(is_crowd) {
            return Kept::No;
        }
        let index = self.ours.common(&id);
        while self.buckets.len() <= index {
            self.buckets.push(Bucket { contacts: Vec::new(), changed: now });
        }
        let Some(bucket) = self.buckets.get_mut(index) else {
            return Kept::No;
        };
        bucket.handle_answer(Contact { id, at, heard: now, strikes: 0 })
    }

    /// A node has not answered.
    pub(super) fn handle_silence(&mut self, at: SocketAddr) {
        let all = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.contacts);
        all.filter(|contact| contact.at == at)
            .for_each(|contact| contact.strikes = contact.strikes.saturating_add(1));
        for bucket in &mut self.buckets {
            bucket.contacts.retain(|contact| contact.at != at || contact.strikes <= STRIKES);
        }
    }

    /// Whether a node that asks is worth a question: it is not known, and there is room for it.
    pub(super) fn wants(&self, id: NodeId, at: SocketAddr) -> bool {
        let bucket = self.buckets.get(self.ours.common(&id));
        let has_room = bucket.is_none_or(|bucket| bucket.contacts.len() < BUCKET);
        has_room && id != self.ours && self.contacts().all(|contact| contact.at != at)
    }

    /// Those nearest to something, the nearest first. Others are not told of those that are doubtful: that have not answered
    /// lately. We ask them all the same, so that they answer or are forgotten; else after an outage of our own nobody would
    /// be asked again.
    pub(super) fn nearest(
        &self,
        target: &NodeId,
        also_doubtful: bool,
    ) -> Vec<(NodeId, SocketAddr)> {
        let there = self.contacts().filter(|contact| also_doubtful || contact.strikes == 0);
        nearest_of(there.map(|contact| (contact.id, contact.at)), target)
    }

    /// A bucket in which nothing has changed for a while; something in it has to be looked for.
    pub(super) fn poll_stale(&mut self, random: [u8; 20], now: Instant) -> Option<NodeId> {
        let is_stale =
            |bucket: &Bucket| now - bucket.changed >= STALE && !bucket.contacts.is_empty();
        let (index, bucket) = self.buckets.iter_mut().enumerate().find(|(_, it)| is_stale(it))?;
        bucket.changed = now;
        Some(self.ours.beside(index, random))
    }

    /// Something in each bucket that has room, the last ones left out: whoever is near was just looked for.
    pub(super) fn sparse(&self, random: [u8; 20]) -> Vec<NodeId> {
        let buckets = self.buckets.iter().enumerate().take(SPARSE);
        let sparse = buckets.filter(|(_, bucket)| bucket.contacts.len() < BUCKET);
        sparse.map(|(index, _)| self.ours.beside(index, random)).collect()
    }

    /// All that have answered lately, those that are nearest to us first.
    pub(super) fn there(&self) -> Vec<(NodeId, SocketAddr)> {
        let there = self.contacts().filter(|contact| contact.strikes == 0);
        let mut all: Vec<_> = there.map(|contact| (contact.id, contact.at)).collect();
        all.sort_unstable_by_key(|(id, at)| (id.distance(&self.ours), *at));
        all
    }

    fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.buckets.iter().flat_map(|bucket| &bucket.contacts)
    }
}

/// As many as an answer has, the nearest of these first.
pub(super) fn nearest_of(
    nodes: impl Iterator<Item = (NodeId, SocketAddr)>,
    target: &NodeId,
) -> Vec<(NodeId, SocketAddr)> {
    let mut all: Vec<_> = nodes.collect();
    all.sort_unstable_by_key(|(id, _)| id.distance(target));
    all.truncate(BUCKET);
    all
}

impl Bucket {
    fn handle_answer(&mut self, new: Contact) -> Kept {
        let now = new.heard;
        if let Some(known) = self.contacts.iter_mut().find(|contact| contact.id == new.id) {
            // Who answers from elsewhere under a name that is known does not take its place.
            if known.at == new.at {
                *known = new;
                self.changed = now;
            }
            return Kept::Yes;
        }
        if self.contacts.len() >= BUCKET {
            let worst = self.contacts.iter_mut().max_by_key(|it| (it.strikes, now - it.heard));
            match worst {
                Some(worst) if worst.strikes > 0 => *worst = new,
                Some(worst) if now - worst.heard >= GOOD => return Kept::Full(worst.at),
                _ => return Kept::No,
            }
        } else {
            self.contacts.push(new);
        }
        self.changed = now;
        Kept::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, last: u8) -> NodeId {
        let mut bytes = [0; 20];
        (bytes[0], bytes[19]) = (first, last);
        NodeId::new(bytes)
    }

    fn at(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 6881).into()
    }

    #[test]
    fn half_of_all_nodes_share_eight_places_and_who_answers_keeps_its_own() {
        let (mut table, mut now) = (Table::new(id(0, 0)), Instant::now());
        for last in 0..8 {
            assert_eq!(table.handle_answer(id(0x80, last), at(last), now), Kept::Yes);
        }
        assert_eq!(table.handle_answer(id(0x90, 8), at(8), now), Kept::No);
        assert_eq!(table.handle_answer(id(0x40, 9), at(9), now), Kept::Yes, "another bucket");
        assert!(!table.wants(id(0x91, 1), at(20)) && table.wants(id(0x41, 1), at(20)));
        // One is not heard of for a while, and then not when it is asked.
        now += GOOD;
        (1..8).for_each(|last| {
            table.handle_answer(id(0x80, last), at(last), now);
        });
        assert_eq!(table.handle_answer(id(0x90, 8), at(8), now), Kept::Full(at(0)));
        table.handle_silence(at(0));
        assert_eq!(table.handle_answer(id(0x90, 8), at(8), now), Kept::Yes);
        assert_eq!(table.len(), 9);
        let near: Vec<_> = table.nearest(&id(0x40, 0), false).iter().map(|(id, _)| *id).collect();
        assert_eq!((near[0], near.len()), (id(0x40, 9), BUCKET));
    }

    #[test]
    fn who_takes_anothers_name_or_one_it_may_not_have_is_not_believed() {
        let (mut table, now) = (Table::new(id(0, 0)), Instant::now());
        assert_eq!(table.handle_answer(id(0x80, 1), at(1), now), Kept::Yes);
        assert_eq!(table.handle_answer(id(0x80, 1), at(2), now), Kept::Yes);
        assert_eq!(table.nearest(&id(0, 0), false), [(id(0x80, 1), at(1))]);
        assert_eq!(table.handle_answer(id(0, 0), at(3), now), Kept::No, "ours");
        let public: SocketAddr = "84.124.73.14:6881".parse().expect("an address");
        assert_eq!(table.handle_answer(id(0x80, 2), public, now), Kept::No);
        let theirs = NodeId::at(public.ip(), [65; 20]);
        assert_eq!(table.handle_answer(theirs, public, now), Kept::Yes);
        let second = NodeId::at(public.ip(), [66; 20]);
        let port = SocketAddr::new(public.ip(), 7);
        assert_eq!(table.handle_answer(second, port, now), Kept::No, "one node an address");
        assert_eq!(table.handle_answer(second, public, now), Kept::Yes, "it was started again");
        assert_eq!(table.len(), 2, "and is no longer called as it was");
    }

    #[test]
    fn ten_thousand_nodes_take_the_room_there_is_and_who_is_gone_is_forgotten() {
        let (mut table, now) = (Table::new(id(0, 0)), Instant::now());
        for number in 0..10_000_u16 {
            let [high, low] = number.to_be_bytes();
            let place = ([10, 1, high, low], 1).into();
            table.handle_answer(
                NodeId::new([
                    high ^ low,
                    low,
                    high,
                    7,
                    7,
                    1,
                    2,
                    3,
                    4,
                    5,
                    6,
                    7,
                    8,
                    9,
                    1,
                    2,
                    3,
                    4,
                    high,
                    low,
                ]),
                place,
                now,
            );
        }
        assert!(table.len() <= BUCKET * 40, "{}", table.len());
        let (_, gone) = table.nearest(&id(0xff, 0), false)[0];
        let before = table.len();
        table.handle_silence(gone);
        let asked = |also| table.nearest(&id(0xff, 0), also).iter().any(|(_, at)| *at == gone);
        assert_eq!((asked(false), asked(true)), (false, true));
        (0..STRIKES).for_each(|_| table.handle_silence(gone));
        assert_eq!(table.len(), before - 1);
        let stale = table.poll_stale([7; 20], now + STALE).expect("nothing has changed");
        assert!(table.ours().common(&stale) < 160);
    }
}
