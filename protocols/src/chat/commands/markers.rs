//! `MARKREAD`: how far a user has read, for its other clients (IRCv3 read-marker).

use crate::chat::capability::Caps;
use crate::chat::casemap::Folded;
use crate::chat::message::Message;
use crate::chat::server::Server;
use crate::chat::server::history::Mark;
use crate::chat::timestamp::Timestamp;
use crate::chat::turn::{Turn, presentable};

use super::history;

/// `MARKREAD target [timestamp=…]`
pub(super) fn markread(turn: &mut Turn<'_>, message: &Message<'_>) {
    let Some(target) = message.param(0).filter(|target| !target.is_empty()) else {
        return turn.fail("MARKREAD", "NEED_MORE_PARAMS", &[], "Not enough parameters");
    };
    match message.param(1).map(history::mark) {
        None => tell(turn, target),
        Some(Some(Mark::Time(time))) if Folded::of(target).as_str().len() <= LONGEST => {
            set(turn, target, time);
        }
        Some(_) => turn.fail("MARKREAD", "INVALID_PARAMS", &[target], "That is no time"),
    }
}

/// Bytes of a target: more than any name has.
const LONGEST: usize = 128;

/// Tells a user how far it has read.
pub(super) fn tell(turn: &mut Turn<'_>, target: &str) {
    let party = Server::party(turn.user());
    let marker = turn.server.markers.get(&party, &Folded::of(target));
    let marker = marker.map_or_else(|| "*".to_owned(), |time| format!("timestamp={time}"));
    let line = turn.by_server("MARKREAD").param(presentable(target)).param(&marker);
    turn.reply(line);
}

/// Nobody has read what is still to be said: a time to come is taken for now (read-marker, "Implementation
/// Considerations"); otherwise one wrong clock would mark all messages for good. What was said last may be
/// dated a little ahead, and can be read to its end all the same.
fn set(turn: &mut Turn<'_>, target: &str, time: Timestamp) {
    let said = history::talk(turn, target).map(|talk| turn.server.history.latest(&talk));
    let time = time.min(turn.clock.max(said.unwrap_or_default()));
    let party = Server::party(turn.user());
    let most = turn.server.settings.limits.read_markers;
    let before = turn.server.markers.get(&party, &Folded::of(target));
    let now = turn.server.markers.set(&party, &Folded::of(target), time, most);
    tell(turn, target);
    let Some(account) = turn.user().account.clone().filter(|_| before != Some(now)) else {
        return;
    };
    let line = turn.by_server("MARKREAD").param(presentable(target));
    let Some(line) = turn.line(line.param(&format!("timestamp={now}"))) else {
        return;
    };
    let users = &turn.server.users;
    let clients: Vec<_> = users
        .of_account(&account)
        .filter(|&key| key != turn.me && users[key].is_registered())
        .collect();
    turn.tell_each(&clients, &line, |caps| caps.has(Caps::READ_MARKER));
}
