//! All that a node has to say of its own; what has changed since the last; a node that is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use reactor::Registry;

use super::settings::Settings;
use super::state::{HERE, Node, Together};
use crate::chat::server::Server;
use crate::chat::server::commands;
use crate::chat::server::context::Context;
use crate::chat::server::effect::{Change, Effect, UserId};
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::modes::Status;
use crate::chat::server::network::Network;
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::node::NodeName;
use crate::chat::wire::timestamp::Timestamp;

/// Milliseconds in which what a node has said may be on its way to another, or be asked for again.
const LATE: u64 = 60_000;

impl Server {
    /// All that this node has to say of its own: what it is called, the channels its users are on or that it, or a node that
    /// is lost, has set something on, and its users, each with where it is. In this order another node can
    /// [`apply`](Self::apply) them one by one, or all at once with [`replace`](Self::replace).
    #[must_use]
    pub fn snapshot(&self) -> Vec<Effect> {
        let Some(nodes) = &self.nodes else { return Vec::new() };
        let (server, about) = (self.settings.name.clone(), self.settings.description.clone());
        let mut effects = vec![Effect::Node { server, about }];
        let is_told = |settings: &Settings| settings.0.values().any(|it| nodes.is_to_tell(it));
        let rooms = self.channels.iter().filter_map(|(key, channel)| {
            let room = nodes.rooms.get(key)?;
            let is_mine = room.claims.contains_key(&HERE) || is_told(&room.settings);
            is_mine.then(|| (channel.name.to_string(), channel.created, &room.settings))
        });
        let ended = nodes.eras.iter().filter(|(_, _, settings)| is_told(settings));
        let ended = ended.map(|(name, created, settings)| (name.to_string(), created, settings));
        let told = rooms.chain(ended);
        effects
            .extend(told.flat_map(|(channel, created, settings)| settings.told(&channel, created)));
        let mine = self.users.registered().filter(|(_, user)| user.is_local());
        for (key, user) in mine {
            effects.push(Effect::User(Box::new(self.person(key))));
            effects.extend(user.channels.iter().map(|&channel| Effect::Join {
                user: self.user_id(key),
                channel: self.channels[channel].name.to_string(),
                created: self.claimed(channel),
                status: self.owned_status(channel, key).letters(),
            }));
        }
        effects
    }

    /// When this node says that a channel was made.
    fn claimed(&self, key: ChannelKey) -> Timestamp {
        let room = self.nodes.as_ref().and_then(|nodes| nodes.rooms.get(key));
        let claim = room.and_then(|room| room.claims.get(&HERE));
        claim.map_or(self.channels[key].created, |claim| claim.created)
    }

