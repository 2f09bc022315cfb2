//! Accounts: logging in and out, and the `REGISTER` of IRCv3 (account-registration).

use crate::chat::server::Event;
use crate::chat::server::accounts::{Channel, NotCreated};
use crate::chat::server::modes::UserModes;
use crate::chat::server::scope::Scope;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::{Nick, same_name};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::password::PasswordHash;

use super::services::{NICKSERV, say};

/// Bytes of a password: the least that is not called weak, and the most that fits on a line.
pub(super) const PASSWORD: std::ops::RangeInclusive<usize> = 3..=300;

// ── who is logged in ────────────────────────────────────────────────────────────────────────────────

/// The account that a nickname belongs to, if that is not the user's own.
pub(super) fn foreign_owner(scope: &Scope<'_>, nick: &str) -> Option<String> {
    let owner = scope.server.accounts.owner_of(nick)?.name();
    let is_own = scope.user().account.as_deref().is_some_and(|own| same_name(own, owner));
    (!is_own).then(|| owner.to_owned())
}

/// Logs a user in, and tells it, and those who want to know.
pub(super) fn log_in(scope: &mut Scope<'_>, account: &str) {
    scope.server.users.set_account(scope.me, Some(account));
    let user = scope.user_mut();
    user.modes.set(UserModes::REGISTERED, true);
    user.wrong_passwords = 0;
    let source = scope.source();
    scope.log(&Event::LoggedIn { who: &source, account });
    scope.numeric_text(
        numeric::RPL_LOGGEDIN,
        &[&source, account],
        &format!("You are now logged in as {account}"),
    );
    notify(scope, account);
    let nick = scope.user().nick().to_owned();
    if foreign_owner(scope, &nick).is_none() {
        scope.user_mut().nick_due = None;
    }
}

pub(super) fn log_out(scope: &mut Scope<'_>) {
    scope.server.users.set_account(scope.me, None);
    scope.user_mut().modes.set(UserModes::REGISTERED, false);
    let source = scope.source();
    scope.numeric(numeric::RPL_LOGGEDOUT, &[&source]);
    notify(scope, "*");
}

/// Tells the user's peers (IRCv3 account-notify).
fn notify(scope: &mut Scope<'_>, account: &str) {
    if !scope.user().is_registered() {
        return;
    }
    let line = scope.by_me("ACCOUNT").param(account);
    if let Some(line) = scope.my_line(line) {
        scope.tell_peers(&line, |caps| caps.has(Caps::ACCOUNT_NOTIFY));
    }
}

/// One more wrong password: a few are mistakes, more are guesses.
pub(super) fn count_wrong_password(scope: &mut Scope<'_>, what: &str) {
    let source = scope.source();
    scope.log(&Event::WrongPassword { who: &source, what });
    let user = scope.user_mut();
    user.wrong_passwords += 1;
    if user.wrong_passwords >= scope.server.settings.limits.password_attempts {
        scope.server.disconnect(scope.network, scope.me, "Too many wrong passwords");
    }
}

// ── registering ─────────────────────────────────────────────────────────────────────────────────────

/// `REGISTER account|* email|* password` (IRCv3 account-registration).
pub(super) fn register(scope: &mut Scope<'_>, message: &Message<'_>) {
    let &[name, _, password, ..] = message.params() else {
        return;
    };
    let name = if name == "*" { own_name(scope) } else { name.to_owned() };
    begin(scope, &name, password, true);
}

/// The nickname; or the one that was wanted, and somebody else has.
fn own_name(scope: &mut Scope<'_>) -> String {
    let wanted = scope.user_mut().registering().and_then(|it| it.wanted_nick.clone());
    match scope.user().nick.as_ref() {
        Some(nick) => nick.to_string(),
        None => wanted.unwrap_or_else(|| "*".to_owned()),
    }
}

