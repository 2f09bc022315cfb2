//! What a client understands (IRCv3 capability-negotiation).

use crate::chat::server::Server;
use crate::chat::server::context::{Context, pack};
use crate::chat::server::keys::UserKey;
use crate::chat::server::line::Line;
use crate::chat::server::network::Network;
use crate::chat::server::offered;
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::message::{MAX_BODY, Message};
use crate::chat::wire::numeric;

use super::{metadata, metadata_events, registration};

/// `CAP LS [302]`, `CAP LIST`, `CAP REQ :…`, `CAP END`.
pub(super) fn cap(ctx: &mut Context<'_>, message: &Message<'_>) {
    let subcommand = message.param(0).unwrap_or_default();
    match subcommand.to_ascii_uppercase().as_str() {
        "LS" => list(ctx, message.param(1)),
        "LIST" => {
            let names = ctx.caps().names();
            show(ctx, "LIST", names.split_ascii_whitespace());
        }
        "REQ" => request(ctx, &message.params()[1..].join(" ")),
        "END" => end(ctx),
        _ => ctx.numeric(numeric::ERR_INVALIDCAPCMD, &[subcommand]),
    }
}

fn list(ctx: &mut Context<'_>, version: Option<&str>) {
    negotiate(ctx);
    let knows_302 = version.and_then(|text| text.parse::<u32>().ok()).is_some_and(|it| it >= 302);
    if knows_302 {
        // A client of that version is told of changes whether it asks for it or not.
        let user = ctx.user_mut();
        user.knows_302 = true;
        let caps = user.caps | Caps::CAP_NOTIFY;
        set(ctx, caps);
    }
    let limits = &ctx.server.settings.limits;
    let listed = offered::listed(ctx.server.offered, knows_302, limits);
    show(ctx, "LS", listed.iter());
}

/// Shows a list, on several lines if it has to be: the last has as much as fits on it. Who does not know of
/// several lines (version 302) is shown only that one; it has room for all but with the longest of names, and
/// then drafts are left out.
fn show<Word: AsRef<str>>(
    ctx: &mut Context<'_>,
    subcommand: &str,
    words: impl DoubleEndedIterator<Item = Word>,
) {
    let mut lines = pack(words.rev(), ' ', room(ctx));
    if lines.is_empty() {
        lines.push(String::new());
    }
    if !ctx.user().knows_302 {
        lines.truncate(1);
    }
    lines.reverse();
    let last = lines.len() - 1;
    for (at, line) in lines.iter().enumerate() {
        let names: Vec<_> = line.rsplit(' ').collect();
        let reply = ctx.to_me("CAP").param(subcommand);
        let reply = if at < last { reply.param("*") } else { reply };
        ctx.reply(reply.text(&names.join(" ")));
    }
}

fn request(ctx: &mut Context<'_>, asked: &str) {
    negotiate(ctx);
    let mut caps = ctx.caps();
    for word in asked.split_ascii_whitespace() {
        let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
        let known = Caps::of(name).filter(|&cap| ctx.server.offered.has(cap));
        let Some(cap) = known else {
            return answer(ctx, "NAK", asked);
        };
        if cap == Caps::CAP_NOTIFY && !on && ctx.user().knows_302 {
            return answer(ctx, "NAK", asked);
        }
        caps.set(cap, on);
    }
    // A long list is acknowledged in several lines, none of which is cut.
    for names in pack(asked.split(' '), ' ', room(ctx)) {
        answer(ctx, "ACK", &names);
    }
    let knew_metadata = metadata::knows(ctx.caps());
    set(ctx, caps);
    if metadata::knows(caps) && !knew_metadata && ctx.user().is_registered() {
        metadata_events::greet(ctx);
    }
}

fn end(ctx: &mut Context<'_>) {
    if let Some(registering) = ctx.user_mut().registering() {
        registering.is_negotiating = false;
        registration::try_register(ctx);
    }
}

/// Tells those who want to know which capabilities have come, and which are gone (IRCv3 cap-notify), when
/// other settings have changed that.
pub(in crate::chat::server) fn announce(server: &mut Server, network: &mut dyn Network) {
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
                user.send(network, line.render(user.caps, None));
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
fn negotiate(ctx: &mut Context<'_>) {
    if let Some(registering) = ctx.user_mut().registering() {
        registering.is_negotiating = true;
    }
}

fn set(ctx: &mut Context<'_>, caps: Caps) {
    store(ctx.server, ctx.me, caps);
}

/// Changes what a user understands, wherever that is written down.
fn store(server: &mut Server, user: UserKey, caps: Caps) {
    server.users[user].caps = caps;
    for channel in server.users[user].channels.clone() {
        server.channels[channel].set_caps(user, caps);
    }
}

fn answer(ctx: &mut Context<'_>, subcommand: &str, names: &str) {
    ctx.reply(ctx.to_me("CAP").param(subcommand).text(names));
}

/// Bytes of a list on one line: what is left of 512 beside the source and the nickname.
fn room(ctx: &Context<'_>) -> usize {
    let rest = ctx.server.settings.name.len() + ctx.user().nick().len();
    MAX_BODY.saturating_sub(rest + ": CAP  LIST * :\r\n".len())
}
