//! What a registered channel was when it was last open: its modes, lists and topic, in the accounts.

use crate::chat::server::Server;
use crate::chat::server::accounts;
use crate::chat::server::channels::{Entry, List, Topic};
use crate::chat::server::context::Context;
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::modes::Flags;
use crate::chat::wire::timestamp::Timestamp;

/// Remembers the modes, lists and topic of a channel that is registered.
pub(super) fn keep(ctx: &mut Context<'_>, key: ChannelKey) {
    if remember(ctx.server, key) {
        ctx.save();
    }
}

/// As [`keep`], to be saved; whether there is something to save.
pub(super) fn remember(server: &mut Server, key: ChannelKey) -> bool {
    let channel = &server.channels[key];
    let name = channel.name.to_string();
    if server.accounts.channel(&name).is_none() {
        return false;
    }
    let (mut letters, mut params) = channel.modes(true);
    for (letter, list) in List::ALL {
        for entry in channel.list(list) {
            letters.push(letter);
            params.push(entry.mask.clone());
        }
    }
    params.insert(0, letters.replace('r', ""));
    let topic = channel.topic.clone().map(|Topic { text, by, at }| accounts::Topic {
        text,
        set_by: by,
        set_at: at,
    });
    server.accounts.keep_modes(&name, &params.join(" ")).is_ok()
        && server.accounts.keep_topic(&name, topic).is_ok()
}

/// Makes a registered channel what it was when it was last open.
pub(super) fn restore(ctx: &mut Context<'_>, key: ChannelKey, registered: &accounts::Channel) {
    let by = ctx.server.settings.name.clone();
    let created = Timestamp::of(registered.registered());
    let channel = &mut ctx.server.channels[key];
    channel.created = created;
    channel.topic = registered.topic().map(|topic| Topic {
        text: topic.text.clone(),
        by: topic.set_by.clone(),
        at: topic.set_at,
    });
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
                        by: by.clone(),
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
