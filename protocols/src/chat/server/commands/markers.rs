//! `MARKREAD`: how far a user has read, for its other clients (IRCv3 read-marker).

use crate::chat::server::Server;
use crate::chat::server::context::{Context, presentable};
use crate::chat::server::effect::Effect;
use crate::chat::server::history::Mark;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::message::Message;
use crate::chat::wire::timestamp::Timestamp;

use super::history;

/// `MARKREAD target [timestamp=…]`
pub(super) fn markread(ctx: &mut Context<'_>, message: &Message<'_>) {
    let Some(target) = message.param(0).filter(|target| !target.is_empty()) else {
        return ctx.fail("MARKREAD", "NEED_MORE_PARAMS", &[], "Not enough parameters");
    };
    match message.param(1).map(history::mark) {
        None => tell(ctx, target),
        Some(Some(Mark::Time(time))) if Folded::of(target).as_str().len() <= LONGEST => {
            set(ctx, target, time);
        }
        Some(_) => ctx.fail("MARKREAD", "INVALID_PARAMS", &[target], "That is no time"),
    }
}

/// Bytes of a target: more than any name has.
const LONGEST: usize = 128;

/// Tells a user how far it has read.
pub(super) fn tell(ctx: &mut Context<'_>, target: &str) {
    let party = Server::party(ctx.user());
    let marker = ctx.server.markers.get(&party, &Folded::of(target));
    let marker = marker.map_or_else(|| "*".to_owned(), |time| format!("timestamp={time}"));
    let line = ctx.by_server("MARKREAD").param(presentable(target)).param(&marker);
    ctx.reply(line);
}

/// Nobody has read what is still to be said: a time to come is taken for now (read-marker, "Implementation
/// Considerations"); otherwise one wrong clock would mark all messages for good. What was said last may be
/// dated a little ahead, and can be read to its end all the same.
fn set(ctx: &mut Context<'_>, target: &str, time: Timestamp) {
    let said = history::talk(ctx, target).map(|talk| ctx.server.history.latest(&talk));
    let time = time.min(ctx.clock.max(said.unwrap_or_default()));
    read_on(ctx, target, time);
    tell(ctx, target);
}

/// The user has read so far: its other clients are told, if that is news, on other nodes too.
pub(in crate::chat::server) fn read_on(ctx: &mut Context<'_>, target: &str, time: Timestamp) {
    let party = Server::party(ctx.user());
    let most = ctx.server.settings.limits.read_markers;
    let before = ctx.server.markers.get(&party, &Folded::of(target));
    let now = ctx.server.markers.set(&party, &Folded::of(target), time, most);
    let Some(account) = ctx.user().account.clone().filter(|_| before != Some(now)) else { return };
    ctx.publish(|_, user| Effect::Read { user, target: target.to_owned(), at: now });
    let line = ctx.by_server("MARKREAD").param(presentable(target));
    let Some(line) = ctx.line(line.param(&format!("timestamp={now}"))) else { return };
    let users = &ctx.server.users;
    let clients: Vec<_> = users
        .of_account(&account)
        .filter(|&key| key != ctx.me && users[key].is_registered())
        .collect();
    ctx.tell_each(&clients, &line, |caps| caps.has(Caps::READ_MARKER));
}
