//! Channels that were asked for, and where the server puts one instead of them.
//!
//! ```text
//!   ask ──▶ waiting ──JOIN of it───────────────────────────▶ there
//!             │  ▲                                             ▲
//!             │  └── 470: waiting for another ── its JOIN ─────┤
//!             ├──── JOIN of another, and no more for a while ──┘
//!             └──── 403, 471, 473 and their like ──▶ nowhere
//! ```
//!
//! Servers answer in any order. Text goes to the channel that was asked for last, among those of the
//! latest `/join` that let one in, and so each has a rank: the later it was asked for, the higher.

use protocols::chat::client::Support;

/// What is waited for, and what has come of it.
#[derive(Debug, Default)]
pub(super) struct Joins {
    waiting: Vec<Asked>,
    /// How many were asked for: the rank of the latest.
    asked: usize,
    /// The rank of where one went last.
    arrived: usize,
    /// Where the server has put one meanwhile, unasked: an answer it may be, or a coincidence.
    elsewhere: Option<String>,
}

/// A channel that was asked for.
#[derive(Debug)]
struct Asked {
    name: String,
    rank: usize,
}

/// What is known when nothing more is waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has put one there instead; go there, if that is said.
    Elsewhere { channel: String, goes: bool },
    /// It has not said a word about these.
    Unanswered(Vec<String>),
}

impl Joins {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether an answer may have come already: another channel than the one that was asked for.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    /// A channel is asked for.
    pub(super) fn ask(&mut self, name: &str) {
        self.asked += 1;
        self.waiting.push(Asked { name: name.to_owned(), rank: self.asked });
    }

    /// One goes to a place that needs no answer.
    pub(super) fn go(&mut self) {
        self.asked += 1;
        self.arrived = self.asked;
    }

    /// A channel is joined again after a loss; one goes there only if one was there.
    pub(super) fn ask_again(&mut self, support: &Support, name: &str, is_here: bool) {
        if !self.waiting.iter().any(|it| support.same(&it.name, name)) {
            let rank = if is_here { self.arrived } else { 0 };
            self.waiting.push(Asked { name: name.to_owned(), rank });
        }
    }

    /// One is on a channel; whether that is where one goes.
    pub(super) fn enter(&mut self, support: &Support, channel: &str) -> bool {
        let found = self.take(|name| support.same(name, channel));
        match found.iter().map(|it| it.rank).max() {
            Some(rank) => self.arrive(rank),
            None => {
                if !self.waiting.is_empty() {
                    self.elsewhere = Some(channel.to_owned());
                }
                false
            }
        }
    }

    /// A channel forwards to another (470), which is waited for instead.
    pub(super) fn forward(&mut self, support: &Support, from: &str, to: &str) {
        for asked in self.waiting.iter_mut().filter(|it| support.same(&it.name, from)) {
            to.clone_into(&mut asked.name);
        }
    }

    /// One is not let in: into which channels, as far as the server says so.
    pub(super) fn refuse(
        &mut self,
        support: &Support,
        code: u16,
        params: &[String],
    ) -> Vec<String> {
        let sentence = params.last().map(String::as_str).unwrap_or_default();
        let is_mark = |char: char| char.is_ascii_punctuation() && !"#&+!".contains(char);
        let in_sentence: Vec<_> =
            sentence.split_whitespace().map(|word| word.trim_matches(is_mark)).collect();
        let is_named = |name: &str| {
            params.iter().any(|it| support.same(it, name))
                || in_sentence.iter().any(|it| support.same(it, name))
        };
        let named = self.take(is_named);
        let refused = match named.is_empty() {
            false => named,
            true if params.first().is_some_and(|it| it == "JOIN") => self.take(|_| true),
            // It does not say which: the first that is waited for.
            true if is_about_joining(code) && params.len() <= 1 => {
                let mut is_taken = false;
                self.take(|_| !std::mem::replace(&mut is_taken, true))
            }
            true => Vec::new(),
        };
        refused.into_iter().map(|it| it.name).collect()
    }

    /// No more is waited for.
    pub(super) fn give_up(&mut self) -> Outcome {
        let elsewhere = self.elsewhere.take();
        let rest = self.take(|_| true);
        match elsewhere {
            Some(channel) => {
                let rank = rest.iter().map(|it| it.rank).max().unwrap_or_default();
                Outcome::Elsewhere { channel, goes: self.arrive(rank) }
            }
            None => Outcome::Unanswered(rest.into_iter().map(|it| it.name).collect()),
        }
    }

