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
use crate::chat::server::changes::{METADATA, Set};
use crate::chat::server::context::Context;
use crate::chat::server::effect::Effect;
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::modes::{Flags, Status};
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
pub(in crate::chat::server) enum Owner {
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
    fn may_change(self, ctx: &Context<'_>) -> bool {
        let is_own = match self {
            Self::User(user) => user == ctx.me,
            Self::Channel(channel) => ctx.server.channels[channel]
                .status(ctx.me)
                .is_some_and(|status| status.reaches(Status::HALF_OPERATOR)),
        };
        is_own || ctx.user().is_operator()
    }

    /// Whether it is a user who had yet to quit, and has done so now.
    fn leaves(self, ctx: &mut Context<'_>) -> bool {
        matches!(self, Self::User(user) if ctx.server.leave_now(ctx.network, user))
    }
}

/// Whether a client understands any of this.
pub(super) fn knows(caps: Caps) -> bool {
    caps.has(Caps::METADATA_2) || caps.has(Caps::METADATA_3)
}

/// `METADATA target GET|LIST|SET|CLEAR|SYNC …`, `METADATA * SUB|UNSUB|SUBS …`; before registration too.
pub(super) fn metadata(ctx: &mut Context<'_>, message: &Message<'_>) {
    if !knows(ctx.caps()) {
        return match ctx.user().is_registered() {
            true => ctx.numeric(numeric::ERR_UNKNOWNCOMMAND, &["METADATA"]),
            false => ctx.numeric(numeric::ERR_NOTREGISTERED, &[]),
        };
    }
    let (&[target, subcommand, ..], [_, _, rest @ ..]) = (message.params(), message.params())
    else {
        return;
    };
    let subcommand = subcommand.to_ascii_uppercase();
    match subcommand.as_str() {
        "SUB" => return subscribe(ctx, rest),
        "UNSUB" => return unsubscribe(ctx, rest),
        "SUBS" => {
            let keys: Vec<_> = ctx.user().subscriptions.iter().cloned().collect();
            return tell_keys(ctx, numeric::RPL_METADATASUBS, &keys);
        }
        "GET" | "LIST" | "SET" | "CLEAR" | "SYNC" => {}
        _ => {
            let text = "There is no such subcommand";
            return ctx.fail("METADATA", "INVALID_SUBCOMMAND", &[&subcommand], text);
        }
    }
    let Some(owner) = owner(ctx, target) else {
        return refuse_target(ctx, target);
    };
    match (subcommand.as_str(), rest) {
        ("GET", keys) => get(ctx, owner, keys),
        ("LIST", _) => list(ctx, owner),
        ("CLEAR", _) => clear(ctx, owner),
        ("SYNC", _) => events::sync(ctx, owner),
        (_, [key, value @ ..]) => {
            let value = value.first().copied().filter(|value| !value.is_empty());
            set(ctx, owner, key, value);
        }
        (_, []) => ctx.numeric(numeric::ERR_NEEDMOREPARAMS, &["METADATA"]),
    }
}

/// Who is meant, if the user may see it: what is said of a channel that one cannot simply join is for its
/// members.
fn owner(ctx: &Context<'_>, target: &str) -> Option<Owner> {
    if target == "*" {
        return Some(Owner::User(ctx.me));
    }
    if ChannelName::is_meant(target) {
        let key = ctx.server.channels.named(target)?;
        let channel = &ctx.server.channels[key];
        let is_closed = channel.flags.has(Flags::INVITE_ONLY)
            || channel.flags.has(Flags::SECRET)
            || channel.key.is_some();
        let may_see = !is_closed || channel.has(ctx.me) || ctx.user().is_operator();
        return may_see.then_some(Owner::Channel(key));
    }
    ctx.server.users.named(target).map(Owner::User)
}

// ── values ──────────────────────────────────────────────────────────────────────────────────────────

fn get(ctx: &mut Context<'_>, owner: Owner, keys: &[&str]) {
    let name = owner.name(ctx.server);
    let batch = history::begin_batch(ctx, &["metadata", &name]);
    for key in keys {
        match valid(key) {
            Some(key) => {
                let value = owner.values(ctx.server).get(&key).cloned();
                events::answer(ctx, batch.as_ref(), &name, &key, value.as_deref());
            }
            None => refuse_key(ctx, key),
        }
    }
    history::end_batch(ctx, batch);
}

fn list(ctx: &mut Context<'_>, owner: Owner) {
    let name = owner.name(ctx.server);
    let batch = history::begin_batch(ctx, &["metadata", &name]);
    for (key, value) in owner.values(ctx.server).clone() {
        events::answer(ctx, batch.as_ref(), &name, &key, Some(&value));
    }
    history::end_batch(ctx, batch);
}

