//! Accounts that several servers share: what the store of their network has, and what was changed here since.
//!
//! ```text
//!   create, drop_account … ─▶ Tables ─▶ Changed ──commit──▶ Want: create, update, delete ──▶ the store
//!                               ▲          │                                                  │
//!                  taken back   └──────────┤◀── refused ◀──── another was first ──────────────┤
//!                                          └──▶ Known ◀────── written, and what others wrote ─┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `key`, `entry` | what an entry of the store is called, and what it holds: pure |
//! | `mod` | what is known of each, and what becomes of a change: pure |
//! | `copy` | all of it as text, and back |
//! | `keeper` | the store itself, over NATS: commits, conflicts, and the watch |
//!
//! A change is made in memory at once, as where there is a file, and is taken back if the store does not take it. It
//! demands that the store has what was known here when it was made: of two who change the same at one time, one does.

mod copy;
mod entry;
mod keeper;
mod key;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use reactor::Registry;

use super::NotSaved;
use super::record::Change;
use super::tables::Tables;
use crate::chat::wire::casemap::Folded;
use entry::{Entry, keys_of};

pub use copy::{Imported, NotImported, split_entries};
pub(in crate::chat::server) use keeper::{Hooks, Keeper};
pub(in crate::chat::server) use key::{Key, Kind};

/// What is known of the store, and what was changed here.
#[derive(Default)]
pub(super) struct Shared {
    state: State,
    known: BTreeMap<Key, Known>,
    /// What belongs to each account, be it there or not.
    belongings: BTreeMap<Folded, BTreeSet<Key>>,
    /// The last revision that the watch has told. It tells all of them in their order.
    told: u64,
    changed: BTreeMap<Key, Changed>,
    /// What was changed and not committed yet.
    uncommitted: Vec<Key>,
    /// A [`Keeper`], once there is one.
    pub(super) keeper: Option<Rc<dyn Any>>,
    /// Asks whether the store can be reached.
    pub(super) reach: Option<Box<dyn Fn() -> bool>>,
}

/// How much of the store is known.
///
/// ```text
///   Nothing ──told all──▶ All ──the watch ended──▶ Stale ──another watch──▶ Again ──told all──▶ All
/// ```
#[derive(Debug, Default)]
enum State {
    /// Nobody can be told from anybody.
    #[default]
    Nothing,
    All,
    /// All that there was when it was last heard of.
    Stale,
    /// The same, and it is being told again: these have yet to come.
    Again(BTreeSet<Key>),
}

/// An entry of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    revision: u64,
    text: Box<str>,
}

/// An entry that was changed here, and of which the store has yet to say that it takes that.
#[derive(Debug)]
struct Changed {
    /// The revision that the change was made on; none if there was nothing.
    base: Option<u64>,
    /// What there was.
    before: Option<Box<str>>,
    /// Accounts that were made and dropped since, here alone: somebody may be logged in to one all the same.
    passed: Vec<Box<str>>,
    /// Commits in which it is, and which have not ended.
    commits: usize,
}

/// What the store is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// It has it already.
    Nothing,
    /// What is there is nothing that this version understands.
    Impossible,
    Create(String),
    Update(String, u64),
    Delete(u64),
}

/// What is to be done about a write that another one has come before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// It is what was wanted.
    Settled,
    /// It is to be asked for again, now that more is known.
    Again,
    /// It is not to be.
    Lost,
}

/// Something of the tables is other than it was, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chat::server) struct Touched {
    pub(in crate::chat::server) key: Key,
    /// The account that is gone with it; there may be another one of that name. A session does not say which of the two it
    /// is of, so all of them end, also those of whoever has logged in to the new one meanwhile.
    pub(in crate::chat::server) gone: Option<String>,
    /// What belongs to an account, and was told before it: it was nobody's, and is shown now.
    pub(in crate::chat::server) with: Vec<Key>,
    /// What was changed here was taken back.
    pub(in crate::chat::server) is_taken_back: bool,
}

impl Changed {
    /// What there was, one after the other.
    fn texts(self) -> Vec<Box<str>> {
        self.before.into_iter().chain(self.passed).collect()
    }
}

impl Shared {
    // ── changed here ────────────────────────────────────────────────────────────────────────

