//! What the server tells of itself (modern.ircdocs.horse, "Server Queries and Commands").

use crate::chat::casemap::same_name;
use crate::chat::mask;
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::welcome::VERSION;
use crate::chat::turn::Turn;

use super::{COMMANDS, Command};

/// Whether a query is for this server: it names it, a mask of it, or somebody on it; or nobody.
pub(super) fn is_for_us(turn: &mut Turn<'_>, target: Option<&str>) -> bool {
    let Some(target) = target.filter(|target| !target.is_empty()) else {
        return true;
    };
    let name = &turn.server.settings.name;
    let is_ours = same_name(target, name)
        || (mask::is_mask(target) && mask::matches(target, name))
        || turn.server.users.named(target).is_some();
    if !is_ours {
        turn.numeric(numeric::ERR_NOSUCHSERVER, &[target]);
    }
    is_ours
}

/// `MOTD [server]`
pub(super) fn motd(turn: &mut Turn<'_>, message: &Message<'_>) {
    if is_for_us(turn, message.param(0)) {
        tell_motd(turn);
    }
}

pub(super) fn tell_motd(turn: &mut Turn<'_>) {
    let Some(lines) = turn.server.settings.motd.clone() else {
        return turn.numeric(numeric::ERR_NOMOTD, &[]);
    };
    let name = turn.server.settings.name.clone();
    turn.numeric_text(numeric::RPL_MOTDSTART, &[], &format!("- {name} Message of the day - "));
    for line in &lines {
        turn.numeric_text(numeric::RPL_MOTD, &[], &format!("- {line}"));
    }
    turn.numeric(numeric::RPL_ENDOFMOTD, &[]);
}

/// `LUSERS`
pub(super) fn lusers(turn: &mut Turn<'_>, _: &Message<'_>) {
    tell_lusers(turn);
}

pub(super) fn tell_lusers(turn: &mut Turn<'_>) {
    let counters = *turn.server.counters();
    let (users, most) = (counters.users, counters.most_users);
    let (visible, invisible) = (users - counters.invisible, counters.invisible);
    let unknown = (counters.open - users).to_string();
    let channels = turn.server.channels.len().to_string();
    turn.numeric_text(
        numeric::RPL_LUSERCLIENT,
        &[],
        &format!("There are {visible} users and {invisible} invisible on 1 servers"),
    );
    turn.numeric(numeric::RPL_LUSEROP, &[&counters.operators.to_string()]);
    turn.numeric(numeric::RPL_LUSERUNKNOWN, &[&unknown]);
    turn.numeric(numeric::RPL_LUSERCHANNELS, &[&channels]);
    turn.numeric_text(numeric::RPL_LUSERME, &[], &format!("I have {users} clients and 0 servers"));
    for (numeric, which) in
        [(numeric::RPL_LOCALUSERS, "local"), (numeric::RPL_GLOBALUSERS, "global")]
    {
        let text = format!("Current {which} users {users}, max {most}");
        turn.numeric_text(numeric, &[&users.to_string(), &most.to_string()], &text);
    }
}

/// `VERSION [server]`
pub(super) fn version(turn: &mut Turn<'_>, message: &Message<'_>) {
    if is_for_us(turn, message.param(0)) {
        let name = turn.server.settings.name.clone();
        turn.numeric_text(numeric::RPL_VERSION, &[VERSION, &name], "one thread, no waiting");
        turn.isupport();
    }
}

/// `TIME [server]`
pub(super) fn time(turn: &mut Turn<'_>, message: &Message<'_>) {
    if is_for_us(turn, message.param(0)) {
        let (name, text) = (turn.server.settings.name.clone(), turn.clock.to_text());
        turn.numeric_text(numeric::RPL_TIME, &[&name], &text);
    }
}

/// `INFO [server]`
pub(super) fn info(turn: &mut Turn<'_>, message: &Message<'_>) {
    if !is_for_us(turn, message.param(0)) {
        return;
    }
    let since = turn.server.started.map_or(turn.clock, |started| started.at).to_text();
    for line in [
        turn.server.settings.description.clone(),
        format!(
            "{VERSION}: a chat server as a state machine on the reactor, one thread for everybody."
        ),
        "It speaks IRC as modern.ircdocs.horse and the IRCv3 working group describe it.".to_owned(),
        format!("On-line since {since}"),
    ] {
        turn.numeric_text(numeric::RPL_INFO, &[], &line);
    }
    turn.numeric(numeric::RPL_ENDOFINFO, &[]);
}

