//! What a client understands (IRCv3 capability-negotiation).

use crate::chat::builder::Builder;
use crate::chat::capability::{self, Caps};
use crate::chat::message::{MAX_BODY, Message};
use crate::chat::numeric;
use crate::chat::server::Server;
use crate::chat::server::line::Line;
use crate::chat::server::users::UserKey;
use crate::chat::server::wire::Wire;
use crate::chat::turn::{Turn, pack};

use super::{metadata, metadata_events, registration};

/// `CAP LS [302]`, `CAP LIST`, `CAP REQ :…`, `CAP END`.
pub(super) fn cap(turn: &mut Turn<'_>, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default();
    match subcommand.to_ascii_uppercase().as_str() {
        "LS" => list(turn, message.param(1)),
        "LIST" => {
            let names = turn.caps().names();
            show(turn, "LIST", names.split_ascii_whitespace());
        }
        "REQ" => request(turn, &message.params()[1..].join(" ")),
        "END" => end(turn),
        _ => turn.numeric(numeric::ERR_INVALIDCAPCMD, &[subcommand]),
    }
}

fn list(turn: &mut Turn<'_>, version: Option<&str>) {
    negotiate(turn);
    let knows_302 = version.and_then(|text| text.parse::<u32>().ok()).is_some_and(|it| it >= 302);
    if knows_302 {
        // A client of that version is told of changes whether it asks for it or not.
        let user = turn.user_mut();
        user.knows_302 = true;
        let caps = user.caps | Caps::CAP_NOTIFY;
        set(turn, caps);
    }
    let limits = &turn.server.settings.limits;
    let listed = capability::listed(turn.server.offered, knows_302, limits);
    show(turn, "LS", listed.iter());
}

/// Shows a list, on several lines if it has to be: the last has as much as fits on it. Who does not know of
/// several lines (version 302) is shown only that one; it has room for all but with the longest of names, and
/// then drafts are left out.
fn show<Word: AsRef<str>>(
    turn: &mut Turn<'_>,
    subcommand: &str,
    words: impl DoubleEndedIterator<Item = Word>,
) {
    let mut lines = pack(words.rev(), ' ', room(turn));
    if lines.is_empty() {
        lines.push(String::new());
    }
    if !turn.user().knows_302 {
        lines.truncate(1);
    }
    lines.reverse();
    let last = lines.len() - 1;
    for (at, line) in lines.iter().enumerate() {
        let names: Vec<_> = line.rsplit(' ').collect();
        let nick = turn.user().nick().to_owned();
        let reply = turn.by_server("CAP").param(&nick).param(subcommand);
        let reply = if at < last { reply.param("*") } else { reply };
        turn.reply(reply.text(&names.join(" ")));
    }
}

fn request(turn: &mut Turn<'_>, asked: &str) {
    negotiate(turn);
    let mut caps = turn.caps();
    for word in asked.split_ascii_whitespace() {
        let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
        let known = Caps::of(name).filter(|&cap| turn.server.offered.has(cap));
        let Some(cap) = known else {
            return answer(turn, "NAK", asked);
        };
        if cap == Caps::CAP_NOTIFY && !on && turn.user().knows_302 {
            return answer(turn, "NAK", asked);
        }
        caps.set(cap, on);
    }
    // A long list is acknowledged in several lines, none of which is cut.
    for names in pack(asked.split(' '), ' ', room(turn)) {
        answer(turn, "ACK", &names);
    }
    let knew_metadata = metadata::knows(turn.caps());
    set(turn, caps);
    if metadata::knows(caps) && !knew_metadata && turn.user().is_registered() {
        metadata_events::greet(turn);
    }
}

fn end(turn: &mut Turn<'_>) {
    if let Some(registering) = turn.user_mut().registering() {
        registering.is_negotiating = false;
        registration::try_register(turn);
    }
}

/// Tells those who want to know which capabilities have come, and which are gone (IRCv3 cap-notify), when
/// other settings have changed that.
pub(in crate::chat) fn announce(server: &mut Server, wire: &mut dyn Wire) {
    let (before, now) = (server.announced, server.offered);
    if before == now {
        return;
    }
    server.announced = now;
    let (come, gone) = (now.without(before), before.without(now));
    // Values are for clients of version 302, and for what there is.
    let valued = capability::listed(come, true, &server.settings.limits).join(" ");
    for (what, names, valued) in
        [("NEW", come.names(), valued), ("DEL", gone.names(), gone.names())]
    {
        for key in server.users.keys() {
            let user = &server.users[key];
            if names.is_empty() || !user.caps.has(Caps::CAP_NOTIFY) {
                continue;
            }
            let line = Builder::new().source(&server.settings.name).command("CAP");
            let names = if user.knows_302 { &valued } else { &names };
            let line = line.param(user.nick()).param(what).text(names);
            if let Ok(line) = Line::new(line) {
                wire.send(user.connection, line.render(user.caps, None));
            }
        }
    }
    // What is gone is nobody's any more.
    for key in server.users.keys() {
        let caps = server.users[key].caps;
        let left = caps.without(before.without(now));
        if left != caps {
            store(server, key, left);
        }
    }
}

/// Registration waits for `CAP END`.
fn negotiate(turn: &mut Turn<'_>) {
    if let Some(registering) = turn.user_mut().registering() {
        registering.is_negotiating = true;
    }
}

fn set(turn: &mut Turn<'_>, caps: Caps) {
    store(turn.server, turn.me, caps);
}

/// Changes what a user understands, wherever that is written down.
fn store(server: &mut Server, user: UserKey, caps: Caps) {
    server.users[user].caps = caps;
    for channel in server.users[user].channels.clone() {
        server.channels[channel].set_caps(user, caps);
    }
}

fn answer(turn: &mut Turn<'_>, subcommand: &str, names: &str) {
    let nick = turn.user().nick().to_owned();
    let line = turn.by_server("CAP").param(&nick).param(subcommand).text(names);
    turn.reply(line);
}

/// Bytes of a list on one line: what is left of 512 beside the source and the nickname.
fn room(turn: &Turn<'_>) -> usize {
    let rest = turn.server.settings.name.len() + turn.user().nick().len();
    MAX_BODY.saturating_sub(rest + ": CAP  LIST * :\r\n".len())
}
