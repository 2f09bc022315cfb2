//! Who is where (modern.ircdocs.horse, "Channel Operations").

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::chat::server::Server;
use crate::chat::server::changes::{Set, TOPIC};
use crate::chat::server::channels::{Channel, List, Topic};
use crate::chat::server::context::{Context, cut};
use crate::chat::server::effect::{Effect, Happened};
use crate::chat::server::kept;
use crate::chat::server::keys::{ChannelKey, UserKey};
use crate::chat::server::line::{ClientTags, Line};
use crate::chat::server::modes::{Flags, Status};
use crate::chat::server::post::{Text, What};
use crate::chat::server::talk::Talk;
use crate::chat::server::users::Invitation;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::ChannelName;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::chat::wire::numeric::Numeric;

use super::{accounts, channel_modes, kept_modes, lists, markers, metadata_events, posting};

/// `JOIN #channel[,…] [key[,…]]`, or `JOIN 0` to leave all (RFC 2812, 3.2.1).
pub(super) fn join(ctx: &mut Context<'_>, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    if names == "0" {
        for channel in ctx.user().channels.clone() {
            leave(ctx, channel, "Left all channels");
        }
        return;
    }
    let mut keys = message.param(1).unwrap_or_default().split(',');
    for name in names.split(',').filter(|name| !name.is_empty()) {
        join_one(ctx, name, keys.next().unwrap_or_default());
    }
}

fn join_one(ctx: &mut Context<'_>, name: &str, key: &str) {
    let Ok(wanted) = ChannelName::new(name, ctx.server.settings.limits.channel_length) else {
        return ctx.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
    };
    ctx.server.free_channel(name);
    let limits = &ctx.server.settings.limits;
    let channel = ctx.server.channels.named(name);
    if channel.is_some_and(|channel| ctx.server.channels[channel].has(ctx.me)) {
        return;
    }
    let no_more = channel.is_none() && ctx.server.channels.len() >= limits.channels;
    if no_more || ctx.user().channels.len() >= limits.channels_per_user {
        return ctx.numeric(numeric::ERR_TOOMANYCHANNELS, &[name]);
    }
    let (channel, status) = match channel {
        Some(channel) => (channel, Status::NONE),
        None => open(ctx, wanted),
    };
    if let Some(refusal) = refusal(ctx, channel, key) {
        let name = ctx.name_of(channel);
        // It may have been opened for this user, who is not let in.
        ctx.server.part(channel, ctx.me);
        return ctx.numeric(refusal, &[&name]);
    }
    enter(ctx, channel, status);
}

/// Opens a channel: whoever comes first is its operator, unless it is registered.
fn open(ctx: &mut Context<'_>, name: ChannelName) -> (ChannelKey, Status) {
    let registered = ctx.server.accounts.channel(name.as_str()).cloned();
    let serial = ctx.server.next_serial();
    // What was said while it was registered and empty is still remembered.
    let latest = ctx.server.history.latest(&Talk::Channel(name.folded()));
    let channel = ctx.server.channels.insert(Channel::new(name, ctx.clock, serial));
    ctx.server.channels[channel].latest = latest;
    match registered {
        Some(registered) => {
            let Server { channels, settings, .. } = &mut *ctx.server;
            kept::restore(&mut channels[channel], &registered, &settings.name);
            (channel, Status::NONE)
        }
        None => (channel, Status::OPERATOR),
    }
}

