//! Who is where (modern.ircdocs.horse, "Channel Operations").

use std::collections::VecDeque;
use std::rc::Rc;

use crate::chat::capability::Caps;
use crate::chat::casemap::ChannelName;
use crate::chat::message::Message;
use crate::chat::numeric::{self, Numeric};
use crate::chat::server::channels::{Channel, ChannelKey, List, Topic};
use crate::chat::server::history::Talk;
use crate::chat::server::line::Line;
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::post::Part;
use crate::chat::server::users::Invitation;
use crate::chat::turn::{Turn, cut};

use super::{accounts, channel_modes, kept_modes, lists, markers, messages, metadata_events};

/// `JOIN #channel[,…] [key[,…]]`, or `JOIN 0` to leave all (RFC 2812, 3.2.1).
pub(super) fn join(turn: &mut Turn<'_>, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    if names == "0" {
        for channel in turn.user().channels.clone() {
            leave(turn, channel, "Left all channels");
        }
        return;
    }
    let mut keys = message.param(1).unwrap_or_default().split(',');
    for name in names.split(',').filter(|name| !name.is_empty()) {
        join_one(turn, name, keys.next().unwrap_or_default());
    }
}

fn join_one(turn: &mut Turn<'_>, name: &str, key: &str) {
    let limits = &turn.server.settings.limits;
    let Ok(wanted) = ChannelName::new(name, limits.channel_length) else {
        return turn.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
    };
    let channel = turn.server.channels.named(name);
    if channel.is_some_and(|channel| turn.server.channels[channel].has(turn.me)) {
        return;
    }
    let no_more = channel.is_none() && turn.server.channels.len() >= limits.channels;
    if no_more || turn.user().channels.len() >= limits.channels_per_user {
        return turn.numeric(numeric::ERR_TOOMANYCHANNELS, &[name]);
    }
    let (channel, status) = match channel {
        Some(channel) => (channel, Status::NONE),
        None => open(turn, wanted),
    };
    if let Some(refusal) = refusal(turn, channel, key) {
        let name = turn.server.channels[channel].name.to_string();
        // It may have been opened for this user, who is not let in.
        turn.server.part(channel, turn.me);
        return turn.numeric(refusal, &[&name]);
    }
    enter(turn, channel, status);
}

/// Opens a channel: whoever comes first is its operator, unless it is registered.
fn open(turn: &mut Turn<'_>, name: ChannelName) -> (ChannelKey, Status) {
    let registered = turn.server.accounts.channel(name.as_str()).cloned();
    let serial = turn.server.next_serial();
    // What was said while it was registered and empty is still remembered.
    let latest = turn.server.history.latest(&Talk::Channel(name.folded()));
    let channel = turn.server.channels.insert(Channel::new(name, turn.clock, serial));
    turn.server.channels[channel].latest = latest;
    match registered {
        Some(registered) => {
            kept_modes::restore(turn, channel, &registered);
            (channel, Status::NONE)
        }
        None => (channel, Status::OPERATOR),
    }
}

/// Why the user may not join. An invitation opens what is full, closed or banned; a key is asked of
/// everybody but the founder.
fn refusal(turn: &Turn<'_>, key: ChannelKey, password: &str) -> Option<Numeric> {
    let (channel, user) = (&turn.server.channels[key], turn.user());
    if accounts::is_founder(turn, channel.name.as_str()) {
        return None;
    }
    if channel.key.as_ref().is_some_and(|key| key != password) {
        return Some(numeric::ERR_BADCHANNELKEY);
    }
    if user.invitations.contains(&channel.invitation()) {
        return None;
    }
    if channel.limit.is_some_and(|limit| channel.len() >= limit) {
        return Some(numeric::ERR_CHANNELISFULL);
    }
    if channel.flags.has(Flags::INVITE_ONLY) && !channel.list_matches(List::Invitations, user) {
        return Some(numeric::ERR_INVITEONLYCHAN);
    }
    if channel.is_banned(user) {
        return Some(numeric::ERR_BANNEDFROMCHAN);
    }
    if channel.flags.has(Flags::REGISTERED_ONLY) && user.account.is_none() {
        return Some(numeric::ERR_NEEDREGGEDNICK);
    }
    None
}

