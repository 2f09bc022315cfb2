//! What only operators may (modern.ircdocs.horse, "Operator Messages").

use crate::chat::server::Event;
use crate::chat::server::context::{Context, cut, presentable};
use crate::chat::server::effect::Effect;
use crate::chat::server::keys::UserKey;
use crate::chat::server::modes::UserModes;
use crate::chat::server::settings::{Password, Settings};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::mask;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::{accounts, modes};

/// `OPER name password` (RFC 1459, 4.1.5).
pub(super) fn oper(ctx: &mut Context<'_>, message: &Message<'_>) {
    let &[name, password, ..] = message.params() else { return };
    let from = format!("{}@{}", ctx.user().name, ctx.user().real_host);
    let operators = &ctx.server.settings.operators;
    let known = operators.iter().find(|operator| operator.name == name);
    let is_one = known.is_some_and(|operator| mask::matches(&operator.host, &from));
    // Somebody who is none hears so as late as somebody who is.
    let like = known.or_else(|| operators.iter().find(|it| *it.name > *name)).or(operators.first());
    let name = is_one.then(|| name.to_owned());
    match like.map(|operator| operator.password.clone()) {
        Some(Password::Hashed(against)) => {
            ctx.verify(password, against, move |ctx, right| {
                opered(ctx, name.as_deref(), right);
            });
        }
        Some(plain @ Password::Plain(_)) if is_one => {
            opered(ctx, name.as_deref(), Ok(plain.verifies(password)));
        }
        _ => opered(ctx, None, Ok(false)),
    }
}

/// The password was looked at. `None`: nobody may be an operator by that name, or not from there; whatever
/// the password is.
fn opered(ctx: &mut Context<'_>, name: Option<&str>, is_right: Result<bool, String>) {
    match (is_right, name) {
        (Ok(true), Some(name)) => {
            let before = ctx.user().modes;
            ctx.user_mut().modes.set(UserModes::OPERATOR, true);
            ctx.user_mut().wrong_passwords = 0;
            let source = ctx.source();
            ctx.log(&Event::Operator { who: &source, name });
            ctx.numeric(numeric::RPL_YOUREOPER, &[]);
            modes::show(ctx, before);
        }
        (Ok(_), Some(name)) => {
            ctx.numeric(numeric::ERR_PASSWDMISMATCH, &[]);
            accounts::count_wrong_password(ctx, name);
        }
        (Ok(_), None) => {
            ctx.numeric(numeric::ERR_NOOPERHOST, &[]);
            accounts::count_wrong_password(ctx, "an unknown operator");
        }
        (Err(_), _) => ctx.numeric(numeric::RPL_TRYAGAIN, &["OPER"]),
    }
}

