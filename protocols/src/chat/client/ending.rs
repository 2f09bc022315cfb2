//! The end of a conversation, and that of a pause in it.

use reactor::Registry;

use super::life::{State, connect};
use super::{Caller, Client};
use crate::chat::Builder;

impl Client {
    /// Connects at once, if it waits to connect again.
    pub fn reconnect_now<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let State::Resting(Some(timer)) = self.state {
            registry.cancel(timer);
            self.state = State::Resting(None);
            let id = self.id;
            registry.defer(move |registry, app| connect(registry, app, id));
        }
    }

    /// Says goodbye, when everything that waits has been said, and ends the conversation.
    pub fn quit<App: Caller>(&mut self, registry: &mut Registry<App>, reason: &str) {
        match self.state {
            State::Online { connection, .. } => {
                self.state = State::Quitting { connection, sent: None };
                let quit = Builder::new().command("QUIT").text(reason).finish_cut();
                let quit = quit.unwrap_or_else(|_| b"QUIT\r\n".to_vec());
                // If there is no room it leaves without a word.
                let _ = self.outgoing.push(quit.into());
                self.flush(registry);
            }
            State::Registering { connection, .. } | State::Connecting(connection) => {
                self.state = State::Quitting { connection, sent: Some(registry.now()) };
                // It fails if the connection has ended: then `on_close` is on its way.
                let _ = registry.close(connection);
            }
            State::Resting(timer) => {
                timer.map(|timer| registry.cancel(timer));
                self.state = State::Over;
                let id = self.id;
                registry.defer(move |registry, app| app.on_finish(registry, id, Ok(())));
            }
            State::Quitting { .. } | State::Failing(..) | State::Over => {}
        }
    }

    /// Ends the conversation now: `QUIT` leaves, and what waits does not.
    pub fn quit_now<App: Caller>(&mut self, registry: &mut Registry<App>, reason: &str) {
        self.outgoing.forget_budget(&self.options.limits);
        self.quit(registry, reason);
        if let State::Quitting { connection, .. } = self.state {
            // It fails if the connection has ended: then `on_close` is on its way.
            let _ = registry.close(connection);
        }
    }
}
