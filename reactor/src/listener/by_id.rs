//! Opening a listener, what can be told it and asked of it by its id, and how the program hears of its end.

use std::borrow::Borrow;
use std::io;
use std::rc::Rc;

use super::{Drained, Factory, Listener, State};
use crate::net::{ListenerSocket, Readiness, StdListener};
use crate::registry::{Protocol, Registry};
use crate::slots::{Found, Slots};
use crate::source::Source;
use crate::trace::Callback;
use crate::{Address, CloseReason, ListenOptions, ListenerId, OpenError, Stale, StreamLimits};

impl<App> Slots<Source<App>> {
    pub(crate) fn listener(&self, id: ListenerId) -> Result<&Listener<App>, Stale> {
        match self.get(id.0) {
            Some(Some(Source::Listener(listener))) => Ok(listener),
            _ => Err(Stale),
        }
    }

    pub(crate) fn listener_mut(&mut self, id: ListenerId) -> Result<&mut Listener<App>, Stale> {
        match self.find(id.0) {
            Found::Here(Source::Listener(listener)) => Ok(listener),
            _ => Err(Stale),
        }
    }
}

impl<App> Registry<App> {
    /// Listens, and gives every accepted connection the protocol that `factory` makes for it.
    ///
    /// ```
    /// # use reactor::{Protocol, Reactor};
    /// # struct Echo;
    /// # impl<App> Protocol<App> for Echo {}
    /// let mut reactor = Reactor::<()>::new()?;
    /// let id = reactor.registry().listen("127.0.0.1:0".parse()?, |_peer, _app| Echo)?;
    /// println!("listening on {}", reactor.registry().listener_address(id)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
    #[doc(alias("bind", "serve"))]
    pub fn listen<P: Protocol<App> + 'static>(
        &mut self,
        address: Address,
        mut factory: impl FnMut(&Address, &mut App) -> P + 'static,
    ) -> Result<ListenerId, OpenError> {
        self.listen_with(address, &ListenOptions::default(), move |peer, app| {
            Some(Box::new(factory(peer, app)))
        })
    }

    /// As [`listen`](Self::listen), with options, and with a factory that may choose between
    /// protocols, or refuse the peer with `None`. A socket that was
    /// [inherited](Self::inherit_listener) for the address is taken instead of a new one.
    ///
    /// ```
    /// use reactor::{ListenOptions, Protocol, Reactor};
    /// use std::time::Duration;
    ///
    /// struct Session;
    ///
    /// impl<App> Protocol<App> for Session {}
    ///
    /// let mut options = ListenOptions::default();
    /// options.limits.idle_timeout = Some(Duration::from_secs(300));
    /// let mut reactor = Reactor::<Vec<String>>::new()?;
    /// reactor.registry().listen_with("127.0.0.1:0".parse()?, &options, |peer, guests: &mut Vec<String>| {
    ///     if guests.len() == 100 {
    ///         return None;
    ///     }
    ///     guests.push(peer.to_string());
    ///     Some(Box::new(Session))
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn listen_with(
        &mut self,
        address: Address,
        options: &ListenOptions,
        factory: impl FnMut(&Address, &mut App) -> Option<Box<dyn Protocol<App>>> + 'static,
    ) -> Result<ListenerId, OpenError> {
        self.refuse_while_shutting_down(&address)?;
        let socket = self.open_listener(&address, options)?;
        self.add_listener(&address, socket, options, Box::new(factory))
    }

    /// Listens on a socket that was opened elsewhere: by a supervisor, or before privileges were
    /// dropped. The options of the socket itself stay as they are.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn adopt_listener(
        &mut self,
        listener: impl Into<StdListener>,
        options: &ListenOptions,
        factory: impl FnMut(&Address, &mut App) -> Option<Box<dyn Protocol<App>>> + 'static,
    ) -> Result<ListenerId, OpenError> {
        let socket = ListenerSocket::adopt(&self.poller, listener.into())?;
        let address = socket.local();
        self.refuse_while_shutting_down(&address)?;
        self.add_listener(&address, socket, options, Box::new(factory))
    }

    fn add_listener(
        &mut self,
        address: &Address,
        mut socket: ListenerSocket,
        options: &ListenOptions,
        factory: Factory<App>,
    ) -> Result<ListenerId, OpenError> {
        let Some(key) = self.slots.next_key() else {
            return Err(OpenError::TooManyConnections(address.clone()));
        };
        socket.register(&self.poller, key.token()).map_err(OpenError::of(address))?;
        let listener = Listener::new(socket, options, factory);
        self.slots.insert(key, Source::Listener(Box::new(listener)));
        Ok(ListenerId(key))
    }

    /// Stops listening. What has been accepted goes on; what waits in the kernel's queue is reset.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn close_listener(&mut self, id: ListenerId) -> Result<(), Stale> {
        self.remove_listener(id).map(drop)
    }

    /// Stops listening, and gives the socket back: to a successor process, say.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn detach_listener(&mut self, id: ListenerId) -> Result<StdListener, Stale> {
        let listener = self.remove_listener(id)?;
        Ok(listener.socket.into_std(&self.poller))
    }

    /// The address a listener is bound to: the real port where port 0 was asked for.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn listener_address(&self, id: ListenerId) -> Result<Address, Stale> {
        self.slots.listener(id).map(|listener| listener.socket.local())
    }

    /// Takes a listener out of the loop at once: it has no callbacks that would have to be told.
    pub(crate) fn remove_listener(&mut self, id: ListenerId) -> Result<Box<Listener<App>>, Stale> {
        let is_listener = |source: &Source<App>| matches!(source, Source::Listener(_));
        let Some(Source::Listener(mut listener)) = self.slots.remove_if(id.0, is_listener) else {
            return Err(Stale);
        };
        if let State::Resting(timer) = std::mem::replace(&mut listener.state, State::Closed) {
            self.wheel.cancel(timer);
        }
        // It fails only if a duplicate's owner has taken it out already.
        let _ = listener.socket.deregister(&self.poller);
        if let Some(entrance) = listener.entrance.take_awaited() {
            self.entrances.insert(id, entrance);
        }
        Ok(listener)
    }

    // ── while it listens, and its end ───────────────────────────────────────────────────────────

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

    /// Has a closure called when a listener could not accept and rests, in want of descriptors, mostly: nobody else tells
    /// of it, since it is served again when there are some. [`Stats::refused_no_descriptor`](crate::Stats::refused_no_descriptor)
    /// says how many were turned away. It is told which listener it was, which may have ended meanwhile, and what `accept`
    /// said. It is called at the end of the turn, and for each listener at most once in
    /// [`Limits::accept_rest`](crate::Limits::accept_rest). Setting it again replaces the closure.
    ///
    /// ```
    /// # use reactor::Registry;
    /// fn watch<App>(registry: &mut Registry<App>) {
    ///     registry.on_accept_failure(|registry, _app, listener, error| {
    ///         if let Ok(address) = registry.listener_address(listener) {
    ///             eprintln!("{address} accepts nobody for a while: {error}");
    ///         }
    ///     });
    /// }
    /// ```
    pub fn on_accept_failure(
        &mut self,
        handler: impl FnMut(&mut Self, &mut App, ListenerId, &io::Error) + 'static,
    ) {
        self.accept_failed = Some(Box::new(handler));
    }

    /// A listener could not accept.
    pub(super) fn tell_of_accept_failure(&mut self, id: ListenerId, error: io::Error) {
        if self.accept_failed.is_some() {
            self.defer(move |registry, app| {
                let Some(mut handler) = registry.accept_failed.take() else { return };
                handler(registry, app, id, &error);
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
