//! Five chat servers that are one network, over a NATS server, under the whole swarm; and the same users as on one.
//!
//! ```text
//!    far ──────┬─── a  b  c  d  e      each server hears what the users of the others do
//!    farther ──┘     ╲  ╲ │ ╱  ╱
//!                      broker          its disk, with the claims of nicks and the accounts, outlives it
//! ```
//!
//! Who runs a server makes accounts and bans on it, and ends them. In some seeds a server is down for a while, and in some
//! there is a sixth one, of the name of another.
//!
//! What must always hold is what holds on one: each user's books are right, so nobody joins twice, or goes who was not
//! there, also when a server is lost and comes back; what is said on a channel comes once, in the order of the speaker's
//! server; and a history has what its reader has heard, each line as everybody hears it. When all is quiet:
//!
//! - all servers have the same picture of users, channels and members, so a nick names one user everywhere;
//! - all have the same accounts, registered channels and bans, which are those of the bucket, and such as follow of what
//!   was confirmed to those who changed them, and each change has been answered;
//! - nobody is logged in to an account that is gone, or there under a ban, and a channel is shown as registered that is;
//! - the claims are the nicks of those who are there: what a server claimed that was killed is given back.
//!
//! And where nothing went wrong nobody has lost a nick.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts, split_entries};
use protocols::chat::{Server, Settings, cluster};
use protocols::nats::{ClientOptions, ServerAddr};
use reactor::sim::{FaultCounts, Host, Network, Outcome};
use reactor::{Address, Registry};
use serde_json::Value;

use super::admin::{Admin, Ledger};
use super::books::Library;
use super::crowd::{Crowd, Size};
use super::{CALM, PORT, STORM, serve};
use crate::broker::{self, Broker, Disk, Flaw};
use crate::cast::until_quiet;
use crate::score::Score;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Nobody is let in until the accounts are known.
const SIZE: Size =
    Size { first: 3_000, stays: true, returns: 3, has_accounts: true, ..Size::of(8, 3, 20) };
/// The same users, who come in one moment and want the same few nicks.
const CROWDED: Size = Size { beginnings: 2, nicks: 20, ..SIZE };
/// Where the servers keep the claims of nicks, and the accounts.
const CLAIMS: &str = "chat-Chat-nicks";
const ACCOUNTS: &str = "chat-Chat-accounts";
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

/// Without faults, but that a server is not told of what another has written, once in a while, and cannot see that: a
/// canary for accounts.
///
/// # Errors
///
/// If it is found.
pub fn deaf(network: &mut Network) -> Outcome {
    run(network, SIZE, Flaw::Deaf)
}

/// Without faults, but that nothing is deleted, though it is said to be: a canary for claims.
///
/// # Errors
///
/// If it is found.
pub fn sticky(network: &mut Network) -> Outcome {
    run(network, SIZE, Flaw::Keeps)
}

/// Without faults, but that one server has accounts of its own.
///
/// # Errors
///
/// If it is found.
pub fn apart(network: &mut Network) -> Outcome {
    run_with(network, SIZE, Flaw::None, Mistake::Apart)
}

/// Without faults, but that one server remembers three lines.
///
/// # Errors
///
/// If it is found.
pub fn forgetful(network: &mut Network) -> Outcome {
    run_with(network, SIZE, Flaw::None, Mistake::Forgetful)
}

/// Something that is wrong with the last server, so that one sees whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    Apart,
    Forgetful,
}

fn run(network: &mut Network, size: Size, flaw: Flaw) -> Outcome {
    run_with(network, size, flaw, Mistake::None)
}

fn run_with(network: &mut Network, size: Size, flaw: Flaw, mistake: Mistake) -> Outcome {
    let stage = Stage::set(network, size, flaw, mistake);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)?;
    match stage.is_disturbed {
        true => Ok(()),
        false => stage.score.was_right(network),
    }
}

struct Stage {
    nodes: Vec<Node>,
    crowds: Vec<Host<Crowd>>,
    disk: Disk,
    ledger: Ledger,
    score: Score,
    /// Something was done to it that is no fault of the network's.
    is_disturbed: bool,
}

/// A server, and how often it has begun.
struct Node {
    host: Host<Server>,
    name: &'static str,
    lives: Rc<Cell<u64>>,
}

