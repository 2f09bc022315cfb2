//! What is said: `PRIVMSG`, `NOTICE` and `TAGMSG` (modern.ircdocs.horse, "Sending Messages").

use std::rc::Rc;
use std::sync::Arc;

use crate::chat::server::Server;
use crate::chat::server::context::Context;
use crate::chat::server::effect::{Effect, Happened, Words};
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::{ClientTags, Line, Renderings};
use crate::chat::server::modes::{Flags, Status, UserModes};
use crate::chat::server::post::{Kind, Post, Text, What};
use crate::chat::server::talk::{Party, Talk};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::{ChannelName, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric::{self, Numeric};

use super::posting::{Wanted, is_lasting, post, remember, renderings};
use super::services;
use super::services::Service;

/// `PRIVMSG target[,…] :text` (RFC 1459, 4.4.1).
pub(super) fn privmsg(ctx: &mut Context<'_>, message: &Message<'_>) {
    say_to_all(ctx, message, Kind::Privmsg);
}

/// `NOTICE target[,…] :text`. Nothing is ever answered to it, not even an error (RFC 1459, 4.4.2).
pub(super) fn notice(ctx: &mut Context<'_>, message: &Message<'_>) {
    say_to_all(ctx, message, Kind::Notice);
}

/// `TAGMSG target[,…]`: tags alone (IRCv3 message-tags).
pub(super) fn tagmsg(ctx: &mut Context<'_>, message: &Message<'_>) {
    say_to_all(ctx, message, Kind::Tagmsg);
}

impl Words {
    /// A client-to-client question, other than `/me` (CTCP).
    fn is_ctcp(&self) -> bool {
        let mut queries = self.text.parts().filter_map(|(text, _)| text.strip_prefix('\u{1}'));
        queries.any(|text| !text.starts_with("ACTION"))
    }
}

/// Says why something is not said, unless nothing is to be answered.
fn refuse(ctx: &mut Context<'_>, kind: Kind, numeric: Numeric, params: &[&str]) {
    if kind != Kind::Notice {
        ctx.numeric(numeric, params);
    }
}

fn say_to_all(ctx: &mut Context<'_>, message: &Message<'_>, kind: Kind) {
    if kind != Kind::Tagmsg {
        ctx.user_mut().spoke = ctx.network.now();
    }
    let Some(targets) = message.param(0).filter(|targets| !targets.is_empty()) else {
        if kind != Kind::Notice {
            let text = format!("No recipient given ({})", kind.command());
            ctx.numeric_text(numeric::ERR_NORECIPIENT, &[], &text);
        }
        return;
    };
    let text = match (kind, message.param(1).unwrap_or_default()) {
        (Kind::Tagmsg, _) => Text::None,
        (_, "") => return refuse(ctx, kind, numeric::ERR_NOTEXTTOSEND, &[]),
        (_, text) => Text::Line(text.into()),
    };
    let words = Words { kind, text, client_tags: ClientTags::of(message.tags) };
    if targets.contains(',') {
        say_to_each(ctx, targets, &words);
    } else {
        let target = meant(ctx, targets);
        say(ctx, target, words);
    }
}

/// Says something to several targets, once to each.
fn say_to_each(ctx: &mut Context<'_>, targets: &str, words: &Words) {
    let mut seen: Vec<&str> = Vec::new();
    for target in targets.split(',').filter(|target| !target.is_empty()) {
        let target = meant(ctx, target);
        if seen.iter().any(|seen| same_name(seen, target)) {
            continue;
        }
        seen.push(target);
        if seen.len() > ctx.server.settings.limits.targets {
            return refuse(ctx, words.kind, numeric::ERR_TOOMANYTARGETS, &[target]);
        }
        say(ctx, target, words.clone());
    }
}

/// A target by one name, whatever it is called.
fn meant<'a>(ctx: &Context<'_>, target: &'a str) -> &'a str {
    if ChannelName::is_meant(target) {
        return target;
    }
    services::named(ctx, target).map_or(target, |service| service.name)
}

/// Says something to one target.
pub(super) fn say(ctx: &mut Context<'_>, target: &str, words: Words) {
    let (symbols, name) = Status::split(target);
    if ChannelName::is_meant(name) {
        return say_to_channel(ctx, symbols, name, words);
    }
    if let Some(user) = ctx.reach(target) {
        return say_to_user(ctx, user, words);
    }
    match services::named(ctx, target) {
        Some(service) => say_to_service(ctx, service, words),
        None => refuse(ctx, words.kind, numeric::ERR_NOSUCHNICK, &[target]),
    }
}

/// What was said, and when, as another node is told.
fn told(kind: Kind, post: &Post) -> (Words, Happened) {
    let (text, client_tags) = (post.text.clone(), post.client_tags.clone());
    (Words { kind, text, client_tags }, Happened { id: post.id, at: post.at })
}

fn said(ctx: &mut Context<'_>, target: Arc<str>, words: Words) -> Post {
    post(ctx, What::Said(words.kind), (target, Vec::new()), words.text, words.client_tags)
}

// ── to a channel ────────────────────────────────────────────────────────────────────────────────────

fn say_to_channel(ctx: &mut Context<'_>, symbols: &str, name: &str, words: Words) {
    let Some(key) = ctx.server.channels.named(name) else {
        return refuse(ctx, words.kind, numeric::ERR_NOSUCHCHANNEL, &[name]);
    };
    let channel = &ctx.server.channels[key];
    let may_speak = channel.may_speak(ctx.me, ctx.user())
        && (symbols.is_empty() || channel.has(ctx.me))
        && !(channel.flags.has(Flags::NO_CTCP) && words.is_ctcp());
    if !may_speak {
        let name = channel.name.to_string();
        return refuse(ctx, words.kind, numeric::ERR_CANNOTSENDTOCHAN, &[&name]);
    }
    say_on(ctx, key, symbols, words);
}

/// Says something on a channel, behind the symbols of those who hear it if not all do: the least of them says who is
/// meant (ISUPPORT `STATUSMSG`).
pub(in crate::chat::server) fn say_on(
    ctx: &mut Context<'_>,
    key: ChannelKey,
    symbols: &str,
    words: Words,
) {
    let rank = symbols.chars().filter_map(Status::of_symbol).min().unwrap_or_default();
    let name = &ctx.server.channels[key].name;
    let target = match symbols {
        "" => name.shared(),
        _ => [symbols, name.as_str()].concat().into(),
    };
    let kind = words.kind;
    ctx.server.counters.messages += 1;
    ctx.happens_on(key);
    let post = Rc::new(said(ctx, Arc::clone(&target), words));
    deliver_to_channel(ctx, key, &post, rank);
    ctx.publish(|_, by| {
        let (words, told) = told(kind, &post);
        Effect::Said { by, channel: target, words, told }
    });
    if rank == Status::NONE {
        remember(ctx, key, post);
    }
}

fn deliver_to_channel(ctx: &mut Context<'_>, key: ChannelKey, post: &Post, rank: Status) {
    let is_tags = post.is_tags();
    renderings(ctx, post).for_each(|(line, wanted)| {
        let mut renderings = Renderings::new(&line);
        let channel = &ctx.server.channels[key];
        if !is_tags && wanted == Wanted::All && rank == Status::NONE {
            channel.send(ctx.network, &mut renderings, Some(ctx.me));
        } else {
            channel.send_where(ctx.network, &mut renderings, Some(ctx.me), |caps, status| {
                wanted.by(caps)
                    && status.reaches(rank)
                    && (!is_tags || caps.has(Caps::MESSAGE_TAGS))
            });
        }
        echo(ctx, line, wanted, is_tags);
    });
}

/// Says it to the user itself too, if it wants that (IRCv3 echo-message).
fn echo(ctx: &mut Context<'_>, line: Line, wanted: Wanted, is_tags: bool) {
    let caps = ctx.caps();
    let wants = caps.has(Caps::ECHO_MESSAGE) && (!is_tags || caps.has(Caps::MESSAGE_TAGS));
    if wants && wanted.by(caps) {
        ctx.reply_line(line);
    }
}

// ── to a user ───────────────────────────────────────────────────────────────────────────────────────

pub(in crate::chat::server) fn say_to_user(ctx: &mut Context<'_>, user: UserKey, words: Words) {
    let target = &ctx.server.users[user];
    if target.modes.has(UserModes::NO_CTCP) && words.is_ctcp() {
        return;
    }
    let nick = target.nick().to_owned();
    let away = target.away.clone().filter(|_| words.kind == Kind::Privmsg);
    ctx.server.counters.messages += 1;
    let talk = private_talk(ctx, user);
    if let Some(talk) = &talk {
        ctx.happens_in(talk);
    }
    let kind = words.kind;
    let post = Rc::new(said(ctx, nick.as_str().into(), words));
    let is_tags = post.is_tags();
    for (line, wanted) in renderings(ctx, &post) {
        let caps = ctx.server.users[user].caps;
        if wanted.by(caps) && (!is_tags || caps.has(Caps::MESSAGE_TAGS)) {
            ctx.tell_user(user, &line);
        }
        echo(ctx, line, wanted, is_tags);
    }
    ctx.ask_home(user, |by, user| {
        let (words, told) = told(kind, &post);
        Effect::Told { by, user, words, told }
    });
    if let Some(away) = away {
        ctx.numeric_text(numeric::RPL_AWAY, &[&nick], &away);
    }
    if let Some(talk) = talk {
        remember_private(ctx, user, &talk, post);
    }
}

// ── to a service ────────────────────────────────────────────────────────────────────────────────────

fn say_to_service(ctx: &mut Context<'_>, service: &Service, words: Words) {
    let kind = words.kind;
    if kind == Kind::Tagmsg {
        return;
    }
    let post = said(ctx, service.name.into(), words);
    for (line, wanted) in renderings(ctx, &post) {
        echo(ctx, line, wanted, false);
    }
    if kind == Kind::Privmsg {
        services::hear(ctx, service, &post.text);
    }
}

// ── remembering ─────────────────────────────────────────────────────────────────────────────────────

/// The user's conversation with another, if one of the two can come back for it: has an account.
fn private_talk(ctx: &Context<'_>, other: UserKey) -> Option<Talk> {
    let (mine, theirs) = (Server::party(ctx.user()), Server::party(&ctx.server.users[other]));
    let is_kept = [&mine, &theirs].iter().any(|party| matches!(party, Party::Account(_)));
    is_kept.then(|| Talk::private(mine, theirs))
}

/// Remembers what was said in private.
fn remember_private(ctx: &mut Context<'_>, other: UserKey, talk: &Talk, post: Rc<Post>) {
    if !is_lasting(&post) {
        return;
    }
    let named = |user: UserKey| {
        let user = &ctx.server.users[user];
        (Server::party(user), user.nick())
    };
    let names = [named(ctx.me), named(other)];
    let limits = &ctx.server.settings.limits;
    let (most, bytes) = (limits.history_messages, limits.history_bytes);
    ctx.server.history.push(talk, post, &names, most, bytes);
}
