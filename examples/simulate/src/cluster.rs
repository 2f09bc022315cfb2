//! Five nodes of a chat network under the whole swarm, without the chat: each owns some things, makes new ones and
//! drops old ones, says a word about each, and keeps a picture of what the others own.
//!
//! ```text
//!     a ── b ── c ── d ── e       each publishes what it does, numbered, and hears all others
//!     └────┴─ broker ─┴───┘       what one misses it asks for
//! ```
//!
//! What must always hold: nothing is made twice on a picture, or dropped where it was not; nobody hears a word twice, or
//! out of its speaker's order; what is said to one alone comes behind what was published before it; a node that is
//! lost was there, and one that comes was not. And when all is quiet, each picture is what the others own, and when a
//! node says goodbye it is gone at once.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::{Duration, SystemTime};

use protocols::chat::NodeName;
use protocols::chat::cluster::{Carried, Cluster, Limits, Output};
use protocols::nats::{Client, ClientOptions, Event, ServerAddr};
use reactor::sim::{Fault, FaultCounts, Host, Network, Outcome};
use reactor::{Address, Registry, TimerId};
use serde::{Deserialize, Serialize};

use crate::broker::{self, Broker, Disk, Flaw};
use crate::cast::until_quiet;
use crate::score::{Draws, Score};

/// How long faults happen.
const STORM: Duration = Duration::from_secs(20);
/// How long what is left may take afterwards.
const CALM: Duration = Duration::from_secs(300);
/// What each node does.
const ACTS: u64 = 25;
/// The most time between two acts, in milliseconds.
const PACE: u64 = 800;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What nodes tell each other. Everything is numbered by whoever makes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
enum Effect {
    Made(u64),
    Dropped(u64),
    Said(u64),
    /// The same to one alone, about what was made last.
    Whispered {
        number: u64,
        about: u64,
    },
}

impl Carried for Effect {
    fn is_lasting(&self) -> bool {
        matches!(self, Self::Made(_) | Self::Dropped(_))
    }
}

/// Something that is wrong with a node, so that one sees whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A snapshot that follows a gap is not taken.
    GapsStay,
    /// What a lost node owned is ended twice.
    LostTwice,
}

struct Node {
    client: Client<Node>,
    cluster: Cluster<Effect>,
    timer: Option<TimerId>,
    /// What it has still to do.
    left: u64,
    /// Numbers: of what it makes and says. Those of a later life are larger, wherever the clock stands.
    last: u64,
    owned: BTreeSet<u64>,
    others: BTreeMap<NodeName, Other>,
    mistake: Mistake,
    draws: Draws,
    score: Score,
}

/// Another node, on a node's picture.
#[derive(Default)]
struct Other {
    owned: BTreeSet<u64>,
    /// The last word that was heard.
    said: u64,
    whispered: u64,
}

/// More numbers than a life has.
const LIFE: u64 = 1_000_000;

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    storm(network, Mistake::None)
}

/// A little of everything without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    Stage::set(network, &NAMES[..2], 3, Mistake::None).end(network)
}

/// As [`swarm`], with nodes that do not heal a gap: a canary, which has to be found.
///
/// # Errors
///
/// If it is found.
pub fn gaps_stay(network: &mut Network) -> Outcome {
    storm(network, Mistake::GapsStay)
}

/// As [`swarm`], with nodes that end twice what a lost one owned: another canary.
///
/// # Errors
///
/// If it is found.
pub fn lost_twice(network: &mut Network) -> Outcome {
    storm(network, Mistake::LostTwice)
}

fn storm(network: &mut Network, mistake: Mistake) -> Outcome {
    network.swarm();
    let stage = Stage::set(network, &NAMES, ACTS, mistake);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)
}

struct Stage {
    broker: Host<Broker>,
    nodes: Vec<Host<Node>>,
    names: Vec<NodeName>,
}

