//! Servers that share accounts, over a store that a test holds in its hands: it decides what arrives when.

use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::chat::server::accounts::{AccountLimits, Accounts, NotCreated};
use crate::chat::wire::casemap::same_name;
use crate::password::PasswordHash;

fn hash(which: u8) -> PasswordHash {
    let hashes = [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$DTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ];
    hashes[usize::from(which) % 2].parse().expect("a hash")
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

/// A store, and the servers that share what is in it.
struct Stage {
    log: Vec<(String, Option<String>)>,
    nodes: Vec<Node>,
    clock: u64,
}

struct Node {
    accounts: Accounts,
    keys: VecDeque<Key>,
    asked: Option<(Key, Want)>,
    answer: Option<Result<u64, ()>>,
    /// How much of the log its watch has told.
    told: usize,
    /// When the accounts were made that somebody is logged in to.
    sessions: Vec<(&'static str, u64)>,
    /// Accounts whose users were logged out, and keys that were taken back.
    gone: Vec<String>,
    taken_back: Vec<Key>,
    /// Channels that are shown as registered.
    registered: BTreeSet<Folded>,
}

impl Stage {
    fn new(count: usize) -> Self {
        let mut stage = Self { log: Vec::new(), nodes: Vec::new(), clock: 0 };
        for _ in 0..count {
            stage.add();
        }
        stage
    }

    /// One more server, which has been told everything.
    fn add(&mut self) -> usize {
        self.nodes.push(Node {
            accounts: Accounts::of_network(AccountLimits::default()),
            keys: VecDeque::new(),
            asked: None,
            answer: None,
            told: 0,
            sessions: Vec::new(),
            gone: Vec::new(),
            taken_back: Vec::new(),
            registered: BTreeSet::new(),
        });
        self.watch_anew(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn last(&self, key: &str) -> Option<(u64, Option<&str>)> {
        let at = self.log.iter().rposition(|(it, _)| it == key)?;
        Some((at as u64 + 1, self.log[at].1.as_deref()))
    }

    /// A server's user changes something, and has it committed.
    fn change<R>(&mut self, node: usize, change: impl FnOnce(&mut Accounts, SystemTime) -> R) -> R {
        self.clock += 1;
        let (node, now) = (&mut self.nodes[node], at(self.clock));
        let result = change(&mut node.accounts, now);
        let keys = node.book().commit();
        node.keys.extend(keys);
        result
    }

    /// The next write leaves.
    fn ask(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if node.asked.is_some() {
            return;
        }
        let Some(key) = node.keys.pop_front() else { return };
        match node.book().want(&key) {
            Want::Nothing => node.written(&key, &Want::Nothing, 0),
            Want::Impossible => node.refused(key),
            want => node.asked = Some((key, want)),
        }
    }

    /// It arrives.
    fn arrive(&mut self, node: usize) {
        if self.nodes[node].answer.is_some() {
            return;
        }
        let Some((key, want)) = self.nodes[node].asked.clone() else { return };
        let last = self.last(&key.text());
        let (is_right, text) = match want {
            Want::Create(text) => (last.is_none_or(|(_, text)| text.is_none()), Some(text)),
            Want::Update(text, base) => (last.is_some_and(|(now, _)| now == base), Some(text)),
            Want::Delete(base) => (last.is_some_and(|(now, _)| now == base), None),
            Want::Nothing | Want::Impossible => unreachable!("nobody asks for that"),
        };
        if is_right {
            self.log.push((key.text(), text));
        }
        self.nodes[node].answer = Some(if is_right { Ok(self.log.len() as u64) } else { Err(()) });
    }

    /// The answer arrives.
    fn hear(&mut self, at: usize) {
        let Some(answer) = self.nodes[at].answer.take() else { return };
        let (key, want) = self.nodes[at].asked.take().expect("it was asked");
        if let Ok(revision) = answer {
            return self.nodes[at].written(&key, &want, revision);
        }
        let text = key.text();
        let last = self.last(&text).map(|(revision, text)| (revision, text.map(str::to_owned)));
        let node = &mut self.nodes[at];
        if let Some((revision, value)) = last {
            node.book().handle_entry(&text, value.as_deref().map(str::as_bytes), revision);
        }
        match node.book().handle_conflict(&key) {
            Conflict::Again => node.keys.push_front(key),
            Conflict::Settled => node.written(&key, &Want::Nothing, 0),
            Conflict::Lost => node.refused(key),
        }
    }

    /// The connection is lost before there is an answer.
    fn lose(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.answer = None;
        if let Some((key, _)) = node.asked.take() {
            node.refused(key);
        }
    }

    /// The watch tells one more.
    fn tell(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if let Some((key, text)) = self.log.get(node.told) {
            node.told += 1;
            let revision = node.told as u64;
            let touched =
                node.book().handle_told(key, text.as_deref().map(str::as_bytes), revision);
            node.follow(touched);
        }
    }

    /// The watch has ended, and another one tells everything.
    fn watch_anew(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.book().handle_end();
        node.book().begin();
        for (before, (key, text)) in self.log.iter().enumerate() {
            if self.log[before + 1..].iter().any(|(later, _)| later == key) {
                continue;
            }
            let revision = before as u64 + 1;
            let touched =
                node.book().handle_told(key, text.as_deref().map(str::as_bytes), revision);
            node.follow(touched);
        }
        node.told = self.log.len();
        let touched = node.book().handle_caught_up();
        node.follow(touched);
    }

    /// Everything that is on its way arrives.
    fn settle(&mut self) {
        while self.nodes.iter().any(|node| !node.keys.is_empty() || node.asked.is_some()) {
            for node in 0..self.nodes.len() {
                self.ask(node);
                self.arrive(node);
                self.hear(node);
            }
        }
        for node in 0..self.nodes.len() {
            while self.nodes[node].told < self.log.len() {
                self.tell(node);
            }
        }
    }

    /// Everybody knows the same, which is what somebody would who comes now.
    fn check(&mut self) {
        let new = self.add();
        let lines: Vec<_> = self.nodes.iter().map(Node::lines).collect();
        for (node, its) in lines.iter().enumerate() {
            assert_eq!(its, &lines[new], "{node}: {:?}", self.log);
            assert!(self.nodes[node].book_is_clean(), "{node}: {:?}", self.nodes[node].accounts);
            let Node { accounts, sessions, registered, .. } = &self.nodes[node];
            let are_there = accounts.channels().map(|channel| Folded::of(channel.name()));
            assert_eq!(registered, &are_there.collect(), "{node}: {:?}", self.log);
            let is_there = |&(name, made): &(&str, u64)| {
                accounts.account(name).is_some_and(|account| account.created_at() == made)
            };
            assert!(sessions.iter().all(is_there), "{node}: {sessions:?}, {:?}", self.log);
        }
        self.nodes.pop();
    }
}

impl Node {
    fn book(&mut self) -> Book<'_> {
        self.accounts.book().expect("they are shared")
    }

    fn written(&mut self, key: &Key, want: &Want, revision: u64) {
        let touched = self.book().handle_written(key, want, revision);
        self.follow([touched]);
    }

    /// Whose account is gone is logged out, and channels are shown as what they are.
    fn follow(&mut self, touched: impl IntoIterator<Item = Touched>) {
        for Touched { key, gone, with, .. } in touched {
            if let Some(gone) = gone {
                self.sessions.retain(|(name, _)| !same_name(name, &gone));
                self.registered.retain(|name| self.accounts.channel(name.as_str()).is_some());
                self.gone.push(gone);
            }
            for Key { name, .. } in
                with.into_iter().chain([key]).filter(|it| it.kind == Kind::Channel)
            {
                match self.accounts.channel(name.as_str()) {
                    Some(_) => self.registered.insert(name),
                    None => self.registered.remove(&name),
                };
            }
        }
    }

    /// Somebody logs in, if there is such an account.
    fn log_in(&mut self, name: &'static str) {
        let made = self.accounts.account(name).map(|account| (name, account.created_at()));
        self.sessions.extend(made);
    }

    /// It is taken back, and with it what was changed behind it.
    fn refused(&mut self, key: Key) {
        let others = std::mem::take(&mut self.keys);
        for key in std::iter::once(key).chain(others) {
            let touched = self.book().handle_refused(&key);
            self.follow([touched]);
            self.taken_back.push(key);
        }
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.accounts.tables.encode()).expect("text");
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        // Nicks are known in the order in which they were told.
        lines.sort();
        lines
    }

    fn book_is_clean(&mut self) -> bool {
        let shared = self.book().shared;
        shared.changed.is_empty() && shared.uncommitted.is_empty()
    }
}

#[test]
fn of_two_who_register_a_name_at_once_one_has_it_be_it_an_account_or_a_nick() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("bob", hash(0), now)).expect("it is free");
    stage.settle();
    stage.change(0, |it, now| it.create("Ann", hash(0), now)).expect("it is free");
    stage.change(1, |it, _| it.add_nick("bob", "ann")).expect("it is free there");
    stage.ask(0);
    stage.ask(1);
    stage.arrive(1);
    stage.arrive(0);
    stage.hear(0);
    assert_eq!(stage.nodes[0].taken_back, [Key::name("ann")]);
    let owner = |stage: &Stage, node: usize| {
        stage.nodes[node].accounts.owner_of("ANN").map(|owner| owner.name().to_owned())
    };
    assert_eq!(owner(&stage, 0).as_deref(), Some("bob"), "it is known before the watch tells it");
    stage.settle();
    assert_eq!(owner(&stage, 1).as_deref(), Some("bob"));
    let again = stage.change(0, |it, now| it.create("Ann", hash(0), now));
    assert_eq!(again, Err(NotCreated::Taken { owner: "bob".into() }));
    stage.check();
}