    /// A change is about to be made in the tables.
    pub(super) fn touch(&mut self, change: &Change, tables: &Tables) {
        for key in keys_of(change, tables) {
            let known = self.known.get(&key);
            let changed = self.changed.entry(key.clone()).or_insert_with(|| Changed {
                base: known.map(|known| known.revision),
                before: known.map(|known| known.text.clone()),
                passed: Vec::new(),
                commits: 0,
            });
            if matches!(change, Change::Drop { .. }) && key.kind == Kind::Name {
                changed.passed.extend(Entry::write(tables, &key).map(String::into_boxed_str));
            }
            if !self.uncommitted.contains(&key) {
                self.uncommitted.push(key);
            }
        }
    }

    /// What was changed since the last commit, in the order in which it is to be written: an account before what
    /// belongs to it, so that what decides comes first.
    fn take_uncommitted(&mut self) -> Vec<Key> {
        let mut keys = std::mem::take(&mut self.uncommitted);
        keys.sort_by_key(|key| key.kind);
        for key in &keys {
            if let Some(changed) = self.changed.get_mut(key) {
                changed.commits += 1;
            }
        }
        keys
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// Whether all of the store has been told once.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.state, State::Nothing)
    }

    /// Whether the store can be asked for changes now.
    pub(super) fn can_change(&self) -> bool {
        matches!(self.state, State::All) && self.reach.as_ref().is_some_and(|reach| reach())
    }

    // ── the store ───────────────────────────────────────────────────────────────────────────

    /// Notes what the store has at a key, if that is newer.
    fn learn(&mut self, key: &Key, text: Option<&str>, revision: u64) {
        self.note_owner(key, false);
        match text {
            Some(text) => {
                self.known.insert(key.clone(), Known { revision, text: text.into() });
            }
            None => drop(self.known.remove(key)),
        }
        self.note_owner(key, true);
    }

    /// Notes that a key is, or is not any more, of the account that it belongs to.
    fn note_owner(&mut self, key: &Key, belongs: bool) {
        let Some(entry) = self.entry(key) else { return };
        let Some((owner, _)) = entry.owner() else { return };
        let owner = Folded::of(owner);
        if belongs {
            self.belongings.entry(owner).or_default().insert(key.clone());
        } else if let Some(all) = self.belongings.get_mut(&owner) {
            all.remove(key);
            if all.is_empty() {
                self.belongings.remove(&owner);
            }
        }
    }

    fn entry(&self, key: &Key) -> Option<Entry> {
        Entry::read(key, &self.known.get(key)?.text)
    }

    fn text(&self, key: &Key) -> Option<&str> {
        self.known.get(key).map(|known| &*known.text)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, known, told, changed, .. } = self;
        f.debug_struct("Shared")
            .field("state", state)
            .field("known", &known.len())
            .field("told", told)
            .field("changed", changed)
            .finish_non_exhaustive()
    }
}

/// What is shared, and the tables that show it.
#[derive(Debug)]
pub(in crate::chat::server) struct Book<'a> {
    pub(super) tables: &'a mut Tables,
    pub(super) shared: &'a mut Shared,
}

