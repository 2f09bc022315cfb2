//! `NICK`: who may have a nickname, what happens where two want the same one, and what becomes of one that
//! belongs to somebody else's account.
//!
//! ```text
//!   NICK ──▶ held here, by one who is not about to quit? an account's, and nobody has a while to log in? ──▶ 433
//!                │ no
//!                ▼
//!            the network is asked ──▶ held there, or meanwhile here? ──▶ 433
//!                │ granted
//!                ▼
//!            rename, or the way in goes on ──▶ an account's? a while to log in, or Guest12345
//! ```

use std::time::Duration;

use crate::chat::server::Event;
use crate::chat::server::context::Context;
use crate::chat::wire::casemap::{Nick, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::accounts;
use super::registration::try_register;
use super::services::{self, CHANSERV, NICKSERV};

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
    let is_kept = grace(ctx).is_zero() && accounts::foreign_owner(ctx, nick.as_str()).is_some();
    if is_kept || is_taken(ctx, &nick) {
        return collide(ctx, &nick);
    }
    ctx.claim(&nick.clone(), move |ctx, is_granted| claimed(ctx, nick, is_granted));
}

/// The network has said whether the user may have a nickname.
fn claimed(ctx: &mut Context<'_>, nick: Nick, is_granted: bool) {
    // Somebody may have come by it while the network was asked.
    let is_taken = is_taken(ctx, &nick);
    if is_taken && is_granted {
        ctx.server.release_nick(ctx.me, &nick);
    }
    if is_taken || !is_granted {
        return collide(ctx, &nick);
    }
    ctx.server.free_nick(ctx.network, &nick, ctx.me);
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
    ctx.server.settle_rooms(ctx.network);
}

/// Whether somebody else has it, and keeps it.
fn is_taken(ctx: &Context<'_>, nick: &Nick) -> bool {
    let holder = ctx.server.users.holder(nick.as_str()).filter(|&holder| holder != ctx.me);
    holder.is_some_and(|holder| !ctx.server.is_leaving(holder))
}

/// Two want the same nickname, and this user was not the first. On the way in it is remembered: who logs in may
/// get it back.
fn collide(ctx: &mut Context<'_>, nick: &Nick) {
    if let Some(registering) = ctx.user_mut().registering() {
        registering.wanted_nick = Some(nick.to_string());
    }
    ctx.numeric(numeric::ERR_NICKNAMEINUSE, &[nick.as_str()]);
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
pub(super) fn guard_nick(ctx: &mut Context<'_>) {
    ctx.user_mut().nick_due = None;
    let Some(connection) = ctx.user().connection else { return };
    let nick = ctx.user().nick().to_owned();
    let Some(owner) = accounts::foreign_owner(ctx, &nick) else { return };
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
pub(in crate::chat::server) fn enforce_nick(ctx: &mut Context<'_>) {
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
