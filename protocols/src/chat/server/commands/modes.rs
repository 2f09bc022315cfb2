//! `MODE` (modern.ircdocs.horse, "MODE message"): of a channel, or of the user itself.

use crate::chat::server::modes::UserModes;
use crate::chat::server::scope::Scope;
use crate::chat::wire::casemap::{ChannelName, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::channel_modes;

/// `MODE target [modes [parameters]]`
pub(super) fn mode(scope: &mut Scope<'_>, message: &Message<'_>) {
    let &[target, ref rest @ ..] = message.params() else {
        return;
    };
    if ChannelName::is_meant(target) {
        return channel_modes::mode(scope, target, rest);
    }
    if !same_name(target, scope.user().nick()) {
        return match scope.server.users.named(target) {
            Some(_) => scope.numeric(numeric::ERR_USERSDONTMATCH, &[]),
            None => scope.numeric(numeric::ERR_NOSUCHNICK, &[target]),
        };
    }
    match rest.first() {
        None => {
            let modes = scope.user().modes.text();
            scope.numeric(numeric::RPL_UMODEIS, &[&modes]);
        }
        Some(changes) => change(scope, changes),
    }
}

fn change(scope: &mut Scope<'_>, changes: &str) {
    let before = scope.user().modes;
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
            (_, Some(mode)) => scope.user_mut().modes.set(mode, on),
        }
    }
    if is_unknown {
        scope.numeric(numeric::ERR_UMODEUNKNOWNFLAG, &[]);
    }
    show(scope, before);
}

/// Shows the user what has changed, and counts it.
pub(super) fn show(scope: &mut Scope<'_>, before: UserModes) {
    let after = scope.user().modes;
    let mut text = String::new();
    for (sign, from, to) in [('+', before, after), ('-', after, before)] {
        let changed: String =
            to.text().chars().skip(1).filter(|&it| !from.text().contains(it)).collect();
        if !changed.is_empty() {
            text.push(sign);
            text.push_str(&changed);
        }
    }
    let counters = &mut scope.server.counters;
    for (mode, count) in [
        (UserModes::INVISIBLE, &mut counters.invisible),
        (UserModes::OPERATOR, &mut counters.operators),
    ] {
        *count = *count + u64::from(after.has(mode)) - u64::from(before.has(mode));
    }
    if !text.is_empty() {
        let nick = scope.user().nick().to_owned();
        let line = scope.by_me("MODE").param(&nick).param(&text);
        scope.reply(line);
    }
}
