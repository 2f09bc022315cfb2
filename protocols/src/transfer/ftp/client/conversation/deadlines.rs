//! Deadlines: what the server owes is not waited for in vain.

use std::time::{Duration, Instant};

use reactor::{ConnectionId, Registry};

use super::Client;
use crate::transfer::ftp::client::{Caller, Failure};

impl Client {
    /// Sees to it that what the server owes is not waited for in vain. A timer that fires early enough is
    /// left where it is, and looks again then.
    pub(super) fn arm<App: Caller>(&mut self, registry: &mut Registry<App>) {
        let Some(due) = self.due else {
            return;
        };
        match self.timer {
            Some((_, at)) if at <= due => return,
            Some((late, _)) => drop(registry.cancel(late)),
            None => {}
        }
        let (id, rest) = (self.id, due.saturating_duration_since(registry.now()));
        let timer = registry.after(rest, move |registry, app| handle_timer(registry, app, id));
        // Without a timer left in the loop it waits as long as TCP does.
        self.timer = timer.ok().map(|timer| (timer, due));
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

fn handle_timer<App: Caller>(registry: &mut Registry<App>, app: &mut App, id: ConnectionId) {
    let Some(client) = app.client(id) else {
        return;
    };
    client.timer = None;
    if client.is_overdue(registry.now()) {
        let patience: Duration = client.limits.reply_timeout;
        // It ends with `on_finish`.
        let _ = client.fail(registry, Failure::NoReply(patience));
    } else {
        client.arm(registry);
    }
}