fn enter(turn: &mut Turn<'_>, key: ChannelKey, status: Status) {
    let name = turn.server.channels[key].name.clone();
    let used = turn.server.channels[key].invitation();
    turn.user_mut().invitations.retain(|invitation| *invitation != used);
    turn.user_mut().channels.push(key);
    turn.server.channels[key].join(turn.me, &turn.server.users[turn.me], status);
    show_join(turn, key, name.as_str());
    if accounts::is_founder(turn, name.as_str()) {
        channel_modes::grant(turn, key, Status::FOUNDER);
    }
    if turn.server.channels[key].topic.is_some() {
        tell_topic(turn, key);
    }
    if turn.caps().has(Caps::READ_MARKER) {
        markers::tell(turn, name.as_str());
    }
    if !turn.caps().has(Caps::NO_IMPLICIT_NAMES) {
        lists::tell_names(turn, key);
    }
    metadata_events::joined(turn, key);
}

/// Shows the others, and the user, that it has joined.
fn show_join(turn: &mut Turn<'_>, key: ChannelKey, name: &str) {
    turn.happens_on(key);
    let account = turn.user().account.clone();
    let real_name = turn.user().real_name.clone();
    let plain = turn.by_me("JOIN").param(name);
    let extended = plain.clone().param(account.as_deref().unwrap_or("*")).text(&real_name);
    let (Some(plain), Some(extended)) = (turn.my_line(plain), turn.my_line(extended)) else {
        return;
    };
    turn.tell_others(key, &plain, |caps| !caps.has(Caps::EXTENDED_JOIN));
    turn.tell_others(key, &extended, |caps| caps.has(Caps::EXTENDED_JOIN));
    let is_extended = turn.caps().has(Caps::EXTENDED_JOIN);
    turn.reply_line(if is_extended { extended } else { plain });
    if let Some(away) = turn.user().away.clone() {
        let line = turn.by_me("AWAY").text(&away);
        if let Some(line) = turn.my_line(line) {
            turn.tell_others(key, &line, |caps| caps.has(Caps::AWAY_NOTIFY));
        }
    }
}

/// `PART #channel[,…] [:reason]` (RFC 1459, 4.2.2).
pub(super) fn part(turn: &mut Turn<'_>, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    let limit = turn.server.settings.limits.kick_length;
    let reason = cut(message.param(1).unwrap_or_default(), limit);
    for name in names.split(',').filter(|name| !name.is_empty()) {
        if let Some(channel) = own_channel(turn, name) {
            leave(turn, channel, reason);
        }
    }
}

fn leave(turn: &mut Turn<'_>, channel: ChannelKey, reason: &str) {
    turn.happens_on(channel);
    let name = turn.server.channels[channel].name.to_string();
    let line = turn.by_me("PART").param(&name);
    let line = turn.my_line(if reason.is_empty() { line } else { line.text(reason) });
    if let Some(line) = line {
        turn.tell_channel(channel, &line);
    }
    turn.server.part(channel, turn.me);
}

/// A channel that the user is on; otherwise it is told why not.
pub(super) fn own_channel(turn: &mut Turn<'_>, name: &str) -> Option<ChannelKey> {
    let Some(channel) = turn.server.channels.named(name) else {
        turn.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
        return None;
    };
    if !turn.server.channels[channel].has(turn.me) {
        let name = turn.server.channels[channel].name.to_string();
        turn.numeric(numeric::ERR_NOTONCHANNEL, &[&name]);
        return None;
    }
    Some(channel)
}

