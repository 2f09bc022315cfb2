//! What has happened, in a person's words.

use protocols::chat::client::{Client, Event, Kind, Source};

/// One line to show, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// The windows it belongs to; none is wherever one is.
    pub(super) places: Vec<Place>,
    pub(super) said: Said,
    /// Whether it is meant for oneself: one was named, or it is private.
    pub(super) direct: bool,
    /// Whether one said it oneself.
    pub(super) own: bool,
    /// Whether it was said before one came.
    pub(super) past: bool,
    /// When the server had it, if it says so: `2026-01-01T12:00:00.000Z`.
    pub(super) time: Option<String>,
}

/// Where something belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The server itself.
    Server,
    /// A channel, or somebody one talks to.
    With(String),
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `<nick> text`
    Message { nick: String, text: String },
    /// `* nick text`
    Action { nick: String, text: String },
    /// `-nick- text`
    Notice { nick: String, text: String },
    /// What the server tells.
    News(String),
    /// What somebody does not get.
    Refusal(String),
}

impl Said {
    /// The words alone.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Message { text, .. } | Self::Action { text, .. } | Self::Notice { text, .. } => {
                text
            }
            Self::News(text) | Self::Refusal(text) => text,
        }
    }
}

impl Report {
    pub(super) fn new(places: Vec<Place>, said: Said) -> Self {
        Self { places, said, direct: false, own: false, past: false, time: None }
    }

    pub(super) fn news(places: Vec<Place>, text: String) -> Self {
        Self::new(places, Said::News(text))
    }

    pub(super) fn refusal(text: String) -> Self {
        Self::new(Vec::new(), Said::Refusal(text))
    }

    /// Whether somebody else says something, and it is not only news.
    pub(super) fn is_talk(&self) -> bool {
        !self.own && !self.past && !matches!(self.said, Said::News(_) | Said::Refusal(_))
    }

    /// What one said oneself, where the server does not tell it.
    pub(super) fn own(client: &Client, kind: Kind, target: &str, text: &str) -> Self {
        let nick = client.nick().to_owned();
        let (places, said) = (vec![place(client, target)], said(kind, nick, text.to_owned()));
        Self { own: true, ..Self::new(places, said) }
    }

    /// What an event is in words; `None` if it is not worth any.
    pub(super) fn of(client: &Client, event: &Event) -> Option<Self> {
        let room = |channel: &String| vec![Place::With(channel.clone())];
        let rooms = |channels: &[String]| channels.iter().cloned().map(Place::With).collect();
        let server = || vec![Place::Server];
        Some(match event {
            Event::Connected => {
                let to = client.server().map_or_else(String::new, |server| format!(" to {server}"));
                Self::news(server(), format!("connected{to}"))
            }
            Event::Welcome { nick } => Self::news(server(), format!("you are {nick}")),
            Event::LoggedIn { account } => {
                Self::news(server(), format!("you are logged in as {account}"))
            }
            Event::Lost { why, pause } => {
                let server = client.server().map_or_else(String::new, |it| format!("{it}: "));
                let pause = pause.as_secs_f64().ceil();
                let text = format!("{server}{why}; connecting again in {pause:.0} s");
                Self::refusal(text)
            }
            Event::Joined { channel, own: true, .. } => {
                Self::news(room(channel), format!("you have joined {channel}"))
            }
            Event::Joined { channel, who, .. } => {
                Self::news(room(channel), format!("{} has joined {channel}", full(who)))
            }
            Event::Left { channel, who, reason, own } => {
                let who = if *own { "you have" } else { &format!("{} has", who.nick) };
                Self::news(room(channel), format!("{who} left {channel}{}", because(reason)))
            }
            Event::Kicked { channel, nick, by, reason, own } => {
                let who = if *own { "you were" } else { &format!("{nick} was") };
                let text = format!("{who} kicked from {channel} by {}{}", by.nick, because(reason));
                Self { direct: *own, ..Self::news(room(channel), text) }
            }
            Event::Quit { who, channels, reason } => {
                Self::news(rooms(channels), format!("{} has quit{}", who.nick, because(reason)))
            }
            Event::Renamed { from, to, channels, own } => {
                let text = if *own {
                    format!("you are now known as {to}")
                } else {
                    format!("{} is now known as {to}", from.nick)
                };
                Self::news(if *own { Vec::new() } else { rooms(channels) }, text)
            }
            Event::Members { channel } => Self::news(room(channel), members(client, channel)?),
            Event::TopicIs { channel, text } if text.is_empty() => {
                Self::news(room(channel), format!("{channel} has no topic"))
            }
            Event::TopicIs { channel, text } => {
                Self::news(room(channel), format!("the topic of {channel} is: {text}"))
            }
            Event::Topic { channel, by, text } => {
                let text = format!("{} has set the topic of {channel} to: {text}", by.nick);
                Self::news(room(channel), text)
            }
            Event::Mode { target, by, change } => {
                let places = vec![place(client, target)];
                Self::news(places, format!("{} has set {target} {change}", by.nick))
            }
            Event::Message { kind, from, target, text, meta, own } => {
                let mut report = message(client, kind, from, target, text, *own)?;
                report.time.clone_from(&meta.time);
                report.past = meta.is_history;
                report.direct &= !meta.is_history;
                report
            }
            Event::Invited { channel, nick, by, own } => {
                let whom = if *own { "you" } else { nick };
                let text = format!("{} invites {whom} to {channel}", by.nick);
                Self { direct: *own, ..Self::news(Vec::new(), text) }
            }
            Event::Reply { code, params } => reply(client, *code, params)?,
            Event::Note { level, params } => {
                let text = params.join(" ");
                if level == "FAIL" { Self::refusal(text) } else { Self::news(Vec::new(), text) }
            }
            Event::Error { text } => Self::news(server(), text.clone()),
            // Away and accounts of others are in /names and /whois; a line each would be noise.
            _ => return None,
        })
    }
}

