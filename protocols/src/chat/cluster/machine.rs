//! All nodes, as one of them sees it: what comes is put in order, what is missing is asked for, and who is silent is
//! lost.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::admission::{Admission, Admitted, Clock, Said};
use super::answers::Answers;
use super::limits::Limits;
use super::peer::{self, Life, Part, Peer, Verdict};
use super::wire::{self, Body, Envelope, Foreign, Format, Head, Subjects};
use crate::chat::wire::node::NodeName;

/// One node of a network, as a machine: what comes from NATS and the time go in, what is to be published and what the
/// others have done comes out. An effect `E` is whatever the nodes tell each other; it is only carried.
///
/// ```text
///         connected()           nobody answers for this name
///   New ──────────────▶ Listening ───────────────────────▶ Up ──disconnected()──▶ Away
///    ▲                   │    │                           ▲ │ ▲                    │
///    └──disconnected()───┘    │ somebody does    goodbye, │ │ └────connected()─────┘
///    ▲                        ▼                or silence │ │
///    └──disconnected()───── Yielded ──────────────────────┘ │ a node of this name was here before
///                             ▲─────────────────────────────┘
/// ```
///
/// A node that begins asks first whether there is one of its name, which nobody else hears. Only when it is up does anything leave. What is published otherwise is dropped, but counted in the sequence: that the
/// others have missed it they see when they hear of this node again, and ask for a snapshot.
///
/// ```
/// use std::time::Instant;
///
/// use protocols::chat::NodeName;
/// use protocols::chat::cluster::{Carried, Cluster, Limits, Output};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize)]
/// struct Said(String);
///
/// impl Carried for Said {
///     fn is_lasting(&self) -> bool {
///         false
///     }
/// }
///
/// let (network, a, b) = (NodeName::new("Tea")?, NodeName::new("a")?, NodeName::new("b")?);
/// let now = Instant::now();
/// let mut one = Cluster::<Said>::new(network.clone(), a, 1, Limits::default());
/// let mut other = Cluster::<Said>::new(network, b.clone(), 1, Limits::default());
/// one.handle_connected(now);
/// while one.poll_output().is_some() {}
/// let now = one.poll_timeout().expect("nobody has answered for its name");
/// one.handle_time(now);
/// while let Some(output) = one.poll_output() {
///     let Output::Publish { payload, .. } = output else { continue };
///     other.handle_connected(now);
///     other.handle_time(now + other.limits().listen);
///     other.handle_message(now, &payload);
/// }
/// assert_eq!(other.nodes().count(), 1);
/// # Ok::<(), protocols::chat::InvalidNodeName>(())
/// ```
#[derive(Debug)]
pub struct Cluster<E> {
    subjects: Subjects,
    name: NodeName,
    epoch: u64,
    head: Head,
    /// The number of what was published last for all.
    sequence: u64,
    /// The same of what was said to one alone.
    direct: u64,
    link: Link,
    peers: BTreeMap<NodeName, Peer<E>>,
    admission: Admission,
    /// What this node's clock shows, if it was told.
    clock: Option<u64>,
    answers: Answers,
    /// Bytes that NATS takes in a message.
    payload: usize,
    outputs: VecDeque<Output<E>>,
    /// The room of a message that was published.
    spare: Vec<u8>,
    counters: Counters,
    limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It has not been up, or not since it has yielded.
    New,
    /// Until when another one of this name may answer.
    Listening(Instant),
    Away,
    /// The next heartbeat.
    Up(Instant),
    /// Until when, unless the other is heard again.
    Yielded(Instant),
}

/// What nodes tell each other.
pub trait Carried: Serialize + DeserializeOwned {
    /// Whether a snapshot tells what has come of it. What was said is not in any, and is not to be lost for that.
    fn is_lasting(&self) -> bool;

    /// Appends it as one line, of JSON unless it is another one; whether it can be written. If not, what was appended is of no
    /// use.
    fn write(&self, out: &mut Vec<u8>) -> bool {
        serde_json::to_writer(out, self).is_ok()
    }

