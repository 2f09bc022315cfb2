//! Who somebody is: the way in, and the way out (modern.ircdocs.horse, "Connection Messages").

use std::time::Duration;

use crate::chat::server::Event;
use crate::chat::server::scope::{Scope, cut};
use crate::chat::server::settings::Password;
use crate::chat::server::users::Stage;
use crate::chat::wire::casemap::{Nick, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::services;
use super::services::{CHANSERV, NICKSERV};
use super::{accounts, metadata, metadata_events, queries};

/// `PASS password`: what the server asks of everybody, before `NICK` and `USER` (RFC 1459, 4.1.1).
pub(super) fn pass(scope: &mut Scope<'_>, message: &Message<'_>) {
    let password = message.param(0).map(str::to_owned);
    match scope.user_mut().registering() {
        Some(registering) => registering.password = password,
        None => scope.numeric(numeric::ERR_ALREADYREGISTERED, &[]),
    }
}

/// `NICK nick` (RFC 1459, 4.1.2).
pub(super) fn nick(scope: &mut Scope<'_>, message: &Message<'_>) {
    let Some(wanted) = message.param(0).filter(|nick| !nick.is_empty()) else {
        return scope.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]);
    };
    let is_service = [NICKSERV, CHANSERV].iter().any(|service| same_name(service, wanted));
    let nick = match Nick::new(wanted, scope.server.settings.limits.nick_length) {
        Ok(nick) if !is_service => nick,
        _ => return scope.numeric(numeric::ERR_ERRONEUSNICKNAME, &[wanted]),
    };
    if scope.user().nick() == nick.as_str() {
        return;
    }
    let is_taken =
        scope.server.users.holder(nick.as_str()).is_some_and(|holder| holder != scope.me);
    if is_taken
        || (grace(scope).is_zero() && accounts::foreign_owner(scope, nick.as_str()).is_some())
    {
        if let Some(registering) = scope.user_mut().registering() {
            registering.wanted_nick = Some(nick.to_string());
        }
        return scope.numeric(numeric::ERR_NICKNAMEINUSE, &[wanted]);
    }
    if scope.user().is_registered() {
        rename(scope, nick);
    } else {
        scope.server.users.rename(scope.me, nick);
        try_register(scope);
    }
}

fn grace(scope: &Scope<'_>) -> Duration {
    scope.server.settings.limits.nick_grace
}

/// Gives a registered user another nickname, and tells everybody who has to know.
fn rename(scope: &mut Scope<'_>, nick: Nick) {
    let line = scope.by_me("NICK").text(nick.as_str());
    if let Some(line) = scope.my_line(line) {
        scope.tell_peers(&line, |_| true);
        scope.reply_line(line);
    }
    let before = scope.user().nick().to_owned();
    let source = scope.source();
    scope.log(&Event::Renamed { who: &source, nick: nick.as_str() });
    let is_other_name = !same_name(&before, nick.as_str());
    if is_other_name {
        let most = scope.server.settings.limits.whowas;
        scope.server.whowas.push(&scope.server.users[scope.me], &before, scope.clock, most);
        scope.server.tell_watchers(scope.network, numeric::RPL_MONOFFLINE, &before, &before);
    }
    scope.server.users.rename(scope.me, nick);
    if is_other_name {
        announce(scope);
        guard_nick(scope);
    }
}

/// Tells those who wait for this nickname that it is here.
fn announce(scope: &mut Scope<'_>) {
    let (nick, source) = (scope.user().nick().to_owned(), scope.source());
    scope.server.tell_watchers(scope.network, numeric::RPL_MONONLINE, &nick, &source);
}

/// A nickname that belongs to somebody else's account is kept for a while only.
fn guard_nick(scope: &mut Scope<'_>) {
    scope.user_mut().nick_due = None;
    let nick = scope.user().nick().to_owned();
    let Some(owner) = accounts::foreign_owner(scope, &nick) else {
        return;
    };
    let grace = grace(scope);
    scope.user_mut().nick_due = Some(scope.network.now() + grace);
    services::say(
        scope,
        NICKSERV,
        &format!(
            "{nick} belongs to the account {owner}. Log in with /NS IDENTIFY {owner} password within \
             {} seconds, or you will be renamed.",
            grace.as_secs()
        ),
    );
    scope.network.guard_nick(scope.user().connection, grace);
}

