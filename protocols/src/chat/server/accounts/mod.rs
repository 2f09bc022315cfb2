//! Accounts, registered channels and bans: who is who, who founded what, and who may not come, across restarts.
//!
//! ```text
//!   create, register_channel …            commit                     Registry::offload
//!  ───────────────────────────▶ Tables ───────────▶ queue of frames ───────────────────▶ Journal
//!        at once, in memory       │                    in order                            │ fsync
//!                                 ▼                                                        ▼
//!                             questions                                   done: tell the user it is kept
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `limits` | every bound, its default, and the reason for it |
//! | `error` | why a change is refused, or a file not opened |
//! | `record` | one change as a line of text: pure |
//! | `frame` | changes that are kept together or not at all: pure |
//! | `tables` | what there is, in memory: pure |
//! | `journal` | the file: appended to, or replaced whole |
//! | `store` | the file, written away from the loop and in order |
//! | `shared` | instead of a file: the store of a network of servers |
//!
//! Names are compared as the server compares them ([`Folded`]).

mod error;
mod frame;
mod journal;
mod limits;
mod record;
#[cfg(feature = "cluster")]
pub(super) mod shared;
mod store;
mod tables;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use reactor::{OffloadError, Registry};

use crate::chat::wire::casemap::{Folded, same_name};
use crate::chat::wire::mask::{self, Extended};
use crate::password::PasswordHash;
use record::Change;
use store::Store;
use tables::Tables;

pub use error::{
    NotAdded, NotBanned, NotCreated, NotKept, NotOpened, NotRegistered, NotSaved, Unknown,
};
pub use journal::Repaired;
pub use limits::AccountLimits;
#[cfg(feature = "cluster")]
pub use shared::{Imported, NotImported, split_entries};
pub use tables::{Account, Ban, Channel, Topic};

/// The accounts of a server, its registered channels, and its bans.
///
/// A change is made in memory at once, so that of two who want a name the second is refused, and is
/// on disk when [`commit`](Self::commit) says so. Without a file there is memory only, and `commit`
/// says so in the next turn: that is what simulations use, and servers that want to forget.
///
/// ```
/// use protocols::chat::accounts::{AccountLimits, Accounts};
/// use protocols::password::PasswordHash;
/// use std::time::SystemTime;
///
/// let mut accounts = Accounts::in_memory(AccountLimits::default());
/// let hash = PasswordHash::of("correct horse")?; // slow: a server does it in `Registry::offload`
/// accounts.create("Ann", hash, SystemTime::now())?;
/// assert_eq!(accounts.owner_of("ANN").map(|account| account.name()), Some("Ann"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Accounts {
    tables: Tables,
    limits: AccountLimits,
    keeping: Keeping,
}

/// Where accounts are kept.
#[derive(Debug)]
enum Keeping {
    /// In memory.
    Nowhere,
    /// In a file; with the changes that were made and not committed yet, encoded.
    File(Store, Vec<u8>),
    /// In a file that another process is to have; and whether something was to be changed since.
    HandedOn(Store, bool),
    /// In the store of a network of servers.
    #[cfg(feature = "cluster")]
    Shared(shared::Shared),
}

impl Accounts {
    // ── opening ─────────────────────────────────────────────────────────────────────────────

    /// Accounts that end with the program.
    #[must_use]
    pub fn in_memory(limits: AccountLimits) -> Self {
        Self { tables: Tables::default(), limits, keeping: Keeping::Nowhere }
    }

    /// Accounts that several servers share, in the store of their network. Nobody is known until it has been told what is
    /// there: [`chat::share_accounts`](crate::chat::share_accounts) begins that.
    ///
    /// What is read is what this server has been told last, also while the store is out of reach. A change demands that
    /// the store has what this server knows, and is taken back if it has not: [`NotSaved::is_taken_back`].
    #[cfg(feature = "cluster")]
    #[must_use]
    pub fn of_network(limits: AccountLimits) -> Self {
        let keeping = Keeping::Shared(shared::Shared::default());
        Self { tables: Tables::default(), limits, keeping }
    }

    /// Opens the file of accounts, or makes it, and keeps other programs from it until dropped. It
    /// waits for the disk, so it comes before the loop begins.
    ///
    /// What a crash has left behind, a change half written that nobody was told was kept, is cut off,
    /// and told of beside the accounts.
    ///
    /// # Errors
    ///
    /// See [`NotOpened`]. A file with damage that no crash explains is left as it is.
    pub fn open(path: &Path, limits: AccountLimits) -> Result<(Self, Option<Repaired>), NotOpened> {
        let (journal, tables, repaired) = journal::Journal::open(path)?;
        let keeping = Keeping::File(Store::new(journal), Vec::new());
        Ok((Self { tables, limits, keeping }, repaired))
    }