/// `VERIFY account code`: nothing is ever waiting to be verified here.
pub(super) fn verify(scope: &mut Scope<'_>, message: &Message<'_>) {
    let account = message.param(0).unwrap_or_default();
    scope.fail("VERIFY", "INVALID_CODE", &[account], "No account waits to be verified");
}

pub(super) fn begin(scope: &mut Scope<'_>, name: &str, password: &str, by_command: bool) {
    match refusal(scope, name, password) {
        Some((code, text)) => refuse(scope, name, by_command, code, text),
        None => {
            let account = name.to_owned();
            scope.hash(password, move |scope, hash| hashed(scope, account, by_command, hash));
        }
    }
}

/// Why an account is not made, before its password is hashed.
fn refusal(scope: &Scope<'_>, name: &str, password: &str) -> Option<(&'static str, &'static str)> {
    let settings = &scope.server.settings;
    let holder = scope.server.users.holder(name);
    Some(match () {
        () if !settings.registration => ("DISALLOWED", "Accounts are made by the operators here"),
        () if scope.user().account.is_some() => {
            ("ALREADY_AUTHENTICATED", "You are logged in already")
        }
        () if Nick::new(name, settings.limits.nick_length).is_err() => {
            ("BAD_ACCOUNT_NAME", "An account's name has to be a nickname")
        }
        () if scope.server.accounts.owner_of(name).is_some() => {
            ("ACCOUNT_EXISTS", "There is an account of that name already")
        }
        () if holder.is_some_and(|holder| holder != scope.me) => {
            ("USERNAME_EXISTS", "Somebody else goes by that name")
        }
        () if password.len() < *PASSWORD.start() => ("WEAK_PASSWORD", "The password is too short"),
        () if password.len() > *PASSWORD.end() => {
            ("UNACCEPTABLE_PASSWORD", "The password is too long")
        }
        () => return None,
    })
}

fn refuse(scope: &mut Scope<'_>, name: &str, by_command: bool, code: &str, text: &str) {
    if by_command {
        scope.fail("REGISTER", code, &[name], text);
    } else {
        say(scope, NICKSERV, text);
    }
}

/// The password of a new account is hashed: the account is made, and has yet to be saved.
fn hashed(
    scope: &mut Scope<'_>,
    account: String,
    by_command: bool,
    hash: Result<PasswordHash, String>,
) {
    let Ok(hash) = hash else {
        return refuse(scope, &account, by_command, "TEMPORARILY_UNAVAILABLE", "Try again later");
    };
    match scope.server.accounts.create(&account, hash, scope.clock.system()) {
        Ok(()) => scope.save_and(move |scope| registered(scope, &account, by_command)),
        Err(NotCreated::Taken { .. }) => {
            refuse(
                scope,
                &account,
                by_command,
                "ACCOUNT_EXISTS",
                "There is an account of that name already",
            );
        }
        Err(NotCreated::BadName) => {
            refuse(
                scope,
                &account,
                by_command,
                "BAD_ACCOUNT_NAME",
                "That is no name for an account",
            );
        }
        Err(NotCreated::TooMany) => {
            refuse(
                scope,
                &account,
                by_command,
                "TEMPORARILY_UNAVAILABLE",
                "There are too many accounts",
            );
        }
    }
}

/// The account is on the disk.
fn registered(scope: &mut Scope<'_>, account: &str, by_command: bool) {
    let source = scope.source();
    scope.log(&Event::AccountRegistered { who: &source, account });
    if by_command {
        let line = scope.by_server("REGISTER").param("SUCCESS").param(account);
        scope.reply(line.text("The account is yours"));
    } else {
        say(scope, NICKSERV, "Account created");
    }
    log_in(scope, account);
}

/// Whether a channel is registered, and by the user.
pub(super) fn is_founder(scope: &Scope<'_>, channel: &str) -> bool {
    let founder = scope.server.accounts.channel(channel).map(Channel::founder);
    let own = scope.user().account.as_deref();
    founder.zip(own).is_some_and(|(founder, own)| same_name(founder, own))
}
