//! What the running callback has written and what is not sent yet: the tail of its connection's queue.
//!
//! There is one for the whole loop, since only one callback runs at a time. It is empty between callbacks.

/// Small writes of one callback are gathered up to this many bytes, few enough to stay in the cache.
const LARGE: usize = 16 * 1024;
/// Up to this many bytes of a callback are gathered in any case; see `Transport::write_through`.
const SMALL: usize = 1023;

pub(crate) struct Cork {
    /// At least as many as callbacks may gather, of which the first are gathered.
    buffer: Vec<u8>,
    gathered: usize,
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
        Self { buffer: vec![0; LARGE], gathered: 0, room: Room::Small }
    }

    /// Gathers some bytes if they are few; whether it did.
    pub(crate) fn gather(&mut self, bytes: &[u8]) -> bool {
        let end = self.gathered + bytes.len();
        if end > self.room as usize {
            return false;
        }
        let Some(place) = self.buffer.get_mut(self.gathered..end) else {
            return false;
        };
        // Noted first: where copying is the last thing to be done, no registers are saved for what comes after.
        self.gathered = end;
        place.copy_from_slice(bytes);
        true
    }

    /// Whether the callback has written nothing yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.room == Room::Small && self.gathered == 0
    }

    /// Makes more room, since a write did not fit.
    pub(crate) fn outgrow(&mut self) {
        self.room = Room::Large;
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
        let end = self.gathered + bytes.len();
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        self.buffer[self.gathered..end].copy_from_slice(bytes);
        self.gathered = end;
        self.is_large()
    }

    /// Whether it holds more than a callback's writes come to.
    pub(crate) fn is_large(&self) -> bool {
        self.gathered > LARGE
    }

    /// Bytes that are gathered.
    pub(crate) fn len(&self) -> usize {
        self.gathered
    }

    /// Takes what is gathered. Whatever becomes of it, the connection that is called next finds nothing.
    pub(crate) fn take(&mut self) -> &[u8] {
        &self.buffer[..std::mem::take(&mut self.gathered)]
    }

    pub(crate) fn clear(&mut self) {
        self.gathered = 0;
    }

    /// Gives back the memory beyond what a callback's writes take.
    pub(crate) fn shrink(&mut self) {
        self.buffer.truncate(LARGE.max(self.gathered));
        self.buffer.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_found_by_the_next() {
        let mut cork = Cork::new();
        assert!(cork.is_fresh() && cork.gather(b"one ") && cork.gather(b"two"));
        assert!(!cork.is_fresh() && cork.len() == 7);
        assert_eq!(cork.take(), b"one two");
        assert_eq!(cork.take(), b"");
    }

    #[test]
    fn it_gathers_little_then_more_and_nothing_once_it_is_closed() {
        let mut cork = Cork::new();
        assert!(!cork.gather(&[0; SMALL + 1]));
        cork.outgrow();
        assert!(cork.gather(&[0; LARGE]) && !cork.gather(b"x"));
        cork.clear();
        cork.close();
        assert!(!cork.gather(b"x") && cork.take().is_empty());
    }

    #[test]
    fn what_joins_it_has_no_end_and_the_memory_goes_back() {
        let mut cork = Cork::new();
        assert!(cork.gather(b"x") && !cork.join(b"y"));
        assert!(cork.join(&[b'z'; 2 * LARGE]));
        let taken = cork.take();
        assert!(taken.starts_with(b"xyz") && taken.len() == 2 * LARGE + 2);
        cork.shrink();
        assert!(cork.buffer.capacity() < 2 * LARGE);
        cork.outgrow();
        assert!(cork.gather(&[0; LARGE]));
    }
}
