//! `MODE` (modern.ircdocs.horse, "MODE message"): of a channel, or of the user itself.

use crate::chat::server::context::Context;
use crate::chat::server::effect::Effect;
use crate::chat::server::modes::UserModes;
use crate::chat::wire::casemap::{ChannelName, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::channel_modes;

/// `MODE target [modes [parameters]]`
pub(super) fn mode(ctx: &mut Context<'_>, message: &Message<'_>) {
    let &[target, ref rest @ ..] = message.params() else { return };
    if ChannelName::is_meant(target) {
        return channel_modes::mode(ctx, target, rest);
    }
    if !same_name(target, ctx.user().nick()) {
        return match ctx.server.users.named(target) {
            Some(_) => ctx.numeric(numeric::ERR_USERSDONTMATCH, &[]),
            None => ctx.numeric(numeric::ERR_NOSUCHNICK, &[target]),
        };
    }
    match rest.first() {
        None => {
            let modes = ctx.user().modes.text();
            ctx.numeric(numeric::RPL_UMODEIS, &[&modes]);
        }
        Some(changes) => change(ctx, changes),
    }
}

fn change(ctx: &mut Context<'_>, changes: &str) {
    let before = ctx.user().modes;
    let mut on = true;
    let mut is_unknown = false;
    for letter in changes.chars() {
        match (letter, UserModes::of(letter)) {
            ('+', _) => on = true,
            ('-', _) => on = false,
            (_, None) => is_unknown = true,
            // Only the server grants those: by OPER, and by a login.
            (_, Some(UserModes::REGISTERED)) => {}
            (_, Some(UserModes::OPERATOR)) if on => {}
            (_, Some(mode)) => ctx.user_mut().modes.set(mode, on),
        }
    }
    if is_unknown {
        ctx.numeric(numeric::ERR_UMODEUNKNOWNFLAG, &[]);
    }
    show(ctx, before);
}

/// Shows the user what has changed, and counts it.
pub(super) fn show(ctx: &mut Context<'_>, before: UserModes) {
    let after = ctx.user().modes;
    let mut text = String::new();
    for (sign, from, to) in [('+', before, after), ('-', after, before)] {
        let changed: String =
            to.text().chars().skip(1).filter(|&it| !from.text().contains(it)).collect();
        if !changed.is_empty() {
            text.push(sign);
            text.push_str(&changed);
        }
    }
    ctx.server.counters.count_modes(before, after);
    if after != before {
        ctx.publish(|_, user| Effect::UserModes { user, modes: after.text() });
    }
    if !text.is_empty() {
        ctx.reply(ctx.by_me("MODE").param(ctx.user().nick()).param(&text));
    }
}
