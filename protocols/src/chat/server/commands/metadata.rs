//! What users and channels tell of themselves (IRCv3 metadata): keys and values, and who wants to hear of
//! which.
//!
//! ```text
//!   METADATA * SET avatar :https://… ──▶ 761, and to all who share a channel and have said
//!   METADATA * SUB avatar             ──▶ 770, and what is known already
//! ```
//!
//! There are two drafts in use: the second tells of changes by `METADATA`, the third by the numerics with
//! which it answers, and some of their failures are called differently.

use crate::chat::server::Server;
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::scope::Scope;
use crate::chat::server::users::Values;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::ChannelName;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::chat::wire::numeric::Numeric;

use super::{history, metadata_events as events};

/// Bytes of a key.
const KEY: usize = 32;
/// Keys on one line of an answer.
const KEYS: usize = 10;

/// Of whom the metadata is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    User(UserKey),
    Channel(ChannelKey),
}

impl Owner {
    pub(super) fn name(self, server: &Server) -> String {
        match self {
            Self::User(user) => server.users[user].nick().to_owned(),
            Self::Channel(channel) => server.channels[channel].name.to_string(),
        }
    }

    pub(super) fn values(self, server: &Server) -> &Values {
        match self {
            Self::User(user) => &server.users[user].metadata,
            Self::Channel(channel) => &server.channels[channel].metadata,
        }
    }

    fn values_mut(self, server: &mut Server) -> &mut Values {
        match self {
            Self::User(user) => &mut server.users[user].metadata,
            Self::Channel(channel) => &mut server.channels[channel].metadata,
        }
    }

    /// Whether the user may change it: its own, or that of a channel where it is an operator.
    fn may_change(self, scope: &Scope<'_>) -> bool {
        let is_own = match self {
            Self::User(user) => user == scope.me,
            Self::Channel(channel) => scope.server.channels[channel]
                .status(scope.me)
                .is_some_and(|status| status.reaches(Status::HALF_OPERATOR)),
        };
        is_own || scope.user().is_operator()
    }
}

/// Whether a client understands any of this.
pub(super) fn knows(caps: Caps) -> bool {
    caps.has(Caps::METADATA_2) || caps.has(Caps::METADATA_3)
}

/// `METADATA target GET|LIST|SET|CLEAR|SYNC …`, `METADATA * SUB|UNSUB|SUBS …`; before registration too.
pub(super) fn metadata(scope: &mut Scope<'_>, message: &Message<'_>) {
    if !knows(scope.caps()) {
        return match scope.user().is_registered() {
            true => scope.numeric(numeric::ERR_UNKNOWNCOMMAND, &["METADATA"]),
            false => scope.numeric(numeric::ERR_NOTREGISTERED, &[]),
        };
    }
    let (&[target, subcommand, ..], [_, _, rest @ ..]) = (message.params(), message.params())
    else {
        return;
    };
    let subcommand = subcommand.to_ascii_uppercase();
    match subcommand.as_str() {
        "SUB" => return subscribe(scope, rest),
        "UNSUB" => return unsubscribe(scope, rest),
        "SUBS" => {
            let keys: Vec<_> = scope.user().subscriptions.iter().cloned().collect();
            return tell_keys(scope, numeric::RPL_METADATASUBS, &keys);
        }
        "GET" | "LIST" | "SET" | "CLEAR" | "SYNC" => {}
        _ => {
            let text = "There is no such subcommand";
            return scope.fail("METADATA", "INVALID_SUBCOMMAND", &[&subcommand], text);
        }
    }
    let Some(owner) = owner(scope, target) else {
        let text = "There is nobody of that name, or nobody you can see";
        return scope.fail("METADATA", "INVALID_TARGET", &[target], text);
    };
    match (subcommand.as_str(), rest) {
        ("GET", keys) => get(scope, owner, keys),
        ("LIST", _) => list(scope, owner),
        ("CLEAR", _) => clear(scope, owner),
        ("SYNC", _) => events::sync(scope, owner),
        (_, [key, value @ ..]) => {
            let value = value.first().copied().filter(|value| !value.is_empty());
            set(scope, owner, key, value);
        }
        (_, []) => scope.numeric(numeric::ERR_NEEDMOREPARAMS, &["METADATA"]),
    }
}

/// Who is meant, if the user may see it: what is said of a channel that one cannot simply join is for its
/// members.
fn owner(scope: &Scope<'_>, target: &str) -> Option<Owner> {
    if target == "*" {
        return Some(Owner::User(scope.me));
    }
    if ChannelName::is_meant(target) {
        let key = scope.server.channels.named(target)?;
        let channel = &scope.server.channels[key];
        let is_closed = channel.flags.has(Flags::INVITE_ONLY)
            || channel.flags.has(Flags::SECRET)
            || channel.key.is_some();
        let may_see = !is_closed || channel.has(scope.me) || scope.user().is_operator();
        return may_see.then_some(Owner::Channel(key));
    }
    scope.server.users.named(target).map(Owner::User)
}

// ── values ──────────────────────────────────────────────────────────────────────────────────────────

