//! `MODE #channel`: who may do what there (modern.ircdocs.horse, "Channel Modes").
//!
//! ```text
//!   MODE #room +ov-k+b  ann bob * *!*@192.0.2.1
//!               ││ │ │   │   │  │  │
//!               ││ │ └───┼───┼──┼──┘     one by one, each with the parameter it wants,
//!               ││ └─────┼───┼──┘        and what has changed is shown in as few lines as it fits on
//!               │└───────┼───┘
//!               └────────┘
//! ```

use std::sync::Arc;

use crate::chat::server::changes::{Changed, Set, letters, on_a_line};
use crate::chat::server::channels::List;
use crate::chat::server::context::{Context, presentable};
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::modes::{Flags, Status};
use crate::chat::wire::numeric;

use super::{channels, kept_modes, mask_lists};

pub(super) fn mode(ctx: &mut Context<'_>, name: &str, rest: &[&str]) {
    let Some(channel) = ctx.server.channels.named(name) else {
        return ctx.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
    };
    match rest {
        [] => tell(ctx, channel),
        [letters, params @ ..] => change(ctx, channel, letters, params),
    }
}

/// The modes that are set, and when the channel was made.
fn tell(ctx: &mut Context<'_>, key: ChannelKey) {
    let channel = &ctx.server.channels[key];
    let (letters, params) = channel.modes(channel.has(ctx.me));
    let (name, created) = (channel.name.to_string(), channel.created.seconds().to_string());
    let words: Vec<_> =
        [name.as_str(), &letters].into_iter().chain(params.iter().map(String::as_str)).collect();
    ctx.numeric(numeric::RPL_CHANNELMODEIS, &words);
    ctx.numeric(numeric::RPL_CREATIONTIME, &[&name, &created]);
}

fn change(ctx: &mut Context<'_>, channel: ChannelKey, letters: &str, params: &[&str]) {
    let most = ctx.server.settings.limits.modes;
    let mut params = params.iter().copied();
    let mut changed: Vec<Changed> = Vec::new();
    let (mut on, mut with_param, mut is_refused) = (true, 0, false);
    // Once each: a line of four hundred letters would have a list told as often.
    let mut told = [false; List::ALL.len()];
    for letter in letters.chars() {
        if matches!(letter, '+' | '-') {
            on = letter == '+';
            continue;
        }
        let param = if takes_param(letter, on) { params.next() } else { None };
        if let (Some(list), None) = (List::of(letter), param) {
            if !std::mem::replace(&mut told[list as usize], true) {
                mask_lists::tell(ctx, channel, list);
            }
            continue;
        }
        if param.is_none() && takes_param(letter, on) && on {
            invalid(ctx, channel, letter, "*", "The mode wants a parameter");
            continue;
        }
        if param.is_some() {
            with_param += 1;
            if with_param > most {
                break;
            }
        }
        let rank = Status::of_letter(letter).map_or(Status::HALF_OPERATOR, Status::granted_by);
        if is_known(letter) && !may(ctx, channel, letter, rank, on, param) {
            if !std::mem::replace(&mut is_refused, true) {
                refuse(ctx, channel);
            }
            continue;
        }
        changed.extend(apply(ctx, channel, on, letter, param));
    }
    if !changed.is_empty() {
        show_changes(ctx, channel, &changed, true);
        kept_modes::keep(ctx, channel);
    }
}

fn takes_param(letter: char, on: bool) -> bool {
    List::of(letter).is_some()
        || Status::of_letter(letter).is_some()
        || letter == 'k'
        || (letter == 'l' && on)
}

fn is_known(letter: char) -> bool {
    takes_param(letter, true) || Flags::of(letter).is_some()
}

/// Whether the user may change a mode. Everybody may give up what it has.
fn may(
    ctx: &Context<'_>,
    channel: ChannelKey,
    letter: char,
    rank: Status,
    on: bool,
    param: Option<&str>,
) -> bool {
    let status = ctx.rank(channel);
    let target = param.and_then(|nick| ctx.server.users.named(nick));
    let is_own = Status::of_letter(letter).is_some() && !on && target == Some(ctx.me);
    status.is_some_and(|status| status.reaches(rank) || is_own)
}

fn refuse(ctx: &mut Context<'_>, channel: ChannelKey) {
    let is_member = ctx.server.channels[channel].has(ctx.me);
    let name = ctx.name_of(channel);
    let refusal = if is_member { numeric::ERR_CHANOPRIVSNEEDED } else { numeric::ERR_NOTONCHANNEL };
    ctx.numeric(refusal, &[&name]);
}

