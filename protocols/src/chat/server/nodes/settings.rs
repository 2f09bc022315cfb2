//! What is set on a channel, by whom and when: pure.

use std::collections::{BTreeMap, VecDeque};

use crate::chat::server::changes::{Changed, METADATA, TOPIC};
use crate::chat::server::channels::{Channel, Entry, List, Topic};
use crate::chat::server::effect::{Change, Effect};
use crate::chat::server::keys::UserKey;
use crate::chat::server::modes::{Flags, Status};
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::node::NodeName;
use crate::chat::wire::timestamp::Timestamp;

/// Eras that are remembered without a channel. Enough for every channel of a busy network to be opened anew while one
/// effect is late.
const MOST_ERAS: usize = 4_096;
/// Settings of an era that are remembered: the lists of masks, full, and as many masks that were taken off. Of those
/// the oldest are forgotten first.
const MOST_SETTINGS: usize = 1_000;
/// Settings that are remembered of all those eras together: some 14 MB, if they are bans of 200 bytes. A snapshot has
/// them too, and one that is too long is not taken. The eras that were heard of first are forgotten first.
const MOST_REMEMBERED: usize = 20_000;
/// Settings in one effect. An effect that does not fit into a message is lost.
const MOST_CHANGES: usize = 100;

/// What the network knows of a channel.
#[derive(Default)]
pub(super) struct Room {
    /// Of each node with members.
    pub(super) claims: BTreeMap<usize, Claim>,
    pub(super) settings: Settings,
    /// What the home of a member says that it may do, if it is anything.
    pub(super) owned: BTreeMap<UserKey, Status>,
    /// When this node has told the others all that is set, if it has.
    pub(super) told: Option<Timestamp>,
}

#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub(super) created: Timestamp,
    pub(super) members: usize,
}

/// The settings of an era, those that were taken back among them.
#[derive(Clone, Default)]
pub(super) struct Settings(pub(super) BTreeMap<(String, Folded), Change>);

impl Settings {
    pub(super) fn name(item: &str, key: &str) -> (String, Folded) {
        (item.to_owned(), Folded::of(key))
    }

    pub(super) fn of(changes: Vec<Change>) -> Self {
        let named = |change: Change| (Self::name(&change.item, &change.key), change);
        Self(changes.into_iter().map(named).collect())
    }

    /// Takes a change that is later than what is known; whether it is.
    pub(super) fn take(&mut self, change: &Change) -> bool {
        let name = Self::name(&change.item, &change.key);
        let known = self.0.get(&name);
        let is_later =
            known.is_none_or(|known| (known.at, &known.node) < (change.at, &change.node));
        if is_later {
            self.0.insert(name, change.clone());
            self.forget_oldest();
        }
        is_later
    }

    fn forget_oldest(&mut self) {
        if self.0.len() <= MOST_SETTINGS {
            return;
        }
        let taken_back = self.0.iter().filter(|(_, change)| change.value.is_none());
        let oldest = taken_back.min_by_key(|(_, change)| change.at).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
    }

    /// Forgets also what is set, if that alone is too much: of a channel that is open the lists bound it.
    fn forget_surplus(&mut self) {
        if self.0.len() <= MOST_SETTINGS {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, change)| (change.at, &change.node));
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            self.0.remove(&oldest);
        }
    }

    /// All that is set on a channel, as others are told: in several effects, none of which is too long for a message.
    pub(super) fn told(&self, channel: &str, created: Timestamp) -> Vec<Effect> {
        let all: Vec<_> = self.0.values().cloned().collect();
        let effect = |changes: &[Change]| Effect::Channel {
            channel: channel.to_owned(),
            created,
            by: None,
            changes: changes.to_vec(),
            told: None,
        };
        if all.is_empty() {
            return vec![effect(&[])];
        }
        all.chunks(MOST_CHANGES).map(effect).collect()
    }

    /// Makes what is remembered of a registered channel what the accounts have of it, whoever is heard of first: what they
    /// have is set behind what it is instead of. Whether anything is different.
    pub(super) fn follow(&mut self, accounts: &Self, node: &NodeName) -> bool {
        let initial = Flags::initial();
        let stale = self.0.iter().filter_map(|(name, known)| {
            // The accounts have nothing else.
            let letter = mode_of(&known.item);
            if letter.is_none() && known.item != TOPIC {
                return None;
            }
            let is_initial = letter.and_then(Flags::of).is_some_and(|flag| initial.has(flag));
            let usual = is_initial.then(String::new);
            let value = accounts.0.get(name).map_or(usual, |change| change.value.clone());
            let at = known.at.after(known.at);
            let is_other = value != known.value;
            is_other.then(|| Change { value, at, node: node.clone(), ..known.clone() })
        });
        let stale: Vec<_> = stale.collect();
        stale.iter().filter(|change| self.take(change)).count() > 0
    }

    /// Takes what is not known at all; whether there is any.
    pub(super) fn complete(&mut self, other: Self) -> bool {
        let known = self.0.len();
        for (name, change) in other.0 {
            self.0.entry(name).or_insert(change);
        }
        self.0.len() > known
    }
}

