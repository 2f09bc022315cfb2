//! What an entry of the store holds: the changes that make it, as the file has them, a line each.
//!
//! ```text
//!   name.ann           account Ann 1764000000 $argon2id$…
//!   name.annie         of 1764000000
//!                      nick Ann annie
//!   channel.=23lobby   of 1764000000
//!                      channel #lobby Ann 1764000100
//!                      topic #lobby 1764000200 Ann Welcome, all of you
//! ```
//!
//! `of` says when the account was made to which a nick or a channel belongs. Entries are written one after the other, so
//! an account may be gone while something of it is left; whoever makes one of that name later does not inherit it.

use super::key::{Key, Kind};
use crate::chat::server::accounts::record;
use crate::chat::server::accounts::record::Change;
use crate::chat::server::accounts::tables::{Account, Tables};
use crate::chat::wire::casemap::{Folded, same_name};

/// An entry, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What it is: an account, a nick, a channel, a ban.
    pub(super) what: Change,
    /// When the account that it belongs to was made.
    of: Option<u64>,
    /// The topic and the modes of a channel.
    more: Vec<Change>,
}

impl Entry {
    /// Reads what a key holds; `None` if that is nothing that this version understands.
    pub(super) fn read(key: &Key, text: &str) -> Option<Self> {
        Self::parse(text).filter(|entry| entry.key().as_ref() == Some(key))
    }

    /// Reads an entry, wherever it is.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().peekable();
        let of = lines.peek().and_then(|line| line.strip_prefix("of ")).map(str::parse);
        let of = of.transpose().ok()?;
        if of.is_some() {
            lines.next();
        }
        let what = Change::decode(lines.next()?)?;
        let more = lines.map(Change::decode).collect::<Option<Vec<_>>>()?;
        let entry = Self { what, of, more };
        let is_whole = entry.more.iter().all(|change| entry.may_have(change));
        (is_whole && entry.key().is_some()).then_some(entry)
    }

    /// Where it belongs; `None` if it is nothing that is kept.
    pub(super) fn key(&self) -> Option<Key> {
        match (&self.what, self.of) {
            (Change::Account { name, .. }, None) => Some(Key::name(name)),
            (Change::Nick { nick, .. }, Some(_)) => Some(Key::name(nick)),
            (Change::Channel { name, .. }, Some(_)) => Some(Key::channel(name)),
            (Change::Ban(ban), None) => Some(Key::ban(&ban.mask)),
            _ => None,
        }
    }

    fn may_have(&self, change: &Change) -> bool {
        match (&self.what, change) {
            (
                Change::Channel { name, .. },
                Change::Topic { name: of, topic: Some(_) } | Change::Modes { name: of, .. },
            ) => same_name(name, of),
            _ => false,
        }
    }

    /// Writes what the tables have at a key; `None` if that is nothing.
    pub(super) fn write(tables: &Tables, key: &Key) -> Option<String> {
        let mut out = Vec::new();
        match key.kind {
            Kind::Name => match (tables.given(&key.name), tables.accounts.get(&key.name)) {
                (Some((account, nick)), _) => {
                    of(&mut out, account.created_at());
                    record::nick(&mut out, account.name(), nick);
                }
                (None, account) => account?.encode(&mut out),
            },
            Kind::Channel => {
                let channel = tables.channels.get(&key.name)?;
                let founder = tables.accounts.get(&Folded::of(channel.founder()))?;
                of(&mut out, founder.created_at());
                channel.encode(&mut out);
            }
            Kind::Ban => record::ban(&mut out, tables.bans.get(&key.name)?),
        }
        String::from_utf8(out).ok()
    }

    /// The account that it belongs to, and when that was made.
    pub(super) fn owner(&self) -> Option<(&str, u64)> {
        match &self.what {
            Change::Nick { name, .. } => Some((name, self.of?)),
            Change::Channel { founder, .. } => Some((founder, self.of?)),
            _ => None,
        }
    }

    /// The account that it is.
    pub(super) fn account(&self) -> Option<&str> {
        match &self.what {
            Change::Account { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether it is still the same, though something of it may have changed: not one that was made after the other
    /// was gone.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let is_same = match (&self.what, &other.what) {
            (
                Change::Account { name, created, .. },
                Change::Account { name: other, created: then, .. },
            ) => (name, created) == (other, then),
            (Change::Ban(_), Change::Ban(_)) => true,
            (one, other) => one == other,
        };
        is_same && self.of == other.of
    }

    /// The changes that make it.
    pub(super) fn changes(self) -> impl Iterator<Item = Change> {
        std::iter::once(self.what).chain(self.more)
    }
}

fn of(out: &mut Vec<u8>, created: u64) {
    out.extend_from_slice(format!("of {created}\n").as_bytes());
}

/// Whether an entry may begin with a line.
pub(super) fn starts_entry(line: &str) -> bool {
    let kind = line.split(' ').next().unwrap_or_default();
    !matches!(kind, "topic" | "modes")
}

/// The keys of all that a change is about, the most important one first.
pub(super) fn keys_of(change: &Change, tables: &Tables) -> Vec<Key> {
    match change {
        Change::Account { name, .. } | Change::Password { name, .. } => vec![Key::name(name)],
        Change::Nick { nick, .. } | Change::NoNick { nick, .. } => vec![Key::name(nick)],
        Change::Drop { name } => {
            let account = tables.accounts.get(&Folded::of(name));
            let nicks = account.into_iter().flat_map(Account::nicks);
            std::iter::once(name).chain(nicks).map(|name| Key::name(name)).collect()
        }
        Change::Channel { name, .. }
        | Change::Topic { name, .. }
        | Change::Modes { name, .. }
        | Change::Forget { name } => vec![Key::channel(name)],
        Change::Ban(ban) => vec![Key::ban(&ban.mask)],
        Change::NoBan { mask } => vec![Key::ban(mask)],
    }
}
