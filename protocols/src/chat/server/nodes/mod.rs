//! One network on several servers: its users are here or on another node, and this is where that is known.
//!
//! ```text
//!   a command of a user of this node ──▶ Server ──▶ its lines, and Outgoing ──take_effects──▶ the other nodes
//!   an Effect of another node ──apply──▶ the same functions, on behalf of a user who takes no lines here
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `state` | what is known of the nodes and their users |
//! | `apply` | an effect of another node, done here |
//! | `settings`, `rooms` | channels that several nodes have: whose settings count |
//! | `news` | that there is something for the others; what operators are told |
//! | `nicks` | nicknames that two want |
//! | `snapshot` | all that a node has to say; what has changed since the last; a node that is gone |
//! | `leaving` | how the users of a node quit that is gone |
//! | `picture` | what has to look the same on all nodes |
//! | `together` | many lines that belong together, in one batch |
//!
//! A server that is in no network has none of this: [`Server::join_cluster`] makes it.

mod apply;
mod leaving;
mod news;
mod nicks;
mod picture;
mod rooms;
mod settings;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod together;

use std::rc::Rc;

use super::Server;
use super::context::Context;
use super::effect::{self, Effect, Outgoing, To, UserId};
use super::keys::{ChannelKey, UserKey};
use super::users::User;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::node::NodeName;
pub(super) use state::Nodes;
use state::{HERE, Person};

/// The room of so many effects is kept for the next.
#[cfg(feature = "cluster")]
const USUAL: usize = 64;

impl Server {
    // ── for whoever connects the nodes ──────────────────────────────────────────────────────