    /// Reads what another node has written; none if it is not known here.
    fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output<E> {
    /// Publish this.
    Publish {
        /// The subject.
        subject: Arc<str>,
        /// The message.
        payload: Vec<u8>,
    },
    /// Somebody of another node has done this.
    Apply {
        /// The node.
        node: NodeName,
        /// What was done.
        effect: E,
    },
    /// This is all that another node owns. What was known of it and is not in there has ended.
    Replace {
        /// The node.
        node: NodeName,
        /// All it owns.
        snapshot: Vec<E>,
        /// Whether nothing was known of it: it is there for the first time, or since it was lost.
        is_first: bool,
    },
    /// Another node is gone, with all it owns.
    Lost {
        /// The node.
        node: NodeName,
        /// How.
        how: Gone,
    },
    /// Another node asks for a snapshot. First what was done until now has to be [published](Cluster::publish); then
    /// [`answer`](Cluster::answer) it.
    Asked {
        /// The node.
        node: NodeName,
    },
    /// The clock of another node is not what it was in comparison with this one's.
    Clock {
        /// The node.
        node: NodeName,
        /// How it is.
        clock: Clock,
    },
    /// Another node speaks in another format than this version does, so that neither sees what the other owns. It is told
    /// once, as long as that node is heard.
    OtherVersion {
        /// The node.
        node: NodeName,
    },
    /// What this node owns is more than others would take: it is not sent, and they do not see this node. It is told once.
    TooMuch {
        /// Bytes of it.
        bytes: usize,
    },
    /// A node of the same name is on the network, and was there before: this one is alone now, until that is gone.
    Yielded,
    /// That other one is gone, and this one is on the network.
    Succeeded,
}

/// How a node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It has said goodbye.
    Goodbye,
    /// It has not been heard for so long.
    Silent(Duration),
    /// It has begun a new life, and all of the one before has ended.
    Anew,
    /// Its clock is too far from this node's.
    Refused,
    /// It is this node that has gone.
    Left,
}

/// What a node has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages of others that could not be read.
    pub unreadable: u64,
    /// Effects of others that this version does not know, which were skipped.
    pub unknown: u64,
    /// Effects that could not be written, or are longer than NATS takes.
    pub unwritten: u64,
    /// Messages of nodes beyond [`Limits::nodes`].
    pub crowded: u64,
    /// Messages of others that were dropped, since more than [`Limits::held`] came before a snapshot.
    pub dropped: u64,
    /// Messages of others to this node alone, with private lines and requests, that have not come. They do not come again.
    pub missed: u64,
    /// How often others were asked for snapshots.
    pub asked: u64,
    /// Effects of others that were applied, those of snapshots not counted.
    pub applied: u64,
}

/// How it stands with another node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStatus<'a> {
    /// Its name.
    pub node: &'a NodeName,
    /// Its life.
    pub epoch: u64,
    /// How far it was followed; none while a snapshot is awaited.
    pub sequence: Option<u64>,
    /// Whether its users are shown.
    pub is_shown: bool,
    /// When it was heard last.
    pub heard: Instant,
}

impl<E: Carried> Cluster<E> {
    /// A node that is not connected yet. The epoch is another one, and a larger one, for each of its lives: the time of
    /// day in milliseconds, with some chance behind it, will do: two of one name that begin in the same millisecond have to
    /// be told apart. If the clock was set back in between, the others hear of the new life once the old one has been silent
    /// for two heartbeats.
    #[must_use]
    pub fn new(network: NodeName, name: NodeName, epoch: u64, limits: Limits) -> Self {
        Self {
            subjects: Subjects::of(network, &name),
            head: Head::of(&name, epoch),
            name,
            epoch,
            sequence: 0,
            direct: 0,
            link: Link::New,
            peers: BTreeMap::new(),
            admission: Admission::default(),
            clock: None,
            answers: Answers::default(),
            payload: 1024 * 1024,
            outputs: VecDeque::new(),
            spare: Vec::new(),
            counters: Counters::default(),
            limits,
        }
    }

    // ── what comes ──────────────────────────────────────────────────────────────────────────

    /// What this node's clock shows: milliseconds since 1970. To be said before anything that comes, and before
    /// [`handle_time`](Self::handle_time); who does not say it compares no clocks.
    pub fn set_clock(&mut self, millis: u64) {
        self.clock = Some(millis);
    }

    /// How many bytes NATS takes in a message: 1 MiB, unless it says something else.
    pub fn set_payload(&mut self, bytes: usize) {
        self.payload = bytes;
    }

