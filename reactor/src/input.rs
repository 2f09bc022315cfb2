//! What a protocol reads: a cursor over the loop's scratch buffer, and the inbox behind it.
//!
//! ```text
//!             inbox (only if something was left)      the loop's one scratch buffer
//!            ┌───────────────────────────────┐       ┌──────────────────────────┐
//!  Input is  │ left over │ newly read        │   or  │ newly read               │
//!            └───────────────────────────────┘       └──────────────────────────┘
//!               ▲ consumed so far ─▶                    ▲ consumed so far ─▶
//! ```
//!
//! A connection whose protocol consumes everything never owns a buffer. What is left is copied to an
//! inbox, which lives until it has been consumed.

use std::ops::Deref;

use bytes::Buf;

/// The bytes that a peer has sent and the protocol has not consumed yet.
///
/// It reads as a slice, and as a [`bytes::Buf`]: what is advanced over is consumed, what is not is
/// kept and offered again, in front of what arrives next.
///
/// ```
/// use bytes::Buf;
/// use reactor::Input;
///
/// /// Takes a point of two coordinates, or nothing while it is incomplete.
/// fn point(input: &mut Input<'_>) -> Option<(u32, u32)> {
///     (input.len() >= 8).then(|| (input.get_u32(), input.get_u32()))
/// }
/// let mut input = Input::new(b"\0\0\0\x01\0\0\0\x02\0\0");
/// assert_eq!(point(&mut input), Some((1, 2)));
/// assert_eq!(point(&mut input), None);
/// assert_eq!(&*input, b"\0\0");
/// ```
///
/// Lines, and frames with their length in front, are cut by [`framing`](crate::framing). To search the input
/// for an end from its front, each time it grows, is slow where a message is long and comes in many pieces.
#[derive(Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// A cursor at the first byte, for a protocol's own tests.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Consumes and returns the first `count` bytes.
    ///
    /// # Panics
    ///
    /// If fewer than `count` bytes are there.
    pub fn take_front(&mut self, count: usize) -> &'a [u8] {
        let (front, rest) = self.rest.split_at(count);
        self.rest = rest;
        front
    }

    /// Consumes and returns everything.
    pub fn take_all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

impl Deref for Input<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.rest
    }
}

impl Buf for Input<'_> {
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn chunk(&self) -> &[u8] {
        self.rest
    }

    fn advance(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }
}

/// The bytes that a protocol has left unconsumed. An empty inbox owns no memory.
#[derive(Default)]
#[allow(clippy::box_collection, reason = "a third of the size in each of ten thousand idle ones")]
pub(crate) struct Inbox(Option<Box<Vec<u8>>>);

impl Inbox {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.len())
    }

    /// Adds what was left of a fresh read behind what is there.
    pub(crate) fn append(&mut self, fresh: &[u8]) {
        self.0.get_or_insert_default().extend_from_slice(fresh);
    }

    /// Takes the bytes out for a dispatch; [`Self::give_back`] returns them.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.take().map_or_else(Vec::new, |bytes| *bytes)
    }

    /// Returns what a dispatch left: the last `left` bytes of what was taken.
    pub(crate) fn give_back(&mut self, mut bytes: Vec<u8>, left: usize) {
        if left > 0 {
            bytes.drain(..bytes.len() - left);
            self.0 = Some(Box::new(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_inbox_owns_no_buffer() {
        let mut inbox = Inbox::default();
        inbox.append(b"ab");
        let taken = inbox.take();
        inbox.give_back(taken, 0);
        assert!(inbox.0.is_none());
        assert_eq!(size_of::<Inbox>(), size_of::<usize>());
    }

    #[test]
    fn what_is_left_comes_again_before_what_is_new() {
        let mut inbox = Inbox::default();
        inbox.append(b"bc");
        inbox.append(b"de");
        let taken = inbox.take();
        assert_eq!(taken, b"bcde");
        inbox.give_back(taken, 3);
        assert_eq!(inbox.take(), b"cde");
    }

    #[test]
    fn the_cursor_is_a_buf() {
        let mut input = Input::new(&[0, 7, 1, 2]);
        assert_eq!(input.get_u16(), 7);
        assert_eq!(input.remaining(), 2);
        assert_eq!(input.take_all(), [1, 2]);
        assert!(input.is_empty());
    }
}
