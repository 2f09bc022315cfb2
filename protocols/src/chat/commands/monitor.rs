//! `MONITOR`: being told who comes and goes (IRCv3 monitor).

use crate::chat::casemap::{Folded, Nick};
use crate::chat::message::Message;
use crate::chat::numeric::{self, Numeric};
use crate::chat::turn::{Turn, pack};

/// Bytes of names on one line.
const ROOM: usize = 380;

/// `MONITOR + nick[,…]`, `- nick[,…]`, `C`, `L`, `S`
pub(super) fn monitor(turn: &mut Turn<'_>, message: &Message<'_>) {
    let nicks = message.param(1).unwrap_or_default();
    match message.param(0).unwrap_or_default() {
        "+" => add(turn, nicks),
        "-" => nicks.split(',').for_each(|nick| remove(turn, &Folded::of(nick))),
        "C" | "c" => clear(turn),
        "L" | "l" => {
            let names: Vec<_> = turn.user().monitoring.values().cloned().collect();
            tell(turn, numeric::RPL_MONLIST, &names);
            turn.numeric(numeric::RPL_ENDOFMONLIST, &[]);
        }
        "S" | "s" => {
            let names: Vec<_> = turn.user().monitoring.values().cloned().collect();
            tell_presence(turn, &names);
        }
        _ => {}
    }
}

fn add(turn: &mut Turn<'_>, nicks: &str) {
    let limits = &turn.server.settings.limits;
    let (most, longest) = (limits.monitored, limits.nick_length);
    let mut added = Vec::new();
    let wanted: Vec<_> = nicks.split(',').filter(|nick| !nick.is_empty()).collect();
    for (at, nick) in wanted.iter().enumerate() {
        // A mask is no nickname: nobody is watched under names it does not go by yet.
        if Nick::new(nick, longest).is_err() {
            continue;
        }
        let folded = Folded::of(nick);
        if turn.user().monitoring.contains_key(&folded) {
            continue;
        }
        if turn.user().monitoring.len() >= most {
            let rest = wanted[at..].join(",");
            turn.numeric(numeric::ERR_MONLISTFULL, &[&most.to_string(), &rest]);
            break;
        }
        turn.server.monitor.add(folded.clone(), turn.me);
        turn.user_mut().monitoring.insert(folded, (*nick).to_owned());
        added.push((*nick).to_owned());
    }
    tell_presence(turn, &added);
}

fn remove(turn: &mut Turn<'_>, nick: &Folded) {
    if turn.user_mut().monitoring.remove(nick).is_some() {
        turn.server.monitor.remove(nick, turn.me);
    }
}

fn clear(turn: &mut Turn<'_>) {
    for nick in std::mem::take(&mut turn.user_mut().monitoring).into_keys() {
        turn.server.monitor.remove(&nick, turn.me);
    }
}

/// Who of these is here, and who is not.
fn tell_presence(turn: &mut Turn<'_>, names: &[String]) {
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match turn.server.users.named(name) {
            Some(user) => here.push(turn.server.users[user].source.to_string()),
            None => gone.push(name.clone()),
        }
    }
    tell(turn, numeric::RPL_MONONLINE, &here);
    tell(turn, numeric::RPL_MONOFFLINE, &gone);
}

/// Names with commas between them, on as few lines as they fit on.
fn tell(turn: &mut Turn<'_>, numeric: Numeric, names: &[String]) {
    for line in pack(names, ',', ROOM) {
        turn.numeric_text(numeric, &[], &line);
    }
}
