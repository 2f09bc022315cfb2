//! A channel that several nodes have: whose settings count, and what each member may do.
//!
//! Each node on which there are members says when the channel was made, as far as it knows; the earliest counts: the
//! channel's *era*. Settings belong to an era, and within it the later of two counts; what a member may do counts if
//! its home says so of the same era. So the picture is the same on all nodes that have heard the same, in whatever
//! order.
//!
//! ```text
//!   before      a: #room made at 100, +m, ann is operator      b: #room made at 200, +s, bob is operator
//!   healed      a and b: made at 100, +m, ann is operator, bob is on it
//! ```
//!
//! An era that has ended, and settings of one that has not begun here, are remembered for a while: what comes late
//! from one node may be of an era that another has ended or begun already. A registered channel that is closed keeps its
//! era: it is opened again as it is remembered, and where nothing is as the accounts have it. If these have said
//! something of it while it was closed, they are right.
//!
//! Who opens a channel tells the others what is set on it. Who joins one that others are on need not: all have heard of
//! it. What a node that is lost has set, nobody tells of who has not; so all others do, to whoever asks for a snapshot.

use super::settings::{Claim, Era, Face, Room, Settings, letter_of, put, reset, settings_of};
use super::state::HERE;
use crate::chat::server::Server;
use crate::chat::server::changes::{Changed, Set, TOPIC, letters, on_a_line};
use crate::chat::server::channels::Channel;
use crate::chat::server::context::Context;
use crate::chat::server::effect::{Change, Effect, Happened, UserId};
use crate::chat::server::kept;
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::{Line, Renderings};
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::network::Network;
use crate::chat::server::talk::Talk;
use crate::chat::wire::builder::Builder;
use crate::chat::wire::casemap::{ChannelName, Folded};
use crate::chat::wire::timestamp::Timestamp;

/// Milliseconds for which others surely remember what they were told of a channel.
const FRESH: u64 = 60_000;

// ── what is done to a room ──────────────────────────────────────────────────────────────────────────

impl Server {
    /// What the network knows of a channel: made of what it is here, if it is nothing yet.
    pub(super) fn room(&mut self, key: ChannelKey) -> Option<&mut Room> {
        let nodes = self.nodes.as_ref()?;
        if !nodes.rooms.contains_key(key) {
            self.make_room(key);
        }
        self.nodes.as_mut()?.rooms.get_mut(key)
    }

    fn make_room(&mut self, key: ChannelKey) {
        let Some(nodes) = &mut self.nodes else { return };
        let (channel, here) = (&mut self.channels[key], &nodes.nodes[HERE].name);
        let is_registered = channel.flags.has(Flags::REGISTERED);
        let known = nodes.eras.get(&channel.name.folded(), channel.created).cloned();
        let is_known = known.is_some();
        let Era { mut settings, mut told, is_outdated } = known.unwrap_or_default();
        let set = settings_of(channel, here);
        // If it is registered, it is by now as the accounts have it.
        let is_other = match (is_known, is_registered && !channel.is_permanent) {
            (true, true) => (is_outdated && settings.follow(&set, here)) | settings.complete(set),
            (true, false) => false,
            (false, _) => settings.complete(set),
        };
        if is_other {
            told = None;
        }
        if is_known {
            reset(channel, is_registered);
            settings.0.values().for_each(|change| put(channel, change));
        }
        nodes.rooms.insert(key, Room { settings, told, ..Room::default() });
    }

    /// As of one that another node has opened, which tells what is set on it.
    fn make_room_of_another(&mut self, key: ChannelKey) {
        let Some(nodes) = &mut self.nodes else { return };
        let channel = &mut self.channels[key];
        let known = nodes.eras.get(&channel.name.folded(), channel.created).cloned();
        let Era { mut settings, told, is_outdated } = known.unwrap_or_default();
        let kept = self.accounts.channel(channel.name.as_str()).filter(|_| is_outdated);
        let is_other = kept.is_some_and(|kept| {
            let mut as_kept = Channel::new(channel.name.clone(), channel.created, 0);
            kept::restore(&mut as_kept, kept, &self.settings.name);
            let here = &nodes.nodes[HERE].name;
            as_kept.created == channel.created
                && settings.follow(&settings_of(&as_kept, here), here)
        });
        settings.0.values().for_each(|change| put(channel, change));
        nodes.rooms.insert(key, Room { settings, told, ..Room::default() });
        if is_other {
            self.tell_room(key);
        }
    }

