//! Who somebody is, and was (modern.ircdocs.horse, "User-Based Queries").

use crate::chat::server::keys::UserKey;
use crate::chat::server::modes::UserModes;
use crate::chat::server::scope::{Scope, cut, pack};
use crate::chat::server::whowas::Gone;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::{metadata_events, queries};

/// Bytes of channels on one line of `WHOIS`.
const ROOM: usize = 360;

/// `WHOIS [server] nick` (RFC 1459, 4.5.2).
pub(super) fn whois(scope: &mut Scope<'_>, message: &Message<'_>) {
    let nick = match *message.params() {
        [_, nick, ..] | [nick] if !nick.is_empty() => nick.split(',').next().unwrap_or(nick),
        _ => return scope.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]),
    };
    let server = message.param(0).filter(|_| message.params().len() > 1);
    if !queries::is_for_us(scope, server) {
        return;
    }
    match scope.server.users.named(nick) {
        Some(user) => {
            tell_who(scope, user);
            metadata_events::whois(scope, user);
            let nick = scope.server.users[user].nick().to_owned();
            scope.numeric(numeric::RPL_ENDOFWHOIS, &[&nick]);
        }
        None => {
            scope.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
            scope.numeric(numeric::RPL_ENDOFWHOIS, &[nick]);
        }
    }
}

fn tell_who(scope: &mut Scope<'_>, key: UserKey) {
    let user = &scope.server.users[key];
    let nick = user.nick().to_owned();
    let (name, host, real_name) = (user.name.clone(), user.host.clone(), user.real_name.clone());
    let (real_host, modes) = (user.real_host.clone(), user.modes);
    let (away, account) = (user.away.clone(), user.account.clone());
    let idle = scope.network.now().saturating_duration_since(user.spoke).as_secs().to_string();
    let signed_on = user.signed_on.seconds().to_string();
    let settings = &scope.server.settings;
    let (server, description) = (settings.name.clone(), settings.description.clone());
    let may_see_all = key == scope.me || scope.user().is_operator();

    scope.numeric_text(numeric::RPL_WHOISUSER, &[&nick, &name, &host, "*"], &real_name);
    tell_channels(scope, key, &nick);
    scope.numeric_text(numeric::RPL_WHOISSERVER, &[&nick, &server], &description);
    if modes.has(UserModes::OPERATOR) {
        scope.numeric(numeric::RPL_WHOISOPERATOR, &[&nick]);
    }
    if modes.has(UserModes::BOT) {
        scope.numeric(numeric::RPL_WHOISBOT, &[&nick]);
    }
    if let Some(account) = account {
        scope.numeric(numeric::RPL_WHOISACCOUNT, &[&nick, &account]);
    }
    if let Some(away) = away {
        scope.numeric_text(numeric::RPL_AWAY, &[&nick], &away);
    }
    if may_see_all {
        scope.numeric(numeric::RPL_WHOISACTUALLY, &[&nick, &real_host]);
        let text = format!("is using modes {}", modes.text());
        scope.numeric_text(numeric::RPL_WHOISMODES, &[&nick], &text);
    }
    scope.numeric(numeric::RPL_WHOISIDLE, &[&nick, &idle, &signed_on]);
}

/// The channels of a user that may be known: those that are not secret and it does not hide on, and
/// those that the asker is on too.
fn tell_channels(scope: &mut Scope<'_>, key: UserKey, nick: &str) {
    let user = &scope.server.users[key];
    let hides = user.modes.has(UserModes::INVISIBLE) && key != scope.me;
    let all_symbols = scope.caps().has(Caps::MULTI_PREFIX);
    let names = user.channels.iter().filter_map(|&channel| {
        let channel = &scope.server.channels[channel];
        let is_known = channel.has(scope.me) || (!hides && channel.is_visible_to(scope.me));
        let symbols = channel.status(key).unwrap_or_default().symbols(all_symbols);
        is_known.then(|| symbols.chain(channel.name.as_str().chars()).collect::<String>())
    });
    for line in pack(names, ' ', ROOM) {
        scope.numeric_text(numeric::RPL_WHOISCHANNELS, &[nick], &line);
    }
}

