//! The services that people know from elsewhere: `NS` for accounts, `CS` for channels. Both are also reached
//! by a `PRIVMSG` to NickServ or ChanServ; a `NOTICE` is never answered (RFC 1459, 4.4.2), and tags alone say
//! nothing to them.

use crate::chat::server::Event;
use crate::chat::server::accounts::{Account, NotAdded};
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::post::Part;
use crate::chat::server::scope::{Scope, cut};
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::message::Message;
use crate::chat::wire::timestamp::Timestamp;
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
    run: fn(&mut Scope<'_>, &str, &[&str]) -> Understood,
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
pub(super) fn named(scope: &Scope<'_>, target: &str) -> Option<&'static Service> {
    let nick = match target.split_once('@') {
        Some((nick, server)) if same_name(server, &scope.server.settings.name) => nick,
        Some(_) => return None,
        None => target,
    };
    [&NICK_SERVICE, &CHANNEL_SERVICE].into_iter().find(|service| same_name(service.name, nick))
}

/// Something was said to a service.
pub(super) fn hear(scope: &mut Scope<'_>, service: &Service, parts: &[Part]) {
    match parts {
        // What clients ask each other (CTCP) is not for a service.
        [Part { text, .. }] if text.starts_with('\u{1}') => {}
        [Part { text, .. }] => ask(scope, service, text),
        _ => say(scope, service.name, "Say one thing at a time, on one line."),
    }
}

fn ask(scope: &mut Scope<'_>, service: &Service, text: &str) {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let (command, rest) =
        words.split_first().map_or(("HELP", &[][..]), |(first, rest)| (*first, rest));
    let upper = command.to_ascii_uppercase();
    match (upper.as_str(), rest) {
        ("HELP", []) => service.help.iter().for_each(|line| say(scope, service.name, line)),
        ("HELP", [topic, ..]) => match usage(service, topic) {
            Some(line) => say(scope, service.name, line),
            None => refuse(scope, service, topic),
        },
        _ => {
            if (service.run)(scope, &upper, rest) == Understood::No {
                refuse(scope, service, command);
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
fn refuse(scope: &mut Scope<'_>, service: &Service, command: &str) {
    let text = match usage(service, command).and_then(|line| line.split_once(": ")) {
        Some((usage, _)) => format!("It is {usage}. Ask for HELP."),
        None => format!("There is no command {}. Ask for HELP.", cut(command, 64)),
    };
    say(scope, service.name, &text);
}

/// Has a service say something to the user.
pub(super) fn say(scope: &mut Scope<'_>, service: &str, text: &str) {
    let source = format!("{service}!{service}@{}", scope.server.settings.name);
    scope.notice(&source, text);
}

// ── NickServ ────────────────────────────────────────────────────────────────────────────────────────

/// `NS command …`
pub(super) fn nickserv(scope: &mut Scope<'_>, message: &Message<'_>) {
    ask(scope, &NICK_SERVICE, &message.params().join(" "));
}

fn run_nickserv(scope: &mut Scope<'_>, command: &str, rest: &[&str]) -> Understood {
    let nick = scope.user().nick().to_owned();
    match (command, rest) {
        ("REGISTER", [password, ..]) => begin(scope, &nick, password, false),
        ("IDENTIFY", [password]) => identify(scope, &nick, password),
        ("IDENTIFY", [account, password, ..]) => identify(scope, account, password),
        ("LOGOUT", _) if scope.user().account.is_some() => log_out(scope),
        ("SET", [what, password]) if same_name(what, "PASSWORD") => set_password(scope, password),
        ("GROUP", _) => group(scope, &nick),
        ("GHOST", [nick, ..]) => ghost(scope, nick),
        ("INFO", _) => info(scope, rest.first().copied().unwrap_or(&nick)),
        ("DROP", [name]) => drop_account(scope, name),
        ("LOGOUT", _) => say(scope, NICKSERV, "You are not logged in."),
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

fn identify(scope: &mut Scope<'_>, account: &str, password: &str) {
    if scope.user().account.is_some() {
        return say(scope, NICKSERV, "You are logged in already.");
    }
    let known = scope.server.accounts.owner_of(account).map(Account::name);
    let against = scope.server.accounts.hash_to_compute_for(known.unwrap_or(account));
    let account = known.map(str::to_owned);
    scope.verify(password, against, move |scope, is_right| identified(scope, account, is_right));
}

/// The password was looked at. No account: there is none of that name, and nobody is to learn that from how
/// long it takes to say so.
fn identified(scope: &mut Scope<'_>, account: Option<String>, is_right: Result<bool, String>) {
    match (is_right, account) {
        (Ok(true), Some(account)) => {
            log_in(scope, &account);
            say(scope, NICKSERV, &format!("You are logged in as {account}."));
        }
        (Ok(_), Some(account)) => {
            say(scope, NICKSERV, "That is not the password.");
            count_wrong_password(scope, &account);
        }
        (Ok(_), None) => {
            say(scope, NICKSERV, "There is no such account.");
            count_wrong_password(scope, "an unknown account");
        }
        (Err(_), _) => say(scope, NICKSERV, "The server is too busy. Try again later."),
    }
}

fn set_password(scope: &mut Scope<'_>, password: &str) {
    let Some(account) = scope.user().account.as_deref().map(str::to_owned) else {
        return say(scope, NICKSERV, "You are not logged in.");
    };
    if !PASSWORD.contains(&password.len()) {
        return say(scope, NICKSERV, "The password is too short, or too long.");
    }
    scope.hash(password, move |scope, hash| password_hashed(scope, &account, hash));
}

/// The new password of an account is hashed.
fn password_hashed(scope: &mut Scope<'_>, account: &str, hash: Result<PasswordHash, String>) {
    if hash.is_ok_and(|hash| scope.server.accounts.set_password(account, hash).is_ok()) {
        scope.save();
        say(scope, NICKSERV, "The password is changed.");
    } else {
        say(scope, NICKSERV, "The password could not be changed. Try again later.");
    }
}

fn group(scope: &mut Scope<'_>, nick: &str) {
    let Some(account) = scope.user().account.as_deref().map(str::to_owned) else {
        return say(scope, NICKSERV, "You are not logged in.");
    };
    match scope.server.accounts.add_nick(&account, nick) {
        Ok(()) => {
            scope.save();
            say(scope, NICKSERV, &format!("{nick} belongs to {account} now."));
        }
        Err(NotAdded::Taken { owner }) => {
            say(scope, NICKSERV, &format!("{nick} belongs to {owner}."));
        }
        Err(error) => say(scope, NICKSERV, &format!("That was not done: {error}.")),
    }
}

fn ghost(scope: &mut Scope<'_>, nick: &str) {
    let is_own =
        scope.server.accounts.owner_of(nick).is_some() && foreign_owner(scope, nick).is_none();
    match scope.server.users.holder(nick) {
        Some(ghost) if is_own && ghost != scope.me => {
            let by = scope.user().nick().to_owned();
            scope.server.disconnect(scope.network, ghost, &format!("GHOST command used by {by}"));
            say(scope, NICKSERV, &format!("{nick} is gone."));
        }
        Some(_) if is_own => say(scope, NICKSERV, "That is you."),
        Some(_) => say(scope, NICKSERV, "That nickname is not yours."),
        None => say(scope, NICKSERV, "Nobody goes by that nickname."),
    }
}

fn info(scope: &mut Scope<'_>, name: &str) {
    let known = scope.server.accounts.owner_of(name).map(|account| {
        let created = Timestamp::of(account.created()).to_text();
        (account.name().to_owned(), created, account.nicks().join(" "))
    });
    let Some((name, created, nicks)) = known else {
        return say(scope, NICKSERV, "There is no such account.");
    };
    say(scope, NICKSERV, &format!("{name} was made on {created}."));
    if !nicks.is_empty() {
        say(scope, NICKSERV, &format!("{name} owns {nicks}."));
    }
}

fn drop_account(scope: &mut Scope<'_>, name: &str) {
    let own = scope.user().account.as_deref().filter(|own| same_name(own, name)).map(str::to_owned);
    let Some(account) = own else {
        return say(scope, NICKSERV, "That is not the account you are logged in to.");
    };
    // It is the user's own, so that it is there.
    let _ = scope.server.forget_account(&account);
    scope.save();
    say(scope, NICKSERV, &format!("The account {account} is gone."));
    log_out(scope);
}

// ── ChanServ ────────────────────────────────────────────────────────────────────────────────────────

/// `CS command …`
pub(super) fn chanserv(scope: &mut Scope<'_>, message: &Message<'_>) {
    ask(scope, &CHANNEL_SERVICE, &message.params().join(" "));
}

fn run_chanserv(scope: &mut Scope<'_>, command: &str, rest: &[&str]) -> Understood {
    match (command, rest) {
        ("REGISTER", [channel, ..]) => register_channel(scope, channel),
        ("DROP", [channel]) => drop_channel(scope, channel),
        ("INFO", [channel, ..]) => channel_info(scope, channel),
        ("OP", [channel]) => op(scope, channel),
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

fn register_channel(scope: &mut Scope<'_>, name: &str) {
    let Some(account) = scope.user().account.as_deref().map(str::to_owned) else {
        return say(scope, CHANSERV, "You have to be logged in to an account.");
    };
    let channel = scope.server.channels.named(name);
    let status = channel.and_then(|channel| scope.server.channels[channel].status(scope.me));
    let Some(channel) = channel.filter(|_| status.is_some_and(|it| it.reaches(Status::OPERATOR)))
    else {
        return say(scope, CHANSERV, "You have to be operator of the channel.");
    };
    if scope.server.channels[channel].is_permanent {
        return say(scope, CHANSERV, "That channel is the server's own.");
    }
    let name = scope.server.channels[channel].name.to_string();
    match scope.server.accounts.register_channel(&name, &account, scope.clock.system()) {
        Ok(()) => {
            scope.server.channels[channel].flags.set(Flags::REGISTERED, true);
            channel_modes::grant(scope, channel, Status::FOUNDER);
            kept_modes::keep(scope, channel);
            scope.save_and(move |scope| channel_registered(scope, &name));
        }
        Err(error) => say(scope, CHANSERV, &format!("That was not done: {error}.")),
    }
}

/// The channel's registration is on the disk.
fn channel_registered(scope: &mut Scope<'_>, channel: &str) {
    let source = scope.source();
    scope.log(&Event::ChannelRegistered { who: &source, channel });
    say(scope, CHANSERV, &format!("{channel} is yours."));
}

fn drop_channel(scope: &mut Scope<'_>, name: &str) {
    if !is_founder(scope, name) {
        return say(scope, CHANSERV, "That channel is not yours.");
    }
    if scope.server.accounts.drop_channel(name).is_ok() {
        scope.save();
    }
    if let Some(channel) = scope.server.channels.named(name) {
        scope.server.channels[channel].flags.set(Flags::REGISTERED, false);
    }
    say(scope, CHANSERV, &format!("{name} is nobody's now."));
}

fn op(scope: &mut Scope<'_>, name: &str) {
    let channel = scope.server.channels.named(name);
    let is_on = channel.is_some_and(|channel| scope.server.channels[channel].has(scope.me));
    match channel {
        Some(channel) if is_on && is_founder(scope, name) => {
            channel_modes::grant(scope, channel, Status::FOUNDER);
        }
        Some(_) if is_on => say(scope, CHANSERV, "That channel is not yours."),
        _ => say(scope, CHANSERV, "You are not on that channel."),
    }
}

fn channel_info(scope: &mut Scope<'_>, name: &str) {
    let known = scope.server.accounts.channel(name).map(|channel| {
        let since = Timestamp::of(channel.registered()).to_text();
        format!("{} belongs to {} since {since}.", channel.name(), channel.founder())
    });
    say(scope, CHANSERV, known.as_deref().unwrap_or("That channel is not registered."));
}
