//! A registered channel as it was when it was last open: what the accounts have of it.

use super::accounts;
use super::channels::{Channel, Entry, List};
use super::modes::Flags;
use crate::chat::wire::timestamp::Timestamp;

/// Makes a registered channel what it was when it was last open.
pub(super) fn restore(channel: &mut Channel, registered: &accounts::Channel, by: &str) {
    let created = Timestamp::of(registered.registered());
    channel.created = created;
    channel.topic = registered.topic().cloned();
    let mut words = registered.modes().split(' ');
    let letters = words.next().unwrap_or_default();
    if !letters.is_empty() {
        channel.flags = Flags::default();
    }
    for letter in letters.chars() {
        match (Flags::of(letter), List::of(letter)) {
            (Some(flag), _) => {
                channel.flags.set(flag, true);
            }
            (None, Some(list)) => {
                if let Some(mask) = words.next().map(str::to_owned) {
                    channel.list_mut(list).push(Entry {
                        mask,
                        by: by.to_owned(),
                        at: created.seconds(),
                    });
                }
            }
            (None, None) if letter == 'k' => channel.key = words.next().map(str::to_owned),
            (None, None) if letter == 'l' => {
                channel.limit = words.next().and_then(|limit| limit.parse().ok());
            }
            (None, None) => {}
        }
    }
    channel.flags.set(Flags::REGISTERED, true);
}