/// `WHOWAS nick[,…] [count]` (RFC 2812, 3.6.3): the latest first.
pub(super) fn whowas(scope: &mut Scope<'_>, message: &Message<'_>) {
    let Some(nicks) = message.param(0).filter(|nicks| !nicks.is_empty()) else {
        return scope.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]);
    };
    let count = message.param(1).and_then(|count| count.parse::<usize>().ok());
    let most = count.filter(|&count| count > 0).unwrap_or(usize::MAX);
    let wanted: Vec<_> = nicks.split(',').filter(|nick| !nick.is_empty()).collect();
    let found = scope.server.whowas.find(&wanted, most);
    if found.is_empty() {
        scope.numeric(numeric::ERR_WASNOSUCHNICK, &[nicks]);
    }
    let server = scope.server.settings.name.clone();
    for Gone { nick, name, host, real_name, account, at, .. } in &found {
        scope.numeric_text(numeric::RPL_WHOWASUSER, &[nick, name, host, "*"], real_name);
        if let Some(account) = account {
            scope.numeric_text(numeric::RPL_WHOISACCOUNT, &[nick, account], "was logged in as");
        }
        scope.numeric_text(numeric::RPL_WHOISSERVER, &[nick, &server], &at.to_text());
    }
    scope.numeric(numeric::RPL_ENDOFWHOWAS, &[nicks]);
}

/// `USERHOST nick…`: five at most (RFC 1459, 5.7).
pub(super) fn userhost(scope: &mut Scope<'_>, message: &Message<'_>) {
    let mut replies = Vec::new();
    for nick in message.params().iter().take(5) {
        if let Some(user) = scope.server.users.named(nick).map(|key| &scope.server.users[key]) {
            let operator = if user.is_operator() { "*" } else { "" };
            let here = if user.away.is_some() { '-' } else { '+' };
            replies.push(format!("{}{operator}={here}{}@{}", user.nick(), user.name, user.host));
        }
    }
    scope.numeric_text(numeric::RPL_USERHOST, &[], &replies.join(" "));
}

/// `ISON nick…` (RFC 1459, 5.8).
pub(super) fn ison(scope: &mut Scope<'_>, message: &Message<'_>) {
    let nicks = message.params().iter().flat_map(|param| param.split(' '));
    let here: Vec<_> = nicks
        .filter_map(|nick| scope.server.users.named(nick))
        .map(|key| scope.server.users[key].nick().to_owned())
        .collect();
    scope.numeric_text(numeric::RPL_ISON, &[], &here.join(" "));
}

/// `AWAY [:text]` (RFC 1459, 5.1, and IRCv3 away-notify), before registration too where a client asks
/// for that (IRCv3 pre-away).
pub(super) fn away(scope: &mut Scope<'_>, message: &Message<'_>) {
    if !scope.user().is_registered() && !scope.caps().has(Caps::PRE_AWAY) {
        return scope.numeric(numeric::ERR_NOTREGISTERED, &[]);
    }
    let text = message.param(0).filter(|text| !text.is_empty());
    let text = text.map(|text| cut(text, scope.server.settings.limits.away_length).to_owned());
    let is_news = scope.user().away != text;
    scope.user_mut().away.clone_from(&text);
    match text {
        Some(_) => scope.numeric(numeric::RPL_NOWAWAY, &[]),
        None => scope.numeric(numeric::RPL_UNAWAY, &[]),
    }
    let line = scope.by_me("AWAY");
    let line = if let Some(text) = &text { line.text(text) } else { line };
    if is_news
        && scope.user().is_registered()
        && let Some(line) = scope.my_line(line)
    {
        scope.tell_peers(&line, |caps| caps.has(Caps::AWAY_NOTIFY));
    }
}

/// `SETNAME :real name` (IRCv3 setname).
pub(super) fn setname(scope: &mut Scope<'_>, message: &Message<'_>) {
    let real_name = message.param(0).unwrap_or_default();
    let longest = scope.server.settings.limits.name_length;
    if real_name.is_empty() || real_name.len() > longest {
        return scope.fail("SETNAME", "INVALID_REALNAME", &[], "The name is empty, or too long");
    }
    scope.user_mut().real_name = real_name.into();
    let line = scope.by_me("SETNAME").text(real_name);
    if let Some(line) = scope.my_line(line) {
        scope.tell_peers(&line, |caps| caps.has(Caps::SETNAME));
        if scope.caps().has(Caps::SETNAME) {
            scope.reply_line(line);
        }
    }
}