/// Whether the user has a rank on a channel; otherwise it is told that it should have.
fn has_rank(turn: &mut Turn<'_>, channel: ChannelKey, rank: Status) -> bool {
    let status = turn.rank(channel).unwrap_or_default();
    if !status.reaches(rank) {
        let name = turn.server.channels[channel].name.to_string();
        turn.numeric(numeric::ERR_CHANOPRIVSNEEDED, &[&name]);
    }
    status.reaches(rank)
}

// ── topics ──────────────────────────────────────────────────────────────────────────────────────────

/// `TOPIC #channel [:topic]` (RFC 1459, 4.2.4).
pub(super) fn topic(turn: &mut Turn<'_>, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default();
    match message.param(1) {
        None => show_topic(turn, name),
        Some(text) => set_topic(turn, name, text),
    }
}

fn show_topic(turn: &mut Turn<'_>, name: &str) {
    let visible = turn
        .server
        .channels
        .named(name)
        .filter(|&channel| turn.server.channels[channel].is_visible_to(turn.me));
    match visible {
        None => turn.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]),
        Some(channel) if turn.server.channels[channel].topic.is_none() => {
            let name = turn.server.channels[channel].name.to_string();
            turn.numeric(numeric::RPL_NOTOPIC, &[&name]);
        }
        Some(channel) => tell_topic(turn, channel),
    }
}

fn tell_topic(turn: &mut Turn<'_>, channel: ChannelKey) {
    let channel = &turn.server.channels[channel];
    let name = channel.name.to_string();
    if let Some(Topic { text, by, at }) = channel.topic.clone() {
        turn.numeric_text(numeric::RPL_TOPIC, &[&name], &text);
        turn.numeric(numeric::RPL_TOPICWHOTIME, &[&name, &by, &at.to_string()]);
    }
}

fn set_topic(turn: &mut Turn<'_>, name: &str, text: &str) {
    let Some(channel) = own_channel(turn, name) else {
        return;
    };
    let is_locked = turn.server.channels[channel].flags.has(Flags::TOPIC_LOCKED);
    if is_locked && !has_rank(turn, channel, Status::HALF_OPERATOR) {
        return;
    }
    let text = cut(text, turn.server.settings.limits.topic_length).to_owned();
    let (by, at) = (turn.user().nick().to_owned(), turn.clock.seconds());
    let topic = (!text.is_empty()).then(|| Topic { text: text.clone(), by, at });
    turn.server.channels[channel].topic = topic.clone();
    let name = turn.server.channels[channel].name.to_string();
    show_event(turn, channel, "TOPIC", vec![name.clone()], Some(text));
    if turn.server.accounts.channel(&name).is_some() {
        use crate::chat::accounts::Topic as Kept;
        let kept = topic.map(|Topic { text, by, at }| Kept { text, set_by: by, set_at: at });
        if turn.server.accounts.keep_topic(&name, kept).is_ok() {
            turn.save();
        }
    }
}

/// Shows everybody on a channel something that the user did there, and remembers it.
pub(super) fn show_event(
    turn: &mut Turn<'_>,
    channel: ChannelKey,
    command: &'static str,
    params: Vec<String>,
    text: Option<String>,
) {
    let parts = text.map(|text| Part { text, concat: false }).into_iter().collect();
    turn.happens_on(channel);
    let post = Rc::new(messages::post(turn, command, params, parts, "".into()));
    let Ok(lines) = post.plain() else {
        turn.server.counters.spoiled += 1;
        return;
    };
    for line in &lines {
        turn.tell_channel(channel, line);
    }
    messages::remember(turn, channel, post);
}

// ── inviting and kicking ────────────────────────────────────────────────────────────────────────────

/// `INVITE nick #channel`; alone, the channels the user is invited to (modern.ircdocs.horse, "INVITE").
pub(super) fn invite(turn: &mut Turn<'_>, message: &Message<'_>) {
    match *message.params() {
        [nick, name, ..] => invite_one(turn, nick, name),
        [_] => turn.numeric(numeric::ERR_NEEDMOREPARAMS, &["INVITE"]),
        [] => {
            for Invitation { channel, .. } in turn.user().invitations.clone() {
                turn.numeric(numeric::RPL_INVITEDLIST, &[channel.as_str()]);
            }
            turn.numeric(numeric::RPL_ENDOFINVITEDLIST, &[]);
        }
    }
}