/// What is remembered of a channel that nobody is on.
#[derive(Clone, Default)]
pub(super) struct Era {
    pub(super) settings: Settings,
    /// As of the [room](Room::told).
    pub(super) told: Option<Timestamp>,
    /// It is registered, and the accounts have heard of something since.
    pub(super) is_outdated: bool,
}

/// Eras that are not those of a channel here.
#[derive(Default)]
pub(super) struct Eras {
    eras: BTreeMap<(Folded, Timestamp), Era>,
    oldest: VecDeque<(Folded, Timestamp)>,
    /// The settings of all of them.
    total: usize,
}

impl Eras {
    /// Takes settings of an era; those of the oldest eras make room for them.
    pub(super) fn put<'a>(
        &mut self,
        name: &Folded,
        created: Timestamp,
        changes: impl IntoIterator<Item = &'a Change>,
    ) {
        let era = (name.clone(), created);
        if !self.eras.contains_key(&era) {
            self.oldest.push_back(era.clone());
        }
        let known = &mut self.eras.entry(era).or_default().settings;
        let before = known.0.len();
        for change in changes {
            known.take(change);
            known.forget_surplus();
        }
        self.total = self.total - before + known.0.len();
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        while (self.oldest.len() > MOST_ERAS || self.total > MOST_REMEMBERED)
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.total -= self.eras.remove(&oldest).map_or(0, |era| era.settings.0.len());
        }
    }

    /// A channel is closed: what it was is what is remembered now.
    pub(super) fn close(&mut self, name: &Folded, created: Timestamp, room: &Room) {
        self.put(name, created, room.settings.0.values());
        if let Some(era) = self.eras.get_mut(&(name.clone(), created)) {
            (era.told, era.is_outdated) = (room.told, false);
        }
    }

    /// The accounts have something else of a channel than before, or none.
    #[cfg(feature = "cluster")]
    pub(super) fn note_outdated(&mut self, name: &Folded) {
        let first = (name.clone(), Timestamp::default());
        let of = self.eras.range_mut(first..).take_while(|((of, _), _)| of == name);
        of.for_each(|(_, era)| era.is_outdated = true);
    }

    pub(super) fn get(&self, name: &Folded, created: Timestamp) -> Option<&Era> {
        self.eras.get(&(name.clone(), created))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Folded, Timestamp, &Settings)> {
        self.eras.iter().map(|((name, created), era)| (name, *created, &era.settings))
    }
}

// ── what is set ─────────────────────────────────────────────────────────────────────────────────────

/// What of a channel can be set.
#[derive(Clone, Default)]
pub(super) struct Face {
    flags: Flags,
    key: Option<String>,
    limit: Option<usize>,
    lists: [Vec<Entry>; 3],
    pub(super) topic: Option<Topic>,
}

impl Face {
    pub(super) fn of(channel: &Channel) -> Self {
        Self {
            flags: channel.flags,
            key: channel.key.clone(),
            limit: channel.limit,
            lists: List::ALL.map(|(_, list)| channel.list(list).to_vec()),
            topic: channel.topic.clone(),
        }
    }