    /// There is a connection to NATS, and [what is to be heard](Self::subjects) is subscribed to.
    pub fn handle_connected(&mut self, now: Instant) {
        match self.link {
            Link::New => {
                self.link = Link::Listening(now + self.limits.listen);
                let own = self.subjects.to_node(&self.name);
                self.send(own, Body::Who, &[]);
            }
            // It has users whom others may still see.
            Link::Away => self.rise(now),
            Link::Listening(_) | Link::Up(_) | Link::Yielded(_) => {}
        }
    }

    /// The connection is lost. The others are as they were until they have been silent for too long.
    pub fn handle_disconnected(&mut self) {
        self.link = match self.link {
            Link::Up(_) | Link::Away => Link::Away,
            Link::New | Link::Listening(_) | Link::Yielded(_) => Link::New,
        };
    }

    /// A message has come under one of the subjects. If it is the next of a node that is followed, as nearly all are, it is
    /// done with: no clock was asked for, and [`poll_timeout`](Self::poll_timeout) tells no earlier time. If not, nothing is
    /// done yet, and it is for [`handle_message`](Self::handle_message).
    #[must_use]
    pub fn handle_next(&mut self, now: Instant, payload: &[u8]) -> bool {
        // Of whom there is any doubt is to be looked at.
        if self.admission.len() > 0 || !self.is_up() {
            return false;
        }
        let next = self.peers.iter_mut().find_map(|(node, peer)| {
            let effects = peer.take_next(now, payload)?;
            Some((node.clone(), effects))
        });
        if let Some((node, effects)) = &next {
            self.apply(node, effects, |_| true);
        }
        next.is_some()
    }

    /// A message has come under one of the subjects.
    pub fn handle_message(&mut self, now: Instant, payload: &[u8]) {
        if self.handle_next(now, payload) {
            return;
        }
        let Some(envelope) = Envelope::read(payload) else {
            return self.handle_unreadable(now, payload);
        };
        if envelope.from == self.name {
            return self.handle_namesake(now, envelope.epoch, envelope.beat, envelope.body);
        }
        if let Link::Up(_) = self.link {
            self.handle_envelope(now, envelope, payload);
        }
    }

    /// It is the time that [`poll_timeout`](Self::poll_timeout) said, or later.
    pub fn handle_time(&mut self, now: Instant) {
        self.forgive_own_absence(now);
        self.lose_silent(now);
        match self.link {
            Link::Up(beat) if beat <= now => {
                self.link = Link::Up(now + self.limits.heartbeat);
                self.beat();
            }
            Link::Listening(until) if until <= now => self.rise(now),
            Link::Yielded(until) if until <= now => self.succeed(now),
            _ => {}
        }
        self.ask_who_is_due(now);
        self.answer_next(now);
    }

    // ── what is done here ───────────────────────────────────────────────────────────────────

