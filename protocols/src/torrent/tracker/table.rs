//! Torrents, and who shares them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::TrackerLimits;
use crate::torrent::InfoHash;
use crate::torrent::wire::announce::{Announce, Answer, Counts, Event, Progress};

/// Torrents, and who shares them.
#[derive(Debug)]
pub(super) struct Table {
    limits: TrackerLimits,
    /// None is without peers.
    torrents: HashMap<InfoHash, Torrent>,
    /// Those of all torrents.
    peers: usize,
    swept: Instant,
}

#[derive(Debug, Default)]
struct Torrent {
    /// A peer is where it can be reached: several may be at one address, and one that starts anew is the same.
    peers: IndexMap<SocketAddr, Peer>,
    /// Those of them that have everything.
    seeders: usize,
    completed: u32,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    heard: Instant,
    is_seed: bool,
}

/// How often all is looked through for peers that are gone.
const REST: Duration = Duration::from_secs(60);

/// Peers for who does not say how many.
const USUAL: u32 = 50;

impl Table {
    pub(super) fn new(limits: TrackerLimits, now: Instant) -> Self {
        Self { limits, torrents: HashMap::new(), peers: 0, swept: now }
    }

    /// Notes a peer, and tells it of others; `None` if there is no room for another torrent. `random` says with whom
    /// the list begins.
    pub(super) fn announce(
        &mut self,
        announce: &Announce,
        from: IpAddr,
        now: Instant,
        random: u64,
    ) -> Option<Answer> {
        self.sweep(now);
        let place = SocketAddr::new(from.to_canonical(), announce.port);
        if announce.event == Event::Stopped {
            self.remove(announce.hash, place);
        } else {
            self.note(announce, place, now)?;
        }
        let torrent = self.torrents.get(&announce.hash);
        let counts = torrent.map(Torrent::counts).unwrap_or_default();
        let mut answer = Answer {
            interval: self.limits.interval,
            least_interval: Some(self.limits.least_interval),
            seeders: Some(counts.seeders),
            leechers: Some(counts.leechers),
            ..Answer::default()
        };
        if let (Some(torrent), true) = (torrent, announce.event != Event::Stopped) {
            let want = announce.want.unwrap_or(USUAL).min(self.limits.answered) as usize;
            let forgotten = now.checked_sub(self.limits.memory());
            let is_there = |peer: &Peer| forgotten.is_none_or(|then| peer.heard > then);
            let others = torrent.others(place, needs_no_seed(&announce.progress), random);
            let others = others.filter(|(_, peer)| is_there(peer)).map(|(place, _)| place);
            answer.peers = others.take(want).collect();
        }
        Some(answer)
    }

    /// How many peers a torrent has.
    pub(super) fn counts(&self, hash: InfoHash) -> Counts {
        self.torrents.get(&hash).map(Torrent::counts).unwrap_or_default()
    }

    pub(super) fn torrents(&self) -> usize {
        self.torrents.len()
    }

    pub(super) fn peers(&self) -> usize {
        self.peers
    }

    fn note(&mut self, announce: &Announce, place: SocketAddr, now: Instant) -> Option<()> {
        let is_full = self.peers >= self.limits.peers;
        if !self.torrents.contains_key(&announce.hash)
            && (is_full || self.torrents.len() >= self.limits.torrents)
        {
            return None;
        }
        let torrent = self.torrents.entry(announce.hash).or_default();
        let known = torrent.peers.get(&place).copied();
        if known.is_none() && is_full {
            return Some(());
        }
        let is_seed = announce.progress.left == 0;
        let was_seed = known.is_some_and(|peer| peer.is_seed);
        if announce.event == Event::Completed && known.is_some() && !was_seed {
            torrent.completed = torrent.completed.saturating_add(1);
        }
        self.peers += usize::from(known.is_none());
        torrent.seeders += usize::from(is_seed);
        torrent.seeders -= usize::from(was_seed);
        torrent.peers.insert(place, Peer { heard: now, is_seed });
        Some(())
    }

