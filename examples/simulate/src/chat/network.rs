//! Five chat servers that are one network, over a NATS server, under the whole swarm; and the same users as on one.
//!
//! ```text
//!    far ──────┬─── a  b  c  d  e      each server hears what the users of the others do
//!    farther ──┘     ╲  ╲ │ ╱  ╱
//!                      broker          its disk, with the claims of nicks, outlives it
//! ```
//!
//! What must always hold is what holds on one: each user's books are right, so nobody joins twice, or goes who was not
//! there, also when a server is lost and comes back; and what is said on a channel comes once, in the order of the
//! speaker's server. When all is quiet: all servers have the same picture of users, channels and members, so a nick
//! names one user everywhere. And where nothing went wrong nobody has lost a nick, and when all have gone no claim is
//! left.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use protocols::chat::{Server, Settings, cluster};
use protocols::nats::{ClientOptions, ServerAddr};
use reactor::sim::{Fault, FaultCounts, Host, Network, Outcome};
use reactor::{Address, Registry};

use super::{CALM, Crowd, PORT, STORM, Size, serve};
use crate::broker::{self, Broker, Disk, Flaw};
use crate::cast::until_quiet;
use crate::score::Score;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const SIZE: Size = Size { stays: true, ..Size::of(8, 3, 20) };
/// The same users, who come in one moment and want the same few nicks.
const CROWDED: Size = Size { beginnings: 2, nicks: 20, ..SIZE };
/// Where the servers keep the claims of nicks.
const CLAIMS: &str = "chat-Chat-nicks";
/// How long it takes until all know of everything: longer than a server is silent before it is lost.
const SETTLE: Duration = Duration::from_secs(15);
/// How often that is waited for.
const PATIENCE: usize = 12;

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm();
    run(network, SIZE, Flaw::None)
}

/// The same without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    run(network, SIZE, Flaw::None)
}

/// Without faults, but that claims are given to whoever asks, once in a while: a canary, which has to be found.
///
/// # Errors
///
/// If it is found.
pub fn careless(network: &mut Network) -> Outcome {
    run(network, CROWDED, Flaw::Careless)
}

/// Without faults, but that a server misses a message once in a while, and cannot see that: another canary.
///
/// # Errors
///
/// If it is found.
pub fn hidden(network: &mut Network) -> Outcome {
    run(network, SIZE, Flaw::Hides)
}

/// Without faults, but that a server hears a message twice once in a while, and cannot see that: another canary.
///
/// # Errors
///
/// If it is found.
pub fn repeated(network: &mut Network) -> Outcome {
    run(network, SIZE, Flaw::Repeats)
}

fn run(network: &mut Network, size: Size, flaw: Flaw) -> Outcome {
    let stage = Stage::set(network, size, flaw);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)?;
    stage.score.was_right(network)
}

struct Stage {
    nodes: Vec<Host<Server>>,
    crowds: Vec<Host<Crowd>>,
    disk: Disk,
    score: Score,
}

impl Stage {
    fn set(network: &mut Network, size: Size, flaw: Flaw) -> Self {
        let (score, disk) = (Score::default(), Disk::default());
        let kept = disk.clone();
        let broker =
            network.host("broker", move |registry| Broker::boot(registry, kept.clone(), flaw));
        let nats = network.address(broker, broker::PORT);
        let nodes = NAMES.map(|name| {
            let nats = nats.clone();
            network.host(name, move |registry| serve_as(registry, &nats, name))
        });
        let addresses = nodes.map(|node| network.address(node, PORT));
        let crowds = ["far", "farther"]
            .map(|name| network.host(name, Crowd::maker(&score, &addresses, size)));
        let stage = Self { nodes: nodes.into(), crowds: crowds.into(), disk, score };
        stage.watch(network);
        stage
    }

