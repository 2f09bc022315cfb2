//! Timers: insert, re-arm, cancel, expire, among a thousand and among a million.

use clap::ValueEnum;

use crate::timers::{Keeper, Operation, TimerWork};
use crate::work::{Case, Clock, Contender, Group};

/// Timers that are set meanwhile.
const LIVE: [usize; 2] = [1_000, 1_000_000];

/// The group.
pub fn group() -> Group {
    let cases = LIVE.iter().flat_map(|live| {
        Operation::value_variants().iter().map(move |operation| (*operation, *live))
    });
    // A thousand that fire are over sooner than they can be measured.
    let cases = cases.filter(|case| *case != (Operation::Expire, LIVE[0]));
    Group {
        name: "timers",
        about: "What it costs to set a timer, to move it, to cancel it, and to have it fire, while so \
                many are set. The ruler is a binary heap that cancels lazily.",
        shown: "re-arm, 1000000 live",
        cases: cases.map(|(operation, live)| case(operation, live)).collect(),
    }
}

fn case(operation: Operation, live: usize) -> Case {
    Case {
        name: format!("{operation}, {live} live"),
        grows_to: None,
        unit: "timer",
        clock: Clock::Wall,
        contenders: Contender::each(Keeper::value_variants(), move |keeper| {
            TimerWork::new(keeper, operation, live)
        }),
    }
}