/// Something that was said.
fn message(
    client: &Client,
    kind: &Kind,
    from: &Source,
    target: &str,
    text: &str,
    own: bool,
) -> Option<Report> {
    // What other programs ask is not for people, and answering everybody would be a way to flood us.
    if matches!(kind, Kind::Request(_)) {
        return None;
    }
    let support = client.support();
    let room = support.room_of(target);
    let places = if from.is_server() {
        vec![Place::Server]
    } else if support.is_channel(room) {
        vec![Place::With(room.to_owned())]
    } else {
        vec![Place::With(if own { target.to_owned() } else { from.nick.clone() })]
    };
    let names_me = is_named(text, client.nick()) || !support.is_channel(room);
    let direct = !own && !from.is_server() && names_me && !matches!(kind, Kind::Notice);
    let nick = from.nick.clone();
    // Those of a rank only have heard it, and should know.
    let text = if room == target { text.to_owned() } else { format!("[{target}] {text}") };
    Some(Report { direct, own, ..Report::new(places, said(kind.clone(), nick, text)) })
}

fn said(kind: Kind, nick: String, text: String) -> Said {
    match kind {
        Kind::Action => Said::Action { nick, text },
        Kind::Notice => Said::Notice { nick, text },
        Kind::Answer(name) => Said::Notice { nick, text: format!("{name} {text}") },
        Kind::Message | Kind::Request(_) => Said::Message { nick, text },
    }
}

/// A numeric that has no event of its own.
fn reply(client: &Client, code: u16, params: &[String]) -> Option<Report> {
    match code {
        // What every server says at the beginning, and nobody reads.
        2..=4 | 251..=255 | 265 | 266 | 329 | 333 | 375 | 376 | 422 => return None,
        // Where a list begins and ends can be seen.
        318 | 323 | 315 | 366 | 368 | 369 | 321 => return None,
        _ => {}
    }
    let text = params.join(" ");
    if is_refusal(code) {
        // The last is the sentence, what stands before it is what it is about.
        let text = match params.split_last() {
            Some((last, about)) if !about.is_empty() => format!("{}: {last}", about.join(" ")),
            _ => text,
        };
        return Some(Report::refusal(text));
    }
    let places = match params.first() {
        Some(first) if client.room(first).is_some() => vec![Place::With(first.clone())],
        _ if code == 372 => vec![Place::Server],
        _ => Vec::new(),
    };
    let words: Vec<_> = params.iter().map(String::as_str).collect();
    Some(Report::news(places, sentence(code, &words).unwrap_or(text)))
}

/// Whether a numeric refuses something (modern.ircdocs.horse, "Numerics"; the larger servers' own).
pub(super) fn is_refusal(code: u16) -> bool {
    match code {
        // There is no message of the day; one is forwarded, which is not to be left out.
        422 | 470 => false,
        // Later; and whoever is asked has first to agree.
        263 | 716 => true,
        691 | 696 | 712..=715 | 723 | 734 | 742 | 743 | 764..=769 => true,
        902 | 904..=907 | 936 | 972..=975 => true,
        _ => matches!(code, 400..=599),
    }
}

