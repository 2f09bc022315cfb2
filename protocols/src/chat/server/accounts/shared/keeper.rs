//! The store itself, over NATS: what was changed here is written, and what others have written is told.
//!
//! ```text
//!   Closed ──the bucket is made, or there──▶ Watching ──the watch has ended──▶ Closed, asked again after a while
//!
//!   a commit:   key ─▶ key ─▶ … ─▶ done           one after the other; another commit's write of the same key is waited for
//!                │
//!                └─ another was first: ask what there is ─▶ again, settled, or lost: the rest is taken back
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::Registry;

use super::{Book, Conflict, Key, Touched, Want};
use crate::chat::server::accounts::NotSaved;
use crate::nats::kv::{Config, Entry, KeyValue, KvError, Operation, WatchEvent};
use crate::nats::{Client, PublishError, RequestError};

/// How long the store may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long after a failure the store is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Commits at one time; beyond it [`NotSaved::Refused`]. Each waits for a round trip to the store and for the disk there,
/// so that these are as many changes as hundreds of users make in the same moment.
const MOST_COMMITS: usize = 1_000;

/// Bytes of an entry: a channel with a topic and modes as long as
/// [`AccountLimits::text`](crate::chat::accounts::AccountLimits::text) allows, and room for longer ones.
const MOST_BYTES: u32 = 128 * 1024;

/// Has accounts kept in the store. Clones are the same one.
pub(in crate::chat::server) struct Keeper<App>(Rc<Inner<App>>);

struct Inner<App> {
    client: Client<App>,
    store: KeyValue<App>,
    hooks: Hooks<App>,
    commits: RefCell<Commits<App>>,
    /// Why the store is not there, as it was told last.
    lost: RefCell<Option<KvError>>,
}

/// What a keeper has of its application.
pub(in crate::chat::server) struct Hooks<App> {
    /// Where the book is; none if the accounts are not shared.
    pub(in crate::chat::server) book: for<'a> fn(&'a mut App) -> Option<Book<'a>>,
    /// Something of the tables is other than it was.
    pub(in crate::chat::server) on_touched: fn(&mut Registry<App>, &mut App, Touched),
    /// All of the store has been told, for the first time or again.
    pub(in crate::chat::server) on_known: fn(&mut Registry<App>, &mut App),
    /// The store is not there, or not any more, or for another reason than before: it is asked again.
    pub(in crate::chat::server) on_lost: fn(&mut Registry<App>, &mut App, &KvError),
}

struct Commits<App> {
    last: u64,
    open: BTreeMap<u64, Commit<App>>,
    /// The commit that writes a key, and those that wait for that.
    busy: BTreeMap<Key, Busy>,
}

struct Busy {
    writes: u64,
    waiting: VecDeque<u64>,
}

struct Commit<App> {
    /// What has yet to be written.
    keys: VecDeque<Key>,
    done: Done<App>,
    /// What decides was an end, and is written: what is left belongs to nobody.
    is_decided: bool,
}

pub(super) type Done<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<(), NotSaved>)>;

