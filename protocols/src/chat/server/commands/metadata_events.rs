//! Who is told of metadata, when, and how (IRCv3 metadata, "Notifications").

use std::rc::Rc;

use crate::chat::server::context::Context;
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::Line;
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::numeric;

use super::history;
use super::metadata::{Owner, knows};

/// Events that one answer holds at most.
const MOST_EVENTS: usize = 1_000;
/// The keys that `WHOIS` shows: those that people read.
const FOR_PEOPLE: &[&str] = &["display-name", "homepage", "pronouns", "status"];

/// Answers what a key is: 761, or 766 for none.
pub(super) fn answer(
    ctx: &mut Context<'_>,
    batch: Option<&Rc<str>>,
    name: &str,
    key: &str,
    value: Option<&str>,
) {
    let me = ctx.me;
    reply(ctx, batch, by_numeric(ctx, me, name, key, value));
}

/// Tells all who want to know that something has changed.
pub(in crate::chat::server) fn changed(
    ctx: &mut Context<'_>,
    owner: Owner,
    key: &str,
    value: Option<&str>,
) {
    let mut listeners: Vec<_> = match owner {
        Owner::User(user) => ctx.server.peers(user),
        Owner::Channel(channel) => ctx.server.channels[channel].hearers().collect(),
    };
    if let Owner::User(user) = owner {
        listeners.push(user);
    }
    let (name, source) = (owner.name(ctx.server), ctx.source());
    for listener in listeners {
        if listener != ctx.me && wants(ctx, listener, key) {
            tell(ctx, listener, &source, &name, key, value);
        }
    }
}

/// Somebody has joined: it is told of the others, and the others of it.
pub(super) fn joined(ctx: &mut Context<'_>, channel: ChannelKey) {
    if knows(ctx.caps()) {
        let keys: Vec<_> = ctx.user().subscriptions.iter().cloned().collect();
        tell_channel(ctx, channel, &keys);
    }
    if ctx.user().metadata.is_empty() {
        return;
    }
    let (nick, source) = (ctx.user().nick().to_owned(), ctx.source());
    let values = ctx.user().metadata.clone();
    let members = ctx.server.channels[channel].hearers();
    let others: Vec<_> = members.filter(|&member| member != ctx.me).collect();
    for member in others {
        for (key, value) in &values {
            if wants(ctx, member, key) {
                tell(ctx, member, &source, &nick, key, Some(value));
            }
        }
    }
}

/// Tells the user some keys of a channel and its members; of a large one it has to ask for them itself.
pub(super) fn tell_channel(ctx: &mut Context<'_>, channel: ChannelKey, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    if ctx.server.channels[channel].len() > ctx.server.settings.limits.metadata_at_once {
        return ctx.numeric(numeric::RPL_METADATASYNCLATER, &[&ctx.name_of(channel)]);
    }
    for (name, key, value) in events(ctx, Owner::Channel(channel), keys) {
        let line = event(ctx, ctx.me, &ctx.server.name(), &name, &key, Some(&value));
        reply(ctx, None, line);
    }
}

/// `METADATA target SYNC`: all that the user wants to know of a channel and its members, or of a user.
pub(super) fn sync(ctx: &mut Context<'_>, owner: Owner) {
    let keys: Vec<_> = ctx.user().subscriptions.iter().cloned().collect();
    let name = owner.name(ctx.server);
    let batch = history::begin_batch(ctx, &["metadata", &name]);
    for (name, key, value) in events(ctx, owner, &keys) {
        let line = event(ctx, ctx.me, &ctx.server.name(), &name, &key, Some(&value));
        reply(ctx, batch.as_ref(), line);
    }
    history::end_batch(ctx, batch);
}

/// What a client is told of itself once it understands, and is registered.
pub(super) fn greet(ctx: &mut Context<'_>) {
    let nick = ctx.user().nick().to_owned();
    let batch = history::begin_batch(ctx, &["metadata", &nick]);
    for (key, value) in ctx.user().metadata.clone() {
        let line = event(ctx, ctx.me, &ctx.server.name(), &nick, &key, Some(&value));
        reply(ctx, batch.as_ref(), line);
    }
    history::end_batch(ctx, batch);
}

/// What `WHOIS` says: to those who understand.
pub(super) fn whois(ctx: &mut Context<'_>, user: UserKey) {
    if !knows(ctx.caps()) {
        return;
    }
    let nick = ctx.server.users[user].nick().to_owned();
    for key in FOR_PEOPLE {
        if let Some(value) = ctx.server.users[user].metadata.get(*key).cloned() {
            ctx.numeric_text(numeric::RPL_WHOISKEYVALUE, &[&nick, key, "*"], &value);
        }
    }
}

/// Name, key and value of what an owner has of these keys; of a channel, its members' too.
fn events(ctx: &Context<'_>, owner: Owner, keys: &[String]) -> Vec<(String, String, String)> {
    let mut owners = vec![owner];
    if let Owner::Channel(channel) = owner {
        let members = ctx.server.channels[channel].members();
        let others = members.filter(|(member, _)| *member != ctx.me);
        owners.extend(others.map(|(member, _)| Owner::User(member)));
    }
    let with_values = |owner: Owner| {
        let values = owner.values(ctx.server);
        let known = keys.iter().filter_map(move |key| Some((key, values.get(key)?)));
        known.map(move |(key, value)| (owner.name(ctx.server), key.clone(), value.clone()))
    };
    owners.into_iter().flat_map(with_values).take(MOST_EVENTS).collect()
}

fn wants(ctx: &Context<'_>, user: UserKey, key: &str) -> bool {
    let user = &ctx.server.users[user];
    knows(user.caps) && user.subscriptions.contains(key)
}

fn tell(
    ctx: &mut Context<'_>,
    to: UserKey,
    source: &str,
    name: &str,
    key: &str,
    value: Option<&str>,
) {
    let line = event(ctx, to, source, name, key, value);
    // Many who join at once are told of in a batch, and this is behind that.
    let line = ctx.line(line).and_then(|line| ctx.server.gather(line, &[to]));
    if let Some(line) = line {
        ctx.tell_user(to, &line);
    }
}

/// An event as the draft has it that its receiver asked for.
fn event(
    ctx: &Context<'_>,
    to: UserKey,
    source: &str,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> Builder {
    if ctx.server.users[to].caps.has(Caps::METADATA_3) {
        return by_numeric(ctx, to, name, key, value);
    }
    let line = Builder::new().source(source).command("METADATA");
    let line = line.param(name).param(key).param("*");
    value.map_or(line.clone(), |value| line.text(value))
}

fn by_numeric(
    ctx: &Context<'_>,
    to: UserKey,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> Builder {
    let numeric = if value.is_some() { numeric::RPL_KEYVALUE } else { numeric::RPL_KEYNOTSET };
    let line = ctx.by_server(&numeric.to_string()).param(ctx.server.users[to].nick());
    let line = line.param(name).param(key);
    match value {
        Some(value) => line.param("*").text(value),
        None => line.text(numeric.text()),
    }
}

fn reply(ctx: &mut Context<'_>, batch: Option<&Rc<str>>, line: Builder) {
    if let Some(line) = ctx.line(line) {
        ctx.reply_line(Line { batch: batch.cloned(), ..line });
    }
}