/// Why the user may not join. An invitation opens what is full, closed or banned; a key is asked of
/// everybody but the founder.
fn refusal(ctx: &Context<'_>, key: ChannelKey, password: &str) -> Option<Numeric> {
    let (channel, user) = (&ctx.server.channels[key], ctx.user());
    if accounts::is_founder(ctx, channel.name.as_str()) {
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

/// Has a user be on a channel, and shows that.
pub(in crate::chat::server) fn enter(ctx: &mut Context<'_>, key: ChannelKey, status: Status) {
    let name = ctx.server.channels[key].name.clone();
    let used = ctx.server.channels[key].invitation();
    ctx.user_mut().invitations.retain(|invitation| *invitation != used);
    ctx.user_mut().channels.push(key);
    ctx.server.channels[key].join(ctx.me, &ctx.server.users[ctx.me], status);
    ctx.server.note_join(key, ctx.me, status, ctx.clock);
    show_join(ctx, key, name.as_str());
    if ctx.user().is_local() {
        receive(ctx, key, &name);
    }
    metadata_events::joined(ctx, key);
}

/// Tells a user who has joined what there is to know of the channel.
fn receive(ctx: &mut Context<'_>, key: ChannelKey, name: &ChannelName) {
    if accounts::is_founder(ctx, name.as_str()) {
        channel_modes::grant(ctx, key, Status::FOUNDER);
    }
    if ctx.server.channels[key].topic.is_some() {
        tell_topic(ctx, key);
    }
    if ctx.caps().has(Caps::READ_MARKER) {
        markers::tell(ctx, name.as_str());
    }
    if !ctx.caps().has(Caps::NO_IMPLICIT_NAMES) {
        lists::tell_names(ctx, key);
    }
}

/// Shows the others, and the user, that it has joined.
fn show_join(ctx: &mut Context<'_>, key: ChannelKey, name: &str) {
    ctx.happens_on(key);
    let account = ctx.user().account.clone();
    let real_name = ctx.user().real_name.clone();
    let plain = ctx.by_me("JOIN").param(name);
    let extended = plain.clone().param(account.as_deref().unwrap_or("*")).text(&real_name);
    let (Some(plain), Some(extended)) = (ctx.my_line(plain), ctx.my_line(extended)) else { return };
    let away = ctx.user().away.clone();
    let away = away.and_then(|away| ctx.my_line(ctx.by_me("AWAY").text(&away)));
    if ctx.server.is_gathering() {
        return gather_join(ctx, key, [plain, extended], away);
    }
    ctx.tell_others(key, &plain, |caps| !caps.has(Caps::EXTENDED_JOIN));
    ctx.tell_others(key, &extended, |caps| caps.has(Caps::EXTENDED_JOIN));
    let is_extended = ctx.caps().has(Caps::EXTENDED_JOIN);
    ctx.reply_line(if is_extended { extended } else { plain });
    if let Some(line) = away {
        ctx.tell_others(key, &line, |caps| caps.has(Caps::AWAY_NOTIFY));
    }
}

/// As a part of a batch: many join at once.
fn gather_join(
    ctx: &mut Context<'_>,
    key: ChannelKey,
    [plain, extended]: [Line; 2],
    away: Option<Line>,
) {
    let members: Vec<_> = ctx.server.channels[key].hearers().collect();
    let (extended_ones, plain_ones): (Vec<_>, Vec<_>) =
        members.iter().partition(|&&it| ctx.server.users[it].caps.has(Caps::EXTENDED_JOIN));
    ctx.server.gather(plain, &plain_ones);
    ctx.server.gather(extended, &extended_ones);
    if let Some(away) = away {
        let wants = |&it: &UserKey| ctx.server.users[it].caps.has(Caps::AWAY_NOTIFY);
        let told: Vec<_> = members.into_iter().filter(wants).collect();
        ctx.server.gather(away, &told);
    }
}

/// `PART #channel[,…] [:reason]` (RFC 1459, 4.2.2).
pub(super) fn part(ctx: &mut Context<'_>, message: &Message<'_>) {
    let names = message.param(0).unwrap_or_default();
    let limit = ctx.server.settings.limits.kick_length;
    let reason = cut(message.param(1).unwrap_or_default(), limit);
    for name in names.split(',').filter(|name| !name.is_empty()) {
        if let Some(channel) = own_channel(ctx, name) {
            leave(ctx, channel, reason);
        }
    }
}

/// Has a user be on a channel no more, and shows that.
pub(in crate::chat::server) fn leave(ctx: &mut Context<'_>, channel: ChannelKey, reason: &str) {
    ctx.happens_on(channel);
    let name = ctx.name_of(channel);
    ctx.publish(|_, user| Effect::Part { user, channel: name.clone(), reason: reason.to_owned() });
    let line = ctx.by_me("PART").param(&name);
    let line = ctx.my_line(if reason.is_empty() { line } else { line.text(reason) });
    if let Some(line) = line {
        ctx.tell_channel(channel, &line);
    }
    ctx.server.part(channel, ctx.me);
    ctx.server.settle_rooms(ctx.network);
}

/// A channel that the user is on; otherwise it is told why not.
pub(super) fn own_channel(ctx: &mut Context<'_>, name: &str) -> Option<ChannelKey> {
    let Some(channel) = ctx.server.channels.named(name) else {
        ctx.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]);
        return None;
    };
    if !ctx.server.channels[channel].has(ctx.me) {
        ctx.numeric(numeric::ERR_NOTONCHANNEL, &[&ctx.name_of(channel)]);
        return None;
    }
    Some(channel)
}

/// Whether the user has a rank on a channel; otherwise it is told that it should have.
fn has_rank(ctx: &mut Context<'_>, channel: ChannelKey, rank: Status) -> bool {
    let status = ctx.rank(channel).unwrap_or_default();
    if !status.reaches(rank) {
        ctx.numeric(numeric::ERR_CHANOPRIVSNEEDED, &[&ctx.name_of(channel)]);
    }
    status.reaches(rank)
}

