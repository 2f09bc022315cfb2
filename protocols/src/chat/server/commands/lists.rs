//! Which channels there are, and who is on them (modern.ircdocs.horse, "NAMES", "LIST").

use std::collections::BTreeSet;

use crate::chat::server::channels::Channel;
use crate::chat::server::context::{Context, pack};
use crate::chat::server::keys::ChannelKey;
use crate::chat::server::modes::{Flags, UserModes};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::mask;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;
use crate::chat::wire::timestamp::Timestamp;

/// Bytes of names on one line.
const ROOM: usize = 360;
/// Filters of one `LIST`: each is held against every channel there is.
const FILTERS: usize = 16;
/// Names that a `NAMES` of all channels gives at most.
const ALL_NAMES: usize = 1_000;

/// `NAMES #channel[,…]` (RFC 1459, 4.2.5). Without a channel, of all that can be seen, as far as they are
/// few. However many channels are asked for, the answer ends once, with the words of the question.
pub(super) fn names(ctx: &mut Context<'_>, message: &Message<'_>) {
    let names = message.param(0).filter(|names| !names.is_empty()).map(str::to_owned);
    ctx.answer_in_turn(move |ctx| {
        let channels = match &names {
            Some(names) => named(ctx, names),
            None => all(ctx),
        };
        let tell = |ctx: &mut Context<'_>, key| {
            if ctx.still_visible(key).is_some() {
                tell_members(ctx, key);
            }
        };
        ctx.tell_at_length(channels.into_iter(), tell, move |ctx| {
            ctx.numeric(numeric::RPL_ENDOFNAMES, &[names.as_deref().unwrap_or("*")]);
        });
    });
}

/// The channels that are asked for, each once.
fn named(ctx: &Context<'_>, names: &str) -> Vec<ChannelKey> {
    let mut seen = BTreeSet::new();
    let names = names.split(',').take(ctx.server.settings.limits.targets);
    let channels = names.filter_map(|name| ctx.server.channels.named(name));
    channels.filter(|channel| seen.insert(*channel)).collect()
}

/// All that can be seen, as far as they are few.
fn all(ctx: &Context<'_>) -> Vec<ChannelKey> {
    let mut left = ALL_NAMES;
    let channels = ctx.server.channels.iter();
    channels
        .filter(|(_, channel)| channel.is_visible_to(ctx.me) && channel.len() > 0)
        .take_while(|(_, channel)| {
            left = left.saturating_sub(channel.len());
            left > 0
        })
        .map(|(key, _)| key)
        .collect()
}

/// Who is on a channel, and that this is all.
pub(super) fn tell_names(ctx: &mut Context<'_>, channel: ChannelKey) {
    tell_members(ctx, channel);
    ctx.numeric(numeric::RPL_ENDOFNAMES, &[&ctx.name_of(channel)]);
}

fn tell_members(ctx: &mut Context<'_>, key: ChannelKey) {
    let channel = &ctx.server.channels[key];
    let (all_symbols, with_host) =
        (ctx.caps().has(Caps::MULTI_PREFIX), ctx.caps().has(Caps::USERHOST_IN_NAMES));
    let is_member = channel.has(ctx.me);
    let names = channel.members().filter_map(|(member, status)| {
        let user = &ctx.server.users[member];
        let is_seen = is_member || !user.modes.has(UserModes::INVISIBLE);
        let symbols = status.symbols(all_symbols);
        let name = if with_host { &user.source } else { user.nick() };
        is_seen.then(|| symbols.chain(name.chars()).collect::<String>())
    });
    let lines = pack(names, ' ', ROOM);
    let symbol = if channel.flags.has(Flags::SECRET) { "@" } else { "=" };
    let name = channel.name.to_string();
    for line in lines {
        ctx.numeric_text(numeric::RPL_NAMREPLY, &[symbol, &name], &line);
    }
}

/// What a channel has to be like to be listed (ISUPPORT `ELIST=CMNTU`).
enum Filter {
    Mask(String),
    NotMask(String),
    MoreThan(usize),
    FewerThan(usize),
    /// Made, or given its topic, more than so many minutes ago; or less.
    MadeBefore(u64),
    MadeAfter(u64),
    TopicBefore(u64),
    TopicAfter(u64),
}