    /// As [`open`](Self::open), for the file `accounts` in a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_in(
        directory: &Path,
        limits: AccountLimits,
    ) -> Result<(Self, Option<Repaired>), NotOpened> {
        let path = directory.to_owned();
        std::fs::create_dir_all(directory).map_err(|error| NotOpened::Io { path, error })?;
        Self::open(&directory.join("accounts"), limits)
    }

    // ── accounts ────────────────────────────────────────────────────────────────────────────

    /// Makes an account, which owns the nick of its name.
    ///
    /// # Errors
    ///
    /// See [`NotCreated`].
    pub fn create(
        &mut self,
        name: &str,
        password: PasswordHash,
        now: SystemTime,
    ) -> Result<(), NotCreated> {
        if !self.is_name(name) {
            return Err(NotCreated::BadName);
        }
        if let Some(owner) = self.owner_of(name) {
            return Err(NotCreated::Taken { owner: owner.name().to_owned() });
        }
        if self.tables.accounts.len() >= self.limits.accounts {
            return Err(NotCreated::TooMany);
        }
        let (name, created) = (name.to_owned(), seconds(now));
        self.change(Change::Account { name, created, password });
        Ok(())
    }

    /// Gives an account another password.
    ///
    /// # Errors
    ///
    /// If there is no such account.
    pub fn set_password(&mut self, name: &str, password: PasswordHash) -> Result<(), Unknown> {
        let name = self.account(name).ok_or(Unknown::Account)?.name().to_owned();
        self.change(Change::Password { name, password });
        Ok(())
    }

    /// Forgets an account, its nicks, and the channels it founded; the names of those channels.
    ///
    /// # Errors
    ///
    /// If there is no such account.
    pub fn drop_account(&mut self, name: &str) -> Result<Vec<String>, Unknown> {
        let name = self.account(name).ok_or(Unknown::Account)?.name().to_owned();
        let founded: Vec<_> = self.founded_by(&name).map(|it| it.name().to_owned()).collect();
        for name in &founded {
            self.change(Change::Forget { name: name.clone() });
        }
        self.change(Change::Drop { name });
        Ok(founded)
    }

    /// Gives an account one more nick that it owns.
    ///
    /// # Errors
    ///
    /// See [`NotAdded`].
    pub fn add_nick(&mut self, account: &str, nick: &str) -> Result<(), NotAdded> {
        if !self.is_name(nick) {
            return Err(NotAdded::BadName);
        }
        let account = self.account(account).ok_or(NotAdded::NoSuchAccount)?;
        if account.nicks().len() >= self.limits.nicks_per_account {
            return Err(NotAdded::TooMany);
        }
        if let Some(owner) = self.owner_of(nick) {
            return Err(NotAdded::Taken { owner: owner.name().to_owned() });
        }
        let (name, nick) = (account.name().to_owned(), nick.to_owned());
        self.change(Change::Nick { name, nick });
        Ok(())
    }

    /// Takes a nick from an account. The nick of its own name stays.
    ///
    /// # Errors
    ///
    /// If there is no such account, or the nick is not one it was given.
    pub fn remove_nick(&mut self, account: &str, nick: &str) -> Result<(), Unknown> {
        let account = self.account(account).ok_or(Unknown::Account)?;
        let nick = account.nicks().iter().find(|it| same_name(it, nick));
        let nick = nick.ok_or(Unknown::Nick)?.clone();
        let name = account.name().to_owned();
        self.change(Change::NoNick { name, nick });
        Ok(())
    }

    /// The account of a name.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.tables.accounts.get(&Folded::of(name))
    }

    /// The account that a nick belongs to.
    #[must_use]
    pub fn owner_of(&self, nick: &str) -> Option<&Account> {
        self.tables.owner_of(&Folded::of(nick))
    }

    /// What a password is held against that was given for a name: the hash of the account, and for a name
    /// that is no account's the next one's in the alphabet. Nobody is to learn who there is from how long
    /// it takes to hear that a password is wrong, and hashes may differ in what they cost; whether a
    /// password is right is for [`account`](Self::account) to say first.
    pub(super) fn hash_to_compute_for(&self, name: &str) -> PasswordHash {
        let accounts = &self.tables.accounts;
        let like = accounts.range(Folded::of(name)..).next().or(accounts.first_key_value());
        like.map_or_else(PasswordHash::like_any, |(_, account)| account.password().clone())
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Account> {
        self.tables.accounts.values()
    }

    // ── channels ────────────────────────────────────────────────────────────────────────────

    /// Registers a channel for an account, its founder.
    ///
    /// # Errors
    ///
    /// See [`NotRegistered`].
    pub fn register_channel(
        &mut self,
        name: &str,
        founder: &str,
        now: SystemTime,
    ) -> Result<(), NotRegistered> {
        if !self.is_name(name) {
            return Err(NotRegistered::BadName);
        }
        let founder = self.account(founder).ok_or(NotRegistered::NoSuchAccount)?.name().to_owned();
        if let Some(channel) = self.channel(name) {
            return Err(NotRegistered::Taken { founder: channel.founder().to_owned() });
        }
        if self.tables.channels.len() >= self.limits.channels {
            return Err(NotRegistered::TooMany);
        }
        if self.founded_by(&founder).count() >= self.limits.channels_per_account {
            return Err(NotRegistered::TooManyOfOne);
        }
        let (name, registered) = (name.to_owned(), seconds(now));
        self.change(Change::Channel { name, founder, registered });
        Ok(())
    }

    /// Remembers the topic of a registered channel, or that it has none.
    ///
    /// # Errors
    ///
    /// See [`NotKept`].
    pub fn keep_topic(&mut self, channel: &str, topic: Option<Topic>) -> Result<(), NotKept> {
        let known = self.channel(channel).ok_or(NotKept::NoSuchChannel)?;
        if let Some(topic) = &topic
            && !(self.is_text(&topic.text) && self.is_name(&topic.set_by))
        {
            return Err(NotKept::NotText);
        }
        if known.topic() != topic.as_ref() {
            let name = known.name().to_owned();
            self.change(Change::Topic { name, topic });
        }
        Ok(())
    }

    /// Remembers the modes of a registered channel, in the words of MODE: `+ntk key`.
    ///
    /// # Errors
    ///
    /// See [`NotKept`].
    pub fn keep_modes(&mut self, channel: &str, modes: &str) -> Result<(), NotKept> {
        let known = self.channel(channel).ok_or(NotKept::NoSuchChannel)?;
        if !self.is_text(modes) {
            return Err(NotKept::NotText);
        }
        if known.modes() != modes {
            let (name, modes) = (known.name().to_owned(), modes.to_owned());
            self.change(Change::Modes { name, modes });
        }
        Ok(())
    }

    /// Forgets that a channel is registered.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn drop_channel(&mut self, name: &str) -> Result<(), Unknown> {
        let name = self.channel(name).ok_or(Unknown::Channel)?.name().to_owned();
        self.change(Change::Forget { name });
        Ok(())
    }

    /// The registered channel of a name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.tables.channels.get(&Folded::of(name))
    }

    /// All registered channels, by name.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = &Channel> {
        self.tables.channels.values()
    }

    /// The channels an account founded.
    pub fn founded_by<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Channel> {
        self.channels().filter(move |channel| same_name(channel.founder(), account))
    }

    // ── bans ────────────────────────────────────────────────────────────────────────────────

    /// Bans whoever this mask fits, which is completed to `nick!user@host`; one that is there already gets the new
    /// reason. The mask as it is kept.
    ///
    /// # Errors
    ///
    /// See [`NotBanned`].
    pub fn ban(&mut self, mask: &str, reason: &str, now: SystemTime) -> Result<String, NotBanned> {
        let is_about_users = Extended::of(mask).is_none() && record::is_word(mask);
        let mask = mask::complete(mask).into_owned();
        // Three names, and two characters between.
        if !is_about_users || mask.len() > 3 * self.limits.name + 2 {
            return Err(NotBanned::BadMask);
        }
        #[cfg(feature = "cluster")]
        if matches!(self.keeping, Keeping::Shared(_)) && !shared::Key::ban(&mask).fits() {
            return Err(NotBanned::BadMask);
        }
        if !self.is_text(reason) {
            return Err(NotBanned::BadReason);
        }
        let bans = &self.tables.bans;
        if bans.len() >= self.limits.bans && !bans.contains_key(&Folded::of(&mask)) {
            return Err(NotBanned::TooMany);
        }
        let ban = Ban { mask: mask.clone(), reason: reason.to_owned(), set_at: seconds(now) };
        self.change(Change::Ban(ban));
        Ok(mask)
    }

    /// Lifts a ban; its mask.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn unban(&mut self, mask: &str) -> Result<String, Unknown> {
        let ban = self.tables.bans.get(&Folded::of(&mask::complete(mask))).ok_or(Unknown::Ban)?;
        let mask = ban.mask.clone();
        self.change(Change::NoBan { mask: mask.clone() });
        Ok(mask)
    }

    /// The ban that a user is under, whose `nick!user@host` this is.
    #[must_use]
    pub fn ban_of(&self, source: &str) -> Option<&Ban> {
        self.bans().find(|ban| mask::matches(&ban.mask, source))
    }

    /// The ban of this mask, which is complete.
    pub(super) fn ban_by(&self, mask: &str) -> Option<&Ban> {
        self.tables.bans.get(&Folded::of(mask))
    }

    /// All bans, by mask.
    pub fn bans(&self) -> impl ExactSizeIterator<Item = &Ban> {
        self.tables.bans.values()
    }

    // ── keeping ─────────────────────────────────────────────────────────────────────────────

    /// Whether all accounts are known. Those of a network are not until its store has been heard of once.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match &self.keeping {
            Keeping::Nowhere | Keeping::File(..) | Keeping::HandedOn(..) => true,
            #[cfg(feature = "cluster")]
            Keeping::Shared(shared) => shared.is_known(),
        }
    }

    /// Whether changes can be kept: those of a network cannot while its store is out of reach. Whoever changes something
    /// nonetheless hears it of [`commit`](Self::commit); to ask before spares them a part of the way.
    ///
    /// # Errors
    ///
    /// [`NotSaved::Away`], [`NotSaved::HandedOn`].
    pub fn can_change(&self) -> Result<(), NotSaved> {
        match &self.keeping {
            Keeping::Nowhere | Keeping::File(..) => Ok(()),
            Keeping::HandedOn(..) => Err(NotSaved::HandedOn),
            #[cfg(feature = "cluster")]
            Keeping::Shared(shared) => shared.can_change().then_some(()).ok_or(NotSaved::Away),
        }
    }

    /// Whether a change may be taken back, so that what follows of it has to wait.
    pub(super) fn may_refuse(&self) -> bool {
        match &self.keeping {
            Keeping::Nowhere | Keeping::File(..) => false,
            Keeping::HandedOn(..) => true,
            #[cfg(feature = "cluster")]
            Keeping::Shared(_) => true,
        }
    }

    /// Has everything changed so far written down, away from the loop, and calls `done` when it is on
    /// the disk: what was committed before is on it too by then. Never before this call returns.
    ///
    /// If writing fails the change stays in memory, and the next commit tries to save it again. Where accounts are those
    /// of a network, it is written to the store; a change that is refused is taken back, before `done` is called.
    pub fn commit<App: 'static>(
        &mut self,
        registry: &mut Registry<App>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<(), NotSaved>) + 'static,
    ) {
        #[cfg(feature = "cluster")]
        if let Keeping::Shared(shared) = &mut self.keeping {
            let book = shared::Book { tables: &mut self.tables, shared };
            return book.commit_by(registry, Box::new(done));
        }
        if let Keeping::HandedOn(_, has_refused) = &mut self.keeping
            && std::mem::take(has_refused)
        {
            return registry.defer(|registry, app| done(registry, app, Err(NotSaved::HandedOn)));
        }
        match self.begin_save() {
            Some(flush) => offload(registry, || flush.run(), done),
            None => registry.defer(|registry, app| done(registry, app, Ok(()))),
        }
    }

    /// Lets go of the file, so that another process can open it: has everything written down, and calls `done` when the
    /// file is free. From this call on nothing is changed; who tries hears [`NotSaved::HandedOn`], and what is known can
    /// still be read. Where there is no file there is nothing to let go of.
    ///
    /// If the last changes cannot be written the file is kept, and `done` hears why. Whichever way it goes,
    /// [`take_back`](Self::take_back) ends it.
    pub fn hand_on<App: 'static>(
        &mut self,
        registry: &mut Registry<App>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<(), NotSaved>) + 'static,
    ) {
        let flush = self.begin_save();
        self.keeping = match std::mem::replace(&mut self.keeping, Keeping::Nowhere) {
            Keeping::File(store, _) => Keeping::HandedOn(store, false),
            keeping => keeping,
        };
        match flush {
            Some(flush) => offload(registry, || flush.run_last(), done),
            None => registry.defer(|registry, app| done(registry, app, Ok(()))),
        }
    }

    /// Has the file again, after it was [handed on](Self::hand_on) and nobody else wants it; what it holds by now counts. It
    /// waits for the disk, so it is for the way back from what has failed. A server on which there are users takes it by
    /// [`take_back_accounts`](crate::chat::Server::take_back_accounts), and they follow.
    ///
    /// # Errors
    ///
    /// See [`NotOpened`]. It can be tried again; until then nothing is changed.
    pub fn take_back(&mut self) -> Result<(), NotOpened> {
        let Keeping::HandedOn(store, _) = &self.keeping else { return Ok(()) };
        if let Some(path) = store.released() {
            let (journal, tables, _) = journal::Journal::open(&path)?;
            self.tables = tables;
            self.keeping = Keeping::File(Store::new(journal), Vec::new());
        } else if let Keeping::HandedOn(store, _) =
            std::mem::replace(&mut self.keeping, Keeping::Nowhere)
        {
            self.keeping = Keeping::File(store, Vec::new());
        }
        Ok(())
    }

    /// Has everything changed so far written down, and waits for it: for a program without a loop,
    /// or whose loop has ended. Accounts of a network cannot be waited for: what was not committed is lost.
    ///
    /// # Errors
    ///
    /// See [`NotSaved`].
    pub fn save(&mut self) -> Result<(), NotSaved> {
        self.begin_save().map_or(Ok(()), store::Flush::run)
    }

    /// Queues what is uncommitted; the work that writes it, if it has to be written anywhere.
    fn begin_save(&mut self) -> Option<store::Flush> {
        match &mut self.keeping {
            Keeping::File(store, uncommitted) => {
                let (changes, tables) = (std::mem::take(uncommitted), &self.tables);
                Some(store.begin(&changes, || tables.encode()))
            }
            #[cfg(feature = "cluster")]
            Keeping::Shared(_) => None,
            Keeping::Nowhere | Keeping::HandedOn(..) => None,
        }
    }

    fn change(&mut self, change: Change) {
        match &mut self.keeping {
            Keeping::File(_, uncommitted) => change.encode(uncommitted),
            Keeping::HandedOn(_, has_refused) => {
                *has_refused = true;
                return;
            }
            #[cfg(feature = "cluster")]
            Keeping::Shared(shared) => shared.touch(&change, &self.tables),
            // Nobody would ever take it out again.
            Keeping::Nowhere => {}
        }
        self.tables.apply(change);
    }

    /// Has a keeper write what is changed, and tell what others have; whether they are of a network.
    #[cfg(feature = "cluster")]
    pub(super) fn keep_with<App: 'static>(&mut self, keeper: &shared::Keeper<App>) -> bool {
        let Some(shared::Book { shared, .. }) = self.book() else { return false };
        shared.reach = Some(Box::new(keeper.reach()));
        shared.keeper = Some(Rc::new(keeper.clone()));
        true
    }

    /// What is shared with other servers, if this is.
    #[cfg(feature = "cluster")]
    pub(super) fn book(&mut self) -> Option<shared::Book<'_>> {
        match &mut self.keeping {
            Keeping::Shared(shared) => Some(shared::Book { tables: &mut self.tables, shared }),
            Keeping::Nowhere | Keeping::File(..) | Keeping::HandedOn(..) => None,
        }
    }

    /// Whether this can be a name: a word, not too long. What is a nick the server knows better.
    fn is_name(&self, name: &str) -> bool {
        (1..=self.limits.name).contains(&name.len()) && record::is_word(name)
    }

    fn is_text(&self, text: &str) -> bool {
        text.len() <= self.limits.text && record::is_line(text)
    }
}

/// Has something written away from the loop; `done` is told once, never before this call returns.
fn offload<App: 'static>(
    registry: &mut Registry<App>,
    write: impl FnOnce() -> Result<(), NotSaved> + Send + 'static,
    done: impl FnOnce(&mut Registry<App>, &mut App, Result<(), NotSaved>) + 'static,
) {
    // Whichever of the two is used, the other has to be there.
    let done = Rc::new(Cell::new(Some(done)));
    let later = Rc::clone(&done);
    let offloaded = registry.offload(write, move |registry, app, result| {
        if let Some(done) = later.take() {
            done(registry, app, result.unwrap_or_else(|error| Err(error.into())));
        }
    });
    if offloaded.is_err()
        && let Some(done) = done.take()
    {
        registry.defer(|registry, app| done(registry, app, Err(NotSaved::Busy)));
    }
}

impl From<OffloadError> for NotSaved {
    fn from(error: OffloadError) -> Self {
        Self::Panicked(error.to_string())
    }
}

/// Seconds since 1970; a clock before that is taken for 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
