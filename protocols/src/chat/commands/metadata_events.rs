//! Who is told of metadata, when, and how (IRCv3 metadata, "Notifications").

use std::rc::Rc;

use crate::chat::builder::Builder;
use crate::chat::capability::Caps;
use crate::chat::numeric;
use crate::chat::server::channels::ChannelKey;
use crate::chat::server::line::Line;
use crate::chat::server::users::UserKey;
use crate::chat::turn::Turn;

use super::history;
use super::metadata::{Owner, knows};

/// Events that one answer holds at most.
const MOST_EVENTS: usize = 1_000;
/// The keys that `WHOIS` shows: those that people read.
const FOR_PEOPLE: &[&str] = &["display-name", "homepage", "pronouns", "status"];

/// Answers what a key is: 761, or 766 for none.
pub(super) fn answer(
    turn: &mut Turn<'_>,
    batch: Option<&Rc<str>>,
    name: &str,
    key: &str,
    value: Option<&str>,
) {
    let me = turn.me;
    reply(turn, batch, by_numeric(turn, me, name, key, value));
}

/// Tells all who want to know that something has changed.
pub(super) fn changed(turn: &mut Turn<'_>, owner: Owner, key: &str, value: Option<&str>) {
    let mut listeners: Vec<_> = match owner {
        Owner::User(user) => turn.server.peers(user),
        Owner::Channel(channel) => {
            turn.server.channels[channel].members().map(|(member, _)| member).collect()
        }
    };
    if let Owner::User(user) = owner {
        listeners.push(user);
    }
    let (name, source) = (owner.name(turn.server), turn.source());
    for listener in listeners {
        if listener != turn.me && wants(turn, listener, key) {
            tell(turn, listener, &source, &name, key, value);
        }
    }
}

/// Somebody has joined: it is told of the others, and the others of it.
pub(super) fn joined(turn: &mut Turn<'_>, channel: ChannelKey) {
    if knows(turn.caps()) {
        let keys: Vec<_> = turn.user().subscriptions.iter().cloned().collect();
        tell_channel(turn, channel, &keys);
    }
    if turn.user().metadata.is_empty() {
        return;
    }
    let (nick, source) = (turn.user().nick().to_owned(), turn.source());
    let values = turn.user().metadata.clone();
    let members = turn.server.channels[channel].members().map(|(member, _)| member);
    let others: Vec<_> = members.filter(|&member| member != turn.me).collect();
    for member in others {
        for (key, value) in &values {
            if wants(turn, member, key) {
                tell(turn, member, &source, &nick, key, Some(value));
            }
        }
    }
}

/// Tells the user some keys of a channel and its members; of a large one it has to ask for them itself.
pub(super) fn tell_channel(turn: &mut Turn<'_>, channel: ChannelKey, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    if turn.server.channels[channel].len() > turn.server.settings.limits.metadata_at_once {
        let name = turn.server.channels[channel].name.to_string();
        return turn.numeric(numeric::RPL_METADATASYNCLATER, &[&name]);
    }
    for (name, key, value) in events(turn, Owner::Channel(channel), keys) {
        let line = event(turn, turn.me, &turn.server.name(), &name, &key, Some(&value));
        reply(turn, None, line);
    }
}

/// `METADATA target SYNC`: all that the user wants to know of a channel and its members, or of a user.
pub(super) fn sync(turn: &mut Turn<'_>, owner: Owner) {
    let keys: Vec<_> = turn.user().subscriptions.iter().cloned().collect();
    let name = owner.name(turn.server);
    let batch = history::begin_batch(turn, &["metadata", &name]);
    for (name, key, value) in events(turn, owner, &keys) {
        let line = event(turn, turn.me, &turn.server.name(), &name, &key, Some(&value));
        reply(turn, batch.as_ref(), line);
    }
    history::end_batch(turn, batch);
}

/// What a client is told of itself once it understands, and is registered.
pub(super) fn greet(turn: &mut Turn<'_>) {
    let nick = turn.user().nick().to_owned();
    let batch = history::begin_batch(turn, &["metadata", &nick]);
    for (key, value) in turn.user().metadata.clone() {
        let line = event(turn, turn.me, &turn.server.name(), &nick, &key, Some(&value));
        reply(turn, batch.as_ref(), line);
    }
    history::end_batch(turn, batch);
}

/// What `WHOIS` says: to those who understand.
pub(super) fn whois(turn: &mut Turn<'_>, user: UserKey) {
    if !knows(turn.caps()) {
        return;
    }
    let nick = turn.server.users[user].nick().to_owned();
    for key in FOR_PEOPLE {
        if let Some(value) = turn.server.users[user].metadata.get(*key).cloned() {
            turn.numeric_text(numeric::RPL_WHOISKEYVALUE, &[&nick, key, "*"], &value);
        }
    }
}

/// Name, key and value of what an owner has of these keys; of a channel, its members' too.
fn events(turn: &Turn<'_>, owner: Owner, keys: &[String]) -> Vec<(String, String, String)> {
    let mut owners = vec![owner];
    if let Owner::Channel(channel) = owner {
        let members = turn.server.channels[channel].members();
        let others = members.filter(|(member, _)| *member != turn.me);
        owners.extend(others.map(|(member, _)| Owner::User(member)));
    }
    let with_values = |owner: Owner| {
        let values = owner.values(turn.server);
        let known = keys.iter().filter_map(move |key| Some((key, values.get(key)?)));
        known.map(move |(key, value)| (owner.name(turn.server), key.clone(), value.clone()))
    };
    owners.into_iter().flat_map(with_values).take(MOST_EVENTS).collect()
}

fn wants(turn: &Turn<'_>, user: UserKey, key: &str) -> bool {
    let user = &turn.server.users[user];
    knows(user.caps) && user.subscriptions.contains(key)
}

fn tell(
    turn: &mut Turn<'_>,
    to: UserKey,
    source: &str,
    name: &str,
    key: &str,
    value: Option<&str>,
) {
    let line = event(turn, to, source, name, key, value);
    if let Some(line) = turn.line(line) {
        turn.tell_user(to, &line);
    }
}

/// An event as the draft has it that its receiver asked for.
fn event(
    turn: &Turn<'_>,
    to: UserKey,
    source: &str,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> Builder {
    if turn.server.users[to].caps.has(Caps::METADATA_3) {
        return by_numeric(turn, to, name, key, value);
    }
    let line = Builder::new().source(source).command("METADATA");
    let line = line.param(name).param(key).param("*");
    value.map_or(line.clone(), |value| line.text(value))
}

fn by_numeric(turn: &Turn<'_>, to: UserKey, name: &str, key: &str, value: Option<&str>) -> Builder {
    let numeric = if value.is_some() { numeric::RPL_KEYVALUE } else { numeric::RPL_KEYNOTSET };
    let line = turn.by_server(&numeric.to_string()).param(turn.server.users[to].nick());
    let line = line.param(name).param(key);
    match value {
        Some(value) => line.param("*").text(value),
        None => line.text(numeric.text()),
    }
}

fn reply(turn: &mut Turn<'_>, batch: Option<&Rc<str>>, line: Builder) {
    if let Some(line) = turn.line(line) {
        turn.reply_line(Line { batch: batch.cloned(), ..line });
    }
}