    /// Publishes what users of this node have done, for all.
    pub fn publish<'a>(&mut self, effects: impl IntoIterator<Item = &'a E>)
    where
        E: 'a,
    {
        let mut pieces = self.writing(effects);
        while !pieces.is_done() {
            let mut payload = std::mem::take(&mut self.spare);
            self.head.write(self.sequence + 1, &mut payload);
            if !pieces.write_next(&mut payload) {
                break;
            }
            self.sequence += 1;
            if let Link::Up(_) = self.link {
                let subject = self.subjects.to_all();
                self.outputs.push_back(Output::Publish { subject, payload });
            }
        }
        self.counters.unwritten += pieces.unwritten;
    }

    /// Says what users of this node have done to one node alone. It is applied there behind all that was published
    /// before it.
    pub fn publish_to<'a>(&mut self, node: &NodeName, effects: impl IntoIterator<Item = &'a E>)
    where
        E: 'a,
    {
        for piece in self.pieces(effects) {
            self.direct += 1;
            let nth = self.peers.get_mut(node).map(Peer::say);
            self.say_to(node, Body::Direct { number: self.direct, nth }, &piece);
        }
    }

    /// Answers a node that [asked](Output::Asked) with all that this one owns now, with everything in it that was
    /// published so far, and nothing else.
    pub fn answer<'a>(&mut self, node: &NodeName, snapshot: impl IntoIterator<Item = &'a E>)
    where
        E: 'a,
    {
        let mut pieces = self.pieces(snapshot);
        if pieces.is_empty() {
            pieces.push(Vec::new());
        }
        let bytes = pieces.iter().map(Vec::len).sum();
        self.answers.note_sent(bytes, self.limits.answers);
        let is_too_much = bytes > self.limits.snapshot;
        if self.answers.note_too_much(is_too_much) {
            self.outputs.push_back(Output::TooMuch { bytes });
        }
        if is_too_much {
            return;
        }
        let count = pieces.len();
        for (index, piece) in pieces.iter().enumerate() {
            self.say_to(node, Body::Part { index, count }, piece);
        }
    }

    /// Says goodbye: the others let this node's users quit at once, and all others are gone for this one. It is alone then,
    /// for good unless it is [connected](Self::handle_connected) again.
    pub fn leave(&mut self) {
        self.say_to_all(Body::Gone, &[]);
        self.link = Link::New;
        self.lose_all();
    }

    // ── what comes of it ────────────────────────────────────────────────────────────────────

    /// What is to be done next, if anything is.
    pub fn poll_output(&mut self) -> Option<Output<E>> {
        self.outputs.pop_front()
    }

    /// Gives back the room of a message that was [published](Output::Publish), for the next.
    pub(super) fn give_back(&mut self, mut payload: Vec<u8>) {
        if payload.capacity() <= SPARE {
            payload.clear();
            self.spare = payload;
        }
    }

    /// When [`handle_time`](Self::handle_time) wants to be called, whatever comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.link {
            Link::New | Link::Away => None,
            Link::Listening(at) | Link::Up(at) | Link::Yielded(at) => Some(at),
        };
        let limits = &self.limits;
        let silent = self.peers.values().map(|peer| peer.heard + peer.patience(limits)).min();
        let (asks, answers) = match self.link {
            Link::Up(_) => {
                (self.peers.values().filter_map(Peer::next_ask).min(), self.answers.next())
            }
            _ => (None, None),
        };
        let forgotten = self.admission.next_silent(limits);
        [own, silent, forgotten, asks, answers].into_iter().flatten().min()
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// What is to be subscribed to: what all say to all, and what is said to this node alone.
    #[must_use]
    pub fn subjects(&self) -> [String; 2] {
        [self.subjects.of_all(), self.subjects.to_node(&self.name).to_string()]
    }

    /// What this node is called.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The bounds it has.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether what is published leaves.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// The other nodes, by their names.
    pub fn nodes(&self) -> impl Iterator<Item = NodeStatus<'_>> {
        self.peers.iter().map(|(node, peer)| NodeStatus {
            node,
            epoch: peer.epoch,
            sequence: peer.followed(),
            is_shown: peer.is_shown(),
            heard: peer.heard,
        })
    }

    /// Whether a node is there, as far as is known: also one whose users are not shown, as nothing it says is heard.
    #[must_use]
    pub fn is_there(&self, node: &NodeName) -> bool {
        self.peers.contains_key(node) || self.admission.knows(node)
    }

    /// Whether the users of a node are shown.
    #[must_use]
    pub fn is_shown(&self, node: &NodeName) -> bool {
        self.peers.get(node).is_some_and(Peer::is_shown)
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How it stands with the network, for people: a line for this node, and one for each other.
    #[must_use]
    pub fn report(&self, now: Instant) -> String {
        let state = match self.link {
            Link::New | Link::Away => "alone",
            Link::Listening(_) => "alone, until it is known that no other node has this name",
            Link::Up(_) => "in the network",
            Link::Yielded(_) => "alone, since another node has this name",
        };
        let (name, sequence, counters) = (&self.name, self.sequence, self.counters);
        let mut lines = vec![format!("node {name}: {state}, {sequence} published; {counters}")];
        lines.extend(self.nodes().map(|it| {
            let silent = now.saturating_duration_since(it.heard).as_secs_f32();
            let how = it.sequence.map_or_else(
                || "its snapshot is awaited".to_owned(),
                |sequence| format!("followed up to {sequence}"),
            );
            format!("node {}: {how}, heard {silent:.1} s ago", it.node)
        }));
        lines.extend(self.admission.report());
        lines.join("\n")
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unreadable, unknown, unwritten, crowded, dropped, missed, asked, applied } =
            self;
        write!(
            f,
            "{applied} effects applied, {asked} snapshots asked for; {unreadable} messages not read, \
             {crowded} of too many nodes, {dropped} too many at once, {missed} to this node alone missed; {unknown} effects not known, {unwritten} not written"
        )
    }
}

