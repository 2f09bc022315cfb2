//! How long a client may say nothing, and how long it may take to say who it is.
//!
//! Words only note the time. One timer looks at that when the client *could* have been silent for too long,
//! and goes back to sleep until the next time it could. What brings that moment nearer, such as a login
//! where silence is shorter than the time for one, moves the timer as well: so it is looked at after every
//! event of a session.

use std::time::Instant;

use reactor::TimerId;

use super::Conversation;
use super::state::{State, Work};
use crate::transfer::ftp::{Limits, Server};

/// When a session is looked at.
#[derive(Debug)]
pub(super) struct Watch {
    timer: TimerId,
    due: Instant,
}

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// Sees to it that the session is looked at in time.
    pub(super) fn watch(&mut self) {
        let limits = self.server().limits().clone();
        let Some(state) = self.state() else {
            return;
        };
        let Some(due) = state.silence_ends(&limits) else {
            return;
        };
        match &state.watch {
            // If it is too early, it is set anew then.
            Some(watch) if watch.due <= due => {}
            _ => self.watch_until(due),
        }
    }

    /// Nobody is there any more.
    pub(super) fn stop_watching(&mut self) {
        if let Some(watch) = self.state().and_then(|state| state.watch.take()) {
            self.registry.cancel(watch.timer);
        }
    }

    fn watch_until(&mut self, due: Instant) {
        self.stop_watching();
        let delay = due.saturating_duration_since(self.registry.now());
        let timer = self.after(delay, |it| {
            if let Some(state) = it.state() {
                state.watch = None;
            }
            it.end_if_silent();
        });
        match (timer, self.state()) {
            (Some(timer), Some(state)) => state.watch = Some(Watch { timer, due }),
            // Without a timer nobody would ever see to it.
            _ => self.close(),
        }
    }

    fn end_if_silent(&mut self) {
        let now = self.registry.now();
        let limits = self.server().limits().clone();
        let due = self.state().and_then(|state| state.silence_ends(&limits));
        if due.is_some_and(|due| due <= now) {
            self.reply(421, "Nothing was said for long; goodbye.");
            self.close();
        }
    }
}

impl State {
    /// When the client has been silent for too long, or has taken too long to log in; never, while
    /// something is done for it.
    fn silence_ends(&self, limits: &Limits) -> Option<Instant> {
        match (&self.work, self.account()) {
            (Work::Idle, None) => self.strange_since.checked_add(limits.login_timeout),
            (Work::Idle, Some(_)) => self.active.checked_add(limits.idle_timeout),
            (Work::Busy | Work::Transfer(_) | Work::Over, _) => None,
        }
    }
}