impl<App: 'static> Keeper<App> {
    /// Keeps accounts in this bucket. It begins with [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// If no bucket can have this name.
    pub(in crate::chat::server) fn new(
        client: &Client<App>,
        bucket: &str,
        hooks: Hooks<App>,
    ) -> Result<Self, KvError> {
        let store = KeyValue::new(client, bucket, TIMEOUT)?;
        let commits = Commits { last: 0, open: BTreeMap::new(), busy: BTreeMap::new() };
        let (client, commits, lost) = (client.clone(), RefCell::new(commits), RefCell::default());
        Ok(Self(Rc::new(Inner { client, store, hooks, commits, lost })))
    }

    /// Asks whether the store can be reached.
    pub(in crate::chat::server) fn reach(&self) -> impl Fn() -> bool + 'static {
        let client = self.0.client.clone();
        move || client.is_connected()
    }

    // ── opening, and the watch ──────────────────────────────────────────────────────────────

    /// Makes the bucket unless it is there, and has everything told that is in it. While there is no answer it is asked
    /// again.
    pub(in crate::chat::server) fn open(&self, registry: &mut Registry<App>) {
        let config = Config { max_value_size: Some(MOST_BYTES), ..Config::default() };
        let keeper = self.clone();
        let asked = self.0.store.create_bucket(registry, &config, move |registry, app, made| {
            match made {
                // Whoever has made it knows better how it is to be kept: on several servers, say.
                Ok(()) | Err(KvError::OtherBucket) => keeper.watch(registry, app),
                Err(error) => keeper.handle_lost(registry, app, &error, Self::open),
            }
        });
        self.expect(registry, asked, Self::open);
    }

    /// As [`open`](Self::open), a bucket that was there before: one that is gone is not to come back empty, and every
    /// account with it.
    fn open_again(&self, registry: &mut Registry<App>) {
        let keeper = self.clone();
        let asked = self.0.store.bind(registry, move |registry, app, there| match there {
            Ok(()) => keeper.watch(registry, app),
            Err(error) => keeper.handle_lost(registry, app, &error, Self::open_again),
        });
        self.expect(registry, asked, Self::open_again);
    }

    fn watch(&self, registry: &mut Registry<App>, app: &mut App) {
        let Some(mut book) = (self.0.hooks.book)(app) else { return };
        book.begin();
        let keeper = self.clone();
        let watching = self.0.store.watch(registry, ">", move |registry, app, event| {
            keeper.handle_event(registry, app, event);
        });
        self.expect(registry, watching.map(drop), Self::open_again);
    }

    fn handle_event(&self, registry: &mut Registry<App>, app: &mut App, event: WatchEvent<'_>) {
        let Some(mut book) = (self.0.hooks.book)(app) else { return };
        match event {
            WatchEvent::Entry(entry) => {
                let told = book.handle_told(entry.key, value(&entry), entry.revision);
                self.tell(registry, app, told);
            }
            WatchEvent::CaughtUp => {
                let touched = book.handle_caught_up();
                self.tell(registry, app, touched);
                self.0.lost.take();
                (self.0.hooks.on_known)(registry, app);
            }
            WatchEvent::Ended(error) => {
                book.handle_end();
                self.handle_lost(registry, app, &error, Self::open_again);
            }
        }
    }

    fn handle_lost(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        error: &KvError,
        again: fn(&Self, &mut Registry<App>),
    ) {
        // Whoever has closed the client knows.
        if self.0.client.is_closed() {
            return;
        }
        let before = self.0.lost.replace(Some(error.clone()));
        if before.as_ref() != Some(error) {
            (self.0.hooks.on_lost)(registry, app, error);
        }
        self.later(registry, again);
    }

    /// If it could not even be asked, it is asked later.
    fn expect(
        &self,
        registry: &mut Registry<App>,
        asked: Result<(), KvError>,
        again: fn(&Self, &mut Registry<App>),
    ) {
        if let Err(error) = asked {
            let keeper = self.clone();
            registry.defer(move |registry, app| keeper.handle_lost(registry, app, &error, again));
        }
    }

    fn later(&self, registry: &mut Registry<App>, again: fn(&Self, &mut Registry<App>)) {
        let keeper = self.clone();
        // Without a timer the store is as good as gone: what is known is read, and nothing changed.
        let _ = registry.after(PAUSE, move |registry, _| again(&keeper, registry));
    }

    fn tell(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        touched: impl IntoIterator<Item = Touched>,
    ) {
        for touched in touched {
            (self.0.hooks.on_touched)(registry, app, touched);
        }
    }

    // ── commits ─────────────────────────────────────────────────────────────────────────────

    /// Has written what was changed since the last commit; `done` is told when it is, or that it is taken back, never
    /// before this call returns.
    pub(super) fn commit(&self, registry: &mut Registry<App>, mut book: Book<'_>, done: Done<App>) {
        let keys = book.commit();
        if keys.is_empty() {
            return registry.defer(|registry, app| done(registry, app, Ok(())));
        }
        let is_full = self.0.commits.borrow().open.len() >= MOST_COMMITS;
        if is_full || !book.shared.can_change() {
            let full = || NotSaved::Refused("too much is being changed at one time".to_owned());
            let why = if is_full { full() } else { NotSaved::Away };
            let touched = keys.iter().map(|key| book.handle_refused(key)).collect();
            return self.end_later(registry, touched, vec![(done, Err(why))]);
        }
        let id = {
            let mut commits = self.0.commits.borrow_mut();
            commits.last += 1;
            let (id, keys) = (commits.last, keys.into());
            commits.open.insert(id, Commit { keys, done, is_decided: false });
            id
        };
        self.advance(registry, &mut book, id);
    }

    /// Has the next key of a commit written, unless that has to wait for another one.
    fn advance(&self, registry: &mut Registry<App>, book: &mut Book<'_>, id: u64) {
        let mut ready = VecDeque::from([id]);
        while let Some(id) = ready.pop_front() {
            let Some(key) = self.0.commits.borrow_mut().take_turn(id) else { continue };
            let Some(key) = key else {
                self.finish(registry, id);
                continue;
            };
            match book.want(&key) {
                Want::Nothing => {
                    let touched = book.handle_written(&key, &Want::Nothing, 0);
                    self.tell_later(registry, vec![touched]);
                    ready.extend(self.0.commits.borrow_mut().written(id, &key, false));
                }
                Want::Impossible => self.fail(registry, book, id, &key, NotSaved::Conflict),
                want => {
                    if let Err(error) = self.ask(registry, id, key.clone(), want) {
                        self.fail(registry, book, id, &key, error.into());
                    }
                }
            }
        }
    }

    fn ask(
        &self,
        registry: &mut Registry<App>,
        id: u64,
        key: Key,
        want: Want,
    ) -> Result<(), KvError> {
        let (store, text, wanted) = (&self.0.store, key.text(), want.clone());
        let keeper = self.clone();
        let answered = move |registry: &mut Registry<App>, app: &mut App, told| {
            keeper.handle_answer(registry, app, id, &key, &wanted, told);
        };
        match &want {
            Want::Create(value) => store.create(registry, &text, value.as_bytes(), answered),
            Want::Update(value, revision) => {
                store.update(registry, &text, value.as_bytes(), *revision, answered)
            }
            Want::Delete(revision) => store.delete(registry, &text, Some(*revision), answered),
            Want::Nothing | Want::Impossible => Ok(()),
        }
    }

    fn handle_answer(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        id: u64,
        key: &Key,
        want: &Want,
        told: Result<u64, KvError>,
    ) {
        let Some(mut book) = (self.0.hooks.book)(app) else { return };
        match told {
            Ok(revision) => {
                let touched = book.handle_written(key, want, revision);
                let is_end = matches!(want, Want::Delete(_));
                self.go_on(registry, app, id, key, is_end, touched);
            }
            Err(KvError::Exists | KvError::WrongRevision) => {
                self.look(registry, app, id, key.clone());
            }
            Err(error) => self.fail(registry, &mut book, id, key, error.into()),
        }
    }

    /// A key is written.
    fn go_on(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        id: u64,
        key: &Key,
        is_end: bool,
        touched: Touched,
    ) {
        // What follows of it comes first, and then those who wait hear of it.
        self.tell(registry, app, [touched]);
        let ready = self.0.commits.borrow_mut().written(id, key, is_end);
        let Some(mut book) = (self.0.hooks.book)(app) else { return };
        for id in ready {
            self.advance(registry, &mut book, id);
        }
    }

    /// Another one has written before: what is there now?
    fn look(&self, registry: &mut Registry<App>, app: &mut App, id: u64, key: Key) {
        let (keeper, looked) = (self.clone(), key.clone());
        let asked = self.0.store.entry(registry, &key.text(), move |registry, app, told| {
            keeper.handle_look(registry, app, id, &looked, told);
        });
        if let Err(error) = asked
            && let Some(mut book) = (self.0.hooks.book)(app)
        {
            self.fail(registry, &mut book, id, &key, error.into());
        }
    }

    fn handle_look(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        id: u64,
        key: &Key,
        told: Result<Option<Entry<'_>>, KvError>,
    ) {
        let Some(mut book) = (self.0.hooks.book)(app) else { return };
        match told {
            Ok(Some(entry)) => drop(book.handle_entry(entry.key, value(&entry), entry.revision)),
            Ok(None) => {}
            Err(error) => return self.fail(registry, &mut book, id, key, error.into()),
        }
        match book.handle_conflict(key) {
            Conflict::Again => self.advance(registry, &mut book, id),
            Conflict::Settled => {
                let touched = book.handle_written(key, &Want::Nothing, 0);
                self.go_on(registry, app, id, key, true, touched);
            }
            Conflict::Lost => self.fail(registry, &mut book, id, key, NotSaved::Conflict),
        }
    }

    fn finish(&self, registry: &mut Registry<App>, id: u64) {
        if let Some(commit) = self.0.commits.borrow_mut().open.remove(&id) {
            registry.defer(move |registry, app| (commit.done)(registry, app, Ok(())));
        }
    }

    /// A key is not written: what has yet to be is taken back, here and in the commits that have built on it.
    fn fail(
        &self,
        registry: &mut Registry<App>,
        book: &mut Book<'_>,
        id: u64,
        key: &Key,
        why: NotSaved,
    ) {
        let (mut touched, mut dones) = (Vec::new(), Vec::new());
        for commit in self.0.commits.borrow_mut().failed(id, key) {
            touched.extend(commit.keys.iter().map(|key| book.handle_refused(key)));
            let result = if commit.is_decided { Ok(()) } else { Err(why.clone()) };
            dones.push((commit.done, result));
        }
        self.end_later(registry, touched, dones);
    }

    fn tell_later(&self, registry: &mut Registry<App>, touched: Vec<Touched>) {
        self.end_later(registry, touched, Vec::new());
    }

    fn end_later(
        &self,
        registry: &mut Registry<App>,
        touched: Vec<Touched>,
        dones: Vec<(Done<App>, Result<(), NotSaved>)>,
    ) {
        let keeper = self.clone();
        registry.defer(move |registry, app| {
            keeper.tell(registry, app, touched);
            dones.into_iter().for_each(|(done, result)| done(registry, app, result));
        });
    }
}