    fn remove(&mut self, hash: InfoHash, place: SocketAddr) {
        let Some(torrent) = self.torrents.get_mut(&hash) else {
            return;
        };
        if let Some(peer) = torrent.peers.swap_remove(&place) {
            self.peers -= 1;
            torrent.seeders -= usize::from(peer.is_seed);
        }
        if torrent.peers.is_empty() {
            self.torrents.remove(&hash);
        }
    }

    /// Forgets who is gone, from time to time.
    fn sweep(&mut self, now: Instant) {
        if now < self.swept + REST {
            return;
        }
        self.swept = now;
        let Some(then) = now.checked_sub(self.limits.memory()) else {
            return;
        };
        self.torrents.retain(|_, torrent| {
            torrent.peers.retain(|_, peer| peer.heard > then);
            torrent.seeders = torrent.peers.values().filter(|peer| peer.is_seed).count();
            !torrent.peers.is_empty()
        });
        self.peers = self.torrents.values().map(|torrent| torrent.peers.len()).sum();
    }
}

impl Torrent {
    fn counts(&self) -> Counts {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Counts {
            seeders: count(self.seeders),
            completed: self.completed,
            leechers: count(self.peers.len() - self.seeders),
        }
    }

    /// All but one; a seed has nothing to say to another.
    fn others(
        &self,
        place: SocketAddr,
        needs_no_seed: bool,
        random: u64,
    ) -> impl Iterator<Item = (SocketAddr, &Peer)> {
        let first = (random % self.peers.len().max(1) as u64) as usize;
        let (late, early) = (self.peers.iter().skip(first), self.peers.iter().take(first));
        late.chain(early)
            .filter(move |(other, peer)| **other != place && !(needs_no_seed && peer.is_seed))
            .map(|(other, peer)| (*other, peer))
    }
}