impl Filter {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u64>().ok();
        let count = |text: &str| text.parse::<usize>().ok();
        match text.split_at_checked(2) {
            Some(("C>", minutes)) => return number(minutes).map(Self::MadeBefore),
            Some(("C<", minutes)) => return number(minutes).map(Self::MadeAfter),
            Some(("T>", minutes)) => return number(minutes).map(Self::TopicBefore),
            Some(("T<", minutes)) => return number(minutes).map(Self::TopicAfter),
            _ => {}
        }
        match text.split_at_checked(1) {
            Some((">", users)) => count(users).map(Self::MoreThan),
            Some(("<", users)) => count(users).map(Self::FewerThan),
            Some(("!", mask)) => Some(Self::NotMask(mask.to_owned())),
            _ => Some(Self::Mask(text.to_owned())),
        }
    }

    fn fits(&self, channel: &Channel, now: Timestamp) -> bool {
        let age = |second: u64| now.seconds().saturating_sub(second);
        let topic_age = channel.topic.as_ref().map(|topic| age(topic.set_at));
        match self {
            Self::Mask(mask) => mask::matches(mask, channel.name.as_str()),
            Self::NotMask(mask) => !mask::matches(mask, channel.name.as_str()),
            Self::MoreThan(users) => channel.len() > *users,
            Self::FewerThan(users) => channel.len() < *users,
            Self::MadeBefore(minutes) => {
                age(channel.created.seconds()) > minutes.saturating_mul(60)
            }
            Self::MadeAfter(minutes) => age(channel.created.seconds()) < minutes.saturating_mul(60),
            Self::TopicBefore(minutes) => {
                topic_age.is_some_and(|age| age > minutes.saturating_mul(60))
            }
            Self::TopicAfter(minutes) => {
                topic_age.is_some_and(|age| age < minutes.saturating_mul(60))
            }
        }
    }
}

/// `LIST [filter[,…]]` (RFC 1459, 4.2.6). Masks are alternatives; all other filters have to fit.
pub(super) fn list(ctx: &mut Context<'_>, message: &Message<'_>) {
    let words = message.param(0).unwrap_or_default();
    let words = words.split(',').filter(|word| !word.is_empty());
    let filters: Vec<_> = words.filter_map(Filter::parse).take(FILTERS).collect();
    ctx.answer_in_turn(move |ctx| tell_channels(ctx, &filters));
}

fn tell_channels(ctx: &mut Context<'_>, filters: &[Filter]) {
    let (masks, others): (Vec<_>, Vec<_>) =
        filters.iter().partition(|filter| matches!(filter, Filter::Mask(_)));
    let fits = |channel: &Channel| {
        (masks.is_empty() || masks.iter().any(|mask| mask.fits(channel, ctx.clock)))
            && others.iter().all(|filter| filter.fits(channel, ctx.clock))
    };
    // ISUPPORT SAFELIST
    let mut room = ctx.room_for_answer();
    let mut listed = Vec::new();
    for (key, channel) in ctx.server.channels.iter() {
        if !channel.is_visible_to(ctx.me) || !fits(channel) {
            continue;
        }
        let topic = channel.topic.as_ref().map_or("", |topic| &topic.text);
        let Some(left) = room.checked_sub(channel.name.as_str().len() + topic.len() + 192) else {
            break;
        };
        room = left;
        listed.push(key);
    }
    ctx.looks_at(ctx.server.channels.len() * filters.len().max(1));
    ctx.numeric_text(numeric::RPL_LISTSTART, &["Channel"], numeric::RPL_LISTSTART.text());
    let end = |ctx: &mut Context<'_>| ctx.numeric(numeric::RPL_LISTEND, &[]);
    ctx.tell_at_length(listed.into_iter(), tell_channel, end);
}

fn tell_channel(ctx: &mut Context<'_>, key: ChannelKey) {
    let Some(channel) = ctx.still_visible(key) else { return };
    let (name, users) = (channel.name.to_string(), channel.len().to_string());
    let topic = channel.topic.as_ref().map(|topic| topic.text.clone()).unwrap_or_default();
    ctx.numeric_text(numeric::RPL_LIST, &[&name, &users], &topic);
}