impl<E: Carried> Cluster<E> {
    // ── coming and going ────────────────────────────────────────────────────────────────────

    fn rise(&mut self, now: Instant) {
        self.link = Link::Up(now + self.limits.heartbeat);
        self.say_to_all(Body::Hello, &[]);
        self.peers.values_mut().for_each(|peer| peer.ask_at_once(now));
        self.ask_who_is_due(now);
    }

    /// The other node of this name is gone.
    fn succeed(&mut self, now: Instant) {
        self.outputs.push_back(Output::Succeeded);
        self.rise(now);
    }

    /// A node says that it is called as this one is. Who has been there has users whom others see, so the one that begins
    /// yields, whatever their clocks say. Only if both are up, or both begin, it is the one with the larger epoch.
    fn handle_namesake(&mut self, now: Instant, epoch: u64, beat: Option<u64>, body: Body) {
        // What was published just before a connection was lost may come back over the next one.
        if epoch == self.epoch {
            return;
        }
        let beat = Duration::from_millis(beat.unwrap_or_default());
        let until = now + peer::patience(beat, &self.limits);
        let is_later = epoch < self.epoch;
        match (self.link, body) {
            (Link::New | Link::Away, _) | (Link::Listening(_), Body::Gone) => {}
            (Link::Listening(_), Body::Who) if !is_later => {}
            (Link::Listening(_), _) => {
                self.link = Link::Yielded(until);
                self.outputs.push_back(Output::Yielded);
            }
            (Link::Yielded(_), Body::Gone) => self.succeed(now),
            // It has yet to hear who is there.
            (Link::Yielded(_), Body::Who) => {}
            (Link::Yielded(_), _) => self.link = Link::Yielded(until),
            (Link::Up(_), Body::Who) => {
                let own = self.subjects.to_node(&self.name);
                self.send(own, Body::Here, &[]);
            }
            (Link::Up(_), _) if !is_later => {}
            (Link::Up(_), _) => {
                self.say_to_all(Body::Gone, &[]);
                self.link = Link::Yielded(until);
                self.lose_all();
                self.outputs.push_back(Output::Yielded);
            }
        }
    }

    /// This node hears nobody any more.
    fn lose_all(&mut self) {
        let shown = std::mem::take(&mut self.peers).into_iter().filter(|(_, peer)| peer.is_shown());
        let lost = shown.map(|(node, _)| Output::Lost { node, how: Gone::Left });
        self.outputs.extend(lost);
        self.admission.forget_all();
        self.answers.keep(|_| false);
    }

    /// When nobody looked at the time for long, nobody has heard the others either: it is not they who were silent.
    fn forgive_own_absence(&mut self, now: Instant) {
        let late =
            self.poll_timeout().map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        if late > self.limits.heartbeat {
            self.peers.values_mut().for_each(|peer| peer.heard += late);
            self.admission.forgive(late);
        }
    }

    fn lose_silent(&mut self, now: Instant) {
        let Self { peers, admission, answers, outputs, limits, .. } = self;
        peers.retain(|node, peer| {
            let silence = peer.patience(limits);
            let is_silent = peer.heard + silence <= now;
            if is_silent && peer.is_shown() {
                outputs.push_back(Output::Lost { node: node.clone(), how: Gone::Silent(silence) });
            }
            !is_silent
        });
        admission.lose_silent(now, limits);
        answers.keep(|node| peers.contains_key(node));
    }

    fn ask_who_is_due(&mut self, now: Instant) {
        let Link::Up(_) = self.link else { return };
        let limits = &self.limits;
        let due = self.peers.iter_mut().filter_map(|(node, peer)| {
            let is_due = peer.poll_ask(now, limits);
            is_due.then(|| node.clone())
        });
        for node in due.collect::<Vec<_>>() {
            self.counters.asked += 1;
            self.say_to(&node, Body::Ask, &[]);
        }
    }