/// Changes one mode; what has changed by it.
fn apply(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    on: bool,
    letter: char,
    param: Option<&str>,
) -> Option<Changed> {
    if let Some(list) = List::of(letter) {
        return mask_lists::change(ctx, channel, on, letter, list, param?);
    }
    if let Some(status) = Status::of_letter(letter) {
        return change_status(ctx, channel, on, letter, status, param?);
    }
    if let Some(flag) = Flags::of(letter) {
        // Whether a channel is registered is not for its operators to say.
        let changed = flag != Flags::REGISTERED && ctx.server.channels[channel].flags.set(flag, on);
        return changed.then_some(Changed { on, letter, param: None });
    }
    let shown = match (letter, on) {
        ('k', true) => Some(set_key(ctx, channel, param?)?),
        ('l', true) => Some(set_limit(ctx, channel, param?)?),
        ('k', false) => {
            ctx.server.channels[channel].key.take()?;
            Some("*".to_owned())
        }
        ('l', false) => {
            ctx.server.channels[channel].limit.take()?;
            None
        }
        _ => {
            let text = letter.to_string();
            ctx.numeric(numeric::ERR_UNKNOWNMODE, &[&text]);
            return None;
        }
    };
    Some(Changed { on, letter, param: shown })
}

/// Refuses what a mode is to be set to.
pub(super) fn invalid(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    letter: char,
    param: &str,
    text: &str,
) {
    let name = ctx.name_of(channel);
    let letter = letter.to_string();
    ctx.numeric_text(numeric::ERR_INVALIDMODEPARAM, &[&name, &letter, param], text);
}

fn change_status(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    on: bool,
    letter: char,
    status: Status,
    nick: &str,
) -> Option<Changed> {
    let Some(target) = ctx.reach(nick) else {
        ctx.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
        return None;
    };
    let nick = ctx.server.users[target].nick().to_owned();
    let name = ctx.name_of(channel);
    let is_member = ctx.server.channels[channel].has(target);
    if is_member && ctx.ask_home_for(target, channel, letter, on) {
        return None;
    }
    let Some(theirs) = ctx.server.channels[channel].status_mut(target) else {
        ctx.numeric(numeric::ERR_USERNOTINCHANNEL, &[&nick, &name]);
        return None;
    };
    theirs.set(status, on).then_some(Changed { on, letter, param: Some(nick) })
}

/// Sets the key; the word that shows it.
fn set_key(ctx: &mut Context<'_>, channel: ChannelKey, key: &str) -> Option<String> {
    let is_key = !key.is_empty()
        && key.len() <= ctx.server.settings.limits.key_length
        && presentable(key) == key
        && !key.contains(',')
        && !key.chars().any(char::is_control);
    if !is_key {
        invalid(ctx, channel, 'k', "*", "The key is not well-formed");
        return None;
    }
    ctx.server.channels[channel].key = Some(key.to_owned());
    Some(key.to_owned())
}

/// Sets the limit; the word that shows it.
fn set_limit(ctx: &mut Context<'_>, channel: ChannelKey, param: &str) -> Option<String> {
    let Some(limit) = param.parse::<u32>().ok().filter(|&limit| limit > 0) else {
        invalid(ctx, channel, 'l', param, "The limit is no number above zero");
        return None;
    };
    ctx.server.channels[channel].limit = Some(limit as usize);
    Some(limit.to_string())
}

// ── showing ─────────────────────────────────────────────────────────────────────────────────────────

/// Shows everybody what has changed, in lines that are not cut; the other nodes too, if they are to be told.
pub(in crate::chat::server) fn show_changes(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    changed: &[Changed],
    is_news: bool,
) {
    let mut rest = changed;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(on_a_line(rest));
        rest = later;
        let mut params = vec![letters(now).into()];
        params.extend(now.iter().filter_map(|change| change.param.as_deref()).map(Arc::from));
        let told = channels::show_event(ctx, channel, "MODE", params, None);
        if is_news {
            let set: Vec<_> =
                now.iter().map(|change| (change.letter.to_string(), change)).collect();
            let set: Vec<_> = set.iter().map(|(item, change)| change.set(item)).collect();
            ctx.note_changes(Some(ctx.me), channel, &set, told);
        }
    }
}

/// The server makes the user what it is on its channel, and shows that.
pub(super) fn grant(ctx: &mut Context<'_>, channel: ChannelKey, status: Status) {
    let Some(mine) = ctx.server.channels[channel].status_mut(ctx.me) else { return };
    let is_new = mine.set(status, true) | mine.set(Status::OPERATOR, true);
    if !is_new {
        return;
    }
    let (name, nick) = (ctx.name_of(channel), ctx.user().nick().to_owned());
    let line = ctx.by_server("MODE").param(&name).param("+qo").param(&nick).param(&nick);
    if let Some(line) = ctx.line(line) {
        channels::to_all(ctx, channel, &line);
    }
    let set = ["q", "o"].map(|item| Set { item, about: &nick, value: Some(String::new()) });
    ctx.note_changes(None, channel, &set, None);
}