    /// Makes the server a node of a network, before anybody is on it: from now on it gathers what the other nodes
    /// are to be told ([`take_effects`](Self::take_effects)), and the names of its messages and users are unique in
    /// the network.
    ///
    /// ```
    /// use protocols::chat::accounts::{AccountLimits, Accounts};
    /// use protocols::chat::{NodeName, Server, Settings};
    /// use reactor::Reactor;
    ///
    /// let node = |name: &NodeName| {
    ///     let mut server =
    ///         Server::new(Settings::default(), Accounts::in_memory(AccountLimits::default()));
    ///     server.join_cluster(name.clone());
    ///     server
    /// };
    /// let (fra, ams) = ("fra".parse()?, "ams".parse()?);
    /// let (mut here, mut there) = (node(&fra), node(&ams));
    /// let mut reactor = Reactor::<Server>::new()?;
    ///
    /// // Whoever connects the two carries what each has, and then what happens.
    /// here.replace(reactor.registry(), &ams, there.snapshot());
    /// for outgoing in there.take_effects() {
    ///     here.apply(reactor.registry(), &ams, outgoing.effect);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_cluster(&mut self, node: NodeName) {
        let crate::chat::Settings { name, description, .. } = &self.settings;
        let nodes = Nodes::new(node, name, description);
        self.nodes = Some(Box::new(nodes));
    }

    /// What has happened since the last time that the other nodes are to be told, in order. To be asked for at the
    /// end of each turn, also of one in which an effect was applied: a request may have been fulfilled by it.
    pub fn take_effects(&mut self) -> Vec<Outgoing> {
        let Some(nodes) = &mut self.nodes else { return Vec::new() };
        nodes.is_told = false;
        std::mem::take(&mut nodes.out)
    }

    /// Gives back the room of what was taken, for what happens next.
    #[cfg(feature = "cluster")]
    pub(in crate::chat) fn give_back(&mut self, mut taken: Vec<Outgoing>) {
        if let Some(nodes) = &mut self.nodes
            && nodes.out.is_empty()
            && taken.capacity() <= USUAL
        {
            taken.clear();
            nodes.out = taken;
        }
    }

    /// Effects of other nodes that said nothing: of users or of a kind that is not known here.
    #[must_use]
    pub fn effects_skipped(&self) -> u64 {
        self.nodes.as_ref().map_or(0, |nodes| nodes.skipped)
    }

    // ── for the commands ────────────────────────────────────────────────────────────────────

    /// What stands for this node in the names of messages and users.
    pub(super) fn life(&self) -> u64 {
        let life = self.started.map_or(0, |started| u64::from(started.life));
        life | self.nodes.as_ref().map_or(0, |nodes| nodes.life)
    }

    /// What a user is called in the network.
    pub(super) fn user_id(&self, key: UserKey) -> UserId {
        let person = self.nodes.as_ref().and_then(|nodes| nodes.people.get(key));
        let serial = || self.users.get(key).map_or(0, |user| user.serial);
        person.map_or_else(|| UserId { life: self.life(), serial: serial() }, |person| person.id)
    }

    /// The node that a user is on, if it is not this one.
    pub(super) fn home(&self, key: UserKey) -> Option<NodeName> {
        let nodes = self.nodes.as_ref()?;
        let place = nodes.people.get(key)?.node;
        (place != HERE).then(|| nodes.nodes[place].name.clone())
    }

    /// The name of the server that a user is on, and what it says it is.
    pub(super) fn server_of(&self, key: UserKey) -> (Rc<str>, Rc<str>) {
        let node = self.nodes.as_ref().and_then(|nodes| {
            let place = nodes.people.get(key)?.node;
            (place != HERE).then(|| &nodes.nodes[place])
        });
        match node {
            Some(node) => (Rc::clone(&node.server), Rc::clone(&node.about)),
            None => (self.name(), self.settings.description.as_str().into()),
        }
    }

    /// The other servers that are there, by their names, and what they say they are.
    pub(super) fn other_servers(&self) -> Vec<(Rc<str>, Rc<str>)> {
        let nodes = self.nodes.iter().flat_map(|nodes| &nodes.nodes[1..]);
        let there = nodes.filter(|node| node.is_there);
        let mut servers: Vec<_> =
            there.map(|node| (Rc::clone(&node.server), Rc::clone(&node.about))).collect();
        servers.sort_unstable();
        servers
    }

    /// All servers that are there, this one first and the others by their names, and how many users each has.
    pub(super) fn servers(&self) -> Vec<(Rc<str>, usize)> {
        let Some(nodes) = &self.nodes else {
            return vec![(self.name(), self.counters.users as usize)];
        };
        let users = |place| nodes.people.values().filter(|person| person.node == place).count();
        let there = nodes.nodes.iter().enumerate().filter(|(_, node)| node.is_there);
        let mut servers: Vec<_> =
            there.map(|(place, node)| (Rc::clone(&node.server), users(place))).collect();
        if let [_, others @ ..] = &mut servers[..] {
            others.sort_unstable();
        }
        servers
    }

    /// Tells the other nodes something of a user of this one.
    pub(super) fn publish(&mut self, user: UserKey, effect: impl FnOnce(&Self, UserId) -> Effect) {
        let Some(nodes) = &self.nodes else { return };
        let Some(Person { node: HERE, id, .. }) = nodes.people.get(user) else { return };
        let effect = effect(self, *id);
        self.tell_nodes(effect);
    }

    /// Asks the home of a user of another node to end its connection; whether it is one.
    pub(super) fn ask_to_end(&mut self, user: UserKey, quit: &str) -> bool {
        let (Some(home), id) = (self.home(user), self.user_id(user)) else { return false };
        let effect = Effect::Kill { by: None, user: id, reason: None, quit: quit.to_owned() };
        if let Some(nodes) = &mut self.nodes {
            nodes.out.push(Outgoing { to: To::Node(home), effect });
        }
        true
    }

    /// Tells the other nodes something.
    pub(super) fn tell_nodes(&mut self, effect: Effect) {
        if let Some(nodes) = &mut self.nodes {
            nodes.tell(effect);
        }
    }

    /// A user of this node is registered.
    pub(super) fn introduce(&mut self, key: UserKey) {
        if self.nodes.is_none() {
            return;
        }
        let (id, user) = (self.user_id(key), &self.users[key]);
        let Some(nick) = user.nick.clone() else { return };
        let (since, owned) = (user.signed_on, self.owns_nick(key));
        if let Some(nodes) = &mut self.nodes {
            nodes.people.insert(key, Person { node: HERE, id, nick, since, owned, leaving: None });
            nodes.ids.insert(id, key);
        }
        let person = self.person(key);
        self.tell_nodes(Effect::User(Box::new(person)));
    }

    /// A user is gone.
    fn forget_person(&mut self, key: UserKey) {
        if let Some(nodes) = &mut self.nodes
            && let Some(person) = nodes.people.remove(key)
        {
            nodes.ids.remove(&person.id);
            nodes.nameless.remove(&key);
        }
    }

    /// A user leaves the server: the other nodes are told, and its nickname is free.
    pub(super) fn note_quit(&mut self, key: UserKey, reason: &str) {
        if self.nodes.is_none() {
            return;
        }
        if self.users[key].is_local() {
            self.publish(key, |_, user| Effect::Quit { user, reason: reason.to_owned() });
            let claimed = self.nodes.as_mut().and_then(|nodes| nodes.claiming.remove(&key));
            for nick in self.users[key].nick.clone().into_iter().chain(claimed) {
                self.release_nick(key, &nick);
            }
        }
        self.forget_person(key);
    }

    /// Whether a user is logged in to the account that its nickname belongs to.
    fn owns_nick(&self, key: UserKey) -> bool {
        let user = &self.users[key];
        let owner = self.accounts.owner_of(user.nick());
        owner.zip(user.account.as_deref()).is_some_and(|(owner, own)| same_name(owner.name(), own))
    }

    /// A user, as the other nodes are told.
    fn person(&self, key: UserKey) -> effect::Person {
        let user = &self.users[key];
        let person = self.nodes.as_ref().and_then(|nodes| nodes.people.get(key));
        effect::Person {
            user: self.user_id(key),
            nick: user.nick().to_owned(),
            since: person.map_or(user.signed_on, |person| person.since),
            owned: person.map_or_else(|| self.owns_nick(key), |person| person.owned),
            name: user.name.to_string(),
            host: user.host.to_string(),
            real_host: user.real_host.to_string(),
            real_name: user.real_name.to_string(),
            modes: user.modes.text(),
            account: user.account.as_deref().map(str::to_owned),
            away: user.away.clone(),
            metadata: user.metadata.clone().into_iter().collect(),
            signed_on: user.signed_on,
        }
    }
}

