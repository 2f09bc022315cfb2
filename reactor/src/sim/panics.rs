//! Panics while a scenario runs: what they said, and that hundreds of them do not fill a terminal.
//!
//! A panic's message goes to the panic hook of the process, and a callback's panic is caught by its
//! loop, so the hook is the only place that sees where every panic came from. The first run of a
//! [`Simulation`](super::Simulation) therefore puts a hook of its own before the one that was there.
//! It concerns only threads on which a scenario is running: it notes what they say there, and passes
//! it on unless a search, a shrink or a torture is at work, which would print the same hundreds of
//! times. A program that sets another hook later loses the place of a panic, and nothing else.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

/// What a panic said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panic {
    /// File, line and column.
    pub(super) place: String,
    pub(super) message: String,
}

/// As long as it is there, panics on this thread are noted.
pub(super) struct Watch {
    before: Option<Noted>,
}

struct Noted {
    is_quiet: bool,
    last: Option<Panic>,
}

thread_local! {
    /// `None` while no scenario runs.
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

impl Watch {
    pub(super) fn begin(is_quiet: bool) -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(install);
        let before = NOTED.replace(Some(Noted { is_quiet, last: None }));
        Self { before }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        NOTED.set(self.before.take());
    }
}

/// The last panic of the scenario that runs on this thread.
pub(super) fn last() -> Option<Panic> {
    NOTED.with_borrow(|noted| noted.as_ref()?.last.clone())
}

fn install() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // A thread that is ending has no notes any more, and no scenario.
        let is_quiet = NOTED.try_with(|noted| note(noted, info)).unwrap_or(false);
        if !is_quiet {
            previous(info);
        }
    }));
}

/// Whether nothing is to be printed of it.
fn note(noted: &RefCell<Option<Noted>>, info: &PanicHookInfo<'_>) -> bool {
    let mut noted = noted.borrow_mut();
    let Some(noted) = noted.as_mut() else { return false };
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    noted.last = Some(Panic { place, message: crate::offload::panic_message(info.payload()) });
    noted.is_quiet
}