impl Stage {
    fn set(network: &mut Network, size: Size, flaw: Flaw, mistake: Mistake) -> Self {
        let (score, disk, ledger) = (Score::default(), Disk::default(), Ledger::default());
        let kept = disk.clone();
        let broker =
            network.host("broker", move |registry| Broker::boot(registry, kept.clone(), flaw));
        let nats = network.address(broker, broker::PORT);
        let has_twin = network.choose(8) == 7;
        let last = NAMES[NAMES.len() - 1];
        let names = NAMES.into_iter().chain(has_twin.then_some(last)).enumerate();
        let nodes = names.map(|(at, name)| {
            let lives = Rc::new(Cell::new(0));
            let life = Rc::clone(&lives);
            let (nats, ledger, score) = (nats.clone(), ledger.clone(), score.clone());
            // Those who run the two of one name are two.
            let by = if at < NAMES.len() { name } else { "twin" };
            let mistake = if at == NAMES.len() - 1 { mistake } else { Mistake::None };
            let host = network.host(by, move |registry| {
                life.set(life.get() + 1);
                Admin::new(by, life.get(), &ledger, &score).come(registry);
                serve_as(registry, &nats, name, mistake)
            });
            Node { host, name: by, lives }
        });
        let nodes: Vec<_> = nodes.collect();
        let addresses: Vec<_> = nodes.iter().map(|node| network.address(node.host, PORT)).collect();
        let library = Library::default();
        let crowds = ["far", "farther"]
            .map(|name| network.host(name, Crowd::maker(&score, &library, &addresses, size)));
        let mut stage =
            Self { nodes, crowds: crowds.into(), disk, ledger, score, is_disturbed: has_twin };
        stage.watch(network);
        stage.disturb(network);
        stage
    }

    /// The second one of a name begins later, or with the first. Now and then a server is killed, and comes back sooner or
    /// later: before it is missed, or when it was lost.
    fn disturb(&mut self, network: &mut Network) {
        if let Some(twin) = self.nodes.get(NAMES.len()).map(|node| node.host)
            && network.choose(2) == 1
        {
            network.crash(twin);
            let after = Duration::from_millis(network.choose(12_000));
            network.at(after, move |network| network.restart(twin));
        }
        if network.choose(4) != 3 {
            return;
        }
        self.is_disturbed = true;
        let host = self.nodes[network.choose(self.nodes.len() as u64) as usize].host;
        let at = Duration::from_millis(1_000 + network.choose(15_000));
        let until = at + Duration::from_millis(network.choose(20_000));
        network.at(at, move |network| network.crash(host));
        network.at(until, move |network| network.restart(host));
    }

    /// Has everything that must always hold looked at after each step, or often.
    fn watch(&self, network: &mut Network) {
        let score = self.score.clone();
        network.invariant("what users hear", move |_| score.nothing_wrong());
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.host).collect();
        let steps = Cell::new(0_u64);
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
        self.settle(network)?;
        self.nobody_has_lost_a_nick(network)?;
        for &crowd in &self.crowds {
            if let Some((_, crowd)) = network.parts(crowd) {
                crowd.size.stays = false;
            }
        }
        until_quiet(network, &self.crowds, CALM, |network, host| {
            network.app(host).is_none_or(|crowd| crowd.due == 0)
        })?;
        self.settle(network)?;
        Ok(network.finish(Duration::from_secs(20))?)
    }

    /// Waits until all is as it must be when it is quiet; else what is not.
    fn settle(&self, network: &mut Network) -> Outcome {
        let mut wrong = None;
        for _ in 0..PATIENCE {
            network.run_for(SETTLE)?;
            wrong = self.wrong(network);
            if wrong.is_none() {
                return Ok(());
            }
        }
        wrong.map_or(Ok(()), |wrong| Err(wrong.into()))
    }

    fn wrong(&self, network: &mut Network) -> Option<String> {
        let names: Vec<_> = self.nodes.iter().map(|node| node.name).collect();
        let pictures: Option<Vec<_>> =
            self.nodes.iter().map(|it| network.app(it.host).map(Server::picture)).collect();
        let Some(pictures) = pictures else { return Some("a server is down".to_owned()) };
        difference(&names, &pictures)
            .or_else(|| wrong_claims(&pictures[0], &self.disk))
            .or_else(|| self.wrong_accounts(network))
    }

    /// Where the accounts of a server are not those of the bucket, or not such as they were made, or not as they are shown.
    fn wrong_accounts(&self, network: &mut Network) -> Option<String> {
        let bucket = self.disk.values(ACCOUNTS).into_values();
        let bucket = bucket.map(|(_, text)| String::from_utf8_lossy(&text).into_owned());
        // What belongs to an account that is gone may be left.
        let (what_belongs, bucket): (BTreeSet<_>, BTreeSet<_>) =
            bucket.partition(|text| text.starts_with("of "));
        let lives: Vec<_> = self.nodes.iter().map(|node| (node.name, node.lives.get())).collect();
        for node in &self.nodes {
            let (_, server) = network.parts(node.host)?;
            let known: String = server.accounts().export("").map(|(_, text)| text).collect();
            let known = split_entries(&known).map(str::to_owned);
            let (belong, known): (BTreeSet<_>, BTreeSet<_>) =
                known.partition(|text| text.starts_with("of "));
            let wrong = if known != bucket || !belong.is_subset(&what_belongs) {
                let truth = format!("{bucket:#?} {what_belongs:#?}");
                Some(format!("knows {known:#?} {belong:#?}, and there is {truth}"))
            } else {
                server.check_quiet().err().or_else(|| self.ledger.contradiction(&lives, server))
            };
            if let Some(wrong) = wrong {
                return Some(format!("{}: {wrong}", node.name));
            }
        }
        None
    }

    /// Where nothing went wrong nobody has got what was another's.
    fn nobody_has_lost_a_nick(&self, network: &Network) -> Outcome {
        let crowds = self.crowds.iter().filter_map(|&it| network.app(it));
        let lost: u64 = crowds.map(|crowd| crowd.lost_nicks).sum();
        if lost > 0 && !self.is_disturbed && network.fault_counts() == FaultCounts::default() {
            return Err(
                format!("somebody has lost its nick, {lost} times, and need not have").into()
            );
        }
        Ok(())
    }
}

