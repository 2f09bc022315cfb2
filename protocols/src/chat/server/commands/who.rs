//! `WHO`, and its extension WHOX (modern.ircdocs.horse, "WHO message"; IRCv3 whox).

use std::net::IpAddr;

use crate::chat::server::context::{Context, presentable};
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::modes::UserModes;
use crate::chat::server::users::User;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::ChannelName;
use crate::chat::wire::mask;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

/// The fields of WHOX, in the order in which they are given, however they were asked for.
const FIELDS: &str = "tcuihsnfdlaor";

/// `WHO [mask [o][%fields[,token]]]`
pub(super) fn who(ctx: &mut Context<'_>, message: &Message<'_>) {
    let mask = message.param(0).filter(|mask| !matches!(*mask, "" | "0")).unwrap_or("*").to_owned();
    let options = message.param(1).unwrap_or_default().to_owned();
    ctx.answer_in_turn(move |ctx| tell_all(ctx, mask, &options));
}

fn tell_all(ctx: &mut Context<'_>, mask: String, options: &str) {
    let (flags, fields) = match options.split_once('%') {
        Some((flags, fields)) => (flags, Some(fields.to_owned())),
        None => (options, None),
    };
    let only_operators = flags.contains('o');
    let channel = ctx.server.channels.named(&mask).filter(|_| ChannelName::is_meant(&mask));
    let mut found = match channel {
        Some(channel) => members(ctx, channel),
        None if ChannelName::is_meant(&mask) => Vec::new(),
        None => matching(ctx, &mask),
    };
    found.retain(|&user| !only_operators || ctx.server.users[user].is_operator());
    // A line has a host name and a real name at most, and seldom as much.
    found.truncate(ctx.room_for_answer() / 192);
    found.shrink_to_fit();
    let tell_one = move |ctx: &mut Context<'_>, user| {
        // It may have gone since the answer began.
        let is_there = match channel {
            Some(channel) => ctx.still_visible(channel).is_some_and(|it| it.has(user)),
            None => ctx.server.users.get(user).is_some(),
        };
        match &fields {
            _ if !is_there => {}
            Some(fields) => tell_fields(ctx, user, channel, fields),
            None => tell(ctx, user, channel),
        }
    };
    let end = move |ctx: &mut Context<'_>| ctx.numeric(numeric::RPL_ENDOFWHO, &[&mask]);
    ctx.tell_at_length(found.into_iter(), tell_one, end);
}

/// Whom the asker may see on a channel: on its own everybody, else those who do not hide.
fn members(ctx: &Context<'_>, key: ChannelKey) -> Vec<UserKey> {
    let channel = &ctx.server.channels[key];
    let is_member = channel.has(ctx.me);
    if !channel.is_visible_to(ctx.me) {
        return Vec::new();
    }
    let is_seen = |&(user, _): &(UserKey, _)| {
        is_member || !ctx.server.users[user].modes.has(UserModes::INVISIBLE)
    };
    channel.members().filter(is_seen).map(|(user, _)| user).collect()
}

/// Who goes by a nickname; or fits a mask, and does not hide from the asker.
fn matching(ctx: &mut Context<'_>, mask: &str) -> Vec<UserKey> {
    if let Some(user) = ctx.server.users.named(mask) {
        return vec![user];
    }
    if !mask::is_mask(mask) {
        return Vec::new();
    }
    ctx.looks_at(ctx.server.users.len());
    let peers = ctx.server.peers_everywhere(ctx.me);
    let fits = |user: &User| {
        [user.nick(), &user.name, &user.host, &user.real_name]
            .iter()
            .any(|text| mask::matches(mask, text))
    };
    let mut found: Vec<_> = ctx
        .server
        .users
        .registered()
        .filter(|&(key, user)| {
            let hides = user.modes.has(UserModes::INVISIBLE) && key != ctx.me;
            !hides && fits(user)
        })
        .map(|(key, _)| key)
        .collect();
    let hidden = peers.into_iter().filter(|&key| {
        let user = &ctx.server.users[key];
        user.modes.has(UserModes::INVISIBLE) && fits(user)
    });
    found.extend(hidden);
    found
}

