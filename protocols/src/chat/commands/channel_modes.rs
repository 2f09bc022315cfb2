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

use crate::chat::accounts;
use crate::chat::mask;
use crate::chat::numeric;
use crate::chat::server::channels::{ChannelKey, Entry, List, Topic};
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::work::{Task, Then};
use crate::chat::timestamp::Timestamp;
use crate::chat::turn::{Turn, presentable};

use super::channels;

/// Bytes of parameters on one line of changes.
const ROOM: usize = 300;

/// What has changed: on or off, which mode, with which parameter.
struct Changed {
    on: bool,
    letter: char,
    param: Option<String>,
}

pub(super) fn mode(turn: &mut Turn<'_>, name: &str, rest: &[&str]) {
    let Some(channel) = turn.server.channels.named(name) else {
        return turn.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
    };
    match rest {
        [] => tell(turn, channel),
        [letters, params @ ..] => change(turn, channel, letters, params),
    }
}

/// The modes that are set, and when the channel was made.
fn tell(turn: &mut Turn<'_>, key: ChannelKey) {
    let channel = &turn.server.channels[key];
    let (letters, params) = channel.modes(channel.has(turn.me));
    let (name, created) = (channel.name.to_string(), channel.created.seconds().to_string());
    let words: Vec<_> =
        [name.as_str(), &letters].into_iter().chain(params.iter().map(String::as_str)).collect();
    turn.numeric(numeric::RPL_CHANNELMODEIS, &words);
    turn.numeric(numeric::RPL_CREATIONTIME, &[&name, &created]);
}

