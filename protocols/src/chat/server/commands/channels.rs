//! Who is where (modern.ircdocs.horse, "Channel Operations").

use std::collections::VecDeque;
use std::rc::Rc;

use crate::chat::server::channels::{Channel, List, Topic};
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::line::Line;
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::post::{Part, What};
use crate::chat::server::scope::{Scope, cut};
use crate::chat::server::talk::Talk;
use crate::chat::server::users::Invitation;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::ChannelName;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::chat::wire::numeric::Numeric;

use super::{accounts, channel_modes, kept_modes, lists, markers, metadata_events, posting};

/// `JOIN #channel[,…] [key[,…]]`, or `JOIN 0` to leave all (RFC 2812, 3.2.1).
pub(super) fn join(scope: &mut Scope<'_>, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    if names == "0" {
        for channel in scope.user().channels.clone() {
            leave(scope, channel, "Left all channels");
        }
        return;
    }
    let mut keys = message.param(1).unwrap_or_default().split(',');
    for name in names.split(',').filter(|name| !name.is_empty()) {
        join_one(scope, name, keys.next().unwrap_or_default());
    }
}

fn join_one(scope: &mut Scope<'_>, name: &str, key: &str) {
    let limits = &scope.server.settings.limits;
    let Ok(wanted) = ChannelName::new(name, limits.channel_length) else {
        return scope.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
    };
    let channel = scope.server.channels.named(name);
    if channel.is_some_and(|channel| scope.server.channels[channel].has(scope.me)) {
        return;
    }
    let no_more = channel.is_none() && scope.server.channels.len() >= limits.channels;
    if no_more || scope.user().channels.len() >= limits.channels_per_user {
        return scope.numeric(numeric::ERR_TOOMANYCHANNELS, &[name]);
    }
    let (channel, status) = match channel {
        Some(channel) => (channel, Status::NONE),
        None => open(scope, wanted),
    };
    if let Some(refusal) = refusal(scope, channel, key) {
        let name = scope.server.channels[channel].name.to_string();
        // It may have been opened for this user, who is not let in.
        scope.server.part(channel, scope.me);
        return scope.numeric(refusal, &[&name]);
    }
    enter(scope, channel, status);
}

/// Opens a channel: whoever comes first is its operator, unless it is registered.
fn open(scope: &mut Scope<'_>, name: ChannelName) -> (ChannelKey, Status) {
    let registered = scope.server.accounts.channel(name.as_str()).cloned();
    let serial = scope.server.next_serial();
    // What was said while it was registered and empty is still remembered.
    let latest = scope.server.history.latest(&Talk::Channel(name.folded()));
    let channel = scope.server.channels.insert(Channel::new(name, scope.clock, serial));
    scope.server.channels[channel].latest = latest;
    match registered {
        Some(registered) => {
            kept_modes::restore(scope, channel, &registered);
            (channel, Status::NONE)
        }
        None => (channel, Status::OPERATOR),
    }
}