    /// Opens a channel that was made on another node.
    pub(super) fn open_channel(&mut self, name: ChannelName, created: Timestamp) -> ChannelKey {
        let is_registered = self.accounts.channel(name.as_str()).is_some();
        let latest = self.history.latest(&Talk::Channel(name.folded()));
        let mut channel = Channel::new(name, created, self.next_serial());
        channel.latest = latest;
        channel.flags.set(Flags::REGISTERED, is_registered);
        let key = self.channels.insert(channel);
        self.make_room_of_another(key);
        key
    }

    /// A channel is gone here: what it was is remembered for a while.
    pub(in crate::chat::server) fn note_closed(&mut self, key: ChannelKey, channel: &Channel) {
        if let Some(nodes) = &mut self.nodes
            && let Some(room) = nodes.rooms.remove(key)
        {
            nodes.eras.close(&channel.name.folded(), channel.created, &room);
        }
    }

    /// The accounts have something else of a channel than before, or none. Of one that somebody is on it counts what is
    /// set there.
    #[cfg(feature = "cluster")]
    pub(in crate::chat::server) fn note_kept(&mut self, name: &Folded) {
        if let Some(nodes) = &mut self.nodes {
            nodes.eras.note_outdated(name);
        }
    }

    /// Somebody has come to a channel.
    pub(in crate::chat::server) fn note_join(
        &mut self,
        key: ChannelKey,
        user: UserKey,
        status: Status,
        at: Timestamp,
    ) {
        if self.nodes.is_none() {
            return;
        }
        let Some(room) = self.room(key) else { return };
        let is_opened = room.claims.is_empty();
        let created = self.channels[key].created;
        let Some(nodes) = &mut self.nodes else { return };
        let node = nodes.people.get(user).map_or(HERE, |person| person.node);
        let Some(room) = nodes.rooms.get_mut(key) else { return };
        let claim = room.claims.entry(node).or_insert(Claim { created, members: 0 });
        claim.members += 1;
        if status != Status::NONE {
            room.owned.insert(user, status);
        }
        if node == HERE {
            if is_opened {
                self.tell_opened(key, at);
            }
            let channel = self.channels[key].name.to_string();
            let status = status.letters();
            self.publish(user, |_, user| Effect::Join { user, channel, created, status });
        }
    }