/// `KILL nick [:reason]` (RFC 1459, 4.6.1).
pub(super) fn kill(ctx: &mut Context<'_>, message: &Message<'_>) {
    let nick = message.param(0).unwrap_or_default();
    let reason = message.param(1).filter(|reason| !reason.is_empty()).unwrap_or("No reason given");
    let reason = cut(reason, ctx.server.settings.limits.kick_length).to_owned();
    if same_name(nick, &ctx.server.settings.name) {
        return ctx.numeric(numeric::ERR_CANTKILLSERVER, &[]);
    }
    let Some(victim) = ctx.reach(nick) else {
        return ctx.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let quit = format!("Killed ({} ({reason}))", ctx.user().nick());
    let request = |by, user| Effect::Kill {
        by: Some(by),
        user,
        reason: Some(reason.clone()),
        quit: quit.clone(),
    };
    if !ctx.ask_home(victim, request) {
        remove_user(ctx, victim, Some(reason), &quit);
    }
}

/// Removes a user of this node, who is told why if there is a reason.
pub(in crate::chat::server) fn remove_user(
    ctx: &mut Context<'_>,
    victim: UserKey,
    reason: Option<String>,
    quit: &str,
) {
    if let Some(reason) = reason {
        let (who, source) = (ctx.server.users[victim].source.clone(), ctx.source());
        let nick = ctx.server.users[victim].nick().to_owned();
        ctx.log(&Event::Killed { who: &who, by: &source, reason: &reason });
        let line = ctx.by_me("KILL").param(&nick).text(&reason);
        if let Some(line) = ctx.my_line(line) {
            ctx.tell_user(victim, &line);
        }
    }
    ctx.server.disconnect(ctx.network, victim, quit);
}

/// `REHASH`: reads the settings anew, away from the loop (RFC 1459, 5.2).
pub(super) fn rehash(ctx: &mut Context<'_>, _: &Message<'_>) {
    ctx.numeric(numeric::RPL_REHASHING, &["settings"]);
    if let Some(loader) = ctx.server.loader.clone() {
        ctx.offload(None, move |_| loader(), rehashed);
    }
}

/// The settings were read.
fn rehashed(ctx: &mut Context<'_>, loaded: Result<Settings, String>) {
    let source = ctx.source();
    match loaded {
        Ok(settings) => {
            let later = ctx.server.rehash(settings);
            ctx.log(&Event::Rehashed { by: &source });
            ctx.note("REHASH", "REHASHED", &[], "The settings were read anew");
            for setting in later {
                ctx.log(&Event::NotYet { setting });
                ctx.note("REHASH", "NOT_YET", &[setting], "This counts from the next start on");
            }
        }
        Err(error) => {
            ctx.log(&Event::NotRehashed { by: &source, error: &error });
            for line in error.lines().filter(|line| !line.is_empty()) {
                ctx.fail("REHASH", "CONFIG_BAD", &[], line);
            }
        }
    }
}

/// `WALLOPS :text`: to all who listen (user mode `w`).
pub(super) fn wallops(ctx: &mut Context<'_>, message: &Message<'_>) {
    tell_wallops(ctx, message.param(0).unwrap_or_default());
}

/// Tells all who listen what an operator says.
pub(in crate::chat::server) fn tell_wallops(ctx: &mut Context<'_>, text: &str) {
    ctx.publish(|_, by| Effect::Wallops { by, text: text.to_owned() });
    let line = ctx.by_me("WALLOPS").text(text);
    let Some(line) = ctx.my_line(line) else { return };
    let listeners: Vec<_> = ctx
        .server
        .users
        .registered()
        .filter(|(key, user)| user.modes.has(UserModes::WALLOPS) && *key != ctx.me)
        .map(|(key, _)| key)
        .collect();
    ctx.tell_each(&listeners, &line, |_| true);
    if ctx.user().modes.has(UserModes::WALLOPS) {
        ctx.reply_line(line);
    }
}

/// `CHGHOST nick host`: gives a user another visible host (IRCv3 chghost).
pub(super) fn chghost(ctx: &mut Context<'_>, message: &Message<'_>) {
    let &[nick, host, ..] = message.params() else { return };
    let is_host = !host.is_empty()
        && host.len() <= 64
        && presentable(host) == host
        && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-:/_".contains(char));
    if !is_host {
        return ctx.fail("CHGHOST", "INVALID_HOST", &[host], "That is no host name");
    }
    let Some(user) = ctx.reach(nick) else {
        return ctx.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let nick = ctx.server.users[user].nick().to_owned();
    if ctx.ask_home(user, |_, user| Effect::Host { user, host: host.to_owned() }) {
        let text = "The user's server is asked to change it";
        return ctx.note("CHGHOST", "ASKED", &[&nick, host], text);
    }
    set_host(ctx, user, host);
    ctx.note("CHGHOST", "CHANGED", &[&nick, host], "The host is changed");
}

/// Gives a user another visible host, and tells it, and who shares a channel with it.
pub(in crate::chat::server) fn set_host(ctx: &mut Context<'_>, user: UserKey, host: &str) {
    let target = &ctx.server.users[user];
    let line = crate::chat::wire::builder::Builder::new().source(&target.source).command("CHGHOST");
    let line = line.param(&target.name).param(host);
    let mut told = ctx.server.peers(user);
    told.push(user);
    if let Some(line) = ctx.line(line) {
        ctx.tell_each(&told, &line, |caps| caps.has(Caps::CHGHOST));
    }
    let target = &mut ctx.server.users[user];
    target.host = host.into();
    target.refresh_source();
    tell_host(ctx, user, host);
    ctx.server.publish(user, |_, user| Effect::Host { user, host: host.to_owned() });
}

/// Tells a user that does not know of `CHGHOST` what its host is now.
fn tell_host(ctx: &mut Context<'_>, user: UserKey, host: &str) {
    let target = &ctx.server.users[user];
    if target.caps.has(Caps::CHGHOST) {
        return;
    }
    let numeric = numeric::RPL_VISIBLEHOST;
    let line = ctx.by_server(&numeric.to_string()).param(target.nick()).param(host);
    if let Some(line) = ctx.line(line.text(numeric.text())) {
        ctx.tell_user(user, &line);
    }
}