    // ── what others say ─────────────────────────────────────────────────────────────────────

    /// It is nothing, or it is of a node that speaks another format.
    fn handle_unreadable(&mut self, now: Instant, payload: &[u8]) {
        let Some(Foreign { from, epoch, body }) = Foreign::read(payload) else {
            self.counters.unreadable += 1;
            return;
        };
        if from == self.name {
            // A name is one node's, whatever that speaks.
            self.handle_namesake(now, epoch, None, body);
        } else if let Link::Up(_) = self.link {
            self.handle_foreign(now, from, epoch, body);
        }
    }

    /// What it has to say would be misunderstood. That it is there is to be known: it has users, and they have nicks.
    fn handle_foreign(&mut self, now: Instant, node: NodeName, epoch: u64, body: Body) {
        match body {
            Body::Gone => return self.handle_gone(node, epoch),
            Body::Who => return,
            _ => {}
        }
        if !self.has_place(&node) {
            self.counters.crowded += 1;
            return;
        }
        match self.peers.get(&node) {
            // It was of another version before.
            Some(peer) if epoch <= peer.epoch => return,
            Some(_) => self.drop_peer(&node, Gone::Anew),
            None => {}
        }
        if self.admission.handle_foreign(now, node.clone(), epoch) {
            self.outputs.push_back(Output::OtherVersion { node });
        }
    }

    /// A node is gone.
    fn drop_peer(&mut self, node: &NodeName, how: Gone) {
        if self.peers.remove(node).is_some_and(|peer| peer.is_shown()) {
            self.outputs.push_back(Output::Lost { node: node.clone(), how });
        }
        self.answers.keep(|other| other != node);
    }

    fn handle_envelope(&mut self, now: Instant, envelope: Envelope<'_>, payload: &[u8]) {
        let Envelope { v: Format, from, epoch, sequence, beat, clock, told, body, effects } =
            envelope;
        match body {
            Body::Gone => return self.handle_gone(from, epoch),
            // It is no matter of this node's.
            Body::Who => return,
            _ => {}
        }
        let shown = self.peers.get(&from).map(Peer::is_shown);
        if shown.is_none() && !self.has_place(&from) {
            self.counters.crowded += 1;
            return;
        }
        let (clocks, is_shown) = (clock.zip(self.clock), shown.unwrap_or_default());
        let said = Said { now, epoch, beat, clocks, is_shown };
        if !self.may_be_heard(&from, &said) {
            return;
        }
        if shown.is_none() {
            // Nobody has asked for that.
            if let Body::Part { .. } = body {
                return;
            }
            self.peers.insert(from.clone(), Peer::new(&from, epoch, now));
        }
        if !self.is_present(now, &from, epoch) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if let Some(beat) = beat {
            peer.note_beat(Duration::from_millis(beat));
        }
        if let Body::Part { index, count } = body {
            // It is not read unless it was asked for.
            if peer.followed().is_some() {
                return;
            }
            let bytes = effects.len();
            let mut known = Vec::new();
            self.counters.unknown += read(effects, |effect| known.push(effect));
            let part = Part { sequence, index, count, bytes, effects: known };
            return self.handle_part(now, from, part);
        }
        let verdict = match body {
            Body::Effects => peer.handle_effects(now, sequence),
            _ => peer.handle_mark(now, sequence),
        };
        match (body, verdict) {
            (Body::Effects, Verdict::Take) => self.apply(&from, effects, |_| true),
            (Body::Direct { number, nth }, Verdict::Take) => {
                if let Some(missing) = peer.handle_direct(now, number, nth) {
                    self.counters.missed += missing;
                    self.apply(&from, effects, |_| true);
                }
            }
            (Body::Effects | Body::Direct { .. }, Verdict::Hold) => {
                self.counters.dropped += peer.hold(payload, &self.limits) as u64;
            }
            (Body::Here, Verdict::Take) => {
                let told = told.get(&self.name).copied();
                self.counters.missed += told.map_or(0, |told| peer.miss_direct(now, told));
            }
            (Body::Hello, Verdict::Take | Verdict::Hold) => self.say_to(&from, Body::Here, &[]),
            (Body::Ask, Verdict::Take | Verdict::Hold) => self.answers.ask(from),
            _ => {}
        }
        self.ask_who_is_due(now);
        self.answer_next(now);
    }

