//! What a user said or did: made, written for each who gets it, and remembered.

use std::rc::Rc;
use std::sync::Arc;

use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::line::{ClientTags, Line};
use crate::chat::server::modes::UserModes;
use crate::chat::server::post::{Post, Text, What};
use crate::chat::wire::builder::WriteError;
use crate::chat::wire::capability::Caps;

/// Something that the user said or did.
pub(super) fn post(
    ctx: &mut Context<'_>,
    what: What,
    (target, params): (Arc<str>, Vec<Arc<str>>),
    text: Text,
    client_tags: ClientTags,
) -> Post {
    let id = ctx.next_id();
    let user = &ctx.server.users[ctx.me];
    let (source, account) = (Rc::clone(&user.source), user.account.clone());
    let by = Server::party(user);
    let bot = user.modes.has(UserModes::BOT);
    Post { id, at: ctx.clock, source, by, account, bot, client_tags, what, target, params, text }
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

/// The lines of a message, and for whom each is.
pub(super) fn renderings(
    ctx: &mut Context<'_>,
    post: &Post,
) -> impl Iterator<Item = (Line, Wanted)> + use<> {
    let written = match post.text {
        Text::Lines(_) => several(ctx, post).map(|lines| (None, lines)),
        _ => post.line().map(|line| (Some((line, Wanted::All)), Vec::new())),
    };
    let (one, several) = written.unwrap_or_else(|_| {
        ctx.server.counters.spoiled += 1;
        (None, Vec::new())
    });
    one.into_iter().chain(several)
}

/// Those of a multiline message: for who does not know of such, and for who does.
fn several(ctx: &mut Context<'_>, post: &Post) -> Result<Vec<(Line, Wanted)>, WriteError> {
    let plain = post.plain()?.into_iter().map(|line| (line, Wanted::NotMultiline));
    let batched = post.batched(&ctx.server.next_batch())?.into_iter();
    Ok(plain.chain(batched.map(|line| (line, Wanted::Multiline))).collect())
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
