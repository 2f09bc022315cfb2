//! What a registered channel is, so that it is known when it is opened again: its modes, lists and topic, in the accounts.

use crate::chat::server::Server;
use crate::chat::server::channels::List;
use crate::chat::server::context::Context;
use crate::chat::server::keys::ChannelKey;

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
    let topic = channel.topic.clone();
    // Of two that are to be kept one may be too long.
    server.accounts.keep_modes(&name, &params.join(" ")).is_ok()
        | server.accounts.keep_topic(&name, topic).is_ok()
}
