//! `MONITOR`: being told who comes and goes (IRCv3 monitor).

use crate::chat::server::scope::{Scope, pack};
use crate::chat::wire::casemap::{Folded, Nick};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::chat::wire::numeric::Numeric;

/// Bytes of names on one line.
const ROOM: usize = 380;

/// `MONITOR + nick[,…]`, `- nick[,…]`, `C`, `L`, `S`
pub(super) fn monitor(scope: &mut Scope<'_>, message: &Message<'_>) {
    let nicks = message.param(1).unwrap_or_default();
    match message.param(0).unwrap_or_default() {
        "+" => add(scope, nicks),
        "-" => nicks.split(',').for_each(|nick| remove(scope, &Folded::of(nick))),
        "C" | "c" => clear(scope),
        "L" | "l" => {
            let names: Vec<_> = scope.user().monitoring.values().cloned().collect();
            tell(scope, numeric::RPL_MONLIST, &names);
            scope.numeric(numeric::RPL_ENDOFMONLIST, &[]);
        }
        "S" | "s" => {
            let names: Vec<_> = scope.user().monitoring.values().cloned().collect();
            tell_presence(scope, &names);
        }
        _ => {}
    }
}

fn add(scope: &mut Scope<'_>, nicks: &str) {
    let limits = &scope.server.settings.limits;
    let (most, longest) = (limits.monitored, limits.nick_length);
    let mut added = Vec::new();
    let wanted: Vec<_> = nicks.split(',').filter(|nick| !nick.is_empty()).collect();
    for (at, nick) in wanted.iter().enumerate() {
        // A mask is no nickname: nobody is watched under names it does not go by yet.
        if Nick::new(nick, longest).is_err() {
            continue;
        }
        let folded = Folded::of(nick);
        if scope.user().monitoring.contains_key(&folded) {
            continue;
        }
        if scope.user().monitoring.len() >= most {
            let rest = wanted[at..].join(",");
            scope.numeric(numeric::ERR_MONLISTFULL, &[&most.to_string(), &rest]);
            break;
        }
        scope.server.monitor.add(folded.clone(), scope.me);
        scope.user_mut().monitoring.insert(folded, (*nick).to_owned());
        added.push((*nick).to_owned());
    }
    tell_presence(scope, &added);
}

fn remove(scope: &mut Scope<'_>, nick: &Folded) {
    if scope.user_mut().monitoring.remove(nick).is_some() {
        scope.server.monitor.remove(nick, scope.me);
    }
}

fn clear(scope: &mut Scope<'_>) {
    for nick in std::mem::take(&mut scope.user_mut().monitoring).into_keys() {
        scope.server.monitor.remove(&nick, scope.me);
    }
}

/// Who of these is here, and who is not.
fn tell_presence(scope: &mut Scope<'_>, names: &[String]) {
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match scope.server.users.named(name) {
            Some(user) => here.push(scope.server.users[user].source.to_string()),
            None => gone.push(name.clone()),
        }
    }
    tell(scope, numeric::RPL_MONONLINE, &here);
    tell(scope, numeric::RPL_MONOFFLINE, &gone);
}

/// Names with commas between them, on as few lines as they fit on.
fn tell(scope: &mut Scope<'_>, numeric: Numeric, names: &[String]) {
    for line in pack(names, ',', ROOM) {
        scope.numeric_text(numeric, &[], &line);
    }
}
