//! The commands: one function each, in files by what they are about; here their table, and `HELP` from it.
//!
//! | file | what it is |
//! |---|---|
//! | `registration` | `PASS`, `USER`, `PING`, `PONG`, `QUIT`: the way in, and the way out |
//! | `nick` | `NICK`: who may have a nickname, and where two want the same one |
//! | `capabilities` | `CAP`: what a client understands |
//! | `sasl` | `AUTHENTICATE`: who somebody can prove to be |
//! | `accounts` | `REGISTER`, `VERIFY`: logging in and out |
//! | `services` | `NS` and `CS`: the same in words, and channels that are somebody's |
//! | `channels` | `JOIN`, `PART`, `TOPIC`, `INVITE`, `KICK`: who is where |
//! | `modes`, `channel_modes` | `MODE` |
//! | `lists` | `NAMES`, `LIST` |
//! | `messages` | `PRIVMSG`, `NOTICE`, `TAGMSG`: what is said |
//! | `posting` | what is said or done, written for each who gets it, and remembered |
//! | `multiline` | `BATCH`: what is said in several lines |
//! | `history`, `redaction`, `markers` | `CHATHISTORY`, `REDACT`, `MARKREAD`: what was said, and read |
//! | `metadata`, `metadata_events` | `METADATA`: what users and channels tell of themselves, and who hears it |
//! | `users` | `WHOIS`, `WHOWAS`, `USERHOST`, `ISON`, `AWAY`, `SETNAME` |
//! | `who` | `WHO`, and WHOX |
//! | `monitor` | `MONITOR` |
//! | `queries` | `MOTD`, `LUSERS`, `VERSION`, `TIME`, `INFO`, `ADMIN`, `STATS`, `LINKS`, `MAP` |
//! | `operators` | `OPER`, `KILL`, `REHASH`, `WALLOPS`, `CHGHOST` |

mod accounts;
mod capabilities;
mod channel_modes;
mod channels;
mod history;
mod kept_modes;
mod lists;
mod markers;
mod mask_lists;
mod messages;
mod metadata;
mod metadata_events;
mod modes;
mod monitor;
mod multiline;
mod nick;
mod operators;
mod posting;
mod queries;
mod redaction;
mod registration;
mod sasl;
mod services;
mod users;
mod who;

use super::Server;
use super::context::{Context, Then};
#[cfg(feature = "cluster")]
use super::keys::ChannelKey;
use super::keys::UserKey;
use super::label::Label;
use super::network::Network;
use super::other_protocol::OtherProtocol;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::message::{MAX_CLIENT_TAGS, Message, ParseError};
use crate::chat::wire::numeric;

pub(super) use accounts::set_account;
pub(super) use capabilities::announce;
pub(super) use channel_modes::show_changes;
pub(super) use channels::{enter, invited, leave, put_out, show_topic_of};
pub(super) use markers::read_on;
pub(super) use messages::{say_on, say_to_user};
pub(super) use metadata::{Owner, set_value};
pub(super) use metadata_events::changed as tell_value;
pub(super) use nick::{announce as announce_user, enforce_nick, rename};
pub(super) use operators::{remove_user, set_host, tell_wallops};
pub(super) use redaction::take_back;
pub(super) use users::{set_away, set_real_name};

/// Logs a user out, and tells whoever has to know.
pub(super) fn log_out(server: &mut Server, network: &mut dyn Network, user: UserKey) {
    accounts::log_out(&mut Context::new(server, network, user, None));
    server.tell_news(network);
}

/// Remembers anew what a registered channel is.
#[cfg(feature = "cluster")]
pub(super) fn keep_channel(server: &mut Server, network: &mut dyn Network, channel: ChannelKey) {
    if kept_modes::remember(server, channel) {
        network.save(&mut server.accounts, None);
    }
}

/// A command: who may give it, with how many parameters at least, and what it is good for.
struct Command {
    name: &'static str,
    parameters: usize,
    from: From,
    run: fn(&mut Context<'_>, &Message<'_>),
    help: &'static str,
}

/// Who may give a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Anybody,
    Registered,
    Operator,
}

