//! `REDACT`: what was said is taken back (IRCv3 message-redaction).

use crate::chat::server::Server;
use crate::chat::server::context::{Context, cut};
use crate::chat::server::effect::Effect;
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::MessageId;
use crate::chat::server::modes::Status;
use crate::chat::server::post::What;
use crate::chat::server::talk::Talk;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::ChannelName;
use crate::chat::wire::message::Message;

use super::history;

/// `REDACT target id [:reason]`: one's own words, or anybody's on a channel of one's own.
pub(super) fn redact(ctx: &mut Context<'_>, message: &Message<'_>) {
    let &[target, text, ref rest @ ..] = message.params() else { return };
    let user = ctx.reach(target);
    let Some(talk) = history::talk(ctx, target).or_else(|| watched(ctx, target)) else {
        return ctx.fail("REDACT", "INVALID_TARGET", &[target], history::OUT_OF_SIGHT);
    };
    let id = text.parse().ok();
    let found = id.and_then(|id| ctx.server.history.find(&talk, id));
    // What happened, a JOIN for instance, is remembered too, but nobody said it.
    let found = found.filter(|post| matches!(post.what, What::Said(_)));
    let found = found.map(|post| post.by.clone());
    let (Some(id), Some(by)) = (id, found) else {
        return ctx.fail("REDACT", "UNKNOWN_MSGID", &[target, text], "There is no such message");
    };
    let channel = ctx.server.channels.named(target).filter(|_| ChannelName::is_meant(target));
    let status = channel.and_then(|channel| ctx.server.channels[channel].status(ctx.me));
    let may = by == Server::party(ctx.user())
        || status.is_some_and(|status| status.reaches(Status::HALF_OPERATOR))
        || ctx.user().is_operator();
    if !may {
        let params = [target, text];
        return ctx.fail("REDACT", "REDACT_FORBIDDEN", &params, "That was said by somebody else");
    }
    let reason =
        rest.first().map_or("", |reason| cut(reason, ctx.server.settings.limits.kick_length));
    if channel.is_none() && user.is_none() {
        // With somebody who is not here now.
        ctx.server.history.redact(&talk, id);
    }
    take_back(ctx, channel, user, id, reason);
}

/// Takes back what was said on a channel, or to a user.
pub(in crate::chat::server) fn take_back(
    ctx: &mut Context<'_>,
    channel: Option<ChannelKey>,
    user: Option<UserKey>,
    id: MessageId,
    reason: &str,
) {
    let (talk, target) = match (channel, user) {
        (Some(channel), _) => {
            let name = &ctx.server.channels[channel].name;
            (Talk::Channel(name.folded()), name.to_string())
        }
        (None, Some(user)) => {
            let (mine, other) = (ctx.user(), &ctx.server.users[user]);
            let talk = Talk::private(Server::party(mine), Server::party(other));
            (talk, other.nick().to_owned())
        }
        (None, None) => return,
    };
    ctx.server.history.redact(&talk, id);
    let told = Effect::Redact {
        by: ctx.server.user_id(ctx.me),
        channel: channel.map(|_| target.clone()),
        user: user.filter(|_| channel.is_none()).map(|user| ctx.server.user_id(user)),
        id,
        reason: reason.to_owned(),
    };
    match (channel, user) {
        (None, Some(user)) => drop(ctx.ask_home(user, |_, _| told)),
        _ => ctx.publish(|_, _| told),
    }
    let line = ctx.by_me("REDACT").param(&target).param(&id.to_string());
    let line = ctx.my_line(if reason.is_empty() { line } else { line.text(reason) });
    let Some(line) = line else { return };
    let knows = |caps: Caps| caps.has(Caps::MESSAGE_REDACTION);
    match (channel, user) {
        (Some(channel), _) => ctx.tell_others(channel, &line, knows),
        (None, Some(user)) if user != ctx.me => ctx.tell_each(&[user], &line, knows),
        _ => {}
    }
    if knows(ctx.caps()) {
        ctx.reply_line(line);
    }
}

/// A channel that an IRC operator is not on, but looks after.
fn watched(ctx: &Context<'_>, target: &str) -> Option<Talk> {
    let channel = ctx.server.channels.named(target).filter(|_| ctx.user().is_operator())?;
    Some(ctx.server.channels[channel].talk.clone())
}