#[test]
fn an_account_that_is_gone_logs_out_everywhere_and_takes_along_what_is_its_own() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("Ann", hash(0), now)).expect("it is free");
    stage.change(0, |it, _| it.add_nick("ann", "annie")).expect("it is free");
    stage.change(0, |it, now| it.register_channel("#a", "ann", now)).expect("it is free");
    stage.settle();
    stage.change(1, |it, _| it.drop_account("ann")).expect("it is there");
    assert_eq!(stage.nodes[1].gone, [""; 0], "the store may refuse it");
    stage.settle();
    assert_eq!(
        (&stage.nodes[0].gone[..], &stage.nodes[1].gone[..]),
        (&["Ann".into()][..], &["Ann".into()][..])
    );
    assert!(stage.log.iter().rev().take(3).all(|(_, text)| text.is_none()));
    stage.check();
}

#[test]
fn who_makes_an_account_again_does_not_inherit_what_was_left_of_the_one_before() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("Ann", hash(0), now)).expect("it is free");
    stage.change(0, |it, _| it.add_nick("ann", "annie")).expect("it is free");
    stage.change(0, |it, now| it.register_channel("#a", "ann", now)).expect("it is free");
    stage.settle();
    // The account is gone, and then the server that removes it, before it has come to the rest.
    stage.change(0, |it, _| it.drop_account("ann")).expect("it is there");
    stage.ask(0);
    stage.arrive(0);
    stage.hear(0);
    stage.nodes.remove(0);
    stage.settle();
    assert_eq!(stage.nodes[0].lines(), [""; 0], "what belongs to nobody is not there");
    stage.change(0, |it, now| it.create("ann", hash(1), now)).expect("it is free");
    stage.settle();
    let ann = stage.nodes[0].accounts.account("ann").expect("it is there");
    assert_eq!((ann.nicks().len(), stage.nodes[0].accounts.channels().len()), (0, 0));
    // And the names are not lost.
    stage.change(0, |it, _| it.add_nick("ann", "annie")).expect("it is free");
    stage.change(0, |it, now| it.register_channel("#a", "ann", now)).expect("it is free");
    stage.settle();
    assert_eq!(stage.nodes[0].lines().len(), 3);
    stage.check();
}

