//! Accounts: logging in and out, and the `REGISTER` of IRCv3 (account-registration).

use crate::chat::accounts::{Channel, NotCreated};
use crate::chat::capability::Caps;
use crate::chat::casemap::{Nick, same_name};
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::Event;
use crate::chat::server::modes::UserModes;
use crate::chat::turn::Turn;
use crate::password::PasswordHash;

use super::services::{NICKSERV, say};

/// Bytes of a password: the least that is not called weak, and the most that fits on a line.
pub(super) const PASSWORD: std::ops::RangeInclusive<usize> = 3..=300;

// ── who is logged in ────────────────────────────────────────────────────────────────────────────────

/// The account that a nickname belongs to, if that is not the user's own.
pub(super) fn foreign_owner(turn: &Turn<'_>, nick: &str) -> Option<String> {
    let owner = turn.server.accounts.owner_of(nick)?.name();
    let is_own = turn.user().account.as_deref().is_some_and(|own| same_name(own, owner));
    (!is_own).then(|| owner.to_owned())
}

/// Logs a user in, and tells it, and those who want to know.
pub(super) fn log_in(turn: &mut Turn<'_>, account: &str) {
    turn.server.users.set_account(turn.me, Some(account));
    let user = turn.user_mut();
    user.modes.set(UserModes::REGISTERED, true);
    user.wrong_passwords = 0;
    let source = turn.source();
    turn.log(&Event::LoggedIn { who: &source, account });
    turn.numeric_text(
        numeric::RPL_LOGGEDIN,
        &[&source, account],
        &format!("You are now logged in as {account}"),
    );
    notify(turn, account);
    let nick = turn.user().nick().to_owned();
    if foreign_owner(turn, &nick).is_none() {
        turn.user_mut().nick_due = None;
    }
}

pub(super) fn log_out(turn: &mut Turn<'_>) {
    turn.server.users.set_account(turn.me, None);
    turn.user_mut().modes.set(UserModes::REGISTERED, false);
    let source = turn.source();
    turn.numeric(numeric::RPL_LOGGEDOUT, &[&source]);
    notify(turn, "*");
}

/// Tells the user's peers (IRCv3 account-notify).
fn notify(turn: &mut Turn<'_>, account: &str) {
    if !turn.user().is_registered() {
        return;
    }
    let line = turn.by_me("ACCOUNT").param(account);
    if let Some(line) = turn.my_line(line) {
        turn.tell_peers(&line, |caps| caps.has(Caps::ACCOUNT_NOTIFY));
    }
}

/// One more wrong password: a few are mistakes, more are guesses.
pub(super) fn count_wrong_password(turn: &mut Turn<'_>, what: &str) {
    let source = turn.source();
    turn.log(&Event::WrongPassword { who: &source, what });
    let user = turn.user_mut();
    user.wrong_passwords += 1;
    if user.wrong_passwords >= turn.server.settings.limits.password_attempts {
        turn.server.disconnect(turn.wire, turn.me, "Too many wrong passwords");
    }
}

// ── registering ─────────────────────────────────────────────────────────────────────────────────────

/// `REGISTER account|* email|* password` (IRCv3 account-registration).
pub(super) fn register(turn: &mut Turn<'_>, message: &Message<'_>) {
    let &[name, _, password, ..] = message.params() else {
        return;
    };
    let name = if name == "*" { own_name(turn) } else { name.to_owned() };
    begin(turn, &name, password, true);
}

/// The nickname; or the one that was wanted, and somebody else has.
fn own_name(turn: &mut Turn<'_>) -> String {
    let wanted = turn.user_mut().registering().and_then(|it| it.wanted_nick.clone());
    match turn.user().nick.as_ref() {
        Some(nick) => nick.to_string(),
        None => wanted.unwrap_or_else(|| "*".to_owned()),
    }
}