impl<App> Commits<App> {
    /// The next key of a commit, if it may be written now; none inside if all are.
    fn take_turn(&mut self, id: u64) -> Option<Option<Key>> {
        let Some(key) = self.open.get(&id)?.keys.front() else { return Some(None) };
        match self.busy.get_mut(key) {
            Some(busy) if busy.writes != id => {
                busy.waiting.push_back(id);
                return None;
            }
            Some(_) => {}
            None => {
                let busy = Busy { writes: id, waiting: VecDeque::new() };
                self.busy.insert(key.clone(), busy);
            }
        }
        Some(Some(key.clone()))
    }

    /// A key is written; the commits that can go on now.
    fn written(&mut self, id: u64, key: &Key, is_end: bool) -> Vec<u64> {
        let mut ready = vec![id];
        if let Some(commit) = self.open.get_mut(&id) {
            commit.keys.pop_front();
            commit.is_decided |= is_end;
        }
        if let Some(mut busy) = self.busy.remove(key)
            && let Some(next) = busy.waiting.pop_front()
        {
            ready.push(next);
            busy.writes = next;
            self.busy.insert(key.clone(), busy);
        }
        ready
    }

    /// A key is not written; the commits that have ended with that: those that waited for it have built on it.
    fn failed(&mut self, id: u64, key: &Key) -> Vec<Commit<App>> {
        let waiting = self.busy.remove(key).map(|busy| busy.waiting).unwrap_or_default();
        std::iter::once(id).chain(waiting).filter_map(|id| self.open.remove(&id)).collect()
    }
}

impl<App> Clone for Keeper<App> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<App> fmt::Debug for Keeper<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeper").field(&self.0.store).finish()
    }
}

fn value<'a>(entry: &Entry<'a>) -> Option<&'a [u8]> {
    (entry.operation == Operation::Put).then_some(entry.value)
}

impl From<KvError> for NotSaved {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Exists | KvError::WrongRevision => Self::Conflict,
            // It may have been carried out.
            KvError::Request(RequestError::TimedOut(_) | RequestError::Lost) => Self::Unanswered,
            KvError::Request(
                error @ (RequestError::Full | RequestError::NotSent(PublishError::Full)),
            ) => Self::Refused(error.to_string()),
            KvError::Request(_) | KvError::NoJetStream | KvError::NoBucket => Self::Away,
            error => Self::Refused(error.to_string()),
        }
    }
}