    /// Whether there are not too many nodes for another one.
    fn has_place(&self, node: &NodeName) -> bool {
        self.is_there(node) || self.peers.len().max(self.admission.len()) < self.limits.nodes
    }

    /// Whether a node may be heard. If it may no more, it is lost.
    fn may_be_heard(&mut self, node: &NodeName, said: &Said) -> bool {
        let Admitted { is_heard, news } = self.admission.admit(node, said, &self.limits);
        if let Some(clock) = news {
            self.outputs.push_back(Output::Clock { node: node.clone(), clock });
        }
        if !is_heard {
            self.drop_peer(node, Gone::Refused);
        }
        is_heard
    }

    /// A node that is known says something; whether it counts.
    fn is_present(&mut self, now: Instant, node: &NodeName, epoch: u64) -> bool {
        let Some(peer) = self.peers.get_mut(node) else { return false };
        let life = peer.live(now, node, epoch, &self.limits);
        if life == (Life::Next { was_shown: true }) {
            self.outputs.push_back(Output::Lost { node: node.clone(), how: Gone::Anew });
        }
        life != Life::Past
    }

    /// Has the next who waits for a snapshot answered, if it is its turn.
    fn answer_next(&mut self, now: Instant) {
        if let Link::Up(_) = self.link
            && let Some(node) = self.answers.poll(now)
        {
            self.outputs.push_back(Output::Asked { node });
        }
    }

    fn handle_gone(&mut self, node: NodeName, epoch: u64) {
        if self.peers.get(&node).is_some_and(|peer| epoch < peer.epoch) {
            return;
        }
        self.admission.forget(&node);
        self.drop_peer(&node, Gone::Goodbye);
    }

    fn handle_part(&mut self, now: Instant, node: NodeName, part: Part<E>) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let epoch = peer.epoch;
        let Some(complete) = peer.handle_part(now, part, &self.limits) else { return };
        let snapshot = complete.effects;
        let is_first = complete.shown.is_none();
        self.outputs.push_back(Output::Replace { node: node.clone(), snapshot, is_first });
        let mut passed = complete.shown.unwrap_or_default();
        let read = |payload| Some((Envelope::read(payload)?, payload));
        let mut held: Vec<_> = complete.held.iter().map(Vec::as_slice).filter_map(read).collect();
        // What was said over a new connection may have come before the rest of what was said over the one before.
        held.sort_by_key(|(envelope, _)| envelope.sequence);
        for (envelope, payload) in held {
            match envelope.body {
                Body::Effects
                    if (envelope.epoch, envelope.sequence) <= (epoch, complete.sequence) =>
                {
                    // What it has changed is in the snapshot, and what was said is not.
                    if envelope.sequence > passed {
                        passed = envelope.sequence;
                        self.apply(&node, envelope.effects, |it| !it.is_lasting());
                    }
                }
                // If something is missing again, the rest is held again.
                _ => self.handle_envelope(now, envelope, payload),
            }
        }
    }

    fn apply(&mut self, node: &NodeName, effects: &[u8], wanted: impl Fn(&E) -> bool) {
        let Self { outputs, counters, .. } = self;
        let unknown = read(effects, |effect: E| {
            if wanted(&effect) {
                counters.applied += 1;
                outputs.push_back(Output::Apply { node: node.clone(), effect });
            }
        });
        self.counters.unknown += unknown;
    }

    // ── what is said ────────────────────────────────────────────────────────────────────────

    /// Effects as they are written, in pieces of which each fits into a message.
    fn pieces<'a>(&mut self, effects: impl IntoIterator<Item = &'a E>) -> Vec<Vec<u8>>
    where
        E: 'a,
    {
        let (mut pieces, mut all) = (self.writing(effects), Vec::new());
        while !pieces.is_done() {
            let mut piece = Vec::with_capacity(USUAL);
            if pieces.write_next(&mut piece) {
                all.push(piece);
            }
        }
        self.counters.unwritten += pieces.unwritten;
        all
    }

    /// The same, to be written behind what stands in front of each.
    fn writing<'a, I: IntoIterator<Item = &'a E>>(&self, effects: I) -> Pieces<I::IntoIter>
    where
        E: 'a,
    {
        let longest = self.payload.saturating_sub(AROUND);
        let most = self.limits.message.min(longest);
        let effects = effects.into_iter().peekable();
        Pieces { effects, spilled: Vec::new(), longest, most, unwritten: 0 }
    }

    fn say_to_all(&mut self, body: Body, effects: &[u8]) {
        let subject = self.subjects.to_all();
        self.say(subject, body, effects);
    }

    fn say_to(&mut self, node: &NodeName, body: Body, effects: &[u8]) {
        let subject = self.subjects.to_node(node);
        self.say(subject, body, effects);
    }

    fn say(&mut self, subject: Arc<str>, body: Body, effects: &[u8]) {
        if let Link::Up(_) = self.link {
            self.send(subject, body, effects);
        }
    }

    /// Says to all that this node is there, and to whom it has said something alone.
    fn beat(&mut self) {
        let told = self.peers.iter_mut().filter_map(|(node, peer)| {
            let told = peer.poll_said()?;
            Some((node.clone(), told))
        });
        let told = told.collect();
        let subject = self.subjects.to_all();
        self.write(subject, Body::Here, told, &[]);
    }

    fn send(&mut self, subject: Arc<str>, body: Body, effects: &[u8]) {
        self.write(subject, body, BTreeMap::new(), effects);
    }

    fn write(
        &mut self,
        subject: Arc<str>,
        body: Body,
        told: BTreeMap<NodeName, u64>,
        effects: &[u8],
    ) {
        match self.envelope(body, told, effects).write() {
            Some(payload) => self.outputs.push_back(Output::Publish { subject, payload }),
            None => self.counters.unwritten += 1,
        }
    }

    fn envelope<'a>(
        &self,
        body: Body,
        told: BTreeMap<NodeName, u64>,
        effects: &'a [u8],
    ) -> Envelope<'a> {
        let (from, epoch, sequence) = (self.name.clone(), self.epoch, self.sequence);
        let is_short = matches!(body, Body::Effects | Body::Direct { .. });
        let beat = || u64::try_from(self.limits.heartbeat.as_millis()).ok();
        let beat = if is_short { None } else { beat() };
        let clock = self.clock.filter(|_| !is_short);
        Envelope { v: Format, from, epoch, sequence, beat, clock, told, body, effects }
    }
}

