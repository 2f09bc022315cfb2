//! What a user said or did: made, written for each who gets it, and remembered.

use std::rc::Rc;

use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::line::Line;
use crate::chat::server::modes::UserModes;
use crate::chat::server::post::{Part, Post, What};
use crate::chat::server::talk::Talk;
use crate::chat::wire::capability::Caps;

/// Something that the user said or did.
pub(super) fn post(
    ctx: &mut Context<'_>,
    what: What,
    params: Vec<String>,
    parts: Rc<[Part]>,
    client_tags: Rc<str>,
) -> Post {
    let id = ctx.next_id();
    let user = &ctx.server.users[ctx.me];
    let (source, account) = (Rc::clone(&user.source), user.account.clone());
    let by = Server::party(user);
    let bot = user.modes.has(UserModes::BOT);
    Post { id, at: ctx.clock, source, by, account, bot, client_tags, what, params, parts }
}

/// For whom a way of writing a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Multiline,
    NotMultiline,
}

impl Wanted {
    pub(super) fn by(self, caps: Caps) -> bool {
        let knows_multiline = caps.has(Caps::MULTILINE | Caps::BATCH);
        match self {
            Self::All => true,
            Self::Multiline => knows_multiline,
            Self::NotMultiline => !knows_multiline,
        }
    }
}

/// The ways to write a message, and for whom each is.
pub(super) fn renderings(ctx: &mut Context<'_>, post: &Post) -> Vec<(Vec<Line>, Wanted)> {
    let written = if post.is_multiline() {
        let batch = ctx.server.next_batch();
        post.plain().and_then(|plain| {
            Ok(vec![(plain, Wanted::NotMultiline), (post.batched(&batch)?, Wanted::Multiline)])
        })
    } else {
        post.plain().map(|plain| vec![(plain, Wanted::All)])
    };
    written.unwrap_or_else(|_| {
        ctx.server.counters.spoiled += 1;
        Vec::new()
    })
}

/// Whether a post is worth remembering: that somebody is typing is not.
pub(super) fn is_lasting(post: &Post) -> bool {
    let is_fleeting = |tag: &str| {
        let key = tag.split_once('=').map_or(tag, |(key, _)| key);
        matches!(key, "+typing" | "+draft/typing")
    };
    !post.is_tags() || !post.client_tags.split(';').any(is_fleeting)
}

/// Remembers what happened on a channel.
pub(super) fn remember(ctx: &mut Context<'_>, channel: ChannelKey, post: Rc<Post>) {
    if !is_lasting(&post) {
        return;
    }
    let talk = Talk::Channel(ctx.server.channels[channel].name.folded());
    let limits = &ctx.server.settings.limits;
    let (most, bytes) = (limits.history_messages, limits.history_bytes);
    ctx.server.history.push(&talk, post, &[], most, bytes);
}