impl Context<'_> {
    /// Tells the other nodes something that the user did, if it is a user of this node.
    pub(super) fn publish(&mut self, effect: impl FnOnce(&Server, UserId) -> Effect) {
        if self.server.nodes.is_some() {
            self.server.publish(self.me, effect);
        }
    }

    /// Asks the home of a user of another node to do something to it; whether it is one.
    pub(super) fn ask_home(
        &mut self,
        user: UserKey,
        effect: impl FnOnce(UserId, UserId) -> Effect,
    ) -> bool {
        let Some(home) = self.server.home(user) else { return false };
        let effect = effect(self.server.user_id(self.me), self.server.user_id(user));
        if let Some(nodes) = &mut self.server.nodes {
            nodes.out.push(Outgoing { to: To::Node(home), effect });
        }
        true
    }
}

impl Context<'_> {
    /// Asks the home of a member of another node that it may do something, or may no more; whether it is one.
    pub(super) fn ask_home_for(
        &mut self,
        member: UserKey,
        channel: ChannelKey,
        letter: char,
        on: bool,
    ) -> bool {
        let Some(nodes) = &self.server.nodes else { return false };
        let node = nodes.nodes[HERE].name.clone();
        let channel = &self.server.channels[channel];
        let (channel, created, at) = (channel.name.to_string(), channel.created, self.clock);
        self.ask_home(member, |by, user| Effect::Channel {
            channel,
            created,
            by: Some(by),
            changes: vec![effect::Change {
                item: letter.to_string(),
                key: String::new(),
                value: on.then(String::new),
                user: Some(user),
                by: String::new(),
                at,
                node,
            }],
            told: None,
        })
    }
}

impl User {
    /// Whether it is a user of this node.
    pub(super) fn is_local(&self) -> bool {
        self.connection.is_some()
    }
}
