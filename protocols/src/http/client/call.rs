//! A request that is under way, lent to who takes its answer, or writes its body.

use std::fmt;

use bytes::Bytes;
use reactor::{ConnectionId, ReachError, Registry, Transport};

use super::Connection;
use super::ask::Upload;
use crate::http::outgoing::{TURN, end_body, has_room, send_piece};

/// A request that is under way, lent for the time of a call.
pub struct Call<'c, 't, App> {
    transport: &'c mut Transport<'t, App>,
    upload: &'c mut Upload,
    number: u32,
    wish: Wish,
    /// So much more may be sent in this call.
    room: u64,
}

/// Names a request that is under way, so that its body can be written from elsewhere, or it be given up: the
/// connection, and which request of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    connection: ConnectionId,
    number: u32,
}

impl CallId {
    /// The connection.
    #[must_use]
    pub fn connection(self) -> ConnectionId {
        self.connection
    }
}

/// What becomes of a request next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    More,
    Pause,
    Cancel,
}

/// Goes on with the body of a request ([`Payload::Open`](super::Payload::Open)), or gives the request up, from
/// wherever one is. `act` runs when no callback is on the stack, later in this turn or in the next, and not at
/// all if the request is over by then.
///
/// # Errors
///
/// If the connection has ended.
pub fn with<App: 'static>(
    registry: &mut Registry<App>,
    id: CallId,
    act: impl FnOnce(&mut Call<'_, '_, App>, &mut App) + 'static,
) -> Result<(), ReachError> {
    registry.with(id.connection, move |connection: &mut Connection<App>, transport, app| {
        connection.enter(transport, app, id.number, act);
    })
}

impl<'c, 't, App> Call<'c, 't, App> {
    pub(super) fn new(
        transport: &'c mut Transport<'t, App>,
        upload: &'c mut Upload,
        number: u32,
    ) -> Self {
        Self { transport, upload, number, wish: Wish::More, room: TURN }
    }

    pub(super) fn wish(self) -> Wish {
        self.wish
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.wish == Wish::Cancel
    }

    /// Its name, to go on with it [from elsewhere](with).
    #[must_use]
    pub fn id(&self) -> CallId {
        CallId { connection: self.transport.id(), number: self.number }
    }

    /// The connection, by which it can be resumed ([`Registry::resume`]).
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.transport.id()
    }

    /// Takes no more of the answer until the connection is resumed: it waits at the server.
    pub fn pause(&mut self) {
        if self.wish == Wish::More {
            self.wish = Wish::Pause;
            self.transport.pause();
        }
    }

    /// Wants no more of it: the connection is given up, and the end is
    /// [`Failure::Cancelled`](super::Failure::Cancelled).
    pub fn cancel(&mut self) {
        self.wish = Wish::Cancel;
    }

    /// Everything else that is registered with the loop.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.transport.registry()
    }
}

/// The body of the request, where it is [open](super::Payload::Open).
impl<App> Call<'_, '_, App> {
    /// Whether more should be written: what the server does not take waits in memory. It is false, too, when
    /// the connection has ended, and when 256 KiB have been sent in one callback, so that others have their turns
    /// however fast the server reads. [`Registry::when_drained`] tells when there is room again.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.room > 0 && has_room(self.transport)
    }

    /// Sends a piece of the body; large ones are not copied. What goes beyond a length that was promised is not
    /// sent, and nothing before [`Reader::on_ready`](super::Reader::on_ready).
    pub fn send(&mut self, mut bytes: Bytes) {
        self.room = self.room.saturating_sub(bytes.len() as u64);
        if let Upload::Open(framing) = self.upload {
            let length = framing.take(bytes.len() as u64);
            bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            send_piece(self.transport, *framing, bytes);
        }
    }

    /// The body is whole; trailers stand behind one without a length. If less was sent than was promised, the
    /// request is given up, so that no server takes it for whole.
    pub fn finish(&mut self, trailers: &[(&str, &[u8])]) {
        if let Upload::Open(framing) = *self.upload {
            *self.upload = Upload::Done;
            if !end_body(self.transport, &mut Vec::new(), framing, trailers) {
                self.cancel();
            }
        }
    }
}

impl<App> fmt::Debug for Call<'_, '_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id()).finish_non_exhaustive()
    }
}
