//! What the scenarios share: how they keep score, draw numbers, and collect what was fetched.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use reactor::sim::{FaultCounts, Network, Outcome};
use reactor::{Registry, Snapshot};

/// What has become of what all hosts have begun. It survives their crashes.
#[derive(Clone, Default)]
pub(super) struct Score(Rc<RefCell<Counts>>);

#[derive(Default)]
struct Counts {
    well: u64,
    failed: u64,
    wrong: Vec<String>,
}

impl Score {
    /// Something has ended, well or with a reason.
    pub(super) fn note_end(&self, well: bool) {
        let mut counts = self.0.borrow_mut();
        if well {
            counts.well += 1;
        } else {
            counts.failed += 1;
        }
    }

    /// Something has happened that must not, whatever the network does.
    pub(super) fn note_wrong(&self, what: String) {
        self.0.borrow_mut().wrong.push(what);
    }

    /// For an invariant: the first thing that was wrong.
    ///
    /// # Errors
    ///
    /// If there is one.
    pub(super) fn nothing_wrong(&self) -> Result<(), String> {
        self.0.borrow().wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
    }

    /// Looks whether what failed had a reason to.
    ///
    /// # Errors
    ///
    /// If something failed, and the network has done nothing to it.
    pub(super) fn was_right(&self, network: &Network) -> Outcome {
        let Counts { well, failed, .. } = *self.0.borrow();
        if failed > 0 && network.fault_counts() == FaultCounts::default() {
            return Err(format!("{failed} of {} failed without a fault", well + failed).into());
        }
        Ok(())
    }
}

/// Numbers for a host to decide by.
#[derive(Debug, Default)]
pub(super) struct Draws(u64);

impl Draws {
    /// A number. Where the tape has come to its end, and says zero for ever, they still differ.
    pub(super) fn draw<App>(&mut self, registry: &mut Registry<App>) -> u64 {
        self.0 += 1;
        // The golden ratio, which spreads what is counted over all bits (Knuth, 6.4).
        let spread = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        registry.random() ^ spread.rotate_left(32)
    }
}

/// Where a fetched file goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sink(Rc<RefCell<Vec<u8>>>);

impl Sink {
    /// What has come so far, which is gone from it then.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is left where nothing should be.
pub(super) fn still_there(snapshots: impl IntoIterator<Item = Snapshot>) -> String {
    let text = "still there:".to_owned();
    snapshots.into_iter().fold(text, |text, snapshot| format!("{text}\n{snapshot}"))
}
