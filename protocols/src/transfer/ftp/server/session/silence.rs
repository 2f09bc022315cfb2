//! How long a client may say nothing, and how long it may take to say who it is.
//!
//! Words only note the time. One timer looks at that when the client *could* have been silent for too long,
//! and goes back to sleep until the next time it could. What brings that moment nearer, such as a login
//! where silence is shorter than the time for one, moves the timer as well: so it is looked at after every
//! event of a session.

use std::time::Instant;

use super::Conversation;
use super::state::SILENCE;
use super::state::{Session, Work};
use crate::transfer::ftp::Limits;

impl Conversation<'_> {
    /// Sees to it that the session is looked at in time.
    pub(super) fn watch(&mut self) {
        let due = self.session.silence_ends(self.server.limits());
        match (due, self.session.watched) {
            (None, _) => {}
            // If it is too early, it is set anew then.
            (Some(due), Some(watched)) if watched <= due => {}
            (Some(due), _) => {
                let delay = due.saturating_duration_since(self.control.network().now());
                self.control.set_timer(SILENCE, delay);
                self.session.watched = Some(due);
            }
        }
    }

    /// The time has come to look.
    pub(super) fn handle_silence(&mut self) {
        self.session.watched = None;
        let now = self.control.network().now();
        let due = self.session.silence_ends(self.server.limits());
        if due.is_some_and(|due| due <= now) {
            self.reply(421, "Nothing was said for long; goodbye.");
            self.close();
        }
    }
}

impl Session {
    /// When the client has been silent for too long, or has taken too long to log in; never, while
    /// something is done for it.
    fn silence_ends(&self, limits: &Limits) -> Option<Instant> {
        match (&self.work, self.account()) {
            (Work::Idle, None) => self.logged_out_since.checked_add(limits.login_timeout),
            (Work::Idle, Some(_)) => self.active.checked_add(limits.idle_timeout),
            (Work::Busy | Work::Transfer(_) | Work::Aborting(..) | Work::Over, _) => None,
        }
    }
}
