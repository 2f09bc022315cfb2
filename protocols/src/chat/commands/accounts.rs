//! Accounts, in-band: the `REGISTER` of IRCv3 (account-registration), and the services that people know
//! from elsewhere, `NS` for accounts and `CS` for channels. Both are also reached by a `PRIVMSG` to
//! NickServ or ChanServ.

use crate::chat::accounts::{Channel, NotAdded, NotCreated};
use crate::chat::capability::Caps;
use crate::chat::casemap::{Nick, same_name};
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::Event;
use crate::chat::server::modes::{Flags, Status, UserModes};
use crate::chat::server::work::{Outcome, Task, Then};
use crate::chat::settings::Password;
use crate::chat::turn::Turn;

use super::channel_modes;

pub(super) const NICKSERV: &str = "NickServ";
pub(super) const CHANSERV: &str = "ChanServ";

/// Bytes of a password: what is shorter was hardly meant as one, and what is longer does not fit on a
/// line. How good it is its owner has to judge; guesses are few, since each costs an argon2 and
/// [`password_attempts`](crate::chat::Limits::password_attempts) are all that a connection has.
const PASSWORD: std::ops::RangeInclusive<usize> = 3..=300;

// ── who is logged in ────────────────────────────────────────────────────────────────────────────────

/// The account that a nickname belongs to, if that is not the user's own.
pub(super) fn foreign_owner(turn: &Turn<'_>, nick: &str) -> Option<String> {
    let owner = turn.server.accounts.owner_of(nick)?.name();
    let is_own = turn.user().account.as_deref().is_some_and(|own| same_name(own, owner));
    (!is_own).then(|| owner.to_owned())
}

