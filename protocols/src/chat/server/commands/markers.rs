//! `MARKREAD`: how far a user has read, for its other clients (IRCv3 read-marker).

use crate::chat::server::Server;
use crate::chat::server::history::Mark;
use crate::chat::server::scope::{Scope, presentable};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::message::Message;
use crate::chat::wire::timestamp::Timestamp;

use super::history;

/// `MARKREAD target [timestamp=…]`
pub(super) fn markread(scope: &mut Scope<'_>, message: &Message<'_>) {
    let Some(target) = message.param(0).filter(|target| !target.is_empty()) else {
        return scope.fail("MARKREAD", "NEED_MORE_PARAMS", &[], "Not enough parameters");
    };
    match message.param(1).map(history::mark) {
        None => tell(scope, target),
        Some(Some(Mark::Time(time))) if Folded::of(target).as_str().len() <= LONGEST => {
            set(scope, target, time);
        }
        Some(_) => scope.fail("MARKREAD", "INVALID_PARAMS", &[target], "That is no time"),
    }
}

/// Bytes of a target: more than any name has.
const LONGEST: usize = 128;

/// Tells a user how far it has read.
pub(super) fn tell(scope: &mut Scope<'_>, target: &str) {
    let party = Server::party(scope.user());
    let marker = scope.server.markers.get(&party, &Folded::of(target));
    let marker = marker.map_or_else(|| "*".to_owned(), |time| format!("timestamp={time}"));
    let line = scope.by_server("MARKREAD").param(presentable(target)).param(&marker);
    scope.reply(line);
}

/// Nobody has read what is still to be said: a time to come is taken for now (read-marker, "Implementation
/// Considerations"); otherwise one wrong clock would mark all messages for good. What was said last may be
/// dated a little ahead, and can be read to its end all the same.
fn set(scope: &mut Scope<'_>, target: &str, time: Timestamp) {
    let said = history::talk(scope, target).map(|talk| scope.server.history.latest(&talk));
    let time = time.min(scope.clock.max(said.unwrap_or_default()));
    let party = Server::party(scope.user());
    let most = scope.server.settings.limits.read_markers;
    let before = scope.server.markers.get(&party, &Folded::of(target));
    let now = scope.server.markers.set(&party, &Folded::of(target), time, most);
    tell(scope, target);
    let Some(account) = scope.user().account.clone().filter(|_| before != Some(now)) else {
        return;
    };
    let line = scope.by_server("MARKREAD").param(presentable(target));
    let Some(line) = scope.line(line.param(&format!("timestamp={now}"))) else {
        return;
    };
    let users = &scope.server.users;
    let clients: Vec<_> = users
        .of_account(&account)
        .filter(|&key| key != scope.me && users[key].is_registered())
        .collect();
    scope.tell_each(&clients, &line, |caps| caps.has(Caps::READ_MARKER));
}
