//! A connection outside of any loop, on its way to another one, or to the program.
//!
//! ```text
//!   one loop                                                    another
//!   Transport::hand_off ──▶ Detached ── message ──▶ take_over ──▶ on_open of a protocol that is made there
//!                             │  the socket, out of the poller
//!                             │  what was read and not consumed      offered again, behind on_open
//!                             │  what was written and not sent       sent first
//!                             └─ limits, layer (TLS), peer, proxy
//! ```

use std::fmt;

use super::Stream;
use super::layer::Layered;
use super::pending::Between;
use crate::net::{Poller, StdStream};
use crate::{Address, Proxied, StreamLimits};

/// A connection, taken out of its loop with [`Transport::detach`](crate::Transport::detach). It may go to
/// another thread, and on in a loop with [`Registry::take_over`](crate::Registry::take_over).
#[non_exhaustive]
pub struct Detached {
    /// The socket; it is non-blocking still. With TLS, what comes and goes on it is what TLS makes of it.
    pub stream: StdStream,
    /// What the peer had sent and the protocol had not consumed.
    pub unread: Vec<u8>,
    /// What had been written and the system had not taken yet. Files are not part of it.
    pub unsent: Vec<u8>,
    pub(super) rest: Box<Rest>,
}

/// What only a loop can go on with.
pub(super) struct Rest {
    pub(super) layered: Option<Box<Layered>>,
    pub(super) limits: StreamLimits,
    pub(super) peer: Address,
    pub(super) proxied: Option<Proxied>,
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, unread, unsent, .. } = self;
        let mut fields = f.debug_struct("Detached");
        fields.field("stream", stream).field("unread", unread).field("unsent", unsent);
        fields.finish_non_exhaustive()
    }
}

impl Stream {
    /// Takes everything out, for whoever goes on with it.
    pub(crate) fn into_detached(
        self,
        peer: Address,
        proxied: Option<Proxied>,
        poller: &Poller,
    ) -> Detached {
        let Self { io, outbox, limits, .. } = self;
        let (socket, layered, unread) = io.into_parts();
        let rest = Rest { layered, limits: StreamLimits::clone(&limits), peer, proxied };
        Detached {
            stream: socket.into_std(poller),
            unread,
            unsent: outbox.into_bytes(),
            rest: Box::new(rest),
        }
    }

    /// Goes on where it has been taken out.
    pub(super) fn resume_from(&mut self, layered: Option<Box<Layered>>, unread: &[u8]) {
        if let Some(layered) = layered {
            self.io.restore(layered);
            self.pending.between = Between::Layer;
        }
        self.offer_later(unread);
    }

    /// Has what was read elsewhere offered to its protocol.
    pub(super) fn offer_later(&mut self, unread: &[u8]) {
        if !unread.is_empty() {
            self.io.keep(unread);
            self.pending.offer_again();
        }
    }
}
