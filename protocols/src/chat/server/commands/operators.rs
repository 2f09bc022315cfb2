//! What only operators may (modern.ircdocs.horse, "Operator Messages").

use crate::chat::server::Event;
use crate::chat::server::keys::UserKey;
use crate::chat::server::modes::UserModes;
use crate::chat::server::scope::{Scope, cut, presentable};
use crate::chat::server::settings::{Password, Settings};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::mask;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::{accounts, modes};

/// `OPER name password` (RFC 1459, 4.1.5).
pub(super) fn oper(scope: &mut Scope<'_>, message: &Message<'_>) {
    let &[name, password, ..] = message.params() else {
        return;
    };
    let from = format!("{}@{}", scope.user().name, scope.user().real_host);
    let operators = &scope.server.settings.operators;
    let known = operators.iter().find(|operator| operator.name == name);
    let is_one = known.is_some_and(|operator| mask::matches(&operator.host, &from));
    // Somebody who is none hears so as late as somebody who is.
    let like = known.or_else(|| operators.iter().find(|it| *it.name > *name)).or(operators.first());
    let name = is_one.then(|| name.to_owned());
    match like.map(|operator| operator.password.clone()) {
        Some(Password::Hashed(against)) => {
            scope.verify(password, against, move |scope, right| {
                opered(scope, name.as_deref(), right);
            });
        }
        Some(plain @ Password::Plain(_)) if is_one => {
            opered(scope, name.as_deref(), Ok(plain.verifies(password)));
        }
        _ => opered(scope, None, Ok(false)),
    }
}

/// The password was looked at. `None`: nobody may be an operator by that name, or not from there; whatever
/// the password is.
fn opered(scope: &mut Scope<'_>, name: Option<&str>, is_right: Result<bool, String>) {
    match (is_right, name) {
        (Ok(true), Some(name)) => {
            let before = scope.user().modes;
            scope.user_mut().modes.set(UserModes::OPERATOR, true);
            scope.user_mut().wrong_passwords = 0;
            let source = scope.source();
            scope.log(&Event::Operator { who: &source, name });
            scope.numeric(numeric::RPL_YOUREOPER, &[]);
            modes::show(scope, before);
        }
        (Ok(_), Some(name)) => {
            scope.numeric(numeric::ERR_PASSWDMISMATCH, &[]);
            accounts::count_wrong_password(scope, name);
        }
        (Ok(_), None) => {
            scope.numeric(numeric::ERR_NOOPERHOST, &[]);
            accounts::count_wrong_password(scope, "an unknown operator");
        }
        (Err(_), _) => scope.numeric(numeric::RPL_TRYAGAIN, &["OPER"]),
    }
}

/// `KILL nick [:reason]` (RFC 1459, 4.6.1).
pub(super) fn kill(scope: &mut Scope<'_>, message: &Message<'_>) {
    let nick = message.param(0).unwrap_or_default();
    let reason = message.param(1).filter(|reason| !reason.is_empty()).unwrap_or("No reason given");
    let reason = cut(reason, scope.server.settings.limits.kick_length).to_owned();
    if same_name(nick, &scope.server.settings.name) {
        return scope.numeric(numeric::ERR_CANTKILLSERVER, &[]);
    }
    let Some(victim) = scope.server.users.named(nick) else {
        return scope.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let by = scope.user().nick().to_owned();
    let (who, source) = (scope.server.users[victim].source.clone(), scope.source());
    let nick = scope.server.users[victim].nick().to_owned();
    scope.log(&Event::Killed { who: &who, by: &source, reason: &reason });
    let line = scope.by_me("KILL").param(&nick).text(&reason);
    if let Some(line) = scope.my_line(line) {
        scope.tell_user(victim, &line);
    }
    scope.server.disconnect(scope.network, victim, &format!("Killed ({by} ({reason}))"));
}

/// `REHASH`: reads the settings anew, away from the loop (RFC 1459, 5.2).
pub(super) fn rehash(scope: &mut Scope<'_>, _: &Message<'_>) {
    scope.numeric(numeric::RPL_REHASHING, &["settings"]);
    if let Some(loader) = scope.server.loader.clone() {
        scope.offload(None, move |_| loader(), rehashed);
    }
}

/// The settings were read.
fn rehashed(scope: &mut Scope<'_>, loaded: Result<Settings, String>) {
    let source = scope.source();
    match loaded {
        Ok(settings) => {
            let later = scope.server.rehash(settings);
            scope.log(&Event::Rehashed { by: &source });
            scope.note("REHASH", "REHASHED", &[], "The settings were read anew");
            for setting in later {
                scope.log(&Event::NotYet { setting });
                scope.note("REHASH", "NOT_YET", &[setting], "This counts from the next start on");
            }
        }
        Err(error) => {
            scope.log(&Event::NotRehashed { by: &source, error: &error });
            for line in error.lines().filter(|line| !line.is_empty()) {
                scope.fail("REHASH", "CONFIG_BAD", &[], line);
            }
        }
    }
}

/// `WALLOPS :text`: to all who listen (user mode `w`).
pub(super) fn wallops(scope: &mut Scope<'_>, message: &Message<'_>) {
    let text = message.param(0).unwrap_or_default();
    let line = scope.by_me("WALLOPS").text(text);
    let Some(line) = scope.my_line(line) else {
        return;
    };
    let listeners: Vec<_> = scope
        .server
        .users
        .registered()
        .filter(|(key, user)| user.modes.has(UserModes::WALLOPS) && *key != scope.me)
        .map(|(key, _)| key)
        .collect();
    scope.tell_each(&listeners, &line, |_| true);
    if scope.user().modes.has(UserModes::WALLOPS) {
        scope.reply_line(line);
    }
}

/// `CHGHOST nick host`: gives a user another visible host (IRCv3 chghost).
pub(super) fn chghost(scope: &mut Scope<'_>, message: &Message<'_>) {
    let &[nick, host, ..] = message.params() else {
        return;
    };
    let is_host = !host.is_empty()
        && host.len() <= 64
        && presentable(host) == host
        && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-:/_".contains(char));
    if !is_host {
        return scope.fail("CHGHOST", "INVALID_HOST", &[host], "That is no host name");
    }
    let Some(user) = scope.server.users.named(nick) else {
        return scope.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let target = &scope.server.users[user];
    let line = crate::chat::wire::builder::Builder::new().source(&target.source).command("CHGHOST");
    let line = line.param(&target.name).param(host);
    let mut told = scope.server.peers(user);
    told.push(user);
    if let Some(line) = scope.line(line) {
        scope.tell_each(&told, &line, |caps| caps.has(Caps::CHGHOST));
    }
    let target = &mut scope.server.users[user];
    target.host = host.into();
    target.refresh_source();
    let nick = target.nick().to_owned();
    tell_host(scope, user, host);
    scope.note("CHGHOST", "CHANGED", &[&nick, host], "The host is changed");
}

/// Tells a user that does not know of `CHGHOST` what its host is now.
fn tell_host(scope: &mut Scope<'_>, user: UserKey, host: &str) {
    let target = &scope.server.users[user];
    if target.caps.has(Caps::CHGHOST) {
        return;
    }
    let numeric = numeric::RPL_VISIBLEHOST;
    let line = scope.by_server(&numeric.to_string()).param(target.nick()).param(host);
    if let Some(line) = scope.line(line.text(numeric.text())) {
        scope.tell_user(user, &line);
    }
}
