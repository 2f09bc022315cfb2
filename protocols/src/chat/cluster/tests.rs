//! Nodes on a network that loses, repeats and delays, with a clock of its own. What a node owns is a set of words, and
//! an effect is `+word`, `-word`, or something that is said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Carried, Cluster, Counters, Gone, Limits, Output};
use crate::chat::NodeName;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Word(String);

impl Carried for Word {
    fn is_lasting(&self) -> bool {
        self.0.starts_with(['+', '-'])
    }
}

/// A node, with what it owns and what it sees of the others.
struct Node {
    cluster: Cluster<Word>,
    owns: BTreeSet<String>,
    picture: BTreeMap<NodeName, BTreeSet<String>>,
    heard: Vec<String>,
    /// What is on its way to it.
    inbox: VecDeque<Vec<u8>>,
    is_connected: bool,
}

struct Stage {
    now: Instant,
    lives: u64,
    nodes: BTreeMap<NodeName, Node>,
    limits: Limits,
    /// What the nodes were told by their machines, but for what was to be published.
    log: Vec<String>,
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("it is one")
}

impl Stage {
    fn new(names: &[&str]) -> Self {
        Self::with_limits(names, Limits::default())
    }

    fn with_limits(names: &[&str], limits: Limits) -> Self {
        let nodes = BTreeMap::new();
        let mut stage = Self { now: Instant::now(), lives: 0, nodes, limits, log: Vec::new() };
        names.iter().for_each(|name| stage.start(name));
        stage
    }

    /// A node that begins a life, and is connected.
    fn start(&mut self, node: &str) {
        self.start_with(node, self.limits.clone());
    }

    fn start_with(&mut self, node: &str, limits: Limits) {
        self.lives += 1;
        let limits = Limits { listen: Duration::ZERO, ..limits };
        let node = Node {
            cluster: Cluster::new(name("Tea"), name(node), self.lives, limits),
            owns: BTreeSet::new(),
            picture: BTreeMap::new(),
            heard: Vec::new(),
            inbox: VecDeque::new(),
            is_connected: false,
        };
        let name = node.cluster.name().to_string();
        self.nodes.insert(node.cluster.name().clone(), node);
        self.connect(&name);
    }

    fn node(&mut self, node: &str) -> &mut Node {
        self.nodes.get_mut(&name(node)).expect("it is there")
    }

    fn connect(&mut self, node: &str) {
        let now = self.now;
        let it = self.node(node);
        it.is_connected = true;
        it.cluster.handle_connected(now);
        self.carry_out(node);
        // Nobody answers for its name: what this is about comes behind that.
        let it = self.node(node);
        if !it.cluster.is_up() {
            it.cluster.handle_time(now);
            self.carry_out(node);
        }
    }

    fn disconnect(&mut self, node: &str) {
        let it = self.node(node);
        it.is_connected = false;
        it.inbox.clear();
        it.cluster.handle_disconnected();
    }

    /// A user of a node does something.
    fn does(&mut self, node: &str, effect: &str) {
        let it = self.node(node);
        it.does(effect);
        it.cluster.publish([&Word(effect.to_owned())]);
        self.carry_out(node);
    }

    /// A user of a node says something to one of another.
    fn tells(&mut self, node: &str, other: &str, text: &str) {
        self.node(node).cluster.publish_to(&name(other), [&Word(text.to_owned())]);
        self.carry_out(node);
    }

    /// Does what a node's machine wants done.
    fn carry_out(&mut self, from: &str) {
        while let Some(output) = self.node(from).cluster.poll_output() {
            match output {
                Output::Publish { subject, payload } => self.route(from, &subject, &payload),
                Output::Asked { node } => {
                    let it = self.node(from);
                    let all: Vec<_> = it.owns.iter().map(|word| Word(format!("+{word}"))).collect();
                    it.cluster.answer(&node, &all);
                }
                told => {
                    let line = self.node(from).told(told);
                    self.log.push(format!("{from}: {line}"));
                }
            }
        }
    }

    fn route(&mut self, from: &str, subject: &str, payload: &[u8]) {
        if !self.node(from).is_connected {
            return;
        }
        for (name, node) in &mut self.nodes {
            let [all, own] = node.cluster.subjects();
            let is_heard = subject == own || subject.starts_with(all.trim_end_matches('*'));
            if is_heard && name.as_str() != from && node.is_connected {
                node.inbox.push_back(payload.to_vec());
            }
        }
    }

    /// Delivers the next message that is on its way to a node; whether there was one.
    fn deliver(&mut self, node: &str) -> bool {
        let now = self.now;
        let it = self.node(node);
        let Some(payload) = it.inbox.pop_front() else { return false };
        it.cluster.handle_message(now, &payload);
        self.carry_out(node);
        true
    }

    /// Delivers all that is on its way, and what comes of it.
    fn settle(&mut self) {
        let names: Vec<_> = self.nodes.keys().map(ToString::to_string).collect();
        while names.iter().any(|name| self.deliver(name)) {}
    }

