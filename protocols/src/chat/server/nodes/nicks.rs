//! Nicknames in a network: each has one holder.
//!
//! ```text
//!   NICK ann ──▶ Context::claim ──▶ NickRequest::Claim ──▶ the network's store
//!      the user waits                                        │
//!   NICK shown ◀── go on ◀── Server::answer_claim ◀── Granted, Taken, Alone
//! ```
//!
//! When two have one all the same, since each got it while the network was apart, the same one keeps it on every
//! node: who is logged in to the account that it belongs to, else who has had it for longer. The other is called by its
//! name in the network from then on.

use reactor::{ConnectionId, Registry};

use super::state::{HERE, Person};
use crate::chat::server::commands;
use crate::chat::server::context::Context;
use crate::chat::server::effect::{Claim, Effect, NickAnswer, NickRequest, UserId};
use crate::chat::server::keys::UserKey;
use crate::chat::server::network::Network;
use crate::chat::server::{Server, Session};
use crate::chat::wire::casemap::Nick;
use crate::chat::wire::numeric;
use crate::chat::wire::timestamp::Timestamp;

/// Bytes of a nickname of another node, whose settings may differ.
const LONGEST: usize = 64;

impl Server {
    /// What users want to be called, and are called no more. To be asked for at the end of each turn; each
    /// [`Claim`] with a connection is to be answered once, whatever happens.
    pub fn take_nick_requests(&mut self) -> Vec<NickRequest> {
        self.nodes.as_mut().map(|nodes| std::mem::take(&mut nodes.requests)).unwrap_or_default()
    }

