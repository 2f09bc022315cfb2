//! The info dictionary, for those who come with a magnet link: it is asked of peers that have it (BEP 9).
//!
//! ```text
//!   offered ──▶ Trying, three at a time: each peer alone is asked for all of it
//!                 │ the last part
//!                 ▼
//!              its hash is the torrent's ──▶ Whole        is it another? Who sent it is a liar: nobody else had a part
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::PeerKey;
use crate::torrent::InfoHash;
use crate::torrent::wire::extension::PART;

/// Peers that are asked at a time: one that is silent holds nobody up, and little comes twice.
const AT_A_TIME: usize = 3;
/// Parts that a peer is asked for at a time.
const AHEAD: u32 = 4;
/// A peer from which nothing comes for so long gives way to another.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fetches the info dictionary of a torrent.
#[derive(Debug)]
pub struct Fetch {
    hash: InfoHash,
    /// Bytes that it may have.
    most: u64,
    /// Peers that have it, and how long they say it is. They are asked when it is their turn.
    offered: VecDeque<(PeerKey, u64)>,
    tries: BTreeMap<PeerKey, Try>,
    requests: VecDeque<(PeerKey, u32)>,
}

/// What has come of it from one peer.
#[derive(Debug)]
struct Try {
    size: u64,
    bytes: Vec<u8>,
    /// The next part that is asked for. They come in that order.
    next: u32,
    heard: Instant,
}

/// What came of a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// More is to come.
    Part,
    /// All of it, and it is right.
    Whole(Vec<u8>),
    /// All of it, and it is wrong: whoever sent it lies.
    Wrong,
}

impl Fetch {
    /// Fetches what has this hash, and no more than so many bytes.
    #[must_use]
    pub fn new(hash: InfoHash, most: usize) -> Self {
        let most = most as u64;
        let (offered, tries, requests) = Default::default();
        Self { hash, most, offered, tries, requests }
    }

    /// A peer has it, and says how long it is. One that is longer than may be is not asked for.
    pub fn handle_offer(&mut self, peer: PeerKey, size: u64, now: Instant) {
        let is_known = self.offered.iter().any(|(known, _)| *known == peer);
        if size > 0 && size <= self.most && !is_known && !self.tries.contains_key(&peer) {
            self.offered.push_back((peer, size));
            self.try_more(now);
        }
    }

    /// A part has come. One that was not asked for, or is not as long as it is, is passed over.
    pub fn handle_data(&mut self, peer: PeerKey, part: u32, bytes: &[u8], now: Instant) -> Fetched {
        let Some(tried) = self.tries.get_mut(&peer) else {
            return Fetched::Part;
        };
        let at = u64::from(part) * u64::from(PART);
        let length = tried.size.saturating_sub(at).min(u64::from(PART));
        if at != tried.bytes.len() as u64 || bytes.len() as u64 != length {
            return Fetched::Part;
        }
        tried.bytes.extend_from_slice(bytes);
        tried.heard = now;
        if tried.bytes.len() as u64 == tried.size {
            return self.finish(peer, now);
        }
        self.ask(peer);
        Fetched::Part
    }

    /// A peer will not send it, or has gone.
    pub fn handle_gone(&mut self, peer: PeerKey, now: Instant) {
        self.offered.retain(|(offered, _)| *offered != peer);
        self.requests.retain(|(of, _)| *of != peer);
        if self.tries.remove(&peer).is_some() {
            self.try_more(now);
        }
    }

    /// Time has passed: those from whom nothing comes have to wait for their turn.
    pub fn handle_time(&mut self, now: Instant) {
        let late = self.tries.iter().filter(|(_, tried)| now - tried.heard >= PATIENCE);
        let late: Vec<_> = late.map(|(peer, tried)| (*peer, tried.size)).collect();
        for (peer, size) in late {
            self.handle_gone(peer, now);
            self.offered.push_back((peer, size));
        }
        self.try_more(now);
    }

    /// Which part to ask for next, and of whom.
    pub fn poll_request(&mut self) -> Option<(PeerKey, u32)> {
        self.requests.pop_front()
    }

    fn try_more(&mut self, now: Instant) {
        while self.tries.len() < AT_A_TIME
            && let Some((peer, size)) = self.offered.pop_front()
        {
            self.tries.insert(peer, Try { size, bytes: Vec::new(), next: 0, heard: now });
            self.ask(peer);
        }
    }

