//! What a message means: what it changes of what is known, and what the program is told of it.

use std::collections::BTreeSet;

use super::event::{Kind, Meta, Source};
use super::roster::Roster;
use super::{ClientLimits, Event, Support};
use crate::chat::Message;

/// All that is known of a server and of who is where, for as long as a connection lasts.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) support: Support,
    pub(super) roster: Roster,
    /// The capabilities that are on.
    pub(super) capabilities: BTreeSet<String>,
    /// Bytes of what the server puts in front of what one says, as far as it is known.
    pub(super) source_length: usize,
    /// The text of an `ERROR`.
    pub(super) last_words: String,
    is_ready: bool,
    /// The open batches in which a server tells what was said before.
    history: BTreeSet<String>,
}

/// Batches of history at one time. No more were asked for than there are channels to join at once.
const MOST_BATCHES: usize = 64;

/// A user name of ten letters and a `~`, and the longest host, for as long as one's own are not known.
const LONGEST_USER_AND_HOST: usize = 11 + 64;

type Words<'a> = [&'a str];

impl World {
    pub(super) fn new(nick: &str, limits: &ClientLimits) -> Self {
        Self {
            support: Support::default(),
            roster: Roster::new(nick, limits),
            capabilities: BTreeSet::new(),
            source_length: nick.len() + LONGEST_USER_AND_HOST,
            last_words: String::new(),
            is_ready: false,
            history: BTreeSet::new(),
        }
    }

    /// Takes a message; what has happened, if anything.
    pub(super) fn handle(&mut self, message: &Message<'_>) -> Option<Event> {
        let who = Source::of(message.source.unwrap_or_default());
        let words = message.params();
        let command = message.command.to_ascii_uppercase();
        if let Ok(code) = command.parse::<u16>() {
            return self.handle_numeric(code, words);
        }
        // Of what was before, only what was said is told: who was there then is not who is there now.
        if self.is_history(message) && !matches!(command.as_str(), "PRIVMSG" | "NOTICE") {
            return None;
        }
        match command.as_str() {
            "JOIN" => self.handle_join(who, words),
            "PART" => self.handle_part(who, words),
            "KICK" => self.handle_kick(who, words),
            "QUIT" => Some(self.handle_quit(who, words)),
            "NICK" => self.handle_nick(who, words),
            "TOPIC" => self.handle_topic(who, words),
            "MODE" => self.handle_mode(who, words),
            "PRIVMSG" => self.handle_text(Kind::Message, who, message),
            "NOTICE" => self.handle_text(Kind::Notice, who, message),
            "INVITE" => self.handle_invite(who, words),
            "AWAY" => Some(self.handle_away(who, words)),
            "ACCOUNT" => self.handle_account(who, words),
            "CAP" => self.handle_capabilities(words),
            "BATCH" => self.handle_batch(words),
            "FAIL" | "WARN" | "NOTE" | "WALLOPS" => {
                Some(Event::Note { level: command, params: owned(words) })
            }
            "ERROR" => {
                self.last_words = words.first().copied().unwrap_or_default().to_owned();
                Some(Event::Error { text: self.last_words.clone() })
            }
            _ => None,
        }
    }

    /// Whether it is what oneself is called.
    fn is_me(&self, nick: &str) -> bool {
        self.roster.is_me(&self.support, nick)
    }

    fn handle_join(&mut self, who: Source, words: &Words<'_>) -> Option<Event> {
        let channel = (*words.first()?).to_owned();
        let own = self.is_me(&who.nick);
        if own {
            self.roster.enter(&self.support, &channel);
            self.source_length = who.nick.len() + who.user.len() + who.host.len() + 2;
        }
        let account = words.get(1).filter(|it| **it != "*").map(|it| (*it).to_owned());
        let signs = (!own).then_some("");
        self.roster.add(&self.support, &channel, &who.nick, signs, account.as_deref());
        Some(Event::Joined { channel, who, account, own })
    }

