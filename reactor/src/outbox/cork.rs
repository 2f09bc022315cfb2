//! What the running callback has written and nobody has sent yet: the tail of its connection's queue.
//!
//! There is one for the whole loop, since only one callback runs at a time. It is empty between callbacks.

/// Small writes of one callback are gathered up to this many bytes, few enough to stay in the cache.
const LARGE: usize = 16 * 1024;
/// A callback's writes that are gathered without a thought; see [`Stream::write`](crate::stream::Stream::write).
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

    /// The callback writes something that did not fit. Whether it is the first of it, and nothing waits.
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

    /// The next callback may gather as ever.
    pub(crate) fn reset(&mut self) {
        self.room = Room::Small;
    }

    /// What somebody sends to the running connection by its id joins what that has written; whether there is
    /// more now than the writes of one callback come to.
    pub(crate) fn join(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() > LARGE
    }

    /// Whether it holds more than the writes of one callback come to.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.len() > LARGE
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Gives back what the running connection was sent by its id beyond the writes of one callback.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to(LARGE);
    }
}