#[test]
fn somebody_elses_account_of_the_same_name_ends_sessions_too() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.settle();
    stage.change(0, |it, _| it.drop_account("ann")).expect("it is there");
    stage.ask(0);
    stage.arrive(0);
    stage.hear(0);
    stage.change(0, |it, now| it.create("ann", hash(1), now)).expect("it is free");
    stage.ask(0);
    stage.arrive(0);
    stage.hear(0);
    // The other one was away, and is told the last of it only.
    stage.watch_anew(1);
    assert_eq!(stage.nodes[1].gone, ["ann"]);
    stage.settle();
    stage.check();
}

#[test]
fn who_is_logged_in_to_an_account_that_the_store_does_not_take_is_logged_out() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.ask(0);
    stage.lose(0);
    assert_eq!(stage.nodes[0].gone, ["ann"]);
    // Or that of somebody else, which has the name.
    for node in 0..2 {
        stage.change(node, |it, now| it.create("bob", hash(0), now)).expect("it is free");
        stage.ask(node);
        stage.arrive(node);
    }
    stage.settle();
    assert_eq!(
        (&stage.nodes[0].gone[..], &stage.nodes[1].gone[..]),
        (&["ann".into()][..], &["bob".into()][..])
    );
    stage.check();
}

#[test]
fn who_is_logged_in_to_an_account_that_is_dropped_before_it_is_kept_is_logged_out() {
    for (is_asked, is_made_again) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut stage = Stage::new(1);
        stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
        if is_asked {
            stage.ask(0);
        }
        stage.nodes[0].log_in("ann");
        stage.change(0, |it, _| it.drop_account("ann")).expect("it is there");
        if is_made_again {
            stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
        }
        stage.settle();
        stage.check();
    }
}

