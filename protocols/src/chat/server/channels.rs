//! Channels: who is on them, and who may be.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use reactor::ConnectionId;
use slotmap::SlotMap;

pub(super) use super::accounts::Topic;
use super::audience::Audience;
use super::keys::{ChannelKey, UserKey};
use super::line::Renderings;
use super::modes::{Flags, Status};
use super::network::Network;
use super::talk::Talk;
use super::users::{Invitation, User, Values};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::{ChannelName, Folded};
use crate::chat::wire::mask;
use crate::chat::wire::mask::Extended;
use crate::chat::wire::timestamp::Timestamp;

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: ChannelName,
    /// What is said on it, among all that is remembered.
    pub(super) talk: Talk,
    pub(super) created: Timestamp,
    /// Tells it apart from others that had, or will have, its name.
    pub(super) serial: u64,
    pub(super) topic: Option<Topic>,
    pub(super) flags: Flags,
    pub(super) key: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) metadata: Values,
    /// When something was done on it last: what is done next bears a later time, so that whoever pages
    /// through it by time loses nothing.
    pub(super) latest: Timestamp,
    lists: [Vec<Entry>; 3],
    /// Nobody chooses a key, so that they can be hashed quickly: each line asks for its speaker.
    members: IndexMap<UserKey, Member, FixedState>,
    /// The same once more, for speaking to all of them.
    audience: Audience,
    /// It is in the settings, so it stays when the last member leaves.
    pub(super) is_permanent: bool,
}

/// A member, with what is needed to send it a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// None: its home is another node, and it is not in the audience.
    connection: Option<ConnectionId>,
    caps: Caps,
    index: usize,
    pub(super) status: Status,
}

/// A list of masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// `b`: who may not join, or speak.
    Bans,
    /// `e`: who may all the same.
    Exceptions,
    /// `I`: who is always invited.
    Invitations,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) mask: String,
    pub(super) by: String,
    pub(super) at: u64,
}

impl List {
    pub(super) const ALL: [(char, Self); 3] =
        [('b', Self::Bans), ('e', Self::Exceptions), ('I', Self::Invitations)];

    pub(super) fn of(letter: char) -> Option<Self> {
        Self::ALL.iter().find(|(it, _)| *it == letter).map(|&(_, list)| list)
    }
}

impl Channel {
    pub(super) fn new(name: ChannelName, created: Timestamp, serial: u64) -> Self {
        Self {
            talk: Talk::Channel(name.folded()),
            name,
            created,
            serial,
            topic: None,
            flags: Flags::initial(),
            key: None,
            limit: None,
            metadata: Values::new(),
            latest: Timestamp::default(),
            lists: Default::default(),
            members: IndexMap::default(),
            audience: Audience::default(),
            is_permanent: false,
        }
    }

