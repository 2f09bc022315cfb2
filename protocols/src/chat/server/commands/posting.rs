//! What a user said or did: made, written for each who gets it, and remembered.

use std::rc::Rc;
use std::sync::Arc;

use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::line::{ClientTags, Line};
use crate::chat::server::modes::UserModes;
use crate::chat::server::post::{Part, Post, What};
use crate::chat::wire::capability::Caps;

/// Something that the user said or did.
pub(super) fn post(
    ctx: &mut Context<'_>,
    what: What,
    (target, params): (Arc<str>, Vec<Arc<str>>),
    parts: Rc<[Part]>,
    client_tags: ClientTags,
) -> Post {
    let id = ctx.next_id();
    let user = &ctx.server.users[ctx.me];
    let (source, account) = (Rc::clone(&user.source), user.account.clone());
    let by = Server::party(user);
    let bot = user.modes.has(UserModes::BOT);
    Post { id, at: ctx.clock, source, by, account, bot, client_tags, what, target, params, parts }
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
pub(super) fn renderings(
    ctx: &mut Context<'_>,
    post: &Post,
) -> impl Iterator<Item = (Vec<Line>, Wanted)> + use<> {
    let written = if post.is_multiline() {
        let batch = ctx.server.next_batch();
        post.plain().and_then(|plain| {
            let batched = (post.batched(&batch)?, Wanted::Multiline);
            Ok([Some((plain, Wanted::NotMultiline)), Some(batched)])
        })
    } else {
        post.plain().map(|plain| [Some((plain, Wanted::All)), None])
    };
    let written = written.unwrap_or_else(|_| {
        ctx.server.counters.spoiled += 1;
        [None, None]
    });
    written.into_iter().flatten()
}

/// Whether a post is worth remembering: that somebody is typing is not.
pub(super) fn is_lasting(post: &Post) -> bool {
    let is_fleeting = |tag: &str| {
        let key = tag.split_once('=').map_or(tag, |(key, _)| key);
        matches!(key, "+typing" | "+draft/typing")
    };
    !post.is_tags() || !post.client_tags.as_str().split(';').any(is_fleeting)
}

/// Remembers what happened on a channel.
pub(super) fn remember(ctx: &mut Context<'_>, channel: ChannelKey, post: Rc<Post>) {
    if !is_lasting(&post) {
        return;
    }
    let Server { channels, history, settings, .. } = &mut *ctx.server;
    let (most, bytes) = (settings.limits.history_messages, settings.limits.history_bytes);
    history.push(&channels[channel].talk, post, &[], most, bytes);
}
