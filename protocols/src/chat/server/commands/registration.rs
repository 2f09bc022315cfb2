//! Who somebody is: the way in, and the way out (modern.ircdocs.horse, "Connection Messages").

use std::time::Duration;

use crate::chat::server::Event;
use crate::chat::server::context::{Context, cut};
use crate::chat::server::settings::Password;
use crate::chat::server::users::Stage;
use crate::chat::wire::casemap::{Nick, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::services;
use super::services::{CHANSERV, NICKSERV};
use super::{accounts, metadata, metadata_events, queries};

/// `PASS password`: what the server asks of everybody, before `NICK` and `USER` (RFC 1459, 4.1.1).
pub(super) fn pass(ctx: &mut Context<'_>, message: &Message<'_>) {
    let password = message.param(0).map(str::to_owned);
    match ctx.user_mut().registering() {
        Some(registering) => registering.password = password,
        None => ctx.numeric(numeric::ERR_ALREADYREGISTERED, &[]),
    }
}

/// `NICK nick` (RFC 1459, 4.1.2).
pub(super) fn nick(ctx: &mut Context<'_>, message: &Message<'_>) {
    let Some(wanted) = message.param(0).filter(|nick| !nick.is_empty()) else {
        return ctx.numeric(numeric::ERR_NONICKNAMEGIVEN, &[]);
    };
    let is_service = [NICKSERV, CHANSERV].iter().any(|service| same_name(service, wanted));
    let nick = match Nick::new(wanted, ctx.server.settings.limits.nick_length) {
        Ok(nick) if !is_service => nick,
        _ => return ctx.numeric(numeric::ERR_ERRONEUSNICKNAME, &[wanted]),
    };
    if ctx.user().nick() == nick.as_str() {
        return;
    }
    let is_taken = ctx.server.users.holder(nick.as_str()).is_some_and(|holder| holder != ctx.me);
    if is_taken || (grace(ctx).is_zero() && accounts::foreign_owner(ctx, nick.as_str()).is_some()) {
        if let Some(registering) = ctx.user_mut().registering() {
            registering.wanted_nick = Some(nick.to_string());
        }
        return ctx.numeric(numeric::ERR_NICKNAMEINUSE, &[wanted]);
    }
    ctx.claim(&nick.clone(), move |ctx, is_granted| claimed(ctx, nick, is_granted));
}

/// The network has said whether the user may have a nickname.
fn claimed(ctx: &mut Context<'_>, nick: Nick, is_granted: bool) {
    // Somebody may have come by it while the network was asked.
    let holder = ctx.server.users.holder(nick.as_str());
    let is_taken = holder.is_some_and(|holder| holder != ctx.me);
    if is_taken && is_granted {
        ctx.server.release_nick(ctx.me, &nick);
    }
    if is_taken || !is_granted {
        if let Some(registering) = ctx.user_mut().registering() {
            registering.wanted_nick = Some(nick.to_string());
        }
        return ctx.numeric(numeric::ERR_NICKNAMEINUSE, &[nick.as_str()]);
    }
    if ctx.user().is_registered() {
        rename(ctx, nick);
        ctx.server.settle_nicks(ctx.network);
    } else {
        if let Some(before) = ctx.server.users.rename(ctx.me, nick)
            && ctx.server.users.holder(before.as_str()).is_none()
        {
            ctx.server.release_nick(ctx.me, &before);
        }
        try_register(ctx);
    }
}

fn grace(ctx: &Context<'_>) -> Duration {
    ctx.server.settings.limits.nick_grace
}

/// Gives a registered user another nickname, and tells everybody who has to know.
pub(in crate::chat::server) fn rename(ctx: &mut Context<'_>, nick: Nick) {
    let line = ctx.by_me("NICK").text(nick.as_str());
    if let Some(line) = ctx.my_line(line) {
        ctx.tell_peers(&line, |_| true);
        ctx.reply_line(line);
    }
    let before = ctx.user().nick().to_owned();
    if ctx.user().is_local() {
        let source = ctx.source();
        ctx.log(&Event::Renamed { who: &source, nick: nick.as_str() });
    }
    let is_other_name = !same_name(&before, nick.as_str());
    if is_other_name {
        let most = ctx.server.settings.limits.whowas;
        let (server, _) = ctx.server.server_of(ctx.me);
        ctx.server.whowas.push(&ctx.server.users[ctx.me], &before, server, ctx.clock, most);
        ctx.server.tell_watchers(ctx.network, numeric::RPL_MONOFFLINE, &before, &before);
    }
    if let Some(before) = ctx.server.users.rename(ctx.me, nick) {
        ctx.server.note_rename(ctx.me, &before, ctx.clock);
    }
    if is_other_name {
        announce(ctx);
        guard_nick(ctx);
    }
}

/// Tells those who wait for this nickname that it is here.
pub(in crate::chat::server) fn announce(ctx: &mut Context<'_>) {
    let (nick, source) = (ctx.user().nick().to_owned(), ctx.source());
    ctx.server.tell_watchers(ctx.network, numeric::RPL_MONONLINE, &nick, &source);
}

/// A nickname that belongs to somebody else's account is kept for a while only.
fn guard_nick(ctx: &mut Context<'_>) {
    ctx.user_mut().nick_due = None;
    let Some(connection) = ctx.user().connection else {
        return;
    };
    let nick = ctx.user().nick().to_owned();
    let Some(owner) = accounts::foreign_owner(ctx, &nick) else {
        return;
    };
    let grace = grace(ctx);
    ctx.user_mut().nick_due = Some(ctx.network.now() + grace);
    services::say(
        ctx,
        NICKSERV,
        &format!(
            "{nick} belongs to the account {owner}. Log in with /NS IDENTIFY {owner} password within \
             {} seconds, or you will be renamed.",
            grace.as_secs()
        ),
    );
    ctx.network.guard_nick(connection, grace);
}

/// The time is over in which a nickname could be kept that belongs to somebody else.
pub(in crate::chat) fn enforce_nick(ctx: &mut Context<'_>) {
    let is_due = ctx.user().nick_due.is_some_and(|due| due <= ctx.network.now());
    let nick = ctx.user().nick().to_owned();
    if !is_due || accounts::foreign_owner(ctx, &nick).is_none() {
        return;
    }
    let guest = (0..16).find_map(|_| {
        let guest = format!("Guest{}", ctx.network.random() % 1_000_000);
        let guest = Nick::new(&guest, guest.len()).ok()?;
        ctx.server.users.holder(guest.as_str()).is_none().then_some(guest)
    });
    match guest {
        Some(guest) => {
            // Nobody waits for the answer: if somebody else has that one too, one of the two gives way.
            ctx.request_nick(&guest, None);
            rename(ctx, guest);
        }
        None => {
            ctx.server.disconnect(ctx.network, ctx.me, "This nickname belongs to somebody else");
        }
    }
}

/// `USER name 0 * :real name` (RFC 1459, 4.1.3). Nobody has asked an ident server, so `~` comes first.
pub(super) fn user(ctx: &mut Context<'_>, message: &Message<'_>) {
    if ctx.user().is_registered() {
        return ctx.numeric(numeric::ERR_ALREADYREGISTERED, &[]);
    }
    let &[name, _, _, real_name, ..] = message.params() else {
        return;
    };
    if name.is_empty() || real_name.is_empty() {
        return ctx.numeric(numeric::ERR_NEEDMOREPARAMS, &["USER"]);
    }
    let limits = &ctx.server.settings.limits;
    let allowed = |char: &char| char.is_ascii_alphanumeric() || "-._[]{}\\|^`+".contains(*char);
    let name: String = name.chars().filter(allowed).take(limits.user_length.max(2) - 1).collect();
    if name.is_empty() {
        return ctx.numeric(numeric::ERR_INVALIDUSERNAME, &[]);
    }
    let real_name = cut(real_name, limits.name_length).to_owned();
    let user = ctx.user_mut();
    user.name = format!("~{name}").into();
    user.real_name = real_name.into();
    user.refresh_source();
    if let Some(registering) = user.registering() {
        registering.has_user = true;
    }
    try_register(ctx);
}

/// Registers the connection, if it has said all it has to.
pub(super) fn try_register(ctx: &mut Context<'_>) {
    let has_nick = ctx.user().nick.is_some();
    let Some(registering) = ctx.user_mut().registering() else {
        return;
    };
    if !has_nick || !registering.has_user || registering.is_negotiating {
        return;
    }
    let given = registering.password.clone().unwrap_or_default();
    match ctx.server.settings.password.clone() {
        None => complete(ctx),
        Some(plain @ Password::Plain(_)) => admitted(ctx, Ok(plain.verifies(&given))),
        Some(Password::Hashed(against)) => ctx.verify(&given, against, admitted),
    }
}

/// The server's password was looked at.
fn admitted(ctx: &mut Context<'_>, is_right: Result<bool, String>) {
    match is_right {
        Ok(true) => complete(ctx),
        Ok(false) => {
            let source = ctx.source();
            ctx.log(&Event::WrongPassword { who: &source, what: "the server" });
            ctx.numeric(numeric::ERR_PASSWDMISMATCH, &[]);
            ctx.server.disconnect(ctx.network, ctx.me, "Bad password");
        }
        Err(_) => ctx.server.disconnect(ctx.network, ctx.me, "The server is too busy"),
    }
}

fn complete(ctx: &mut Context<'_>) {
    let (clock, now) = (ctx.clock, ctx.network.now());
    let user = ctx.user_mut();
    // Its nickname may have been another's in the network, while a password was looked at.
    if user.is_registered() || user.nick.is_none() {
        return;
    }
    user.refresh_source();
    if let Some(reason) = ctx.server.why_banned(ctx.me) {
        return turn_away(ctx, &reason);
    }
    let user = ctx.user_mut();
    user.stage = Stage::Registered;
    user.signed_on = clock;
    user.spoke = now;
    let counters = &mut ctx.server.counters;
    counters.users += 1;
    counters.most_users = counters.most_users.max(counters.users);
    counters.most_everywhere = counters.most_everywhere.max(counters.users + counters.remote);
    ctx.server.introduce(ctx.me);
    let source = ctx.source();
    ctx.log(&Event::Welcomed { who: &source });
    ctx.welcome();
    queries::tell_lusers(ctx);
    queries::tell_motd(ctx);
    if metadata::knows(ctx.caps()) {
        metadata_events::greet(ctx);
    }
    announce(ctx);
    guard_nick(ctx);
}

/// Whoever is banned is told so (RFC 1459, 6.1).
fn turn_away(ctx: &mut Context<'_>, reason: &str) {
    let source = ctx.source();
    ctx.server.counters.turned_away += 1;
    ctx.log(&Event::Banned { who: &source, reason });
    let text = format!("You are banned from this server: {reason}");
    ctx.numeric_text(numeric::ERR_YOUREBANNEDCREEP, &[], &text);
    ctx.server.disconnect(ctx.network, ctx.me, &format!("Banned ({reason})"));
}

/// `PING token` (modern.ircdocs.horse, "PING message").
pub(super) fn ping(ctx: &mut Context<'_>, message: &Message<'_>) {
    match message.param(0) {
        None | Some("") => ctx.numeric(numeric::ERR_NOORIGIN, &[]),
        Some(token) => {
            let name = ctx.server.settings.name.clone();
            let line = ctx.by_server("PONG").param(&name).text(token);
            ctx.reply(line);
        }
    }
}

/// `PONG token`: that it came is all that counts.
pub(super) fn pong(_: &mut Context<'_>, _: &Message<'_>) {}

/// `QUIT [:reason]` (RFC 1459, 4.1.6). The others can tell it from a connection that was lost.
pub(super) fn quit(ctx: &mut Context<'_>, message: &Message<'_>) {
    let reason = match message.param(0) {
        None | Some("") => "Quit".to_owned(),
        Some(reason) => format!("Quit: {}", cut(reason, ctx.server.settings.limits.kick_length)),
    };
    ctx.server.disconnect(ctx.network, ctx.me, &reason);
}