fn get(scope: &mut Scope<'_>, owner: Owner, keys: &[&str]) {
    let name = owner.name(scope.server);
    let batch = history::begin_batch(scope, &["metadata", &name]);
    for key in keys {
        match valid(key) {
            Some(key) => {
                let value = owner.values(scope.server).get(&key).cloned();
                events::answer(scope, batch.as_ref(), &name, &key, value.as_deref());
            }
            None => refuse_key(scope, key),
        }
    }
    history::end_batch(scope, batch);
}

fn list(scope: &mut Scope<'_>, owner: Owner) {
    let name = owner.name(scope.server);
    let batch = history::begin_batch(scope, &["metadata", &name]);
    for (key, value) in owner.values(scope.server).clone() {
        events::answer(scope, batch.as_ref(), &name, &key, Some(&value));
    }
    history::end_batch(scope, batch);
}

fn set(scope: &mut Scope<'_>, owner: Owner, key: &str, value: Option<&str>) {
    let name = owner.name(scope.server);
    let Some(key) = valid(key) else {
        return refuse_key(scope, key);
    };
    if !owner.may_change(scope) {
        return forbid(scope, &name, &key);
    }
    let limits = &scope.server.settings.limits;
    let (most, longest) = (limits.metadata_keys, limits.metadata_value);
    let values = owner.values_mut(scope.server);
    match value {
        Some(value) if value.len() > longest => return refuse_value(scope, &key),
        Some(_) if !values.contains_key(&key) && values.len() >= most => {
            let text = "There are too many keys already";
            return scope.fail("METADATA", "LIMIT_REACHED", &[&name], text);
        }
        _ => {}
    }
    let before = match value {
        Some(value) => values.insert(key.clone(), value.to_owned()),
        None => values.remove(&key),
    };
    events::answer(scope, None, &name, &key, value);
    if before.as_deref() != value {
        events::changed(scope, owner, &key, value);
    }
}

fn clear(scope: &mut Scope<'_>, owner: Owner) {
    let name = owner.name(scope.server);
    if !owner.may_change(scope) {
        return forbid(scope, &name, "*");
    }
    let batch = history::begin_batch(scope, &["metadata", &name]);
    for key in std::mem::take(owner.values_mut(scope.server)).into_keys() {
        events::answer(scope, batch.as_ref(), &name, &key, None);
        events::changed(scope, owner, &key, None);
    }
    history::end_batch(scope, batch);
}

// ── subscriptions ───────────────────────────────────────────────────────────────────────────────────

fn subscribe(scope: &mut Scope<'_>, keys: &[&str]) {
    let most = scope.server.settings.limits.metadata_subscriptions;
    let mut taken = Vec::new();
    for key in keys {
        let Some(valid) = valid(key) else {
            refuse_key(scope, key);
            continue;
        };
        let subscriptions = &mut scope.user_mut().subscriptions;
        if !subscriptions.contains(&valid) && subscriptions.len() >= most {
            scope.fail(
                "METADATA",
                "TOO_MANY_SUBS",
                &[key],
                "You are told of too many keys already",
            );
            break;
        }
        subscriptions.insert(valid.clone());
        taken.push(valid);
    }
    tell_keys(scope, numeric::RPL_METADATASUBOK, &taken);
    for channel in scope.user().channels.clone() {
        events::tell_channel(scope, channel, &taken);
    }
}

fn unsubscribe(scope: &mut Scope<'_>, keys: &[&str]) {
    let mut left = Vec::new();
    for key in keys {
        match valid(key) {
            Some(key) => {
                scope.user_mut().subscriptions.remove(&key);
                left.push(key);
            }
            None => refuse_key(scope, key),
        }
    }
    tell_keys(scope, numeric::RPL_METADATAUNSUBOK, &left);
}

fn tell_keys(scope: &mut Scope<'_>, numeric: Numeric, keys: &[String]) {
    for keys in keys.chunks(KEYS) {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        scope.numeric(numeric, &keys);
    }
}

// ── refusing ────────────────────────────────────────────────────────────────────────────────────────

/// A key as it is kept: in lower case.
fn valid(key: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    let is_valid =
        (1..=KEY).contains(&key.len()) && !key.starts_with(':') && key.bytes().all(allowed);
    is_valid.then(|| key.to_ascii_lowercase())
}

fn refuse_key(scope: &mut Scope<'_>, key: &str) {
    let code = if scope.caps().has(Caps::METADATA_3) { "INVALID_KEY" } else { "KEY_INVALID" };
    scope.fail("METADATA", code, &[key], "That is no key");
}

fn refuse_value(scope: &mut Scope<'_>, key: &str) {
    let text = "The value is too long";
    match scope.caps().has(Caps::METADATA_3) {
        true => scope.fail("METADATA", "INVALID_VALUE", &[key], text),
        false => scope.fail("METADATA", "VALUE_INVALID", &[], text),
    }
}

fn forbid(scope: &mut Scope<'_>, name: &str, key: &str) {
    let text = "That is not yours to change";
    scope.fail("METADATA", "KEY_NO_PERMISSION", &[name, key], text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_of_few_letters() {
        assert_eq!(valid("Display-Name").as_deref(), Some("display-name"));
        assert_eq!(valid("example.com/a:b_c").as_deref(), Some("example.com/a:b_c"));
        for wrong in ["", ":a", "a b", "$url", "ü", &"a".repeat(KEY + 1)] {
            assert_eq!(valid(wrong), None, "{wrong}");
        }
    }
}