    fn handle_part(&mut self, who: Source, words: &Words<'_>) -> Option<Event> {
        let channel = (*words.first()?).to_owned();
        let own = self.remove(&channel, &who.nick);
        Some(Event::Left { channel, who, reason: text(words, 1), own })
    }

    fn handle_kick(&mut self, by: Source, words: &Words<'_>) -> Option<Event> {
        let [channel, nick, ..] = words else { return None };
        let own = self.remove(channel, nick);
        let (channel, nick) = ((*channel).to_owned(), (*nick).to_owned());
        Some(Event::Kicked { channel, nick, by, reason: text(words, 2), own })
    }

    /// Somebody is not on a channel any more; whether it was oneself.
    fn remove(&mut self, channel: &str, nick: &str) -> bool {
        let own = self.is_me(nick);
        if own {
            self.roster.leave(&self.support, channel);
        } else {
            self.roster.remove(&self.support, channel, nick);
        }
        own
    }

    fn handle_quit(&mut self, who: Source, words: &Words<'_>) -> Event {
        let channels = self.roster.remove_everywhere(&self.support, &who.nick);
        Event::Quit { who, channels, reason: text(words, 0) }
    }

    fn handle_nick(&mut self, from: Source, words: &Words<'_>) -> Option<Event> {
        let to = (*words.first()?).to_owned();
        let own = self.is_me(&from.nick);
        let channels = self.roster.rename(&self.support, &from.nick, &to);
        Some(Event::Renamed { from, to, channels, own })
    }

    fn handle_topic(&mut self, by: Source, words: &Words<'_>) -> Option<Event> {
        let channel = (*words.first()?).to_owned();
        let text = text(words, 1);
        self.roster.set_topic(&self.support, &channel, &text);
        Some(Event::Topic { channel, by, text })
    }

    fn handle_mode(&mut self, by: Source, words: &Words<'_>) -> Option<Event> {
        let (target, change) = words.split_first()?;
        self.roster.change_modes(&self.support, target, change);
        Some(Event::Mode { target: (*target).to_owned(), by, change: change.join(" ") })
    }

    fn handle_text(&self, kind: Kind, from: Source, message: &Message<'_>) -> Option<Event> {
        let [target, text] = message.params() else { return None };
        let (kind, text) = out_of_ctcp(kind, text);
        let tag = |name| message.tags.get(name).map(std::borrow::Cow::into_owned);
        let is_history = self.is_history(message);
        let meta =
            Meta { time: tag("time"), id: tag("msgid"), account: tag("account"), is_history };
        let own = self.is_me(&from.nick);
        let (target, text) = ((*target).to_owned(), text.to_owned());
        Some(Event::Message { kind, from, target, text, meta, own })
    }

    fn handle_invite(&self, by: Source, words: &Words<'_>) -> Option<Event> {
        let [nick, channel, ..] = words else { return None };
        let own = self.is_me(nick);
        Some(Event::Invited { channel: (*channel).to_owned(), nick: (*nick).to_owned(), by, own })
    }

    fn handle_away(&mut self, who: Source, words: &Words<'_>) -> Event {
        let text = words.first().filter(|it| !it.is_empty()).map(|it| (*it).to_owned());
        let is_away = text.is_some();
        self.roster.update(&self.support, &who.nick, |member| member.set_away(is_away));
        Event::Away { who, text }
    }

    fn handle_account(&mut self, who: Source, words: &Words<'_>) -> Option<Event> {
        let account = Some(*words.first()?).filter(|it| *it != "*").map(str::to_owned);
        let set = |member: &mut super::Member| member.set_account(account.as_deref());
        self.roster.update(&self.support, &who.nick, set);
        Some(Event::Account { who, account })
    }