/// Whether it is a seed beyond doubt. aria2 says that nothing is missing as long as it has the link only, and does not know
/// what is: so may anybody who has neither sent nor had anything.
fn needs_no_seed(progress: &Progress) -> bool {
    progress.left == 0 && (progress.uploaded, progress.downloaded) != (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table, and what time it is there.
    struct Scene {
        table: Table,
        now: Instant,
    }

    impl Scene {
        fn new(limits: TrackerLimits) -> Self {
            let now = Instant::now();
            Self { table: Table::new(limits, now), now }
        }

        /// The ports of the peers that a peer is told of, which has sent something; all are at one address.
        fn says(&mut self, torrent: u8, port: u16, left: u64, event: Event) -> Option<Vec<u16>> {
            self.says_of_itself(torrent, port, Progress { uploaded: 1, left, downloaded: 0 }, event)
        }

        fn says_of_itself(
            &mut self,
            torrent: u8,
            port: u16,
            progress: Progress,
            event: Event,
        ) -> Option<Vec<u16>> {
            let announce = Announce {
                hash: [torrent; 20].into(),
                peer: [0; 20].into(),
                port,
                progress,
                event,
                want: None,
                key: 0,
            };
            let answer = self.table.announce(&announce, [192, 0, 2, 1].into(), self.now, 0)?;
            let mut ports: Vec<_> = answer.peers.iter().map(SocketAddr::port).collect();
            ports.sort_unstable();
            assert!(ports.windows(2).all(|two| two[0] != two[1]), "nobody twice");
            Some(ports)
        }

        fn counts(&self, torrent: u8) -> (u32, u32, u32) {
            let counts = self.table.counts([torrent; 20].into());
            (counts.seeders, counts.completed, counts.leechers)
        }
    }

    #[test]
    fn peers_hear_of_each_other_and_not_of_themselves() {
        let mut scene = Scene::new(TrackerLimits::default());
        assert_eq!(scene.says(1, 10, 5, Event::Started), Some(vec![]));
        assert_eq!(scene.says(1, 11, 0, Event::Started), Some(vec![10]));
        assert_eq!(scene.says(1, 10, 5, Event::Regular), Some(vec![11]));
        assert_eq!(scene.says(1, 12, 0, Event::Started), Some(vec![10]), "seeds need no seeds");
        assert_eq!(scene.says(2, 13, 5, Event::Started), Some(vec![]), "another torrent");
        assert_eq!(scene.counts(1), (2, 0, 1));
        assert_eq!(scene.says(1, 10, 0, Event::Completed), Some(vec![]));
        assert_eq!(scene.says(1, 10, 0, Event::Completed), Some(vec![]), "said twice");
        assert_eq!(scene.counts(1), (3, 1, 0));
        assert_eq!(scene.says(1, 11, 0, Event::Stopped), Some(vec![]));
        assert_eq!(scene.says(1, 11, 0, Event::Stopped), Some(vec![]), "said twice");
        assert_eq!(scene.counts(1), (2, 1, 0));
        scene.says(1, 10, 0, Event::Stopped);
        scene.says(1, 12, 0, Event::Stopped);
        assert_eq!((scene.table.torrents(), scene.table.peers()), (1, 1));
    }

    #[test]
    fn who_may_have_the_link_only_is_told_of_seeds_though_it_says_that_nothing_is_missing() {
        let mut scene = Scene::new(TrackerLimits::default());
        scene.says(1, 10, 0, Event::Started);
        let mut aria2 = Progress::default();
        for (downloaded, told) in [(0, vec![10]), (1, vec![])] {
            aria2.downloaded = downloaded;
            assert_eq!(scene.says_of_itself(1, 11, aria2, Event::Regular), Some(told));
        }
    }

    #[test]
    fn who_is_not_heard_of_is_forgotten() {
        let limits =
            TrackerLimits { interval: Duration::from_secs(100), ..TrackerLimits::default() };
        let mut scene = Scene::new(limits);
        scene.says(1, 10, 0, Event::Started);
        scene.says(2, 10, 0, Event::Started);
        scene.now += Duration::from_secs(149);
        assert_eq!(scene.says(1, 11, 5, Event::Started), Some(vec![10]));
        scene.now += Duration::from_secs(1);
        assert_eq!(
            scene.says(1, 11, 5, Event::Regular),
            Some(vec![]),
            "not swept, and not told of"
        );
        scene.now += Duration::from_secs(60);
        assert_eq!(scene.says(1, 11, 5, Event::Regular), Some(vec![]));
        assert_eq!((scene.table.torrents(), scene.table.peers()), (1, 1));
        assert_eq!(scene.counts(1), (0, 0, 1));
    }

    #[test]
    fn torrents_and_peers_are_bounded() {
        let limits =
            TrackerLimits { torrents: 2, peers: 3, answered: 2, ..TrackerLimits::default() };
        let mut scene = Scene::new(limits);
        assert!(scene.says(1, 10, 5, Event::Started).is_some());
        assert!(scene.says(2, 10, 5, Event::Started).is_some());
        assert_eq!(scene.says(3, 10, 5, Event::Started), None);
        assert_eq!(scene.says(3, 10, 5, Event::Stopped), Some(vec![]), "it leaves nothing behind");
        assert!(scene.says(1, 11, 5, Event::Started).is_some());
        assert_eq!(
            scene.says(1, 12, 5, Event::Started),
            Some(vec![10, 11]),
            "told, and not listed"
        );
        assert_eq!(scene.says(1, 10, 5, Event::Regular), Some(vec![11]), "who is known is known");
        assert_eq!((scene.table.torrents(), scene.table.peers()), (2, 3));
        scene.says(2, 10, 5, Event::Stopped);
        (12..20).for_each(|port| drop(scene.says(1, port, 5, Event::Started)));
        assert_eq!(scene.says(1, 10, 5, Event::Regular).map(|ports| ports.len()), Some(2));
    }

    #[test]
    fn lists_begin_with_another_each_time() {
        let mut scene = Scene::new(TrackerLimits { answered: 1, ..TrackerLimits::default() });
        (10..20).for_each(|port| drop(scene.says(1, port, 5, Event::Started)));
        let torrent = &scene.table.torrents[&[1; 20].into()];
        let nobody = SocketAddr::from(([192, 0, 2, 9], 1));
        let firsts = (0..10).filter_map(|random| torrent.others(nobody, false, random).next());
        assert_eq!(
            firsts.map(|(place, _)| place.port()).collect::<Vec<_>>(),
            (10..20).collect::<Vec<_>>()
        );
    }
}