    /// Makes the users of a node what its snapshot says: who is not in it quits, who is new comes, and whoever is in
    /// it and here already stays, with what has changed. The first of a node, or the first after it was
    /// [`lost`](Self::lost), is shown as a netjoin.
    pub fn replace<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        from: &NodeName,
        snapshot: Vec<Effect>,
    ) {
        self.replace_node(registry, from, snapshot);
    }

    /// A node is gone, and its users with it: to the users of this one, a netsplit.
    pub fn lost<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        node: &NodeName,
    ) {
        self.lose_node(registry, node);
    }

    pub(super) fn replace_node(
        &mut self,
        network: &mut dyn Network,
        from: &NodeName,
        snapshot: Vec<Effect>,
    ) {
        let Some(place) = self.nodes.as_mut().and_then(|nodes| nodes.place(from)) else { return };
        self.take_out(network, place, &snapshot);
        let is_news = self.nodes.as_ref().is_some_and(|nodes| !nodes.nodes[place].is_there);
        for effect in snapshot {
            // The server's name comes first, and the batch is about that.
            let is_node = matches!(effect, Effect::Node { .. });
            self.apply_one(network, place, effect);
            if is_node && is_news {
                self.gather_in(self.batch_about(place, "netjoin"));
            }
        }
        if let Some(nodes) = &mut self.nodes {
            nodes.nodes[place].is_there = true;
        }
        self.send_together(network);
        self.settle(network);
    }

    /// Users who are not in the snapshot are gone; those who are, are where it says.
    fn take_out(&mut self, network: &mut dyn Network, place: usize, snapshot: &[Effect]) {
        let mut there: BTreeMap<UserId, BTreeSet<Folded>> = BTreeMap::new();
        for effect in snapshot {
            match effect {
                Effect::User(person) => drop(there.entry(person.user).or_default()),
                Effect::Join { user, channel, .. } => {
                    there.entry(*user).or_default().insert(Folded::of(channel));
                }
                _ => {}
            }
        }
        self.let_stay(place, |id| there.contains_key(&id));
        let known = self.nodes.as_ref().map(|nodes| nodes.users_of(place)).unwrap_or_default();
        for key in known {
            let Some(channels) = there.get(&self.user_id(key)) else {
                if !self.is_leaving(key) {
                    self.remove(network, key, "Quit");
                }
                continue;
            };
            for channel in self.users[key].channels.clone() {
                if !channels.contains(&self.channels[channel].name.folded()) {
                    let mut ctx = Context::new(self, network, key, None);
                    commands::leave(&mut ctx, channel, "");
                }
            }
        }
    }

    pub(super) fn lose_node(&mut self, network: &mut dyn Network, node: &NodeName) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(place) = nodes.place(node) else { return };
        nodes.nodes[place].is_there = false;
        nodes.note_lost(place);
        self.begin_leaving(network, place);
        self.tell_of_lost(place);
        self.settle(network);
    }

    /// Tells what a node that is lost has set last: not everybody may have heard it, and it tells nobody any more.
    fn tell_of_lost(&mut self, place: usize) {
        let Some(nodes) = &mut self.nodes else { return };
        let Node { name, lost, .. } = &nodes.nodes[place];
        let Some(since) = lost.map(|lost| lost.millis().saturating_sub(LATE)) else { return };
        let is_last = |change: &&Change| change.node == *name && change.at.millis() >= since;
        let told = nodes.rooms.iter().filter_map(|(key, room)| {
            let changes: Vec<_> = room.settings.0.values().filter(is_last).cloned().collect();
            let channel = self.channels.get(key).filter(|_| !changes.is_empty())?;
            Some(Settings::of(changes).told(channel.name.as_str(), channel.created))
        });
        let told: Vec<_> = told.flatten().collect();
        told.into_iter().for_each(|effect| nodes.tell(effect));
    }

    pub(super) fn batch_about(&self, place: usize, kind: &str) -> Option<Together> {
        let there = self.nodes.as_ref()?.nodes.get(place)?;
        Some(Together::new([kind.into(), self.name(), Rc::clone(&there.server)]))
    }

    /// What an effect, or many, may have changed beyond themselves.
    pub(in crate::chat::server) fn settle(&mut self, network: &mut dyn Network) {
        self.settle_nicks(network);
        self.settle_rooms(network);
    }

    /// Whether what is known of the network fits what is known of its users and channels.
    pub(in crate::chat::server) fn check_network(&self) -> Result<(), String> {
        let Some(nodes) = &self.nodes else { return Ok(()) };
        for (key, user) in self.users.registered() {
            let Some(person) = nodes.people.get(key) else {
                return Err(format!("{} is nobody in the network", user.source));
            };
            if nodes.ids.get(&person.id) != Some(&key) || (person.node == HERE) != user.is_local() {
                return Err(format!("{} is somebody else in the network", user.source));
            }
            if !nodes.nameless.contains(&key) && person.nick.as_str() != user.nick() {
                return Err(format!("{} is not called as its home says", user.source));
            }
        }
        if nodes.people.len() != self.users.registered().count() {
            return Err("somebody who has gone is still in the network".to_owned());
        }
        for (key, channel) in self.channels.iter() {
            let members: Vec<_> = channel.members().collect();
            let Some(room) = nodes.rooms.get(key) else {
                if members.is_empty() {
                    continue;
                }
                return Err(format!("{} is no channel of the network", channel.name));
            };
            let era = room.claims.values().map(|claim| claim.created).min();
            if era.is_some_and(|era| era != channel.created) {
                return Err(format!("{} is of another era", channel.name));
            }
            for (member, status) in members {
                let is_what = if self.counts(key, member) {
                    self.owned_status(key, member)
                } else {
                    Status::NONE
                };
                if status != is_what {
                    let who = &self.users[member].source;
                    return Err(format!("{who} is not what its home says on {}", channel.name));
                }
            }
        }
        Ok(())
    }
}
