//! NATS under the whole swarm: programs that publish, hear, ask, answer each other, and share keys, by way of one
//! server, which keeps on its disk what JetStream keeps.
//!
//! ```text
//!    one ──┐        news.*    who publishes numbers what he publishes      claim.*   of those who claim one gets it
//!        broker     double    asked of all, answered by one                counter   read, and written one higher
//!    two ──┘                                                               >         watched by everybody
//! ```
//!
//! What must always hold: no message comes twice, and those of one connection come in their order; what is asked ends
//! once, with the right answer or a reason; a claim has one holder, until he gives it up; a watch tells each revision
//! once, in their order. And when all is quiet: nothing that was counted is lost; each watch has come to what is kept;
//! what was subscribed to is subscribed to again. And if nothing went wrong on the way, everything went well.

mod program;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use reactor::sim::{Host, Network, Outcome};

use self::program::Program;
use crate::broker::{self, Broker, Disk, Flaw};
use crate::cast::until_quiet;
use crate::score::Score;

/// How long faults happen.
const STORM: Duration = Duration::from_secs(6);
/// How long what is left may take afterwards: a silent connection is found out by pings.
const CALM: Duration = Duration::from_secs(300);
/// What each program does, and again as often.
const ROUNDS: u64 = 6;

/// The bucket they share.
const BUCKET: &str = "shared";
/// The key in it that they count with.
const COUNTER: &str = "counter";

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    storm(network, Flaw::None)
}

/// A little of everything without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    Stage::set(network, 1, Flaw::None).end(network)
}

/// As [`swarm`], with a server that delivers a message twice, once in a while: a canary, which has to be found.
///
/// # Errors
///
/// If it is found.
pub fn twice(network: &mut Network) -> Outcome {
    storm(network, Flaw::Twice)
}

/// As [`swarm`], with a server that writes without a look at the revision, once in a while: another canary.
///
/// # Errors
///
/// If it is found.
pub fn careless(network: &mut Network) -> Outcome {
    storm(network, Flaw::Careless)
}

fn storm(network: &mut Network, flaw: Flaw) -> Outcome {
    network.swarm();
    let stage = Stage::set(network, ROUNDS, flaw);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)?;
    stage.page.score.was_right(network)
}

/// What is known of all programs, which outlives them, as it is the test's.
#[derive(Clone, Default)]
struct Page(Rc<Notes>);

#[derive(Default)]
struct Notes {
    score: Score,
    /// How often programs have booted.
    boots: Cell<u64>,
    /// Which of them holds a claim.
    holders: RefCell<BTreeMap<String, u64>>,
    /// How often the counter was written for certain.
    counted: Cell<u64>,
    /// How often it may have been besides: nobody was told.
    uncertain: Cell<u64>,
}

impl std::ops::Deref for Page {
    type Target = Notes;

    fn deref(&self) -> &Notes {
        &self.0
    }
}

struct Stage {
    broker: Host<Broker>,
    programs: Vec<Host<Program>>,
    disk: Disk,
    page: Page,
}

impl Stage {
    /// A server, and two programs, each of which does so much.
    fn set(network: &mut Network, rounds: u64, flaw: Flaw) -> Self {
        let (disk, page) = (Disk::default(), Page::default());
        let kept = disk.clone();
        let broker =
            network.host("broker", move |registry| Broker::boot(registry, kept.clone(), flaw));
        let addresses = [
            ("one", network.address(broker, broker::PORT)),
            ("two", network.address_v6(broker, broker::PORT)),
        ];
        let programs = addresses.map(|(name, address)| {
            let page = page.clone();
            network.host(name, move |registry| Program::boot(registry, &address, &page, rounds))
        });
        let notes = page.clone();
        network.invariant("what programs are told", move |_| notes.score.nothing_wrong());
        Self { broker, programs: programs.to_vec(), disk, page }
    }

    /// Waits until everything has ended, and looks whether it is as it must be, and whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        until_quiet(network, &self.programs, CALM, |network, host| {
            network.app(host).is_none_or(Program::is_quiet)
        })?;
        self.nothing_counted_is_lost()?;
        self.everybody_hears(network)?;
        self.watches_are_right(network)?;
        for &host in &self.programs {
            if let Some((registry, program)) = network.parts(host) {
                program.close(registry);
            }
        }
        until_quiet(network, &[self.broker], CALM, |network, host| {
            network.app(host).is_none_or(|broker| broker.seats() == 0)
        })?;
        Ok(network.finish(Duration::from_secs(20))?)
    }

    fn nothing_counted_is_lost(&self) -> Outcome {
        let values = self.disk.values(BUCKET);
        let counter = values.get(COUNTER).map_or(0, |(_, value)| program::number(value));
        let (counted, uncertain) = (self.page.counted.get(), self.page.uncertain.get());
        if (counted..=counted + uncertain).contains(&counter) {
            return Ok(());
        }
        Err(format!("{counted} were counted, {uncertain} perhaps, and it says {counter}").into())
    }

    /// What was subscribed to once is so again, by whoever has lost his connection; if he knows that he has.
    fn everybody_hears(&self, network: &mut Network) -> Outcome {
        for _ in 0..10 {
            let mut marks = Vec::new();
            for &host in &self.programs {
                if let Some((registry, program)) = network.parts(host) {
                    marks.extend(program.publish(registry));
                }
            }
            let has_heard = |program: &Program| marks.iter().all(|mark| program.has_heard(mark));
            let heard = network.run_until(Duration::from_secs(5), |network| {
                self.programs.iter().all(|&it| network.app(it).is_none_or(has_heard))
            })?;
            if heard && marks.len() == self.programs.len() {
                return Ok(());
            }
        }
        Err("somebody is not subscribed any more".into())
    }

    fn watches_are_right(&self, network: &mut Network) -> Outcome {
        let values = self.disk.values(BUCKET);
        let is_right = |program: &Program| program.watched() == &values;
        let right = network.run_until(CALM, |network| {
            self.programs.iter().all(|&it| network.app(it).is_none_or(is_right))
        })?;
        if right { Ok(()) } else { Err(format!("a watch does not know of all {values:?}").into()) }
    }
}