fn invite_one(turn: &mut Turn<'_>, nick: &str, name: &str) {
    let Some(guest) = turn.server.users.named(nick) else {
        return turn.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let Some(channel) = own_channel(turn, name) else {
        return;
    };
    let is_closed = turn.server.channels[channel].flags.has(Flags::INVITE_ONLY);
    if is_closed && !has_rank(turn, channel, Status::HALF_OPERATOR) {
        return;
    }
    let nick = turn.server.users[guest].nick().to_owned();
    let name = turn.server.channels[channel].name.to_string();
    if turn.server.channels[channel].has(guest) {
        return turn.numeric(numeric::ERR_USERONCHANNEL, &[&nick, &name]);
    }
    let most = turn.server.settings.limits.invitations;
    let invitation = turn.server.channels[channel].invitation();
    remember_invitation(&mut turn.server.users[guest].invitations, invitation, most);
    turn.numeric(numeric::RPL_INVITING, &[&nick, &name]);
    if let Some(away) = turn.server.users[guest].away.clone() {
        turn.numeric_text(numeric::RPL_AWAY, &[&nick], &away);
    }
    let line = turn.by_me("INVITE").param(&nick).param(&name);
    if let Some(line) = turn.my_line(line) {
        turn.tell_user(guest, &line);
        turn.tell_others(channel, &line, |caps| caps.has(Caps::INVITE_NOTIFY));
    }
}

fn remember_invitation(invitations: &mut VecDeque<Invitation>, new: Invitation, most: usize) {
    invitations.retain(|invitation| invitation.channel != new.channel);
    invitations.push_back(new);
    while invitations.len() > most {
        invitations.pop_front();
    }
}

/// `KICK #channel[,…] nick[,…] [:reason]` (RFC 2812, 3.2.8).
pub(super) fn kick(turn: &mut Turn<'_>, message: &Message<'_>) {
    let &[names, nicks, ref rest @ ..] = message.params() else {
        return;
    };
    let limits = &turn.server.settings.limits;
    let reason = rest.first().filter(|reason| !reason.is_empty());
    let reason = cut(reason.unwrap_or(&turn.user().nick()), limits.kick_length).to_owned();
    let targets = limits.targets;
    let names: Vec<_> = names.split(',').collect();
    let nicks = nicks.split(',').filter(|nick| !nick.is_empty()).take(targets);
    for (at, nick) in nicks.enumerate() {
        // One channel for all of them, or one for each.
        if let Some(name) = names.get(at).or(names.first()) {
            kick_one(turn, name, nick, &reason);
        }
    }
}

fn kick_one(turn: &mut Turn<'_>, name: &str, nick: &str, reason: &str) {
    let Some(channel) = own_channel(turn, name) else {
        return;
    };
    if !has_rank(turn, channel, Status::HALF_OPERATOR) {
        return;
    }
    let Some(target) = turn.server.users.named(nick) else {
        return turn.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let name = turn.server.channels[channel].name.to_string();
    let Some(theirs) = turn.server.channels[channel].status(target) else {
        return turn.numeric(numeric::ERR_USERNOTINCHANNEL, &[nick, &name]);
    };
    // Nobody is kicked by a lesser one.
    if !has_rank(turn, channel, theirs.highest()) {
        return;
    }
    let nick = turn.server.users[target].nick().to_owned();
    show_event(turn, channel, "KICK", vec![name, nick], Some(reason.to_owned()));
    turn.server.part(channel, target);
}

/// Sends a line that the server says to everybody on a channel.
pub(super) fn to_all(turn: &mut Turn<'_>, channel: ChannelKey, line: &Line) {
    turn.tell_channel(channel, line);
}
