//! Who somebody is, and was (modern.ircdocs.horse, "User-Based Queries").

use crate::chat::server::context::{Context, cut, pack};
use crate::chat::server::effect::Effect;
use crate::chat::server::keys::UserKey;
use crate::chat::server::modes::UserModes;
use crate::chat::server::whowas::Gone;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::{metadata_events, queries};

/// Bytes of channels on one line of `WHOIS`.
const ROOM: usize = 360;

/// `WHOIS [server] nick` (RFC 1459, 4.5.2).
pub(super) fn whois(ctx: &mut Context<'_>, message: &Message<'_>) {
    let nick = match *message.params() {
        [_, nick, ..] | [nick] if !nick.is_empty() => nick.split(',').next().unwrap_or(nick),
        _ => return ctx.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]),
    };
    let server = message.param(0).filter(|_| message.params().len() > 1);
    // What another server of the network would say is known here.
    let others = ctx.server.other_servers();
    let is_other = server.is_some_and(|it| others.iter().any(|(name, _)| same_name(name, it)));
    if !is_other && !queries::is_for_us(ctx, server) {
        return;
    }
    match ctx.server.users.named(nick) {
        Some(user) => {
            tell_who(ctx, user);
            metadata_events::whois(ctx, user);
            let nick = ctx.server.users[user].nick().to_owned();
            ctx.numeric(numeric::RPL_ENDOFWHOIS, &[&nick]);
        }
        None => {
            ctx.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
            ctx.numeric(numeric::RPL_ENDOFWHOIS, &[nick]);
        }
    }
}

fn tell_who(ctx: &mut Context<'_>, key: UserKey) {
    let user = &ctx.server.users[key];
    let nick = user.nick().to_owned();
    let (name, host, real_name) = (user.name.clone(), user.host.clone(), user.real_name.clone());
    let (real_host, modes) = (user.real_host.clone(), user.modes);
    let (away, account) = (user.away.clone(), user.account.clone());
    let idle = ctx.network.now().saturating_duration_since(user.spoke).as_secs().to_string();
    let signed_on = user.signed_on.seconds().to_string();
    let (server, description) = ctx.server.server_of(key);
    let may_see_all = key == ctx.me || ctx.user().is_operator();

    ctx.numeric_text(numeric::RPL_WHOISUSER, &[&nick, &name, &host, "*"], &real_name);
    tell_channels(ctx, key, &nick);
    ctx.numeric_text(numeric::RPL_WHOISSERVER, &[&nick, &server], &description);
    if modes.has(UserModes::OPERATOR) {
        ctx.numeric(numeric::RPL_WHOISOPERATOR, &[&nick]);
    }
    if modes.has(UserModes::BOT) {
        ctx.numeric(numeric::RPL_WHOISBOT, &[&nick]);
    }
    if let Some(account) = account {
        ctx.numeric(numeric::RPL_WHOISACCOUNT, &[&nick, &account]);
    }
    if let Some(away) = away {
        ctx.numeric_text(numeric::RPL_AWAY, &[&nick], &away);
    }
    if may_see_all {
        ctx.numeric(numeric::RPL_WHOISACTUALLY, &[&nick, &real_host]);
        let text = format!("is using modes {}", modes.text());
        ctx.numeric_text(numeric::RPL_WHOISMODES, &[&nick], &text);
    }
    ctx.numeric(numeric::RPL_WHOISIDLE, &[&nick, &idle, &signed_on]);
}

/// The channels of a user that may be known: those that are not secret and it does not hide on, and
/// those that the asker is on too.
fn tell_channels(ctx: &mut Context<'_>, key: UserKey, nick: &str) {
    let user = &ctx.server.users[key];
    let hides = user.modes.has(UserModes::INVISIBLE) && key != ctx.me;
    let all_symbols = ctx.caps().has(Caps::MULTI_PREFIX);
    let names = user.channels.iter().filter_map(|&channel| {
        let channel = &ctx.server.channels[channel];
        let is_known = channel.has(ctx.me) || (!hides && channel.is_visible_to(ctx.me));
        let symbols = channel.status(key).unwrap_or_default().symbols(all_symbols);
        is_known.then(|| symbols.chain(channel.name.as_str().chars()).collect::<String>())
    });
    for line in pack(names, ' ', ROOM) {
        ctx.numeric_text(numeric::RPL_WHOISCHANNELS, &[nick], &line);
    }
}

/// `WHOWAS nick[,…] [count]` (RFC 2812, 3.6.3): the latest first.
pub(super) fn whowas(ctx: &mut Context<'_>, message: &Message<'_>) {
    let Some(nicks) = message.param(0).filter(|nicks| !nicks.is_empty()).map(str::to_owned) else {
        return ctx.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]);
    };
    let count = message.param(1).and_then(|count| count.parse::<usize>().ok());
    let most = count.filter(|&count| count > 0).unwrap_or(usize::MAX);
    ctx.answer_in_turn(move |ctx| tell_who_was(ctx, &nicks, most));
}

