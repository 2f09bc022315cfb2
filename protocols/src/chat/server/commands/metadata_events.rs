//! Who is told of metadata, when, and how (IRCv3 metadata, "Notifications").

use std::rc::Rc;

use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::Line;
use crate::chat::server::scope::Scope;
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
    scope: &mut Scope<'_>,
    batch: Option<&Rc<str>>,
    name: &str,
    key: &str,
    value: Option<&str>,
) {
    let me = scope.me;
    reply(scope, batch, by_numeric(scope, me, name, key, value));
}

/// Tells all who want to know that something has changed.
pub(super) fn changed(scope: &mut Scope<'_>, owner: Owner, key: &str, value: Option<&str>) {
    let mut listeners: Vec<_> = match owner {
        Owner::User(user) => scope.server.peers(user),
        Owner::Channel(channel) => {
            scope.server.channels[channel].members().map(|(member, _)| member).collect()
        }
    };
    if let Owner::User(user) = owner {
        listeners.push(user);
    }
    let (name, source) = (owner.name(scope.server), scope.source());
    for listener in listeners {
        if listener != scope.me && wants(scope, listener, key) {
            tell(scope, listener, &source, &name, key, value);
        }
    }
}

/// Somebody has joined: it is told of the others, and the others of it.
pub(super) fn joined(scope: &mut Scope<'_>, channel: ChannelKey) {
    if knows(scope.caps()) {
        let keys: Vec<_> = scope.user().subscriptions.iter().cloned().collect();
        tell_channel(scope, channel, &keys);
    }
    if scope.user().metadata.is_empty() {
        return;
    }
    let (nick, source) = (scope.user().nick().to_owned(), scope.source());
    let values = scope.user().metadata.clone();
    let members = scope.server.channels[channel].members().map(|(member, _)| member);
    let others: Vec<_> = members.filter(|&member| member != scope.me).collect();
    for member in others {
        for (key, value) in &values {
            if wants(scope, member, key) {
                tell(scope, member, &source, &nick, key, Some(value));
            }
        }
    }
}

/// Tells the user some keys of a channel and its members; of a large one it has to ask for them itself.
pub(super) fn tell_channel(scope: &mut Scope<'_>, channel: ChannelKey, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    if scope.server.channels[channel].len() > scope.server.settings.limits.metadata_at_once {
        let name = scope.server.channels[channel].name.to_string();
        return scope.numeric(numeric::RPL_METADATASYNCLATER, &[&name]);
    }
    for (name, key, value) in events(scope, Owner::Channel(channel), keys) {
        let line = event(scope, scope.me, &scope.server.name(), &name, &key, Some(&value));
        reply(scope, None, line);
    }
}

/// `METADATA target SYNC`: all that the user wants to know of a channel and its members, or of a user.
pub(super) fn sync(scope: &mut Scope<'_>, owner: Owner) {
    let keys: Vec<_> = scope.user().subscriptions.iter().cloned().collect();
    let name = owner.name(scope.server);
    let batch = history::begin_batch(scope, &["metadata", &name]);
    for (name, key, value) in events(scope, owner, &keys) {
        let line = event(scope, scope.me, &scope.server.name(), &name, &key, Some(&value));
        reply(scope, batch.as_ref(), line);
    }
    history::end_batch(scope, batch);
}

/// What a client is told of itself once it understands, and is registered.
pub(super) fn greet(scope: &mut Scope<'_>) {
    let nick = scope.user().nick().to_owned();
    let batch = history::begin_batch(scope, &["metadata", &nick]);
    for (key, value) in scope.user().metadata.clone() {
        let line = event(scope, scope.me, &scope.server.name(), &nick, &key, Some(&value));
        reply(scope, batch.as_ref(), line);
    }
    history::end_batch(scope, batch);
}

/// What `WHOIS` says: to those who understand.
pub(super) fn whois(scope: &mut Scope<'_>, user: UserKey) {
    if !knows(scope.caps()) {
        return;
    }
    let nick = scope.server.users[user].nick().to_owned();
    for key in FOR_PEOPLE {
        if let Some(value) = scope.server.users[user].metadata.get(*key).cloned() {
            scope.numeric_text(numeric::RPL_WHOISKEYVALUE, &[&nick, key, "*"], &value);
        }
    }
}

/// Name, key and value of what an owner has of these keys; of a channel, its members' too.
fn events(scope: &Scope<'_>, owner: Owner, keys: &[String]) -> Vec<(String, String, String)> {
    let mut owners = vec![owner];
    if let Owner::Channel(channel) = owner {
        let members = scope.server.channels[channel].members();
        let others = members.filter(|(member, _)| *member != scope.me);
        owners.extend(others.map(|(member, _)| Owner::User(member)));
    }
    let with_values = |owner: Owner| {
        let values = owner.values(scope.server);
        let known = keys.iter().filter_map(move |key| Some((key, values.get(key)?)));
        known.map(move |(key, value)| (owner.name(scope.server), key.clone(), value.clone()))
    };
    owners.into_iter().flat_map(with_values).take(MOST_EVENTS).collect()
}

fn wants(scope: &Scope<'_>, user: UserKey, key: &str) -> bool {
    let user = &scope.server.users[user];
    knows(user.caps) && user.subscriptions.contains(key)
}

fn tell(
    scope: &mut Scope<'_>,
    to: UserKey,
    source: &str,
    name: &str,
    key: &str,
    value: Option<&str>,
) {
    let line = event(scope, to, source, name, key, value);
    if let Some(line) = scope.line(line) {
        scope.tell_user(to, &line);
    }
}

/// An event as the draft has it that its receiver asked for.
fn event(
    scope: &Scope<'_>,
    to: UserKey,
    source: &str,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> Builder {
    if scope.server.users[to].caps.has(Caps::METADATA_3) {
        return by_numeric(scope, to, name, key, value);
    }
    let line = Builder::new().source(source).command("METADATA");
    let line = line.param(name).param(key).param("*");
    value.map_or(line.clone(), |value| line.text(value))
}

fn by_numeric(
    scope: &Scope<'_>,
    to: UserKey,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> Builder {
    let numeric = if value.is_some() { numeric::RPL_KEYVALUE } else { numeric::RPL_KEYNOTSET };
    let line = scope.by_server(&numeric.to_string()).param(scope.server.users[to].nick());
    let line = line.param(name).param(key);
    match value {
        Some(value) => line.param("*").text(value),
        None => line.text(numeric.text()),
    }
}

fn reply(scope: &mut Scope<'_>, batch: Option<&Rc<str>>, line: Builder) {
    if let Some(line) = scope.line(line) {
        scope.reply_line(Line { batch: batch.cloned(), ..line });
    }
}