#[test]
fn of_two_passwords_one_counts_and_the_other_is_refused() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.settle();
    stage.change(0, |it, _| it.set_password("ann", hash(1))).expect("it is there");
    stage.change(1, |it, _| it.set_password("ann", hash(0))).expect("it is there");
    stage.change(1, |it, _| it.set_password("ann", hash(1))).expect("it is there");
    stage.change(1, |it, _| it.add_nick("ann", "annie")).expect("it is free");
    stage.ask(0);
    stage.ask(1);
    stage.arrive(0);
    stage.arrive(1);
    stage.hear(1);
    assert_eq!(stage.nodes[1].taken_back.len(), 3, "what was built on it goes with it");
    stage.settle();
    assert_eq!(stage.nodes[1].accounts.account("ann").map(|it| it.nicks().len()), Some(0));
    stage.check();
}

#[test]
fn who_comes_is_told_of_a_channel_before_its_founder_and_shows_it_all_the_same() {
    let mut stage = Stage::new(1);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.change(0, |it, now| it.register_channel("#a", "ann", now)).expect("it is free");
    stage.settle();
    stage.change(0, |it, _| it.set_password("ann", hash(1))).expect("it is there");
    stage.settle();
    let new = stage.add();
    assert!(stage.nodes[new].registered.contains(&Folded::of("#a")));
    stage.check();
}

#[test]
fn an_answer_that_comes_behind_later_news_changes_nothing() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.settle();
    stage.change(0, |it, _| it.set_password("ann", hash(1))).expect("it is there");
    stage.ask(0);
    stage.arrive(0);
    // Before the answer is back somebody else has heard of it, and removed the account.
    stage.tell(1);
    stage.change(1, |it, _| it.drop_account("ann")).expect("it is there");
    stage.ask(1);
    stage.arrive(1);
    stage.tell(0);
    stage.tell(0);
    stage.hear(0);
    assert!(stage.nodes[0].accounts.account("ann").is_none(), "it does not come back");
    assert_eq!(stage.nodes[0].gone, ["ann"]);
    stage.settle();
    stage.check();
}

#[test]
fn a_channel_can_be_given_up_though_its_modes_were_changed_elsewhere_meanwhile() {
    let mut stage = Stage::new(2);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.change(0, |it, now| it.register_channel("#a", "ann", now)).expect("it is free");
    stage.settle();
    stage.change(0, |it, _| it.keep_modes("#a", "nt")).expect("it is there");
    stage.change(1, |it, _| it.drop_channel("#a")).expect("it is there");
    stage.ask(1);
    stage.ask(0);
    stage.arrive(0);
    stage.arrive(1);
    stage.settle();
    assert_eq!(stage.nodes[1].taken_back, []);
    assert_eq!(stage.nodes[0].accounts.channels().len(), 0);
    stage.check();
}

#[test]
fn what_a_later_version_wrote_is_not_written_over() {
    let mut stage = Stage::new(1);
    stage.log.push((Key::name("ann").text(), Some("account Ann 5 sphinx".to_owned())));
    stage.log.push((Key::channel("#a").text(), Some("of 5\nchannel #b ann 6".to_owned())));
    stage.log.push(("elsewhere".to_owned(), Some("something".to_owned())));
    stage.settle();
    assert_eq!(stage.nodes[0].lines(), [""; 0]);
    stage.change(0, |it, now| it.create("Ann", hash(0), now)).expect("nobody known has it");
    stage.settle();
    assert_eq!((stage.nodes[0].taken_back.len(), stage.log.len()), (1, 3));
    stage.check();
}

