//! Listening for several loops, and taking in what another loop has accepted.

use std::sync::Arc;

use super::spread::Spread;
use super::{Accepted, Entrance};
use crate::handle::Given;
use crate::net::StreamSocket;
use crate::registry::{Protocol, Registry};
use crate::trace::{Refusal, What};
use crate::{Address, Handle, ListenOptions, ListenerId, OpenError};

impl<App> Registry<App> {
    /// Listens for several loops: each accepted connection is given to the one of them that has the fewest
    /// ([`Handle::connections`]), and gets its protocol there, by `factory`, of that loop's application. So the
    /// factory is shared, and has to be `Send` and `Sync`; the protocols it makes need not be. This loop has its
    /// share if a handle of its own is among them.
    ///
    /// A loop that takes none of what it is given for 100 ms is passed over: it is blocked, and whoever comes is served
    /// by the others. One that has ended, or whose mailbox is full, is passed over too; if that goes for all, the
    /// connection is served here, or refused if this loop is none of them.
    ///
    /// The limits of a loop are its own: each counts its connections, and those of one address, by itself.
    /// [`set_listener_limits`](Self::set_listener_limits) changes the limits of those that stay here.
    ///
    /// [`Loops`](crate::Loops) starts several loops; `docs/loops.md` has when to use this, and when
    /// [`reuse_port`](ListenOptions::reuse_port).
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn listen_among(
        &mut self,
        handles: &[Handle<App>],
        address: Address,
        options: &ListenOptions,
        factory: impl Fn(&Address, &mut App) -> Option<Box<dyn Protocol<App>>> + Send + Sync + 'static,
    ) -> Result<ListenerId, OpenError>
    where
        App: 'static,
    {
        let factory = Arc::new(factory);
        let own = Arc::clone(&factory);
        let id = self.listen_with(address, options, move |peer, app| own(peer, app))?;
        for handle in handles.iter().filter(|handle| !handle.is_of(&self.mailbox)) {
            let (options, factory) = (options.clone(), Arc::clone(&factory));
            handle.run_always(move |registry, _| {
                let factory = Box::new(move |peer: &Address, app: &mut App| factory(peer, app));
                registry.entrances.insert(id, Entrance::new(&options, factory));
            });
        }
        if handles.iter().all(|handle| handle.is_of(&self.mailbox)) {
            return Ok(id);
        }
        let spread = Spread::new(id, handles, self.now());
        if let Ok(listener) = self.slots.listener_mut(id) {
            listener.entrance.spread = Some(Box::new(spread));
        }
        Ok(id)
    }

    /// Takes in a connection that another loop has accepted for this one.
    pub(crate) fn take_in(&mut self, given: Given, app: &mut App) {
        let Given { listener, stream, peer, proxied } = given;
        let socket = StreamSocket::adopt(&self.poller, stream);
        // It is out of the map while the program's factory runs.
        let entrance = self.entrances.remove(&listener);
        match (socket, entrance) {
            (Ok(socket), Some(mut entrance)) => {
                if !self.shutdown.is_ending() {
                    self.shutdown.begin_anew();
                    self.admit(&mut entrance, Accepted { socket, peer, proxied }, app);
                }
                self.entrances.insert(listener, entrance);
            }
            // The system has no room for its socket any more.
            (_, entrance) => {
                entrance.and_then(|entrance| self.entrances.insert(listener, entrance));
                self.ledger.stats.refused_full += 1;
                self.ledger.trace(|| What::Refused(Refusal::Full));
            }
        }
        self.mailbox.load.note_taken();
    }
}
