//! All accounts as text, and back: a copy to put aside, and the way from a file into a network of servers.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use thiserror::Error;

use super::entry::{Entry, starts_entry};
use super::key::Key;
use crate::chat::server::accounts::record::Change;
use crate::chat::server::accounts::tables::{Tables, time};
use crate::chat::server::accounts::{Accounts, NotAdded, NotRegistered};
use crate::chat::wire::casemap::{Folded, same_name};

/// What became of entries that were imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Those that are new here.
    pub added: usize,
    /// Those that were here already.
    pub known: usize,
    /// Those that could not be added: a name that is somebody else's, or too many. What belongs to an account that is
    /// left out is left out with it.
    pub left_out: Vec<String>,
}

/// A text is none that [`Accounts::export`] writes. Nothing of it was imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("this is no entry of an account, a nick, a channel or a ban: {0:?}")]
pub struct NotImported(pub String);

enum Outcome {
    Added,
    Known,
    LeftOut,
}

impl Accounts {
    /// Everything behind a place, and from the start if that is empty, a few lines of text each, with the place that it
    /// has: each account before what belongs to it, then the bans. There are hashes of passwords in it.
    ///
    /// A place is good also after what was there has been removed, so that a copy in pieces has all that was there from its
    /// first piece to its last.
    pub fn export(&self, after: &str) -> impl Iterator<Item = (String, String)> {
        let (part, name) = after.split_once(' ').unwrap_or_default();
        let after = (part.parse().unwrap_or(0), Folded::of(name));
        let Tables { accounts, channels, bans, .. } = &self.tables;
        let write = |key: Key| Entry::write(&self.tables, &key).unwrap_or_default();
        let names = behind(accounts, 1, &after)
            .map(move |(place, account)| (place, write(Key::name(account.name()))));
        let nicks = behind(accounts, 2, &after).map(move |(place, account)| {
            (place, account.nicks().iter().map(|nick| write(Key::name(nick))).collect())
        });
        let channels = behind(channels, 3, &after)
            .map(move |(place, channel)| (place, write(Key::channel(channel.name()))));
        let bans =
            behind(bans, 4, &after).map(move |(place, ban)| (place, write(Key::ban(&ban.mask))));
        names.chain(nicks).chain(channels).chain(bans)
    }

    /// Adds what [`export`](Self::export) has written, of these accounts or of others; what is here already stays as it
    /// is. It is to be [committed](Self::commit).
    ///
    /// ```
    /// use protocols::chat::accounts::{AccountLimits, Accounts};
    /// # use protocols::password::PasswordHash;
    /// # use std::time::SystemTime;
    /// # let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".parse()?;
    /// let mut before = Accounts::in_memory(AccountLimits::default());
    /// before.create("ann", hash, SystemTime::now())?;
    /// let text: String = before.export("").map(|(_, text)| text).collect();
    ///
    /// let mut after = Accounts::in_memory(AccountLimits::default());
    /// assert_eq!(after.import(&text)?.added, 1);
    /// assert!(after.account("ann").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is no such text.
    pub fn import(&mut self, text: &str) -> Result<Imported, NotImported> {
        let parsed = split_entries(text).map(|text| {
            Entry::parse(text)
                .ok_or_else(|| NotImported(text.lines().next().unwrap_or_default().to_owned()))
        });
        let mut imported = Imported::default();
        for entry in parsed.collect::<Result<Vec<_>, _>>()? {
            let name = entry.key().map(|key| key.name.to_string()).unwrap_or_default();
            match self.add(entry) {
                Outcome::Added => imported.added += 1,
                Outcome::Known => imported.known += 1,
                Outcome::LeftOut => imported.left_out.push(name),
            }
        }
        Ok(imported)
    }

    fn add(&mut self, entry: Entry) -> Outcome {
        let is_owned = entry.owner().is_none_or(|(owner, of)| {
            self.account(owner).is_some_and(|account| account.created_at() == of)
        });
        if !is_owned {
            return Outcome::LeftOut;
        }
        let mut changes = entry.changes();
        match changes.next() {
            Some(Change::Account { name, created, password }) => match self.account(&name) {
                Some(known) if known.created_at() == created => Outcome::Known,
                _ => self.create(&name, password, time(created)).into(),
            },
            Some(Change::Nick { name, nick }) => match self.add_nick(&name, &nick) {
                Err(NotAdded::Taken { owner }) if same_name(&owner, &name) => Outcome::Known,
                result => result.into(),
            },
            Some(Change::Channel { name, founder, registered }) => {
                match self.register_channel(&name, &founder, time(registered)) {
                    Ok(()) => self.restore(&name, changes),
                    Err(NotRegistered::Taken { founder: known }) if same_name(&known, &founder) => {
                        Outcome::Known
                    }
                    Err(_) => Outcome::LeftOut,
                }
            }
            Some(Change::Ban(ban)) if self.tables.bans.contains_key(&Folded::of(&ban.mask)) => {
                Outcome::Known
            }
            Some(Change::Ban(ban)) => self.ban(&ban.mask, &ban.reason, time(ban.set_at)).into(),
            _ => Outcome::LeftOut,
        }
    }

    /// The topic and the modes of a channel that was just registered.
    fn restore(&mut self, channel: &str, changes: impl Iterator<Item = Change>) -> Outcome {
        for change in changes {
            // What is longer than it may be here is left out, and the channel is there all the same.
            let _ = match change {
                Change::Topic { topic, .. } => self.keep_topic(channel, topic),
                Change::Modes { modes, .. } => self.keep_modes(channel, &modes),
                _ => Ok(()),
            };
        }
        Outcome::Added
    }
}