    /// Somebody is gone from a channel.
    pub(in crate::chat::server) fn note_leave(&mut self, key: ChannelKey, user: UserKey) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(room) = nodes.rooms.get_mut(key) else { return };
        let node = nodes.people.get(user).map_or(HERE, |person| person.node);
        room.owned.remove(&user);
        if let Some(claim) = room.claims.get_mut(&node) {
            claim.members -= 1;
            if claim.members == 0 {
                room.claims.remove(&node);
                nodes.unsettled.insert(key);
            }
        }
    }

    /// A node says when a channel was made.
    pub(super) fn note_claim(&mut self, key: ChannelKey, node: usize, created: Timestamp) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(room) = nodes.rooms.get_mut(key) else { return };
        let Some(claim) = room.claims.get_mut(&node) else { return };
        if claim.created == created {
            if created != self.channels[key].created {
                nodes.unsettled.insert(key);
            }
            return;
        }
        claim.created = created;
        let people = &nodes.people;
        room.owned.retain(|&user, _| people.get(user).is_none_or(|person| person.node != node));
        nodes.unsettled.insert(key);
    }

    /// What a member may do has been changed: by this node, or by its home.
    pub(super) fn note_status(&mut self, key: ChannelKey, user: UserKey, status: Status) {
        if let Some(room) = self.nodes.as_mut().and_then(|nodes| nodes.rooms.get_mut(key)) {
            if status == Status::NONE {
                room.owned.remove(&user);
            } else {
                room.owned.insert(user, status);
            }
        }
    }

    /// What the home of a member says it may do.
    pub(super) fn owned_status(&self, key: ChannelKey, user: UserKey) -> Status {
        let room = self.nodes.as_ref().and_then(|nodes| nodes.rooms.get(key));
        room.and_then(|room| room.owned.get(&user)).copied().unwrap_or_default()
    }

    /// Whether what the home of a member says counts.
    pub(super) fn counts(&self, key: ChannelKey, user: UserKey) -> bool {
        let Some(nodes) = &self.nodes else { return true };
        let node = nodes.people.get(user).map_or(HERE, |person| person.node);
        let claim = nodes.rooms.get(key).and_then(|room| room.claims.get(&node));
        claim.is_some_and(|claim| claim.created == self.channels[key].created)
    }

    /// Tells the other nodes all that is set on a channel, unless they were told a moment ago: who comes and goes in a loop
    /// has them hear nothing new.
    fn tell_opened(&mut self, key: ChannelKey, at: Timestamp) {
        let Some(room) = self.nodes.as_mut().and_then(|nodes| nodes.rooms.get_mut(key)) else {
            return;
        };
        let since = |told: Timestamp| at.millis().checked_sub(told.millis());
        let is_fresh = room.told.and_then(since).is_some_and(|since| since < FRESH);
        if !is_fresh && !room.settings.0.is_empty() {
            room.told = Some(at);
            self.tell_room(key);
        }
    }

    /// Tells the other nodes all that is set on a channel.
    fn tell_room(&mut self, key: ChannelKey) {
        let channel = &self.channels[key];
        let (name, created) = (channel.name.to_string(), channel.created);
        if let Some(nodes) = &mut self.nodes
            && let Some(room) = nodes.rooms.get(key)
        {
            room.settings.told(&name, created).into_iter().for_each(|effect| nodes.tell(effect));
        }
    }

    /// Takes settings that another node tells; those that count from now on, which are set.
    pub(super) fn take_settings(
        &mut self,
        name: &str,
        created: Timestamp,
        changes: Vec<Change>,
    ) -> Vec<Change> {
        let channel = self.channels.named(name).filter(|&it| self.channels[it].created == created);
        let Some(key) = channel else {
            if let Some(nodes) = &mut self.nodes {
                nodes.eras.put(&Folded::of(name), created, &changes);
            }
            return Vec::new();
        };
        let Some(room) = self.room(key) else { return Vec::new() };
        let later: Vec<_> =
            changes.into_iter().filter(|change| room.settings.take(change)).collect();
        later.iter().for_each(|change| put(&mut self.channels[key], change));
        later
    }

    /// Finds out whose settings count on channels where that may have changed, and shows what is different.
    pub(in crate::chat::server) fn settle_rooms(&mut self, network: &mut dyn Network) {
        let Some(nodes) = self.nodes.as_mut().filter(|nodes| !nodes.unsettled.is_empty()) else {
            return;
        };
        for key in std::mem::take(&mut nodes.unsettled) {
            self.settle_room(network, key);
        }
    }

    fn settle_room(&mut self, network: &mut dyn Network, key: ChannelKey) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(room) = nodes.rooms.get_mut(key) else { return };
        let Some(era) = room.claims.values().map(|claim| claim.created).min() else { return };
        if self.channels.get(key).is_some_and(|channel| channel.created != era) {
            self.change_era(network, key, era);
        }
        let Some(nodes) = &mut self.nodes else { return };
        let Some(room) = nodes.rooms.get_mut(key) else { return };
        if let Some(mine) = room.claims.get_mut(&HERE)
            && mine.created != era
        {
            mine.created = era;
            let people = &nodes.people;
            room.owned
                .retain(|&user, _| people.get(user).is_some_and(|person| person.node != HERE));
            self.tell_room(key);
        }
        self.settle_statuses(network, key);
    }

    /// The settings of another era count.
    fn change_era(&mut self, network: &mut dyn Network, key: ChannelKey, era: Timestamp) {
        let serial = self.next_serial();
        let channel = &mut self.channels[key];
        let (before, name) = (Face::of(channel), channel.name.folded());
        let is_registered = self.accounts.channel(name.as_str()).is_some();
        let Some(nodes) = &mut self.nodes else { return };
        let Some(room) = nodes.rooms.get_mut(key) else { return };
        let ended = std::mem::take(&mut room.settings);
        nodes.eras.put(&name, channel.created, ended.0.values());
        let known = nodes.eras.get(&name, era).cloned().unwrap_or_default();
        (room.settings, room.told) = (known.settings, known.told);
        // Invitations are of the era that has ended.
        (channel.created, channel.serial) = (era, serial);
        reset(channel, is_registered);
        room.settings.0.values().for_each(|change| put(channel, change));
        let after = Face::of(channel);
        self.show_modes(network, key, &before.changes_to(&after));
        if before.topic != after.topic {
            self.show_topic(network, key);
        }
    }

    /// Members are what their homes say, if they speak of this era.
    fn settle_statuses(&mut self, network: &mut dyn Network, key: ChannelKey) {
        let members: Vec<_> = self.channels[key].members().collect();
        let mut changed = Vec::new();
        for (user, before) in members {
            let after =
                if self.counts(key, user) { self.owned_status(key, user) } else { Status::NONE };
            changed.extend(self.set_status(key, user, before, after));
        }
        self.show_modes(network, key, &changed);
    }

    /// Makes a member what it is to be; what has changed by it.
    pub(super) fn set_status(
        &mut self,
        key: ChannelKey,
        user: UserKey,
        before: Status,
        after: Status,
    ) -> Vec<Changed> {
        if before == after {
            return Vec::new();
        }
        if let Some(status) = self.channels[key].status_mut(user) {
            *status = after;
        }
        let nick = self.users[user].nick().to_owned();
        let mut changed = Vec::new();
        for (on, from, to) in [(false, after, before), (true, before, after)] {
            let letters = to.letters();
            let new = letters.chars().filter(|&it| !from.letters().contains(it));
            changed.extend(new.map(|letter| Changed { on, letter, param: Some(nick.clone()) }));
        }
        changed
    }

    // ── showing ─────────────────────────────────────────────────────────────────────────────

    /// The server tells the members who are here what has changed.
    pub(super) fn show_modes(
        &mut self,
        network: &mut dyn Network,
        key: ChannelKey,
        changed: &[Changed],
    ) {
        let mut rest = changed;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(on_a_line(rest));
            rest = later;
            let line = Builder::new().source(&self.settings.name).command("MODE");
            let line = line.param(self.channels[key].name.as_str()).param(&letters(now));
            let params = now.iter().filter_map(|change| change.param.as_deref());
            self.show(network, key, params.fold(line, Builder::param));
        }
    }

    pub(super) fn show_topic(&mut self, network: &mut dyn Network, key: ChannelKey) {
        let channel = &self.channels[key];
        let text = channel.topic.as_ref().map_or("", |topic| &topic.text);
        let line = Builder::new().source(&self.settings.name).command("TOPIC");
        let line = line.param(channel.name.as_str()).text(text);
        self.show(network, key, line);
    }

    fn show(&mut self, network: &mut dyn Network, key: ChannelKey, line: Builder) {
        let Ok(line) = Line::new(line) else {
            self.counters.spoiled += 1;
            return;
        };
        let line = Line { at: Some(Timestamp::of(network.wall_clock())), ..line };
        self.channels[key].send(network, &mut Renderings::new(&line), None);
    }
}

