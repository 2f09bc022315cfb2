//! Nothing may leak: one test of a process runs at a time, and gives everything back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use reactor::Reactor;

use super::PATIENCE;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What was open before a test began. While it lives, no other test of the process runs.
#[derive(Debug)]
pub struct Leaks {
    descriptors: Option<usize>,
    /// The last to be dropped.
    _turn: MutexGuard<'static, ()>,
}

impl Leaks {
    /// Waits for this test's turn, and counts. Call it before the first socket is opened.
    #[must_use]
    pub fn watch() -> Self {
        // A test that failed has poisoned it, and closed its sockets.
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self { descriptors: open_descriptors(), _turn: turn }
    }

    /// Ends the loop and asks for everything back. The test's own sockets and handles have to be
    /// dropped by now, the loop's listeners closed, and its timers cancelled.
    #[track_caller]
    pub fn check<App>(self, mut reactor: Reactor<App>) {
        assert_nothing_left(&mut reactor);
        drop(reactor);
    }
}

/// Asks for the descriptors. Threads that end have a moment to give theirs back.
impl Drop for Leaks {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !thread::panicking() && open_descriptors() > self.descriptors {
            assert!(
                Instant::now() < deadline,
                "{:?} descriptors were open, now {:?} are",
                self.descriptors,
                open_descriptors()
            );
            thread::yield_now();
        }
    }
}

/// Asks a loop whose sockets are closed for all the rest.
#[track_caller]
pub fn assert_nothing_left<App>(reactor: &mut Reactor<App>) {
    let snapshot = reactor.snapshot();
    assert_eq!(reactor.registry().len(), 0, "sockets are left\n{snapshot}");
    assert_eq!(snapshot.stats.connections, 0, "connections are counted\n{snapshot}");
    assert_eq!(snapshot.stats.queued_bytes, 0, "bytes are queued\n{snapshot}");
    assert_eq!(snapshot.stats.timers, 0, "timers are set\n{snapshot}");
}

/// How many descriptors the process has open, where the system tells.
#[must_use]
pub fn open_descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}
