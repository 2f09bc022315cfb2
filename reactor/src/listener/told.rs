//! What a program can tell a listener by its id, and how it hears of its end.

use std::borrow::Borrow;
use std::rc::Rc;

use super::{Drained, State};
use crate::net::Readiness;
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

    /// Has a closure called when a listener could not accept and rests, in want of descriptors, mostly: nobody else tells
    /// of it, since it is served again when there are some. [`Stats::refused_no_descriptor`](crate::Stats::refused_no_descriptor)
    /// says how many were turned away. It is called at the end of the turn, and for each listener at most once in
    /// [`Limits::accept_rest`](crate::Limits::accept_rest). Setting it again replaces the closure.
    pub fn on_accept_failure(&mut self, handler: impl FnMut(&mut Self, &mut App) + 'static) {
        self.accept_failed = Some(Box::new(handler));
    }

    /// A listener could not accept.
    pub(super) fn tell_of_accept_failure(&mut self) {
        if self.accept_failed.is_some() {
            self.defer(|registry, app| {
                let Some(mut handler) = registry.accept_failed.take() else { return };
                handler(registry, app);
                // Unless the handler has put another in its place.
                registry.accept_failed.get_or_insert(handler);
            });
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
            State::Draining(_) | State::Drained(_) | State::Closed => return Err(Stale),
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
            State::Draining(_) | State::Drained(_) | State::Closed => Err(Stale),
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

    /// Stops listening as soon as nobody waits in the queue any more: to close it at once resets those who do
    /// ([`close_listener`](Self::close_listener)), though their connect has succeeded. It is for one of several
    /// listeners at the same address ([`reuse_port`](crate::ListenOptions::reuse_port)), which has a queue of its own
    /// that no other one serves. Then `done` is called, unless the loop is shut down before.
    ///
    /// New connections come as long as it is there. So it ends when its queue has been found empty, or when as many
    /// have come as the queue holds ([`backlog`](crate::ListenOptions::backlog)); [`Drained`] says which. Those
    /// that come between the last look and the close are lost on every system, and nobody can count them: a
    /// listener that must lose nobody is [detached](Self::detach_listener), and adopted by another loop.
    ///
    /// # Errors
    ///
    /// If it has ended, or is being drained already.
    pub fn drain_listener(
        &mut self,
        id: ListenerId,
        done: impl FnOnce(&mut Self, &mut App, Drained) + 'static,
    ) -> Result<(), Stale> {
        // One that rests goes on at once.
        self.pause_listener(id)?;
        let Found::Here(Source::Listener(listener)) = self.slots.find(id.0) else {
            return Err(Stale);
        };
        listener.state = State::Draining(Drained::default());
        listener.on_drained = Some(Box::new(done));
        listener.rate = None;
        // Only the call tells that the queue is empty.
        listener.note_readiness(Readiness::READ);
        if !std::mem::replace(&mut listener.is_ready, true) {
            self.ledger.ready.push_back(id.0);
        }
        Ok(())
    }

    /// The limits of connections that a listener accepts.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn listener_limits(&self, id: ListenerId) -> Result<&StreamLimits, Stale> {
        match self.slots.get(id.0) {
            Some(Some(Source::Listener(listener))) => Ok(&listener.entrance.limits),
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
        limits: impl Borrow<StreamLimits>,
    ) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Listener(listener)) => {
                listener.entrance.limits = Rc::new(limits.borrow().clone());
                Ok(())
            }
            _ => Err(Stale),
        }
    }

    /// Removes a listener that has ended by itself, and tells the program if it wants to know.
    pub(crate) fn bury_listener(&mut self, id: ListenerId, reason: &CloseReason, app: &mut App) {
        let Found::Here(Source::Listener(listener)) = self.slots.find(id.0) else {
            return;
        };
        let state = listener.state;
        let Ok(listener) = self.remove_listener(id) else {
            return;
        };
        if let (State::Drained(drained), Some(done)) = (state, listener.on_drained) {
            self.run_callback(Some(id.into()), Callback::Close, |registry| {
                done(registry, app, drained);
            });
            return;
        }
        let Some(told) = listener.on_end else {
            return;
        };
        self.run_callback(Some(id.into()), Callback::Close, |registry| {
            told(registry, app, reason);
        });
    }
}
