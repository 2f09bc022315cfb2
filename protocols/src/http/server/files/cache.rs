//! Answers that are kept in memory: short files, and what compressing made of longer ones.
//!
//! ```text
//!   question ──▶ is there an answer? ──▶ is all as it was seen then? ──▶ it is given again
//!   path, codings       │ no                     │ no                      one system call a path that was
//!                       └───────▶ open ◀─────────┘                         looked at, and no file is opened
//! ```
//!
//! An answer is kept with what was seen when it was found: that some paths led to those files, and others to
//! nothing (a compressed sibling that is not there). So no answer is out of date, also where a file was replaced,
//! or another one stands before it now. What it claims is what its entity tag claims: that a file whose number,
//! size and times are the same has the same bytes.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use foldhash::fast::FixedState;

use super::open::{InMemory, Seen};
use super::reply::Facts;
use crate::http::wire::Coding;
use crate::store::{Entry, Store, VirtualPath};

/// What an answer depends on, beside the files themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) path: VirtualPath,
    /// The path ends with a slash.
    pub(super) is_directory: bool,
    /// The codings that are taken: what lies beside a file in one may come instead, the best first.
    pub(super) codings: [Option<Coding>; 3],
    /// It may come compressed.
    pub(super) compress: bool,
}

/// Few paths are asked for in several ways: the path tells the questions apart.
impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

/// The answers of a loop. They are in two generations: what is asked for again is young again, and when the young
/// ones have half of the memory, the old ones go.
#[derive(Debug)]
pub(super) struct Cache {
    young: Answers,
    old: Answers,
    /// Of the young ones.
    bytes: usize,
    most: usize,
}

/// Only what is there is kept, so nobody who asks chooses the paths: they need no hash that is secret.
type Answers = HashMap<Question, Rc<Cached>, FixedState>;

#[derive(Debug)]
pub(super) struct Cached {
    pub(super) facts: Facts,
    pub(super) memory: InMemory,
    seen: Vec<(VirtualPath, Option<Entry>)>,
    /// When it was last found to be so.
    looked: Cell<Instant>,
}

/// What was looked at so lately is in the system's memory still: asking again does not wait for the disk.
const LATELY: Duration = Duration::from_secs(10);

/// What an answer takes beside its bytes, about: so that a million empty files are bounded too.
const OVERHEAD: usize = 1024;

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { young: Answers::default(), old: Answers::default(), bytes: 0, most }
    }

    /// The answer that was given before, if all is as it was then.
    pub(super) fn get(
        &mut self,
        question: &Question,
        store: &Store,
        now: Instant,
    ) -> Option<Rc<Cached>> {
        let cached = match self.young.get(question) {
            Some(cached) => Rc::clone(cached),
            None => {
                let (question, cached) = self.old.remove_entry(question)?;
                self.add(question, Rc::clone(&cached));
                cached
            }
        };
        let is_lately = now.saturating_duration_since(cached.looked.get()) < LATELY;
        if (is_lately || cached.is_in_memory(store)) && cached.is_as_seen(store) {
            cached.looked.set(now);
            return Some(cached);
        }
        None
    }

    /// Keeps an answer, unless it is too long, or its being out of date could not be told from what it
    /// was when it was looked at.
    pub(super) fn keep(&mut self, question: Question, cached: Cached, looked: SystemTime) {
        // Beside that, what is said of it would change by itself: its date is not a strong one yet.
        let is_settled = cached.facts.validators.is_date_strong
            && cached.seen.iter().all(|(_, entry)| entry.is_none_or(|it| is_settled(&it, looked)));
        if is_settled && cached.bytes() <= self.most / 8 {
            self.old.remove(&question);
            self.add(question, Rc::new(cached));
        }
    }

    fn add(&mut self, question: Question, cached: Rc<Cached>) {
        self.bytes += cached.bytes();
        if let Some(before) = self.young.insert(question, cached) {
            self.bytes -= before.bytes();
        }
        if self.bytes > self.most / 2 {
            (self.old, self.bytes) = (std::mem::take(&mut self.young), 0);
        }
    }

    /// How many answers there are.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

impl Cached {
    /// An answer that has just been found; `None` if more was looked at than paths tell, or it is not to be kept.
    pub(super) fn new(facts: Facts, memory: InMemory, seen: Seen, now: Instant) -> Option<Self> {
        Some(Self { facts, memory, seen: seen?, looked: Cell::new(now) })
    }

    fn bytes(&self) -> usize {
        let paths = self.seen.iter().map(|(path, _)| path.as_bytes().len());
        OVERHEAD + self.memory.bytes.len() + self.facts.bytes() + paths.sum::<usize>()
    }

    fn is_in_memory(&self, store: &Store) -> bool {
        self.seen.iter().all(|(path, _)| store.read_ready(path).is_some())
    }

    fn is_as_seen(&self, store: &Store) -> bool {
        self.seen.iter().all(|(path, seen)| store.entry_again(path) == Some(*seen))
    }
}

/// Whether a change that came after it was looked at, at this time, would be seen. Times are those of the system's
/// last tick, so two changes within one leave the same; some file systems have whole seconds, or two.
fn is_settled(entry: &Entry, looked: SystemTime) -> bool {
    let Some(changed) = entry.changed else {
        return false;
    };
    let since_1970 = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let is_fine = since_1970.subsec_nanos() % 10_000_000 != 0;
    let enough = if is_fine { Duration::from_millis(100) } else { Duration::from_secs(3) };
    looked.duration_since(changed).is_ok_and(|age| age >= enough)
}