/// `ADMIN [server]` (RFC 1459, 4.3.7)
pub(super) fn admin(turn: &mut Turn<'_>, message: &Message<'_>) {
    if !is_for_us(turn, message.param(0)) {
        return;
    }
    let name = turn.server.settings.name.clone();
    let Some(admin) = turn.server.settings.admin.clone() else {
        return turn.numeric(numeric::ERR_NOADMININFO, &[&name]);
    };
    turn.numeric(numeric::RPL_ADMINME, &[&name]);
    turn.numeric_text(numeric::RPL_ADMINLOC1, &[], &admin.location);
    turn.numeric_text(numeric::RPL_ADMINLOC2, &[], &admin.organisation);
    turn.numeric_text(numeric::RPL_ADMINEMAIL, &[], &admin.email);
}

/// `STATS letter [server]` (RFC 1459, 4.3.2): `u` since when, `m` which commands were given how often; for
/// operators, `o` who may be one, and `z` what the server and its loop have done.
pub(super) fn stats(turn: &mut Turn<'_>, message: &Message<'_>) {
    let letter = message.param(0).unwrap_or("*");
    if !is_for_us(turn, message.param(1)) {
        return;
    }
    let is_operator = turn.user().is_operator();
    match letter {
        "u" => tell_uptime(turn),
        "m" => {
            for (name, count) in turn.server.commands.clone() {
                turn.numeric(numeric::RPL_STATSCOMMANDS, &[name, &count.to_string()]);
            }
        }
        "o" | "z" if !is_operator => turn.numeric(numeric::ERR_NOPRIVILEGES, &[]),
        "o" => {
            for operator in turn.server.settings.operators.clone() {
                turn.numeric(numeric::RPL_STATSOLINE, &["O", &operator.host, "*", &operator.name]);
            }
        }
        "z" => {
            let text = format!("{}\n{}", turn.server.counters, turn.wire.statistics());
            for line in text.lines().filter(|line| !line.is_empty()) {
                turn.numeric_text(numeric::RPL_STATSDEBUG, &[], line);
            }
        }
        _ => {}
    }
    turn.numeric(numeric::RPL_ENDOFSTATS, &[letter]);
}

fn tell_uptime(turn: &mut Turn<'_>) {
    let now = turn.wire.now();
    let since = turn.server.started.map_or(now, |started| started.instant);
    let seconds = now.saturating_duration_since(since).as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let text = format!("Server Up {days} days {hours}:{minutes:02}:{seconds:02}");
    turn.numeric_text(numeric::RPL_STATSUPTIME, &[], &text);
}

/// `LINKS`: there is one server.
pub(super) fn links(turn: &mut Turn<'_>, _: &Message<'_>) {
    let settings = &turn.server.settings;
    let (name, text) = (settings.name.clone(), format!("0 {}", settings.description));
    turn.numeric_text(numeric::RPL_LINKS, &[&name, &name], &text);
    turn.numeric(numeric::RPL_ENDOFLINKS, &["*"]);
}

/// `HELP [command]` (modern.ircdocs.horse, "HELP message")
pub(super) fn help(turn: &mut Turn<'_>, message: &Message<'_>) {
    match message.param(0).filter(|subject| !subject.is_empty()) {
        None => {
            turn.numeric_text(numeric::RPL_HELPSTART, &["*"], "The commands of this server");
            for command in COMMANDS {
                turn.numeric_text(numeric::RPL_HELPTXT, &["*"], command.help);
            }
            turn.numeric_text(numeric::RPL_ENDOFHELP, &["*"], "End of /HELP");
        }
        Some(subject) => match Command::named(subject) {
            Some(command) => {
                turn.numeric_text(numeric::RPL_HELPSTART, &[command.name], command.help);
                turn.numeric_text(numeric::RPL_ENDOFHELP, &[command.name], "End of /HELP");
            }
            None => turn.numeric(numeric::ERR_HELPNOTFOUND, &[subject]),
        },
    }
}

/// `USERS`: who is at the terminals of the machine is nobody's business.
pub(super) fn users(turn: &mut Turn<'_>, _: &Message<'_>) {
    turn.numeric(numeric::ERR_USERSDISABLED, &[]);
}

/// `SUMMON`: nobody is called to the terminal any more.
pub(super) fn summon(turn: &mut Turn<'_>, _: &Message<'_>) {
    turn.numeric(numeric::ERR_SUMMONDISABLED, &[]);
}
