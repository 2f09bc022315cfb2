//! The way in, and the way out (modern.ircdocs.horse, "Connection Messages").

use crate::chat::server::Event;
use crate::chat::server::context::{Context, cut};
use crate::chat::server::settings::Password;
use crate::chat::server::users::Stage;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::nick::{announce, guard_nick};
use super::{metadata, metadata_events, queries};

/// `PASS password`: what the server asks of everybody, before `NICK` and `USER` (RFC 1459, 4.1.1).
pub(super) fn pass(ctx: &mut Context<'_>, message: &Message<'_>) {
    let password = message.param(0).map(str::to_owned);
    match ctx.user_mut().registering() {
        Some(registering) => registering.password = password,
        None => ctx.numeric(numeric::ERR_ALREADYREGISTERED, &[]),
    }
}

/// `USER name 0 * :real name` (RFC 1459, 4.1.3). Nobody has asked an ident server, so `~` comes first.
pub(super) fn user(ctx: &mut Context<'_>, message: &Message<'_>) {
    if ctx.user().is_registered() {
        return ctx.numeric(numeric::ERR_ALREADYREGISTERED, &[]);
    }
    let &[name, _, _, real_name, ..] = message.params() else { return };
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
    let Some(registering) = ctx.user_mut().registering() else { return };
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
            ctx.reply(ctx.by_server("PONG").param(&ctx.server.settings.name).text(token));
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
