//! How far somebody has read (IRCv3 read-marker): told to the user's own clients, and to nobody else.

use crate::chat::capability::Caps;
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::Server;
use crate::chat::timestamp::Timestamp;
use crate::chat::turn::Turn;

/// `MARKREAD target [timestamp=time]`
pub(super) fn markread(turn: &mut Turn<'_>, message: &Message<'_>) {
    if !turn.caps().has(Caps::READ_MARKER) {
        return turn.numeric(numeric::ERR_UNKNOWNCOMMAND, &["MARKREAD"]);
    }
    let Some(target) = message.param(0).filter(|target| !target.is_empty()) else {
        return turn.fail("MARKREAD", "NEED_MORE_PARAMS", &[], "Whose messages?");
    };
    let limits = &turn.server.settings.limits;
    if target.len() > limits.channel_length.max(limits.nick_length) {
        return turn.fail("MARKREAD", "INVALID_PARAMS", &[target], "There is no such target");
    }
    match message.param(1) {
        None => tell(turn, target),
        Some(text) => match text.strip_prefix("timestamp=").and_then(|time| time.parse().ok()) {
            Some(at) => set(turn, target, at),
            None => turn.fail("MARKREAD", "INVALID_PARAMS", &[text], "That is no time"),
        },
    }
}

/// Tells the user how far it has read.
pub(super) fn tell(turn: &mut Turn<'_>, target: &str) {
    let marker = turn.server.markers.get(&Server::party(turn.user()), target);
    tell_marker(turn, target, marker);
}

fn set(turn: &mut Turn<'_>, target: &str, at: Timestamp) {
    let party = Server::party(turn.user());
    let limits = &turn.server.settings.limits;
    let (most, in_all) = (limits.read_markers, limits.read_markers_in_all);
    let before = turn.server.markers.get(&party, target);
    // Nobody has read what has not been said yet.
    let marker = turn.server.markers.set(&party, target, at.min(turn.clock), most, in_all);
    let Some(marker) = marker else {
        let text = "You have marked too many targets";
        return turn.fail("MARKREAD", "INTERNAL_ERROR", &[target], text);
    };
    tell_marker(turn, target, Some(marker));
    if before != Some(marker) {
        tell_other_clients(turn, target, marker);
    }
}

/// Tells the other clients of the same user: those that are logged in to the same account.
fn tell_other_clients(turn: &mut Turn<'_>, target: &str, marker: Timestamp) {
    let Some(account) = turn.user().account.clone() else {
        return;
    };
    let others: Vec<_> = turn
        .server
        .users
        .registered()
        .filter(|(key, user)| *key != turn.me && user.account.as_deref() == Some(&account))
        .map(|(key, _)| key)
        .collect();
    let line = turn.by_server("MARKREAD").param(target).param(&format!("timestamp={marker}"));
    if let Some(line) = turn.line(line) {
        turn.tell_each(&others, &line, |caps| caps.has(Caps::READ_MARKER));
    }
}

fn tell_marker(turn: &mut Turn<'_>, target: &str, marker: Option<Timestamp>) {
    let marker = marker.map_or("*".to_owned(), |marker| format!("timestamp={marker}"));
    let line = turn.by_server("MARKREAD").param(target).param(&marker);
    turn.reply(line);
}
