//! Who is where: the channels one is on, their members and topics, as the server tells of them.

use std::collections::BTreeMap;

use super::support::Kind;
use super::{ClientLimits, Support};

/// What is known of the channels one is on, and what one is called.
#[derive(Clone, Debug)]
pub(super) struct Roster {
    pub(super) nick: String,
    /// By folded name.
    rooms: BTreeMap<String, Room>,
    /// Members of all rooms.
    members: usize,
    limits: (usize, usize),
}

/// A channel one is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    name: String,
    topic: String,
    /// By folded nick.
    members: BTreeMap<String, Member>,
    is_complete: bool,
}

/// Somebody on a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    nick: String,
    signs: String,
    account: Option<String>,
    is_away: bool,
}

impl Room {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its topic; empty if there is none, or it was not told yet.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Its members, by nick.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    /// Whether all members are known: not so while the server is still telling them.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl Member {
    /// The nick.
    #[must_use]
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// The signs of the ranks one has there, the highest first: `@+`.
    #[must_use]
    pub fn signs(&self) -> &str {
        &self.signs
    }

    /// The account one is logged in to, if the server has told.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Whether one is away, if the server tells that.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away
    }
}

impl Roster {
    pub(super) fn new(nick: &str, limits: &ClientLimits) -> Self {
        let limits = (limits.rooms, limits.members);
        Self { nick: nick.to_owned(), rooms: BTreeMap::new(), members: 0, limits }
    }

    pub(super) fn room(&self, support: &Support, name: &str) -> Option<&Room> {
        self.rooms.get(&support.fold(name))
    }

    pub(super) fn rooms(&self) -> impl ExactSizeIterator<Item = &Room> {
        self.rooms.values()
    }

    pub(super) fn is_me(&self, support: &Support, nick: &str) -> bool {
        support.same(&self.nick, nick)
    }

    /// One has come to a channel oneself.
    pub(super) fn enter(&mut self, support: &Support, name: &str) {
        let key = support.fold(name);
        self.leave_folded(&key);
        if self.rooms.len() < self.limits.0 {
            self.rooms.insert(key, Room { name: name.to_owned(), ..Room::default() });
        }
    }

    /// One has left a channel oneself.
    pub(super) fn leave(&mut self, support: &Support, name: &str) {
        self.leave_folded(&support.fold(name));
    }

    fn leave_folded(&mut self, key: &str) {
        if let Some(room) = self.rooms.remove(key) {
            self.members -= room.members.len();
        }
    }

    /// Somebody is on a channel, with these signs if they are told.
    pub(super) fn add(
        &mut self,
        support: &Support,
        channel: &str,
        nick: &str,
        signs: Option<&str>,
        account: Option<&str>,
    ) {
        let Some(room) = self.rooms.get_mut(&support.fold(channel)) else { return };
        let key = support.fold(nick);
        if !room.members.contains_key(&key) {
            if self.members >= self.limits.1 {
                return;
            }
            self.members += 1;
        }
        let member = room.members.entry(key).or_default();
        nick.clone_into(&mut member.nick);
        if let Some(signs) = signs {
            signs.clone_into(&mut member.signs);
        }
        if account.is_some() {
            member.account = account.map(str::to_owned);
        }
    }

    /// Somebody is not on a channel any more.
    pub(super) fn remove(&mut self, support: &Support, channel: &str, nick: &str) {
        if let Some(room) = self.rooms.get_mut(&support.fold(channel))
            && room.members.remove(&support.fold(nick)).is_some()
        {
            self.members -= 1;
        }
    }

    /// Somebody has left the server; the channels on which they were.
    pub(super) fn remove_everywhere(&mut self, support: &Support, nick: &str) -> Vec<String> {
        let key = support.fold(nick);
        let rooms = self.rooms.values_mut();
        let left: Vec<_> =
            rooms.filter_map(|room| room.members.remove(&key).map(|_| room.name.clone())).collect();
        self.members -= left.len();
        left
    }

    /// Somebody has another nick; the channels on which they are.
    pub(super) fn rename(&mut self, support: &Support, from: &str, to: &str) -> Vec<String> {
        if self.is_me(support, from) {
            to.clone_into(&mut self.nick);
        }
        let (old, new) = (support.fold(from), support.fold(to));
        let mut seen = Vec::new();
        for room in self.rooms.values_mut() {
            if let Some(mut member) = room.members.remove(&old) {
                to.clone_into(&mut member.nick);
                // One who has the nick already would be a mistake of the server's; then they are one.
                self.members -= usize::from(room.members.insert(new.clone(), member).is_some());
                seen.push(room.name.clone());
            }
        }
        seen
    }