    /// What has to be changed for a channel to look like another, in the words of `MODE`.
    pub(super) fn changes_to(&self, after: &Self) -> Vec<Changed> {
        let mut changed = Vec::new();
        let mut change = |on, letter, param: Option<String>| {
            changed.push(Changed { on, letter, param });
        };
        for (on, from, to) in [(false, after, self), (true, self, after)] {
            // Whether it is registered is told by whoever registers it.
            let mine = to.flags.letters().filter(|&letter| letter != 'r');
            mine.filter(|&it| !from.flags.letters().any(|other| other == it))
                .for_each(|letter| change(on, letter, None));
            if let Some(key) = to.key.as_ref().filter(|_| from.key != to.key) {
                change(on, 'k', Some(if on { key.clone() } else { "*".to_owned() }));
            }
            if let Some(limit) = to.limit.filter(|_| from.limit != to.limit) {
                change(on, 'l', on.then(|| limit.to_string()));
            }
            for (at, (letter, _)) in List::ALL.into_iter().enumerate() {
                let has =
                    |mask: &str| from.lists[at].iter().any(|it| it.mask.eq_ignore_ascii_case(mask));
                let masks = to.lists[at].iter().map(|entry| &entry.mask);
                masks
                    .filter(|mask| !has(mask))
                    .for_each(|mask| change(on, letter, Some(mask.clone())));
            }
        }
        changed
    }
}

/// The letter of an item that is one: other names are of what a newer version knows, which is kept for others.
pub(super) fn letter_of(item: &str) -> Option<char> {
    let mut letters = item.chars();
    letters.next().filter(|_| letters.next().is_none())
}

/// The mode that an item sets, if it is one that this version knows. Whether a channel is registered is none of them:
/// the accounts say so.
pub(super) fn mode_of(item: &str) -> Option<char> {
    let is_known = |letter: &char| {
        matches!(letter, 'k' | 'l')
            || List::of(*letter).is_some()
            || Flags::of(*letter).is_some_and(|flag| flag != Flags::REGISTERED)
    };
    letter_of(item).filter(is_known)
}

/// Sets a channel as a change has it.
pub(super) fn put(channel: &mut Channel, change: &Change) {
    let value = change.value.clone();
    match change.item.as_str() {
        TOPIC => {
            let text = value.filter(|text| !text.is_empty());
            let (set_by, set_at) = (change.by.clone(), change.at.seconds());
            channel.topic = text.map(|text| Topic { text, set_by, set_at });
        }
        METADATA => {
            match value {
                Some(value) => channel.metadata.insert(change.key.clone(), value),
                None => channel.metadata.remove(&change.key),
            };
        }
        "k" => channel.key = value,
        "l" => channel.limit = value.and_then(|limit| limit.parse().ok()),
        item => {
            let Some(letter) = mode_of(item) else { return };
            if let Some(flag) = Flags::of(letter) {
                channel.flags.set(flag, value.is_some());
            } else if let Some(list) = List::of(letter) {
                let entries = channel.list_mut(list);
                entries.retain(|entry| !entry.mask.eq_ignore_ascii_case(&change.key));
                if let Some(mask) = value {
                    entries.push(Entry { mask, by: change.by.clone(), at: change.at.seconds() });
                }
            }
        }
    }
}

/// Takes everything back that is set on a channel.
pub(super) fn reset(channel: &mut Channel, is_registered: bool) {
    channel.flags = Flags::initial();
    channel.flags.set(Flags::REGISTERED, is_registered);
    (channel.key, channel.limit, channel.topic) = (None, None, None);
    channel.metadata.clear();
    for (_, list) in List::ALL {
        channel.list_mut(list).clear();
    }
}

/// What is set on a channel that the network has not heard of: older than anything that will be set.
pub(super) fn settings_of(channel: &Channel, node: &NodeName) -> Settings {
    let mut settings = Settings::default();
    let made = |by: &str| Change {
        item: String::new(),
        key: String::new(),
        value: Some(String::new()),
        user: None,
        by: by.to_owned(),
        at: Timestamp::default(),
        node: node.clone(),
    };
    let initial = Face { flags: Flags::initial(), ..Face::default() };
    for Changed { on, letter, param } in initial.changes_to(&Face::of(channel)) {
        let key = if List::of(letter).is_some() {
            param.clone().unwrap_or_default()
        } else {
            String::new()
        };
        let value = on.then(|| param.unwrap_or_default());
        settings.take(&Change { item: letter.to_string(), key, value, ..made("") });
    }
    if let Some(Topic { text, set_by: by, .. }) = &channel.topic {
        settings.take(&Change { item: TOPIC.to_owned(), value: Some(text.clone()), ..made(by) });
    }
    for (key, value) in &channel.metadata {
        let (key, value) = (key.clone(), Some(value.clone()));
        settings.take(&Change { item: METADATA.to_owned(), key, value, ..made("") });
    }
    settings
}
