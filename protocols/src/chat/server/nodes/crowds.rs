//! Users of a node that is lost quit, and those of one that is back come, as many at a time as those can take who are told:
//! thousands of lines at once would cut off whoever reads more slowly than they are written, and fill the memory for lines
//! of all.
//!
//! ```text
//!   lost ──▶ some quit ──▶ wait until those who were told have read that, or for long enough ──▶ some more … ──▶ the end
//!              all of it in one batch, for who knows of batches
//!
//!   back ──▶ some come ──▶ wait in the same way ──▶ some more … ──▶ the end
//!              each time in a batch of its own: who has come may say something next
//! ```
//!
//! Until its turn comes a user is where it was before: whoever has yet to quit is there, and whoever has yet to come is not.
//! If its node comes back with it, one who has yet to quit stays, and if somebody takes its nickname first, or does
//! something to it, it goes at once. A channel that only such users are on is not there for who joins it. One who has yet to
//! come does so as soon as another word is heard of it.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::state::{Crowd, HERE, Together};
use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::effect::{Effect, UserId};
use crate::chat::server::keys::UserKey;
use crate::chat::server::network::Network;
use crate::chat::wire::casemap::{Nick, same_name};
use crate::chat::wire::timestamp::Timestamp;

/// Bytes that a line may take in a queue. A quarter of a queue is filled at a time.
const LINE: usize = 256;
/// Lines in all, to each who is told: 64 MiB in the queues of all.
const MOST_DELIVERIES: usize = 256 * 1024;
/// Between two times.
const PAUSE: Duration = Duration::from_millis(50);
/// How often those who have read too little are waited for, at each time: two seconds. Then they are as slow as those who
/// are cut off elsewhere.
const MOST_WAITS: u32 = 40;

impl Server {
    /// All users of a node have yet to quit.
    pub(super) fn begin_leaving(&mut self, network: &mut dyn Network, place: usize) {
        self.stop_coming(place);
        let Some(together) = self.batch_about(place, "netsplit") else { return };
        let Some(nodes) = &mut self.nodes else { return };
        let reason: Rc<str> =
            format!("{} {}", self.settings.name, nodes.nodes[place].server).into();
        let users: VecDeque<_> = nodes.users_of(place).into();
        for &user in &users {
            nodes.people[user].leaving = Some(Rc::clone(&reason));
        }
        self.begin_moving(network, Crowd::Leaves { users, together });
    }

    /// Users of a node come, each with what that has said of it.
    pub(super) fn begin_coming(
        &mut self,
        network: &mut dyn Network,
        place: usize,
        users: BTreeMap<UserId, Vec<Effect>>,
    ) {
        match self.coming_of(place) {
            Some(waiting) => *waiting = users,
            None if users.is_empty() => {}
            None => self.begin_moving(network, Crowd::Comes { place, users }),
        }
    }

    fn begin_moving(&mut self, network: &mut dyn Network, crowd: Crowd) {
        let Some(nodes) = &mut self.nodes else { return };
        nodes.crowds.push_back(crowd);
        if nodes.crowds.len() == 1 {
            self.let_some_move(network);
        }
    }

    /// Some time has passed since some have quit or come.
    pub(in crate::chat::server) fn let_more_move(&mut self, network: &mut dyn Network) {
        let Some(nodes) = &mut self.nodes else { return };
        if nodes.behind.get() > 0 && nodes.waited < MOST_WAITS {
            nodes.waited += 1;
            return network.go_on_moving(PAUSE);
        }
        self.let_some_move(network);
        self.settle(network);
        self.tell_news(network);
    }

    /// The nodes take turns, so that the users of none are there for long, or are not, since another has many.
    fn let_some_move(&mut self, network: &mut dyn Network) {
        let Some(crowd) = self.nodes.as_mut().and_then(|nodes| nodes.crowds.pop_front()) else {
            return;
        };
        let (told, rest) = match crowd {
            Crowd::Leaves { users, together } => self.let_some_leave(network, users, together),
            Crowd::Comes { place, users } => self.let_some_come(network, place, users),
        };
        let Some(nodes) = &mut self.nodes else { return };
        nodes.crowds.extend(rest);
        if !nodes.crowds.is_empty() {
            (nodes.behind, nodes.waited) = (Rc::default(), 0);
            let connections = told.into_iter().filter_map(|it| self.users.get(it)?.connection);
            connections.for_each(|reader| network.wait_for(reader, &nodes.behind));
            network.go_on_moving(PAUSE);
        }
    }

    /// Who was told, and who is left.
    fn let_some_leave(
        &mut self,
        network: &mut dyn Network,
        mut users: VecDeque<UserKey>,
        together: Together,
    ) -> (Vec<UserKey>, Option<Crowd>) {
        self.gather_in(Some(together));
        while self.has_room()
            && let Some(user) = users.pop_front()
        {
            if let Some(reason) = self.why_leaving(user).cloned() {
                self.remove(network, user, &reason);
            }
        }
        let Some(mut together) = self.gather_in(None) else { return (Vec::new(), None) };
        let told = together.receivers.keys().copied().collect();
        self.send_gathered(network, &mut together);
        if users.is_empty() {
            self.end_batch(network, &together);
            return (told, None);
        }
        (told, Some(Crowd::Leaves { users, together }))
    }