    /// What was on may go (`CAP DEL`), and what was asked for later may come.
    fn handle_capabilities(&mut self, words: &Words<'_>) -> Option<Event> {
        if let [_, verb, .., names] = words {
            for name in names.split_ascii_whitespace() {
                match *verb {
                    "DEL" => drop(self.capabilities.remove(name)),
                    // Nothing is asked for once one is registered, so there is nothing to agree to.
                    _ => return None,
                }
            }
        }
        None
    }

    /// A batch begins or ends (IRCv3 batch): only those of history matter here.
    fn handle_batch(&mut self, words: &Words<'_>) -> Option<Event> {
        let (sign, name) = words.first()?.split_at_checked(1)?;
        match (sign, words.get(1)) {
            ("+", Some(&"chathistory")) if self.history.len() < MOST_BATCHES => {
                self.history.insert(name.to_owned());
            }
            ("-", _) => drop(self.history.remove(name)),
            _ => {}
        }
        None
    }

    fn is_history(&self, message: &Message<'_>) -> bool {
        !self.history.is_empty()
            && message.tags.get("batch").is_some_and(|name| self.history.contains(&*name))
    }

    fn handle_numeric(&mut self, code: u16, words: &Words<'_>) -> Option<Event> {
        // The first is one's own nick.
        let (me, words) = words.split_first()?;
        match (code, words) {
            (1, _) => {
                (*me).clone_into(&mut self.roster.nick);
                return Some(Event::Welcome { nick: (*me).to_owned() });
            }
            (5, [tokens @ .., _]) => {
                tokens.iter().for_each(|token| self.support.take(token));
                return None;
            }
            (331, [channel, ..]) => return Some(self.topic_is(channel, "")),
            (332, [channel, topic, ..]) => return Some(self.topic_is(channel, topic)),
            (353, [_, channel, names]) if !self.is_complete(channel) => {
                names.split_ascii_whitespace().for_each(|name| self.add_name(channel, name));
                return None;
            }
            (366, [channel, ..]) if self.roster.complete(&self.support, channel) => {
                return Some(Event::Members { channel: (*channel).to_owned() });
            }
            (376 | 422, _) if !std::mem::replace(&mut self.is_ready, true) => {
                return Some(Event::Ready);
            }
            (900, [_, account, ..]) => {
                return Some(Event::LoggedIn { account: (*account).to_owned() });
            }
            _ => {}
        }
        Some(Event::Reply { code, params: owned(words) })
    }

    fn topic_is(&mut self, channel: &str, text: &str) -> Event {
        self.roster.set_topic(&self.support, channel, text);
        Event::TopicIs { channel: channel.to_owned(), text: text.to_owned() }
    }

    fn is_complete(&self, channel: &str) -> bool {
        self.roster.room(&self.support, channel).is_none_or(super::Room::is_complete)
    }

    /// One of the names of a channel: `@+ann`, or `@+ann!~a@host`.
    fn add_name(&mut self, channel: &str, name: &str) {
        let signs: Vec<_> = self.support.signs().collect();
        let nick = name.trim_start_matches(&signs[..]);
        let signs = &name[..name.len() - nick.len()];
        let nick = nick.split_once('!').map_or(nick, |(nick, _)| nick);
        self.roster.add(&self.support, channel, nick, Some(signs), None);
    }
}

/// What is said within a message between two 0x01: `ACTION waves` (modern.ircdocs.horse, "CTCP").
fn out_of_ctcp(kind: Kind, text: &str) -> (Kind, &str) {
    let Some(inner) = text.strip_prefix('\u{1}') else { return (kind, text) };
    let inner = inner.strip_suffix('\u{1}').unwrap_or(inner);
    let (name, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let kind = match kind {
        Kind::Message if name == "ACTION" => Kind::Action,
        Kind::Message => Kind::Request(name.to_owned()),
        _ => Kind::Answer(name.to_owned()),
    };
    (kind, rest)
}

fn text(words: &Words<'_>, at: usize) -> String {
    words.get(at).copied().unwrap_or_default().to_owned()
}

fn owned(words: &Words<'_>) -> Vec<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

#[cfg(test)]
mod tests;