/// Why the user may not join. An invitation opens what is full, closed or banned; a key is asked of
/// everybody but the founder.
fn refusal(scope: &Scope<'_>, key: ChannelKey, password: &str) -> Option<Numeric> {
    let (channel, user) = (&scope.server.channels[key], scope.user());
    if accounts::is_founder(scope, channel.name.as_str()) {
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

fn enter(scope: &mut Scope<'_>, key: ChannelKey, status: Status) {
    let name = scope.server.channels[key].name.clone();
    let used = scope.server.channels[key].invitation();
    scope.user_mut().invitations.retain(|invitation| *invitation != used);
    scope.user_mut().channels.push(key);
    scope.server.channels[key].join(scope.me, &scope.server.users[scope.me], status);
    show_join(scope, key, name.as_str());
    if accounts::is_founder(scope, name.as_str()) {
        channel_modes::grant(scope, key, Status::FOUNDER);
    }
    if scope.server.channels[key].topic.is_some() {
        tell_topic(scope, key);
    }
    if scope.caps().has(Caps::READ_MARKER) {
        markers::tell(scope, name.as_str());
    }
    if !scope.caps().has(Caps::NO_IMPLICIT_NAMES) {
        lists::tell_names(scope, key);
    }
    metadata_events::joined(scope, key);
}

/// Shows the others, and the user, that it has joined.
fn show_join(scope: &mut Scope<'_>, key: ChannelKey, name: &str) {
    scope.happens_on(key);
    let account = scope.user().account.clone();
    let real_name = scope.user().real_name.clone();
    let plain = scope.by_me("JOIN").param(name);
    let extended = plain.clone().param(account.as_deref().unwrap_or("*")).text(&real_name);
    let (Some(plain), Some(extended)) = (scope.my_line(plain), scope.my_line(extended)) else {
        return;
    };
    scope.tell_others(key, &plain, |caps| !caps.has(Caps::EXTENDED_JOIN));
    scope.tell_others(key, &extended, |caps| caps.has(Caps::EXTENDED_JOIN));
    let is_extended = scope.caps().has(Caps::EXTENDED_JOIN);
    scope.reply_line(if is_extended { extended } else { plain });
    if let Some(away) = scope.user().away.clone() {
        let line = scope.by_me("AWAY").text(&away);
        if let Some(line) = scope.my_line(line) {
            scope.tell_others(key, &line, |caps| caps.has(Caps::AWAY_NOTIFY));
        }
    }
}

/// `PART #channel[,…] [:reason]` (RFC 1459, 4.2.2).
pub(super) fn part(scope: &mut Scope<'_>, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    let limit = scope.server.settings.limits.kick_length;
    let reason = cut(message.param(1).unwrap_or_default(), limit);
    for name in names.split(',').filter(|name| !name.is_empty()) {
        if let Some(channel) = own_channel(scope, name) {
            leave(scope, channel, reason);
        }
    }
}

fn leave(scope: &mut Scope<'_>, channel: ChannelKey, reason: &str) {
    scope.happens_on(channel);
    let name = scope.server.channels[channel].name.to_string();
    let line = scope.by_me("PART").param(&name);
    let line = scope.my_line(if reason.is_empty() { line } else { line.text(reason) });
    if let Some(line) = line {
        scope.tell_channel(channel, &line);
    }
    scope.server.part(channel, scope.me);
}

/// A channel that the user is on; otherwise it is told why not.
pub(super) fn own_channel(scope: &mut Scope<'_>, name: &str) -> Option<ChannelKey> {
    let Some(channel) = scope.server.channels.named(name) else {
        scope.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
        return None;
    };
    if !scope.server.channels[channel].has(scope.me) {
        let name = scope.server.channels[channel].name.to_string();
        scope.numeric(numeric::ERR_NOTONCHANNEL, &[&name]);
        return None;
    }
    Some(channel)
}

/// Whether the user has a rank on a channel; otherwise it is told that it should have.
fn has_rank(scope: &mut Scope<'_>, channel: ChannelKey, rank: Status) -> bool {
    let status = scope.rank(channel).unwrap_or_default();
    if !status.reaches(rank) {
        let name = scope.server.channels[channel].name.to_string();
        scope.numeric(numeric::ERR_CHANOPRIVSNEEDED, &[&name]);
    }
    status.reaches(rank)
}

// ── topics ──────────────────────────────────────────────────────────────────────────────────────────

/// `TOPIC #channel [:topic]` (RFC 1459, 4.2.4).
pub(super) fn topic(scope: &mut Scope<'_>, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default();
    match message.param(1) {
        None => show_topic(scope, name),
        Some(text) => set_topic(scope, name, text),
    }
}

fn show_topic(scope: &mut Scope<'_>, name: &str) {
    let visible = scope
        .server
        .channels
        .named(name)
        .filter(|&channel| scope.server.channels[channel].is_visible_to(scope.me));
    match visible {
        None => scope.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]),
        Some(channel) if scope.server.channels[channel].topic.is_none() => {
            let name = scope.server.channels[channel].name.to_string();
            scope.numeric(numeric::RPL_NOTOPIC, &[&name]);
        }
        Some(channel) => tell_topic(scope, channel),
    }
}

fn tell_topic(scope: &mut Scope<'_>, channel: ChannelKey) {
    let channel = &scope.server.channels[channel];
    let name = channel.name.to_string();
    if let Some(Topic { text, by, at }) = channel.topic.clone() {
        scope.numeric_text(numeric::RPL_TOPIC, &[&name], &text);
        scope.numeric(numeric::RPL_TOPICWHOTIME, &[&name, &by, &at.to_string()]);
    }
}

fn set_topic(scope: &mut Scope<'_>, name: &str, text: &str) {
    let Some(channel) = own_channel(scope, name) else {
        return;
    };
    let is_locked = scope.server.channels[channel].flags.has(Flags::TOPIC_LOCKED);
    if is_locked && !has_rank(scope, channel, Status::HALF_OPERATOR) {
        return;
    }
    let text = cut(text, scope.server.settings.limits.topic_length).to_owned();
    let (by, at) = (scope.user().nick().to_owned(), scope.clock.seconds());
    let topic = (!text.is_empty()).then(|| Topic { text: text.clone(), by, at });
    scope.server.channels[channel].topic = topic.clone();
    let name = scope.server.channels[channel].name.to_string();
    show_event(scope, channel, "TOPIC", vec![name.clone()], Some(text));
    if scope.server.accounts.channel(&name).is_some() {
        use crate::chat::server::accounts::Topic as Kept;
        let kept = topic.map(|Topic { text, by, at }| Kept { text, set_by: by, set_at: at });
        if scope.server.accounts.keep_topic(&name, kept).is_ok() {
            scope.save();
        }
    }
}

