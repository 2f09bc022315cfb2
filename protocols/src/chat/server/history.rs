//! What was said: for those who come later (IRCv3 chathistory), within bounds.
//!
//! ```text
//!   conversation   oldest ──────────────────────────────▶ newest
//!                  [ post ][ post ][ post ][ post ][ post ]
//!   BEFORE x              ◀────────┘
//!   AFTER x                               └────────▶
//!   AROUND x                ◀──────[  x  ]──────▶
//!   LATEST *                                ◀──────────────┘
//! ```
//!
//! Within a conversation each post bears a later time than the one before it, see
//! [`Channel::latest`](super::channels::Channel::latest), so a page that begins or ends at a time splits
//! nothing: pages of any size, one behind the other, are the whole.
//!
//! When all conversations together are too large, the one that was silent for longest is forgotten.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::line::MessageId;
use super::post::Post;
use super::talk::{Party, Talk};
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::timestamp::Timestamp;

/// A place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Id(MessageId),
    Time(Timestamp),
}

/// Which part of a conversation is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Before(Mark),
    After(Mark),
    /// The newest, but none before a mark.
    Latest(Option<Mark>),
    Around(Mark),
    /// From the first mark towards the second, which may be the earlier.
    Between(Mark, Mark),
}

/// How large a page may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) posts: usize,
    pub(super) bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct History {
    conversations: BTreeMap<Talk, Conversation>,
    /// Each conversation by when something was said in it last.
    ages: BTreeMap<u64, Talk>,
    /// The conversations of those without an account, by their serial number.
    guests: BTreeMap<u64, BTreeSet<Talk>>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Conversation {
    posts: VecDeque<Rc<Post>>,
    bytes: usize,
    age: u64,
    /// What the two of a private one were last called.
    names: BTreeMap<Party, String>,
}

impl History {
    /// Remembers a post, and forgets what there is no room for any more.
    pub(super) fn push(
        &mut self,
        talk: &Talk,
        post: Rc<Post>,
        names: &[(Party, &str)],
        most: usize,
        most_bytes: usize,
    ) {
        if most == 0 {
            return;
        }
        self.note_guests(talk);
        let conversation = match self.conversations.get_mut(talk) {
            Some(conversation) => conversation,
            None => self.conversations.entry(talk.clone()).or_default(),
        };
        // Where somebody speaks again before anybody else does, it is the youngest already.
        if conversation.age != self.clock || self.clock == 0 {
            let talk = self.ages.remove(&conversation.age).unwrap_or_else(|| talk.clone());
            self.clock += 1;
            conversation.age = self.clock;
            self.ages.insert(self.clock, talk);
        }

        let mut delta = post.bytes();
        conversation.posts.push_back(post);
        conversation.bytes += delta;
        self.bytes += delta;
        while conversation.posts.len() > most
            && let Some(oldest) = conversation.posts.pop_front()
        {
            delta = oldest.bytes();
            conversation.bytes -= delta;
            self.bytes -= delta;
        }
        for (party, name) in names {
            conversation.names.insert(party.clone(), (*name).to_owned());
        }
        while self.bytes > most_bytes
            && let Some((_, silent)) = self.ages.pop_first()
        {
            self.forget(&silent);
        }
    }

    pub(super) fn forget(&mut self, talk: &Talk) {
        let Some(conversation) = self.conversations.remove(talk) else { return };
        self.bytes -= conversation.bytes;
        self.ages.remove(&conversation.age);
        for guest in talk.guests() {
            if let Entry::Occupied(mut talks) = self.guests.entry(guest) {
                talks.get_mut().remove(talk);
                if talks.get().is_empty() {
                    talks.remove();
                }
            }
        }
    }

    /// Forgets what one without an account, who is gone for ever, said in private.
    pub(super) fn forget_guest(&mut self, serial: u64) {
        for talk in self.guests.remove(&serial).unwrap_or_default() {
            self.forget(&talk);
        }
    }

    /// Remembers whose going will end this conversation, if it is not known yet.
    fn note_guests(&mut self, talk: &Talk) {
        if let Talk::Private(..) = talk
            && !self.conversations.contains_key(talk)
        {
            for guest in talk.guests() {
                self.guests.entry(guest).or_default().insert(talk.clone());
            }
        }
    }

    /// What was said, the oldest first: at most so much.
    pub(super) fn select(
        &self,
        talk: &Talk,
        range: Range,
        most: Size,
        wanted: impl Fn(&Post) -> bool,
    ) -> Vec<Rc<Post>> {
        let Some(conversation) = self.conversations.get(talk) else {
            return Vec::new();
        };
        let posts: Vec<_> = conversation.posts.iter().filter(|post| wanted(post)).collect();
        select(&posts, range, most).into_iter().cloned().collect()
    }

    /// A post, by its name.
    pub(super) fn find(&self, talk: &Talk, id: MessageId) -> Option<&Rc<Post>> {
        self.conversations.get(talk)?.posts.iter().find(|post| post.id == id)
    }

    /// Forgets a post.
    pub(super) fn redact(&mut self, talk: &Talk, id: MessageId) {
        let Some(conversation) = self.conversations.get_mut(talk) else { return };
        let at = conversation.posts.iter().position(|post| post.id == id);
        if let Some(post) = at.and_then(|at| conversation.posts.remove(at)) {
            conversation.bytes -= post.bytes();
            self.bytes -= post.bytes();
        }
    }

    /// When the newest post of a conversation is from; long ago, if there is none.
    pub(super) fn latest(&self, talk: &Talk) -> Timestamp {
        let newest = self.conversations.get(talk).and_then(|it| it.posts.back());
        newest.map_or_else(Timestamp::default, |post| post.at)
    }

    /// The private conversations of somebody, and the channels it is on, in which something was said
    /// between two times: with whom, and when last, the oldest first. Those next to the first time, if
    /// there are more than `most`; it may be the later.
    pub(super) fn targets(
        &self,
        party: &Party,
        is_on: impl Fn(&Folded) -> Option<String>,
        (first, last): (Timestamp, Timestamp),
        most: usize,
    ) -> Vec<(Timestamp, String)> {
        let (from, to) = (first.min(last), first.max(last));
        let mut targets = Vec::new();
        for (talk, conversation) in &self.conversations {
            let name = match talk {
                Talk::Channel(name) => is_on(name),
                Talk::Private(a, b) if a == party => conversation.names.get(b).cloned(),
                Talk::Private(a, b) if b == party => conversation.names.get(a).cloned(),
                Talk::Private(_, _) => None,
            };
            let last = conversation.posts.iter().rev().find(|post| post.is_message());
            if let (Some(name), Some(last)) = (name, last)
                && from < last.at
                && last.at < to
            {
                targets.push((last.at, name));
            }
        }
        targets.sort();
        if first <= last {
            targets.truncate(whole_milliseconds(targets.iter(), most));
        } else {
            let kept = whole_milliseconds(targets.iter().rev(), most);
            targets.drain(..targets.len() - kept);
        }
        targets
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.conversations.len()
    }
}

/// How many of these targets a page of at most so many holds: it ends where a millisecond does, since the
/// next begins at a time. Different conversations may well share one; if all of the page would, it is longer.
fn whole_milliseconds<'a>(
    targets: impl ExactSizeIterator<Item = &'a (Timestamp, String)>,
    most: usize,
) -> usize {
    let times: Vec<_> = targets.map(|&(time, _)| time).collect();
    let ends = |&at: &usize| times.get(at) != times.get(at.wrapping_sub(1));
    let all = times.len();
    if all <= most {
        return all;
    }
    (1..=most).rev().find(ends).or_else(|| (most..=all).find(ends)).unwrap_or(all)
}