/// `VERIFY account code`: nothing is ever waiting to be verified here.
pub(super) fn verify(turn: &mut Turn<'_>, message: &Message<'_>) {
    let account = message.param(0).unwrap_or_default();
    turn.fail("VERIFY", "INVALID_CODE", &[account], "No account waits to be verified");
}

pub(super) fn begin(turn: &mut Turn<'_>, name: &str, password: &str, by_command: bool) {
    match refusal(turn, name, password) {
        Some((code, text)) => refuse(turn, name, by_command, code, text),
        None => {
            let account = name.to_owned();
            turn.hash(password, move |turn, hash| hashed(turn, account, by_command, hash));
        }
    }
}

/// Why an account is not made, before its password is hashed.
fn refusal(turn: &Turn<'_>, name: &str, password: &str) -> Option<(&'static str, &'static str)> {
    let settings = &turn.server.settings;
    let holder = turn.server.users.holder(name);
    Some(match () {
        () if !settings.registration => ("DISALLOWED", "Accounts are made by the operators here"),
        () if turn.user().account.is_some() => {
            ("ALREADY_AUTHENTICATED", "You are logged in already")
        }
        () if Nick::new(name, settings.limits.nick_length).is_err() => {
            ("BAD_ACCOUNT_NAME", "An account's name has to be a nickname")
        }
        () if turn.server.accounts.owner_of(name).is_some() => {
            ("ACCOUNT_EXISTS", "There is an account of that name already")
        }
        () if holder.is_some_and(|holder| holder != turn.me) => {
            ("USERNAME_EXISTS", "Somebody else goes by that name")
        }
        () if password.len() < *PASSWORD.start() => ("WEAK_PASSWORD", "The password is too short"),
        () if password.len() > *PASSWORD.end() => {
            ("UNACCEPTABLE_PASSWORD", "The password is too long")
        }
        () => return None,
    })
}

fn refuse(turn: &mut Turn<'_>, name: &str, by_command: bool, code: &str, text: &str) {
    if by_command {
        turn.fail("REGISTER", code, &[name], text);
    } else {
        say(turn, NICKSERV, text);
    }
}

/// The password of a new account is hashed: the account is made, and has yet to be saved.
fn hashed(
    turn: &mut Turn<'_>,
    account: String,
    by_command: bool,
    hash: Result<PasswordHash, String>,
) {
    let Ok(hash) = hash else {
        return refuse(turn, &account, by_command, "TEMPORARILY_UNAVAILABLE", "Try again later");
    };
    match turn.server.accounts.create(&account, hash, turn.clock.system()) {
        Ok(()) => turn.save_and(move |turn| registered(turn, &account, by_command)),
        Err(NotCreated::Taken { .. }) => {
            refuse(
                turn,
                &account,
                by_command,
                "ACCOUNT_EXISTS",
                "There is an account of that name already",
            );
        }
        Err(NotCreated::BadName) => {
            refuse(
                turn,
                &account,
                by_command,
                "BAD_ACCOUNT_NAME",
                "That is no name for an account",
            );
        }
        Err(NotCreated::TooMany) => {
            refuse(
                turn,
                &account,
                by_command,
                "TEMPORARILY_UNAVAILABLE",
                "There are too many accounts",
            );
        }
    }
}

/// The account is on the disk.
fn registered(turn: &mut Turn<'_>, account: &str, by_command: bool) {
    let source = turn.source();
    turn.log(&Event::AccountRegistered { who: &source, account });
    if by_command {
        let line = turn.by_server("REGISTER").param("SUCCESS").param(account);
        turn.reply(line.text("The account is yours"));
    } else {
        say(turn, NICKSERV, "Account created");
    }
    log_in(turn, account);
}

/// Whether a channel is registered, and by the user.
pub(super) fn is_founder(turn: &Turn<'_>, channel: &str) -> bool {
    let founder = turn.server.accounts.channel(channel).map(Channel::founder);
    let own = turn.user().account.as_deref();
    founder.zip(own).is_some_and(|(founder, own)| same_name(founder, own))
}
