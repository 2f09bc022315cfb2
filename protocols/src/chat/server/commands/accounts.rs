//! Accounts: logging in and out, and the `REGISTER` of IRCv3 (account-registration).

use crate::chat::server::Event;
use crate::chat::server::accounts::{Channel, NotCreated, NotSaved};
use crate::chat::server::context::Context;
use crate::chat::server::modes::UserModes;
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
pub(super) fn foreign_owner(ctx: &Context<'_>, nick: &str) -> Option<String> {
    let owner = ctx.server.accounts.owner_of(nick)?.name();
    let is_own = ctx.user().account.as_deref().is_some_and(|own| same_name(own, owner));
    (!is_own).then(|| owner.to_owned())
}

/// Holds a password against that of an account, and goes on with whether it is right. No account: there is none of that
/// name, and nobody is to learn that from how long it takes to say so.
pub(super) fn hold_password(
    ctx: &mut Context<'_>,
    name: &str,
    account: Option<String>,
    password: &str,
    then: impl FnOnce(&mut Context<'_>, Option<String>, Result<bool, String>) + 'static,
) {
    let against = ctx.server.accounts.hash_to_compute_for(account.as_deref().unwrap_or(name));
    ctx.verify(password, against.clone(), move |ctx, is_right| {
        // Meanwhile it may have got another password, or be gone, and another one have its name.
        let now = account.as_deref().and_then(|account| ctx.server.accounts.account(account));
        let is_same = now.is_some_and(|now| *now.password() == against);
        then(ctx, account, is_right.map(|is_right| is_right && is_same));
    });
}

/// Logs a user in, and tells it, and those who want to know.
pub(super) fn log_in(ctx: &mut Context<'_>, account: &str) {
    ctx.user_mut().wrong_passwords = 0;
    let source = ctx.source();
    ctx.log(&Event::LoggedIn { who: &source, account });
    let text = format!("You are now logged in as {account}");
    ctx.numeric_text(numeric::RPL_LOGGEDIN, &[&source, account], &text);
    set_account(ctx, Some(account));
    let nick = ctx.user().nick().to_owned();
    if foreign_owner(ctx, &nick).is_none() {
        ctx.user_mut().nick_due = None;
    }
}

pub(super) fn log_out(ctx: &mut Context<'_>) {
    let source = ctx.source();
    ctx.numeric(numeric::RPL_LOGGEDOUT, &[&source]);
    set_account(ctx, None);
}

/// Has a user be logged in to an account, or to none, and tells its peers (IRCv3 account-notify).
pub(in crate::chat::server) fn set_account(ctx: &mut Context<'_>, account: Option<&str>) {
    ctx.server.users.set_account(ctx.me, account);
    ctx.user_mut().modes.set(UserModes::REGISTERED, account.is_some());
    ctx.server.note_account(ctx.me);
    if !ctx.user().is_registered() {
        return;
    }
    let line = ctx.by_me("ACCOUNT").param(account.unwrap_or("*"));
    if let Some(line) = ctx.my_line(line) {
        ctx.tell_peers(&line, |caps| caps.has(Caps::ACCOUNT_NOTIFY));
    }
}

/// One more wrong password: a few are mistakes, more are guesses.
pub(super) fn count_wrong_password(ctx: &mut Context<'_>, what: &str) {
    let source = ctx.source();
    ctx.log(&Event::WrongPassword { who: &source, what });
    let user = ctx.user_mut();
    user.wrong_passwords += 1;
    if user.wrong_passwords >= ctx.server.settings.limits.password_attempts {
        ctx.server.disconnect(ctx.network, ctx.me, "Too many wrong passwords");
    }
}

// ── registering ─────────────────────────────────────────────────────────────────────────────────────

/// `REGISTER account|* email|* password` (IRCv3 account-registration).
pub(super) fn register(ctx: &mut Context<'_>, message: &Message<'_>) {
    let &[name, _, password, ..] = message.params() else { return };
    let name = if name == "*" { own_name(ctx) } else { name.to_owned() };
    begin(ctx, &name, password, true);
}

/// The nickname; or the one that was wanted, and somebody else has.
fn own_name(ctx: &mut Context<'_>) -> String {
    let wanted = ctx.user_mut().registering().and_then(|it| it.wanted_nick.clone());
    match ctx.user().nick.as_ref() {
        Some(nick) => nick.to_string(),
        None => wanted.unwrap_or_else(|| "*".to_owned()),
    }
}

/// `VERIFY account code`: nothing is ever waiting to be verified here.
pub(super) fn verify(ctx: &mut Context<'_>, message: &Message<'_>) {
    let account = message.param(0).unwrap_or_default();
    ctx.fail("VERIFY", "INVALID_CODE", &[account], "No account waits to be verified");
}

pub(super) fn begin(ctx: &mut Context<'_>, name: &str, password: &str, by_command: bool) {
    match (refusal(ctx, name, password), ctx.server.accounts.can_change()) {
        (Some((code, text)), _) => refuse(ctx, name, by_command, code, text),
        (None, Err(error)) => refuse_for_now(ctx, name, by_command, &error),
        (None, Ok(())) => {
            let account = name.to_owned();
            ctx.hash(password, move |ctx, hash| hashed(ctx, account, by_command, hash));
        }
    }
}

/// A standard reply: its code, and its text.
type Refusal = (&'static str, &'static str);

const EXISTS: Refusal = ("ACCOUNT_EXISTS", "There is an account of that name already");
/// Why an account is not made, before its password is hashed.
fn refusal(ctx: &Context<'_>, name: &str, password: &str) -> Option<Refusal> {
    let settings = &ctx.server.settings;
    let holder = ctx.server.users.holder(name);
    Some(match () {
        () if !settings.registration => ("DISALLOWED", "Accounts are made by the operators here"),
        () if ctx.user().account.is_some() => {
            ("ALREADY_AUTHENTICATED", "You are logged in already")
        }
        () if Nick::new(name, settings.limits.nick_length).is_err() => {
            ("BAD_ACCOUNT_NAME", "An account's name has to be a nickname")
        }
        () if ctx.server.accounts.owner_of(name).is_some() => EXISTS,
        () if holder.is_some_and(|holder| holder != ctx.me) => {
            ("USERNAME_EXISTS", "Somebody else goes by that name")
        }
        () if password.len() < *PASSWORD.start() => ("WEAK_PASSWORD", "The password is too short"),
        () if password.len() > *PASSWORD.end() => {
            ("UNACCEPTABLE_PASSWORD", "The password is too long")
        }
        () => return None,
    })
}

fn refuse(ctx: &mut Context<'_>, name: &str, by_command: bool, code: &str, text: &str) {
    if by_command {
        ctx.fail("REGISTER", code, &[name], text);
    } else {
        say(ctx, NICKSERV, text);
    }
}

/// The password of a new account is hashed: the account is made, and has yet to be saved.
fn hashed(
    ctx: &mut Context<'_>,
    account: String,
    by_command: bool,
    hash: Result<PasswordHash, String>,
) {
    let Ok(hash) = hash else {
        return refuse(ctx, &account, by_command, "TEMPORARILY_UNAVAILABLE", "Try again later");
    };
    let (code, text) = match ctx.server.accounts.create(&account, hash, ctx.clock.system()) {
        Ok(()) => return ctx.save_and(move |ctx, kept| saved(ctx, &account, by_command, kept)),
        Err(NotCreated::Taken { .. }) => EXISTS,
        Err(NotCreated::BadName) => ("BAD_ACCOUNT_NAME", "That is no name for an account"),
        Err(NotCreated::TooMany) => ("TEMPORARILY_UNAVAILABLE", "There are too many accounts"),
    };
    refuse(ctx, &account, by_command, code, text);
}

/// The account is kept, or the network has refused it.
fn saved(ctx: &mut Context<'_>, account: &str, by_command: bool, kept: Result<(), NotSaved>) {
    match kept {
        Ok(()) => registered(ctx, account, by_command),
        // Somebody has registered it at the same time, on another server.
        Err(NotSaved::Conflict) => {
            let (code, text) = EXISTS;
            refuse(ctx, account, by_command, code, text);
        }
        Err(error) => refuse_for_now(ctx, account, by_command, &error),
    }
}

/// Accounts cannot be changed now.
fn refuse_for_now(ctx: &mut Context<'_>, name: &str, by_command: bool, error: &NotSaved) {
    refuse(ctx, name, by_command, "TEMPORARILY_UNAVAILABLE", &error.to_string());
}

/// The account is on the disk.
fn registered(ctx: &mut Context<'_>, account: &str, by_command: bool) {
    let source = ctx.source();
    ctx.log(&Event::AccountRegistered { who: &source, account });
    if by_command {
        let line = ctx.by_server("REGISTER").param("SUCCESS").param(account);
        ctx.reply(line.text("The account is yours"));
    } else {
        say(ctx, NICKSERV, "Account created");
    }
    // Another server may have removed it since.
    if ctx.server.accounts.account(account).is_some() {
        log_in(ctx, account);
    }
}

/// Whether a channel is registered, and by the user.
pub(super) fn is_founder(ctx: &Context<'_>, channel: &str) -> bool {
    let founder = ctx.server.accounts.channel(channel).map(Channel::founder);
    let own = ctx.user().account.as_deref();
    founder.zip(own).is_some_and(|(founder, own)| same_name(founder, own))
}
