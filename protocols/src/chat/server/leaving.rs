//! How a user leaves: what the others see of it, once each, and what is left of it.

use std::rc::Rc;

use super::channels::Channel;
use super::keys::{ChannelKey, UserKey};
use super::line::{Line, Renderings};
use super::modes::UserModes;
use super::network::Network;
use super::talk::Party;
use super::users::User;
use super::{Event, Server};
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::numeric;
use crate::chat::wire::timestamp::Timestamp;

impl Server {
    /// Takes a user out: its peers see it quit, its watchers hear that it is offline, and its name is
    /// free. The connection itself is left to the caller.
    pub(super) fn remove(&mut self, network: &mut dyn Network, key: UserKey, reason: &str) {
        let at = Timestamp::of(network.wall_clock());
        if self.users[key].is_registered() {
            self.show_quit(network, key, reason, at);
        }
        for channel in std::mem::take(&mut self.users[key].channels) {
            self.drop_member(channel, key);
        }
        for nick in std::mem::take(&mut self.users[key].monitoring).into_keys() {
            self.monitor.remove(&nick, key);
        }
        let (server, _) = self.server_of(key);
        self.note_quit(key, reason);
        let Some(user) = self.users.remove(key) else { return };
        if user.is_local() {
            self.release(user.address);
            self.hash_queue.forget(|check| Some(check.session) == user.connection);
        }
        if user.is_registered() {
            self.count_out(&user);
            self.whowas.push(&user, user.nick(), server, at, self.settings.limits.whowas);
            self.tell_watchers(network, numeric::RPL_MONOFFLINE, user.nick(), user.nick());
        }
        if user.account.is_none() {
            self.history.forget_guest(user.serial);
            self.markers.forget(&Party::Connection(user.serial));
        }
        if user.is_local() {
            self.log(&Event::Left { who: &user.source, reason });
            self.tell_news(network);
            self.settle_nicks(network);
            self.settle_rooms(network);
        }
    }

    /// Nobody sees one go who is on no channel; and on one channel everybody is met once.
    fn show_quit(&mut self, network: &mut dyn Network, key: UserKey, reason: &str, at: Timestamp) {
        let user = &self.users[key];
        if user.channels.is_empty() {
            return;
        }
        let builder = Builder::new().source(&user.source).command("QUIT").text(reason);
        let Ok(line) = Line::new(builder) else {
            self.counters.spoiled += 1;
            return;
        };
        let mut line = Line { at: Some(at), account: user.account.clone(), ..line };
        if self.is_gathering() {
            let peers = self.peers(key);
            match self.gather(line, &peers) {
                Some(given_back) => line = given_back,
                None => return,
            }
        }
        let mut renderings = Renderings::new(&line);
        if let &[channel] = &*self.users[key].channels {
            return self.channels[channel].send(network, &mut renderings, Some(key));
        }
        for peer in self.peers(key) {
            let peer = &self.users[peer];
            peer.send(network, renderings.of(peer.caps));
        }
    }

    fn count_out(&mut self, user: &User) {
        match user.is_local() {
            true => self.counters.users -= 1,
            false => self.counters.remote -= 1,
        }
        self.counters.count_modes(user.modes, UserModes::default());
    }

    /// Everybody of this node who shares a channel with a user, once each, and not the user itself.
    pub(super) fn peers(&mut self, key: UserKey) -> Vec<UserKey> {
        self.peers_among(key, |channel, meet| channel.hearers().for_each(meet))
    }

    /// As [`peers`](Self::peers), of other nodes too.
    pub(super) fn peers_everywhere(&mut self, key: UserKey) -> Vec<UserKey> {
        self.peers_among(key, |channel, meet| channel.members().for_each(|(it, _)| meet(it)))
    }

    fn peers_among(
        &mut self,
        key: UserKey,
        among: impl Fn(&Channel, &mut dyn FnMut(UserKey)),
    ) -> Vec<UserKey> {
        self.users.begin_walk();
        self.users.meet(key);
        let mut peers = Vec::new();
        for channel in self.users[key].channels.clone() {
            among(&self.channels[channel], &mut |member| {
                if self.users.meet(member) {
                    peers.push(member);
                }
            });
        }
        peers
    }

    /// Takes a member off a channel, on both sides; a channel that is empty then is gone.
    pub(super) fn part(&mut self, channel: ChannelKey, key: UserKey) {
        self.users[key].channels.retain(|&it| it != channel);
        self.drop_member(channel, key);
    }

    fn drop_member(&mut self, key: ChannelKey, member: UserKey) {
        if self.channels[key].leave(member) {
            self.note_leave(key, member);
        }
        self.drop_if_empty(key);
    }

    pub(super) fn drop_if_empty(&mut self, key: ChannelKey) {
        let channel = &self.channels[key];
        if channel.len() == 0 && !channel.is_permanent {
            let is_registered = self.accounts.channel(channel.name.as_str()).is_some();
            let Some(channel) = self.channels.remove(key) else { return };
            self.note_closed(key, &channel);
            if !is_registered {
                self.history.forget(&channel.talk);
            }
        }
    }

    /// Tells those who watch a nickname that somebody has come by it, or gone.
    pub(super) fn tell_watchers(
        &mut self,
        network: &mut dyn Network,
        numeric: numeric::Numeric,
        nick: &str,
        text: &str,
    ) {
        for watcher in self.monitor.watchers(nick) {
            let watcher = &self.users[watcher];
            let builder = Builder::new().source(&self.settings.name).command(&numeric.to_string());
            if let Ok(line) = Line::new(builder.param(watcher.nick()).text(text)) {
                let line = Line { at: Some(Timestamp::of(network.wall_clock())), ..line };
                watcher.send(network, line.render(watcher.caps, None));
            }
        }
    }

    /// Who a user is, as far as its history is concerned.
    pub(super) fn party(user: &User) -> Party {
        match &user.account {
            Some(account) => Party::Account(Folded::of(account)),
            None => Party::Connection(user.serial),
        }
    }

    /// The line that ends a connection (modern.ircdocs.horse, "ERROR message").
    pub(super) fn farewell(&mut self, network: &mut dyn Network, key: UserKey, reason: &str) {
        let user = &self.users[key];
        let Some(connection) = user.connection else { return };
        let text = format!("Closing Link: {} ({reason})", user.host);
        if let Ok(line) = Line::new(Builder::new().command("ERROR").text(&text)) {
            // Without tags.
            let bare = Caps::NONE.framed(user.caps.framing());
            network.send(connection, line.render(bare, None));
        }
        if let Some(goodbye) = user.caps.framing().goodbye() {
            network.send(connection, goodbye);
        }
        network.close(connection);
    }

    /// Ends a connection for a reason: the user is told, then the others.
    pub(super) fn disconnect(&mut self, network: &mut dyn Network, key: UserKey, reason: &str) {
        self.farewell(network, key, reason);
        self.remove(network, key, reason);
    }

    /// Tells a user something in words.
    pub(super) fn notice(&mut self, network: &mut dyn Network, key: UserKey, text: &str) {
        let user = &self.users[key];
        let builder = Builder::new().source(&self.settings.name).command("NOTICE");
        if let Ok(line) = Line::new(builder.param(user.nick()).text(text)) {
            let line = Line { at: Some(Timestamp::of(network.wall_clock())), ..line };
            user.send(network, line.render(user.caps, None));
        }
    }

    /// The source of what the server itself says.
    pub(super) fn name(&self) -> Rc<str> {
        self.settings.name.as_str().into()
    }
}