/// Logs a user in, and tells it, and those who want to know.
pub(super) fn log_in(turn: &mut Turn<'_>, account: &str) {
    let user = turn.user_mut();
    user.account = Some(account.into());
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

fn log_out(turn: &mut Turn<'_>) {
    let user = turn.user_mut();
    user.account = None;
    user.modes.set(UserModes::REGISTERED, false);
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

fn begin(turn: &mut Turn<'_>, name: &str, password: &str, by_command: bool) {
    match refusal(turn, name, password) {
        Some((code, text)) => refuse(turn, name, by_command, code, text),
        None => turn.offload(
            Task::Hash { password: password.to_owned() },
            Then::Register { account: name.to_owned(), by_command },
        ),
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
pub(super) fn hashed(turn: &mut Turn<'_>, account: String, by_command: bool, outcome: Outcome) {
    let Outcome::Hashed(Ok(hash)) = outcome else {
        return refuse(turn, &account, by_command, "TEMPORARILY_UNAVAILABLE", "Try again later");
    };
    match turn.server.accounts.create(&account, hash, turn.clock.system()) {
        Ok(()) => turn.offload(Task::Save, Then::Registered { account, by_command }),
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
pub(super) fn registered(turn: &mut Turn<'_>, account: &str, by_command: bool, outcome: &Outcome) {
    if let Outcome::Saved(Err(error)) | Outcome::Failed(error) = outcome {
        // It is in memory, and the next change tries to save it again.
        turn.log(&Event::NotSaved { error });
    }
    let source = turn.source();
    turn.log(&Event::AccountRegistered { who: &source, account });
    if by_command {
        let line = turn.by_server("REGISTER").param("SUCCESS").param(account);
        turn.reply(line.text("The account is yours"));
    } else {
        say(turn, NICKSERV, &format!("The account {account} is yours."));
    }
    log_in(turn, account);
}

// ── NickServ ────────────────────────────────────────────────────────────────────────────────────────

/// `NS command …`
pub(super) fn nickserv(turn: &mut Turn<'_>, message: &Message<'_>) {
    ask_nickserv(turn, &message.params().join(" "));
}

pub(super) fn ask_nickserv(turn: &mut Turn<'_>, text: &str) {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let (command, rest) =
        words.split_first().map_or(("HELP", &[][..]), |(first, rest)| (*first, rest));
    let nick = turn.user().nick().to_owned();
    match (command.to_ascii_uppercase().as_str(), rest) {
        ("REGISTER", [password, ..]) => begin(turn, &nick, password, false),
        ("IDENTIFY", [password]) => identify(turn, &nick, password),
        ("IDENTIFY", [account, password, ..]) => identify(turn, account, password),
        ("LOGOUT", _) if turn.user().account.is_some() => log_out(turn),
        ("SET", ["PASSWORD" | "password", password]) => set_password(turn, password),
        ("GROUP", _) => group(turn, &nick),
        ("GHOST", [nick, ..]) => ghost(turn, nick),
        ("INFO", _) => info(turn, rest.first().copied().unwrap_or(&nick)),
        ("DROP", [name]) => drop_account(turn, name),
        ("LOGOUT", _) => say(turn, NICKSERV, "You are not logged in."),
        _ => {
            for line in NICKSERV_HELP {
                say(turn, NICKSERV, line);
            }
        }
    }
}

const NICKSERV_HELP: &[&str] = &[
    "REGISTER password: make an account of your nickname",
    "IDENTIFY [account] password: log in",
    "LOGOUT: log out",
    "SET PASSWORD password: change your password",
    "GROUP: have your account own the nickname you go by",
    "GHOST nick: end another connection that goes by a nickname of yours",
    "INFO [account]: when an account was made, and its nicknames",
    "DROP account: forget your account, and the channels it founded",
];

fn identify(turn: &mut Turn<'_>, account: &str, password: &str) {
    if turn.user().account.is_some() {
        return say(turn, NICKSERV, "You are logged in already.");
    }
    let known = turn.server.accounts.owner_of(account);
    let Some((account, hash)) = known.map(|it| (it.name().to_owned(), it.password().clone()))
    else {
        say(turn, NICKSERV, "There is no such account.");
        return count_wrong_password(turn, "an unknown account");
    };
    let task = Task::Verify { password: password.to_owned(), against: Password::Hashed(hash) };
    turn.offload(task, Then::Identify { account });
}

/// The password was looked at.
pub(super) fn identified(turn: &mut Turn<'_>, account: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Verified(true) => {
            log_in(turn, account);
            say(turn, NICKSERV, &format!("You are logged in as {account}."));
        }
        Outcome::Verified(false) => {
            say(turn, NICKSERV, "That is not the password.");
            count_wrong_password(turn, account);
        }
        _ => say(turn, NICKSERV, "The server is too busy. Try again later."),
    }
}

fn set_password(turn: &mut Turn<'_>, password: &str) {
    let Some(account) = turn.user().account.as_deref().map(str::to_owned) else {
        return say(turn, NICKSERV, "You are not logged in.");
    };
    if !PASSWORD.contains(&password.len()) {
        return say(turn, NICKSERV, "The password is too short, or too long.");
    }
    turn.offload(Task::Hash { password: password.to_owned() }, Then::SetPassword { account });
}

/// The new password of an account is hashed.
pub(super) fn password_hashed(turn: &mut Turn<'_>, account: &str, outcome: Outcome) {
    let changed = match outcome {
        Outcome::Hashed(Ok(hash)) => turn.server.accounts.set_password(account, hash).is_ok(),
        _ => false,
    };
    if changed {
        turn.later(Task::Save, Then::Nothing);
        say(turn, NICKSERV, "The password is changed.");
    } else {
        say(turn, NICKSERV, "The password could not be changed. Try again later.");
    }
}

fn group(turn: &mut Turn<'_>, nick: &str) {
    let Some(account) = turn.user().account.as_deref().map(str::to_owned) else {
        return say(turn, NICKSERV, "You are not logged in.");
    };
    match turn.server.accounts.add_nick(&account, nick) {
        Ok(()) => {
            turn.later(Task::Save, Then::Nothing);
            say(turn, NICKSERV, &format!("{nick} belongs to {account} now."));
        }
        Err(NotAdded::Taken { owner }) => {
            say(turn, NICKSERV, &format!("{nick} belongs to {owner}."));
        }
        Err(error) => say(turn, NICKSERV, &format!("That was not done: {error}.")),
    }
}

fn ghost(turn: &mut Turn<'_>, nick: &str) {
    let is_own =
        turn.server.accounts.owner_of(nick).is_some() && foreign_owner(turn, nick).is_none();
    match turn.server.users.holder(nick) {
        Some(ghost) if is_own && ghost != turn.me => {
            let by = turn.user().nick().to_owned();
            turn.server.disconnect(turn.wire, ghost, &format!("GHOST command used by {by}"));
            say(turn, NICKSERV, &format!("{nick} is gone."));
        }
        Some(_) if is_own => say(turn, NICKSERV, "That is you."),
        Some(_) => say(turn, NICKSERV, "That nickname is not yours."),
        None => say(turn, NICKSERV, "Nobody goes by that nickname."),
    }
}

fn info(turn: &mut Turn<'_>, name: &str) {
    let known = turn.server.accounts.owner_of(name).map(|account| {
        let created = crate::chat::timestamp::Timestamp::of(account.created()).to_text();
        (account.name().to_owned(), created, account.nicks().join(" "))
    });
    let Some((name, created, nicks)) = known else {
        return say(turn, NICKSERV, "There is no such account.");
    };
    say(turn, NICKSERV, &format!("{name} was made on {created}."));
    if !nicks.is_empty() {
        say(turn, NICKSERV, &format!("{name} owns {nicks}."));
    }
}

fn drop_account(turn: &mut Turn<'_>, name: &str) {
    let own = turn.user().account.as_deref().filter(|own| same_name(own, name)).map(str::to_owned);
    let Some(account) = own else {
        return say(turn, NICKSERV, "That is not the account you are logged in to.");
    };
    let founded = turn.server.accounts.drop_account(&account).unwrap_or_default();
    for name in &founded {
        if let Some(channel) = turn.server.channels.named(name) {
            turn.server.channels[channel].flags.set(Flags::REGISTERED, false);
        }
    }
    turn.later(Task::Save, Then::Nothing);
    say(turn, NICKSERV, &format!("The account {account} is gone."));
    log_out(turn);
}

// ── ChanServ ────────────────────────────────────────────────────────────────────────────────────────

/// `CS command …`
pub(super) fn chanserv(turn: &mut Turn<'_>, message: &Message<'_>) {
    ask_chanserv(turn, &message.params().join(" "));
}

pub(super) fn ask_chanserv(turn: &mut Turn<'_>, text: &str) {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let (command, rest) =
        words.split_first().map_or(("HELP", &[][..]), |(first, rest)| (*first, rest));
    match (command.to_ascii_uppercase().as_str(), rest) {
        ("REGISTER", [channel, ..]) => register_channel(turn, channel),
        ("DROP", [channel]) => drop_channel(turn, channel),
        ("INFO", [channel, ..]) => channel_info(turn, channel),
        ("OP", [channel]) => op(turn, channel),
        _ => {
            for line in CHANSERV_HELP {
                say(turn, CHANSERV, line);
            }
        }
    }
}

const CHANSERV_HELP: &[&str] = &[
    "REGISTER #channel: make a channel yours; its topic, modes and lists are kept",
    "DROP #channel: give up a channel of yours",
    "OP #channel: be what you are on a channel of yours",
    "INFO #channel: whose a channel is",
];

fn register_channel(turn: &mut Turn<'_>, name: &str) {
    let Some(account) = turn.user().account.as_deref().map(str::to_owned) else {
        return say(turn, CHANSERV, "You have to be logged in to an account.");
    };
    let channel = turn.server.channels.named(name);
    let status = channel.and_then(|channel| turn.server.channels[channel].status(turn.me));
    let Some(channel) = channel.filter(|_| status.is_some_and(|it| it.reaches(Status::OPERATOR)))
    else {
        return say(turn, CHANSERV, "You have to be operator of the channel.");
    };
    if turn.server.channels[channel].is_standing {
        return say(turn, CHANSERV, "That channel is the server's own.");
    }
    let name = turn.server.channels[channel].name.to_string();
    match turn.server.accounts.register_channel(&name, &account, turn.clock.system()) {
        Ok(()) => {
            turn.server.channels[channel].flags.set(Flags::REGISTERED, true);
            channel_modes::grant(turn, channel, Status::FOUNDER);
            channel_modes::keep(turn, channel);
            turn.offload(Task::Save, Then::ChannelRegistered { channel: name });
        }
        Err(error) => say(turn, CHANSERV, &format!("That was not done: {error}.")),
    }
}

/// The channel's registration is on the disk.
pub(super) fn channel_registered(turn: &mut Turn<'_>, channel: &str, outcome: &Outcome) {
    if let Outcome::Saved(Err(error)) | Outcome::Failed(error) = outcome {
        turn.log(&Event::NotSaved { error });
    }
    let source = turn.source();
    turn.log(&Event::ChannelRegistered { who: &source, channel });
    say(turn, CHANSERV, &format!("{channel} is yours."));
}

/// Whether a channel is registered, and by the user.
pub(super) fn is_founder(turn: &Turn<'_>, channel: &str) -> bool {
    let founder = turn.server.accounts.channel(channel).map(Channel::founder);
    let own = turn.user().account.as_deref();
    founder.zip(own).is_some_and(|(founder, own)| same_name(founder, own))
}

fn drop_channel(turn: &mut Turn<'_>, name: &str) {
    if !is_founder(turn, name) {
        return say(turn, CHANSERV, "That channel is not yours.");
    }
    if turn.server.accounts.drop_channel(name).is_ok() {
        turn.later(Task::Save, Then::Nothing);
    }
    if let Some(channel) = turn.server.channels.named(name) {
        turn.server.channels[channel].flags.set(Flags::REGISTERED, false);
    }
    say(turn, CHANSERV, &format!("{name} is nobody's now."));
}

fn op(turn: &mut Turn<'_>, name: &str) {
    let channel = turn.server.channels.named(name);
    let is_on = channel.is_some_and(|channel| turn.server.channels[channel].has(turn.me));
    match channel {
        Some(channel) if is_on && is_founder(turn, name) => {
            channel_modes::grant(turn, channel, Status::FOUNDER);
        }
        Some(_) if is_on => say(turn, CHANSERV, "That channel is not yours."),
        _ => say(turn, CHANSERV, "You are not on that channel."),
    }
}

fn channel_info(turn: &mut Turn<'_>, name: &str) {
    let known = turn.server.accounts.channel(name).map(|channel| {
        let since = crate::chat::timestamp::Timestamp::of(channel.registered()).to_text();
        format!("{} belongs to {} since {since}.", channel.name(), channel.founder())
    });
    say(turn, CHANSERV, known.as_deref().unwrap_or("That channel is not registered."));
}

/// Has a service say something to the user.
pub(super) fn say(turn: &mut Turn<'_>, service: &str, text: &str) {
    let source = format!("{service}!{service}@{}", turn.server.settings.name);
    turn.notice(&source, text);
}
