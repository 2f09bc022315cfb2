//! `MONITOR`: being told who comes and goes (IRCv3 monitor).

use crate::chat::server::context::{Context, pack};
use crate::chat::wire::casemap::{Folded, Nick};
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::chat::wire::numeric::Numeric;

/// Bytes of names on one line.
const ROOM: usize = 380;

/// `MONITOR + nick[,…]`, `- nick[,…]`, `C`, `L`, `S`
pub(super) fn monitor(ctx: &mut Context<'_>, message: &Message<'_>) {
    let nicks = message.param(1).unwrap_or_default();
    match message.param(0).unwrap_or_default() {
        "+" => add(ctx, nicks),
        "-" => nicks.split(',').for_each(|nick| remove(ctx, &Folded::of(nick))),
        "C" | "c" => clear(ctx),
        "L" | "l" => {
            let names: Vec<_> = ctx.user().monitoring.values().cloned().collect();
            tell(ctx, numeric::RPL_MONLIST, &names);
            ctx.numeric(numeric::RPL_ENDOFMONLIST, &[]);
        }
        "S" | "s" => {
            let names: Vec<_> = ctx.user().monitoring.values().cloned().collect();
            tell_presence(ctx, &names);
        }
        _ => {}
    }
}

fn add(ctx: &mut Context<'_>, nicks: &str) {
    let limits = &ctx.server.settings.limits;
    let (most, longest) = (limits.monitored, limits.nick_length);
    let mut added = Vec::new();
    let wanted: Vec<_> = nicks.split(',').filter(|nick| !nick.is_empty()).collect();
    for (at, nick) in wanted.iter().enumerate() {
        // A mask is no nickname: nobody is watched under names it does not go by yet.
        if Nick::new(nick, longest).is_err() {
            continue;
        }
        let folded = Folded::of(nick);
        if ctx.user().monitoring.contains_key(&folded) {
            continue;
        }
        if ctx.user().monitoring.len() >= most {
            let rest = wanted[at..].join(",");
            ctx.numeric(numeric::ERR_MONLISTFULL, &[&most.to_string(), &rest]);
            break;
        }
        ctx.server.monitor.add(folded.clone(), ctx.me);
        ctx.user_mut().monitoring.insert(folded, (*nick).to_owned());
        added.push((*nick).to_owned());
    }
    tell_presence(ctx, &added);
}

fn remove(ctx: &mut Context<'_>, nick: &Folded) {
    if ctx.user_mut().monitoring.remove(nick).is_some() {
        ctx.server.monitor.remove(nick, ctx.me);
    }
}

fn clear(ctx: &mut Context<'_>) {
    for nick in std::mem::take(&mut ctx.user_mut().monitoring).into_keys() {
        ctx.server.monitor.remove(&nick, ctx.me);
    }
}

/// Who of these is here, and who is not.
fn tell_presence(ctx: &mut Context<'_>, names: &[String]) {
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match ctx.server.users.named(name) {
            Some(user) => here.push(ctx.server.users[user].source.to_string()),
            None => gone.push(name.clone()),
        }
    }
    tell(ctx, numeric::RPL_MONONLINE, &here);
    tell(ctx, numeric::RPL_MONOFFLINE, &gone);
}

/// Names with commas between them, on as few lines as they fit on.
fn tell(ctx: &mut Context<'_>, numeric: Numeric, names: &[String]) {
    for line in pack(names, ',', ROOM) {
        ctx.numeric_text(numeric, &[], &line);
    }
}
