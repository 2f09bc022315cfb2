//! What only operators may (modern.ircdocs.horse, "Operator Messages").

use crate::chat::capability::Caps;
use crate::chat::casemap::same_name;
use crate::chat::mask;
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::Event;
use crate::chat::server::modes::UserModes;
use crate::chat::server::users::UserKey;
use crate::chat::settings::{Password, Settings};
use crate::chat::turn::{Turn, cut, presentable};

use super::{accounts, modes};

/// `OPER name password` (RFC 1459, 4.1.5).
pub(super) fn oper(turn: &mut Turn<'_>, message: &Message<'_>) {
    let &[name, password, ..] = message.params() else {
        return;
    };
    let from = format!("{}@{}", turn.user().name, turn.user().real_host);
    let operators = &turn.server.settings.operators;
    let known = operators.iter().find(|operator| operator.name == name);
    let is_one = known.is_some_and(|operator| mask::matches(&operator.host, &from));
    // Somebody who is none hears so as late as somebody who is.
    let like = known.or_else(|| operators.iter().find(|it| *it.name > *name)).or(operators.first());
    let name = is_one.then(|| name.to_owned());
    match like.map(|operator| operator.password.clone()) {
        Some(Password::Hashed(against)) => {
            turn.verify(password, against, move |turn, right| opered(turn, name.as_deref(), right));
        }
        Some(plain @ Password::Plain(_)) if is_one => {
            opered(turn, name.as_deref(), Ok(plain.verifies(password)));
        }
        _ => opered(turn, None, Ok(false)),
    }
}

/// The password was looked at. `None`: nobody may be an operator by that name, or not from there; whatever
/// the password is.
fn opered(turn: &mut Turn<'_>, name: Option<&str>, is_right: Result<bool, String>) {
    match (is_right, name) {
        (Ok(true), Some(name)) => {
            let before = turn.user().modes;
            turn.user_mut().modes.set(UserModes::OPERATOR, true);
            turn.user_mut().wrong_passwords = 0;
            let source = turn.source();
            turn.log(&Event::Operator { who: &source, name });
            turn.numeric(numeric::RPL_YOUREOPER, &[]);
            modes::show(turn, before);
        }
        (Ok(_), Some(name)) => {
            turn.numeric(numeric::ERR_PASSWDMISMATCH, &[]);
            accounts::count_wrong_password(turn, name);
        }
        (Ok(_), None) => {
            turn.numeric(numeric::ERR_NOOPERHOST, &[]);
            accounts::count_wrong_password(turn, "an unknown operator");
        }
        (Err(_), _) => turn.numeric(numeric::RPL_TRYAGAIN, &["OPER"]),
    }
}

/// `KILL nick [:reason]` (RFC 1459, 4.6.1).
pub(super) fn kill(turn: &mut Turn<'_>, message: &Message<'_>) {
    let nick = message.param(0).unwrap_or_default();
    let reason = message.param(1).filter(|reason| !reason.is_empty()).unwrap_or("No reason given");
    let reason = cut(reason, turn.server.settings.limits.kick_length).to_owned();
    if same_name(nick, &turn.server.settings.name) {
        return turn.numeric(numeric::ERR_CANTKILLSERVER, &[]);
    }
    let Some(victim) = turn.server.users.named(nick) else {
        return turn.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let by = turn.user().nick().to_owned();
    let (who, source) = (turn.server.users[victim].source.clone(), turn.source());
    let nick = turn.server.users[victim].nick().to_owned();
    turn.log(&Event::Killed { who: &who, by: &source, reason: &reason });
    let line = turn.by_me("KILL").param(&nick).text(&reason);
    if let Some(line) = turn.my_line(line) {
        turn.tell_user(victim, &line);
    }
    turn.server.disconnect(turn.wire, victim, &format!("Killed ({by} ({reason}))"));
}

/// `REHASH`: reads the settings anew, away from the loop (RFC 1459, 5.2).
pub(super) fn rehash(turn: &mut Turn<'_>, _: &Message<'_>) {
    turn.numeric(numeric::RPL_REHASHING, &["settings"]);
    if let Some(loader) = turn.server.loader.clone() {
        turn.offload(None, move |_| loader(), rehashed);
    }
}

/// The settings were read.
fn rehashed(turn: &mut Turn<'_>, loaded: Result<Settings, String>) {
    let source = turn.source();
    match loaded {
        Ok(settings) => {
            let later = turn.server.rehash(settings);
            turn.log(&Event::Rehashed { by: &source });
            turn.note("REHASH", "REHASHED", &[], "The settings were read anew");
            for setting in later {
                turn.log(&Event::NotYet { setting });
                turn.note("REHASH", "NOT_YET", &[setting], "This counts from the next start on");
            }
        }
        Err(error) => {
            turn.log(&Event::NotRehashed { by: &source, error: &error });
            for line in error.lines().filter(|line| !line.is_empty()) {
                turn.fail("REHASH", "CONFIG_BAD", &[], line);
            }
        }
    }
}

/// `WALLOPS :text`: to all who listen (user mode `w`).
pub(super) fn wallops(turn: &mut Turn<'_>, message: &Message<'_>) {
    let text = message.param(0).unwrap_or_default();
    let line = turn.by_me("WALLOPS").text(text);
    let Some(line) = turn.my_line(line) else {
        return;
    };
    let listeners: Vec<_> = turn
        .server
        .users
        .registered()
        .filter(|(key, user)| user.modes.has(UserModes::WALLOPS) && *key != turn.me)
        .map(|(key, _)| key)
        .collect();
    turn.tell_each(&listeners, &line, |_| true);
    if turn.user().modes.has(UserModes::WALLOPS) {
        turn.reply_line(line);
    }
}

/// `CHGHOST nick host`: gives a user another visible host (IRCv3 chghost).
pub(super) fn chghost(turn: &mut Turn<'_>, message: &Message<'_>) {
    let &[nick, host, ..] = message.params() else {
        return;
    };
    let is_host = !host.is_empty()
        && host.len() <= 64
        && presentable(host) == host
        && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-:/_".contains(char));
    if !is_host {
        return turn.fail("CHGHOST", "INVALID_HOST", &[host], "That is no host name");
    }
    let Some(user) = turn.server.users.named(nick) else {
        return turn.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let target = &turn.server.users[user];
    let line = crate::chat::builder::Builder::new().source(&target.source).command("CHGHOST");
    let line = line.param(&target.name).param(host);
    let mut told = turn.server.peers(user);
    told.push(user);
    if let Some(line) = turn.line(line) {
        turn.tell_each(&told, &line, |caps| caps.has(Caps::CHGHOST));
    }
    let target = &mut turn.server.users[user];
    target.host = host.into();
    target.refresh_source();
    let nick = target.nick().to_owned();
    tell_host(turn, user, host);
    turn.note("CHGHOST", "CHANGED", &[&nick, host], "The host is changed");
}

/// Tells a user that does not know of `CHGHOST` what its host is now.
fn tell_host(turn: &mut Turn<'_>, user: UserKey, host: &str) {
    let target = &turn.server.users[user];
    if target.caps.has(Caps::CHGHOST) {
        return;
    }
    let numeric = numeric::RPL_VISIBLEHOST;
    let line = turn.by_server(&numeric.to_string()).param(target.nick()).param(host);
    if let Some(line) = turn.line(line.text(numeric.text())) {
        turn.tell_user(user, &line);
    }
}