    /// Whether nobody has gone further.
    fn arrive(&mut self, rank: usize) -> bool {
        let goes = rank >= self.arrived;
        self.arrived = self.arrived.max(rank);
        goes
    }

    /// Those that are not waited for any more.
    fn take(&mut self, mut is_one: impl FnMut(&str) -> bool) -> Vec<Asked> {
        let taken = self.waiting.extract_if(.., |it| is_one(&it.name)).collect();
        if self.waiting.is_empty() {
            self.elsewhere = None;
        }
        taken
    }
}

/// The numerics that refuse a `JOIN` and nothing else, if they do not name somebody's nick.
fn is_about_joining(code: u16) -> bool {
    matches!(code, 405 | 437 | 471 | 473..=476 | 479 | 480 | 489 | 500 | 519 | 520)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str]) -> Joins {
        let mut joins = Joins::default();
        names.iter().for_each(|name| joins.ask(name));
        joins
    }

    fn enter(joins: &mut Joins, channel: &str) -> bool {
        joins.enter(&Support::default(), channel)
    }

    fn refuse(joins: &mut Joins, code: u16, params: &[&str]) -> Vec<String> {
        let params: Vec<_> = params.iter().map(|it| (*it).to_owned()).collect();
        joins.refuse(&Support::default(), code, &params)
    }

    #[test]
    fn the_last_that_was_asked_for_counts_in_whichever_order_they_come() {
        let mut joins = asked(&["#a", "#b[1]", "#c"]);
        assert!(enter(&mut joins, "#B{1}"));
        assert!(!enter(&mut joins, "#A"), "it was asked for before");
        assert!(!joins.is_empty());
        assert!(enter(&mut joins, "#c") && joins.is_empty());
    }

    #[test]
    fn a_channel_that_forwards_keeps_its_place_in_the_list() {
        let mut joins = asked(&["#a", "#b", "#c"]);
        joins.forward(&Support::default(), "#B", "#x");
        assert!(enter(&mut joins, "#c"));
        assert!(!enter(&mut joins, "#X"), "#c was asked for later");
        assert!(enter(&mut asked(&[]), "#a") == joins.may_be_elsewhere());
        assert_eq!(refuse(&mut joins, 473, &["#a", "Cannot join channel (+i)"]), ["#a"]);
        assert!(joins.is_empty());
    }

    #[test]
    fn whoever_is_put_elsewhere_without_a_word_is_there_in_the_end() {
        let mut joins = asked(&["#a"]);
        assert!(!enter(&mut joins, "#x") && joins.may_be_elsewhere());
        assert_eq!(joins.give_up(), Outcome::Elsewhere { channel: "#x".into(), goes: true });
        let mut joins = asked(&["#a"]);
        assert!(!enter(&mut joins, "#welcome"));
        assert!(enter(&mut joins, "#a") && !joins.may_be_elsewhere(), "it was a coincidence");
        assert_eq!(asked(&["#a"]).give_up(), Outcome::Unanswered(vec!["#a".into()]));
    }

    #[test]
    fn a_refusal_is_found_wherever_the_channel_is_named_or_not() {
        for (code, params) in [
            (471, &["#A", "Cannot join channel (+l)"][..]),
            (520, &["Cannot join channel #a (IRCops only)"]),
            (474, &["Cannot join '#a': banned"]),
            (500, &["Too many join requests"]),
            (461, &["JOIN", "Not enough parameters"]),
        ] {
            let mut joins = asked(&["#a"]);
            assert_eq!(refuse(&mut joins, code, params), ["#a"], "{params:?}");
        }
        let mut joins = asked(&["#a"]);
        assert!(refuse(&mut joins, 404, &["#b", "Cannot send to channel"]).is_empty());
        assert!(refuse(&mut joins, 401, &["ann", "No such nick"]).is_empty());
        assert!(!joins.is_empty());
    }

    #[test]
    fn who_comes_back_goes_only_where_one_was() {
        let mut joins = asked(&["#a", "#b"]);
        assert!(enter(&mut joins, "#a") && enter(&mut joins, "#b"));
        joins.ask_again(&Support::default(), "#a", false);
        joins.ask_again(&Support::default(), "#b", true);
        joins.forward(&Support::default(), "#b", "#b2");
        assert!(enter(&mut joins, "#b2"));
        assert!(!enter(&mut joins, "#a"));
    }
}
