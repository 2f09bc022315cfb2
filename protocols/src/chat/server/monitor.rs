//! Who watches whom come and go (IRCv3 MONITOR).

use std::collections::BTreeMap;

use super::users::UserKey;
use crate::chat::casemap::Folded;

/// The watchers of each nickname that is watched; each user's own list is with the user.
#[derive(Debug, Default)]
pub(in crate::chat) struct Monitor(BTreeMap<Folded, Vec<UserKey>>);

impl Monitor {
    pub(in crate::chat) fn add(&mut self, nick: Folded, watcher: UserKey) {
        let watchers = self.0.entry(nick).or_default();
        if !watchers.contains(&watcher) {
            watchers.push(watcher);
        }
    }

    pub(in crate::chat) fn remove(&mut self, nick: &Folded, watcher: UserKey) {
        if let Some(watchers) = self.0.get_mut(nick) {
            watchers.retain(|&it| it != watcher);
            if watchers.is_empty() {
                self.0.remove(nick);
            }
        }
    }

    pub(in crate::chat) fn watchers(&self, nick: &str) -> Vec<UserKey> {
        self.0.get(&*Folded::spelling(nick)).cloned().unwrap_or_default()
    }
}
