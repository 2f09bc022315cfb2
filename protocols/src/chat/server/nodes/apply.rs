//! An effect of another node, done here: by the functions that the commands run, on behalf of a user who takes no lines
//! here. Nothing is checked again, and what says nothing here, of somebody who has gone for instance, is dropped and
//! counted.

use std::time::Duration;

use reactor::Registry;

use super::settings::{letter_of, mode_of};
use super::state::{HERE, Node, Person};
use crate::chat::server::Server;
use crate::chat::server::changes::{Changed, METADATA, TOPIC};
use crate::chat::server::commands::{self, Owner};
use crate::chat::server::context::Context;
use crate::chat::server::effect::{self, Change, Effect, Happened, UserId};
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::modes::{Flags, Status, UserModes};
use crate::chat::server::network::Network;
use crate::chat::server::users::User;
use crate::chat::wire::builder::Builder;
use crate::chat::wire::casemap::{ChannelName, Nick};
use crate::chat::wire::node::NodeName;
use crate::chat::wire::timestamp::Timestamp;

/// How far ahead another node's clock may be. What happens here next on the same channel is dated later than what came
/// from there, so that a clock that is hours ahead would take all others with it.
const AHEAD: Duration = Duration::from_secs(10);

/// Bytes of a name of another node's channel or server, whose settings may differ.
const LONGEST: usize = 256;