macro_rules! commands {
    ($($name:literal $parameters:literal $from:ident $run:path, $help:literal;)*) => {
        /// All of them, in the order of their names.
        const COMMANDS: &[Command] = &[$(Command {
            name: $name, parameters: $parameters, from: From::$from, run: $run, help: $help,
        }),*];
    };
}

commands! {
    "ADMIN" 0 Registered queries::admin, "ADMIN: who runs this server";
    "AUTHENTICATE" 1 Anybody sasl::authenticate, "AUTHENTICATE mechanism, or base64: log in (SASL)";
    "AWAY" 0 Anybody users::away, "AWAY [:text]: say that you are away, or that you are back";
    "BATCH" 1 Registered multiline::batch, "BATCH +name draft/multiline target: begin a message of several lines";
    "CAP" 1 Anybody capabilities::cap, "CAP LS|LIST|REQ|END: agree on extensions";
    "CHANSERV" 0 Registered services::chanserv, "CHANSERV ...: see CS";
    "CHATHISTORY" 1 Registered history::chathistory, "CHATHISTORY LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS ...: what was said";
    "CHGHOST" 2 Operator operators::chghost, "CHGHOST nick host: give a user another visible host";
    "CS" 0 Registered services::chanserv, "CS REGISTER|DROP|INFO #channel: register a channel";
    "HELP" 0 Registered help, "HELP [command]: what a command does";
    "HELPOP" 0 Registered help, "HELPOP [command]: what a command does";
    "INFO" 0 Registered queries::info, "INFO: what this server is";
    "INVITE" 0 Registered channels::invite, "INVITE nick #channel: invite somebody; alone, who has invited you";
    "ISON" 1 Registered users::ison, "ISON nick...: which of these are here";
    "JOIN" 1 Registered channels::join, "JOIN #channel[,...] [key[,...]]: join channels; JOIN 0 leaves all";
    "KICK" 2 Registered channels::kick, "KICK #channel nick[,...] [:reason]: remove somebody from a channel";
    "KILL" 1 Operator operators::kill, "KILL nick [:reason]: remove somebody from the server";
    "LINKS" 0 Registered queries::links, "LINKS: which servers there are";
    "LIST" 0 Registered lists::list, "LIST [#channel|mask|>n|<n|C>min|C<min|T>min|T<min][,...]: which channels there are";
    "LUSERS" 0 Registered queries::lusers, "LUSERS: how many users there are";
    "MAP" 0 Registered queries::map, "MAP: which servers there are, and how many users each has";
    "MARKREAD" 0 Registered markers::markread, "MARKREAD target [timestamp=...]: how far you have read";
    "METADATA" 2 Anybody metadata::metadata, "METADATA target|* GET|LIST|SET|CLEAR|SYNC|SUB|UNSUB|SUBS ...: what users and channels tell of themselves";
    "MODE" 1 Registered modes::mode, "MODE #channel|nick [modes [parameters]]: see or change modes";
    "MONITOR" 1 Registered monitor::monitor, "MONITOR +|- nick[,...], or C, L, S: be told who comes and goes";
    "MOTD" 0 Registered queries::motd, "MOTD: the message of the day";
    "NAMES" 0 Registered lists::names, "NAMES #channel[,...]: who is on a channel";
    "NICK" 0 Anybody nick::nick, "NICK nick: take a nickname";
    "NICKSERV" 0 Registered services::nickserv, "NICKSERV ...: see NS";
    "NOTICE" 0 Registered messages::notice, "NOTICE target[,...] :text: say something that is not answered";
    "NS" 0 Registered services::nickserv, "NS REGISTER|IDENTIFY|LOGOUT|SET|GHOST|GROUP|INFO|DROP ...: your account";
    "OPER" 2 Registered operators::oper, "OPER name password: become an operator";
    "PART" 1 Registered channels::part, "PART #channel[,...] [:reason]: leave channels";
    "PASS" 1 Anybody registration::pass, "PASS password: the server's password, before anything else";
    "PING" 0 Anybody registration::ping, "PING token: is the server there?";
    "PONG" 0 Anybody registration::pong, "PONG token: yes, the client is there";
    "PRIVMSG" 0 Registered messages::privmsg, "PRIVMSG target[,...] :text: say something to channels or users";
    "QUIT" 0 Anybody registration::quit, "QUIT [:reason]: leave";
    "REDACT" 2 Registered redaction::redact, "REDACT target id [:reason]: take back what was said";
    "REGISTER" 3 Anybody accounts::register, "REGISTER account|* email|* password: make an account";
    "REHASH" 0 Operator operators::rehash, "REHASH: read the settings anew";
    "SETNAME" 1 Registered users::setname, "SETNAME :real name: change your real name";
    "STATS" 0 Registered queries::stats, "STATS u|m|o|z: since when, which commands, who, and what the server has done";
    "SUMMON" 0 Registered queries::summon, "SUMMON: not on this server";
    "TAGMSG" 0 Registered messages::tagmsg, "TAGMSG target[,...]: send tags and nothing else";
    "TIME" 0 Registered queries::time, "TIME: what time it is on the server";
    "TOPIC" 1 Registered channels::topic, "TOPIC #channel [:topic]: see or set the topic";
    "USER" 4 Anybody registration::user, "USER name 0 * :real name: say who you are";
    "USERHOST" 1 Registered users::userhost, "USERHOST nick...: where up to five users are";
    "USERS" 0 Registered queries::users, "USERS: not on this server";
    "VERIFY" 2 Anybody accounts::verify, "VERIFY account code: nothing has to be verified here";
    "VERSION" 0 Registered queries::version, "VERSION: which program this is, and what it supports";
    "WALLOPS" 1 Operator operators::wallops, "WALLOPS :text: tell all who listen (user mode w)";
    "WHO" 0 Registered who::who, "WHO #channel|nick|mask [o][%fields[,token]]: who is there";
    "WHOIS" 0 Registered users::whois, "WHOIS nick: who somebody is";
    "WHOWAS" 0 Registered users::whowas, "WHOWAS nick [count]: who somebody was";
}