/// What a server shows of the network.
type Picture = BTreeSet<String>;

/// Where the pictures of two servers differ. Of two of one name one is in the network, and the other is alone.
fn difference(names: &[&str], pictures: &[Picture]) -> Option<String> {
    let first = &pictures[0];
    let differs = |picture: &Picture, name| {
        let only =
            |one: &Picture, other| one.difference(other).cloned().collect::<Vec<_>>().join("\n  ");
        let (ours, theirs) = (only(first, picture), only(picture, first));
        (picture != first).then(|| format!("on a alone:\n  {ours}\non {name} alone:\n  {theirs}"))
    };
    let (all, of_one_name) = pictures.split_at(NAMES.len() - 1);
    let others = all.iter().zip(names).find_map(|(picture, name)| differs(picture, name));
    let mut twins = of_one_name.iter().zip(&names[NAMES.len() - 1..]);
    let twins = twins
        .try_fold(String::new(), |all, (picture, name)| differs(picture, name).map(|it| all + &it));
    others.or(twins)
}

/// Where the claims are not the nicks of those who are there, each of its holder. Whoever goes by its name in the network
/// has claimed nothing.
fn wrong_claims(picture: &Picture, disk: &Disk) -> Option<String> {
    let users = picture.iter().filter_map(|line| line.strip_prefix("user "));
    let users = users.filter_map(|line| {
        let (id, rest) = line.split_once(' ')?;
        let nick = rest.split('!').next()?.to_ascii_lowercase();
        (!nick.starts_with(|it: char| it.is_ascii_digit())).then(|| (nick, id.to_owned()))
    });
    let users: BTreeMap<_, _> = users.collect();
    let claims = disk.values(CLAIMS).into_iter().map(|(nick, (_, value))| {
        let value = serde_json::from_slice::<Value>(&value).unwrap_or_default();
        (nick, value["user"].as_str().unwrap_or_default().to_owned())
    });
    let claims: BTreeMap<_, _> = claims.collect();
    (claims != users).then(|| format!("the claims are {claims:?}, and the users {users:?}"))
}

/// A server that boots, as a node.
fn serve_as(
    registry: &mut Registry<Server>,
    nats: &Address,
    name: &str,
    mistake: Mistake,
) -> Result<Server, Box<dyn Error>> {
    let mut settings = Settings { name: format!("{name}.test"), ..Settings::default() };
    if mistake == Mistake::Forgetful {
        settings.limits.history_messages = 3;
    }
    // Of those who quit with another server some show one user at a time, and some all. Answers are as long there.
    if ["a", "c", "e"].contains(&name) {
        (settings.limits.send_queue, settings.limits.flood_control) = (1_024, false);
    }
    let accounts = match mistake {
        Mistake::Apart => Accounts::in_memory(AccountLimits::default()),
        _ => Accounts::of_network(AccountLimits::default()),
    };
    let mut server = serve(registry, settings, accounts)?;
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