/// Effects, while they are written into messages.
struct Pieces<I: Iterator> {
    effects: Peekable<I>,
    /// One that is written, and did not fit into the message before.
    spilled: Vec<u8>,
    /// Bytes of an effect, at most, and of those of a message if there are several.
    longest: usize,
    most: usize,
    /// How many could not be written, or are too long.
    unwritten: u64,
}

impl<'a, E: Carried + 'a, I: Iterator<Item = &'a E>> Pieces<I> {
    fn is_done(&mut self) -> bool {
        self.spilled.is_empty() && self.effects.peek().is_none()
    }

    /// Appends as many as fit into one message; whether there are any.
    fn write_next(&mut self, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        out.append(&mut self.spilled);
        for effect in &mut self.effects {
            let before = out.len();
            out.push(b'\n');
            if !effect.write(out) || out.len() - before > self.longest {
                out.truncate(before);
                self.unwritten += 1;
            } else if out.len() - begin > self.most && before > begin {
                self.spilled = out.split_off(before);
                break;
            }
        }
        out.len() > begin
    }
}

/// Reads effects, and gives those that this version knows; how many it does not.
fn read<E: Carried>(effects: &[u8], mut known: impl FnMut(E)) -> u64 {
    let mut unknown = 0;
    for effect in wire::each(effects) {
        match E::read(effect) {
            Some(effect) => known(effect),
            None if unknown == UNKNOWN => break,
            None => unknown += 1,
        }
    }
    unknown
}

/// Effects of one message that are not known, until the rest is not looked at: more than fit into one that a later version
/// sends.
const UNKNOWN: u64 = 10_000;

/// Bytes of most effects: of one line that was said.
const USUAL: usize = 384;

/// No more room than that is kept for the next message.
const SPARE: usize = 4 * 1024;

/// Bytes of what is around the effects of a message, at most.
const AROUND: usize = 1024;
