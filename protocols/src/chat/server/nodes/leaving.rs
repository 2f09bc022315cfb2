//! Users of a node that is lost quit, as many at a time as those can take who are told: thousands of lines at once would
//! cut off whoever reads more slowly than they are written, and fill the memory for lines of all.
//!
//! ```text
//!   lost ──▶ some quit ──▶ wait until those who were told have read that, or for long enough ──▶ some more … ──▶ the end
//!              all of it in one batch, for who knows of batches
//! ```
//!
//! Until its turn comes a user is there as it was before the silence was noticed: if its node comes back with it, it
//! stays, and if somebody takes its nickname first, or does something to it, it goes at once. A channel that only such
//! users are on is not there for who joins it.
//!
//! Those who come with a node are shown in one turn: a server that is there, and half of its users not, would have to say
//! of each name and each channel which it is.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::state::{HERE, Leaving, Together};
use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::effect::UserId;
use crate::chat::server::keys::UserKey;
use crate::chat::server::network::Network;
use crate::chat::wire::casemap::Nick;

/// Bytes that a line may take in a queue. A quarter of a queue is filled at a time.
const LINE: usize = 256;
/// Lines in all, to each who is told: 64 MiB in the queues of all.
const MOST_DELIVERIES: usize = 256 * 1024;
/// Users at a time, though nobody here sees most of them: so many quit in some hundredths of a second.
const MOST_USERS: usize = 4 * 1024;
/// Between two times.
const PAUSE: Duration = Duration::from_millis(50);
/// How often those who have read too little are waited for, at each time: two seconds. Then they are as slow as those who
/// are cut off elsewhere.
const MOST_WAITS: u32 = 40;

impl Server {
    /// All users of a node have yet to quit.
    pub(super) fn begin_leaving(&mut self, network: &mut dyn Network, place: usize) {
        let Some(together) = self.batch_about(place, "netsplit") else { return };
        let Some(nodes) = &mut self.nodes else { return };
        let reason: Rc<str> =
            format!("{} {}", self.settings.name, nodes.nodes[place].server).into();
        let users: VecDeque<_> = nodes.users_of(place).into();
        for &user in &users {
            nodes.people[user].leaving = Some(Rc::clone(&reason));
        }
        nodes.leaving.push_back(Leaving { users, together });
        if nodes.leaving.len() == 1 {
            self.let_some_leave(network);
        }
    }

    /// Some time has passed since some have left.
    pub(in crate::chat::server) fn let_more_leave(&mut self, network: &mut dyn Network) {
        let Some(nodes) = &mut self.nodes else { return };
        if nodes.behind.get() > 0 && nodes.waited < MOST_WAITS {
            nodes.waited += 1;
            return network.go_on_leaving(PAUSE);
        }
        self.let_some_leave(network);
        self.settle(network);
        self.tell_news(network);
    }