    // ── members ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn join(&mut self, key: UserKey, user: &User, status: Status) {
        let (connection, caps) = (user.connection, user.caps);
        let index = connection.map_or(0, |connection| self.audience.add(key, connection, caps));
        self.members.insert(key, Member { connection, caps, index, status });
    }

    pub(super) fn leave(&mut self, key: UserKey) -> bool {
        let member = self.members.swap_remove(&key);
        if let Some(member) = member.filter(|member| member.connection.is_some()) {
            self.remove_from_audience(member.index, member.caps);
        }
        member.is_some()
    }

    /// Takes a member out of the audience; whoever has moved to its index is told.
    fn remove_from_audience(&mut self, index: usize, caps: Caps) {
        let moved = self.audience.remove(index, caps);
        if let Some(member) = moved.and_then(|moved| self.members.get_mut(&moved)) {
            member.index = index;
        }
    }

    /// What a member may do; `None` if it is not on the channel.
    pub(super) fn status(&self, key: UserKey) -> Option<Status> {
        self.members.get(&key).map(|member| member.status)
    }

    pub(super) fn status_mut(&mut self, key: UserKey) -> Option<&mut Status> {
        self.members.get_mut(&key).map(|member| &mut member.status)
    }

    pub(super) fn has(&self, key: UserKey) -> bool {
        self.members.contains_key(&key)
    }

    /// A member understands other things now.
    pub(super) fn set_caps(&mut self, key: UserKey, caps: Caps) {
        let Some(&Member { connection, caps: before, index, .. }) = self.members.get(&key) else {
            return;
        };
        let Some(connection) = connection else { return };
        self.remove_from_audience(index, before);
        let index = self.audience.add(key, connection, caps);
        if let Some(member) = self.members.get_mut(&key) {
            (member.caps, member.index) = (caps, index);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = (UserKey, Status)> {
        self.members.iter().map(|(&key, member)| (key, member.status))
    }

    /// Those members whose home is this node.
    pub(super) fn hearers(&self) -> impl Iterator<Item = UserKey> {
        let here = self.members.iter().filter(|(_, member)| member.connection.is_some());
        here.map(|(&key, _)| key)
    }

    /// Sends a line to all members but one.
    pub(super) fn send(
        &self,
        network: &mut dyn Network,
        renderings: &mut Renderings<'_>,
        but: Option<UserKey>,
    ) {
        let but = but.and_then(|key| self.members.get(&key));
        let but = but.filter(|member| member.connection.is_some());
        self.audience.send(network, renderings, but.map(|member| (member.index, member.caps)));
    }

    /// Whether every member is where it thinks it is.
    pub(super) fn is_consistent(&self) -> bool {
        self.members.iter().all(|(&key, it)| {
            it.connection.is_none() || self.audience.has_at(key, it.index, it.caps)
        })
    }

    /// Sends a line to all members but one whose capabilities and status are as they should be.
    pub(super) fn send_where(
        &self,
        network: &mut dyn Network,
        renderings: &mut Renderings<'_>,
        but: Option<UserKey>,
        mut wanted: impl FnMut(Caps, Status) -> bool,
    ) {
        for (&key, member) in &self.members {
            if let Some(connection) = member.connection
                && Some(key) != but
                && wanted(member.caps, member.status)
            {
                network.send(connection, renderings.of(member.caps));
            }
        }
    }

    /// What somebody has who is invited to it.
    pub(super) fn invitation(&self) -> Invitation {
        Invitation { channel: self.name.folded(), made: self.serial }
    }

    // ── who may what ────────────────────────────────────────────────────────────────────────

    pub(super) fn list(&self, list: List) -> &[Entry] {
        &self.lists[list as usize]
    }

    pub(super) fn list_mut(&mut self, list: List) -> &mut Vec<Entry> {
        &mut self.lists[list as usize]
    }

    pub(super) fn list_matches(&self, list: List, user: &User) -> bool {
        self.list(list).iter().any(|entry| applies(&entry.mask, user))
    }

    pub(super) fn is_banned(&self, user: &User) -> bool {
        self.list_matches(List::Bans, user) && !self.list_matches(List::Exceptions, user)
    }

    /// Whether somebody may speak (modern.ircdocs.horse, "Channel Modes").
    pub(super) fn may_speak(&self, key: UserKey, user: &User) -> bool {
        let status = self.status(key);
        if status.is_some_and(|status| status.reaches(Status::VOICE)) {
            return true;
        }
        let is_open = !self.flags.has(Flags::MODERATED)
            && (status.is_some() || !self.flags.has(Flags::NO_EXTERNAL))
            && (user.account.is_some() || !self.flags.has(Flags::REGISTERED_SPEAK));
        is_open && !self.is_banned(user) && !self.is_muted(user)
    }

    fn is_muted(&self, user: &User) -> bool {
        let mutes = |entry: &Entry| match Extended::of(&entry.mask) {
            Some(Extended::Mute(mask)) => applies(&mask::complete(mask), user),
            _ => false,
        };
        self.list(List::Bans).iter().any(mutes)
            && !self.list(List::Exceptions).iter().any(mutes)
            && !self.list_matches(List::Exceptions, user)
    }

    /// Whether somebody who is not on it may know that it is there.
    pub(super) fn is_visible_to(&self, key: UserKey) -> bool {
        !self.flags.has(Flags::SECRET) || self.has(key)
    }

    /// Its modes in the words of `MODE`: letters, and their parameters.
    pub(super) fn modes(&self, with_key: bool) -> (String, Vec<String>) {
        let mut letters: String = std::iter::once('+').chain(self.flags.letters()).collect();
        let mut params = Vec::new();
        if let Some(key) = &self.key {
            letters.push('k');
            params.push(if with_key { key.clone() } else { "*".to_owned() });
        }
        if let Some(limit) = self.limit {
            letters.push('l');
            params.push(limit.to_string());
        }
        (letters, params)
    }
}

/// Whether a mask of a list is about a user: by what others see of it, by where it is connected from, or
/// by its account.
fn applies(mask: &str, user: &User) -> bool {
    match Extended::of(mask) {
        Some(Extended::Account(wanted)) => {
            return user.account.as_ref().is_some_and(|account| mask::matches(wanted, account));
        }
        Some(Extended::Mute(_)) => return false,
        None => {}
    }
    if mask::matches(mask, &user.source) {
        return true;
    }
    let real = || format!("{}!{}@{}", user.nick(), user.name, user.real_host);
    user.host != user.real_host && mask::matches(mask, &real())
}

/// All channels, by name.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: SlotMap<ChannelKey, Channel>,
    names: BTreeMap<Folded, ChannelKey>,
}

impl Channels {
    pub(super) fn insert(&mut self, channel: Channel) -> ChannelKey {
        let name = channel.name.folded();
        let key = self.channels.insert(channel);
        self.names.insert(name, key);
        key
    }

    pub(super) fn remove(&mut self, key: ChannelKey) -> Option<Channel> {
        let channel = self.channels.remove(key)?;
        self.names.remove(&channel.name.folded());
        Some(channel)
    }

    pub(super) fn named(&self, name: &str) -> Option<ChannelKey> {
        self.names.get(&*Folded::spelling(name)).copied()
    }

    /// All of them, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ChannelKey, &Channel)> {
        self.names.values().map(|&key| (key, &self[key]))
    }

    pub(super) fn get(&self, key: ChannelKey) -> Option<&Channel> {
        self.channels.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }
}

impl Index<ChannelKey> for Channels {
    type Output = Channel;

    fn index(&self, key: ChannelKey) -> &Channel {
        &self.channels[key]
    }
}

impl IndexMut<ChannelKey> for Channels {
    fn index_mut(&mut self, key: ChannelKey) -> &mut Channel {
        &mut self.channels[key]
    }
}