#[test]
fn a_bucket_that_comes_back_with_less_is_what_counts() {
    let mut stage = Stage::new(1);
    stage.change(0, |it, now| it.create("ann", hash(0), now)).expect("it is free");
    stage.change(0, |it, now| it.create("bob", hash(0), now)).expect("it is free");
    stage.settle();
    // From a copy that somebody has made before there was a bob: its revisions begin again.
    stage.log.truncate(1);
    stage.watch_anew(0);
    assert_eq!(stage.nodes[0].gone, ["bob"]);
    assert_eq!(stage.nodes[0].lines().len(), 1);
    stage.change(0, |it, now| it.create("bob", hash(1), now)).expect("it is free");
    stage.settle();
    stage.check();
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Change(usize, Deed),
    LogIn(usize, &'static str),
    Ask(usize),
    Arrive(usize),
    Hear(usize),
    Lose(usize),
    Tell(usize),
    WatchAnew(usize),
}

/// What somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Create(&'static str),
    Password(&'static str, u8),
    Drop(&'static str),
    AddNick(&'static str, &'static str),
    RemoveNick(&'static str, &'static str),
    Register(&'static str, &'static str),
    Modes(&'static str, &'static str),
    Forget(&'static str),
    Ban(&'static str, &'static str),
    Unban(&'static str),
}

impl Deed {
    /// Does it, or is refused.
    fn be_done(self, accounts: &mut Accounts, now: SystemTime) {
        let _ = match self {
            Self::Create(name) => accounts.create(name, hash(0), now).is_ok(),
            Self::Password(name, which) => accounts.set_password(name, hash(which)).is_ok(),
            Self::Drop(name) => accounts.drop_account(name).is_ok(),
            Self::AddNick(name, nick) => accounts.add_nick(name, nick).is_ok(),
            Self::RemoveNick(name, nick) => accounts.remove_nick(name, nick).is_ok(),
            Self::Register(name, of) => accounts.register_channel(name, of, now).is_ok(),
            Self::Modes(name, modes) => accounts.keep_modes(name, modes).is_ok(),
            Self::Forget(name) => accounts.drop_channel(name).is_ok(),
            Self::Ban(mask, why) => accounts.ban(mask, why, now).is_ok(),
            Self::Unban(mask) => accounts.unban(mask).is_ok(),
        };
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ann", "Bob", "eve"])
}

fn deeds() -> impl Strategy<Value = Deed> {
    let room = || prop::sample::select(vec!["#a", "#b"]);
    prop_oneof![
        3 => name().prop_map(Deed::Create),
        1 => (name(), 0..2_u8).prop_map(|(name, which)| Deed::Password(name, which)),
        2 => name().prop_map(Deed::Drop),
        2 => (name(), name()).prop_map(|(name, nick)| Deed::AddNick(name, nick)),
        1 => (name(), name()).prop_map(|(name, nick)| Deed::RemoveNick(name, nick)),
        3 => (room(), name()).prop_map(|(room, name)| Deed::Register(room, name)),
        2 => (room(), prop::sample::select(vec!["n", "nt", ""]))
            .prop_map(|(room, modes)| Deed::Modes(room, modes)),
        1 => room().prop_map(Deed::Forget),
        1 => prop::sample::select(vec!["why", "because"]).prop_map(|why| Deed::Ban("x", why)),
        1 => Just(Deed::Unban("x")),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let node = || 0..3_usize;
    prop_oneof![
        4 => (node(), deeds()).prop_map(|(node, deed)| Step::Change(node, deed)),
        2 => (node(), name()).prop_map(|(node, name)| Step::LogIn(node, name)),
        4 => node().prop_map(Step::Ask),
        4 => node().prop_map(Step::Arrive),
        4 => node().prop_map(Step::Hear),
        1 => node().prop_map(Step::Lose),
        6 => node().prop_map(Step::Tell),
        1 => node().prop_map(Step::WatchAnew),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order: once it is quiet all know the same, nothing waits, and nobody is logged in to
    /// what is gone.
    #[test]
    fn once_it_is_quiet_all_know_the_same(steps in prop::collection::vec(steps(), 0..80)) {
        let mut stage = Stage::new(3);
        for step in steps {
            match step {
                Step::Change(node, deed) => stage.change(node, |it, now| deed.be_done(it, now)),
                Step::LogIn(node, name) => stage.nodes[node].log_in(name),
                Step::Ask(node) => stage.ask(node),
                Step::Arrive(node) => stage.arrive(node),
                Step::Hear(node) => stage.hear(node),
                Step::Lose(node) => stage.lose(node),
                Step::Tell(node) => stage.tell(node),
                Step::WatchAnew(node) => stage.watch_anew(node),
            }
        }
        stage.settle();
        stage.check();
    }
}