fn tell_who_was(ctx: &mut Context<'_>, nicks: &str, most: usize) {
    let wanted: Vec<_> = nicks.split(',').filter(|nick| !nick.is_empty()).collect();
    ctx.looks_at(wanted.len() * ctx.server.whowas.len());
    let found = ctx.server.whowas.find(&wanted, most);
    if found.is_empty() {
        ctx.numeric(numeric::ERR_WASNOSUCHNICK, &[nicks]);
    }
    for Gone { nick, name, host, real_name, account, server, at, .. } in &found {
        ctx.numeric_text(numeric::RPL_WHOWASUSER, &[nick, name, host, "*"], real_name);
        if let Some(account) = account {
            ctx.numeric_text(numeric::RPL_WHOISACCOUNT, &[nick, account], "was logged in as");
        }
        ctx.numeric_text(numeric::RPL_WHOISSERVER, &[nick, server], &at.to_text());
    }
    ctx.numeric(numeric::RPL_ENDOFWHOWAS, &[nicks]);
}

/// `USERHOST nick…`: five at most (RFC 1459, 5.7).
pub(super) fn userhost(ctx: &mut Context<'_>, message: &Message<'_>) {
    let mut replies = Vec::new();
    for nick in message.params().iter().take(5) {
        if let Some(user) = ctx.server.users.named(nick).map(|key| &ctx.server.users[key]) {
            let operator = if user.is_operator() { "*" } else { "" };
            let here = if user.away.is_some() { '-' } else { '+' };
            replies.push(format!("{}{operator}={here}{}@{}", user.nick(), user.name, user.host));
        }
    }
    ctx.numeric_text(numeric::RPL_USERHOST, &[], &replies.join(" "));
}

/// `ISON nick…` (RFC 1459, 5.8).
pub(super) fn ison(ctx: &mut Context<'_>, message: &Message<'_>) {
    let nicks = message.params().iter().flat_map(|param| param.split(' '));
    let here: Vec<_> = nicks
        .filter_map(|nick| ctx.server.users.named(nick))
        .map(|key| ctx.server.users[key].nick().to_owned())
        .collect();
    ctx.numeric_text(numeric::RPL_ISON, &[], &here.join(" "));
}

/// `AWAY [:text]` (RFC 1459, 5.1, and IRCv3 away-notify), before registration too where a client asks
/// for that (IRCv3 pre-away).
pub(super) fn away(ctx: &mut Context<'_>, message: &Message<'_>) {
    if !ctx.user().is_registered() && !ctx.caps().has(Caps::PRE_AWAY) {
        return ctx.numeric(numeric::ERR_NOTREGISTERED, &[]);
    }
    let text = message.param(0).filter(|text| !text.is_empty());
    let text = text.map(|text| cut(text, ctx.server.settings.limits.away_length).to_owned());
    match text {
        Some(_) => ctx.numeric(numeric::RPL_NOWAWAY, &[]),
        None => ctx.numeric(numeric::RPL_UNAWAY, &[]),
    }
    set_away(ctx, text);
}

/// A user is away, or back: who wants to know is told, if that is news.
pub(in crate::chat::server) fn set_away(ctx: &mut Context<'_>, text: Option<String>) {
    let is_news = ctx.user().away != text;
    ctx.user_mut().away.clone_from(&text);
    if is_news {
        ctx.publish(|_, user| Effect::Away { user, text: text.clone() });
    }
    let line = ctx.by_me("AWAY");
    let line = if let Some(text) = &text { line.text(text) } else { line };
    if is_news
        && ctx.user().is_registered()
        && let Some(line) = ctx.my_line(line)
    {
        ctx.tell_peers(&line, |caps| caps.has(Caps::AWAY_NOTIFY));
    }
}

/// `SETNAME :real name` (IRCv3 setname).
pub(super) fn setname(ctx: &mut Context<'_>, message: &Message<'_>) {
    let real_name = message.param(0).unwrap_or_default();
    let longest = ctx.server.settings.limits.name_length;
    if real_name.is_empty() || real_name.len() > longest {
        return ctx.fail("SETNAME", "INVALID_REALNAME", &[], "The name is empty, or too long");
    }
    set_real_name(ctx, real_name);
}

/// Gives a user another real name, and tells who understands.
pub(in crate::chat::server) fn set_real_name(ctx: &mut Context<'_>, real_name: &str) {
    ctx.user_mut().real_name = real_name.into();
    ctx.publish(|_, user| Effect::RealName { user, name: real_name.to_owned() });
    let line = ctx.by_me("SETNAME").text(real_name);
    if let Some(line) = ctx.my_line(line) {
        ctx.tell_peers(&line, |caps| caps.has(Caps::SETNAME));
        if ctx.caps().has(Caps::SETNAME) {
            ctx.reply_line(line);
        }
    }
}
