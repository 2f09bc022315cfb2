//! Says when a server is out of descriptors, and when it has some again.

use std::time::Duration;

use reactor::Registry;

use crate::output;

/// So long nobody is refused when it has some again: two lines for that time at most.
const QUIET: Duration = Duration::from_secs(1);

/// Has the loop that accepts say so, however many are turned away meanwhile.
pub(super) fn tell<App: 'static>(registry: &mut Registry<App>) {
    registry.on_accept_failure(move |registry, _, _, _| {
        // It is the first of them; until the shortage is over nobody else is told.
        registry.on_accept_failure(|_, _, _, _| {});
        let advice = "who connects waits or is refused; ulimit -n raises their number";
        output::complain(format_args!("out of descriptors: {advice}"));
        let refused = registry.stats().refused_no_descriptor;
        look_later(registry, refused, registry.stats().accept_errors);
    });
}

/// Looks after a while whether `accept` has failed again: it does each time, while there are no descriptors.
fn look_later<App: 'static>(registry: &mut Registry<App>, first: u64, failed: u64) {
    let later = registry.after(QUIET, move |registry, _| {
        let stats = registry.stats();
        if stats.accept_errors > failed {
            return look_later(registry, first, stats.accept_errors);
        }
        let refused = stats.refused_no_descriptor - first;
        output::complain(format_args!(
            "there are descriptors again; connections refused: {refused}"
        ));
        tell(registry);
    });
    // Without a timer the next shortage is told of.
    if later.is_err() {
        tell(registry);
    }
}