    /// Answers a claim: its user's turn goes on. Whether it is still there to hear it; if it has gone, a release of
    /// what it claimed was asked for then.
    pub fn answer_claim<App: AsMut<Self> + 'static>(
        registry: &mut Registry<App>,
        connection: ConnectionId,
        answer: NickAnswer,
    ) -> bool {
        let done = match answer {
            NickAnswer::Granted | NickAnswer::Alone => Ok(()),
            NickAnswer::Taken => Err("taken".to_owned()),
        };
        let told = registry.with(connection, move |session: &mut Session, transport, app| {
            session.go_on(transport, app, done);
        });
        told.is_ok()
    }

    /// A user of this node is not called so any more, or will not be.
    pub(in crate::chat::server) fn release_nick(&mut self, key: UserKey, nick: &Nick) {
        let user = self.user_id(key);
        if let Some(nodes) = &mut self.nodes {
            nodes
                .requests
                .push(NickRequest::Release { nick: nick.folded().as_str().to_owned(), user });
        }
    }

    /// A user of this node goes by another nickname.
    pub(in crate::chat::server) fn note_rename(
        &mut self,
        key: UserKey,
        before: &Nick,
        at: Timestamp,
    ) {
        if self.nodes.is_none() || !self.users[key].is_local() {
            return;
        }
        let (owned, nick) = (self.owns_nick(key), self.users[key].nick.clone());
        if let Some(nick) = &nick
            && nick.folded() != before.folded()
        {
            self.release_nick(key, before);
        }
        let Some(person) = self.nodes.as_mut().and_then(|nodes| nodes.people.get_mut(key)) else {
            return;
        };
        if let Some(nick) = nick {
            if nick.folded() != before.folded() {
                person.since = at;
            }
            (person.nick, person.owned) = (nick, owned);
        }
        let (since, nick) = (person.since, person.nick.to_string());
        self.publish(key, |_, user| Effect::Nick { user, nick, since, owned });
    }

    /// A user of this node has logged in or out, so that its nickname may be its own, or no more.
    pub(in crate::chat::server) fn note_account(&mut self, key: UserKey) {
        if self.nodes.is_none() {
            return;
        }
        let owned = self.owns_nick(key);
        if let Some(person) = self.nodes.as_mut().and_then(|nodes| nodes.people.get_mut(key))
            && person.node == HERE
        {
            person.owned = owned;
        }
        let account = self.users[key].account.as_deref().map(str::to_owned);
        self.publish(key, |_, user| Effect::Account { user, account, owned });
    }

    /// Nicknames of an account are other ones: those of its users who are here may be their own now, or no more.
    pub(in crate::chat::server) fn note_nicks_of(&mut self, account: &str) {
        let Some(nodes) = &self.nodes else { return };
        let is_other = |&user: &UserKey| {
            let person = nodes.people.get(user).filter(|person| person.node == HERE);
            person.is_some_and(|person| person.owned != self.owns_nick(user))
        };
        let users: Vec<_> = self.users.of_account(account).filter(is_other).collect();
        users.into_iter().for_each(|user| self.note_account(user));
    }

    /// The nickname that another node says a user has.
    pub(super) fn nick_of(text: &str, id: UserId) -> Option<Nick> {
        if text == id.to_string() { Some(Nick::of_id(id)) } else { Nick::new(text, LONGEST).ok() }
    }

    /// A user of another node wants to be called what its home says.
    pub(super) fn settle_nick(&mut self, network: &mut dyn Network, key: UserKey) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(Person { nick, id, .. }) = nodes.people.get(key) else { return };
        let (nick, id) = (nick.clone(), *id);
        nodes.nameless.remove(&key);
        self.free_nick(network, &nick, key);
        match self.users.holder(nick.as_str()) {
            Some(holder) if holder != key => {
                if self.is_before(key, holder) {
                    self.give_way(network, holder, key);
                } else {
                    if let Some(nodes) = &mut self.nodes {
                        nodes.nameless.insert(key);
                    }
                    return self.show_rename(network, key, Nick::of_id(id));
                }
            }
            _ => {}
        }
        self.show_rename(network, key, nick);
    }

    /// Nicknames that somebody wants may be free now.
    pub(in crate::chat::server) fn settle_nicks(&mut self, network: &mut dyn Network) {
        let Some(nodes) = self.nodes.as_ref().filter(|nodes| !nodes.nameless.is_empty()) else {
            return;
        };
        for key in nodes.nameless.clone() {
            // Who is about to quit wants none any more.
            if !self.is_leaving(key) {
                self.settle_nick(network, key);
            }
        }
    }

    /// Whether of two who want one nickname the first keeps it.
    fn is_before(&self, one: UserKey, other: UserKey) -> bool {
        let people = self.nodes.as_ref().map(|nodes| &nodes.people);
        let rank = |key| {
            let person = people.and_then(|people| people.get(key));
            // Who is not registered yet has said nothing to anybody.
            person.map(|person| (!person.owned, person.since, person.id))
        };
        match (rank(one), rank(other)) {
            (Some(one), Some(other)) => one < other,
            (_, other) => other.is_none(),
        }
    }

    /// Takes the nickname from somebody who is not to keep it, since another one is.
    fn give_way(&mut self, network: &mut dyn Network, holder: UserKey, keeper: UserKey) {
        if !self.users[holder].is_registered() {
            let Some(nick) = self.users.unname(holder) else { return };
            self.release_nick(holder, &nick);
            if let Some(registering) = self.users[holder].registering() {
                registering.wanted_nick = Some(nick.to_string());
            }
            let mut ctx = Context::new(self, network, holder, None);
            return ctx.numeric(numeric::ERR_NICKNAMEINUSE, &[nick.as_str()]);
        }
        let id = self.user_id(holder);
        let is_local = self.users[holder].is_local();
        if let Some(nodes) = self.nodes.as_mut().filter(|_| !is_local) {
            nodes.nameless.insert(holder);
        }
        let lost = self.users[holder].nick.clone();
        self.show_rename(network, holder, Nick::of_id(id));
        if let Some(nick) = lost.filter(|_| is_local) {
            self.tell_why(network, holder, &nick, keeper);
        }
    }

    /// Tells somebody of this node whose nickname it was, and what to do now.
    fn tell_why(&mut self, network: &mut dyn Network, to: UserKey, nick: &Nick, keeper: UserKey) {
        let is_owner = self.nodes.as_ref().and_then(|it| it.people.get(keeper)).map(|it| it.owned);
        let (there, _) = self.server_of(keeper);
        let why = match is_owner {
            Some(true) => "somebody whose account it is",
            _ => "somebody who has had it for longer",
        };
        let here = self.name();
        let text = format!("{nick} is held by {why}, on {there}; choose another nick with /nick");
        Context::new(self, network, to, None).notice(&here, &text);
    }

    fn show_rename(&mut self, network: &mut dyn Network, key: UserKey, nick: Nick) {
        if self.users[key].nick.as_ref() != Some(&nick) {
            commands::rename(&mut Context::new(self, network, key, None), nick);
        }
    }
}

impl Context<'_> {
    /// Asks the network for a nickname, and goes on with whether the user may have it: at once, if there is no
    /// network, or the user holds it already.
    pub(in crate::chat::server) fn claim(
        &mut self,
        nick: &Nick,
        then: impl FnOnce(&mut Context<'_>, bool) + 'static,
    ) {
        let is_own = self.server.users.holder(nick.as_str()) == Some(self.me);
        if self.server.nodes.is_none() || is_own {
            return then(self, true);
        }
        let connection = self.user().connection;
        self.request_nick(nick, connection);
        if let Some(nodes) = &mut self.server.nodes {
            nodes.claiming.insert(self.me, nick.clone());
        }
        self.wait(move |ctx, done| {
            if let Some(nodes) = &mut ctx.server.nodes {
                nodes.claiming.remove(&ctx.me);
            }
            then(ctx, done.is_ok());
        });
    }

    /// Asks the network for a nickname; somebody may wait for the answer.
    pub(in crate::chat::server) fn request_nick(
        &mut self,
        nick: &Nick,
        connection: Option<ConnectionId>,
    ) {
        let (user, since) = (self.server.user_id(self.me), self.clock);
        let account = self.user().account.as_deref().map(str::to_owned);
        if let Some(nodes) = &mut self.server.nodes {
            let nick = nick.folded().as_str().to_owned();
            nodes.requests.push(NickRequest::Claim(Claim {
                connection,
                nick,
                user,
                since,
                account,
            }));
        }
    }
}
