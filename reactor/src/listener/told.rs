//! What a program can tell a listener by its id, and how it hears of its end.

use std::borrow::Borrow;
use std::rc::Rc;

use super::{Drained, State};
use crate::net::Readiness;
use crate::registry::Registry;
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
        self.slots.listener_mut(id)?.on_end = Some(Box::new(told));
        Ok(())
    }

    /// Accepts nobody until [`resume_listener`](Self::resume_listener): whoever connects waits in the system's
    /// queue, and is turned away by the system when that is full.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn pause_listener(&mut self, id: ListenerId) -> Result<(), Stale> {
        let listener = self.slots.listener_mut(id)?;
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
        let listener = self.slots.listener_mut(id)?;
        match listener.state {
            State::Draining(_) | State::Drained(_) | State::Closed => Err(Stale),
            State::Accepting | State::Resting(_) => Ok(()),
            State::Paused => {
                listener.state = State::Accepting;
                // No event will remind us of those who came meanwhile.
                listener.make_ready(id.0, &mut self.ledger);
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
        let listener = self.slots.listener_mut(id)?;
        listener.state = State::Draining(Drained::default());
        listener.on_drained = Some(Box::new(done));
        listener.rate = None;
        // Only the call tells that the queue is empty.
        listener.note_readiness(Readiness::READ);
        listener.make_ready(id.0, &mut self.ledger);
        Ok(())
    }

    /// The limits of connections that a listener accepts.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn listener_limits(&self, id: ListenerId) -> Result<&StreamLimits, Stale> {
        self.slots.listener(id).map(|listener| &*listener.entrance.limits)
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
        self.slots.listener_mut(id)?.entrance.limits = Rc::new(limits.borrow().clone());
        Ok(())
    }

    /// Removes a listener that has ended by itself, and tells the program if it wants to know.
    pub(crate) fn bury_listener(&mut self, id: ListenerId, reason: &CloseReason, app: &mut App) {
        let Ok(state) = self.slots.listener(id).map(|listener| listener.state) else { return };
        let Ok(listener) = self.remove_listener(id) else { return };
        let subject = Some(id.into());
        if let (State::Drained(drained), Some(done)) = (state, listener.on_drained) {
            self.run_callback(subject, Callback::Close, |registry| done(registry, app, drained));
        } else if let Some(told) = listener.on_end {
            self.run_callback(subject, Callback::Close, |registry| told(registry, app, reason));
        }
    }
}