// ── topics ──────────────────────────────────────────────────────────────────────────────────────────

/// `TOPIC #channel [:topic]` (RFC 1459, 4.2.4).
pub(super) fn topic(ctx: &mut Context<'_>, message: &Message<'_>) {
    let name = message.param(0).unwrap_or_default();
    match message.param(1) {
        None => show_topic(ctx, name),
        Some(text) => set_topic(ctx, name, text),
    }
}

fn show_topic(ctx: &mut Context<'_>, name: &str) {
    let channels = &ctx.server.channels;
    let is_visible = |&channel: &ChannelKey| channels[channel].is_visible_to(ctx.me);
    match channels.named(name).filter(is_visible) {
        None => ctx.numeric(numeric::ERR_NOSUCHCHANNEL, &[name]),
        Some(channel) if ctx.server.channels[channel].topic.is_none() => {
            ctx.numeric(numeric::RPL_NOTOPIC, &[&ctx.name_of(channel)]);
        }
        Some(channel) => tell_topic(ctx, channel),
    }
}

fn tell_topic(ctx: &mut Context<'_>, channel: ChannelKey) {
    let channel = &ctx.server.channels[channel];
    let name = channel.name.to_string();
    if let Some(Topic { text, set_by: by, set_at: at }) = channel.topic.clone() {
        ctx.numeric_text(numeric::RPL_TOPIC, &[&name], &text);
        ctx.numeric(numeric::RPL_TOPICWHOTIME, &[&name, &by, &at.to_string()]);
    }
}

fn set_topic(ctx: &mut Context<'_>, name: &str, text: &str) {
    let Some(channel) = own_channel(ctx, name) else { return };
    let is_locked = ctx.server.channels[channel].flags.has(Flags::TOPIC_LOCKED);
    if is_locked && !has_rank(ctx, channel, Status::HALF_OPERATOR) {
        return;
    }
    let text = cut(text, ctx.server.settings.limits.topic_length).to_owned();
    let (set_by, set_at) = (ctx.user().nick().to_owned(), ctx.clock.seconds());
    let topic = (!text.is_empty()).then(|| Topic { text: text.clone(), set_by, set_at });
    ctx.server.channels[channel].topic = topic;
    let told = show_topic_of(ctx, channel);
    let set = Set { item: TOPIC, about: "", value: Some(text) };
    ctx.note_changes(Some(ctx.me), channel, &[set], told);
    kept_modes::keep(ctx, channel);
}

/// Shows everybody on a channel that the user has set the topic.
pub(in crate::chat::server) fn show_topic_of(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
) -> Option<Happened> {
    let topic = &ctx.server.channels[channel].topic;
    let text = topic.as_ref().map_or_else(String::new, |topic| topic.text.clone());
    show_event(ctx, channel, "TOPIC", Vec::new(), Some(text))
}

/// Shows everybody on a channel something that the user did there, and remembers it; what it is called.
pub(super) fn show_event(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    command: &'static str,
    params: Vec<Arc<str>>,
    text: Option<String>,
) -> Option<Happened> {
    let text = text.map_or(Text::None, |text| Text::Line(text.into()));
    ctx.happens_on(channel);
    let (what, params) =
        (What::Event(command), (ctx.server.channels[channel].name.shared(), params));
    let post = Rc::new(posting::post(ctx, what, params, text, ClientTags::default()));
    let told = Happened { id: post.id, at: post.at };
    let Ok(line) = post.line() else {
        ctx.server.counters.spoiled += 1;
        return None;
    };
    ctx.tell_channel(channel, &line);
    posting::remember(ctx, channel, post);
    Some(told)
}

// ── inviting and kicking ────────────────────────────────────────────────────────────────────────────

/// `INVITE nick #channel`; alone, the channels the user is invited to (modern.ircdocs.horse, "INVITE").
pub(super) fn invite(ctx: &mut Context<'_>, message: &Message<'_>) {
    match *message.params() {
        [nick, name, ..] => invite_one(ctx, nick, name),
        [_] => ctx.numeric(numeric::ERR_NEEDMOREPARAMS, &["INVITE"]),
        [] => {
            for Invitation { channel, .. } in ctx.user().invitations.clone() {
                ctx.numeric(numeric::RPL_INVITEDLIST, &[channel.as_str()]);
            }
            ctx.numeric(numeric::RPL_ENDOFINVITEDLIST, &[]);
        }
    }
}