impl<T, E> From<Result<T, E>> for Outcome {
    fn from(result: Result<T, E>) -> Self {
        if result.is_ok() { Self::Added } else { Self::LeftOut }
    }
}

/// What of one part of an export is behind a place, with the place of each: the number of the part, and the name.
fn behind<'a, T>(
    part: &'a BTreeMap<Folded, T>,
    number: u8,
    (at, name): &(u8, Folded),
) -> impl Iterator<Item = (String, &'a T)> + use<'a, T> {
    let start = match number.cmp(at) {
        Ordering::Less => None,
        Ordering::Equal => Some(Bound::Excluded(name.clone())),
        Ordering::Greater => Some(Bound::Unbounded),
    };
    let rest = start.into_iter().flat_map(|start| part.range((start, Bound::Unbounded)));
    rest.map(move |(name, it)| (format!("{number} {}", name.as_str()), it))
}

/// The entries of a text that [`Accounts::export`] has written, so that it can be imported in pieces: an entry at a time
/// is the smallest.
pub fn split_entries(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut lines = rest.split_inclusive('\n');
        let mut before = lines.next()?;
        let mut length = before.len();
        for line in lines {
            if starts_entry(line) && !before.starts_with("of ") {
                break;
            }
            length += line.len();
            before = line;
        }
        let (entry, behind) = rest.split_at(length);
        rest = behind;
        Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::server::accounts::AccountLimits;
    use crate::chat::server::accounts::tables::Topic;

    fn accounts(limits: AccountLimits) -> Accounts {
        Accounts::in_memory(limits)
    }

    fn full() -> Accounts {
        let mut accounts = accounts(AccountLimits::default());
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                    CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for name in ["Ann", "bob"] {
            let hash = hash.parse().expect("a hash");
            accounts.create(name, hash, time(5)).expect("it is free");
        }
        accounts.add_nick("ann", "annie").expect("it is free");
        accounts.register_channel("#a", "ann", time(6)).expect("it is free");
        accounts.register_channel("#b", "bob", time(7)).expect("it is free");
        let topic = Topic { text: "ban of ann".into(), set_by: "ann".into(), set_at: 8 };
        accounts.keep_topic("#a", Some(topic)).expect("it is there");
        accounts.keep_modes("#a", "ntk key").expect("it is there");
        accounts.ban("*!*@192.0.2.7", "too loud", time(9)).expect("a mask");
        accounts
    }

    fn exported(accounts: &Accounts) -> String {
        accounts.export("").map(|(_, text)| text).collect()
    }

    #[test]
    fn an_export_in_pieces_leaves_out_nobody_who_is_there_all_the_time() {
        let all = full().export("").count();
        for pieces in 0..all {
            let mut here = full();
            let (places, mut text): (Vec<_>, String) = here.export("").take(pieces).unzip();
            here.drop_account("ann").expect("it is there");
            let after = places.last().map_or("", String::as_str);
            text.extend(here.export(after).map(|(_, text)| text));
            let mut copy = accounts(AccountLimits::default());
            copy.import(&text).expect("it is one");
            assert!(copy.account("bob").is_some(), "{pieces}: {text}");
            assert_eq!((copy.channel("#b").is_some(), copy.bans().len()), (true, 1), "{pieces}");
        }
        let nobody = full().export("4 ~").count() + full().export("9 x").count();
        assert_eq!((nobody, full().export("x").count()), (0, all));
    }

    #[test]
    fn what_was_exported_is_imported_and_again_without_effect() {
        let before = full();
        let text: String = exported(&before);
        assert_eq!(split_entries(&text).count(), 6);
        assert_eq!(split_entries(&text).collect::<String>(), text);
        let mut after = accounts(AccountLimits::default());
        // In pieces of an entry each.
        let mut added = 0;
        for entry in split_entries(&text) {
            added += after.import(entry).expect("it is one").added;
        }
        assert_eq!((added, &after.tables), (6, &before.tables));
        let again = after.import(&text).expect("it is one");
        assert_eq!(again, Imported { added: 0, known: 6, left_out: Vec::new() });
        assert_eq!(after.tables, before.tables);
    }

    #[test]
    fn what_is_somebody_elses_here_stays_so_and_nobody_inherits_it() {
        let text: String = exported(&full());
        let mut here = accounts(AccountLimits::default());
        let hash = full().account("ann").map(|it| it.password().clone()).expect("it is there");
        here.create("ann", hash.clone(), time(99)).expect("it is free");
        here.create("carl", hash, time(98)).expect("it is free");
        here.register_channel("#b", "carl", time(98)).expect("it is free");
        let imported = here.import(&text).expect("it is one");
        assert_eq!(imported.left_out, ["ann", "annie", "#a", "#b"]);
        assert_eq!((imported.added, here.owner_of("annie")), (2, None));
        let mut full = accounts(AccountLimits { accounts: 1, ..AccountLimits::default() });
        assert_eq!(full.import(&text).expect("it is one").left_out, ["bob", "#b"]);
    }

    #[test]
    fn what_is_no_such_text_changes_nothing() {
        let text: String = exported(&full());
        let mut here = accounts(AccountLimits::default());
        for wrong in
            ["hello\n", "drop ann\n", "of 5\n", "nick Ann annie\n", "of 5\naccount a 5 x\n"]
        {
            let refused = here.import(&format!("{text}{wrong}"));
            assert!(refused.is_err(), "{wrong:?}");
        }
        assert_eq!(here.accounts().len(), 0);
        assert_eq!(here.import("").expect("nothing is fine"), Imported::default());
    }
}
