//! What a supervisor hears (`sd_notify(3)`): nothing, where there is none (`NOTIFY_SOCKET`).

use std::io;

use reactor::{Registry, TimerId, TimersFull};
use sd_notify::NotifyState;

use crate::output;

/// It serves, or has read its configuration anew.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It drains, and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// It reads its configuration anew; [`ready`] follows, however that went.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => complain(&error),
    }
}

/// Another process is the service from now on.
pub(super) fn succeeded_by(process: u32) {
    tell(&[NotifyState::MainPid(process), NotifyState::Ready]);
}

/// Says twice in the time that the supervisor allows (`WATCHDOG_USEC`) that the loop turns. It is a timer of the
/// loop: one that hangs is noticed. `None` if nobody wants to know.
pub(super) fn feed_watchdog<App: 'static>(
    registry: &mut Registry<App>,
) -> Result<Option<TimerId>, TimersFull> {
    let Some(allowed) = sd_notify::watchdog_enabled() else { return Ok(None) };
    registry.every(allowed / 2, |_, _| tell(&[NotifyState::Watchdog])).map(Some)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        complain(&error);
    }
}

/// The program serves all the same.
fn complain(error: &io::Error) {
    output::complain(format_args!("the supervisor cannot be told: {error}"));
}
