//! What there is, in memory. Nothing here knows of files.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::record;
use super::record::Change;
use crate::chat::Folded;
use crate::password::PasswordHash;

/// Accounts, nicks, channels and bans, each by its folded name, so in an order that is always the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) accounts: BTreeMap<Folded, Account>,
    /// The account of each nick that was given to one: folded nick to folded name.
    nicks: BTreeMap<Folded, Folded>,
    pub(super) channels: BTreeMap<Folded, Channel>,
    pub(super) bans: BTreeMap<Folded, Ban>,
}

/// Somebody who can prove to be the same as last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: String,
    created: u64,
    password: PasswordHash,
    nicks: Vec<String>,
}

/// A channel that outlives its last member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    name: String,
    founder: String,
    registered: u64,
    topic: Option<Topic>,
    modes: String,
}

/// Who may not come to the server, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The mask of who it is about: `nick!user@host`.
    pub mask: String,
    /// Why, as those are told who are turned away.
    pub reason: String,
    /// Since when, in seconds since 1970.
    pub set_at: u64,
}

/// What a channel is about, as somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The words.
    pub text: String,
    /// Who said it: a nick, or `nick!user@host`.
    pub set_by: String,
    /// When, in seconds since 1970: what `RPL_TOPICWHOTIME` says.
    pub set_at: u64,
}

impl Account {
    /// Its name, as it was registered.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was registered.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        time(self.created)
    }

    /// What its password is held against. To verify one takes tens of milliseconds: clone this, and do
    /// it away from the loop ([`Registry::offload`](reactor::Registry::offload)).
    #[must_use]
    pub fn password(&self) -> &PasswordHash {
        &self.password
    }

    /// The nicks it owns beside its name, in the order in which it was given them.
    #[must_use]
    pub fn nicks(&self) -> &[String] {
        &self.nicks
    }

    /// The same in seconds since 1970.
    #[cfg(feature = "cluster")]
    pub(super) fn created_at(&self) -> u64 {
        self.created
    }

    /// Appends the change that makes it, without its nicks.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        record::account(out, &self.name, self.created, &self.password);
    }
}

impl Channel {
    /// Its name, as it was registered.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the account that founded it.
    #[must_use]
    pub fn founder(&self) -> &str {
        &self.founder
    }

    /// When it was registered.
    #[must_use]
    pub fn registered(&self) -> SystemTime {
        time(self.registered)
    }

    /// Its topic, if it was told to be kept.
    #[must_use]
    pub fn topic(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    /// Its modes, in the words of MODE; empty if none were told to be kept.
    #[must_use]
    pub fn modes(&self) -> &str {
        &self.modes
    }

    /// Appends the changes that make it what it is.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        record::channel(out, &self.name, &self.founder, self.registered);
        self.topic.iter().for_each(|topic| record::topic(out, &self.name, topic));
        if !self.modes.is_empty() {
            record::modes(out, &self.name, &self.modes);
        }
    }
}

impl Tables {
    pub(super) fn owner_of(&self, nick: &Folded) -> Option<&Account> {
        let given = self.nicks.get(nick).and_then(|name| self.accounts.get(name));
        given.or_else(|| self.accounts.get(nick))
    }

    /// Changes what there is. A change of what is not there changes nothing.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Account { name, created, password } => {
                let account = Account { name, created, password, nicks: Vec::new() };
                self.accounts.insert(Folded::of(&account.name), account);
            }
            Change::Password { name, password } => {
                if let Some(account) = self.accounts.get_mut(&Folded::of(&name)) {
                    account.password = password;
                }
            }
            Change::Nick { name, nick } => self.give_nick(&Folded::of(&name), nick),
            Change::NoNick { name, nick } => self.take_nick(&Folded::of(&name), &Folded::of(&nick)),
            Change::Drop { name } => self.drop_account(&Folded::of(&name)),
            Change::Channel { name, founder, registered } => {
                let (topic, modes) = (None, String::new());
                let channel = Channel { name, founder, registered, topic, modes };
                self.channels.insert(Folded::of(&channel.name), channel);
            }
            Change::Topic { name, topic } => {
                if let Some(channel) = self.channels.get_mut(&Folded::of(&name)) {
                    channel.topic = topic;
                }
            }
            Change::Modes { name, modes } => {
                if let Some(channel) = self.channels.get_mut(&Folded::of(&name)) {
                    channel.modes = modes;
                }
            }
            Change::Forget { name } => drop(self.channels.remove(&Folded::of(&name))),
            Change::Ban(ban) => drop(self.bans.insert(Folded::of(&ban.mask), ban)),
            Change::NoBan { mask } => drop(self.bans.remove(&Folded::of(&mask))),
        }
    }

    fn give_nick(&mut self, name: &Folded, nick: String) {
        if let Some(account) = self.accounts.get_mut(name) {
            self.nicks.insert(Folded::of(&nick), name.clone());
            account.nicks.push(nick);
        }
    }

    fn take_nick(&mut self, name: &Folded, nick: &Folded) {
        if let Some(account) = self.accounts.get_mut(name) {
            account.nicks.retain(|it| Folded::of(it) != *nick);
            self.nicks.remove(nick);
        }
    }

    fn drop_account(&mut self, name: &Folded) {
        for nick in self.accounts.remove(name).into_iter().flat_map(|account| account.nicks) {
            self.nicks.remove(&Folded::of(&nick));
        }
    }

    /// The account that was given a nick, and the nick as it was given.
    #[cfg(feature = "cluster")]
    pub(super) fn given(&self, nick: &Folded) -> Option<(&Account, &str)> {
        let account = self.accounts.get(self.nicks.get(nick)?)?;
        let given = account.nicks.iter().find(|it| Folded::of(it) == *nick)?;
        Some((account, given))
    }

    /// All there is, as the changes that make it out of nothing.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for account in self.accounts.values() {
            account.encode(&mut out);
            account.nicks.iter().for_each(|nick| record::nick(&mut out, &account.name, nick));
        }
        self.channels.values().for_each(|channel| channel.encode(&mut out));
        self.bans.values().for_each(|ban| record::ban(&mut out, ban));
        out
    }
}

pub(super) fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