// ── what is set on this node ────────────────────────────────────────────────────────────────────────

impl Context<'_> {
    /// The user, or the server, has set something on a channel, and everybody was told: the other nodes are too.
    pub(in crate::chat::server) fn note_changes(
        &mut self,
        by: Option<UserKey>,
        channel: ChannelKey,
        changed: &[Set<'_>],
        told: Option<Happened>,
    ) {
        if self.server.nodes.is_none() {
            return;
        }
        let is_topic = changed.iter().any(|it| it.item == TOPIC);
        let by_whom =
            if is_topic { self.user().nick().to_owned() } else { self.source().to_string() };
        let id = by.map(|by| self.server.user_id(by));
        self.server.record(channel, id, (&by_whom, self.clock), changed, told);
    }
}

impl Server {
    /// Whether a channel is registered has changed. The other nodes see so by their accounts.
    pub(in crate::chat::server) fn set_registered(&mut self, channel: ChannelKey, on: bool) {
        self.channels[channel].flags.set(Flags::REGISTERED, on);
    }

    fn record(
        &mut self,
        key: ChannelKey,
        by: Option<UserId>,
        (whom, clock): (&str, Timestamp),
        changed: &[Set<'_>],
        told: Option<Happened>,
    ) {
        let mut changes = Vec::new();
        for Set { item, about, value } in changed {
            let rank = letter_of(item).and_then(Status::of_letter);
            let member = rank.and_then(|_| self.users.named(about));
            if let Some(member) = member {
                let status = self.channels[key].status(member).unwrap_or_default();
                self.note_status(key, member, status);
            }
            let user = member.map(|member| self.user_id(member));
            let about = if user.is_some() { "" } else { about };
            let Some(nodes) = &self.nodes else { return };
            let node = nodes.nodes[HERE].name.clone();
            let Some(room) = self.room(key) else { return };
            let known = room.settings.0.get(&Settings::name(item, about));
            let at = known.map_or(clock, |known| clock.after(known.at));
            let change = Change {
                item: (*item).to_owned(),
                key: about.to_owned(),
                value: value.clone(),
                user,
                by: whom.to_owned(),
                at,
                node,
            };
            if user.is_none() {
                room.settings.take(&change);
            }
            changes.push(change);
        }
        let (channel, created) = (self.channels[key].name.to_string(), self.channels[key].created);
        self.tell_nodes(Effect::Channel { channel, created, by, changes, told });
    }
}