/// Shows everybody on a channel something that the user did there, and remembers it.
pub(super) fn show_event(
    scope: &mut Scope<'_>,
    channel: ChannelKey,
    command: &'static str,
    params: Vec<String>,
    text: Option<String>,
) {
    let parts = text.map(|text| Part { text, concat: false }).into_iter().collect();
    scope.happens_on(channel);
    let post = Rc::new(posting::post(scope, What::Event(command), params, parts, "".into()));
    let Ok(lines) = post.plain() else {
        scope.server.counters.spoiled += 1;
        return;
    };
    for line in &lines {
        scope.tell_channel(channel, line);
    }
    posting::remember(scope, channel, post);
}

// ── inviting and kicking ────────────────────────────────────────────────────────────────────────────

/// `INVITE nick #channel`; alone, the channels the user is invited to (modern.ircdocs.horse, "INVITE").
pub(super) fn invite(scope: &mut Scope<'_>, message: &Message<'_>) {
    match *message.params() {
        [nick, name, ..] => invite_one(scope, nick, name),
        [_] => scope.numeric(numeric::ERR_NEEDMOREPARAMS, &["INVITE"]),
        [] => {
            for Invitation { channel, .. } in scope.user().invitations.clone() {
                scope.numeric(numeric::RPL_INVITEDLIST, &[channel.as_str()]);
            }
            scope.numeric(numeric::RPL_ENDOFINVITEDLIST, &[]);
        }
    }
}

fn invite_one(scope: &mut Scope<'_>, nick: &str, name: &str) {
    let Some(guest) = scope.server.users.named(nick) else {
        return scope.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let Some(channel) = own_channel(scope, name) else {
        return;
    };
    let is_closed = scope.server.channels[channel].flags.has(Flags::INVITE_ONLY);
    if is_closed && !has_rank(scope, channel, Status::HALF_OPERATOR) {
        return;
    }
    let nick = scope.server.users[guest].nick().to_owned();
    let name = scope.server.channels[channel].name.to_string();
    if scope.server.channels[channel].has(guest) {
        return scope.numeric(numeric::ERR_USERONCHANNEL, &[&nick, &name]);
    }
    let most = scope.server.settings.limits.invitations;
    let invitation = scope.server.channels[channel].invitation();
    remember_invitation(&mut scope.server.users[guest].invitations, invitation, most);
    scope.numeric(numeric::RPL_INVITING, &[&nick, &name]);
    if let Some(away) = scope.server.users[guest].away.clone() {
        scope.numeric_text(numeric::RPL_AWAY, &[&nick], &away);
    }
    let line = scope.by_me("INVITE").param(&nick).param(&name);
    if let Some(line) = scope.my_line(line) {
        scope.tell_user(guest, &line);
        scope.tell_others(channel, &line, |caps| caps.has(Caps::INVITE_NOTIFY));
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
pub(super) fn kick(scope: &mut Scope<'_>, message: &Message<'_>) {
    let &[names, nicks, ref rest @ ..] = message.params() else {
        return;
    };
    let limits = &scope.server.settings.limits;
    let reason = rest.first().filter(|reason| !reason.is_empty());
    let reason = cut(reason.unwrap_or(&scope.user().nick()), limits.kick_length).to_owned();
    let targets = limits.targets;
    let names: Vec<_> = names.split(',').collect();
    let nicks = nicks.split(',').filter(|nick| !nick.is_empty()).take(targets);
    for (at, nick) in nicks.enumerate() {
        // One channel for all of them, or one for each.
        if let Some(name) = names.get(at).or(names.first()) {
            kick_one(scope, name, nick, &reason);
        }
    }
}

fn kick_one(scope: &mut Scope<'_>, name: &str, nick: &str, reason: &str) {
    let Some(channel) = own_channel(scope, name) else {
        return;
    };
    if !has_rank(scope, channel, Status::HALF_OPERATOR) {
        return;
    }
    let Some(target) = scope.server.users.named(nick) else {
        return scope.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let name = scope.server.channels[channel].name.to_string();
    let Some(theirs) = scope.server.channels[channel].status(target) else {
        return scope.numeric(numeric::ERR_USERNOTINCHANNEL, &[nick, &name]);
    };
    // Nobody is kicked by a lesser one.
    if !has_rank(scope, channel, theirs.highest()) {
        return;
    }
    let nick = scope.server.users[target].nick().to_owned();
    show_event(scope, channel, "KICK", vec![name, nick], Some(reason.to_owned()));
    scope.server.part(channel, target);
}

/// Sends a line that the server says to everybody on a channel.
pub(super) fn to_all(scope: &mut Scope<'_>, channel: ChannelKey, line: &Line) {
    scope.tell_channel(channel, line);
}
