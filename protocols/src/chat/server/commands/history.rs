//! What was said (IRCv3 chathistory).

use std::rc::Rc;

use crate::chat::server::Server;
use crate::chat::server::history::{Mark, Range, Size};
use crate::chat::server::line::Line;
use crate::chat::server::post::{Kind, Post, What};
use crate::chat::server::scope::Scope;
use crate::chat::server::talk::{Party, Talk};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::{ChannelName, Folded};
use crate::chat::wire::message::Message;

/// `CHATHISTORY LATEST|BEFORE|AFTER|AROUND target mark limit`, `BETWEEN target mark mark limit`,
/// `TARGETS time time limit`.
pub(super) fn chathistory(scope: &mut Scope<'_>, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default().to_ascii_uppercase();
    if scope.server.settings.limits.history_messages == 0 {
        return fail(scope, &subcommand, "MESSAGE_ERROR", &[], "Nothing is remembered here");
    }
    let wanted = match subcommand.as_str() {
        "TARGETS" | "BETWEEN" | "LATEST" | "BEFORE" | "AFTER" | "AROUND" => 4,
        _ => return fail(scope, &subcommand, "INVALID_PARAMS", &[], "There is no such subcommand"),
    };
    let wanted = wanted + usize::from(subcommand == "BETWEEN");
    if message.params().len() < wanted {
        return fail(scope, &subcommand, "NEED_MORE_PARAMS", &[], "Not enough parameters");
    }
    let most = message.params().get(wanted - 1).and_then(|limit| limit.parse().ok());
    let Some(most) = most.filter(|&most: &usize| most > 0) else {
        return fail(
            scope,
            &subcommand,
            "INVALID_PARAMS",
            &[],
            "The limit is no number above zero",
        );
    };
    let most = most.min(scope.server.settings.limits.history_reply);
    if subcommand == "TARGETS" {
        return targets(scope, message, most);
    }
    let target = message.param(1).unwrap_or_default();
    let Some(range) = range(&subcommand, message) else {
        return fail(scope, &subcommand, "INVALID_MSGREFTYPE", &[target], "That is no place in it");
    };
    match talk(scope, target) {
        Some(talk) => show(scope, target, &talk, range, most),
        None => fail(
            scope,
            &subcommand,
            "INVALID_TARGET",
            &[target],
            "You cannot see what was said there",
        ),
    }
}

fn fail(scope: &mut Scope<'_>, subcommand: &str, code: &str, context: &[&str], text: &str) {
    let context: Vec<_> = std::iter::once(&subcommand).chain(context).copied().collect();
    scope.fail("CHATHISTORY", code, &context, text);
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
pub(super) fn talk(scope: &Scope<'_>, target: &str) -> Option<Talk> {
    if ChannelName::is_meant(target) {
        let channel = &scope.server.channels[scope.server.channels.named(target)?];
        return channel.has(scope.me).then(|| Talk::Channel(channel.name.folded()));
    }
    let other = match scope.server.users.named(target) {
        Some(user) => Server::party(&scope.server.users[user]),
        None => Party::Account(Folded::of(scope.server.accounts.owner_of(target)?.name())),
    };
    Some(Talk::private(Server::party(scope.user()), other))
}

fn show(scope: &mut Scope<'_>, target: &str, talk: &Talk, range: Range, most: usize) {
    let caps = scope.caps();
    // What cannot be shown is not counted either: a page of it alone would seem to be the last.
    let wanted = |post: &Post| match post.what {
        What::Said(Kind::Privmsg | Kind::Notice) => true,
        What::Said(Kind::Tagmsg) => caps.has(Caps::EVENT_PLAYBACK | Caps::MESSAGE_TAGS),
        What::Event(_) => caps.has(Caps::EVENT_PLAYBACK),
    };
    let most = Size { posts: most, bytes: scope.server.longest_answer() };
    let posts = scope.server.history.select(talk, range, most, wanted);
    let batch = begin_batch(scope, &["chathistory", target]);
    for post in posts {
        for line in lines(scope, &post, batch.as_ref()) {
            scope.reply_line(line);
        }
    }
    end_batch(scope, batch);
}

/// A post as its lines were: in the batch, and a multiline message in a batch of its own within.
fn lines(scope: &mut Scope<'_>, post: &Post, batch: Option<&Rc<str>>) -> Vec<Line> {
    let caps = scope.caps();
    let ways = super::posting::renderings(scope, post);
    let mut lines = ways
        .into_iter()
        .find(|(_, wanted)| wanted.by(caps))
        .map(|(lines, _)| lines)
        .unwrap_or_default();
    for line in lines.iter_mut().filter(|line| line.batch.is_none()) {
        line.batch = batch.cloned();
    }
    lines
}

/// `CHATHISTORY TARGETS`: in which conversations something was said, and when last.
fn targets(scope: &mut Scope<'_>, message: &Message<'_>, most: usize) {
    let time = |position: usize| match mark(message.param(position)?)? {
        Mark::Time(time) => Some(time),
        Mark::Id(_) => None,
    };
    let (Some(one), Some(other)) = (time(1), time(2)) else {
        return fail(scope, "TARGETS", "INVALID_PARAMS", &[], "Those are no times");
    };
    let party = Server::party(scope.user());
    let (channels, me) = (&scope.server.channels, scope.me);
    let is_on = |name: &Folded| {
        let channel = &channels[channels.named(name.as_str())?];
        channel.has(me).then(|| channel.name.to_string())
    };
    let targets = scope.server.history.targets(&party, is_on, (one, other), most);
    let batch = begin_batch(scope, &["draft/chathistory-targets"]);
    for (at, name) in targets {
        let line = scope.by_server("CHATHISTORY").param("TARGETS").param(&name);
        if let Some(line) = scope.line(line.param(&at.to_string())) {
            scope.reply_line(Line { batch: batch.clone(), ..line });
        }
    }
    end_batch(scope, batch);
}

/// Begins a batch, if the client knows of batches.
pub(super) fn begin_batch(scope: &mut Scope<'_>, params: &[&str]) -> Option<Rc<str>> {
    if !scope.caps().has(Caps::BATCH) {
        return None;
    }
    let batch = scope.server.next_batch();
    let line = scope.by_server("BATCH").param(&format!("+{batch}"));
    scope.reply(params.iter().fold(line, |line, param| line.param(param)));
    Some(batch)
}

pub(super) fn end_batch(scope: &mut Scope<'_>, batch: Option<Rc<str>>) {
    if let Some(batch) = batch {
        scope.reply(scope.by_server("BATCH").param(&format!("-{batch}")));
    }
}
