//! The services that people know from elsewhere: `NS` for accounts, `CS` for channels. Both are also reached
//! by a `PRIVMSG` to NickServ or ChanServ; a `NOTICE` is never answered (RFC 1459, 4.4.2), and tags alone say
//! nothing to them.

use std::fmt;

use crate::chat::server::Event;
use crate::chat::server::accounts::NotAdded;
use crate::chat::server::context::{Context, cut};
use crate::chat::server::modes::Status;
use crate::chat::server::post::Text;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::message::Message;
use crate::chat::wire::timestamp::Timestamp;
use crate::password::PasswordHash;

use super::accounts::{
    PASSWORD, begin, count_wrong_password, foreign_owner, hold_password, is_founder, log_in,
    log_out,
};
use super::{channel_modes, kept_modes};

pub(super) const NICKSERV: &str = "NickServ";
pub(super) const CHANSERV: &str = "ChanServ";

/// A service: what it is called, what it can do, and the function that does it if it understands.
pub(super) struct Service {
    pub(super) name: &'static str,
    help: &'static [&'static str],
    run: fn(&mut Context<'_>, &str, &[&str]) -> Understood,
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
pub(super) fn named(ctx: &Context<'_>, target: &str) -> Option<&'static Service> {
    let nick = match target.split_once('@') {
        Some((nick, server)) if same_name(server, &ctx.server.settings.name) => nick,
        Some(_) => return None,
        None => target,
    };
    [&NICK_SERVICE, &CHANNEL_SERVICE].into_iter().find(|service| same_name(service.name, nick))
}

/// Something was said to a service.
pub(super) fn hear(ctx: &mut Context<'_>, service: &Service, text: &Text) {
    match text {
        // What clients ask each other (CTCP) is not for a service.
        Text::Line(text) if text.starts_with('\u{1}') => {}
        Text::Line(text) => ask(ctx, service, text),
        _ => say(ctx, service.name, "Say one thing at a time, on one line."),
    }
}

fn ask(ctx: &mut Context<'_>, service: &Service, text: &str) {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let (command, rest) =
        words.split_first().map_or(("HELP", &[][..]), |(first, rest)| (*first, rest));
    let upper = command.to_ascii_uppercase();
    match (upper.as_str(), rest) {
        ("HELP", []) => service.help.iter().for_each(|line| say(ctx, service.name, line)),
        ("HELP", [topic, ..]) => match usage(service, topic) {
            Some(line) => say(ctx, service.name, line),
            None => refuse(ctx, service, topic),
        },
        _ => {
            if (service.run)(ctx, &upper, rest) == Understood::No {
                refuse(ctx, service, command);
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
fn refuse(ctx: &mut Context<'_>, service: &Service, command: &str) {
    let text = match usage(service, command).and_then(|line| line.split_once(": ")) {
        Some((usage, _)) => format!("It is {usage}. Ask for HELP."),
        None => format!("There is no command {}. Ask for HELP.", cut(command, 64)),
    };
    say(ctx, service.name, &text);
}

/// Has a service say something to the user.
pub(super) fn say(ctx: &mut Context<'_>, service: &str, text: &str) {
    let source = format!("{service}!{service}@{}", ctx.server.settings.name);
    ctx.notice(&source, text);
}

/// Has a change saved, and says then that it is made.
fn save_and_say(ctx: &mut Context<'_>, service: &'static str, text: String) {
    save_and(ctx, service, move |ctx| say(ctx, service, &text));
}

/// Has a change saved, and goes on then, unless the network has not taken it: it is taken back.
fn save_and(
    ctx: &mut Context<'_>,
    service: &'static str,
    then: impl FnOnce(&mut Context<'_>) + 'static,
) {
    ctx.save_and(move |ctx, kept| match kept {
        Ok(()) => then(ctx),
        Err(error) => say_refused(ctx, service, &error),
    });
}

fn say_refused(ctx: &mut Context<'_>, service: &str, error: &impl fmt::Display) {
    say(ctx, service, &format!("That was not done: {error}."));
}

// ── NickServ ────────────────────────────────────────────────────────────────────────────────────────

/// `NS command …`
pub(super) fn nickserv(ctx: &mut Context<'_>, message: &Message<'_>) {
    ask(ctx, &NICK_SERVICE, &message.params().join(" "));
}

fn run_nickserv(ctx: &mut Context<'_>, command: &str, rest: &[&str]) -> Understood {
    let nick = ctx.user().nick().to_owned();
    match (command, rest) {
        ("REGISTER", [password, ..]) => begin(ctx, &nick, password, false),
        ("IDENTIFY", [password]) => identify(ctx, &nick, password),
        ("IDENTIFY", [account, password, ..]) => identify(ctx, account, password),
        ("LOGOUT", _) if ctx.user().account.is_some() => log_out(ctx),
        ("SET", [what, password]) if same_name(what, "PASSWORD") => set_password(ctx, password),
        ("GROUP", _) => group(ctx, &nick),
        ("GHOST", [nick, ..]) => ghost(ctx, nick),
        ("INFO", _) => info(ctx, rest.first().copied().unwrap_or(&nick)),
        ("DROP", [name]) => drop_account(ctx, name),
        ("LOGOUT", _) => say(ctx, NICKSERV, "You are not logged in."),
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

fn identify(ctx: &mut Context<'_>, account: &str, password: &str) {
    if ctx.user().account.is_some() {
        return say(ctx, NICKSERV, "You are logged in already.");
    }
    let known = ctx.server.accounts.owner_of(account).map(|account| account.name().to_owned());
    hold_password(ctx, account, known, password, identified);
}

/// The password was looked at.
fn identified(ctx: &mut Context<'_>, account: Option<String>, is_right: Result<bool, String>) {
    match (is_right, account) {
        (Ok(true), Some(account)) => {
            log_in(ctx, &account);
            say(ctx, NICKSERV, &format!("You are logged in as {account}."));
        }
        (Ok(_), Some(account)) => {
            say(ctx, NICKSERV, "That is not the password.");
            count_wrong_password(ctx, &account);
        }
        (Ok(_), None) => {
            say(ctx, NICKSERV, "There is no such account.");
            count_wrong_password(ctx, "an unknown account");
        }
        (Err(_), _) => say(ctx, NICKSERV, "The server is too busy. Try again later."),
    }
}

fn set_password(ctx: &mut Context<'_>, password: &str) {
    let Some(account) = ctx.user().account.as_deref().map(str::to_owned) else {
        return say(ctx, NICKSERV, "You are not logged in.");
    };
    if !PASSWORD.contains(&password.len()) {
        return say(ctx, NICKSERV, "The password is too short, or too long.");
    }
    ctx.hash(password, move |ctx, hash| password_hashed(ctx, &account, hash));
}

/// The new password of an account is hashed.
fn password_hashed(ctx: &mut Context<'_>, account: &str, hash: Result<PasswordHash, String>) {
    if hash.is_ok_and(|hash| ctx.server.accounts.set_password(account, hash).is_ok()) {
        save_and_say(ctx, NICKSERV, "The password is changed.".to_owned());
    } else {
        say(ctx, NICKSERV, "The password could not be changed. Try again later.");
    }
}

fn group(ctx: &mut Context<'_>, nick: &str) {
    let Some(account) = ctx.user().account.as_deref().map(str::to_owned) else {
        return say(ctx, NICKSERV, "You are not logged in.");
    };
    match ctx.server.accounts.add_nick(&account, nick) {
        Ok(()) => {
            let text = format!("{nick} belongs to {account} now.");
            save_and(ctx, NICKSERV, move |ctx| {
                ctx.server.note_nicks_of(&account);
                say(ctx, NICKSERV, &text);
            });
        }
        Err(NotAdded::Taken { owner }) => {
            say(ctx, NICKSERV, &format!("{nick} belongs to {owner}."));
        }
        Err(error) => say_refused(ctx, NICKSERV, &error),
    }
}

fn ghost(ctx: &mut Context<'_>, nick: &str) {
    let is_own = ctx.server.accounts.owner_of(nick).is_some() && foreign_owner(ctx, nick).is_none();
    match ctx.server.users.holder(nick) {
        Some(ghost) if is_own && ghost != ctx.me => {
            let by = ctx.user().nick().to_owned();
            let quit = format!("GHOST command used by {by}");
            if !ctx.server.leave_now(ctx.network, ghost) {
                if ctx.server.ask_to_end(ghost, &quit) {
                    let text = format!("{nick} is on another server, and asked to go.");
                    return say(ctx, NICKSERV, &text);
                }
                ctx.server.disconnect(ctx.network, ghost, &quit);
            }
            say(ctx, NICKSERV, &format!("{nick} is gone."));
        }
        Some(_) if is_own => say(ctx, NICKSERV, "That is you."),
        Some(_) => say(ctx, NICKSERV, "That nickname is not yours."),
        None => say(ctx, NICKSERV, "Nobody goes by that nickname."),
    }
}

fn info(ctx: &mut Context<'_>, name: &str) {
    let known = ctx.server.accounts.owner_of(name).map(|account| {
        let created = Timestamp::of(account.created()).to_text();
        (account.name().to_owned(), created, account.nicks().join(" "))
    });
    let Some((name, created, nicks)) = known else {
        return say(ctx, NICKSERV, "There is no such account.");
    };
    say(ctx, NICKSERV, &format!("{name} was made on {created}."));
    if !nicks.is_empty() {
        say(ctx, NICKSERV, &format!("{name} owns {nicks}."));
    }
}

fn drop_account(ctx: &mut Context<'_>, name: &str) {
    let own = ctx.user().account.as_deref().filter(|own| same_name(own, name)).map(str::to_owned);
    let Some(account) = own else {
        return say(ctx, NICKSERV, "That is not the account you are logged in to.");
    };
    // It is the user's own, so that it is there.
    let _ = ctx.server.forget_account(&account);
    save_and(ctx, NICKSERV, move |ctx| {
        say(ctx, NICKSERV, &format!("The account {account} is gone."));
        ctx.server.log_out_all(ctx.network, &account);
    });
}

// ── ChanServ ────────────────────────────────────────────────────────────────────────────────────────

/// `CS command …`
pub(super) fn chanserv(ctx: &mut Context<'_>, message: &Message<'_>) {
    ask(ctx, &CHANNEL_SERVICE, &message.params().join(" "));
}

fn run_chanserv(ctx: &mut Context<'_>, command: &str, rest: &[&str]) -> Understood {
    match (command, rest) {
        ("REGISTER", [channel, ..]) => register_channel(ctx, channel),
        ("DROP", [channel]) => drop_channel(ctx, channel),
        ("INFO", [channel, ..]) => channel_info(ctx, channel),
        ("OP", [channel]) => op(ctx, channel),
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

fn register_channel(ctx: &mut Context<'_>, name: &str) {
    let Some(account) = ctx.user().account.as_deref().map(str::to_owned) else {
        return say(ctx, CHANSERV, "You have to be logged in to an account.");
    };
    let channel = ctx.server.channels.named(name);
    let status = channel.and_then(|channel| ctx.server.channels[channel].status(ctx.me));
    let Some(channel) = channel.filter(|_| status.is_some_and(|it| it.reaches(Status::OPERATOR)))
    else {
        return say(ctx, CHANSERV, "You have to be operator of the channel.");
    };
    if ctx.server.channels[channel].is_permanent {
        return say(ctx, CHANSERV, "That channel is the server's own.");
    }
    let name = ctx.name_of(channel);
    match ctx.server.accounts.register_channel(&name, &account, ctx.clock.system()) {
        Ok(()) => {
            kept_modes::remember(ctx.server, channel);
            save_and(ctx, CHANSERV, move |ctx| channel_registered(ctx, &name));
        }
        Err(error) => say_refused(ctx, CHANSERV, &error),
    }
}

/// The channel's registration is kept. Meanwhile the user may have been made to leave it.
fn channel_registered(ctx: &mut Context<'_>, channel: &str) {
    if let Some(open) = ctx.server.channels.named(channel) {
        ctx.server.set_registered(open, true);
        if ctx.server.channels[open].has(ctx.me) {
            channel_modes::grant(ctx, open, Status::FOUNDER);
        }
    }
    let source = ctx.source();
    ctx.log(&Event::ChannelRegistered { who: &source, channel });
    say(ctx, CHANSERV, &format!("{channel} is yours."));
}

fn drop_channel(ctx: &mut Context<'_>, name: &str) {
    if !is_founder(ctx, name) {
        return say(ctx, CHANSERV, "That channel is not yours.");
    }
    // It is the user's own, so that it is there.
    let _ = ctx.server.accounts.drop_channel(name);
    let name = name.to_owned();
    save_and(ctx, CHANSERV, move |ctx| {
        if let Some(channel) = ctx.server.channels.named(&name) {
            ctx.server.set_registered(channel, false);
        }
        say(ctx, CHANSERV, &format!("{name} is nobody's now."));
    });
}

fn op(ctx: &mut Context<'_>, name: &str) {
    let channel = ctx.server.channels.named(name);
    let is_on = channel.is_some_and(|channel| ctx.server.channels[channel].has(ctx.me));
    match channel {
        Some(channel) if is_on && is_founder(ctx, name) => {
            channel_modes::grant(ctx, channel, Status::FOUNDER);
        }
        Some(_) if is_on => say(ctx, CHANSERV, "That channel is not yours."),
        _ => say(ctx, CHANSERV, "You are not on that channel."),
    }
}

fn channel_info(ctx: &mut Context<'_>, name: &str) {
    let known = ctx.server.accounts.channel(name).map(|channel| {
        let since = Timestamp::of(channel.registered()).to_text();
        format!("{} belongs to {} since {since}.", channel.name(), channel.founder())
    });
    say(ctx, CHANSERV, known.as_deref().unwrap_or("That channel is not registered."));
}
