//! One run of a scenario, and what it came to.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::broken::Broken;
use super::network::Network;
use super::panics::{self, Watch};
use super::{Call, CallFault, Choices, FaultCounts, Tape};
use crate::trace::Trace;

/// What a scenario comes to: `?` works in it on [`Broken`], and on any other error.
pub type Outcome = Result<(), Box<dyn Error>>;

/// One run of a scenario: how it ended, and what happened in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// The seed it was run on; `None` if that was a tape.
    pub seed: Option<u64>,
    /// The call that was made to meet a fault, by its number.
    pub call_fault: Option<(u64, CallFault)>,
    /// Whether it passed. If not: the error of the scenario, what was [`Broken`], or the panic.
    pub result: Result<(), String>,
    /// The hash of its trace. Two runs with the same hash did the same.
    pub hash: u64,
    /// How many steps the network made.
    pub steps: u64,
    /// How many records the trace has come to.
    pub records: u64,
    /// How often each fault has happened.
    pub faults: FaultCounts,
    /// What was chosen: on this tape the same happens again.
    pub tape: Tape,
    /// How long it took, in the time of the network.
    pub length: Duration,
    /// Every call that the loops made to their systems, in order.
    pub calls: Vec<Call>,
    /// The latest records.
    pub trace: Trace,
    failure: Option<Kind>,
}

/// What a run begins with.
pub(super) struct Start {
    /// Where the choices are a seed's.
    pub(super) seed: Option<u64>,
    pub(super) choices: Choices,
    /// The call that meets a fault, by its number.
    pub(super) call_fault: Option<(u64, CallFault)>,
    /// How many records are kept.
    pub(super) records: usize,
    /// How many steps it may make.
    pub(super) steps: u64,
    /// Whether panics are not printed.
    pub(super) is_quiet: bool,
}

/// By what a failure is known again, though its numbers are others: what does not hold, the first
/// words of an error, where it was that somebody panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    what: String,
    place: Option<String>,
}

struct Failing {
    message: String,
    kind: Kind,
}

impl Run {
    /// Whether it failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.result.is_err()
    }

    /// What went wrong, if something did.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.result.as_ref().err().map(String::as_str)
    }

    /// Whether this run and another have failed in the same way: the same invariant is broken, or
    /// the errors begin with the same words, or the panics are at the same place. Numbers do not
    /// count, for they are what changes first.
    #[must_use]
    pub fn fails_like(&self, other: &Self) -> bool {
        self.failure.is_some() && self.failure == other.failure
    }

    /// Runs a scenario.
    pub(super) fn of(scenario: &impl Fn(&mut Network) -> Outcome, start: Start) -> Self {
        let Start { seed, choices, call_fault, records, steps, is_quiet } = start;
        let watch = Watch::begin(is_quiet);
        let mut network = Network::with_records(choices, records);
        network.step_limit = steps;
        network.world.borrow_mut().calls.record = Some(Vec::new());
        network.world.borrow_mut().calls.plan = call_fault;
        let failing = play(scenario, &mut network);
        let (result, failure) = match failing {
            None => (Ok(()), None),
            Some(Failing { message, kind }) => (Err(message), Some(kind)),
        };
        let run = Self {
            seed,
            call_fault,
            result,
            hash: network.hash(),
            steps: network.steps(),
            records: network.ring.borrow().total(),
            faults: network.fault_counts(),
            tape: network.tape().into(),
            length: network.now(),
            calls: network.world.borrow_mut().calls.record.take().unwrap_or_default(),
            trace: network.trace(),
            failure,
        };
        // An application that a panic left half changed may panic once more when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(network)));
        drop(watch);
        run
    }
}

/// Has the scenario do what it does; in what way it fails, if it does.
fn play(scenario: &impl Fn(&mut Network) -> Outcome, network: &mut Network) -> Option<Failing> {
    match catch_unwind(AssertUnwindSafe(|| scenario(network))) {
        // One that did not care that something was broken is none the better for it.
        Ok(Ok(())) => network.first_broken.as_ref().map(|broken| Failing::of_error(broken)),
        Ok(Err(error)) => Some(Failing::of_error(&*error)),
        Err(panic) => Some(Failing::of_panic(&crate::offload::panic_message(&*panic))),
    }
}

impl Failing {
    fn of_error(error: &(dyn Error + 'static)) -> Self {
        let message = error.to_string();
        let kind = match error.downcast_ref::<Broken>() {
            Some(broken) => Kind::of_broken(broken),
            None => Kind { what: first_words(&message), place: None },
        };
        Self { message, kind }
    }

    fn of_panic(said: &str) -> Self {
        let place = panics::last().map(|panic| panic.place);
        let message = match &place {
            Some(place) => format!("the scenario panics at {place}: {said}"),
            None => format!("the scenario panics: {said}"),
        };
        Self { message, kind: Kind { what: "a panic".to_owned(), place } }
    }
}

impl Kind {
    fn of_broken(broken: &Broken) -> Self {
        use super::contract::{CONTRACT, NO_PANICS};
        match broken.what.as_str() {
            // What the network itself looks after has several ways of being broken.
            CONTRACT => Self { what: first_words(&broken.how), place: None },
            NO_PANICS => {
                let place = panics::last().map(|panic| panic.place);
                Self { what: broken.what.clone(), place }
            }
            _ => Self { what: broken.what.clone(), place: None },
        }
    }
}

/// What a message says before its first colon, without numbers.
fn first_words(message: &str) -> String {
    let words = message.split(':').next().unwrap_or_default();
    words.chars().filter(|character| !character.is_ascii_digit()).collect()
}
