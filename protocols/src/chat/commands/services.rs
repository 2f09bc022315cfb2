//! The services that people know from elsewhere: `NS` for accounts, `CS` for channels. Both are also reached
//! by a `PRIVMSG` to NickServ or ChanServ; a `NOTICE` is never answered (RFC 1459, 4.4.2), and tags alone say
//! nothing to them.

use crate::chat::accounts::{Account, NotAdded};
use crate::chat::casemap::same_name;
use crate::chat::message::Message;
use crate::chat::server::Event;
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::post::Part;
use crate::chat::timestamp::Timestamp;
use crate::chat::turn::{Turn, cut};
use crate::password::PasswordHash;

use super::accounts::{
    PASSWORD, begin, count_wrong_password, foreign_owner, is_founder, log_in, log_out,
};
use super::{channel_modes, kept_modes};

pub(super) const NICKSERV: &str = "NickServ";
pub(super) const CHANSERV: &str = "ChanServ";

/// A service: what it is called, what it can do, and the function that does it if it understands.
pub(super) struct Service {
    pub(super) name: &'static str,
    help: &'static [&'static str],
    run: fn(&mut Turn<'_>, &str, &[&str]) -> Understood,
}

/// Whether a service has understood what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Understood {
    Yes,
    No,
}

const NICK_SERVICE: Service = Service { name: NICKSERV, help: NICKSERV_HELP, run: run_nickserv };
const CHANNEL_SERVICE: Service = Service { name: CHANSERV, help: CHANSERV_HELP, run: run_chanserv };

/// The service that is meant by a target: its name, or its name at this server, which is how somebody says a
/// password who wants to be sure that nobody else has that name (RFC 2812, 3.3.1).
pub(super) fn named(turn: &Turn<'_>, target: &str) -> Option<&'static Service> {
    let nick = match target.split_once('@') {
        Some((nick, server)) if same_name(server, &turn.server.settings.name) => nick,
        Some(_) => return None,
        None => target,
    };
    [&NICK_SERVICE, &CHANNEL_SERVICE].into_iter().find(|service| same_name(service.name, nick))
}

/// Something was said to a service.
pub(super) fn hear(turn: &mut Turn<'_>, service: &Service, parts: &[Part]) {
    match parts {
        // What clients ask each other (CTCP) is not for a service.
        [Part { text, .. }] if text.starts_with('\u{1}') => {}
        [Part { text, .. }] => ask(turn, service, text),
        _ => say(turn, service.name, "Say one thing at a time, on one line."),
    }
}

fn ask(turn: &mut Turn<'_>, service: &Service, text: &str) {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let (command, rest) =
        words.split_first().map_or(("HELP", &[][..]), |(first, rest)| (*first, rest));
    let upper = command.to_ascii_uppercase();
    match (upper.as_str(), rest) {
        ("HELP", []) => service.help.iter().for_each(|line| say(turn, service.name, line)),
        ("HELP", [topic, ..]) => match usage(service, topic) {
            Some(line) => say(turn, service.name, line),
            None => refuse(turn, service, topic),
        },
        _ => {
            if (service.run)(turn, &upper, rest) == Understood::No {
                refuse(turn, service, command);
            }
        }
    }
}

/// The line of its help that is about a command.
fn usage(service: &Service, command: &str) -> Option<&'static str> {
    let is_about =
        |line: &&&str| line.split([' ', ':']).next().is_some_and(|it| same_name(it, command));
    service.help.iter().find(is_about).copied()
}

/// Says in one line what is wrong with a command: a client shows it where it was typed.
fn refuse(turn: &mut Turn<'_>, service: &Service, command: &str) {
    let text = match usage(service, command).and_then(|line| line.split_once(": ")) {
        Some((usage, _)) => format!("It is {usage}. Ask for HELP."),
        None => format!("There is no command {}. Ask for HELP.", cut(command, 64)),
    };
    say(turn, service.name, &text);
}

/// Has a service say something to the user.
pub(super) fn say(turn: &mut Turn<'_>, service: &str, text: &str) {
    let source = format!("{service}!{service}@{}", turn.server.settings.name);
    turn.notice(&source, text);
}

// ── NickServ ────────────────────────────────────────────────────────────────────────────────────────

/// `NS command …`
pub(super) fn nickserv(turn: &mut Turn<'_>, message: &Message<'_>) {
    ask(turn, &NICK_SERVICE, &message.params().join(" "));
}

