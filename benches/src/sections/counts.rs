//! Instructions and system calls, which no noise touches.

use super::Scale;
use crate::cost::Measure;
use crate::counts::{self, Runner, Subject};
use crate::processor;
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Section};

pub(super) fn section(scale: Scale) -> Section {
    let contests: Vec<Contest> = counts::all()
        .into_iter()
        // What nobody else does here is for `check-instructions` alone.
        .filter(|subject| subject.runners.len() > 1)
        .map(|subject| contest(&subject.shortened(scale.counted_less)))
        .collect();
    Section {
        name: "counts",
        about: "User-space instructions (valgrind's callgrind) and system calls (strace) of one unit, once all \
                that a server does once is over. No noise touches them, and \
                `scripts/check-instructions` fails when one of ours grows by more than 3 %."
            .to_owned(),
        contests,
        drawings: vec![Drawing::Ratios(0)],
    }
}

fn contest(subject: &Subject) -> Contest {
    let measures = subject.measures();
    let Subject { name, about, unit, .. } = subject;
    let entrant = |runner: &Runner| {
        let (subject, runner) = (subject.clone(), runner.clone());
        Entrant::new(runner.name.clone(), move || {
            let (subject, runner) = (subject.clone(), runner.clone());
            Ok(move || {
                processor::share_one()?;
                measures.iter().map(|measure| subject.count(&runner, *measure)).collect()
            })
        })
    };
    let column = |measure: &Measure| Column::new(format!("{measure} a {unit}"), Kind::Count);
    let columns: Vec<_> = measures.iter().map(column).collect();
    let entrants = subject.runners.iter().map(entrant).collect();
    Contest::new(format!("{name}: {about}"), 1, columns, entrants)
}
