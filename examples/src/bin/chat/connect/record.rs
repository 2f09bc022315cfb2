//! What a script has had done, and whether it was: its exit code is 1 if not all of it was, and what was
//! not said is not lost without a word.
//!
//! A server refuses a line by naming whom or what it was about, not which line it was, so these are kept
//! until it is known what has become of them. Where what one says comes back (echo-message), that is
//! known of each; elsewhere what is not refused was heard.

use std::collections::VecDeque;

use protocols::chat::client::{Client, Kind, Support};

/// Lines that are kept at most: a second of the fastest `--rate`, and no answer takes longer.
const MOST: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Record {
    /// The oldest first.
    lines: VecDeque<Done>,
    /// What was refused first, and how often something was.
    first: Option<String>,
    refusals: usize,
}

/// Something that was handed to the server.
#[derive(Debug)]
struct Done {
    what: What,
    /// How many of its lines were not heard of.
    left: usize,
    /// Whether it was told that it failed: another of its lines may be refused too.
    is_told: bool,
}

#[derive(Debug)]
enum What {
    Text { target: String, text: String, is_notice: bool },
    Command { typed: String, about: Vec<String> },
}

/// A server's refusal: the number, and what stands behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    /// None if it is a `FAIL`.
    pub(super) code: Option<u16>,
    pub(super) params: &'a [String],
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Whether what one said came back on it.
    pub(super) echoes: bool,
    /// How many lines were not even sent.
    pub(super) unsent: usize,
    /// Whether it ended with a goodbye.
    pub(super) is_good: bool,
}

impl End {
    pub(super) fn of(client: &Client, is_good: bool) -> Self {
        let unsent = if client.is_online() {
            // Nobody has waited for the end. Goodbye itself waits too.
            client.waiting().saturating_sub(1)
        } else {
            client.unsent()
        };
        Self { echoes: client.echoes(), unsent, is_good }
    }
}

impl Record {
    /// A text has been handed to the server, in so many lines.
    pub(super) fn said(&mut self, kind: &Kind, target: &str, text: &str, lines: usize) {
        let is_notice = matches!(kind, Kind::Notice);
        let (target, text) = (target.to_owned(), text.to_owned());
        self.keep(What::Text { target, text, is_notice }, lines);
    }

    /// Another command has; what it is about is among its words, or where one is.
    pub(super) fn done(&mut self, typed: &str, here: Option<String>) {
        let typed = typed.trim_end().to_owned();
        let words = typed.split([' ', ',']).map(str::to_owned);
        let about = words.chain(here).collect();
        self.keep(What::Command { typed, about }, 1);
    }

    fn keep(&mut self, what: What, left: usize) {
        if self.lines.len() >= MOST {
            self.lines.pop_front();
        }
        self.lines.push_back(Done { what, left, is_told: false });
    }

    /// Something has failed.
    pub(super) fn fail(&mut self, why: &str) {
        self.refusals += 1;
        self.first.get_or_insert_with(|| why.to_owned());
    }

    /// A text has come back: it was heard, and all before it is done.
    pub(super) fn handle_echo(&mut self, support: &Support, target: &str) {
        let is_it = |it: &Done| it.what.is_text() && it.what.is_about(support, target);
        if let Some(at) = self.lines.iter().position(is_it) {
            self.take_one(at);
            let mut rest = at;
            self.lines.retain(|it| {
                let is_before = rest > 0;
                rest = rest.saturating_sub(1);
                !is_before || it.what.is_text()
            });
        }
    }

    /// The server refuses something: what it was, if that is to be told.
    pub(super) fn handle_refusal(
        &mut self,
        support: &Support,
        echoes: bool,
        refusal: Refusal<'_>,
    ) -> Option<String> {
        let is_it = |it: &Done| {
            (it.what.may_speak() || !refusal.is_of_text())
                && refusal.params.iter().any(|word| it.what.is_about(support, word))
        };
        let at = self.lines.iter().rposition(is_it);
        let at = at.or_else(|| {
            let is_nameless = refusal.names_nobody();
            self.lines.iter().rposition(|it| it.what.is_text()).filter(|_| is_nameless)
        })?;
        // What comes back is taken out in its turn, so of several the oldest is meant. Elsewhere those
        // that were heard are among them: whoever may not speak any more has said the oldest before.
        let is_like = |it: &Done| it.what.is_like(&self.lines[at].what, support);
        let oldest = self.lines.iter().position(is_like).filter(|_| echoes);
        self.refuse_one(oldest.unwrap_or(at))
    }

