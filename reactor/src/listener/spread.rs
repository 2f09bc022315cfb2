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

use super::Accepted;
use crate::handle::{Given, Mailbox};
use crate::net::StreamSocket;
use crate::registry::Registry;
use crate::{Handle, ListenerId};

/// A loop that has taken none of those handed to it for so long is passed over: something blocks it. It is far
/// longer than any turn should be.
const STUCK: Duration = Duration::from_millis(100);

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