/// Which of these posts a range holds: at most so much of it, and the rest comes with the next page.
fn select<'a>(posts: &[&'a Rc<Post>], range: Range, most: Size) -> Vec<&'a Rc<Post>> {
    let all = posts.len();
    let (held, nearest) = match range {
        Range::Before(mark) => (0..before(posts, mark), all),
        Range::After(mark) => (after(posts, mark)..all, 0),
        Range::Latest(None) => (0..all, all),
        Range::Latest(Some(mark)) => (after(posts, mark)..all, all),
        Range::Around(mark) => match at_or_after(posts, mark) {
            Some(middle) => (0..all, middle),
            None => (0..0, 0),
        },
        Range::Between(a, b) if before(posts, a) <= before(posts, b) => {
            (after(posts, a)..before(posts, b), 0)
        }
        Range::Between(a, b) => (after(posts, b)..before(posts, a), all),
    };
    let chosen = posts.get(held.clone()).unwrap_or_default();
    page(chosen, nearest.saturating_sub(held.start), most).to_vec()
}

/// So many of these as may be told, around the nearest to what was asked for: what is farther away is left
/// out first. One is told however large it is, since a page without any says that there is no more.
fn page<'a, 'b>(
    mut posts: &'b [&'a Rc<Post>],
    mut nearest: usize,
    most: Size,
) -> &'b [&'a Rc<Post>] {
    let mut bytes: usize = posts.iter().map(|post| post.longest()).sum();
    loop {
        let [first, .., last] = posts else { return posts.get(..most.posts).unwrap_or(posts) };
        if posts.len() <= most.posts && bytes <= most.bytes {
            return posts;
        }
        nearest = nearest.min(posts.len() - 1);
        if nearest > posts.len() - 1 - nearest {
            bytes -= first.longest();
            posts = &posts[1..];
            nearest -= 1;
        } else {
            bytes -= last.longest();
            posts = &posts[..posts.len() - 1];
        }
    }
}