    /// The connection is over: what nobody has heard, as far as that is known.
    pub(super) fn handle_end(&mut self, support: &Support, end: End) -> Vec<String> {
        let mut unsent = end.unsent;
        let mut untold = Vec::new();
        while let Some(last) = self.lines.pop_back() {
            let was_sent = unsent == 0;
            unsent = unsent.saturating_sub(last.left);
            let is_missed = end.echoes && last.what.should_come_back(support, end.is_good);
            if !last.is_told && (!was_sent || is_missed) {
                untold.push(last.what.in_words(if was_sent { "perhaps not" } else { "not" }));
            }
        }
        untold.reverse();
        untold
    }

    /// How it went, as a sentence if it did not go well.
    pub(super) fn verdict(self) -> Result<(), String> {
        match (self.first, self.refusals) {
            (None, _) => Ok(()),
            (Some(first), ..=1) => Err(first),
            (Some(first), 2) => Err(format!("{first}, and another refusal")),
            (Some(first), more) => Err(format!("{first}, and {} more refusals", more - 1)),
        }
    }

    /// One of its lines was refused; what to tell if that was the first.
    fn refuse_one(&mut self, at: usize) -> Option<String> {
        let done = self.lines.get_mut(at)?;
        let is_news = !std::mem::replace(&mut done.is_told, true);
        let untold = is_news.then(|| done.what.in_words("not"));
        self.take_one(at);
        untold
    }

    /// It is known what has become of one of its lines.
    fn take_one(&mut self, at: usize) {
        if let Some(done) = self.lines.get_mut(at) {
            done.left = done.left.saturating_sub(1);
            if done.left == 0 {
                self.lines.remove(at);
            }
        }
    }
}

impl What {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    /// Whether it may have said something: somebody who knows the protocol can do that by hand.
    fn may_speak(&self) -> bool {
        match self {
            Self::Text { .. } => true,
            Self::Command { typed, .. } => typed.starts_with("/quote") || typed.starts_with("/raw"),
        }
    }

    fn is_about(&self, support: &Support, name: &str) -> bool {
        let is_it = |of: &str| !of.is_empty() && support.same(of, name);
        match self {
            // Several, those of a rank on a channel, somebody on a server of their own.
            Self::Text { target, .. } => target.split(',').any(|of| {
                let nick = of.split_once('@').map_or(of, |(nick, _)| nick);
                is_it(of) || is_it(support.room_of(of)) || is_it(nick)
            }),
            Self::Command { about, .. } => about.iter().any(|of| is_it(of)),
        }
    }

    /// Whether it is a sign that nobody has heard it if it does not come back, where others do. After a
    /// goodbye that was answered all has been read. Then a message for somebody who is not there has been
    /// refused, while most servers pass over a notice in silence (RFC 2812, 3.3.2); and services need not
    /// send back what they hear.
    fn should_come_back(&self, support: &Support, is_good: bool) -> bool {
        match self {
            Self::Text { target, is_notice, .. } => {
                !is_good || *is_notice || support.is_channel(support.room_of(target))
            }
            Self::Command { .. } => false,
        }
    }

    /// Whether both are texts for the same.
    fn is_like(&self, other: &Self, support: &Support) -> bool {
        match (self, other) {
            (Self::Text { target, .. }, Self::Text { target: other, .. }) => {
                support.same(target, other)
            }
            _ => false,
        }
    }

    fn in_words(&self, not: &str) -> String {
        match self {
            Self::Text { target, text, .. } => format!("{not} said to {target}: {text}"),
            Self::Command { typed, .. } => format!("{not} done: {typed}"),
        }
    }
}

