//! Who somebody is: the way in, and the way out (modern.ircdocs.horse, "Connection Messages").

use std::time::Duration;

use crate::chat::casemap::{Nick, same_name};
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::Event;
use crate::chat::server::users::Stage;
use crate::chat::settings::Password;
use crate::chat::turn::{Turn, cut};

use super::services::{self, CHANSERV, NICKSERV};
use super::{accounts, metadata, metadata_events, queries};

/// `PASS password`: what the server asks of everybody, before `NICK` and `USER` (RFC 1459, 4.1.1).
pub(super) fn pass(turn: &mut Turn<'_>, message: &Message<'_>) {
    let password = message.param(0).map(str::to_owned);
    match turn.user_mut().registering() {
        Some(registering) => registering.password = password,
        None => turn.numeric(numeric::ERR_ALREADYREGISTERED, &[]),
    }
}

/// `NICK nick` (RFC 1459, 4.1.2).
pub(super) fn nick(turn: &mut Turn<'_>, message: &Message<'_>) {
    let Some(wanted) = message.param(0).filter(|nick| !nick.is_empty()) else {
        return turn.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]);
    };
    let is_service = [NICKSERV, CHANSERV].iter().any(|service| same_name(service, wanted));
    let nick = match Nick::new(wanted, turn.server.settings.limits.nick_length) {
        Ok(nick) if !is_service => nick,
        _ => return turn.numeric(numeric::ERR_ERRONEUSNICKNAME, &[wanted]),
    };
    if turn.user().nick() == nick.as_str() {
        return;
    }
    let is_taken = turn.server.users.holder(nick.as_str()).is_some_and(|holder| holder != turn.me);
    if is_taken || (grace(turn).is_zero() && accounts::foreign_owner(turn, nick.as_str()).is_some())
    {
        if let Some(registering) = turn.user_mut().registering() {
            registering.wanted_nick = Some(nick.to_string());
        }
        return turn.numeric(numeric::ERR_NICKNAMEINUSE, &[wanted]);
    }
    if turn.user().is_registered() {
        rename(turn, nick);
    } else {
        turn.server.users.rename(turn.me, nick);
        try_register(turn);
    }
}

fn grace(turn: &Turn<'_>) -> Duration {
    turn.server.settings.limits.nick_grace
}

/// Gives a registered user another nickname, and tells everybody who has to know.
fn rename(turn: &mut Turn<'_>, nick: Nick) {
    let line = turn.by_me("NICK").text(nick.as_str());
    if let Some(line) = turn.my_line(line) {
        turn.tell_peers(&line, |_| true);
        turn.reply_line(line);
    }
    let before = turn.user().nick().to_owned();
    let source = turn.source();
    turn.log(&Event::Renamed { who: &source, nick: nick.as_str() });
    let is_other_name = !same_name(&before, nick.as_str());
    if is_other_name {
        let most = turn.server.settings.limits.whowas;
        turn.server.whowas.push(&turn.server.users[turn.me], &before, turn.clock, most);
        turn.server.tell_watchers(turn.wire, numeric::RPL_MONOFFLINE, &before, &before);
    }
    turn.server.users.rename(turn.me, nick);
    if is_other_name {
        announce(turn);
        guard_nick(turn);
    }
}

/// Tells those who wait for this nickname that it is here.
fn announce(turn: &mut Turn<'_>) {
    let (nick, source) = (turn.user().nick().to_owned(), turn.source());
    turn.server.tell_watchers(turn.wire, numeric::RPL_MONONLINE, &nick, &source);
}

/// A nickname that belongs to somebody else's account is kept for a while only.
fn guard_nick(turn: &mut Turn<'_>) {
    turn.user_mut().nick_due = None;
    let nick = turn.user().nick().to_owned();
    let Some(owner) = accounts::foreign_owner(turn, &nick) else {
        return;
    };
    let grace = grace(turn);
    turn.user_mut().nick_due = Some(turn.wire.now() + grace);
    services::say(
        turn,
        NICKSERV,
        &format!(
            "{nick} belongs to the account {owner}. Log in with /NS IDENTIFY {owner} password within \
             {} seconds, or you will be renamed.",
            grace.as_secs()
        ),
    );
    turn.wire.guard_nick(turn.connection, grace);
}

/// The time is over in which a nickname could be kept that belongs to somebody else.
pub(in crate::chat) fn enforce_nick(turn: &mut Turn<'_>) {
    let is_due = turn.user().nick_due.is_some_and(|due| due <= turn.wire.now());
    let nick = turn.user().nick().to_owned();
    if !is_due || accounts::foreign_owner(turn, &nick).is_none() {
        return;
    }
    let guest = (0..16).find_map(|_| {
        let guest = format!("Guest{}", turn.wire.random() % 1_000_000);
        let guest = Nick::new(&guest, guest.len()).ok()?;
        turn.server.users.holder(guest.as_str()).is_none().then_some(guest)
    });
    match guest {
        Some(guest) => rename(turn, guest),
        None => {
            turn.server.disconnect(turn.wire, turn.me, "This nickname belongs to somebody else");
        }
    }
}