    /// Lets time pass, without anything lost.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let due = self.nodes.values().filter_map(|it| it.cluster.poll_timeout()).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.tick();
        }
        self.now = end;
        self.tick();
        self.settle();
    }

    fn tick(&mut self) {
        let (now, names) = (self.now, self.nodes.keys().cloned().collect::<Vec<_>>());
        for name in names {
            let it = self.node(name.as_str());
            if it.cluster.poll_timeout().is_some_and(|due| due <= now) {
                it.cluster.handle_time(now);
                self.carry_out(name.as_str());
            }
        }
    }

    /// What came since this was asked last.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn counters(&mut self, node: &str) -> Counters {
        self.node(node).cluster.counters()
    }

    /// Each node sees of all others what they own, and nothing else.
    fn is_equal(&self) -> Result<(), String> {
        for (name, node) in &self.nodes {
            let expected: BTreeMap<_, _> = self
                .nodes
                .iter()
                .filter(|(other, _)| *other != name)
                .map(|(other, it)| (other.clone(), it.owns.clone()))
                .collect();
            if node.picture != expected {
                return Err(format!("{name} sees {:?} and not {expected:?}", node.picture));
            }
        }
        Ok(())
    }
}

impl Node {
    fn does(&mut self, effect: &str) {
        change(&mut self.owns, effect);
    }

    /// What is said over a new connection comes before the rest of the last one. Of what is said to one alone and what is
    /// said to all behind it, that is not put in order.
    fn overtake(&mut self, at: usize) {
        let is_for_all = |it: &Vec<u8>| !it.windows(8).any(|window| window == b"\"direct\"");
        if self.inbox.iter().skip(at).take(2).filter(|it| is_for_all(it)).count() == 2 {
            self.inbox.swap(at, at + 1);
        }
    }

    fn told(&mut self, output: Output<Word>) -> String {
        match output {
            Output::Apply { node, effect: Word(effect) } => {
                assert!(
                    self.picture.contains_key(&node),
                    "nothing is applied to what is not there"
                );
                if !change(self.picture.entry(node.clone()).or_default(), &effect) {
                    self.heard.push(effect.clone());
                }
                format!("{node} {effect}")
            }
            Output::Replace { node, snapshot, is_first } => {
                let words: Vec<_> = snapshot.iter().map(|Word(it)| it.as_str()).collect();
                let line = format!(
                    "{node} {words:?}{}",
                    if is_first { " for the first time" } else { "" }
                );
                let seen = self.picture.entry(node);
                let is_there = matches!(seen, std::collections::btree_map::Entry::Occupied(_));
                assert_eq!(is_there, !is_first, "it is known whether it is there");
                let seen = seen.or_default();
                seen.clear();
                words.iter().for_each(|word| assert!(change(seen, word)));
                line
            }
            Output::Lost { node, how } => {
                assert!(self.picture.remove(&node).is_some(), "nobody is lost who is not there");
                match how {
                    Gone::Goodbye => format!("{node} says goodbye"),
                    Gone::Silent(_) => format!("{node} is silent"),
                    Gone::Anew => format!("{node} begins anew"),
                    Gone::Refused => format!("{node} is refused"),
                    Gone::Left => format!("{node} is left"),
                }
            }
            Output::Clock { node, clock } => format!("{node}: {clock}"),
            Output::OtherVersion { node } => format!("{node} is of another version"),
            Output::TooMuch { bytes } => format!("{bytes} bytes are too much"),
            Output::Yielded => "yielded".to_owned(),
            Output::Succeeded => "succeeded".to_owned(),
            Output::Publish { .. } | Output::Asked { .. } => unreachable!("they are done at once"),
        }
    }
}

/// Whether it was a change.
fn change(words: &mut BTreeSet<String>, effect: &str) -> bool {
    match effect.split_at(1) {
        ("+", word) => drop(words.insert(word.to_owned())),
        ("-", word) => drop(words.remove(word)),
        _ => return false,
    }
    true
}

const SECOND: Duration = Duration::from_secs(1);

/// Two nodes that have met.
fn two() -> Stage {
    let mut stage = Stage::new(&["a", "b"]);
    stage.settle();
    stage.told();
    stage
}

// ── coming ──────────────────────────────────────────────────────────────────────────────────────