impl Refusal<'_> {
    /// Whether it is about what was said, and not about another command.
    fn is_of_text(&self) -> bool {
        matches!(self.code, Some(404 | 408 | 411..=415 | 417 | 486 | 492 | 531 | 716 | 936))
    }

    /// Whether it is about what was said, and does not say to whom.
    fn names_nobody(&self) -> bool {
        let names_command = self.params.first().is_some_and(|it| it == "PRIVMSG" || it == "NOTICE");
        names_command || self.is_of_text() && self.params.len() <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(texts: &[(&str, &str)]) -> Record {
        let mut record = Record::default();
        texts.iter().for_each(|(target, text)| record.said(&Kind::Message, target, text, 1));
        record
    }

    fn refusal(record: &mut Record, echoes: bool, code: u16, params: &[&str]) -> Option<String> {
        let params: Vec<_> = params.iter().map(|it| (*it).to_owned()).collect();
        let refusal = Refusal { code: Some(code), params: &params };
        record.handle_refusal(&Support::default(), echoes, refusal)
    }

    fn end(record: &mut Record, echoes: bool, unsent: usize) -> Vec<String> {
        let end = End { echoes, unsent, is_good: false };
        record.handle_end(&Support::default(), end)
    }

    fn told(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_comes_back_was_heard_and_what_does_not_may_not_have_been() {
        let mut record = record(&[("#A", "one"), ("bob", "psst"), ("#a", "two")]);
        record.handle_echo(&Support::default(), "#a");
        record.handle_echo(&Support::default(), "bob");
        assert_eq!(end(&mut record, true, 0), ["perhaps not said to #a: two"]);
    }

    #[test]
    fn of_those_that_may_have_been_heard_the_latest_is_what_is_refused() {
        let mut record = record(&[("#a", "one"), ("#b", "two"), ("#a", "three")]);
        let no = &["#a", "Cannot send to channel"];
        assert_eq!(refusal(&mut record, false, 404, no), told("not said to #a: three"));
        assert_eq!(end(&mut record, false, 0), [""; 0]);
    }

    #[test]
    fn what_is_refused_of_those_that_come_back_is_the_oldest() {
        let mut record = record(&[("#a", "one"), ("#a", "two"), ("#a", "three")]);
        record.handle_echo(&Support::default(), "#a");
        let no = &["#a", "Cannot send to channel"];
        assert_eq!(refusal(&mut record, true, 404, no), told("not said to #a: two"));
        assert_eq!(refusal(&mut record, true, 404, no), told("not said to #a: three"));
        assert_eq!(refusal(&mut record, true, 404, no), None);
    }

    #[test]
    fn a_long_text_is_told_once() {
        let mut record = record(&[("#a", "before")]);
        record.said(&Kind::Message, "#a", "long", 3);
        let no = &["#a", "Cannot send to channel"];
        assert_eq!(refusal(&mut record, false, 404, no), told("not said to #a: long"));
        assert_eq!((0..2).find_map(|_| refusal(&mut record, false, 404, no)), None);
        assert_eq!(refusal(&mut record, false, 404, no), told("not said to #a: before"));
    }

    #[test]
    fn a_command_is_not_taken_for_a_text() {
        let mut record = record(&[("#a", "hello")]);
        record.done("/topic tea", Some("#a".into()));
        let no = &["#a", "You're not channel operator"];
        assert_eq!(refusal(&mut record, false, 482, no), told("not done: /topic tea"));
        record.done("/whois ann", None);
        assert_eq!(refusal(&mut record, false, 404, &["#a", "no"]), told("not said to #a: hello"));
    }

    #[test]
    fn whom_a_text_was_for_is_found_in_what_the_server_makes_of_it() {
        for (target, code, params) in [
            ("@#a", 482, &["#a", "You're not channel operator"][..]),
            ("a,b", 401, &["B", "No such nick/channel"]),
            ("bob@far.example", 401, &["bob", "No such nick/channel"]),
            ("bob", 412, &["No text to send"]),
            ("bob", 439, &["bob", "Target change too fast"]),
        ] {
            let mut record = record(&[(target, "x")]);
            let expected = told(&format!("not said to {target}: x"));
            assert_eq!(refusal(&mut record, true, code, params), expected);
        }
        assert_eq!(
            refusal(&mut record(&[("bob", "x")]), true, 401, &["ann", "No such nick"]),
            None
        );
    }

    #[test]
    fn after_a_goodbye_only_what_a_server_drops_in_silence_may_be_missing() {
        let mut record = record(&[("NickServ", "help"), ("#a", "one"), ("@#a", "two")]);
        record.said(&Kind::Notice, "bob", "three", 1);
        let end = End { echoes: true, unsent: 0, is_good: true };
        let untold = record.handle_end(&Support::default(), end);
        let place = |it: &String| it.split([' ', ':']).nth(4).unwrap_or_default().to_owned();
        assert_eq!(untold.iter().map(place).collect::<Vec<_>>(), ["#a", "@#a", "bob"]);
    }

    #[test]
    fn what_was_not_even_sent_is_told_in_its_order() {
        let mut record = record(&[("#a", "one"), ("#a", "two")]);
        record.done("/topic tea", None);
        assert_eq!(end(&mut record, false, 2), ["not said to #a: two", "not done: /topic tea"]);
    }

    #[test]
    fn the_verdict_is_the_first_refusal_and_how_many_there_were() {
        let mut record = Record::default();
        record.fail("no");
        record.fail("never");
        assert_eq!(record.verdict(), Err("no, and another refusal".into()));
        assert_eq!(Record::default().verdict(), Ok(()));
    }
}