impl Command {
    /// The command of a name, which may be spelt in either case, and its place.
    fn named(name: &str) -> Option<(usize, &'static Self)> {
        let letter = name.bytes().next()?.to_ascii_uppercase().checked_sub(b'A')?;
        let letter = usize::from(letter);
        let (begin, end) = (*BEGINS.get(letter)?, *BEGINS.get(letter + 1)?);
        let mut alike = COMMANDS.get(begin..end)?.iter().enumerate();
        // Most are spelt as here.
        let is_it = |it: &Self| it.name == name || it.name.eq_ignore_ascii_case(name);
        let (at, command) = alike.find(|(_, it)| is_it(it))?;
        Some((begin + at, command))
    }
}

/// Where the names of each letter begin in the table, and where it ends.
const BEGINS: [usize; 27] = {
    let mut begins = [COMMANDS.len(); 27];
    let (mut letter, mut at) = (26, COMMANDS.len());
    while letter > 0 {
        letter -= 1;
        while at > 0 && COMMANDS[at - 1].name.as_bytes()[0] as usize >= b'A' as usize + letter {
            at -= 1;
        }
        begins[letter] = at;
    }
    begins
};

/// A line has come. If its user waits for something then, how it goes on.
#[must_use]
pub(super) fn handle(
    server: &mut Server,
    network: &mut dyn Network,
    me: UserKey,
    line: &[u8],
) -> Option<Then> {
    server.counters.lines += 1;
    announce(server, network);
    if !server.users[me].is_registered()
        && let Some(other) = OtherProtocol::of(line)
    {
        server.disconnect(network, me, other.refusal());
        return None;
    }
    match &Message::parse(line) {
        Ok(message) => {
            let label = label(server.users[me].caps, message);
            let mut ctx = Context::new(server, network, me, label);
            dispatch(&mut ctx, message);
            ctx.finish()
        }
        Err(ParseError::Empty) => None,
        Err(error) => refuse(server, network, me, line, *error),
    }
}

/// A line has come that is longer than any may be. Whoever sends such a thing does not speak IRC, or
/// means harm.
pub(super) fn handle_too_long(server: &mut Server, network: &mut dyn Network, me: UserKey) {
    server.counters.lines += 1;
    let mut ctx = Context::new(server, network, me, None);
    ctx.numeric(numeric::ERR_INPUTTOOLONG, &[]);
    server.disconnect(network, me, "Input line too long");
}

