//! Who watches whom come and go (IRCv3 MONITOR).

use std::collections::{BTreeMap, BTreeSet};

use super::keys::UserKey;
use crate::chat::wire::casemap::Folded;

/// The watchers of each nickname that is watched; each user's own list is with the user. They are found
/// however many there are: all may watch the same one, and all may go at once.
#[derive(Debug, Default)]
pub(super) struct Monitor(BTreeMap<Folded, BTreeSet<UserKey>>);

impl Monitor {
    pub(super) fn add(&mut self, nick: Folded, watcher: UserKey) {
        self.0.entry(nick).or_default().insert(watcher);
    }

    pub(super) fn remove(&mut self, nick: &Folded, watcher: UserKey) {
        if let Some(watchers) = self.0.get_mut(nick) {
            watchers.remove(&watcher);
            if watchers.is_empty() {
                self.0.remove(nick);
            }
        }
    }

    pub(super) fn watchers(&self, nick: &str) -> Vec<UserKey> {
        let watchers = self.0.get(&*Folded::spelling(nick));
        watchers.map_or_else(Vec::new, |watchers| watchers.iter().copied().collect())
    }
}
