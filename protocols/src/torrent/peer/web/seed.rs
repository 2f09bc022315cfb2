//! One web seed: what it was asked for, and when it is left alone. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::path::Component;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use reactor::Backoff;

use super::WebFailed;
use super::run::{Part, Run, Step, Whole};
use crate::http::client::Url;
use crate::torrent::machine::{PeerKey, PeerView};
use crate::torrent::wire::message::Block;
use crate::torrent::wire::{Info, Layout};

/// Files that have moved for good, and are remembered to have.
const MOVED: usize = 1_000;
/// How long it is left alone after the first failure, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// What is in a path as it is (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One web seed of a torrent.
#[derive(Debug)]
pub(in crate::torrent::peer) struct WebSeed {
    pub(in crate::torrent::peer) key: PeerKey,
    /// As the torrent says it.
    pub(in crate::torrent::peer) url: String,
    state: State,
    /// What it was asked for, and nobody has fetched.
    queue: VecDeque<Block>,
    /// Where files are that it said have moved for good.
    moved: BTreeMap<usize, Url>,
    backoff: Backoff,
    runs: u64,
}

/// ```text
///            ┌──── it is time, and something is missing ────┐
///            │                                              ▼
///          Away ◀── it has failed, or nothing is missing ── Idle ◀──────▶ Fetching
///                                                           └─ it lies, it has not got it ──▶ Over
/// ```
#[derive(Debug)]
enum State {
    /// It is asked for nothing until then.
    Away(Instant),
    Idle,
    Fetching(Run),
    Over,
}

/// What can be told of a web seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRow {
    /// Where it is, as the torrent says it.
    pub url: String,
    /// What goes on with it; nothing, if it is not asked now.
    pub view: Option<PeerView>,
}

impl WebSeed {
    pub(in crate::torrent::peer) fn new(key: PeerKey, url: String, now: Instant) -> Self {
        let state = State::Away(now);
        let backoff = Backoff::new(REST.0, REST.1);
        let (queue, moved) = Default::default();
        Self { key, url, state, queue, moved, backoff, runs: 0 }
    }

    /// Whether it can be asked again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Away(then) if then <= now)
    }

    /// Away → Idle.
    pub(super) fn join(&mut self) {
        self.state = State::Idle;
    }

    /// It is asked for a block.
    pub(super) fn ask(&mut self, block: Block) {
        self.queue.push_back(block);
    }

    /// A block is not needed any more. What is under way comes all the same.
    pub(super) fn call_off(&mut self, block: Block) {
        self.queue.retain(|asked| *asked != block);
    }

    /// Idle → Fetching: the number of the run that has begun.
    pub(super) fn begin(&mut self, info: &Info) -> Option<u64> {
        if !matches!(self.state, State::Idle) {
            return None;
        }
        self.runs += 1;
        let run = Run::begin(self.runs, &mut self.queue, info)?;
        self.state = State::Fetching(run);
        Some(self.runs)
    }

    /// The run of this number, if that is under way.
    pub(super) fn run(&mut self, number: u64) -> Option<&mut Run> {
        match &mut self.state {
            State::Fetching(run) if run.number == number => Some(run),
            _ => None,
        }
    }

    /// What is to be asked next. Fetching → Idle, if that is nothing.
    pub(super) fn next(
        &mut self,
        number: u64,
        info: &Info,
        whole: &mut Vec<Whole>,
    ) -> Option<Part> {
        match self.run(number)?.next(info, whole) {
            Step::Ask(part) => Some(part),
            Step::Done => {
                self.backoff.reset();
                self.state = State::Idle;
                None
            }
        }
    }

    /// It has failed: how long it is left alone; for ever, if that is `None`.
    pub(super) fn fail(&mut self, why: &WebFailed, now: Instant, random: u64) -> Option<Duration> {
        self.queue.clear();
        if why.is_final() {
            self.state = State::Over;
            return None;
        }
        let pause = self.backoff.pause(random);
        self.state = State::Away(now + pause);
        Some(pause)
    }

    /// Nothing is missing now.
    pub(super) fn part(&mut self, now: Instant) {
        self.queue.clear();
        if !matches!(self.state, State::Over) {
            self.state = State::Away(now);
        }
    }

    // ── where files are ─────────────────────────────────────────────────────────────────────

    /// Where a file is.
    pub(super) fn place(&self, file: usize, info: &Info) -> Result<Url, WebFailed> {
        match self.moved.get(&file) {
            Some(url) => Ok(url.clone()),
            None => Ok(place(&self.url, file, info).parse()?),
        }
    }

    /// A file has moved for good.
    pub(super) fn handle_moved(&mut self, file: usize, url: Url) {
        if self.moved.len() < MOVED {
            self.moved.insert(file, url);
        }
    }
}

