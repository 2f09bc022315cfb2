//! What has changed on a channel, in the words of `MODE`, and as the other nodes of a network are told.

use super::channels::List;
use super::modes::Status;

/// What is set that is no mode: [`Set::item`].
pub(super) const TOPIC: &str = "topic";
pub(super) const METADATA: &str = "metadata";

/// Bytes of parameters on one line of changes.
const ROOM: usize = 300;

/// What has changed: on or off, which mode, with which parameter.
pub(super) struct Changed {
    pub(super) on: bool,
    pub(super) letter: char,
    pub(super) param: Option<String>,
}

/// What is set, and who set it.
pub(super) struct Set<'a> {
    /// The letter of the mode, [`TOPIC`] or [`METADATA`].
    pub(super) item: &'a str,
    /// The mask, the key, or the member's nickname.
    pub(super) about: &'a str,
    pub(super) value: Option<String>,
}

impl Changed {
    /// As the other nodes are told.
    pub(super) fn set<'a>(&'a self, item: &'a str) -> Set<'a> {
        let param = self.param.as_deref().unwrap_or_default();
        let is_about = List::of(self.letter).is_some() || Status::of_letter(self.letter).is_some();
        let about = if is_about { param } else { "" };
        Set { item, about, value: self.on.then(|| param.to_owned()) }
    }
}

/// How many of these changes fit on a line.
pub(super) fn on_a_line(changed: &[Changed]) -> usize {
    let mut bytes = 0;
    let fits = |change: &&Changed| {
        bytes += change.param.as_ref().map_or(1, |param| param.len() + 2);
        bytes <= ROOM
    };
    changed.iter().take_while(fits).count().max(1)
}

/// `+ov-k`: the sign only where it changes.
pub(super) fn letters(changed: &[Changed]) -> String {
    let mut text = String::new();
    let mut sign = None;
    for change in changed {
        if sign.replace(change.on) != Some(change.on) {
            text.push(if change.on { '+' } else { '-' });
        }
        text.push(change.letter);
    }
    text
}
