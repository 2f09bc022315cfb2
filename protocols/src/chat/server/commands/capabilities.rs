//! What a client understands (IRCv3 capability-negotiation).

use crate::chat::server::Server;
use crate::chat::server::keys::UserKey;
use crate::chat::server::line::Line;
use crate::chat::server::network::Network;
use crate::chat::server::offered;
use crate::chat::server::scope::{Scope, pack};
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::message::{MAX_BODY, Message};
use crate::chat::wire::numeric;

use super::{metadata, metadata_events, registration};

/// `CAP LS [302]`, `CAP LIST`, `CAP REQ :…`, `CAP END`.
pub(super) fn cap(scope: &mut Scope<'_>, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default();
    match subcommand.to_ascii_uppercase().as_str() {
        "LS" => list(scope, message.param(1)),
        "LIST" => {
            let names = scope.caps().names();
            show(scope, "LIST", names.split_ascii_whitespace());
        }
        "REQ" => request(scope, &message.params()[1..].join(" ")),
        "END" => end(scope),
        _ => scope.numeric(numeric::ERR_INVALIDCAPCMD, &[subcommand]),
    }
}

fn list(scope: &mut Scope<'_>, version: Option<&str>) {
    negotiate(scope);
    let knows_302 = version.and_then(|text| text.parse::<u32>().ok()).is_some_and(|it| it >= 302);
    if knows_302 {
        // A client of that version is told of changes whether it asks for it or not.
        let user = scope.user_mut();
        user.knows_302 = true;
        let caps = user.caps | Caps::CAP_NOTIFY;
        set(scope, caps);
    }
    let limits = &scope.server.settings.limits;
    let listed = offered::listed(scope.server.offered, knows_302, limits);
    show(scope, "LS", listed.iter());
}

/// Shows a list, on several lines if it has to be: the last has as much as fits on it. Who does not know of
/// several lines (version 302) is shown only that one; it has room for all but with the longest of names, and
/// then drafts are left out.
fn show<Word: AsRef<str>>(
    scope: &mut Scope<'_>,
    subcommand: &str,
    words: impl DoubleEndedIterator<Item = Word>,
) {
    let mut lines = pack(words.rev(), ' ', room(scope));
    if lines.is_empty() {
        lines.push(String::new());
    }
    if !scope.user().knows_302 {
        lines.truncate(1);
    }
    lines.reverse();
    let last = lines.len() - 1;
    for (at, line) in lines.iter().enumerate() {
        let names: Vec<_> = line.rsplit(' ').collect();
        let nick = scope.user().nick().to_owned();
        let reply = scope.by_server("CAP").param(&nick).param(subcommand);
        let reply = if at < last { reply.param("*") } else { reply };
        scope.reply(reply.text(&names.join(" ")));
    }
}

fn request(scope: &mut Scope<'_>, asked: &str) {
    negotiate(scope);
    let mut caps = scope.caps();
    for word in asked.split_ascii_whitespace() {
        let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
        let known = Caps::of(name).filter(|&cap| scope.server.offered.has(cap));
        let Some(cap) = known else {
            return answer(scope, "NAK", asked);
        };
        if cap == Caps::CAP_NOTIFY && !on && scope.user().knows_302 {
            return answer(scope, "NAK", asked);
        }
        caps.set(cap, on);
    }
    // A long list is acknowledged in several lines, none of which is cut.
    for names in pack(asked.split(' '), ' ', room(scope)) {
        answer(scope, "ACK", &names);
    }
    let knew_metadata = metadata::knows(scope.caps());
    set(scope, caps);
    if metadata::knows(caps) && !knew_metadata && scope.user().is_registered() {
        metadata_events::greet(scope);
    }
}

fn end(scope: &mut Scope<'_>) {
    if let Some(registering) = scope.user_mut().registering() {
        registering.is_negotiating = false;
        registration::try_register(scope);
    }
}

/// Tells those who want to know which capabilities have come, and which are gone (IRCv3 cap-notify), when
/// other settings have changed that.
pub(in crate::chat) fn announce(server: &mut Server, network: &mut dyn Network) {
    let (before, now) = (server.announced, server.offered);
    if before == now {
        return;
    }
    server.announced = now;
    let (come, gone) = (now.without(before), before.without(now));
    // Values are for clients of version 302, and for what there is.
    let valued = offered::listed(come, true, &server.settings.limits).join(" ");
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
                network.send(user.connection, line.render(user.caps, None));
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
fn negotiate(scope: &mut Scope<'_>) {
    if let Some(registering) = scope.user_mut().registering() {
        registering.is_negotiating = true;
    }
}

fn set(scope: &mut Scope<'_>, caps: Caps) {
    store(scope.server, scope.me, caps);
}

/// Changes what a user understands, wherever that is written down.
fn store(server: &mut Server, user: UserKey, caps: Caps) {
    server.users[user].caps = caps;
    for channel in server.users[user].channels.clone() {
        server.channels[channel].set_caps(user, caps);
    }
}

fn answer(scope: &mut Scope<'_>, subcommand: &str, names: &str) {
    let nick = scope.user().nick().to_owned();
    let line = scope.by_server("CAP").param(&nick).param(subcommand).text(names);
    scope.reply(line);
}

/// Bytes of a list on one line: what is left of 512 beside the source and the nickname.
fn room(scope: &Scope<'_>) -> usize {
    let rest = scope.server.settings.name.len() + scope.user().nick().len();
    MAX_BODY.saturating_sub(rest + ": CAP  LIST * :\r\n".len())
}