    /// Changes what is known of somebody, wherever they are.
    pub(super) fn update(&mut self, support: &Support, nick: &str, change: impl Fn(&mut Member)) {
        let key = support.fold(nick);
        self.rooms.values_mut().filter_map(|room| room.members.get_mut(&key)).for_each(change);
    }

    /// The modes of a channel have changed: `+o-v ann bob`.
    pub(super) fn change_modes(&mut self, support: &Support, channel: &str, words: &[&str]) {
        let Some(room) = self.rooms.get_mut(&support.fold(channel)) else { return };
        let Some((letters, params)) = words.split_first() else { return };
        let mut params = params.iter();
        let mut is_set = true;
        for letter in letters.chars() {
            match (letter, support.kind_of(letter)) {
                ('+', _) => is_set = true,
                ('-', _) => is_set = false,
                (_, Kind::Flag) => {}
                (_, Kind::ParameterWhenSet) if !is_set => {}
                (_, Kind::Parameter | Kind::ParameterWhenSet) => drop(params.next()),
                (_, Kind::Rank(sign)) => {
                    let nick = params.next().map(|nick| support.fold(nick));
                    let member = nick.and_then(|nick| room.members.get_mut(&nick));
                    if let Some(member) = member {
                        member.set_sign(support, sign, is_set);
                    }
                }
            }
        }
    }

    pub(super) fn set_topic(&mut self, support: &Support, channel: &str, topic: &str) {
        if let Some(room) = self.rooms.get_mut(&support.fold(channel)) {
            topic.clone_into(&mut room.topic);
        }
    }

    /// All members of a channel have been told.
    pub(super) fn complete(&mut self, support: &Support, channel: &str) -> bool {
        match self.rooms.get_mut(&support.fold(channel)) {
            Some(room) => !std::mem::replace(&mut room.is_complete, true),
            None => false,
        }
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        assert_eq!(self.members, self.rooms.values().map(|room| room.members.len()).sum::<usize>());
        (self.rooms.len(), self.members)
    }
}

impl Member {
    pub(super) fn set_account(&mut self, account: Option<&str>) {
        self.account = account.map(str::to_owned);
    }

    pub(super) fn set_away(&mut self, is_away: bool) {
        self.is_away = is_away;
    }

    /// Gives or takes a sign, and keeps them in order.
    fn set_sign(&mut self, support: &Support, sign: char, is_set: bool) {
        let has = |it| if it == sign { is_set } else { self.signs.contains(it) };
        self.signs = support.signs().filter(|it| has(*it)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(roster: &Roster, nick: &str) -> String {
        let room = roster.room(&Support::default(), "#a").expect("one is on it");
        let member = room.members().find(|it| it.nick() == nick).expect("somebody is");
        member.signs().to_owned()
    }

    #[test]
    fn ranks_follow_the_modes_and_parameters_are_counted() {
        let (support, mut roster) =
            (Support::default(), Roster::new("me", &ClientLimits::default()));
        roster.enter(&support, "#a");
        roster.add(&support, "#A", "ann", Some("+"), None);
        roster.add(&support, "#a", "bob", Some(""), None);
        roster.change_modes(
            &support,
            "#a",
            &["+ob-l+k-v+lo", "ANN", "*!*@x", "key", "bob", "5", "bob"],
        );
        assert_eq!((signs(&roster, "ann"), signs(&roster, "bob")), ("@+".into(), "@".into()));
        roster.change_modes(&support, "#a", &["-ov", "ann"]);
        assert_eq!(signs(&roster, "ann"), "+", "a parameter that is missing changes nothing");
    }

    #[test]
    fn a_server_fills_no_memory() {
        let limits = ClientLimits { rooms: 2, members: 3, ..ClientLimits::default() };
        let (support, mut roster) = (Support::default(), Roster::new("me", &limits));
        for room in ["#a", "#b", "#c"] {
            roster.enter(&support, room);
            for nick in ["a", "b"] {
                roster.add(&support, room, nick, None, None);
            }
        }
        assert_eq!(roster.counts(), (2, 3));
        assert_eq!(roster.remove_everywhere(&support, "A"), ["#a", "#b"]);
        assert_eq!(roster.rename(&support, "b", "c"), ["#a"]);
        roster.leave(&support, "#A");
        assert_eq!(roster.counts(), (1, 0));
    }
}