fn set(ctx: &mut Context<'_>, owner: Owner, key: &str, value: Option<&str>) {
    let name = owner.name(ctx.server);
    let Some(key) = valid(key) else {
        return refuse_key(ctx, key);
    };
    if !owner.may_change(ctx) {
        return forbid(ctx, &name, &key);
    }
    if owner.leaves(ctx) {
        return refuse_target(ctx, &name);
    }
    let limits = &ctx.server.settings.limits;
    let (most, longest) = (limits.metadata_keys, limits.metadata_value);
    let values = owner.values(ctx.server);
    match value {
        Some(value) if value.len() > longest => return refuse_value(ctx, &key),
        Some(_) if !values.contains_key(&key) && values.len() >= most => {
            let text = "There are too many keys already";
            return ctx.fail("METADATA", "LIMIT_REACHED", &[&name], text);
        }
        _ => {}
    }
    events::answer(ctx, None, &name, &key, value);
    change(ctx, owner, &key, value);
}

/// Has a value be set, here or by the home of a user of another node.
fn change(ctx: &mut Context<'_>, owner: Owner, key: &str, value: Option<&str>) {
    if let Owner::User(user) = owner {
        let value = value.map(str::to_owned);
        if ctx.ask_home(user, |by, user| Effect::Metadata { by, user, key: key.to_owned(), value })
        {
            return;
        }
    }
    set_value(ctx, owner, key, value);
}

/// Sets a value, or takes it away, and tells who wants to know.
pub(in crate::chat::server) fn set_value(
    ctx: &mut Context<'_>,
    owner: Owner,
    key: &str,
    value: Option<&str>,
) {
    let values = owner.values_mut(ctx.server);
    let before = match value {
        Some(value) => values.insert(key.to_owned(), value.to_owned()),
        None => values.remove(key),
    };
    if before.as_deref() == value {
        return;
    }
    events::changed(ctx, owner, key, value);
    let value = value.map(str::to_owned);
    match owner {
        Owner::User(user) => {
            let (by, key) = (ctx.server.user_id(ctx.me), key.to_owned());
            ctx.server.publish(user, |_, user| Effect::Metadata { by, user, key, value });
        }
        Owner::Channel(channel) => {
            let set = Set { item: METADATA, about: key, value };
            ctx.note_changes(Some(ctx.me), channel, &[set], None);
        }
    }
}

fn clear(ctx: &mut Context<'_>, owner: Owner) {
    let name = owner.name(ctx.server);
    if !owner.may_change(ctx) {
        return forbid(ctx, &name, "*");
    }
    if owner.leaves(ctx) {
        return refuse_target(ctx, &name);
    }
    let batch = history::begin_batch(ctx, &["metadata", &name]);
    for key in owner.values(ctx.server).clone().into_keys() {
        events::answer(ctx, batch.as_ref(), &name, &key, None);
        change(ctx, owner, &key, None);
    }
    history::end_batch(ctx, batch);
}

// ── subscriptions ───────────────────────────────────────────────────────────────────────────────────

fn subscribe(ctx: &mut Context<'_>, keys: &[&str]) {
    let most = ctx.server.settings.limits.metadata_subscriptions;
    let mut taken = Vec::new();
    for key in keys {
        let Some(valid) = valid(key) else {
            refuse_key(ctx, key);
            continue;
        };
        let subscriptions = &mut ctx.user_mut().subscriptions;
        if !subscriptions.contains(&valid) && subscriptions.len() >= most {
            ctx.fail("METADATA", "TOO_MANY_SUBS", &[key], "You are told of too many keys already");
            break;
        }
        subscriptions.insert(valid.clone());
        taken.push(valid);
    }
    tell_keys(ctx, numeric::RPL_METADATASUBOK, &taken);
    for channel in ctx.user().channels.clone() {
        events::tell_channel(ctx, channel, &taken);
    }
}

fn unsubscribe(ctx: &mut Context<'_>, keys: &[&str]) {
    let mut left = Vec::new();
    for key in keys {
        match valid(key) {
            Some(key) => {
                ctx.user_mut().subscriptions.remove(&key);
                left.push(key);
            }
            None => refuse_key(ctx, key),
        }
    }
    tell_keys(ctx, numeric::RPL_METADATAUNSUBOK, &left);
}

fn tell_keys(ctx: &mut Context<'_>, numeric: Numeric, keys: &[String]) {
    for keys in keys.chunks(KEYS) {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        ctx.numeric(numeric, &keys);
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

fn refuse_target(ctx: &mut Context<'_>, target: &str) {
    let text = "There is nobody of that name, or nobody you can see";
    ctx.fail("METADATA", "INVALID_TARGET", &[target], text);
}

fn refuse_key(ctx: &mut Context<'_>, key: &str) {
    let code = if ctx.caps().has(Caps::METADATA_3) { "INVALID_KEY" } else { "KEY_INVALID" };
    ctx.fail("METADATA", code, &[key], "That is no key");
}

fn refuse_value(ctx: &mut Context<'_>, key: &str) {
    let text = "The value is too long";
    match ctx.caps().has(Caps::METADATA_3) {
        true => ctx.fail("METADATA", "INVALID_VALUE", &[key], text),
        false => ctx.fail("METADATA", "VALUE_INVALID", &[], text),
    }
}

fn forbid(ctx: &mut Context<'_>, name: &str, key: &str) {
    let text = "That is not yours to change";
    ctx.fail("METADATA", "KEY_NO_PERMISSION", &[name, key], text);
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