/// Where a file of a torrent is (BEP 19): the address itself, if that is not a folder's and there is only one file;
/// else beneath it, under the torrent's name.
fn place(url: &str, file: usize, info: &Info) -> String {
    if info.layout() == Layout::Single && !url.ends_with('/') {
        return url.to_owned();
    }
    let mut place = url.trim_end_matches('/').to_owned();
    let names = info.files().get(file).into_iter().flat_map(|file| file.path.components());
    for name in names {
        if let Component::Normal(name) = name {
            place.push('/');
            place.extend(percent_encode(name.as_encoded_bytes(), ENCODED));
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrent::MetainfoLimits;
    use crate::torrent::wire::bencode;

    fn info(files: &[(&str, usize)]) -> Info {
        let length: usize = files.iter().map(|(_, length)| length).sum();
        let raw = bencode::dictionary(|info| {
            if let [(_, length)] = files {
                info.integer("length", *length as i64);
            } else {
                info.list("files", |list| {
                    for (name, length) in files {
                        list.dictionary(|file| {
                            if name.is_empty() {
                                file.bytes("attr", "p");
                            }
                            file.integer("length", *length as i64);
                            file.list("path", |path| {
                                path.bytes(if name.is_empty() { "pad" } else { name })
                            });
                        });
                    }
                });
            }
            info.bytes("name", "a b");
            info.integer("piece length", 16_384);
            info.bytes("pieces", vec![0; 20 * length.div_ceil(16_384)]);
        });
        Info::parse(raw.into(), &MetainfoLimits::default()).expect("it is a torrent")
    }

    #[test]
    fn a_file_is_where_its_torrent_says_it_is() {
        let (one, two) = (info(&[("", 5)]), info(&[("x/?&#%ä", 5), ("y", 5)]));
        for (url, torrent, file, at) in [
            ("http://h/file?x=1", &one, 0, "http://h/file?x=1"),
            ("http://h/dir/", &one, 0, "http://h/dir/a%20b"),
            ("http://h/dir/", &two, 1, "http://h/dir/a%20b/y"),
            ("http://h/dir", &two, 0, "http://h/dir/a%20b/x_%3F%26%23%25%C3%A4"),
        ] {
            if cfg!(unix) {
                assert_eq!(place(url, file, torrent), at);
            }
        }
    }

    #[test]
    fn a_run_is_blocks_behind_each_other_and_padding_is_not_asked_for() {
        // 16,384 bytes of one file; 100 of another, and padding to the end of the piece; a third.
        let info = info(&[("a", 16_384), ("b", 100), ("", 16_284), ("c", 50)]);
        let block = |piece, begin, length| Block { piece, begin, length };
        let blocks = [block(0, 0, 16_384), block(1, 0, 16_384), block(2, 0, 50)];
        let mut seed = WebSeed::new(PeerKey(1), "http://h/".to_owned(), Instant::now());
        seed.join();
        blocks.into_iter().for_each(|block| seed.ask(block));
        seed.ask(block(0, 0, 1_000));
        let number = seed.begin(&info).expect("there is something to fetch");
        assert_eq!(seed.begin(&info), None, "one run at a time");
        let mut whole = Vec::new();
        for (file, length) in [(0, 16_384), (1, 100), (2, 50)] {
            let part = seed.next(number, &info, &mut whole);
            assert_eq!(part, Some(Part { file, offset: 0, length }));
            let run = seed.run(number).expect("it is under way");
            for byte in 0..length {
                assert!(!run.is_answered());
                assert!(run.take(&[byte as u8], &mut whole));
            }
            assert!(run.is_answered() && !run.take(&[1], &mut whole), "more than was asked for");
        }
        assert_eq!(seed.next(number, &info, &mut whole), None);
        assert_eq!(whole.iter().map(|(block, _)| *block).collect::<Vec<_>>(), blocks);
        let padded = &whole[1].1;
        assert!(padded[99] == 99 && padded[100..].iter().all(|byte| *byte == 0));
        assert!(seed.run(number).is_none(), "it is over");
        assert_eq!(seed.begin(&info), Some(number + 1), "the one that is elsewhere is by itself");
    }

    #[test]
    fn who_fails_is_left_alone_for_longer_and_longer_and_who_has_nothing_for_ever() {
        let (info, mut now) = (info(&[("", 5)]), Instant::now());
        let mut seed = WebSeed::new(PeerKey(1), "http://h/".to_owned(), now);
        let mut before = Duration::ZERO;
        for _ in 0..4 {
            assert!(seed.is_due(now));
            seed.join();
            seed.ask(Block { piece: 0, begin: 0, length: 5 });
            assert!(seed.begin(&info).is_some());
            let pause =
                seed.fail(&WebFailed::Status(503), now, u64::MAX).expect("it may come back");
            assert!(pause > before && !seed.is_due(now));
            (now, before) = (now + pause, pause);
        }
        seed.join();
        assert_eq!(seed.fail(&WebFailed::Status(404), now, 0), None);
        seed.part(now);
        assert!(!seed.is_due(now + Duration::from_secs(1 << 20)));
    }
}