#[test]
fn who_comes_is_shown_what_there_is_and_shows_what_it_has() {
    let mut stage = Stage::new(&["a"]);
    stage.does("a", "+ann");
    stage.does("a", "hello, is anybody there?");
    stage.start("b");
    stage.settle();
    assert_eq!(stage.told(), ["a: b [] for the first time", r#"b: a ["+ann"] for the first time"#]);
    stage.does("b", "+bob");
    stage.does("b", "hello");
    stage.settle();
    assert_eq!(stage.told(), ["a: b +bob", "a: b hello"]);
    assert_eq!((stage.counters("a").asked, stage.counters("b").asked), (1, 1));
    stage.wait(60 * SECOND);
    assert_eq!(stage.told(), [""; 0], "and nothing more is needed");
    assert_eq!((stage.counters("a").asked, stage.counters("b").asked), (1, 1));
}

#[test]
fn a_long_snapshot_goes_in_parts_and_is_asked_for_again_if_one_is_lost() {
    let limits = Limits { message: 64, ..Limits::default() };
    let mut stage = Stage::with_limits(&["a"], limits);
    (0..50).for_each(|number| stage.does("a", &format!("+user-{number}")));
    stage.start("b");
    while stage.node("b").inbox.len() < 5 {
        assert!(stage.deliver("a") || stage.deliver("b"));
    }
    let inbox = &mut stage.node("b").inbox;
    let before = inbox.len();
    inbox.retain(|message| !String::from_utf8_lossy(message).contains("\"index\":2,"));
    assert_eq!(inbox.len(), before - 1);
    stage.settle();
    assert_eq!(stage.told(), ["a: b [] for the first time"]);
    stage.wait(2 * SECOND);
    assert_eq!(stage.told().len(), 1);
    assert_eq!(stage.is_equal(), Ok(()));
    assert_eq!(stage.counters("b").asked, 2);
}

#[test]
fn a_snapshot_beyond_all_measure_is_not_kept() {
    let limits = Limits { message: 64, snapshot: 1_000, ..Limits::default() };
    let mut stage = Stage::new(&["a"]);
    (0..100).for_each(|number| stage.does("a", &format!("+user-{number}")));
    stage.start_with("b", limits);
    stage.wait(60 * SECOND);
    assert_eq!(stage.told(), ["a: b [] for the first time"]);
    // And it is asked for less and less often.
    assert!((5..10).contains(&stage.counters("b").asked), "{}", stage.counters("b"));
}

#[test]
fn a_snapshot_that_nobody_would_take_is_not_sent_and_that_is_told_once() {
    let limits = Limits { message: 64, snapshot: 1_000, ..Limits::default() };
    let mut stage = Stage::with_limits(&["a"], limits);
    (0..100).for_each(|number| stage.does("a", &format!("+user-{number}")));
    stage.start("b");
    stage.settle();
    let told = ["a: 1090 bytes are too much", "a: b [] for the first time"];
    let sorted = |mut told: Vec<String>| {
        told.sort();
        told
    };
    assert_eq!(sorted(stage.told()), told);
    stage.wait(60 * SECOND);
    assert_eq!(stage.told(), [""; 0]);
    // When it is less it is sent.
    (0..50).for_each(|number| stage.does("a", &format!("-user-{number}")));
    stage.wait(20 * SECOND);
    assert_eq!(stage.is_equal(), Ok(()));
}

#[test]
fn many_who_ask_at_once_are_answered_one_after_the_other() {
    // Four kilobytes take four seconds.
    let limits = Limits { answers: 1_000, ..Limits::default() };
    let mut stage = Stage::with_limits(&["a"], limits);
    stage.does("a", &format!("+{}", "x".repeat(4_000)));
    let others = ["b", "c", "d"];
    others.iter().for_each(|name| stage.start_with(name, Limits::default()));
    let know = |stage: &mut Stage| {
        let a = name("a");
        others.iter().filter(|other| stage.node(other).picture.contains_key(&a)).count()
    };
    stage.settle();
    assert_eq!(know(&mut stage), 1);
    // Whoever asks again meanwhile has no second place.
    stage.wait(5 * SECOND);
    assert_eq!(know(&mut stage), 2);
    stage.wait(4 * SECOND);
    assert_eq!(know(&mut stage), 3);
    stage.wait(60 * SECOND);
    assert_eq!(stage.is_equal(), Ok(()));
}

#[test]
fn effects_go_in_messages_that_nats_takes() {
    let mut stage = two();
    stage.node("a").cluster.set_payload(4_096);
    (0..5).for_each(|at| stage.does("a", &format!("+{}", at.to_string().repeat(2_000))));
    stage.does("a", &format!("+{}", "x".repeat(4_000)));
    stage.settle();
    assert_eq!((stage.counters("a").unwritten, stage.node("b").picture[&name("a")].len()), (1, 5));
    stage.start("c");
    while stage.node("c").picture.len() < 2 {
        stage.settle();
        let longest = stage.node("c").inbox.iter().map(Vec::len).max();
        assert!(longest.is_none_or(|longest| longest <= 4_096));
    }
}

// ── what is missing ─────────────────────────────────────────────────────────────────────────────

#[test]
fn what_comes_behind_a_gap_waits_for_the_snapshot_and_nothing_said_is_lost_with_it() {
    let mut stage = two();
    stage.does("a", "+ann");
    stage.node("b").inbox.clear();
    stage.does("a", "+ada");
    stage.does("a", "one");
    while stage.node("b").cluster.nodes().all(|it| it.sequence.is_some()) {
        assert!(stage.deliver("b"));
    }
    stage.does("a", "two");
    stage.tells("a", "b", "psst");
    stage.deliver("a");
    stage.does("a", "-ann");
    stage.does("a", "three");
    assert_eq!(stage.told(), [""; 0]);
    stage.settle();
    let expected = ["a [\"+ada\", \"+ann\"]", "a one", "a two", "a psst", "a -ann", "a three"];
    assert_eq!(stage.told(), expected.map(|line| format!("b: {line}")));
    assert_eq!(stage.counters("b").asked, 2);
}

#[test]
fn what_comes_over_a_new_connection_before_the_rest_of_the_last_is_put_in_order() {
    let mut stage = two();
    stage.does("a", "lost");
    stage.node("b").inbox.clear();
    stage.does("a", "one");
    assert!(stage.deliver("b"), "it asks");
    stage.does("a", "two");
    assert!(stage.deliver("a"), "it answers");
    stage.does("a", "three");
    // Those are a word, a snapshot with all up to it, and another word.
    let inbox = &mut stage.node("b").inbox;
    assert_eq!(inbox.len(), 3);
    inbox.rotate_right(1);
    stage.settle();
    assert_eq!(stage.told(), ["b: a []", "b: a one", "b: a two", "b: a three"]);
}

#[test]
fn the_loss_of_the_last_message_is_noticed_by_the_next_heartbeat() {
    let mut stage = two();
    stage.does("a", "+ann");
    stage.node("b").inbox.clear();
    stage.settle();
    assert_eq!(stage.told(), [""; 0]);
    stage.wait(2 * SECOND);
    assert_eq!(stage.told(), [r#"b: a ["+ann"]"#]);
}

#[test]
fn what_is_said_to_one_is_behind_what_was_done_before_and_comes_once() {
    let mut stage = two();
    stage.does("a", "+ann");
    stage.node("b").inbox.clear();
    stage.tells("a", "b", "it is me, ann");
    let twice = stage.node("b").inbox[0].clone();
    stage.settle();
    assert_eq!(stage.told(), [r#"b: a ["+ann"]"#, "b: a it is me, ann"]);
    stage.node("b").inbox.push_back(twice);
    stage.settle();
    assert_eq!(stage.told(), [""; 0]);
}

#[test]
fn what_was_said_to_one_and_is_lost_is_counted_and_its_speakers_picture_is_doubted() {
    let mut stage = two();
    stage.tells("a", "b", "one");
    stage.settle();
    stage.tells("a", "b", "two");
    stage.tells("a", "b", "three");
    stage.node("b").inbox.clear();
    stage.tells("a", "b", "four");
    stage.settle();
    assert_eq!(stage.told(), ["b: a one", "b: a four", "b: a []"]);
    assert_eq!((stage.counters("b").missed, stage.counters("b").asked), (2, 2));
    // If nothing follows, the next heartbeat shows it, even if one or two are lost.
    stage.tells("a", "b", "five");
    for _ in 0..3 {
        stage.node("b").inbox.clear();
        stage.now += 2 * SECOND;
        stage.tick();
    }
    stage.settle();
    assert_eq!(stage.told(), ["b: a []"]);
    assert_eq!((stage.counters("b").missed, stage.counters("b").asked), (3, 3));
    // What was said to those who were before, or to others, is nothing that is missed.
    stage.start("b");
    stage.start("c");
    stage.settle();
    stage.tells("a", "c", "psst");
    stage.tells("a", "b", "six");
    stage.wait(20 * SECOND);
    assert_eq!((stage.counters("b").missed, stage.counters("c").missed), (0, 0));
    assert_eq!((stage.counters("b").asked, stage.counters("c").asked), (2, 2));
}

#[test]
fn what_is_kept_meanwhile_has_a_bound_and_then_another_snapshot_is_taken() {
    let mut stage = two();
    stage.node("b").cluster = {
        let limits = Limits { held: 500, listen: Duration::ZERO, ..Limits::default() };
        Cluster::new(name("Tea"), name("b"), 9, limits)
    };
    stage.node("b").picture.clear();
    stage.connect("b");
    while stage.node("b").cluster.nodes().count() == 0 {
        assert!(stage.deliver("a") || stage.deliver("b"));
    }
    // The question lies there while much is done.
    let asked = std::mem::take(&mut stage.node("a").inbox);
    stage.does("a", "+early");
    stage.node("a").inbox = asked;
    while stage.deliver("a") {}
    (0..100).for_each(|number| stage.does("a", &format!("+user-{number}")));
    stage.settle();
    stage.wait(2 * SECOND);
    assert_eq!(stage.is_equal(), Ok(()));
    assert!(stage.counters("b").asked >= 1);
}

#[test]
fn what_a_node_has_done_while_it_was_away_is_seen_when_it_is_back() {
    let mut stage = two();
    stage.does("a", "+ann");
    stage.settle();
    stage.disconnect("a");
    stage.does("a", "-ann");
    stage.does("a", "+ada");
    stage.does("a", "nobody hears this");
    stage.wait(SECOND);
    stage.connect("a");
    stage.settle();
    assert_eq!(stage.told(), ["b: a +ann", r#"b: a ["+ada"]"#]);
    stage.disconnect("a");
    stage.wait(9 * SECOND);
    assert_eq!(stage.told(), [""; 0]);
    stage.wait(SECOND);
    assert_eq!(stage.told(), ["a: b is silent", "b: a is silent"]);
    stage.connect("a");
    stage.settle();
    let back = ["a: b [] for the first time", "b: a [\"+ada\"] for the first time"];
    assert_eq!(stage.told(), back);
}

// ── going ───────────────────────────────────────────────────────────────────────────────────────

#[test]
fn who_says_goodbye_is_gone_at_once() {
    let mut stage = two();
    stage.node("a").cluster.leave();
    stage.carry_out("a");
    stage.settle();
    assert_eq!(stage.told(), ["a: b is left", "b: a says goodbye"], "and so is everybody for it");
    assert!(!stage.node("a").cluster.is_up());
    stage.does("a", "+ann");
    stage.wait(20 * SECOND);
    assert_eq!(stage.told(), [""; 0]);
    assert_eq!(stage.node("b").cluster.nodes().count(), 0);
}

#[test]
fn a_node_that_lives_anew_takes_the_place_of_its_former_life() {
    let mut stage = two();
    stage.does("a", "+ann");
    stage.does("a", "one");
    let late = stage.node("b").inbox[1].clone();
    stage.settle();
    stage.told();
    stage.start("a");
    stage.does("a", "+ada");
    stage.settle();
    stage.node("b").inbox.push_back(late);
    stage.settle();
    let told =
        ["b: a begins anew", "a: b [] for the first time", r#"b: a ["+ada"] for the first time"#];
    assert_eq!(stage.told(), told);
    assert_eq!(stage.is_equal(), Ok(()));
}

#[test]
fn who_waits_for_less_than_the_others_heartbeat_does_not_lose_them() {
    let mut stage = Stage::new(&["a"]);
    stage.start_with("b", Limits::with_silence(SECOND));
    stage.settle();
    stage.told();
    stage.wait(60 * SECOND);
    assert_eq!(stage.told(), [""; 0]);
    // Three heartbeats of that one are lost, and then it is.
    stage.disconnect("a");
    stage.wait(5 * SECOND);
    assert_eq!(stage.told(), [""; 0]);
    stage.wait(SECOND);
    assert_eq!(stage.told(), ["b: a is silent"]);
}

/// What `b` hears of `a`: that it is there, and when it says that is.
fn hears_clock(stage: &mut Stage, clock: u64) {
    hears_clock_of(stage, "a", 1, clock);
}

fn hears_clock_of(stage: &mut Stage, node: &str, epoch: u64, clock: u64) {
    let here = format!(
        r#"{{"v":3,"from":"{node}","epoch":{epoch},"sequence":0,"beat":2000,"clock":{clock},"body":"here"}}"#
    );
    let now = stage.now;
    stage.node("b").cluster.handle_message(now, here.as_bytes());
    stage.carry_out("b");
}

#[test]
fn a_clock_that_is_wrong_is_told_and_one_that_is_very_wrong_is_not_followed() {
    let mut stage = two();
    let right = 1_764_378_000_000;
    stage.node("b").cluster.set_clock(right);
    for (clock, told) in [
        (right + 29_000, None),
        (right + 31_000, Some("b: a: its clock is 31 s ahead of this one's")),
        (right + 29_000, None),
        (right - 16_000, None),
        (right - 14_000, Some("b: a: its clock is right")),
        (right - 31_000, None),
        (right - 31_000, Some("b: a: its clock is 31 s behind this one's")),
        (right - 31_000, None),
        (0, None),
    ] {
        stage.now += SECOND;
        hears_clock(&mut stage, clock);
        assert_eq!(stage.told(), told.into_iter().collect::<Vec<_>>(), "{clock}");
    }
    stage.now += SECOND;
    hears_clock(&mut stage, 0);
    let told = [
        "b: a: its clock is 1764378000 s behind this one's, so that it is not heard",
        "b: a is refused",
    ];
    assert_eq!(stage.told(), told);
    // Nor what it says without a clock.
    stage.does("a", "+ann");
    stage.wait(60 * SECOND);
    assert_eq!((stage.told(), stage.node("b").cluster.nodes().count()), (Vec::new(), 0));
    hears_clock(&mut stage, right);
    stage.settle();
    assert_eq!(stage.told(), ["b: a: its clock is right", r#"b: a ["+ann"] for the first time"#]);
}

#[test]
fn what_was_said_while_a_node_stood_still_does_not_make_a_clock_wrong() {
    let mut stage = two();
    let then = 1_764_378_000_000;
    // It reads all of it in one go.
    stage.node("b").cluster.set_clock(then + 310_000);
    for clock in (then..=then + 310_000).step_by(2_000) {
        hears_clock(&mut stage, clock);
    }
    // Nor does it meet anybody by what was said long ago.
    hears_clock_of(&mut stage, "c", 1, then);
    assert_eq!(stage.node("b").cluster.nodes().count(), 1);
    hears_clock_of(&mut stage, "c", 1, then + 310_000);
    assert_eq!(stage.node("b").cluster.nodes().count(), 2);
    assert_eq!(stage.told(), [""; 0]);
}

#[test]
fn a_clock_is_forgotten_with_its_node_and_compared_afresh_with_the_next_life() {
    let right = 1_764_378_000_000;
    let mut stage = Stage::with_limits(&["b"], Limits { nodes: 1, ..Limits::default() });
    stage.node("b").cluster.set_clock(right);
    hears_clock(&mut stage, right + 301_000);
    let told = ["b: a: its clock is 301 s ahead of this one's, so that it is not heard"];
    assert_eq!(stage.told(), told);
    // It is there all the same, as is what it has claimed.
    assert!(stage.node("b").cluster.is_there(&name("a")));
    hears_clock(&mut stage, right + 200_000);
    assert_eq!(stage.node("b").cluster.nodes().count(), 0);
    hears_clock_of(&mut stage, "a", 2, right + 200_000);
    assert_eq!(stage.told(), ["b: a: its clock is 200 s ahead of this one's"]);
    assert_eq!(stage.node("b").cluster.nodes().count(), 1);
    hears_clock_of(&mut stage, "c", 1, right);
    assert_eq!(stage.counters("b").crowded, 1);
    // It dies without a word.
    stage.wait(10 * SECOND);
    assert!(!stage.node("b").cluster.is_there(&name("a")));
    hears_clock_of(&mut stage, "c", 1, right);
    assert_eq!((stage.node("b").cluster.nodes().count(), stage.told()), (1, Vec::new()));
}

#[test]
fn who_did_not_look_at_the_time_for_long_has_not_lost_the_others() {
    let mut stage = two();
    // Its process was stopped, and what came meanwhile has yet to be read.
    let later = stage.now + 60 * SECOND;
    stage.node("b").cluster.handle_time(later);
    stage.carry_out("b");
    assert_eq!(stage.told(), [""; 0]);
}

/// Another one that is called `a`, and what it has said in its first moment.
fn twin(stage: &Stage, epoch: u64) -> (Cluster<Word>, Vec<u8>) {
    let mut twin = Cluster::<Word>::new(name("Tea"), name("a"), epoch, Limits::default());
    twin.handle_connected(stage.now);
    let Some(Output::Publish { subject, payload }) = twin.poll_output() else {
        panic!("a question")
    };
    assert_eq!((&*subject, twin.poll_output()), ("chat.Tea.to.a", None));
    (twin, payload)
}

const HERE: &[u8] = br#"{"v":3,"from":"a","epoch":50,"sequence":1,"body":"here"}"#;
const GONE: &[u8] = br#"{"v":3,"from":"a","epoch":50,"sequence":1,"body":"gone"}"#;

#[test]
fn the_second_of_one_name_yields_before_anybody_has_heard_of_it() {
    // Whatever the clocks say.
    for epoch in [0, 99] {
        let mut stage = Stage::new(&["a", "c"]);
        stage.does("a", "+ann");
        stage.settle();
        stage.told();
        let (mut twin, who) = twin(&stage, epoch);
        let now = stage.now;
        let a = stage.node("a");
        a.cluster.handle_message(now, &who);
        let Some(Output::Publish { subject, payload: here }) = a.cluster.poll_output() else {
            panic!("an answer")
        };
        assert_eq!((&*subject, a.cluster.poll_output()), ("chat.Tea.to.a", None));
        twin.publish([&Word("+impostor".to_owned())]);
        twin.handle_message(now, &here);
        assert_eq!((twin.poll_output(), twin.is_up()), (Some(Output::Yielded), false));
        twin.publish([&Word("+impostor".to_owned())]);
        assert_eq!(twin.poll_output(), None);
        stage.wait(20 * SECOND);
        assert_eq!(stage.told(), [""; 0]);
    }
}

#[test]
fn who_has_yielded_succeeds_when_the_other_is_silent_or_gone() {
    let stage = Stage::new(&[]);
    let now = stage.now;
    let (mut twin, _) = twin(&stage, 99);
    twin.handle_message(now, HERE);
    assert_eq!(twin.poll_output(), Some(Output::Yielded));
    twin.handle_message(now + 5 * SECOND, HERE);
    assert_eq!(twin.poll_timeout(), Some(now + 15 * SECOND));
    twin.handle_time(now + 15 * SECOND);
    assert!(twin.is_up());
    assert_eq!(twin.poll_output(), Some(Output::Succeeded));
    assert!(matches!(twin.poll_output(), Some(Output::Publish { .. })), "it says hello");
    // It was only slow: both are up, and the one with the larger epoch yields. Its goodbye is a matter of the moment.
    let part =
        br#"{"v":3,"from":"b","epoch":5,"sequence":1,"body":{"part":{"index":0,"count":1}}}"#;
    twin.handle_message(now, br#"{"v":3,"from":"b","epoch":5,"sequence":1,"body":"here"}"#);
    twin.handle_message(now, part);
    while twin.poll_output().is_some() {}
    twin.handle_message(now, HERE);
    assert!(matches!(twin.poll_output(), Some(Output::Publish { .. })), "it says goodbye");
    // It would not hear of the others any more.
    assert_eq!(twin.poll_output(), Some(Output::Lost { node: name("b"), how: Gone::Left }));
    assert_eq!((twin.poll_output(), twin.is_up()), (Some(Output::Yielded), false));
    twin.handle_message(now, GONE);
    assert_eq!((twin.is_up(), twin.poll_output()), (true, Some(Output::Succeeded)));
}

#[test]
fn of_two_of_one_name_that_begin_at_once_one_yields() {
    let stage = Stage::new(&[]);
    let now = stage.now;
    let ((mut one, asks), (mut other, asks_too)) = (twin(&stage, 1), twin(&stage, 2));
    one.handle_message(now, &asks_too);
    other.handle_message(now, &asks);
    assert_eq!((one.poll_output(), other.poll_output()), (None, Some(Output::Yielded)));
    one.handle_time(now + SECOND);
    assert!(one.is_up() && !other.is_up());
}

#[test]
fn a_node_that_begins_anew_with_its_clock_set_back_is_heard() {
    let mut stage = two();
    stage.does("a", "+ann");
    stage.settle();
    stage.told();
    stage.nodes.remove(&name("a"));
    let silent = 2 * Limits::default().heartbeat;
    stage.now += silent / 2;
    stage.tick();
    // What is late of a life before is nothing that begins one.
    let late = br#"{"v":3,"from":"a","epoch":0,"sequence":9,"body":"here"}"#;
    let now = stage.now;
    stage.node("b").cluster.handle_message(now, late);
    stage.now += silent / 2;
    let mut back = Cluster::<Word>::new(name("Tea"), name("a"), 0, Limits::default());
    back.handle_connected(now);
    back.handle_time(now + SECOND);
    let words: Vec<_> = std::iter::from_fn(|| back.poll_output()).collect();
    let Some(Output::Publish { payload, .. }) = words.last() else { panic!("a hello") };
    let now = stage.now;
    stage.node("b").cluster.handle_message(now, payload);
    let asks = std::iter::from_fn(|| stage.node("b").cluster.poll_output()).any(|output| {
        matches!(&output, Output::Publish { payload, .. } if payload.ends_with(br#""ask"}"#))
    });
    assert!(asks, "it wants to know what that one has");
}

// ── what cannot be understood ───────────────────────────────────────────────────────────────────

#[test]
fn what_is_unknown_is_skipped_and_counted_and_what_is_unreadable_changes_nothing() {
    let mut stage = two();
    let now = stage.now;
    let effects =
        b"{\"v\":3,\"from\":\"a\",\"epoch\":1,\"sequence\":1,\"body\":\"effects\"}\n{\"new\":1}\n\"+ann\"\n7";
    stage.node("b").cluster.handle_message(now, effects);
    for junk in [
        &b""[..],
        b"x",
        b"\xff",
        b"{}",
        br#"{"v":3,"from":"?","epoch":1,"sequence":1,"body":"here"}"#,
    ] {
        stage.node("b").cluster.handle_message(now, junk);
    }
    stage.carry_out("b");
    assert_eq!(stage.told(), ["b: a +ann"]);
    let counters = stage.counters("b");
    assert_eq!((counters.unknown, counters.unreadable, counters.applied), (2, 5, 1));
}

/// What a node of the first version says.
const FIRST: [&str; 4] = [
    r#"{"from":"a","epoch":1764378000000,"sequence":1,"body":"hello"}"#,
    r#"{"from":"a","epoch":1764378000000,"sequence":1,"body":{"part":{"index":0,"count":1,"effects":["+ann"]}}}"#,
    r#"{"from":"a","epoch":1764378000000,"sequence":1,"body":{"direct":{"number":1,"effects":["psst"]}}}"#,
    r#"{"from":"a","epoch":1764378000000,"sequence":2,"body":{"effects":["+bob"]}}"#,
];

#[test]
fn a_node_that_speaks_another_format_is_there_and_is_not_followed() {
    let mut stage = Stage::new(&["b"]);
    for line in FIRST {
        let now = stage.now;
        stage.node("b").cluster.handle_message(now, line.as_bytes());
        stage.carry_out("b");
    }
    assert_eq!(stage.told(), ["b: a is of another version"]);
    let now = stage.now;
    let b = &mut stage.node("b").cluster;
    assert_eq!((b.nodes().count(), b.is_there(&name("a"))), (0, true));
    assert!(b.report(now).ends_with("node a: it is of another version, and not heard"));
    // Its goodbye is understood, and so is what comes from its successor.
    let gone = r#"{"from":"a","epoch":1764378000000,"sequence":2,"body":"gone"}"#;
    b.handle_message(now, gone.as_bytes());
    assert!(!b.is_there(&name("a")));
    b.handle_message(now, FIRST[0].as_bytes());
    assert_eq!(b.poll_output(), Some(Output::OtherVersion { node: name("a") }));
    stage.lives = 1_764_378_000_000 << 12;
    stage.start("a");
    stage.settle();
    assert_eq!(stage.told(), ["a: b [] for the first time", "b: a [] for the first time"]);
    // What is late of the former life is nothing.
    let now = stage.now;
    stage.node("b").cluster.handle_message(now, FIRST[0].as_bytes());
    stage.wait(20 * SECOND);
    assert_eq!((stage.told(), stage.is_equal()), (Vec::new(), Ok(())));
}

#[test]
fn a_name_is_one_nodes_also_if_that_speaks_another_format() {
    let stage = Stage::new(&[]);
    let (mut twin, _) = twin(&stage, 99);
    twin.handle_message(stage.now, FIRST[0].as_bytes());
    assert_eq!((twin.poll_output(), twin.is_up()), (Some(Output::Yielded), false));
}

#[test]
fn what_is_nothing_or_was_not_asked_for_is_not_read() {
    let mut stage = two();
    let now = stage.now;
    let head = r#"{"v":3,"from":"a","epoch":1,"sequence":1,"body":"effects"}"#;
    let lines = [head, &"\n".repeat(100_000), "\"+ann\"", &"\n7".repeat(100_000), "\n\"+bob\""];
    stage.node("b").cluster.handle_message(now, lines.concat().as_bytes());
    let part =
        br#"{"v":3,"from":"a","epoch":1,"sequence":1,"body":{"part":{"index":0,"count":1}}}"#;
    stage.node("b").cluster.handle_message(now, &[&part[..], b"\n7\n7"].concat());
    stage.carry_out("b");
    assert_eq!((stage.told(), stage.counters("b").unknown), (vec!["b: a +ann".to_owned()], 10_000));
}

#[test]
fn who_goes_before_its_turn_is_not_answered() {
    let mut stage = Stage::with_limits(&["a"], Limits { answers: 1_000, ..Limits::default() });
    stage.does("a", &format!("+{}", "x".repeat(4_000)));
    stage.start_with("b", Limits::default());
    stage.settle();
    let later = stage.now + 5 * SECOND;
    let a = &mut stage.node("a").cluster;
    for (node, body) in [("c", "ask"), ("d", "ask"), ("c", "gone")] {
        let says = format!(r#"{{"v":3,"from":"{node}","epoch":1,"sequence":0,"body":"{body}"}}"#);
        a.handle_message(later - 5 * SECOND, says.as_bytes());
    }
    a.handle_time(later);
    let outputs: Vec<_> = std::iter::from_fn(|| a.poll_output()).collect();
    let asked = |node: &str| outputs.contains(&Output::Asked { node: name(node) });
    assert_eq!((asked("c"), asked("d")), (false, true));
}

#[test]
fn there_are_only_so_many_nodes() {
    let limits = Limits { nodes: 2, ..Limits::default() };
    let mut stage = Stage::with_limits(&["a", "b", "c", "d"], limits);
    stage.settle();
    for name in ["a", "b", "c", "d"] {
        assert_eq!(stage.node(name).cluster.nodes().count(), 2);
    }
    let crowded = ["a", "b", "c", "d"].map(|name| stage.counters(name).crowded);
    assert!(crowded.iter().sum::<u64>() > 0);
}

#[test]
fn an_effect_that_fits_into_no_message_is_left_out() {
    let mut stage = two();
    stage.does("a", &"x".repeat(1024 * 1024));
    stage.does("a", "short");
    stage.settle();
    assert_eq!(stage.told(), ["b: a short"]);
    assert_eq!(stage.counters("a").unwritten, 1);
}

// ── whatever happens ────────────────────────────────────────────────────────────────────────────

/// Something that happens to a node.
#[derive(Clone, Debug)]
enum Happens {
    Add(u8),
    Remove(u8),
    Say,
    Tell(usize),
    Deliver(usize),
    Lose(usize),
    Repeat,
    Overtake(usize),
    Disconnect,
    Connect,
    LiveAnew,
    Leave,
    Wait(u16),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        3 => (0..5_u8).prop_map(Happens::Add),
        2 => (0..5_u8).prop_map(Happens::Remove),
        4 => Just(Happens::Say),
        2 => (0..4_usize).prop_map(Happens::Tell),
        8 => (1..9_usize).prop_map(Happens::Deliver),
        2 => (0..6_usize).prop_map(Happens::Lose),
        1 => Just(Happens::Repeat),
        2 => (0..6_usize).prop_map(Happens::Overtake),
        1 => Just(Happens::Disconnect),
        2 => Just(Happens::Connect),
        1 => Just(Happens::LiveAnew),
        1 => Just(Happens::Leave),
        3 => (0..12_000_u16).prop_map(Happens::Wait),
    ]
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Stage {
    /// What is said has a number, so that it is seen whether it comes in order, and once.
    fn happens(&mut self, node: &str, what: &Happens, said: &mut u32) {
        *said += 1;
        match what {
            Happens::Add(word) => self.does(node, &format!("+{word}")),
            Happens::Remove(word) => self.does(node, &format!("-{word}")),
            Happens::Say => self.does(node, &format!("{node} {said:05}")),
            Happens::Tell(other) if NAMES[*other] == node => {}
            Happens::Tell(other) => self.tells(node, NAMES[*other], &format!("{node} {said:05}")),
            Happens::Deliver(count) => {
                (0..*count).for_each(|_| {
                    self.deliver(node);
                });
            }
            Happens::Lose(at) => drop(self.node(node).inbox.remove(*at)),
            Happens::Repeat => {
                if let Some(first) = self.node(node).inbox.front().cloned() {
                    self.node(node).inbox.push_front(first);
                }
            }
            Happens::Overtake(at) => self.node(node).overtake(*at),
            Happens::Disconnect => self.disconnect(node),
            Happens::Connect => self.connect(node),
            Happens::LiveAnew => self.start(node),
            Happens::Leave => {
                self.node(node).cluster.leave();
                self.carry_out(node);
                self.disconnect(node);
            }
            Happens::Wait(milliseconds) => {
                self.now += Duration::from_millis((*milliseconds).into());
                self.tick();
            }
        }
    }

    /// Of each speaker, the numbers grow.
    fn is_in_order(&self) -> Result<(), String> {
        for (name, node) in &self.nodes {
            for speaker in NAMES {
                let lines: Vec<_> =
                    node.heard.iter().filter(|line| line.starts_with(speaker)).collect();
                if !lines.is_sorted_by(|one, next| one < next) {
                    return Err(format!("{name} has heard {lines:?}"));
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_lost_repeated_or_begun_anew_all_see_the_same_once_it_is_quiet(
        all in proptest::collection::vec((0..NAMES.len(), happens()), 1..120)
    ) {
        let mut stage = Stage::new(&NAMES);
        let mut said = 0;
        for (node, what) in &all {
            stage.happens(NAMES[*node], what, &mut said);
        }
        NAMES.iter().for_each(|name| stage.connect(name));
        stage.wait(30 * SECOND);
        prop_assert_eq!(stage.is_equal(), Ok(()));
        prop_assert_eq!(stage.is_in_order(), Ok(()));
        stage.told();
        stage.wait(20 * SECOND);
        prop_assert_eq!(stage.told(), Vec::<String>::new(), "and it stays quiet");
    }
}
