//! What the running callback has written and what is not sent yet: the tail of its connection's queue.
//!
//! There is one for the whole loop, since only one callback runs at a time. It is empty between callbacks.

/// Small writes of one callback are gathered up to this many bytes, few enough to stay in the cache.
const LARGE: usize = 16 * 1024;
/// Up to this many bytes of a callback are gathered in any case; see
/// [`Stream::write`](crate::stream::Stream::write).
const SMALL: usize = 1023;

pub(crate) struct Cork {
    bytes: Vec<u8>,
    room: Room,
}

/// How many bytes are gathered before a write has to look closer. One comparison with the number answers
/// all three questions.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Room {
    /// Nothing is gathered: the connection sends no more.
    None = 0,
    /// The callback has just begun.
    Small = SMALL,
    /// It has written something large, or much.
    Large = LARGE,
}

impl Cork {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(LARGE), room: Room::Small }
    }

    /// Gathers some bytes if they are few; whether it did.
    pub(crate) fn gather(&mut self, bytes: &[u8]) -> bool {
        let fits = self.bytes.len() + bytes.len() <= self.room as usize;
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// Makes more room, since a write did not fit; whether that write is the first of its callback.
    pub(crate) fn outgrow(&mut self) -> bool {
        let is_first = self.room == Room::Small && self.bytes.is_empty();
        self.room = Room::Large;
        is_first
    }

    /// The running connection sends no more.
    pub(crate) fn close(&mut self) {
        self.room = Room::None;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.room == Room::None
    }

    /// Makes it ready for the next callback.
    pub(crate) fn reset(&mut self) {
        self.room = Room::Small;
    }

    /// Adds what is sent to the running connection by its id; whether it holds more now than a callback's
    /// writes come to.
    pub(crate) fn join(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() > LARGE
    }

    /// Whether it holds more than a callback's writes come to.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.len() > LARGE
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Gives back the memory beyond what a callback's writes take.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to(LARGE);
    }
}
