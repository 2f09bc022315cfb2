//! Ctrl-C, and the polite request to end: drain, then report.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use reactor::{LoopGroup, Registry, Signal};

use crate::output;
use crate::service::notify;

/// How long a server that was asked to stop waits for its peers. What it owes them crosses any living
/// path in that time, and whoever pressed Ctrl-C is still there.
pub const GRACE: Duration = Duration::from_secs(3);

/// Shuts the loop down on SIGINT and SIGTERM, within [`GRACE`]; at the second signal, at once.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn on_request<App: 'static>(registry: &mut Registry<App>) -> io::Result<()> {
    within(registry, GRACE)
}

/// As [`on_request`], with another grace.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn within<App: 'static>(registry: &mut Registry<App>, grace: Duration) -> io::Result<()> {
    // No group of one: its handle would keep a loop from running idle.
    on_signals(registry, None, grace)
}

/// As [`within`], for all loops of a group. The signals are watched by one of them.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn all_within<App: 'static>(
    registry: &mut Registry<App>,
    group: &LoopGroup<App>,
    grace: Duration,
) -> io::Result<()> {
    on_signals(registry, Some(group), grace)
}

fn on_signals<App: 'static>(
    registry: &mut Registry<App>,
    group: Option<&LoopGroup<App>>,
    grace: Duration,
) -> io::Result<()> {
    let grace = Rc::new(Cell::new(grace));
    for signal in [Signal::Interrupt, Signal::Terminate] {
        let (grace, group) = (Rc::clone(&grace), group.cloned());
        registry.on_signal(signal, move |registry, _| {
            // What is left in its place is zero.
            let grace = grace.take();
            notify::stopping();
            let here = registry.stats().connections as usize;
            announce(group.as_ref().map_or(here, LoopGroup::connections), grace);
            // This one at once: nobody comes in any more. The others get a message.
            registry.shutdown(grace);
            group.iter().for_each(|group| group.shutdown(grace));
        })?;
    }
    Ok(())
}

fn announce(connections: usize, grace: Duration) {
    if connections > 0 && !grace.is_zero() {
        let noun = if connections == 1 { "connection" } else { "connections" };
        output::complain(format_args!(
            "waiting up to {grace:?} for {connections} {noun}; Ctrl-C again stops at once"
        ));
    }
}