    fn ask(&mut self, peer: PeerKey) {
        let Some(tried) = self.tries.get_mut(&peer) else {
            return;
        };
        let here = (tried.bytes.len() as u64 / u64::from(PART)) as u32;
        let parts = tried.size.div_ceil(u64::from(PART)) as u32;
        while tried.next < parts.min(here + AHEAD) {
            self.requests.push_back((peer, tried.next));
            tried.next += 1;
        }
    }

    fn finish(&mut self, peer: PeerKey, now: Instant) -> Fetched {
        let bytes = self.tries.remove(&peer).map(|tried| tried.bytes).unwrap_or_default();
        if InfoHash::of(&bytes) == self.hash {
            return Fetched::Whole(bytes);
        }
        self.try_more(now);
        Fetched::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerKey = PeerKey(1);
    const EVE: PeerKey = PeerKey(2);

    fn info() -> Vec<u8> {
        (0..100_000_u32).map(|at| (at / 7) as u8).collect()
    }

    /// Answers what is asked for with these bytes, and says what came of it.
    fn answer(fetch: &mut Fetch, info: &[u8], now: Instant) -> Vec<(PeerKey, Fetched)> {
        let mut told = Vec::new();
        while let Some((peer, part)) = fetch.poll_request() {
            let begin = part as usize * PART as usize;
            let bytes = &info[begin..info.len().min(begin + PART as usize)];
            told.push((peer, fetch.handle_data(peer, part, bytes, now)));
        }
        told
    }

    #[test]
    fn it_is_asked_for_part_by_part() {
        let (info, now) = (info(), Instant::now());
        let mut fetch = Fetch::new(InfoHash::of(&info), 1 << 20);
        fetch.handle_offer(ANN, info.len() as u64, now);
        let told = answer(&mut fetch, &info, now);
        assert_eq!(told.len(), 7);
        assert_eq!(told.last(), Some(&(ANN, Fetched::Whole(info))));
    }

    #[test]
    fn who_sends_another_one_is_the_liar_and_others_are_asked() {
        let (info, now) = (info(), Instant::now());
        let mut fetch = Fetch::new(InfoHash::of(&info), 1 << 20);
        fetch.handle_offer(EVE, info.len() as u64, now);
        let told = answer(&mut fetch, &vec![7; info.len()], now);
        assert_eq!(told.last(), Some(&(EVE, Fetched::Wrong)));
        fetch.handle_offer(ANN, info.len() as u64, now);
        let told = answer(&mut fetch, &info, now);
        assert_eq!(told.last(), Some(&(ANN, Fetched::Whole(info))));
    }

    #[test]
    fn a_size_beyond_the_limit_is_not_asked_for() {
        let now = Instant::now();
        let mut fetch = Fetch::new(InfoHash::of(b""), 1_000);
        for size in [0, 1_001, u64::MAX] {
            fetch.handle_offer(EVE, size, now);
        }
        assert_eq!(fetch.poll_request(), None);
    }

    #[test]
    fn three_hundred_silent_peers_hold_it_up_for_no_longer_than_their_turns() {
        let (info, begun) = (info(), Instant::now());
        let mut fetch = Fetch::new(InfoHash::of(&info), 1 << 20);
        (100..103).for_each(|peer| fetch.handle_offer(PeerKey(peer), 1_000, begun));
        fetch.handle_offer(ANN, info.len() as u64, begun);
        while fetch.poll_request().is_some() {}
        let later = begun + PATIENCE;
        fetch.handle_time(later);
        let asked: Vec<_> = std::iter::from_fn(|| fetch.poll_request()).collect();
        assert!(asked.contains(&(ANN, 0)), "{asked:?}");
        fetch.handle_data(ANN, 0, &info[..PART as usize], later);
        fetch.handle_gone(ANN, later);
        assert!(std::iter::from_fn(|| fetch.poll_request()).all(|(peer, _)| peer != ANN));
    }

    #[test]
    fn parts_that_were_not_asked_for_are_passed_over() {
        let now = Instant::now();
        let mut fetch = Fetch::new(InfoHash::of(b""), 1 << 20);
        fetch.handle_offer(ANN, 20_000, now);
        for (part, length) in [(1, 3_616), (0, 5), (u32::MAX, 0), (0, 16_385)] {
            assert_eq!(fetch.handle_data(ANN, part, &vec![0; length], now), Fetched::Part);
        }
        assert_eq!(fetch.handle_data(EVE, 0, &[0; 16_384], now), Fetched::Part);
        assert_eq!(fetch.tries[&ANN].bytes, [0; 0]);
    }
}
