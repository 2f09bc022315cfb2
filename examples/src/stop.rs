//! Ctrl-C, and the polite request to end: drain, then report.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Registry, Signal};

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
    let grace = Rc::new(Cell::new(grace));
    for signal in [Signal::Interrupt, Signal::Terminate] {
        let grace = Rc::clone(&grace);
        registry.on_signal(signal, move |registry, _app| {
            // What is left in its place is zero.
            let grace = grace.take();
            notify::stopping();
            announce(registry, grace);
            registry.shutdown(grace);
        })?;
    }
    Ok(())
}

fn announce<App>(registry: &Registry<App>, grace: Duration) {
    let connections = registry.stats().connections;
    if connections > 0 && !grace.is_zero() {
        let noun = if connections == 1 { "connection" } else { "connections" };
        output::complain(format_args!(
            "waiting up to {grace:?} for {connections} {noun}; Ctrl-C again stops at once"
        ));
    }
}
