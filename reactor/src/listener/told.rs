//! What a program can tell a listener by its id, and how it hears of its end.

use std::rc::Rc;

use super::State;
use crate::registry::Registry;
use crate::slots::Found;
use crate::source::Source;
use crate::trace::Callback;
use crate::{CloseReason, ListenerId, Stale, StreamLimits};

impl<App> Registry<App> {
    /// Has a closure called if a listener ends by itself: somebody else who has the socket has shut it down,
    /// a process it was inherited from, say. Its id is stale then. It is not called for what the program does
    /// itself: to close or to detach it, or to shut the loop down.
    ///
    /// ```
    /// # use reactor::{ListenerId, Registry, Stale};
    /// # use std::time::Duration;
    /// fn watch<App: 'static>(registry: &mut Registry<App>, listener: ListenerId) -> Result<(), Stale> {
    ///     registry.on_listener_end(listener, |registry, _app, reason| {
    ///         eprintln!("nobody comes in any more: {reason}");
    ///         registry.shutdown(Duration::from_secs(5));
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn on_listener_end(
        &mut self,
        id: ListenerId,
        told: impl FnOnce(&mut Self, &mut App, &CloseReason) + 'static,
    ) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Listener(listener)) => {
                listener.on_end = Some(Box::new(told));
                Ok(())
            }
            _ => Err(Stale),
        }
    }

    /// Accepts nobody until [`resume_listener`](Self::resume_listener): whoever connects waits in the system's
    /// queue, and is turned away by the system when that is full.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn pause_listener(&mut self, id: ListenerId) -> Result<(), Stale> {
        let Found::Here(Source::Listener(listener)) = self.slots.find(id.0) else {
            return Err(Stale);
        };
        match listener.state {
            State::Accepting => listener.state = State::Paused,
            State::Resting(timer) => {
                listener.state = State::Paused;
                self.wheel.cancel(timer);
            }
            State::Paused => {}
            State::Closed => return Err(Stale),
        }
        Ok(())
    }

    /// Goes on accepting after [`pause_listener`](Self::pause_listener): those who waited come in.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn resume_listener(&mut self, id: ListenerId) -> Result<(), Stale> {
        let Found::Here(Source::Listener(listener)) = self.slots.find(id.0) else {
            return Err(Stale);
        };
        match listener.state {
            State::Closed => Err(Stale),
            State::Accepting | State::Resting(_) => Ok(()),
            State::Paused => {
                listener.state = State::Accepting;
                // No event will remind us of those who came meanwhile.
                if !std::mem::replace(&mut listener.is_ready, true) {
                    self.ledger.ready.push_back(id.0);
                }
                Ok(())
            }
        }
    }

    /// The limits of connections that a listener accepts.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn listener_limits(&self, id: ListenerId) -> Result<&StreamLimits, Stale> {
        match self.slots.get(id.0) {
            Some(Some(Source::Listener(listener))) => Ok(&listener.limits),
            _ => Err(Stale),
        }
    }

    /// Changes the limits of connections that a listener accepts from now on. Those it has accepted keep theirs.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn set_listener_limits(
        &mut self,
        id: ListenerId,
        limits: StreamLimits,
    ) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Listener(listener)) => {
                listener.limits = Rc::new(limits);
                Ok(())
            }
            _ => Err(Stale),
        }
    }

    /// Removes a listener that has ended by itself, and tells the program if it wants to know.
    pub(crate) fn bury_listener(&mut self, id: ListenerId, reason: &CloseReason, app: &mut App) {
        let Ok(listener) = self.remove_listener(id) else {
            return;
        };
        let Some(told) = listener.on_end else {
            return;
        };
        self.run_callback(Some(id.into()), Callback::Close, |registry| {
            told(registry, app, reason);
        });
    }
}