impl Server {
    /// Does here what another node has told of one of its users, or asks of this one. Effects of a node come in the
    /// order in which it made them; those of different nodes in any order.
    pub fn apply<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        from: &NodeName,
        effect: Effect,
    ) {
        self.apply_effect(registry, from, effect);
    }

    pub(super) fn apply_effect(
        &mut self,
        network: &mut dyn Network,
        from: &NodeName,
        effect: Effect,
    ) {
        let Some(place) = self.nodes.as_mut().and_then(|nodes| nodes.place(from)) else { return };
        self.apply_one(network, place, effect);
        self.settle(network);
    }

    pub(super) fn apply_one(&mut self, network: &mut dyn Network, place: usize, effect: Effect) {
        if self.try_apply(network, place, effect).is_none()
            && let Some(nodes) = &mut self.nodes
        {
            nodes.skipped += 1;
        }
    }

    /// A user of that node.
    fn theirs(&self, place: usize, id: UserId) -> Option<UserKey> {
        let nodes = self.nodes.as_ref()?;
        let key = *nodes.ids.get(&id)?;
        (nodes.people.get(key)?.node == place).then_some(key)
    }

    /// A member of that node; or of this one, of which it asks something. Who may ask, the other node has found out in
    /// the era that it knows: a channel of another era is not theirs to rule.
    fn theirs_or_mine(
        &self,
        place: usize,
        id: UserId,
        channel: ChannelKey,
        created: Timestamp,
    ) -> Option<UserKey> {
        let is_asked = || self.channels[channel].created == created;
        self.theirs(place, id).or_else(|| self.theirs(HERE, id).filter(|_| is_asked()))
    }

    /// A user, wherever it is.
    fn anyone(&self, id: UserId) -> Option<UserKey> {
        self.nodes.as_ref()?.ids.get(&id).copied()
    }

    /// A turn of a user of another node.
    fn turn<'a>(
        &'a mut self,
        network: &'a mut dyn Network,
        user: UserKey,
        told: Option<Happened>,
    ) -> Context<'a> {
        let mut ctx = Context::new(self, network, user, None);
        if let Some(Happened { id, at }) = told {
            ctx.tells(id, at.min(ctx.clock.plus(AHEAD)));
        }
        ctx
    }

    /// `None`: it says nothing here.
    fn try_apply(&mut self, network: &mut dyn Network, place: usize, effect: Effect) -> Option<()> {
        match effect {
            Effect::Node { server, about } => {
                // It stands in the middle of lines, and whoever is not called so is called as its node is.
                let word = Builder::new().command("SERVER").param(&server);
                let (true, Ok(_)) = (server.len() <= LONGEST, word.finish()) else { return None };
                let Node { server: known, about: text, .. } =
                    self.nodes.as_mut()?.nodes.get_mut(place)?;
                (*known, *text) = (server.into(), about.into());
            }
            Effect::User(person) => return self.meet(network, place, *person),
            Effect::Nick { user, nick, since, owned } => {
                return self.renamed(network, place, user, &nick, since, owned);
            }
            Effect::Quit { user, reason } => {
                let user = self.theirs(place, user)?;
                self.remove(network, user, &reason);
            }
            Effect::Account { user, account, owned } => {
                let user = self.theirs(place, user)?;
                self.nodes.as_mut()?.people.get_mut(user)?.owned = owned;
                if self.users[user].account.as_deref() != account.as_deref() {
                    commands::set_account(&mut self.turn(network, user, None), account.as_deref());
                }
                self.settle_nick(network, user);
            }
            Effect::Away { user, text } => {
                let user = self.theirs(place, user)?;
                commands::set_away(&mut self.turn(network, user, None), text);
            }
            Effect::Host { user, host } => {
                let user = self.theirs(place, user).or_else(|| self.theirs(HERE, user))?;
                commands::set_host(&mut self.turn(network, user, None), user, &host);
            }
            Effect::RealName { user, name } => {
                let user = self.theirs(place, user)?;
                commands::set_real_name(&mut self.turn(network, user, None), &name);
            }
            Effect::UserModes { user, modes } => {
                let user = self.theirs(place, user)?;
                self.set_modes(user, &modes);
            }
            Effect::Join { user, channel, created, status, .. } => {
                return self.joins(network, place, user, &channel, created, &status);
            }
            Effect::Part { user, channel, reason, .. } => {
                let (user, channel) = (self.theirs(place, user)?, self.channels.named(&channel)?);
                self.channels[channel].status(user)?;
                commands::leave(&mut self.turn(network, user, None), channel, &reason);
            }
            Effect::Kick { by, user, channel, created, reason, told } => {
                let channel = self.channels.named(&channel)?;
                let target = self.theirs_or_mine(place, user, channel, created)?;
                self.channels[channel].status(target)?;
                let by = self.anyone(by).unwrap_or(target);
                let mut ctx = self.turn(network, by, told);
                commands::put_out(&mut ctx, channel, target, &reason);
            }
            Effect::Channel { channel, created, by, changes, told } => {
                let by = by.and_then(|by| self.anyone(by));
                self.note_room(place, &channel, created, &changes, told);
                let (statuses, settings): (Vec<_>, Vec<_>) =
                    changes.into_iter().partition(|change| change.user.is_some());
                let later = self.take_settings(&channel, created, settings);
                let key = self.channels.named(&channel)?;
                let granted = self.grant(place, key, created, &statuses);
                self.show_settings(network, key, by, (later, granted), told);
            }
            effect => return self.says(network, place, effect),
        }
        Some(())
    }

    /// What is said and gone, so that a snapshot does not have it.
    fn says(&mut self, network: &mut dyn Network, place: usize, effect: Effect) -> Option<()> {
        match effect {
            Effect::Invite { by, user, channel, created } => {
                let (by, guest) = (self.theirs(place, by)?, self.anyone(user)?);
                let channel = self.channels.named(&channel)?;
                if self.channels[channel].created != created {
                    return None;
                }
                commands::invited(&mut self.turn(network, by, None), guest, channel);
            }
            Effect::Said { by, channel, words, told } => {
                let by = self.theirs(place, by)?;
                let (symbols, name) = Status::split(&channel);
                let key = self.channels.named(name)?;
                // It may have been kept until a snapshot came, in which its speaker has left already.
                let room = &self.channels[key];
                if room.flags.has(Flags::NO_EXTERNAL) && !room.has(by) {
                    return None;
                }
                self.users[by].spoke = network.now();
                let mut ctx = self.turn(network, by, Some(told));
                commands::say_on(&mut ctx, key, symbols, words);
            }
            Effect::Told { by, user, words, told } => {
                let (by, user) = (self.theirs(place, by)?, self.theirs(HERE, user)?);
                self.users[by].spoke = network.now();
                commands::say_to_user(&mut self.turn(network, by, Some(told)), user, words);
            }
            Effect::Redact { by, channel, user, id, reason } => {
                let by = self.theirs(place, by)?;
                let channel = match channel {
                    Some(name) => Some(self.channels.named(&name)?),
                    None => None,
                };
                let user = user.and_then(|user| self.theirs(HERE, user));
                commands::take_back(&mut self.turn(network, by, None), channel, user, id, &reason);
            }
            Effect::Metadata { by, user, key, value } => {
                let user = self.theirs(place, user).or_else(|| self.theirs(HERE, user))?;
                let by = self.anyone(by).unwrap_or(user);
                let mut ctx = self.turn(network, by, None);
                commands::set_value(&mut ctx, Owner::User(user), &key, value.as_deref());
            }
            Effect::Read { user, target, at } => {
                let user = self.theirs(place, user)?;
                commands::read_on(&mut self.turn(network, user, None), &target, at);
            }
            Effect::Kill { by, user, reason, quit } => {
                let victim = self.theirs(HERE, user)?;
                let by = by.and_then(|by| self.theirs(place, by)).unwrap_or(victim);
                commands::remove_user(&mut self.turn(network, by, None), victim, reason, &quit);
            }
            Effect::Wallops { by, text } => {
                let by = self.theirs(place, by)?;
                commands::tell_wallops(&mut self.turn(network, by, None), &text);
            }
            _ => return None,
        }
        Some(())
    }

    // ── users ───────────────────────────────────────────────────────────────────────────────

    /// A user of another node is here now, or has become what this says.
    fn meet(
        &mut self,
        network: &mut dyn Network,
        place: usize,
        person: effect::Person,
    ) -> Option<()> {
        let nick = Self::nick_of(&person.nick, person.user)?;
        let Some(key) = self.anyone(person.user) else {
            self.insert(network, place, nick, person);
            return Some(());
        };
        self.theirs(place, person.user)?;
        let effect::Person { user, since, owned, host, real_name, modes, account, away, .. } =
            person;
        if self.users[key].account.as_deref() != account.as_deref() {
            commands::set_account(&mut self.turn(network, key, None), account.as_deref());
        }
        if *self.users[key].host != *host {
            commands::set_host(&mut self.turn(network, key, None), key, &host);
        }
        if *self.users[key].real_name != *real_name {
            commands::set_real_name(&mut self.turn(network, key, None), &real_name);
        }
        self.set_modes(key, &modes);
        commands::set_away(&mut self.turn(network, key, None), away);
        let known = self.users[key].metadata.clone();
        let gone = known.keys().filter(|&key| !person.metadata.iter().any(|(it, _)| it == key));
        let gone: Vec<_> = gone.map(|key| (key.clone(), None)).collect();
        let set = person.metadata.into_iter().map(|(name, value)| (name, Some(value)));
        for (name, value) in gone.into_iter().chain(set) {
            if known.get(&name) != value.as_ref() {
                let mut ctx = self.turn(network, key, None);
                commands::set_value(&mut ctx, Owner::User(key), &name, value.as_deref());
            }
        }
        self.renamed(network, place, user, nick.as_str(), since, owned)
    }

    fn insert(
        &mut self,
        network: &mut dyn Network,
        place: usize,
        nick: Nick,
        person: effect::Person,
    ) {
        let serial = self.next_serial();
        let effect::Person { user: id, since, owned, modes, account, .. } = person;
        let mut user = User::elsewhere(network.now(), serial);
        (user.name, user.real_name) = (person.name.into(), person.real_name.into());
        (user.host, user.real_host) = (person.host.into(), person.real_host.into());
        (user.away, user.signed_on) = (person.away, person.signed_on);
        user.metadata = person.metadata.into_iter().collect();
        let key = self.users.insert(user);
        let counters = &mut self.counters;
        counters.remote += 1;
        counters.most_everywhere = counters.most_everywhere.max(counters.users + counters.remote);
        if let Some(nodes) = &mut self.nodes {
            let (node, nick) = (place, nick.clone());
            nodes.people.insert(key, Person { node, id, nick, since, owned, leaving: None });
            nodes.ids.insert(id, key);
        }
        self.users.set_account(key, account.as_deref());
        self.set_modes(key, &modes);
        self.free_nick(network, &nick, key);
        // Nobody has seen it under another name.
        let is_free = self.users.holder(nick.as_str()).is_none();
        self.users.rename(key, if is_free { nick } else { Nick::of_id(id) });
        if is_free {
            commands::announce_user(&mut self.turn(network, key, None));
        }
        self.settle_nick(network, key);
    }

    fn renamed(
        &mut self,
        network: &mut dyn Network,
        place: usize,
        id: UserId,
        nick: &str,
        since: Timestamp,
        owned: bool,
    ) -> Option<()> {
        let key = self.theirs(place, id)?;
        let person = self.nodes.as_mut()?.people.get_mut(key)?;
        person.nick = Self::nick_of(nick, id)?;
        (person.since, person.owned) = (since, owned);
        self.settle_nick(network, key);
        Some(())
    }

    fn set_modes(&mut self, key: UserKey, modes: &str) {
        let before = self.users[key].modes;
        let after = UserModes::of_text(modes);
        self.users[key].modes = after;
        self.counters.count_modes(before, after);
    }

    // ── channels ────────────────────────────────────────────────────────────────────────────

    /// A user of another node joins a channel; or is on it already, and is told of anew.
    fn joins(
        &mut self,
        network: &mut dyn Network,
        place: usize,
        id: UserId,
        channel: &str,
        created: Timestamp,
        status: &str,
    ) -> Option<()> {
        let user = self.theirs(place, id)?;
        let status = Status::of_letters(status);
        let name = ChannelName::new(channel, LONGEST).ok()?;
        self.free_channel(channel);
        let key = match self.channels.named(channel) {
            Some(key) => key,
            None => self.open_channel(name, created),
        };
        self.room(key)?;
        if self.channels[key].has(user) {
            self.note_claim(key, place, created);
            self.note_status(key, user, status);
        } else {
            commands::enter(&mut self.turn(network, user, None), key, Status::NONE);
            self.note_claim(key, place, created);
            self.note_status(key, user, status);
        }
        self.show_status(network, key, user);
        Some(())
    }

    /// A member is what its home says, if that counts; everybody is shown what has changed.
    fn show_status(&mut self, network: &mut dyn Network, key: ChannelKey, user: UserKey) {
        let after =
            if self.counts(key, user) { self.owned_status(key, user) } else { Status::NONE };
        let before = self.channels[key].status(user).unwrap_or_default();
        if before == after {
            return;
        }
        if self.is_gathering() {
            // The batch comes first.
            if let Some(nodes) = &mut self.nodes {
                nodes.unsettled.insert(key);
            }
            return;
        }
        let changed = self.set_status(key, user, before, after);
        self.show_modes(network, key, &changed);
    }

    /// A node says when a channel was made, unless it tells of a change or asks for one.
    fn note_room(
        &mut self,
        place: usize,
        name: &str,
        created: Timestamp,
        changes: &[Change],
        told: Option<Happened>,
    ) {
        let is_all = told.is_none() && changes.iter().all(|change| change.user.is_none());
        if let Some(key) = self.channels.named(name).filter(|_| is_all) {
            self.note_claim(key, place, created);
        }
    }

    /// What members may do is changed, by their home or since that is asked of this node; what has changed.
    fn grant(
        &mut self,
        place: usize,
        key: ChannelKey,
        created: Timestamp,
        changes: &[Change],
    ) -> Vec<Changed> {
        let user = |change: &Change| self.theirs_or_mine(place, change.user?, key, created);
        let users: Vec<_> = changes.iter().map(user).collect();
        let granted = users.into_iter().zip(changes);
        granted.filter_map(|(user, change)| self.grant_one(key, user?, change)).collect()
    }

    fn grant_one(&mut self, key: ChannelKey, user: UserKey, change: &Change) -> Option<Changed> {
        let letter = letter_of(&change.item)?;
        let rank = Status::of_letter(letter)?;
        let mut status = self.channels[key].status(user)?;
        let on = change.value.is_some();
        let mut owned = self.owned_status(key, user);
        owned.set(rank, on);
        self.note_status(key, user, owned);
        if !self.counts(key, user) || !status.set(rank, on) {
            return None;
        }
        *self.channels[key].status_mut(user)? = status;
        Some(Changed { on, letter, param: Some(self.users[user].nick().to_owned()) })
    }

    /// Shows what is set on a channel, and what members may do, from now on.
    fn show_settings(
        &mut self,
        network: &mut dyn Network,
        key: ChannelKey,
        by: Option<UserKey>,
        (later, granted): (Vec<Change>, Vec<Changed>),
        told: Option<Happened>,
    ) {
        let mut modes: Vec<_> = later.iter().filter_map(said).collect();
        modes.extend(granted);
        self.show_changed(network, key, by, modes, told);
        for Change { item, key: name, value, .. } in later {
            match (item.as_str(), by) {
                (TOPIC, Some(by)) if told.is_some() => {
                    commands::show_topic_of(&mut self.turn(network, by, told), key);
                }
                (TOPIC, _) => self.show_topic(network, key),
                (METADATA, Some(by)) => {
                    let mut ctx = self.turn(network, by, None);
                    commands::tell_value(&mut ctx, Owner::Channel(key), &name, value.as_deref());
                }
                _ => {}
            }
        }
    }

    /// Shows modes as those of a user, or of the server; what was asked of this node is told to the others.
    fn show_changed(
        &mut self,
        network: &mut dyn Network,
        key: ChannelKey,
        by: Option<UserKey>,
        modes: Vec<Changed>,
        told: Option<Happened>,
    ) {
        if modes.is_empty() {
            return;
        }
        let is_asked = modes.iter().any(|change| {
            let member = change.param.as_deref().and_then(|nick| self.users.named(nick));
            Status::of_letter(change.letter).is_some()
                && member.is_some_and(|member| self.users[member].is_local())
        });
        match by.filter(|_| told.is_some() || is_asked) {
            Some(by) => {
                let mut ctx = self.turn(network, by, told);
                commands::show_changes(&mut ctx, key, &modes, is_asked);
            }
            None => self.show_modes(network, key, &modes),
        }
    }
}

/// A change in the words of `MODE`, if it is one of a mode.
fn said(change: &Change) -> Option<Changed> {
    let letter = mode_of(&change.item)?;
    let on = change.value.is_some();
    let param = match (letter, on) {
        ('k', true) | ('l', true) => change.value.clone(),
        ('k', false) => Some("*".to_owned()),
        ('b' | 'e' | 'I', _) => Some(change.value.clone().unwrap_or_else(|| change.key.clone())),
        _ => None,
    };
    Some(Changed { on, letter, param })
}
