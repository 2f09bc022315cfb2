//! Channels that were asked for, and where the server puts one instead of them.
//!
//! ```text
//!   ask ──▶ waiting ──JOIN of it─────────────────────────────▶ there
//!             │  ▲                                               ▲
//!             │  ├── 470: waiting for another ─── its JOIN ──────┤
//!             │  │                                               │
//!             ├──│── JOIN of another, and no more for a while ───┘
//!             ▼  │
//!           refused: 403, 471, 473 …, and no 470 for a moment ──▶ nowhere
//! ```
//!
//! Servers answer in any order. Text goes to the channel that was asked for last, among those of the
//! latest `/join` that let one in, and so each has a rank: the later it was asked for, the higher.

use std::time::Duration;

use protocols::chat::client::Support;

/// How long a channel may keep a script waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may, once the server has put one on another channel instead: that is an answer, unless
/// the channel one asked for still comes.
const PATIENCE_ELSEWHERE: Duration = Duration::from_secs(2);

/// How long it may, once it does not let one in: InspIRCd says so of somebody who is banned, and only then
/// that the ban forwards.
const PATIENCE_REFUSED: Duration = Duration::from_secs(1);

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
    /// Why it does not let one in, if it does not.
    refusal: Option<String>,
}

/// What is known when nothing more is waited for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Where the server has put one instead, and whether that is where one goes.
    pub(super) elsewhere: Option<(String, bool)>,
    /// Which channels do not let one in, and why.
    pub(super) refused: Vec<(String, String)>,
    /// Of which it has not said a word.
    pub(super) unanswered: Vec<String>,
}

impl Joins {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether something is waited for, and the server has put one nowhere else yet.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.waiting.is_empty() && self.elsewhere.is_none()
    }

    /// How long to wait for more.
    pub(super) fn patience(&self) -> Duration {
        if self.waiting.iter().all(|it| it.refusal.is_some()) {
            PATIENCE_REFUSED
        } else if self.elsewhere.is_some() {
            PATIENCE_ELSEWHERE
        } else {
            PATIENCE
        }
    }

    /// A channel is asked for. Somebody who has been put elsewhere meanwhile, and goes on from there, waits
    /// no more for the one before.
    pub(super) fn ask(&mut self, name: &str) {
        if self.elsewhere.take().is_some() {
            self.waiting.clear();
        }
        self.asked += 1;
        self.waiting.push(Asked { name: name.to_owned(), rank: self.asked, refusal: None });
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
            self.waiting.push(Asked { name: name.to_owned(), rank, refusal: None });
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
            asked.refusal = None;
        }
    }

    /// The server refuses something; whether it was to let one in.
    pub(super) fn refuse(
        &mut self,
        support: &Support,
        code: Option<u16>,
        params: &[String],
        why: &str,
    ) -> bool {
        let sentence = params.last().map(String::as_str).unwrap_or_default();
        let is_mark = |char: char| char.is_ascii_punctuation() && !"#&+!".contains(char);
        let in_sentence: Vec<_> =
            sentence.split_whitespace().map(|word| word.trim_matches(is_mark)).collect();
        let is_named = |name: &str| {
            params.iter().any(|it| support.same(it, name))
                || in_sentence.iter().any(|it| support.same(it, name))
        };
        let is_join = params.first().is_some_and(|it| it == "JOIN");
        // It does not say which: the first that is waited for.
        let is_any = code.is_some_and(is_about_joining) && params.len() <= 1;
        self.mark(is_named, usize::MAX, why)
            || is_join && self.mark(|_| true, usize::MAX, why)
            || is_any && self.mark(|_| true, 1, why)
    }

    /// So many of these do not let one in; whether there are any.
    fn mark(&mut self, is_one: impl Fn(&str) -> bool, most: usize, why: &str) -> bool {
        let mut found = 0;
        let open = self.waiting.iter_mut().filter(|it| it.refusal.is_none() && is_one(&it.name));
        for asked in open.take(most) {
            asked.refusal = Some(why.to_owned());
            found += 1;
        }
        found > 0
    }

    /// No more is waited for.
    pub(super) fn give_up(&mut self) -> Outcome {
        let elsewhere = self.elsewhere.take();
        let rest = self.take(|_| true);
        let rank = rest.iter().map(|it| it.rank).max().unwrap_or_default();
        let mut outcome = Outcome {
            elsewhere: elsewhere.map(|channel| (channel, self.arrive(rank))),
            ..Outcome::default()
        };
        for asked in rest {
            match asked.refusal {
                Some(why) => outcome.refused.push((asked.name, why)),
                None if outcome.elsewhere.is_some() => {}
                None => outcome.unanswered.push(asked.name),
            }
        }
        outcome
    }

    /// Whether nobody has gone further.
    fn arrive(&mut self, rank: usize) -> bool {
        let goes = rank >= self.arrived;
        self.arrived = self.arrived.max(rank);
        goes
    }

    /// Those that are not waited for any more.
    fn take(&mut self, is_one: impl Fn(&str) -> bool) -> Vec<Asked> {
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

    fn refuse(joins: &mut Joins, code: u16, params: &[&str]) -> bool {
        let params: Vec<_> = params.iter().map(|it| (*it).to_owned()).collect();
        joins.refuse(&Support::default(), Some(code), &params, "no")
    }

    fn refused(name: &str) -> Outcome {
        Outcome { refused: vec![(name.to_owned(), "no".to_owned())], ..Outcome::default() }
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
        assert!(refuse(&mut joins, 473, &["#a", "Cannot join channel (+i)"]));
        assert_eq!(joins.give_up(), refused("#a"));
    }

    #[test]
    fn a_channel_may_forward_after_it_was_closed() {
        let mut joins = asked(&["#a"]);
        assert!(refuse(&mut joins, 474, &["#a", "Cannot join channel (you're banned)"]));
        assert_eq!(joins.patience(), PATIENCE_REFUSED);
        joins.forward(&Support::default(), "#a", "#x");
        assert_eq!(joins.patience(), PATIENCE);
        assert!(enter(&mut joins, "#x") && joins.is_empty());
    }

    #[test]
    fn whoever_is_put_elsewhere_without_a_word_is_there_in_the_end() {
        let mut joins = asked(&["#a"]);
        assert!(!enter(&mut joins, "#x"));
        assert_eq!(joins.patience(), PATIENCE_ELSEWHERE);
        let elsewhere = Some(("#x".to_owned(), true));
        assert_eq!(joins.give_up(), Outcome { elsewhere, ..Outcome::default() });
        let mut joins = asked(&["#a", "#b"]);
        assert!(!enter(&mut joins, "#welcome"));
        assert!(enter(&mut joins, "#a") && enter(&mut joins, "#b"));
        assert_eq!(joins.give_up(), Outcome::default(), "it was a coincidence");
        let unanswered = || Outcome { unanswered: vec!["#a".to_owned()], ..Outcome::default() };
        assert_eq!(asked(&["#a"]).give_up(), unanswered());
        let mut joins = asked(&["#b"]);
        assert!(!enter(&mut joins, "#x"));
        joins.ask("#a");
        assert_eq!(joins.give_up(), unanswered(), "being on #x is no answer to that");
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
            assert!(refuse(&mut joins, code, params), "{params:?}");
            assert_eq!(joins.give_up(), refused("#a"));
        }
        let mut joins = asked(&["#a"]);
        assert!(!refuse(&mut joins, 404, &["#b", "Cannot send to channel"]));
        assert!(!refuse(&mut joins, 401, &["ann", "No such nick"]));
        assert!(!refuse(&mut joins, 437, &["ann", "Nick is temporarily unavailable"]));
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