/// How many posts come before a mark; none, if it names a post that is not there.
fn before(posts: &[&Rc<Post>], mark: Mark) -> usize {
    match mark {
        Mark::Id(id) => posts.iter().position(|post| post.id == id).unwrap_or(0),
        Mark::Time(time) => posts.partition_point(|post| post.at < time),
    }
}

/// The first post after a mark; the end, if it names a post that is not there.
fn after(posts: &[&Rc<Post>], mark: Mark) -> usize {
    match mark {
        Mark::Id(id) => {
            posts.iter().position(|post| post.id == id).map_or(posts.len(), |position| position + 1)
        }
        Mark::Time(time) => posts.partition_point(|post| post.at <= time),
    }
}

fn at_or_after(posts: &[&Rc<Post>], mark: Mark) -> Option<usize> {
    match mark {
        Mark::Id(id) => posts.iter().position(|post| post.id == id),
        Mark::Time(time) => Some(posts.partition_point(|post| post.at < time)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::chat::server::line::ClientTags;
    use crate::chat::server::post::{Kind, Text, What};

    fn time(second: u64) -> Timestamp {
        Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
    }

    fn post(serial: u64) -> Rc<Post> {
        Rc::new(Post {
            id: MessageId { life: 1, serial },
            at: time(serial),
            source: "ann!a@b".into(),
            by: Party::Connection(1),
            account: None,
            bot: false,
            client_tags: ClientTags::default(),
            what: What::Said(Kind::Privmsg),
            target: "#a".into(),
            params: Vec::new(),
            text: Text::Line(serial.to_string().into()),
        })
    }

    fn room() -> Talk {
        Talk::Channel(Folded::of("#a"))
    }

    fn at_most(posts: usize) -> Size {
        Size { posts, bytes: 1 << 20 }
    }

    fn serials(history: &History, range: Range, most: usize) -> Vec<u64> {
        let posts = history.select(&room(), range, at_most(most), |_| true);
        posts.iter().map(|post| post.id.serial).collect()
    }

    fn ten() -> History {
        let mut history = History::default();
        (0..10).for_each(|serial| history.push(&room(), post(serial), &[], 100, 1 << 20));
        history
    }

    #[test]
    fn each_range_holds_what_its_name_says() {
        let history = ten();
        let id = |serial| Mark::Id(MessageId { life: 1, serial });
        for mark in [id, |second| Mark::Time(time(second))] {
            assert_eq!(serials(&history, Range::Before(mark(6)), 2), [4, 5]);
            assert_eq!(serials(&history, Range::After(mark(3)), 3), [4, 5, 6]);
            assert_eq!(serials(&history, Range::Latest(Some(mark(4))), 3), [7, 8, 9]);
            assert_eq!(serials(&history, Range::Latest(Some(mark(7))), 3), [8, 9]);
            assert_eq!(serials(&history, Range::Around(mark(7)), 3), [6, 7, 8]);
            assert_eq!(serials(&history, Range::Around(mark(7)), 1), [7]);
            assert_eq!(serials(&history, Range::Between(mark(0), mark(9)), 3), [1, 2, 3]);
            assert_eq!(serials(&history, Range::Between(mark(9), mark(0)), 3), [6, 7, 8]);
        }
        assert_eq!(serials(&history, Range::Latest(None), 2), [8, 9]);
        assert_eq!(serials(&history, Range::Before(id(99)), 5), [0; 0], "there is no such post");
        assert_eq!(serials(&history, Range::Around(id(99)), 5), [0; 0]);
        assert_eq!(serials(&history, Range::Latest(None), 0), [0; 0]);
    }

    #[test]
    fn what_is_too_large_to_be_told_at_once_is_left_out_where_it_is_far_from_what_was_asked_for() {
        let history = ten();
        let told = |range, posts: usize| {
            let most = Size { posts: 10, bytes: posts * post(0).longest() + 1 };
            let posts = history.select(&room(), range, most, |_| true);
            posts.iter().map(|post| post.id.serial).collect::<Vec<_>>()
        };
        let mark = |second| Mark::Time(time(second));
        assert_eq!(told(Range::Before(mark(6)), 2), [4, 5]);
        assert_eq!(told(Range::After(mark(3)), 2), [4, 5]);
        assert_eq!(told(Range::Latest(Some(mark(4))), 2), [8, 9]);
        assert_eq!(told(Range::Between(mark(0), mark(9)), 2), [1, 2]);
        assert_eq!(told(Range::Between(mark(9), mark(0)), 2), [7, 8]);
        assert_eq!(told(Range::Around(mark(7)), 3), [6, 7, 8]);
        assert_eq!(told(Range::Around(mark(0)), 3), [0, 1, 2]);
        assert_eq!(told(Range::Around(mark(99)), 3), [7, 8, 9]);
        assert_eq!(told(Range::Latest(None), 0), [9], "an empty page is the last");
    }

    #[test]
    fn a_conversation_forgets_its_oldest_and_all_together_the_most_silent() {
        let mut history = History::default();
        (0..10).for_each(|serial| history.push(&room(), post(serial), &[], 3, 1 << 20));
        assert_eq!(serials(&history, Range::Latest(None), 10), [7, 8, 9]);

        let most_bytes = 5 * post(0).bytes();
        for name in ["#b", "#c"] {
            let talk = Talk::Channel(Folded::of(name));
            (0..2).for_each(|serial| history.push(&talk, post(serial), &[], 3, most_bytes));
        }
        assert_eq!(history.len(), 2, "#a was silent for longest");
        assert_eq!(serials(&history, Range::Latest(None), 10), [0; 0]);
        assert!(history.bytes <= most_bytes && history.ages.len() == 2);
    }

    #[test]
    fn what_is_redacted_is_gone() {
        let mut history = ten();
        let id = MessageId { life: 1, serial: 4 };
        assert!(history.find(&room(), id).is_some());
        let before = history.bytes;
        history.redact(&room(), id);
        history.redact(&room(), id);
        assert!(history.find(&room(), id).is_none());
        assert_eq!(history.bytes, before - post(4).bytes());
        assert_eq!(serials(&history, Range::Latest(None), 6), [3, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn who_is_gone_for_ever_takes_its_private_words_along() {
        let mut history = ten();
        let (ann, guest) = (Party::Account(Folded::of("ann")), Party::Connection(7));
        let talk = Talk::private(guest.clone(), ann.clone());
        assert_eq!(talk, Talk::private(ann.clone(), guest.clone()));
        let names = [(ann.clone(), "Ann"), (guest.clone(), "guest")];
        history.push(&talk, post(20), &names, 10, 1 << 20);
        let all = (time(0), time(100));
        let targets = history.targets(&ann, |name| Some(name.to_string()), all, 10);
        assert_eq!(targets, [(time(9), "#a".to_owned()), (time(20), "guest".to_owned())]);
        // However often it is forgotten, and begun again.
        history.forget(&talk);
        history.push(&talk, post(20), &names, 10, 1 << 20);
        assert_eq!(history.guests[&7].len(), 1);
        history.forget_guest(7);
        assert_eq!(history.targets(&ann, |_| None, all, 10), []);
        assert_eq!(history.len(), 1);
        // Who stays has nothing of those who have gone.
        let talk = Talk::private(guest, Party::Connection(8));
        history.push(&talk, post(21), &[], 10, 1 << 20);
        history.forget_guest(8);
        assert!(history.guests.is_empty(), "{:?}", history.guests);
    }

    /// Posts as they are dated, whatever the wall clock says: it may stand still, and be set back.
    fn dated(clocks: &[u64]) -> History {
        let mut history = History::default();
        for (serial, &clock) in clocks.iter().enumerate() {
            let at = Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_millis(clock));
            let at = at.after(history.latest(&room()));
            let post = Post { at, ..Post::clone(&post(serial as u64)) };
            history.push(&room(), Rc::new(post), &[], 1_000, 1 << 20);
        }
        history
    }

    /// Page after page, until one is empty.
    fn pages(
        history: &History,
        first: Range,
        most: usize,
        next: impl Fn(&[Rc<Post>]) -> Range,
    ) -> Vec<Vec<u64>> {
        let mut pages = Vec::new();
        let mut range = first;
        loop {
            let page = history.select(&room(), range, at_most(most), |_| true);
            if page.is_empty() || pages.len() > 100 {
                return pages;
            }
            range = next(&page);
            pages.push(page.iter().map(|post| post.id.serial).collect());
        }
    }

    proptest! {
        #[test]
        fn pages_by_time_are_the_whole_in_both_directions(
            clocks in proptest::collection::vec(0_u64..30, 1..60),
            most in 1_usize..70,
        ) {
            let history = dated(&clocks);
            let whole: Vec<_> = (0..clocks.len() as u64).collect();
            let oldest = |page: &[Rc<Post>]| Mark::Time(page[0].at);
            let newest = |page: &[Rc<Post>]| Mark::Time(page[page.len() - 1].at);
            let (begin, end) = (Mark::Time(time(0)), Mark::Time(time(1_000_000)));

            let on = pages(&history, Range::After(begin), most, |it| Range::After(newest(it)));
            prop_assert_eq!(on.concat(), whole.clone());
            let between = |it: &[Rc<Post>]| Range::Between(newest(it), end);
            let on = pages(&history, Range::Between(begin, end), most, between);
            prop_assert_eq!(on.concat(), whole.clone());

            let before = |it: &[Rc<Post>]| Range::Before(oldest(it));
            for first in [Range::Latest(None), Range::Latest(Some(begin)), Range::Before(end)] {
                let mut back = pages(&history, first, most, before);
                back.reverse();
                prop_assert_eq!(back.concat(), whole.clone());
            }
            let between = |it: &[Rc<Post>]| Range::Between(oldest(it), begin);
            let mut back = pages(&history, Range::Between(end, begin), most, between);
            back.reverse();
            prop_assert_eq!(back.concat(), whole);
        }

        #[test]
        fn a_page_of_targets_ends_where_a_millisecond_does(
            times in proptest::collection::vec(0_u64..6, 0..20),
            most in 1_usize..20,
        ) {
            let mut targets: Vec<_> = times.iter().map(|&at| (time(at), String::new())).collect();
            targets.sort();
            let kept = whole_milliseconds(targets.iter(), most);
            let (page, rest) = targets.split_at(kept);
            prop_assert!(targets.is_empty() || !page.is_empty());
            let (last, next) = (page.last(), rest.first());
            prop_assert!(next.is_none() || last.map(|it| it.0) < next.map(|it| it.0));
            prop_assert!(kept <= most || page[0].0 == page[kept - 1].0, "longer than it need be");
        }
    }
}