impl Stage {
    fn set(network: &mut Network, names: &[&'static str], acts: u64, mistake: Mistake) -> Self {
        let score = Score::default();
        let broker =
            network.host("broker", |registry| Broker::boot(registry, Disk::default(), Flaw::None));
        let address = network.address(broker, broker::PORT);
        let nodes = names.iter().map(|&name| {
            let (address, score, lives) = (address.clone(), score.clone(), Cell::new(0));
            network.host(name, move |registry| {
                lives.set(lives.get() + 1);
                let last = lives.get() * LIFE;
                Node::boot(registry, &address, name, (last, acts), mistake, score.clone())
            })
        });
        let nodes = nodes.collect();
        network.invariant("what nodes hear", move |_| score.nothing_wrong());
        let names = names.iter().map(|name| NodeName::new(name).expect("it is one")).collect();
        Self { broker, nodes, names }
    }

    fn end(&self, network: &mut Network) -> Outcome {
        let equal = network.run_until(CALM, |network| self.difference(network).is_none())?;
        if let (false, Some(difference)) = (equal, self.difference(network)) {
            return Err(difference.into());
        }
        self.say_goodbye(network)?;
        until_quiet(network, &[self.broker], CALM, |network, host| {
            network.app(host).is_none_or(|broker| broker.seats() == 0)
        })?;
        Ok(network.finish(Duration::from_secs(20))?)
    }

    /// One after the other leaves. Where nothing goes wrong nobody has to wait to see that.
    fn say_goodbye(&self, network: &mut Network) -> Outcome {
        let silence = Limits::default().silence;
        let is_calm = network.fault_counts() == FaultCounts::default();
        let patience = if is_calm { silence / 2 } else { 2 * silence };
        for (at, &host) in self.nodes.iter().enumerate() {
            let Some((registry, node)) = network.parts(host) else { continue };
            node.cluster.leave();
            node.go_on(registry);
            node.client.drain(registry);
            let rest = &self.nodes[at + 1..];
            let gone = network.run_until(patience, |network| {
                let knows = |node: &Node| node.others.contains_key(&self.names[at]);
                rest.iter().all(|&it| !network.app(it).is_some_and(knows))
            })?;
            if !gone {
                return Err(
                    format!("{} has said goodbye, and is still there", self.names[at]).into()
                );
            }
        }
        Ok(())
    }

    /// What is not yet, or not, as it must be in the end.
    fn difference(&self, network: &Network) -> Option<String> {
        for (&host, name) in self.nodes.iter().zip(&self.names) {
            let node = network.app(host)?;
            if node.left > 0 {
                return Some(format!("{name} is not done"));
            }
            for (&other, of) in self.nodes.iter().zip(&self.names).filter(|(_, it)| *it != name) {
                let (owned, seen) = (&network.app(other)?.owned, node.others.get(of));
                if seen.is_none_or(|seen| seen.owned != *owned) {
                    let seen = seen.map(|seen| &seen.owned);
                    return Some(format!("{of} owns {owned:?}, and {name} sees {seen:?}"));
                }
            }
        }
        None
    }
}

impl Node {
    fn boot(
        registry: &mut Registry<Self>,
        server: &Address,
        name: &str,
        (last, acts): (u64, u64),
        mistake: Mistake,
        score: Score,
    ) -> Result<Self, Box<dyn Error>> {
        let since = registry.wall_clock().duration_since(SystemTime::UNIX_EPOCH)?;
        let epoch = u64::try_from(since.as_millis())?;
        let (network, me) = (NodeName::new("sim")?, NodeName::new(name)?);
        let cluster = Cluster::new(network, me, epoch, Limits::default());
        let mut options = ClientOptions::new([ServerAddr::from(server.clone())]);
        options.retry_on_failed_connect = true;
        options.limits.ping_interval = Duration::from_secs(2);
        // Where all that is drawn is zero, the addresses for answers would be those of the others.
        options.inbox_prefix = format!("_INBOX_{name}");
        let client = Client::connect(registry, options, |registry, node: &mut Self, event| {
            match event {
                Event::Connected { .. } => node.cluster.handle_connected(registry.now()),
                Event::Disconnected { .. } => node.cluster.handle_disconnected(),
                _ => {}
            }
            node.go_on(registry);
        });
        for subject in cluster.subjects() {
            client.subscribe(registry, &subject, |registry, node: &mut Self, message| {
                node.cluster.handle_message(registry.now(), message.payload);
                node.go_on(registry);
            })?;
        }
        Self::act_later(registry, Duration::ZERO);
        Ok(Self {
            client,
            cluster,
            timer: None,
            left: acts,
            last,
            owned: BTreeSet::new(),
            others: BTreeMap::new(),
            mistake,
            draws: Draws::default(),
            score,
        })
    }

    fn act_later(registry: &mut Registry<Self>, time: Duration) {
        let begun = registry.after(time, |registry, node: &mut Self| node.act(registry));
        begun.expect("there are timers");
    }