/// The numerics that are a list of facts, as sentences (modern.ircdocs.horse, "Numerics").
fn sentence(code: u16, words: &[&str]) -> Option<String> {
    Some(match (code, words) {
        (301, [nick, text]) => format!("{nick} is away ({text})"),
        (311, [nick, user, host, _, name]) => format!("{nick} is {user}@{host}: {name}"),
        (312, [nick, server, text]) => format!("{nick} is on the server {server} ({text})"),
        (314, [nick, user, host, _, name]) => format!("{nick} was {user}@{host}: {name}"),
        (317, [nick, idle, ..]) => format!("{nick} has said nothing for {}", span(idle)),
        (319, [nick, channels]) => format!("{nick} is on {}", channels.trim_end()),
        (322, [channel, users, ""]) => format!("{channel} ({users})"),
        (322, [channel, users, topic]) => format!("{channel} ({users}): {topic}"),
        (324, [channel, modes @ ..]) => format!("{channel} is set {}", modes.join(" ")),
        (330, [nick, account, text]) => format!("{nick} {text} {account}"),
        (470, [from, to, ..]) => format!("{from} forwards to {to}"),
        (341, [nick, channel]) => format!("{nick} is invited to {channel}"),
        (338, [nick, address, text]) => format!("{nick} {text} {address}"),
        (352, [channel, user, host, _, nick, flags, name]) => {
            let name = name.split_once(' ').map_or(*name, |(_, name)| name);
            format!("{channel} {nick} {flags} {user}@{host}: {name}")
        }
        _ => return None,
    })
}

/// So many seconds, in words.
fn span(seconds: &str) -> String {
    match seconds.parse::<u64>() {
        Ok(seconds @ 0..=119) => format!("{seconds} seconds"),
        Ok(seconds @ 120..=7_199) => format!("{} minutes", seconds / 60),
        Ok(seconds) => format!("{} hours", seconds / 3_600),
        Err(_) => seconds.to_owned(),
    }
}

/// Who is on a channel: `#a: @ann, bob`.
pub(super) fn members(client: &Client, channel: &str) -> Option<String> {
    let room = client.room(channel)?;
    let names = room.members().map(|it| {
        let sign = it.signs().chars().next().map_or_else(String::new, String::from);
        format!("{sign}{}", it.nick())
    });
    Some(format!("{}: {}", room.name(), names.collect::<Vec<_>>().join(", ")))
}

fn place(client: &Client, target: &str) -> Place {
    let room = client.support().room_of(target);
    if client.support().same(target, client.nick()) {
        Place::Server
    } else {
        Place::With(room.to_owned())
    }
}

/// Whether a text names somebody, as a word of its own.
fn is_named(text: &str, nick: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || "[]\\`_^{|}-".contains(it);
    let (text, nick) = (text.to_lowercase(), nick.to_lowercase());
    let mut from = 0;
    while let Some(at) = text[from..].find(&nick).map(|at| from + at) {
        let before = text[..at].chars().next_back().is_some_and(is_part);
        let behind = text[at + nick.len()..].chars().next().is_some_and(is_part);
        if !before && !behind && !nick.is_empty() {
            return true;
        }
        from = at + nick.len().max(1);
        if !text.is_char_boundary(from) || from >= text.len() {
            return false;
        }
    }
    false
}

fn full(who: &Source) -> String {
    if who.host.is_empty() {
        who.nick.clone()
    } else {
        format!("{} ({}@{})", who.nick, who.user, who.host)
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

/// A text of somebody's without what a terminal would take for a command, and without the colours of
/// other clients.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            // Bold, italic, underlined, struck, monospace, reversed, as before; and a colour's numbers.
            '\u{2}' | '\u{1d}' | '\u{1f}' | '\u{1e}' | '\u{11}' | '\u{16}' | '\u{f}' => {}
            '\u{3}' => {
                let mut digits = |most| {
                    (0..most).take_while(|_| chars.next_if(char::is_ascii_digit).is_some()).count()
                };
                if digits(2) > 0 {
                    let mut ahead = chars.clone();
                    if ahead.next() == Some(',')
                        && ahead.next().is_some_and(|it| it.is_ascii_digit())
                    {
                        chars.next();
                        for _ in 0..2 {
                            chars.next_if(char::is_ascii_digit);
                        }
                    }
                }
            }
            '\t' => out.push_str("    "),
            // What would turn the rest of the screen around (Unicode, UAX #9).
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ if char.is_control() => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_send_does_nothing_to_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{9b}c\rd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(clean("\u{2}bold\u{f} \u{3}04,12red\u{3} 5\u{3},x"), "bold red 5,x");
        assert_eq!(clean("\u{3}1,2,3"), ",3");
        assert_eq!(clean("a\u{202e}b\tc"), "ab    c");
    }

    #[test]
    fn a_name_is_a_word() {
        for text in ["ann", "Ann: hello", "well, ANN!", "x ann", "annie and ann"] {
            assert!(is_named(text, "ann"), "{text}");
        }
        for text in ["annie", "joann", "ann-marie", "", "aann"] {
            assert!(!is_named(text, "ann"), "{text}");
        }
        assert!(!is_named("anything", ""));
        assert!(!is_named("ééé", "é"));
    }
}