fn run_nickserv(turn: &mut Turn<'_>, command: &str, rest: &[&str]) -> Understood {
    let nick = turn.user().nick().to_owned();
    match (command, rest) {
        ("REGISTER", [password, ..]) => begin(turn, &nick, password, false),
        ("IDENTIFY", [password]) => identify(turn, &nick, password),
        ("IDENTIFY", [account, password, ..]) => identify(turn, account, password),
        ("LOGOUT", _) if turn.user().account.is_some() => log_out(turn),
        ("SET", [what, password]) if same_name(what, "PASSWORD") => set_password(turn, password),
        ("GROUP", _) => group(turn, &nick),
        ("GHOST", [nick, ..]) => ghost(turn, nick),
        ("INFO", _) => info(turn, rest.first().copied().unwrap_or(&nick)),
        ("DROP", [name]) => drop_account(turn, name),
        ("LOGOUT", _) => say(turn, NICKSERV, "You are not logged in."),
        _ => return Understood::No,
    }
    Understood::Yes
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
    "HELP [command]: what there is",
];

fn identify(turn: &mut Turn<'_>, account: &str, password: &str) {
    if turn.user().account.is_some() {
        return say(turn, NICKSERV, "You are logged in already.");
    }
    let known = turn.server.accounts.owner_of(account).map(Account::name);
    let against = turn.server.accounts.hash_to_compute_for(known.unwrap_or(account));
    let account = known.map(str::to_owned);
    turn.verify(password, against, move |turn, is_right| identified(turn, account, is_right));
}

/// The password was looked at. No account: there is none of that name, and nobody is to learn that from how
/// long it takes to say so.
fn identified(turn: &mut Turn<'_>, account: Option<String>, is_right: Result<bool, String>) {
    match (is_right, account) {
        (Ok(true), Some(account)) => {
            log_in(turn, &account);
            say(turn, NICKSERV, &format!("You are logged in as {account}."));
        }
        (Ok(_), Some(account)) => {
            say(turn, NICKSERV, "That is not the password.");
            count_wrong_password(turn, &account);
        }
        (Ok(_), None) => {
            say(turn, NICKSERV, "There is no such account.");
            count_wrong_password(turn, "an unknown account");
        }
        (Err(_), _) => say(turn, NICKSERV, "The server is too busy. Try again later."),
    }
}

fn set_password(turn: &mut Turn<'_>, password: &str) {
    let Some(account) = turn.user().account.as_deref().map(str::to_owned) else {
        return say(turn, NICKSERV, "You are not logged in.");
    };
    if !PASSWORD.contains(&password.len()) {
        return say(turn, NICKSERV, "The password is too short, or too long.");
    }
    turn.hash(password, move |turn, hash| password_hashed(turn, &account, hash));
}

/// The new password of an account is hashed.
fn password_hashed(turn: &mut Turn<'_>, account: &str, hash: Result<PasswordHash, String>) {
    if hash.is_ok_and(|hash| turn.server.accounts.set_password(account, hash).is_ok()) {
        turn.save();
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
            turn.save();
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
        let created = Timestamp::of(account.created()).to_text();
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
    // It is the user's own, so that it is there.
    let _ = turn.server.forget_account(&account);
    turn.save();
    say(turn, NICKSERV, &format!("The account {account} is gone."));
    log_out(turn);
}

// ── ChanServ ────────────────────────────────────────────────────────────────────────────────────────

/// `CS command …`
pub(super) fn chanserv(turn: &mut Turn<'_>, message: &Message<'_>) {
    ask(turn, &CHANNEL_SERVICE, &message.params().join(" "));
}

fn run_chanserv(turn: &mut Turn<'_>, command: &str, rest: &[&str]) -> Understood {
    match (command, rest) {
        ("REGISTER", [channel, ..]) => register_channel(turn, channel),
        ("DROP", [channel]) => drop_channel(turn, channel),
        ("INFO", [channel, ..]) => channel_info(turn, channel),
        ("OP", [channel]) => op(turn, channel),
        _ => return Understood::No,
    }
    Understood::Yes
}

const CHANSERV_HELP: &[&str] = &[
    "REGISTER #channel: make a channel yours; its topic, modes and lists are kept",
    "DROP #channel: give up a channel of yours",
    "OP #channel: be what you are on a channel of yours",
    "INFO #channel: whose a channel is",
    "HELP [command]: what there is",
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
            kept_modes::keep(turn, channel);
            turn.save_and(move |turn| channel_registered(turn, &name));
        }
        Err(error) => say(turn, CHANSERV, &format!("That was not done: {error}.")),
    }
}

/// The channel's registration is on the disk.
fn channel_registered(turn: &mut Turn<'_>, channel: &str) {
    let source = turn.source();
    turn.log(&Event::ChannelRegistered { who: &source, channel });
    say(turn, CHANSERV, &format!("{channel} is yours."));
}

fn drop_channel(turn: &mut Turn<'_>, name: &str) {
    if !is_founder(turn, name) {
        return say(turn, CHANSERV, "That channel is not yours.");
    }
    if turn.server.accounts.drop_channel(name).is_ok() {
        turn.save();
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
        let since = Timestamp::of(channel.registered()).to_text();
        format!("{} belongs to {} since {since}.", channel.name(), channel.founder())
    });
    say(turn, CHANSERV, known.as_deref().unwrap_or("That channel is not registered."));
}