fn invite_one(ctx: &mut Context<'_>, nick: &str, name: &str) {
    let Some(guest) = ctx.reach(nick) else {
        return ctx.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let Some(channel) = own_channel(ctx, name) else { return };
    let is_closed = ctx.server.channels[channel].flags.has(Flags::INVITE_ONLY);
    if is_closed && !has_rank(ctx, channel, Status::HALF_OPERATOR) {
        return;
    }
    let nick = ctx.server.users[guest].nick().to_owned();
    let name = ctx.name_of(channel);
    if ctx.server.channels[channel].has(guest) {
        return ctx.numeric(numeric::ERR_USERONCHANNEL, &[&nick, &name]);
    }
    ctx.numeric(numeric::RPL_INVITING, &[&nick, &name]);
    if let Some(away) = ctx.server.users[guest].away.clone() {
        ctx.numeric_text(numeric::RPL_AWAY, &[&nick], &away);
    }
    invited(ctx, guest, channel);
}

/// A user has invited another to a channel: it is remembered, and told to it and to who wants to know.
pub(in crate::chat::server) fn invited(ctx: &mut Context<'_>, guest: UserKey, channel: ChannelKey) {
    let most = ctx.server.settings.limits.invitations;
    let invitation = ctx.server.channels[channel].invitation();
    remember_invitation(&mut ctx.server.users[guest].invitations, invitation, most);
    let nick = ctx.server.users[guest].nick().to_owned();
    let name = ctx.name_of(channel);
    ctx.publish(|server, by| Effect::Invite {
        by,
        user: server.user_id(guest),
        channel: name.clone(),
        created: server.channels[channel].created,
    });
    let line = ctx.by_me("INVITE").param(&nick).param(&name);
    if let Some(line) = ctx.my_line(line) {
        ctx.tell_user(guest, &line);
        ctx.tell_others(channel, &line, |caps| caps.has(Caps::INVITE_NOTIFY));
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
pub(super) fn kick(ctx: &mut Context<'_>, message: &Message<'_>) {
    let &[names, nicks, ref rest @ ..] = message.params() else { return };
    let limits = &ctx.server.settings.limits;
    let reason = rest.first().filter(|reason| !reason.is_empty());
    let reason = cut(reason.unwrap_or(&ctx.user().nick()), limits.kick_length).to_owned();
    let targets = limits.targets;
    let names: Vec<_> = names.split(',').collect();
    let nicks = nicks.split(',').filter(|nick| !nick.is_empty()).take(targets);
    for (at, nick) in nicks.enumerate() {
        // One channel for all of them, or one for each.
        if let Some(name) = names.get(at).or(names.first()) {
            kick_one(ctx, name, nick, &reason);
        }
    }
}

fn kick_one(ctx: &mut Context<'_>, name: &str, nick: &str, reason: &str) {
    let Some(channel) = own_channel(ctx, name) else { return };
    if !has_rank(ctx, channel, Status::HALF_OPERATOR) {
        return;
    }
    let Some(target) = ctx.reach(nick) else {
        return ctx.numeric(numeric::ERR_NOSUCHNICK, &[nick]);
    };
    let name = ctx.name_of(channel);
    let Some(theirs) = ctx.server.channels[channel].status(target) else {
        return ctx.numeric(numeric::ERR_USERNOTINCHANNEL, &[nick, &name]);
    };
    // Nobody is kicked by a lesser one.
    if !has_rank(ctx, channel, theirs.highest()) {
        return;
    }
    let created = ctx.server.channels[channel].created;
    let request = |by, user| Effect::Kick {
        by,
        user,
        channel: name,
        created,
        reason: reason.to_owned(),
        told: None,
    };
    if !ctx.ask_home(target, request) {
        put_out(ctx, channel, target, reason);
    }
}

/// Puts a member out of a channel, and shows that.
pub(in crate::chat::server) fn put_out(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    target: UserKey,
    reason: &str,
) {
    let name = ctx.name_of(channel);
    let nick = ctx.server.users[target].nick().into();
    let told = show_event(ctx, channel, "KICK", vec![nick], Some(reason.to_owned()));
    let (by, created) = (ctx.server.user_id(ctx.me), ctx.server.channels[channel].created);
    let reason = reason.to_owned();
    ctx.server.publish(target, |_, user| Effect::Kick {
        by,
        user,
        channel: name,
        created,
        reason,
        told,
    });
    ctx.server.part(channel, target);
    ctx.server.settle_rooms(ctx.network);
}

/// Sends a line that the server says to everybody on a channel.
pub(super) fn to_all(ctx: &mut Context<'_>, channel: ChannelKey, line: &Line) {
    ctx.tell_channel(channel, line);
}