impl Book<'_> {
    // ── what was changed here ───────────────────────────────────────────────────────────────

    /// Has what was changed written by the keeper. There is none yet, or it is that of another application: then
    /// nothing is.
    pub(super) fn commit_by<App: 'static>(
        mut self,
        registry: &mut Registry<App>,
        done: keeper::Done<App>,
    ) {
        let keeper = self.shared.keeper.clone();
        match keeper.as_deref().and_then(|it| it.downcast_ref::<Keeper<App>>()) {
            Some(keeper) => keeper.commit(registry, self, done),
            None => {
                for key in self.commit() {
                    self.handle_refused(&key);
                }
                registry.defer(|registry, app| done(registry, app, Err(NotSaved::Away)));
            }
        }
    }

    /// Begins a commit: what is to be written.
    fn commit(&mut self) -> Vec<Key> {
        self.shared.take_uncommitted()
    }

    /// What the store is to be asked for.
    fn want(&self, key: &Key) -> Want {
        let base = self.shared.changed.get(key).and_then(|changed| changed.base);
        let known = self.shared.known.get(key);
        if known.is_some() && self.shared.entry(key).is_none() {
            return Want::Impossible;
        }
        let view = Entry::write(self.tables, key);
        if view.as_deref() == known.map(|known| &*known.text)
            && base == known.map(|known| known.revision)
        {
            return Want::Nothing;
        }
        match (view, base) {
            (Some(text), None) => Want::Create(text),
            (Some(text), Some(revision)) => Want::Update(text, revision),
            (None, Some(revision)) => Want::Delete(revision),
            (None, None) => Want::Nothing,
        }
    }

    /// The store has what was wanted, at this revision.
    fn handle_written(&mut self, key: &Key, want: &Want, revision: u64) -> Touched {
        let text = match want {
            Want::Create(text) | Want::Update(text, _) => Some(&**text),
            Want::Delete(_) | Want::Nothing | Want::Impossible => None,
        };
        if !matches!(want, Want::Nothing) {
            // Otherwise the watch has told of it, and perhaps of what came behind it.
            if revision > self.shared.told {
                self.shared.learn(key, text, revision);
            }
            if let Some(changed) = self.shared.changed.get_mut(key) {
                changed.base = text.map(|_| revision);
            }
        }
        self.end_one(key)
    }

    /// A commit of this key has ended well.
    fn end_one(&mut self, key: &Key) -> Touched {
        let shared = &mut *self.shared;
        if let Some(changed) = shared.changed.get_mut(key).filter(|it| it.commits > 1) {
            changed.commits -= 1;
            return Touched {
                key: key.clone(),
                gone: None,
                with: Vec::new(),
                is_taken_back: false,
            };
        }
        let before = shared.changed.remove(key).map(Changed::texts).unwrap_or_default();
        self.touched(key, &before, false)
    }

    /// The store has not taken a change: it is as if it had not been made.
    fn handle_refused(&mut self, key: &Key) -> Touched {
        self.shared.uncommitted.retain(|it| it != key);
        let before = self.shared.changed.remove(key).map(Changed::texts).unwrap_or_default();
        self.touched(key, &before, true)
    }

    /// Another one has written before, and what there is now has been told.
    fn handle_conflict(&mut self, key: &Key) -> Conflict {
        let wants_end = Entry::write(self.tables, key).is_none();
        let (known, entry) = (self.shared.known.get(key), self.shared.entry(key));
        let Some(changed) = self.shared.changed.get_mut(key) else { return Conflict::Lost };
        match (known, entry) {
            _ if !wants_end => Conflict::Lost,
            (None, _) => Conflict::Settled,
            (Some(known), Some(entry)) => {
                let before = changed.before.as_deref().and_then(|text| Entry::read(key, text));
                if before.is_some_and(|before| before.is_same_as(&entry)) {
                    changed.base = Some(known.revision);
                    return Conflict::Again;
                }
                Conflict::Lost
            }
            (Some(_), None) => Conflict::Lost,
        }
    }

    /// Has the tables show what is known of a key, where this was before.
    fn touched(&mut self, key: &Key, before: &[Box<str>], is_taken_back: bool) -> Touched {
        // Somebody may be logged in to what the store had, and to what was made here and the store has not taken.
        let mut with = Vec::new();
        let shown = self.show(key, &mut with);
        let account = |entry: Entry| entry.account().map(str::to_owned);
        let before = before.iter().filter_map(|text| Entry::read(key, text));
        let now = self.shared.entry(key);
        let is_gone = |entry: &Entry| now.as_ref().is_none_or(|now| !entry.is_same_as(now));
        let gone = shown.into_iter().chain(before).filter(is_gone).find_map(account);
        Touched { key: key.clone(), gone, with, is_taken_back }
    }

    // ── what the store has ──────────────────────────────────────────────────────────────────

    /// A watch tells what the store has at a key, each once and in the order of their revisions.
    fn handle_told(&mut self, key: &str, text: Option<&[u8]>, revision: u64) -> Option<Touched> {
        self.shared.told = self.shared.told.max(revision);
        self.handle_entry(key, text, revision)
    }

    /// The store has this at a key, unless something newer is known.
    fn handle_entry(&mut self, key: &str, text: Option<&[u8]>, revision: u64) -> Option<Touched> {
        let key = Key::read(key)?;
        let shared = &mut *self.shared;
        let is_again = match &mut shared.state {
            State::Again(unseen) => unseen.remove(&key),
            State::Nothing | State::All | State::Stale => false,
        };
        let known = shared.known.get(&key);
        if !is_again && known.is_some_and(|known| known.revision >= revision) {
            return None;
        }
        let before = known.map(|known| known.text.clone());
        // What is not text is kept as what nobody understands, so that it is not written over.
        let text = text.map(|text| std::str::from_utf8(text).unwrap_or("?"));
        shared.learn(&key, text, revision);
        // Who is about to write it hears what came of that.
        let is_ours = shared.changed.contains_key(&key);
        (!is_ours).then(|| self.touched(&key, before.as_slice(), false))
    }

    /// A watch begins to tell everything: for the first time, or anew.
    fn begin(&mut self) {
        let shared = &mut *self.shared;
        shared.told = 0;
        if shared.is_known() {
            shared.state = State::Again(shared.known.keys().cloned().collect());
        }
    }

    /// A watch has told everything. What it has not told is not there any more.
    fn handle_caught_up(&mut self) -> Vec<Touched> {
        let unseen = match std::mem::replace(&mut self.shared.state, State::All) {
            State::Again(unseen) => unseen,
            State::Nothing | State::All | State::Stale => return Vec::new(),
        };
        let mut touched = Vec::new();
        for key in unseen {
            let before = self.shared.known.get(&key).map(|known| known.text.clone());
            self.shared.learn(&key, None, 0);
            if !self.shared.changed.contains_key(&key) {
                touched.push(self.touched(&key, before.as_slice(), false));
            }
        }
        touched
    }

    /// The watch has ended: what is known may be old.
    fn handle_end(&mut self) {
        if self.shared.is_known() {
            self.shared.state = State::Stale;
        }
    }

    // ── the tables ──────────────────────────────────────────────────────────────────────────

    /// Has the tables show at a key what is known of it, and notes what they show `with` it; what they have shown, if that
    /// is another one.
    fn show(&mut self, key: &Key, with: &mut Vec<Key>) -> Option<Entry> {
        let shown = Entry::write(self.tables, key);
        if shown.as_deref() == self.shared.text(key) {
            return None;
        }
        let (before, now) = (shown.and_then(|it| Entry::read(key, &it)), self.shared.entry(key));
        match (before, now) {
            (Some(before), Some(now)) if before.is_same_as(&now) => {
                self.renew(now);
                None
            }
            (before, now) => {
                before.iter().for_each(|entry| self.remove(entry));
                now.into_iter().for_each(|entry| self.insert(entry, with));
                before
            }
        }
    }

    /// It is the same as before, with something new.
    fn renew(&mut self, entry: Entry) {
        let what = entry.what.clone();
        match what {
            // To make it again would lose what belongs to it.
            Change::Account { name, password, .. } => {
                self.tables.apply(Change::Password { name, password });
            }
            _ => entry.changes().for_each(|change| self.tables.apply(change)),
        }
    }

    fn remove(&mut self, entry: &Entry) {
        match entry.what.clone() {
            Change::Account { name, .. } => {
                let channels = self.tables.channels.values();
                let founded = channels.filter(|it| Folded::of(it.founder()) == Folded::of(&name));
                let founded: Vec<_> = founded.map(|it| it.name().to_owned()).collect();
                founded.into_iter().for_each(|name| self.tables.apply(Change::Forget { name }));
                self.tables.apply(Change::Drop { name });
            }
            Change::Nick { name, nick } => self.tables.apply(Change::NoNick { name, nick }),
            Change::Channel { name, .. } => self.tables.apply(Change::Forget { name }),
            Change::Ban(ban) => self.tables.apply(Change::NoBan { mask: ban.mask }),
            _ => {}
        }
    }

    /// Shows an entry, unless it belongs to an account that is not there; and with an account what belongs to it.
    fn insert(&mut self, entry: Entry, with: &mut Vec<Key>) {
        if let Some((owner, of)) = entry.owner()
            && self.tables.accounts.get(&Folded::of(owner)).is_none_or(|it| it.created_at() != of)
        {
            return;
        }
        let account = entry.account().map(Folded::of);
        entry.changes().for_each(|change| self.tables.apply(change));
        let Some(belongings) = account.and_then(|name| self.shared.belongings.get(&name)) else {
            return;
        };
        for key in belongings.clone() {
            // What was changed here meanwhile shows itself when that is decided.
            if !self.shared.changed.contains_key(&key)
                && Entry::write(self.tables, &key).is_none()
                && let Some(entry) = self.shared.entry(&key)
            {
                self.insert(entry, with);
                with.push(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