    /// The nodes take turns, so that the users of none are there for long since another has many.
    fn let_some_leave(&mut self, network: &mut dyn Network) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(Leaving { mut users, together }) = nodes.leaving.pop_front() else { return };
        self.gather_in(Some(together));
        let mut looked_at = 0;
        while looked_at < MOST_USERS
            && self.has_room()
            && let Some(user) = users.pop_front()
        {
            looked_at += 1;
            if let Some(reason) = self.why_leaving(user).cloned() {
                self.remove(network, user, &reason);
            }
        }
        let Some(mut together) = self.gather_in(None) else { return };
        let told: Vec<_> = together.receivers.keys().copied().collect();
        self.send_gathered(network, &mut together);
        if users.is_empty() {
            self.end_batch(network, &together);
        }
        let Some(nodes) = &mut self.nodes else { return };
        if !users.is_empty() {
            nodes.leaving.push_back(Leaving { users, together });
        }
        if !nodes.leaving.is_empty() {
            (nodes.behind, nodes.waited) = (Rc::default(), 0);
            let connections = told.into_iter().filter_map(|it| self.users.get(it)?.connection);
            connections.for_each(|reader| network.wait_for(reader, &nodes.behind));
            network.go_on_leaving(PAUSE);
        }
    }

    /// Gathers lines in this, or no more; in what they were until now.
    pub(super) fn gather_in(&mut self, together: Option<Together>) -> Option<Together> {
        std::mem::replace(&mut self.nodes.as_mut()?.together, together)
    }

    /// Whether another one may quit now: few lines are to be sent for those before.
    fn has_room(&self) -> bool {
        let most = (self.settings.limits.send_queue / 4 / LINE).max(1);
        let together = self.nodes.as_ref().and_then(|nodes| nodes.together.as_ref());
        together.is_none_or(|it| it.lines.len() < most && it.deliveries <= MOST_DELIVERIES)
    }

    /// The reason with which a user has yet to quit, as its node is lost.
    fn why_leaving(&self, user: UserKey) -> Option<&Rc<str>> {
        self.nodes.as_ref()?.people.get(user)?.leaving.as_ref()
    }

    /// Whether a user has yet to quit, as its node is lost.
    pub(in crate::chat::server) fn is_leaving(&self, user: UserKey) -> bool {
        self.why_leaving(user).is_some()
    }

    /// Their node is back, and they with it.
    pub(super) fn let_stay(&mut self, place: usize, is_back: impl Fn(UserId) -> bool) {
        let Some(nodes) = &mut self.nodes else { return };
        let theirs = nodes.people.values_mut().filter(|person| person.node == place);
        for person in theirs.filter(|person| is_back(person.id)) {
            person.leaving = None;
        }
        let people = &nodes.people;
        let is_leaving = |&user: &UserKey| people.get(user).is_some_and(|it| it.leaving.is_some());
        nodes.leaving.iter_mut().for_each(|leaving| leaving.users.retain(is_leaving));
    }

    // ── who and what is in the way ──────────────────────────────────────────────────────────

    /// Has a user who has yet to quit do so now; whether it was one. It is shown at once, as what needs its place is shown
    /// next: a batch counts when it ends.
    pub(in crate::chat::server) fn leave_now(
        &mut self,
        network: &mut dyn Network,
        user: UserKey,
    ) -> bool {
        let Some(reason) = self.why_leaving(user).cloned() else { return false };
        let together = self.gather_in(None);
        self.remove(network, user, &reason);
        self.gather_in(together);
        true
    }

    /// Somebody is about to get a nickname: whoever else has it and has yet to quit does so now.
    pub(in crate::chat::server) fn free_nick(
        &mut self,
        network: &mut dyn Network,
        nick: &Nick,
        keeper: UserKey,
    ) {
        if let Some(holder) = self.users.holder(nick.as_str()).filter(|&it| it != keeper) {
            self.leave_now(network, holder);
        }
    }

    /// Somebody is about to join a channel: if all who are on it have yet to quit, it is not there. They leave it now,
    /// which nobody here sees, and quit in their turn.
    pub(in crate::chat::server) fn free_channel(&mut self, name: &str) {
        if self.nodes.as_ref().is_none_or(|nodes| nodes.leaving.is_empty()) {
            return;
        }
        let Some(key) = self.channels.named(name) else { return };
        let room = self.nodes.as_ref().and_then(|nodes| nodes.rooms.get(key));
        if room.is_some_and(|room| room.claims.contains_key(&HERE)) {
            return;
        }
        if self.channels[key].members().all(|(member, _)| self.is_leaving(member)) {
            let members: Vec<_> = self.channels[key].members().map(|(member, _)| member).collect();
            members.into_iter().for_each(|member| self.part(key, member));
        }
    }
}

impl Context<'_> {
    /// Who has a nickname, for its home to be asked for something or told. There is nobody to ask for one who has yet to
    /// quit: it does so now, and the answer is that of a moment later.
    pub(in crate::chat::server) fn reach(&mut self, nick: &str) -> Option<UserKey> {
        let user = self.server.users.named(nick)?;
        (!self.server.leave_now(self.network, user)).then_some(user)
    }
}