    /// Makes something, says a word about it, and drops something else.
    fn act(&mut self, registry: &mut Registry<Self>) {
        let bits = self.draws.draw(registry);
        let mut effects = Vec::new();
        if !bits.is_multiple_of(4) {
            let made = self.number();
            self.owned.insert(made);
            effects.push(Effect::Made(made));
        } else if let Some(dropped) = self.owned.pop_first() {
            effects.push(Effect::Dropped(dropped));
        }
        effects.push(Effect::Said(self.number()));
        self.cluster.publish(&effects);
        self.whisper(bits);
        self.left -= 1;
        if self.left > 0 {
            Self::act_later(registry, Duration::from_millis((bits >> 16) % PACE));
        }
        self.go_on(registry);
    }

    fn whisper(&mut self, bits: u64) {
        let Some(&about) = self.owned.last() else { return };
        let number = self.number();
        let to = self.others.keys().nth((bits >> 32) as usize % NAMES.len()).cloned();
        if let Some(to) = to {
            self.cluster.publish_to(&to, &[Effect::Whispered { number, about }]);
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Does what the machine wants, and waits until it wants something again.
    fn go_on(&mut self, registry: &mut Registry<Self>) {
        while let Some(output) = self.cluster.poll_output() {
            self.handle_output(registry, output);
        }
        if let Some(timer) = self.timer.take() {
            registry.cancel(timer);
        }
        let Some(due) = self.cluster.poll_timeout() else { return };
        let wait = due.saturating_duration_since(registry.now());
        let timer = registry.after(wait, |registry, node: &mut Self| {
            node.timer = None;
            node.cluster.handle_time(registry.now());
            node.go_on(registry);
        });
        self.timer = timer.ok();
    }

    fn handle_output(&mut self, registry: &mut Registry<Self>, output: Output<Effect>) {
        match output {
            // What there is no room for is missing, and asked for.
            Output::Publish { subject, payload } => {
                let _ = self.client.publish(registry, &subject, &payload);
            }
            Output::Apply { node, effect } => self.apply(&node, &effect),
            Output::Replace { node, snapshot, is_first } => {
                self.replace(&node, &snapshot, is_first);
            }
            Output::Lost { node, .. } => {
                let times = if self.mistake == Mistake::LostTwice { 2 } else { 1 };
                for _ in 0..times {
                    if self.others.remove(&node).is_none() {
                        self.object(format!("{node} is lost, and was not there"));
                    }
                }
            }
            Output::Asked { node } => {
                let owned: Vec<_> = self.owned.iter().copied().map(Effect::Made).collect();
                self.cluster.answer(&node, &owned);
            }
            // What it said in an earlier life may still be under way, and sounds like another one of its name.
            Output::Yielded | Output::Succeeded => {}
            other => self.object(format!("nobody wants {other:?}")),
        }
    }

    fn apply(&mut self, node: &NodeName, effect: &Effect) {
        let Some(other) = self.others.get_mut(node) else {
            return self.object(format!("{node} is not there, and does {effect:?}"));
        };
        let is_right = match *effect {
            Effect::Made(made) => other.owned.insert(made),
            Effect::Dropped(dropped) => other.owned.remove(&dropped),
            Effect::Said(word) => std::mem::replace(&mut other.said, word) < word,
            Effect::Whispered { number, about } => {
                let is_next = std::mem::replace(&mut other.whispered, number) < number;
                // It may have been dropped since, but it cannot be still to come.
                is_next && other.owned.last().is_none_or(|&last| last >= about)
            }
        };
        if !is_right {
            self.object(format!("{node} does {effect:?} out of turn"));
        }
    }

    fn replace(&mut self, node: &NodeName, snapshot: &[Effect], is_first: bool) {
        if self.others.contains_key(node) == is_first {
            self.object(format!("{node} comes, and its first coming is {is_first}"));
        }
        if self.mistake == Mistake::GapsStay && !is_first {
            return;
        }
        let other = self.others.entry(node.clone()).or_default();
        let owned = snapshot.iter().filter_map(|effect| match effect {
            Effect::Made(made) => Some(*made),
            _ => None,
        });
        other.owned = owned.collect();
    }

    fn object(&self, wrong: String) {
        self.score.note_wrong(format!("{}: {wrong}", self.cluster.name()));
    }
}

/// Faults that nothing here can meet: no work is given away, and there are no datagrams.
pub(super) const WITHOUT: &[Fault] = &[
    Fault::SlowWork,
    Fault::DatagramError,
    Fault::DatagramLost,
    Fault::DatagramDuplicated,
    Fault::DatagramReordered,
    Fault::DatagramCorrupted,
    Fault::DatagramTooLong,
];