/// `H` here or `G` gone, `*` operator, `B` bot, and what it is on the channel.
fn flags(ctx: &Context<'_>, user: UserKey, channel: Option<ChannelKey>) -> String {
    let all_symbols = ctx.caps().has(Caps::MULTI_PREFIX);
    let status = channel.and_then(|channel| ctx.server.channels[channel].status(user));
    let user = &ctx.server.users[user];
    let mut flags = String::from(if user.away.is_some() { "G" } else { "H" });
    if user.is_operator() {
        flags.push('*');
    }
    flags.extend(status.unwrap_or_default().symbols(all_symbols));
    if user.modes.has(UserModes::BOT) {
        flags.push('B');
    }
    flags
}

fn channel_name(ctx: &Context<'_>, channel: Option<ChannelKey>) -> String {
    channel.map_or_else(|| "*".to_owned(), |channel| ctx.name_of(channel))
}

fn tell(ctx: &mut Context<'_>, key: UserKey, channel: Option<ChannelKey>) {
    let (flags, channel) = (flags(ctx, key, channel), channel_name(ctx, channel));
    let user = &ctx.server.users[key];
    let text = format!("0 {}", user.real_name);
    let (name, host, nick) = (user.name.clone(), user.host.clone(), user.nick().to_owned());
    let (server, _) = ctx.server.server_of(key);
    let params = [channel.as_str(), &name, &host, &server, &nick, &flags];
    ctx.numeric_text(numeric::RPL_WHOREPLY, &params, &text);
}

/// What stands for an address that is not told, or not known.
const NO_ADDRESS: &str = "255.255.255.255";

/// That of a user of another server is known if it was what that server calls its host.
fn address_of(user: &User) -> String {
    let is_address = || user.real_host.parse::<IpAddr>().is_ok();
    match user.address {
        Some(address) => host_text(address),
        None if is_address() => user.real_host.to_string(),
        None => NO_ADDRESS.to_owned(),
    }
}

fn tell_fields(ctx: &mut Context<'_>, key: UserKey, channel: Option<ChannelKey>, fields: &str) {
    let (fields, token) = fields.split_once(',').unwrap_or((fields, ""));
    let token = if token.is_empty() { "0" } else { token };
    let user = &ctx.server.users[key];
    let may_see_all = key == ctx.me || ctx.user().is_operator();
    let idle = ctx.network.now().saturating_duration_since(user.spoke).as_secs();
    let mut params = Vec::new();
    for field in FIELDS.chars().filter(|&field| fields.contains(field)) {
        params.push(match field {
            't' => presentable(token).chars().take(3).collect(),
            'c' => channel_name(ctx, channel),
            'u' => user.name.to_string(),
            'i' if may_see_all => address_of(user),
            'i' => NO_ADDRESS.to_owned(),
            'h' => user.host.to_string(),
            's' => ctx.server.server_of(key).0.to_string(),
            'n' => user.nick().to_owned(),
            'f' => flags(ctx, key, channel),
            'd' => "0".to_owned(),
            'l' => idle.to_string(),
            'a' => user.account.as_deref().unwrap_or("0").to_owned(),
            'o' => "n/a".to_owned(),
            _ => user.real_name.to_string(),
        });
    }
    let text = if fields.contains('r') { params.pop() } else { None };
    let words: Vec<_> = params.iter().map(String::as_str).collect();
    match text {
        Some(text) => ctx.numeric_text(numeric::RPL_WHOSPCRPL, &words, &text),
        None => ctx.numeric(numeric::RPL_WHOSPCRPL, &words),
    }
}

/// An address as a word: IPv6 without a colon in front.
fn host_text(address: IpAddr) -> String {
    let text = address.to_string();
    if text.starts_with(':') { format!("0{text}") } else { text }
}