/// `USER name 0 * :real name` (RFC 1459, 4.1.3). Nobody has asked an ident server, so `~` comes first.
pub(super) fn user(turn: &mut Turn<'_>, message: &Message<'_>) {
    if turn.user().is_registered() {
        return turn.numeric(numeric::ERR_ALREADYREGISTERED, &[]);
    }
    let &[name, _, _, real_name, ..] = message.params() else {
        return;
    };
    if name.is_empty() || real_name.is_empty() {
        return turn.numeric(numeric::ERR_NEEDMOREPARAMS, &["USER"]);
    }
    let limits = &turn.server.settings.limits;
    let allowed = |char: &char| char.is_ascii_alphanumeric() || "-._[]{}\\|^`+".contains(*char);
    let name: String = name.chars().filter(allowed).take(limits.user_length.max(2) - 1).collect();
    if name.is_empty() {
        return turn.numeric(numeric::ERR_INVALIDUSERNAME, &[]);
    }
    let real_name = cut(real_name, limits.name_length).to_owned();
    let user = turn.user_mut();
    user.name = format!("~{name}").into();
    user.real_name = real_name.into();
    user.refresh_source();
    if let Some(registering) = user.registering() {
        registering.has_user = true;
    }
    try_register(turn);
}

/// Registers the connection, if it has said all it has to.
pub(super) fn try_register(turn: &mut Turn<'_>) {
    let has_nick = turn.user().nick.is_some();
    let Some(registering) = turn.user_mut().registering() else {
        return;
    };
    if !has_nick || !registering.has_user || registering.is_negotiating {
        return;
    }
    let given = registering.password.clone().unwrap_or_default();
    match turn.server.settings.password.clone() {
        None => complete(turn),
        Some(plain @ Password::Plain(_)) => admitted(turn, Ok(plain.verifies(&given))),
        Some(Password::Hashed(against)) => turn.verify(&given, against, admitted),
    }
}

/// The server's password was looked at.
fn admitted(turn: &mut Turn<'_>, is_right: Result<bool, String>) {
    match is_right {
        Ok(true) => complete(turn),
        Ok(false) => {
            let source = turn.source();
            turn.log(&Event::WrongPassword { who: &source, what: "the server" });
            turn.numeric(numeric::ERR_PASSWDMISMATCH, &[]);
            turn.server.disconnect(turn.wire, turn.me, "Bad password");
        }
        Err(_) => turn.server.disconnect(turn.wire, turn.me, "The server is too busy"),
    }
}

fn complete(turn: &mut Turn<'_>) {
    let (clock, now) = (turn.clock, turn.wire.now());
    let user = turn.user_mut();
    if user.is_registered() {
        return;
    }
    user.stage = Stage::Registered;
    user.signed_on = clock;
    user.spoke = now;
    user.refresh_source();
    let counters = &mut turn.server.counters;
    counters.users += 1;
    counters.most_users = counters.most_users.max(counters.users);
    let source = turn.source();
    turn.log(&Event::Welcomed { who: &source });
    turn.welcome();
    queries::tell_lusers(turn);
    queries::tell_motd(turn);
    if metadata::knows(turn.caps()) {
        metadata_events::greet(turn);
    }
    announce(turn);
    guard_nick(turn);
}

/// `PING token` (modern.ircdocs.horse, "PING message").
pub(super) fn ping(turn: &mut Turn<'_>, message: &Message<'_>) {
    match message.param(0) {
        None | Some("") => turn.numeric(numeric::ERR_NOORIGIN, &[]),
        Some(token) => {
            let name = turn.server.settings.name.clone();
            let line = turn.by_server("PONG").param(&name).text(token);
            turn.reply(line);
        }
    }
}

/// `PONG token`: that it came is all that counts.
pub(super) fn pong(_: &mut Turn<'_>, _: &Message<'_>) {}

/// `QUIT [:reason]` (RFC 1459, 4.1.6). The others can tell it from a connection that was lost.
pub(super) fn quit(turn: &mut Turn<'_>, message: &Message<'_>) {
    let reason = match message.param(0) {
        None | Some("") => "Quit".to_owned(),
        Some(reason) => format!("Quit: {}", cut(reason, turn.server.settings.limits.kick_length)),
    };
    turn.server.disconnect(turn.wire, turn.me, &reason);
}