fn change(turn: &mut Turn<'_>, channel: ChannelKey, letters: &str, params: &[&str]) {
    let most = turn.server.settings.limits.modes;
    let mut params = params.iter().copied();
    let mut changed: Vec<Changed> = Vec::new();
    let (mut on, mut with_param, mut is_refused) = (true, 0, false);
    for letter in letters.chars() {
        if matches!(letter, '+' | '-') {
            on = letter == '+';
            continue;
        }
        let param = if takes_param(letter, on) { params.next() } else { None };
        if let (Some(list), None) = (List::of(letter), param) {
            tell_list(turn, channel, list);
            continue;
        }
        if param.is_none() && takes_param(letter, on) && on {
            invalid(turn, channel, letter, "*", "The mode wants a parameter");
            continue;
        }
        if param.is_some() {
            with_param += 1;
            if with_param > most {
                break;
            }
        }
        let rank = Status::of_letter(letter).map_or(Status::HALF_OPERATOR, Status::granted_by);
        if is_known(letter) && !may(turn, channel, letter, rank, on, param) {
            if !std::mem::replace(&mut is_refused, true) {
                refuse(turn, channel);
            }
            continue;
        }
        changed.extend(apply(turn, channel, on, letter, param));
    }
    if !changed.is_empty() {
        show(turn, channel, &changed);
        keep(turn, channel);
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
    turn: &Turn<'_>,
    channel: ChannelKey,
    letter: char,
    rank: Status,
    on: bool,
    param: Option<&str>,
) -> bool {
    let status = turn.rank(channel);
    let target = param.and_then(|nick| turn.server.users.named(nick));
    let is_own = Status::of_letter(letter).is_some() && !on && target == Some(turn.me);
    status.is_some_and(|status| status.reaches(rank) || is_own)
}

fn refuse(turn: &mut Turn<'_>, channel: ChannelKey) {
    let is_member = turn.server.channels[channel].has(turn.me);
    let name = turn.server.channels[channel].name.to_string();
    let refusal = if is_member { numeric::ERR_CHANOPRIVSNEEDED } else { numeric::ERR_NOTONCHANNEL };
    turn.numeric(refusal, &[&name]);
}

/// Changes one mode; what has changed by it.
fn apply(
    turn: &mut Turn<'_>,
    channel: ChannelKey,
    on: bool,
    letter: char,
    param: Option<&str>,
) -> Option<Changed> {
    if let Some(list) = List::of(letter) {
        return change_list(turn, channel, on, letter, list, param?);
    }
    if let Some(status) = Status::of_letter(letter) {
        return change_status(turn, channel, on, letter, status, param?);
    }
    if let Some(flag) = Flags::of(letter) {
        // Whether a channel is registered is not for its operators to say.
        let changed =
            flag != Flags::REGISTERED && turn.server.channels[channel].flags.set(flag, on);
        return changed.then_some(Changed { on, letter, param: None });
    }
    match letter {
        'k' => change_key(turn, channel, on, param),
        'l' => change_limit(turn, channel, on, param),
        _ => {
            let text = letter.to_string();
            turn.numeric(numeric::ERR_UNKNOWNMODE, &[&text]);
            None
        }
    }
}

fn invalid(turn: &mut Turn<'_>, channel: ChannelKey, letter: char, param: &str, text: &str) {
    let name = turn.server.channels[channel].name.to_string();
    let letter = letter.to_string();
    turn.numeric_text(numeric::ERR_INVALIDMODEPARAM, &[&name, &letter, param], text);
}

fn change_status(
    turn: &mut Turn<'_>,
    channel: ChannelKey,
    on: bool,
    letter: char,
    status: Status,
    nick: &str,
) -> Option<Changed> {
    let Some(target) = turn.server.users.named(nick) else {
        turn.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
        return None;
    };
    let nick = turn.server.users[target].nick().to_owned();
    let Some(theirs) = turn.server.channels[channel].status_mut(target) else {
        let name = turn.server.channels[channel].name.to_string();
        turn.numeric(numeric::ERR_USERNOTINCHANNEL, &[&nick, &name]);
        return None;
    };
    theirs.set(status, on).then_some(Changed { on, letter, param: Some(nick) })
}

fn change_key(
    turn: &mut Turn<'_>,
    channel: ChannelKey,
    on: bool,
    param: Option<&str>,
) -> Option<Changed> {
    if !on {
        let had_one = turn.server.channels[channel].key.take().is_some();
        return had_one.then(|| Changed { on, letter: 'k', param: Some("*".to_owned()) });
    }
    let key = param?;
    let is_key = !key.is_empty()
        && key.len() <= turn.server.settings.limits.key_length
        && presentable(key) == key
        && !key.contains(',')
        && !key.chars().any(char::is_control);
    if !is_key {
        invalid(turn, channel, 'k', "*", "The key is not well-formed");
        return None;
    }
    turn.server.channels[channel].key = Some(key.to_owned());
    Some(Changed { on, letter: 'k', param: Some(key.to_owned()) })
}

fn change_limit(
    turn: &mut Turn<'_>,
    channel: ChannelKey,
    on: bool,
    param: Option<&str>,
) -> Option<Changed> {
    if !on {
        let had_one = turn.server.channels[channel].limit.take().is_some();
        return had_one.then_some(Changed { on, letter: 'l', param: None });
    }
    let param = param?;
    let Some(limit) = param.parse::<u32>().ok().filter(|&limit| limit > 0) else {
        invalid(turn, channel, 'l', param, "The limit is no number above zero");
        return None;
    };
    turn.server.channels[channel].limit = Some(limit as usize);
    Some(Changed { on, letter: 'l', param: Some(limit.to_string()) })
}

// ── lists ───────────────────────────────────────────────────────────────────────────────────────────

fn change_list(
    turn: &mut Turn<'_>,
    channel: ChannelKey,
    on: bool,
    letter: char,
    list: List,
    wanted: &str,
) -> Option<Changed> {
    let mask = mask::complete(wanted).into_owned();
    let limits = &turn.server.settings.limits;
    let (most, longest) = (limits.list_entries, limits.mask_length);
    if wanted.is_empty() || presentable(&mask) != mask || mask.len() > longest {
        invalid(turn, channel, letter, wanted, "That is no mask");
        return None;
    }
    let (by, at) = (turn.source().to_string(), turn.clock.seconds());
    let name = turn.server.channels[channel].name.to_string();
    let entries = turn.server.channels[channel].list_mut(list);
    let known = entries.iter().position(|entry| entry.mask.eq_ignore_ascii_case(&mask));
    match (on, known) {
        (true, None) if entries.len() >= most => {
            let letter = letter.to_string();
            turn.numeric(numeric::ERR_BANLISTFULL, &[&name, &letter]);
            None
        }
        (true, None) => {
            entries.push(Entry { mask: mask.clone(), by, at });
            Some(Changed { on, letter, param: Some(mask) })
        }
        (false, Some(at)) => {
            let mask = entries.remove(at).mask;
            Some(Changed { on, letter, param: Some(mask) })
        }
        _ => None,
    }
}

fn tell_list(turn: &mut Turn<'_>, channel: ChannelKey, list: List) {
    let (entry_numeric, end) = match list {
        List::Bans => (numeric::RPL_BANLIST, numeric::RPL_ENDOFBANLIST),
        List::Exceptions => (numeric::RPL_EXCEPTLIST, numeric::RPL_ENDOFEXCEPTLIST),
        List::Invitations => (numeric::RPL_INVEXLIST, numeric::RPL_ENDOFINVEXLIST),
    };
    let name = turn.server.channels[channel].name.to_string();
    if turn.server.channels[channel].is_visible_to(turn.me) {
        for Entry { mask, by, at } in turn.server.channels[channel].list(list).to_vec() {
            turn.numeric(entry_numeric, &[&name, &mask, &by, &at.to_string()]);
        }
    }
    turn.numeric(end, &[&name]);
}

// ── showing and keeping ─────────────────────────────────────────────────────────────────────────────

/// Shows everybody what has changed, in lines that are not cut.
fn show(turn: &mut Turn<'_>, channel: ChannelKey, changed: &[Changed]) {
    let mut rest = changed;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |change: &&Changed| {
            bytes += change.param.as_ref().map_or(1, |param| param.len() + 2);
            bytes <= ROOM
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count);
        rest = later;
        let mut params = vec![turn.server.channels[channel].name.to_string(), letters(now)];
        params.extend(now.iter().filter_map(|change| change.param.clone()));
        channels::show_event(turn, channel, "MODE", params, None);
    }
}