    /// Who was told, and who is left.
    fn let_some_come(
        &mut self,
        network: &mut dyn Network,
        place: usize,
        mut users: BTreeMap<UserId, Vec<Effect>>,
    ) -> (Vec<UserKey>, Option<Crowd>) {
        self.gather_in(self.batch_about(place, "netjoin"));
        while self.has_room()
            && let Some((_, told)) = users.pop_first()
        {
            told.into_iter().for_each(|effect| self.apply_one(network, place, effect));
        }
        let Some(mut together) = self.gather_in(None) else { return (Vec::new(), None) };
        let told = together.receivers.keys().copied().collect();
        self.send_gathered(network, &mut together);
        self.end_batch(network, &together);
        (told, (!users.is_empty()).then_some(Crowd::Comes { place, users }))
    }

    /// Gathers lines in this, or no more; in what they were until now.
    pub(super) fn gather_in(&mut self, together: Option<Together>) -> Option<Together> {
        std::mem::replace(&mut self.nodes.as_mut()?.together, together)
    }

    /// Whether another one may quit or come now: few lines are to be sent for those before.
    fn has_room(&self) -> bool {
        let most = (self.settings.limits.send_queue / 4 / LINE).max(1);
        let together = self.nodes.as_ref().and_then(|nodes| nodes.together.as_ref());
        together.is_none_or(|it| it.lines.len() < most && it.deliveries <= MOST_DELIVERIES)
    }

    // ── who has yet to come ─────────────────────────────────────────────────────────────────

    fn coming_of(&mut self, place: usize) -> Option<&mut BTreeMap<UserId, Vec<Effect>>> {
        let crowds = &mut self.nodes.as_mut()?.crowds;
        crowds.iter_mut().find_map(|crowd| match crowd {
            Crowd::Comes { place: its, users } if *its == place => Some(users),
            Crowd::Comes { .. } | Crowd::Leaves { .. } => None,
        })
    }

    /// Whoever of a node has yet to come does not; whether there was anybody.
    pub(super) fn stop_coming(&mut self, place: usize) -> bool {
        self.coming_of(place).is_some_and(|users| !std::mem::take(users).is_empty())
    }

    /// Another word is heard of these: whoever has yet to come does so first.
    pub(super) fn let_come_first(&mut self, network: &mut dyn Network, effect: &Effect) {
        if self.nodes.as_ref().is_none_or(|nodes| nodes.crowds.is_empty()) {
            return;
        }
        for user in concerned(effect) {
            let Some(nodes) = &mut self.nodes else { return };
            let found = nodes.crowds.iter_mut().find_map(|crowd| match crowd {
                Crowd::Comes { place, users } => Some((*place, users.remove(&user)?)),
                Crowd::Leaves { .. } => None,
            });
            if let Some((place, told)) = found {
                told.into_iter().for_each(|effect| self.apply_one(network, place, effect));
            }
        }
    }

    /// A node says anew when a channel was made: whoever has yet to come joins that one, and is nothing on it so far.
    pub(super) fn note_claim_to_come(&mut self, place: usize, name: &str, made: Timestamp) {
        for effect in self.coming_of(place).into_iter().flat_map(BTreeMap::values_mut).flatten() {
            if let Effect::Join { channel, created, status, .. } = effect
                && *created != made
                && same_name(channel, name)
            {
                *created = made;
                status.clear();
            }
        }
    }

    // ── who has yet to quit ─────────────────────────────────────────────────────────────────

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
        for crowd in &mut nodes.crowds {
            if let Crowd::Leaves { users, .. } = crowd {
                users.retain(is_leaving);
            }
        }
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
        if self.nodes.as_ref().is_none_or(|nodes| nodes.crowds.is_empty()) {
            return;
        }
        let Some(key) = self.channels.named(name) else { return };
        let room = self.nodes.as_ref().and_then(|nodes| nodes.rooms.get(key));
        if room.is_some_and(|room| room.claims.contains_key(&HERE)) {
            return;
        }
        let members: Vec<_> = self.channels[key].members().map(|(member, _)| member).collect();
        if members.iter().all(|&member| self.is_leaving(member)) {
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

/// Those of whom an effect says something.
fn concerned(effect: &Effect) -> Vec<UserId> {
    match effect {
        Effect::Node { .. } => Vec::new(),
        Effect::User(person) => vec![person.user],
        Effect::Nick { user, .. }
        | Effect::Quit { user, .. }
        | Effect::Account { user, .. }
        | Effect::Away { user, .. }
        | Effect::Host { user, .. }
        | Effect::RealName { user, .. }
        | Effect::UserModes { user, .. }
        | Effect::Join { user, .. }
        | Effect::Part { user, .. }
        | Effect::Read { user, .. } => vec![*user],
        Effect::Kick { by, user, .. }
        | Effect::Invite { by, user, .. }
        | Effect::Told { by, user, .. }
        | Effect::Metadata { by, user, .. } => vec![*by, *user],
        Effect::Said { by, .. } | Effect::Wallops { by, .. } => vec![*by],
        Effect::Redact { by, user, .. } => user.iter().chain([by]).copied().collect(),
        Effect::Kill { by, user, .. } => by.iter().chain([user]).copied().collect(),
        Effect::Channel { by, changes, .. } => {
            by.iter().copied().chain(changes.iter().filter_map(|change| change.user)).collect()
        }
    }
}