    /// Has everything that must always hold looked at after each step, or often.
    fn watch(&self, network: &mut Network) {
        let score = self.score.clone();
        network.invariant("what users hear", move |_| score.nothing_wrong());
        let (nodes, steps) = (self.nodes.clone(), Cell::new(0_u64));
        network.invariant("the servers' books", move |network| {
            steps.set(steps.get() + 1);
            if !steps.get().is_multiple_of(SIZE.looks) {
                return Ok(());
            }
            nodes.iter().filter_map(|&it| network.app(it)).try_for_each(Server::check)
        });
    }

    fn end(&self, network: &mut Network) -> Outcome {
        until_quiet(network, &self.crowds, CALM, |network, host| {
            network.app(host).is_none_or(|crowd| crowd.idle == crowd.due)
        })?;
        self.settle(network, Self::difference)?;
        self.nobody_has_lost_a_nick(network)?;
        for &crowd in &self.crowds {
            if let Some((_, crowd)) = network.parts(crowd) {
                crowd.size.stays = false;
            }
        }
        until_quiet(network, &self.crowds, CALM, |network, host| {
            network.app(host).is_none_or(|crowd| crowd.due == 0)
        })?;
        self.settle(network, Self::difference)?;
        self.settle(network, Self::claims_left)?;
        Ok(network.finish(Duration::from_secs(20))?)
    }

    /// Waits until nothing is wrong; else what is.
    fn settle(
        &self,
        network: &mut Network,
        wrong: impl Fn(&Self, &Network) -> Option<String>,
    ) -> Outcome {
        for _ in 0..PATIENCE {
            network.run_for(SETTLE)?;
            if wrong(self, network).is_none() {
                return Ok(());
            }
        }
        wrong(self, network).map_or(Ok(()), |wrong| Err(wrong.into()))
    }

    /// Where the pictures of two servers differ.
    fn difference(&self, network: &Network) -> Option<String> {
        let first = network.app(*self.nodes.first()?)?.picture();
        for (&node, name) in self.nodes.iter().zip(NAMES) {
            let picture = network.app(node)?.picture();
            let only = |one: &std::collections::BTreeSet<String>, other| {
                one.difference(other).cloned().collect::<Vec<_>>().join("\n  ")
            };
            if picture != first {
                let (ours, theirs) = (only(&first, &picture), only(&picture, &first));
                return Some(format!("on a alone:\n  {ours}\non {name} alone:\n  {theirs}"));
            }
        }
        None
    }

    /// Where nothing went wrong nobody has got what was another's.
    fn nobody_has_lost_a_nick(&self, network: &Network) -> Outcome {
        let crowds = self.crowds.iter().filter_map(|&it| network.app(it));
        let lost: u64 = crowds.map(|crowd| crowd.lost_nicks).sum();
        if lost > 0 && network.fault_counts() == FaultCounts::default() {
            return Err(
                format!("somebody has lost its nick, {lost} times, and need not have").into()
            );
        }
        Ok(())
    }

    /// Claims that nobody holds. Who has crashed has not given his up.
    fn claims_left(&self, network: &Network) -> Option<String> {
        let left = self.disk.values(CLAIMS);
        let has_crashed = network.fault_counts().of(Fault::Crash) > 0;
        (!has_crashed && !left.is_empty()).then(|| format!("nobody holds {left:?}"))
    }
}

/// A server that boots, as a node.
fn serve_as(
    registry: &mut Registry<Server>,
    nats: &Address,
    name: &str,
) -> Result<Server, Box<dyn Error>> {
    let settings = Settings { name: format!("{name}.test"), ..Settings::default() };
    let mut server = serve(registry, settings)?;
    let mut nats = ClientOptions::new([ServerAddr::from(nats.clone())]);
    nats.limits.ping_interval = Duration::from_secs(2);
    // Where all that is drawn is zero, the addresses for answers would be those of the others.
    nats.inbox_prefix = format!("_INBOX_{name}");
    // Clocks are set by hours here, and what comes of that has to be the same on all all the same.
    let limits = cluster::Limits { clock_refusal: Duration::MAX, ..cluster::Limits::default() };
    let options = cluster::Options { nats, node: name.parse()?, limits };
    cluster::join(registry, &mut server, options)?;
    Ok(server)
}