/// `+ov-k`: the sign only where it changes.
fn letters(changed: &[Changed]) -> String {
    let mut text = String::new();
    let mut sign = None;
    for change in changed {
        if sign.replace(change.on) != Some(change.on) {
            text.push(if change.on { '+' } else { '-' });
        }
        text.push(change.letter);
    }
    text
}

/// The server makes the user what it is on its channel, and shows that.
pub(super) fn grant(turn: &mut Turn<'_>, channel: ChannelKey, status: Status) {
    let Some(mine) = turn.server.channels[channel].status_mut(turn.me) else {
        return;
    };
    let is_new = mine.set(status, true) | mine.set(Status::OPERATOR, true);
    if !is_new {
        return;
    }
    let (name, nick) =
        (turn.server.channels[channel].name.to_string(), turn.user().nick().to_owned());
    let line = turn.by_server("MODE").param(&name).param("+qo").param(&nick).param(&nick);
    if let Some(line) = turn.line(line) {
        channels::to_all(turn, channel, &line);
    }
}

/// Remembers the modes, lists and topic of a channel that is registered.
pub(super) fn keep(turn: &mut Turn<'_>, key: ChannelKey) {
    let channel = &turn.server.channels[key];
    let name = channel.name.to_string();
    if turn.server.accounts.channel(&name).is_none() {
        return;
    }
    let (mut letters, mut params) = channel.modes(true);
    for (letter, list) in List::ALL {
        for entry in channel.list(list) {
            letters.push(letter);
            params.push(entry.mask.clone());
        }
    }
    params.insert(0, letters.replace('r', ""));
    let topic = channel.topic.clone().map(|Topic { text, by, at }| accounts::Topic {
        text,
        set_by: by,
        set_at: at,
    });
    let kept = turn.server.accounts.keep_modes(&name, &params.join(" ")).is_ok()
        && turn.server.accounts.keep_topic(&name, topic).is_ok();
    if kept {
        turn.later(Task::Save, Then::Nothing);
    }
}

/// Makes a registered channel what it was when it was last open.
pub(super) fn restore(turn: &mut Turn<'_>, key: ChannelKey, registered: &accounts::Channel) {
    let by = turn.server.settings.name.clone();
    let created = Timestamp::of(registered.registered());
    let channel = &mut turn.server.channels[key];
    channel.created = created;
    channel.topic = registered.topic().map(|topic| Topic {
        text: topic.text.clone(),
        by: topic.set_by.clone(),
        at: topic.set_at,
    });
    let mut words = registered.modes().split(' ');
    let letters = words.next().unwrap_or_default();
    if !letters.is_empty() {
        channel.flags = Flags::default();
    }
    for letter in letters.chars() {
        match (Flags::of(letter), List::of(letter)) {
            (Some(flag), _) => {
                channel.flags.set(flag, true);
            }
            (None, Some(list)) => {
                if let Some(mask) = words.next().map(str::to_owned) {
                    channel.list_mut(list).push(Entry {
                        mask,
                        by: by.clone(),
                        at: created.seconds(),
                    });
                }
            }
            (None, None) if letter == 'k' => channel.key = words.next().map(str::to_owned),
            (None, None) if letter == 'l' => {
                channel.limit = words.next().and_then(|limit| limit.parse().ok());
            }
            (None, None) => {}
        }
    }
    channel.flags.set(Flags::REGISTERED, true);
}
