//! What is sent to connections by their ids: bytes for one, or a share of a message to many.

use bytes::Bytes;

use super::{Broadcast, Outbox, Spares};

/// What is sent by id: bytes for one connection, or a [`Share`] of a message to many.
pub(crate) trait Parcel {
    fn bytes(&self) -> &[u8];
    /// Joins what is queued.
    fn enter(self, outbox: &mut Outbox, spares: &mut Spares);
}

impl Parcel for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn enter(self, outbox: &mut Outbox, spares: &mut Spares) {
        outbox.push(self, spares);
    }
}

/// A message that others are sent too, its bytes at hand for all of them.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    message: &'a Broadcast,
    bytes: &'a [u8],
}

impl<'a> Share<'a> {
    pub(crate) fn of(message: &'a Broadcast) -> Self {
        Self { message, bytes: message.bytes() }
    }
}

impl Parcel for Share<'_> {
    fn bytes(&self) -> &[u8] {
        self.bytes
    }

    fn enter(self, outbox: &mut Outbox, spares: &mut Spares) {
        outbox.share(self.message, spares);
    }
}