/// The time is over in which a nickname could be kept that belongs to somebody else.
pub(in crate::chat) fn enforce_nick(scope: &mut Scope<'_>) {
    let is_due = scope.user().nick_due.is_some_and(|due| due <= scope.network.now());
    let nick = scope.user().nick().to_owned();
    if !is_due || accounts::foreign_owner(scope, &nick).is_none() {
        return;
    }
    let guest = (0..16).find_map(|_| {
        let guest = format!("Guest{}", scope.network.random() % 1_000_000);
        let guest = Nick::new(&guest, guest.len()).ok()?;
        scope.server.users.holder(guest.as_str()).is_none().then_some(guest)
    });
    match guest {
        Some(guest) => rename(scope, guest),
        None => {
            scope.server.disconnect(
                scope.network,
                scope.me,
                "This nickname belongs to somebody else",
            );
        }
    }
}

/// `USER name 0 * :real name` (RFC 1459, 4.1.3). Nobody has asked an ident server, so `~` comes first.
pub(super) fn user(scope: &mut Scope<'_>, message: &Message<'_>) {
    if scope.user().is_registered() {
        return scope.numeric(numeric::ERR_ALREADYREGISTERED, &[]);
    }
    let &[name, _, _, real_name, ..] = message.params() else {
        return;
    };
    if name.is_empty() || real_name.is_empty() {
        return scope.numeric(numeric::ERR_NEEDMOREPARAMS, &["USER"]);
    }
    let limits = &scope.server.settings.limits;
    let allowed = |char: &char| char.is_ascii_alphanumeric() || "-._[]{}\\|^`+".contains(*char);
    let name: String = name.chars().filter(allowed).take(limits.user_length.max(2) - 1).collect();
    if name.is_empty() {
        return scope.numeric(numeric::ERR_INVALIDUSERNAME, &[]);
    }
    let real_name = cut(real_name, limits.name_length).to_owned();
    let user = scope.user_mut();
    user.name = format!("~{name}").into();
    user.real_name = real_name.into();
    user.refresh_source();
    if let Some(registering) = user.registering() {
        registering.has_user = true;
    }
    try_register(scope);
}

/// Registers the connection, if it has said all it has to.
pub(super) fn try_register(scope: &mut Scope<'_>) {
    let has_nick = scope.user().nick.is_some();
    let Some(registering) = scope.user_mut().registering() else {
        return;
    };
    if !has_nick || !registering.has_user || registering.is_negotiating {
        return;
    }
    let given = registering.password.clone().unwrap_or_default();
    match scope.server.settings.password.clone() {
        None => complete(scope),
        Some(plain @ Password::Plain(_)) => admitted(scope, Ok(plain.verifies(&given))),
        Some(Password::Hashed(against)) => scope.verify(&given, against, admitted),
    }
}

/// The server's password was looked at.
fn admitted(scope: &mut Scope<'_>, is_right: Result<bool, String>) {
    match is_right {
        Ok(true) => complete(scope),
        Ok(false) => {
            let source = scope.source();
            scope.log(&Event::WrongPassword { who: &source, what: "the server" });
            scope.numeric(numeric::ERR_PASSWDMISMATCH, &[]);
            scope.server.disconnect(scope.network, scope.me, "Bad password");
        }
        Err(_) => scope.server.disconnect(scope.network, scope.me, "The server is too busy"),
    }
}

fn complete(scope: &mut Scope<'_>) {
    let (clock, now) = (scope.clock, scope.network.now());
    let user = scope.user_mut();
    if user.is_registered() {
        return;
    }
    user.stage = Stage::Registered;
    user.signed_on = clock;
    user.spoke = now;
    user.refresh_source();
    let counters = &mut scope.server.counters;
    counters.users += 1;
    counters.most_users = counters.most_users.max(counters.users);
    let source = scope.source();
    scope.log(&Event::Welcomed { who: &source });
    scope.welcome();
    queries::tell_lusers(scope);
    queries::tell_motd(scope);
    if metadata::knows(scope.caps()) {
        metadata_events::greet(scope);
    }
    announce(scope);
    guard_nick(scope);
}

/// `PING token` (modern.ircdocs.horse, "PING message").
pub(super) fn ping(scope: &mut Scope<'_>, message: &Message<'_>) {
    match message.param(0) {
        None | Some("") => scope.numeric(numeric::ERR_NOORIGIN, &[]),
        Some(token) => {
            let name = scope.server.settings.name.clone();
            let line = scope.by_server("PONG").param(&name).text(token);
            scope.reply(line);
        }
    }
}

/// `PONG token`: that it came is all that counts.
pub(super) fn pong(_: &mut Scope<'_>, _: &Message<'_>) {}

/// `QUIT [:reason]` (RFC 1459, 4.1.6). The others can tell it from a connection that was lost.
pub(super) fn quit(scope: &mut Scope<'_>, message: &Message<'_>) {
    let reason = match message.param(0) {
        None | Some("") => "Quit".to_owned(),
        Some(reason) => format!("Quit: {}", cut(reason, scope.server.settings.limits.kick_length)),
    };
    scope.server.disconnect(scope.network, scope.me, &reason);
}