fn dispatch(ctx: &mut Context<'_>, message: &Message<'_>) {
    if message.tags.as_str().len() + 2 > MAX_CLIENT_TAGS {
        return ctx.numeric(numeric::ERR_INPUTTOOLONG, &[]);
    }
    if multiline::takes(ctx, message) {
        return;
    }
    let is_registered = ctx.user().is_registered();
    let Some((place, command)) = Command::named(message.command) else {
        return match is_registered {
            true => ctx.numeric(numeric::ERR_UNKNOWNCOMMAND, &[message.command]),
            false => ctx.numeric(numeric::ERR_NOTREGISTERED, &[]),
        };
    };
    if command.from != From::Anybody && !is_registered {
        return ctx.numeric(numeric::ERR_NOTREGISTERED, &[]);
    }
    if message.params().len() < command.parameters {
        return ctx.numeric(numeric::ERR_NEEDMOREPARAMS, &[command.name]);
    }
    if command.from == From::Operator && !ctx.user().is_operator() {
        return ctx.numeric(numeric::ERR_NOPRIVILEGES, &[]);
    }
    ctx.server.count_command(place, command.name);
    (command.run)(ctx, message);
}

/// `HELP [command]` (modern.ircdocs.horse, "HELP message")
fn help(ctx: &mut Context<'_>, message: &Message<'_>) {
    match message.param(0).filter(|subject| !subject.is_empty()) {
        None => {
            ctx.numeric_text(numeric::RPL_HELPSTART, &["*"], "The commands of this server");
            for command in COMMANDS {
                ctx.numeric_text(numeric::RPL_HELPTXT, &["*"], command.help);
            }
            ctx.numeric_text(numeric::RPL_ENDOFHELP, &["*"], "End of /HELP");
        }
        Some(subject) => match Command::named(subject) {
            Some((_, command)) => {
                ctx.numeric_text(numeric::RPL_HELPSTART, &[command.name], command.help);
                ctx.numeric_text(numeric::RPL_ENDOFHELP, &[command.name], "End of /HELP");
            }
            None => ctx.numeric(numeric::ERR_HELPNOTFOUND, &[subject]),
        },
    }
}

/// A line is no message: says why.
fn refuse(
    server: &mut Server,
    network: &mut dyn Network,
    me: UserKey,
    line: &[u8],
    error: ParseError,
) -> Option<Then> {
    // What is not UTF-8 is still understood well enough to answer it (IRCv3 utf8-only).
    let text = String::from_utf8_lossy(line).replace(['\0', '\r'], "");
    let message = Message::parse(text.as_bytes()).ok();
    let label = message.as_ref().and_then(|message| label(server.users[me].caps, message));
    let command = message.as_ref().map_or("*", |message| message.command).to_ascii_uppercase();
    let mut ctx = Context::new(server, network, me, label);
    match error {
        ParseError::Empty => {}
        ParseError::TagsTooLong | ParseError::BodyTooLong => {
            ctx.numeric(numeric::ERR_INPUTTOOLONG, &[]);
        }
        ParseError::NotUtf8 => {
            ctx.fail(&command, "INVALID_UTF8", &[], "The line is not UTF-8");
        }
        ParseError::Control => {
            let text = "The line holds a NUL, CR or LF";
            ctx.numeric_text(numeric::ERR_UNKNOWNERROR, &[&command], text);
        }
    }
    ctx.finish()
}

/// The label of a command, if its client may use one (IRCv3 labeled-response): at most 64 bytes.
fn label(caps: Caps, message: &Message<'_>) -> Option<Label> {
    if !caps.has(Caps::LABELED_RESPONSE) {
        return None;
    }
    let label = message.tags.get("label")?;
    (1..=64).contains(&label.len()).then(|| Label::new(label.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_there_once_in_order_and_says_what_it_is() {
        for Command { name, help, .. } in COMMANDS {
            assert!(help.starts_with(name) && help.len() < 200, "{name}");
            assert!(
                Command::named(&name.to_ascii_lowercase()).is_some_and(|(_, it)| it.name == *name)
            );
        }
        assert!(COMMANDS.is_sorted_by(|one, next| one.name < next.name));
    }
}
