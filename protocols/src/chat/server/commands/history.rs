//! What was said (IRCv3 chathistory).

use std::rc::Rc;

use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::history::{Mark, Range, Size};
use crate::chat::server::line::Line;
use crate::chat::server::post::{Kind, Post, What};
use crate::chat::server::talk::{Party, Talk};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::{ChannelName, Folded};
use crate::chat::wire::message::Message;

/// `CHATHISTORY LATEST|BEFORE|AFTER|AROUND target mark limit`, `BETWEEN target mark mark limit`,
/// `TARGETS time time limit`.
pub(super) fn chathistory(ctx: &mut Context<'_>, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default().to_ascii_uppercase();
    if ctx.server.settings.limits.history_messages == 0 {
        return fail(ctx, &subcommand, "MESSAGE_ERROR", &[], "Nothing is remembered here");
    }
    let wanted = match subcommand.as_str() {
        "TARGETS" | "BETWEEN" | "LATEST" | "BEFORE" | "AFTER" | "AROUND" => 4,
        _ => return fail(ctx, &subcommand, "INVALID_PARAMS", &[], "There is no such subcommand"),
    };
    let wanted = wanted + usize::from(subcommand == "BETWEEN");
    if message.params().len() < wanted {
        return fail(ctx, &subcommand, "NEED_MORE_PARAMS", &[], "Not enough parameters");
    }
    let most = message.params().get(wanted - 1).and_then(|limit| limit.parse().ok());
    let Some(most) = most.filter(|&most: &usize| most > 0) else {
        return fail(ctx, &subcommand, "INVALID_PARAMS", &[], "The limit is no number above zero");
    };
    let most = most.min(ctx.server.settings.limits.history_reply);
    if subcommand == "TARGETS" {
        return targets(ctx, message, most);
    }
    let target = message.param(1).unwrap_or_default();
    let Some(range) = range(&subcommand, message) else {
        return fail(ctx, &subcommand, "INVALID_MSGREFTYPE", &[target], "That is no place in it");
    };
    match talk(ctx, target) {
        Some(talk) => show(ctx, target, &talk, range, most),
        None => fail(ctx, &subcommand, "INVALID_TARGET", &[target], OUT_OF_SIGHT),
    }
}

/// Why there is nothing to be read, or taken back.
pub(super) const OUT_OF_SIGHT: &str = "You cannot see what was said there";

fn fail(ctx: &mut Context<'_>, subcommand: &str, code: &str, params: &[&str], text: &str) {
    let params: Vec<_> = std::iter::once(&subcommand).chain(params).copied().collect();
    ctx.fail("CHATHISTORY", code, &params, text);
}

fn range(subcommand: &str, message: &Message<'_>) -> Option<Range> {
    let at = |position| mark(message.param(position)?);
    Some(match subcommand {
        "BEFORE" => Range::Before(at(2)?),
        "AFTER" => Range::After(at(2)?),
        "AROUND" => Range::Around(at(2)?),
        "BETWEEN" => Range::Between(at(2)?, at(3)?),
        _ if message.param(2) == Some("*") => Range::Latest(None),
        _ => Range::Latest(Some(at(2)?)),
    })
}

pub(super) fn mark(text: &str) -> Option<Mark> {
    match text.split_once('=')? {
        ("timestamp", time) => time.parse().ok().map(Mark::Time),
        ("msgid", id) => id.parse().ok().map(Mark::Id),
        _ => None,
    }
}

/// The conversation of a target, if the user may see it: a channel it is on, or its own with somebody.
pub(super) fn talk(ctx: &Context<'_>, target: &str) -> Option<Talk> {
    if ChannelName::is_meant(target) {
        let channel = &ctx.server.channels[ctx.server.channels.named(target)?];
        return channel.has(ctx.me).then(|| channel.talk.clone());
    }
    let other = match ctx.server.users.named(target) {
        Some(user) => Server::party(&ctx.server.users[user]),
        None => Party::Account(Folded::of(ctx.server.accounts.owner_of(target)?.name())),
    };
    Some(Talk::private(Server::party(ctx.user()), other))
}

fn show(ctx: &mut Context<'_>, target: &str, talk: &Talk, range: Range, most: usize) {
    let caps = ctx.caps();
    // What cannot be shown is not counted either: a page of it alone would seem to be the last.
    let wanted = |post: &Post| match post.what {
        What::Said(Kind::Privmsg | Kind::Notice) => true,
        What::Said(Kind::Tagmsg) => caps.has(Caps::EVENT_PLAYBACK | Caps::MESSAGE_TAGS),
        What::Event(_) => caps.has(Caps::EVENT_PLAYBACK),
    };
    let most = Size { posts: most, bytes: ctx.server.longest_answer() };
    let posts = ctx.server.history.select(talk, range, most, wanted);
    let batch = begin_batch(ctx, &["chathistory", target]);
    for post in posts {
        for line in lines(ctx, &post, batch.as_ref()) {
            ctx.reply_line(line);
        }
    }
    end_batch(ctx, batch);
}

/// A post as its lines were: in the batch, and a multiline message in a batch of its own within.
fn lines(ctx: &mut Context<'_>, post: &Post, batch: Option<&Rc<str>>) -> Vec<Line> {
    let caps = ctx.caps();
    let lines = super::posting::renderings(ctx, post).filter(|(_, wanted)| wanted.by(caps));
    let with_batch = |(mut line, _): (Line, _)| {
        if line.batch.is_none() {
            line.batch = batch.cloned();
        }
        line
    };
    lines.map(with_batch).collect()
}

/// `CHATHISTORY TARGETS`: in which conversations something was said, and when last.
fn targets(ctx: &mut Context<'_>, message: &Message<'_>, most: usize) {
    let time = |position: usize| match mark(message.param(position)?)? {
        Mark::Time(time) => Some(time),
        Mark::Id(_) => None,
    };
    let (Some(one), Some(other)) = (time(1), time(2)) else {
        return fail(ctx, "TARGETS", "INVALID_PARAMS", &[], "Those are no times");
    };
    let party = Server::party(ctx.user());
    let (channels, me) = (&ctx.server.channels, ctx.me);
    let is_on = |name: &Folded| {
        let channel = &channels[channels.named(name.as_str())?];
        channel.has(me).then(|| channel.name.to_string())
    };
    let targets = ctx.server.history.targets(&party, is_on, (one, other), most);
    let batch = begin_batch(ctx, &["draft/chathistory-targets"]);
    for (at, name) in targets {
        let line = ctx.by_server("CHATHISTORY").param("TARGETS").param(&name);
        if let Some(line) = ctx.line(line.param(&at.to_string())) {
            ctx.reply_line(Line { batch: batch.clone(), ..line });
        }
    }
    end_batch(ctx, batch);
}

/// Begins a batch, if the client knows of batches.
pub(super) fn begin_batch(ctx: &mut Context<'_>, params: &[&str]) -> Option<Rc<str>> {
    if !ctx.caps().has(Caps::BATCH) {
        return None;
    }
    let batch = ctx.server.next_batch();
    let line = ctx.by_server("BATCH").param(&format!("+{batch}"));
    ctx.reply(params.iter().fold(line, |line, param| line.param(param)));
    Some(batch)
}

pub(super) fn end_batch(ctx: &mut Context<'_>, batch: Option<Rc<str>>) {
    if let Some(batch) = batch {
        ctx.reply(ctx.by_server("BATCH").param(&format!("-{batch}")));
    }
}
