//! One acceptor for several loops: each connection goes to the loop that has the fewest.
//!
//! ```text
//!              accept          fewest connections, and not stuck
//!   listener ─────────▶ place ──┬── this loop ──────────────▶ admit
//!                               └── another ─── message ────▶ its entrance ──▶ admit
//! ```
//!
//! Each of the loops has an entrance for the listener, by the listener's id, which is made before the first socket
//! comes. So a protocol is made on its own loop, and never moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Accepted, Entrance};
use crate::handle::{Given, Mailbox};
use crate::net::StreamSocket;
use crate::registry::{Protocol, Registry};
use crate::trace::Refusal;
use crate::{Address, Handle, ListenOptions, ListenerId, OpenError};

/// A loop that has taken none of those handed to it for so long is passed over: something blocks it. It is far
/// longer than any turn should be.
const STUCK: Duration = Duration::from_millis(100);

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
                self.note_refused(Refusal::Full);
            }
        }
        self.mailbox.load.note_taken();
    }
}

pub(super) struct Spread<App> {
    id: ListenerId,
    targets: Vec<Target<App>>,
}

/// One of the loops.
struct Target<App> {
    handle: Handle<App>,
    /// How many it had taken in when that was last seen to change, and when that was.
    progress: (usize, Instant),
}

impl<App> Spread<App> {
    pub(super) fn new(id: ListenerId, handles: &[Handle<App>], now: Instant) -> Self {
        let target = |handle: &Handle<App>| Target { handle: handle.clone(), progress: (0, now) };
        Self { id, targets: handles.iter().map(target).collect() }
    }

    /// Hands a connection to the loop that is to have it; gives it back if that is this one.
    pub(super) fn place(
        &mut self,
        accepted: Accepted,
        registry: &mut Registry<App>,
    ) -> Option<Accepted> {
        let now = registry.now();
        // Those that have ended, or have no room: hardly ever any.
        let mut refused = Vec::new();
        let Some(mut best) = self.best(&refused, now, &registry.mailbox) else {
            return Some(accepted);
        };
        let Accepted { socket, peer, proxied } = accepted;
        let stream = socket.into_std(&registry.poller);
        let mut given = Box::new(Given { listener: self.id, stream, peer, proxied });
        loop {
            match self.targets[best].handle.give(given) {
                Ok(()) => return None,
                Err(back) => given = back,
            }
            refused.push(best);
            match self.best(&refused, now, &registry.mailbox) {
                Some(next) => best = next,
                None => break,
            }
        }
        let Given { stream, peer, proxied, .. } = *given;
        let socket = StreamSocket::adopt(&registry.poller, stream).ok()?;
        Some(Accepted { socket, peer, proxied })
    }
}

impl<App> Spread<App> {
    /// The loop that comes first, of those that have not refused; `None` if that is this one, or there is none.
    fn best(&mut self, refused: &[usize], now: Instant, own: &Arc<Mailbox<App>>) -> Option<usize> {
        let targets = self.targets.iter_mut().enumerate();
        let others = targets.filter(|(at, _)| !refused.contains(at));
        let (_, best) = others.map(|(at, target)| (target.rank(now), at)).min()?;
        (!self.targets[best].handle.is_of(own)).then_some(best)
    }
}

impl<App> Target<App> {
    /// Whether it is stuck, then how many connections it has or will have: the least comes first.
    fn rank(&mut self, now: Instant) -> (bool, usize) {
        let load = self.handle.load();
        let (taken, coming) = (load.taken(), load.coming());
        if coming == 0 || taken != self.progress.0 {
            self.progress = (taken, now);
        }
        let is_stuck = now.saturating_duration_since(self.progress.1) > STUCK;
        (is_stuck, self.handle.connections())
    }
}

impl<App> Drop for Spread<App> {
    /// The other loops take in nobody by it any more.
    fn drop(&mut self) {
        self.targets.iter().for_each(|target| target.handle.forget_listener(self.id));
    }
}
