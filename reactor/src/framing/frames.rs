//! Frames: a length, and so many bytes.

use std::fmt;
use std::ops::Deref;

use bytes::Buf;
use thiserror::Error;

use crate::Input;

/// Cuts a stream into frames that each begin with their length, none longer than a ceiling.
///
/// The length counts the bytes behind itself. What is incomplete stays in the [`Input`]. A frame above the
/// ceiling is told of as soon as its length is there, and thrown away as it comes.
///
/// ```
/// use reactor::Input;
/// use reactor::framing::{Frame, Frames};
///
/// let mut frames = Frames::new(16);
/// let mut sent = frames.head(5)?.to_vec();
/// sent.extend_from_slice(b"hello\0\0");
///
/// let mut input = Input::new(&sent);
/// assert_eq!(frames.next(&mut input), Frame::Whole(b"hello"));
/// assert_eq!(frames.next(&mut input), Frame::Partial);
/// assert_eq!(&*input, b"\0\0");
/// # Ok::<(), reactor::framing::LongFrame>(())
/// ```
#[derive(Clone, Debug)]
pub struct Frames {
    ceiling: usize,
    width: Width,
    order: Order,
    /// Bytes to come of a frame that is too long.
    skipping: u64,
}

/// How many bytes the length in front of a frame has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Width {
    /// One byte: frames of up to 255 bytes.
    One,
    /// Two bytes: frames of up to 64 KiB, as DNS over TCP has them (RFC 1035, 4.2.2).
    Two,
    /// Three bytes: frames of up to 16 MiB.
    Three,
    /// Four bytes: frames of up to 4 GiB. Most protocols have these.
    #[default]
    Four,
    /// Eight bytes.
    Eight,
}

/// Which byte of a length comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The most significant, as in most network protocols.
    #[default]
    BigEndian,
    /// The least significant.
    LittleEndian,
}

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// What a frame carries, without its length. It has been consumed, and the length too.
    Whole(&'a [u8]),
    /// A frame that says it has so many bytes, more than the ceiling. What there is of it has been consumed,
    /// and the rest will be.
    TooLong(u64),
    /// The beginning of a frame, or nothing: come back with more.
    Partial,
}

/// The bytes in front of a frame: write them, then what the frame carries. It reads as a slice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; 8],
    from: u8,
    to: u8,
}

/// A frame is longer than its ceiling, or than its length can say, so the peer could not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a frame of {length} bytes, where {ceiling} are allowed")]
pub struct LongFrame {
    /// Bytes it would carry.
    pub length: usize,
    /// Bytes it may carry.
    pub ceiling: usize,
}

impl Frames {
    /// Frames of at most `ceiling` bytes, not counting their length, which has four bytes, the most
    /// significant first.
    #[must_use]
    pub fn new(ceiling: usize) -> Self {
        Self { ceiling, width: Width::default(), order: Order::default(), skipping: 0 }
    }

    /// The same with a length of so many bytes. The ceiling becomes no more than such a length can say.
    ///
    /// ```
    /// use reactor::framing::{Frames, Width};
    /// let dns = Frames::new(usize::MAX).width(Width::Two);
    /// assert_eq!(dns.ceiling(), 65_535);
    /// assert_eq!(*dns.head(258)?, [1, 2]);
    /// # Ok::<(), reactor::framing::LongFrame>(())
    /// ```
    #[must_use]
    pub fn width(self, width: Width) -> Self {
        let ceiling =
            usize::try_from(width.most()).map_or(self.ceiling, |most| most.min(self.ceiling));
        Self { width, ceiling, ..self }
    }

    /// The same with the bytes of the length in this order.
    #[must_use]
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The most bytes that a frame may carry.
    #[must_use]
    pub fn ceiling(&self) -> usize {
        self.ceiling
    }

    /// Takes the next frame. The input must begin where the last call left it.
    pub fn next<'a>(&mut self, input: &mut Input<'a>) -> Frame<'a> {
        self.skip(input);
        let head = self.width.bytes();
        let Some(length) = input.get(..head).map(|bytes| self.length(bytes)) else {
            return Frame::Partial;
        };
        let Some(whole) = self.allowed(length) else {
            input.advance(head);
            self.skipping = length;
            self.skip(input);
            return Frame::TooLong(length);
        };
        if input.len() - head < whole {
            return Frame::Partial;
        }
        input.advance(head);
        Frame::Whole(input.take_front(whole))
    }

    /// What to write in front of a frame that carries `length` bytes.
    ///
    /// # Errors
    ///
    /// If that is more than the ceiling.
    pub fn head(&self, length: usize) -> Result<Head, LongFrame> {
        if length > self.ceiling {
            return Err(LongFrame { length, ceiling: self.ceiling });
        }
        let width = self.width.bytes() as u8;
        Ok(match self.order {
            Order::BigEndian => {
                Head { bytes: (length as u64).to_be_bytes(), from: 8 - width, to: 8 }
            }
            Order::LittleEndian => {
                Head { bytes: (length as u64).to_le_bytes(), from: 0, to: width }
            }
        })
    }

    /// The number that the bytes of a length say.
    fn length(&self, bytes: &[u8]) -> u64 {
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.order {
            Order::BigEndian => bytes.iter().fold(0, add),
            Order::LittleEndian => bytes.iter().rev().fold(0, add),
        }
    }

    /// The length of a frame, unless it is above the ceiling.
    fn allowed(&self, length: u64) -> Option<usize> {
        usize::try_from(length).ok().filter(|length| *length <= self.ceiling)
    }

    /// Throws away what has come of a frame that is too long.
    fn skip(&mut self, input: &mut Input<'_>) {
        let here = usize::try_from(self.skipping).map_or(input.len(), |left| left.min(input.len()));
        input.advance(here);
        self.skipping -= here as u64;
    }
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The largest length it can say.
    fn most(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[usize::from(self.from)..usize::from(self.to)]
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Head").field(&&**self).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pieces::pieces;
    use super::*;

    /// What a stream is cut into if it arrives in these pieces.
    fn cut(pieces: &[&[u8]], mut frames: Frames) -> Vec<Result<Vec<u8>, u64>> {
        let most = frames.ceiling() + frames.width.bytes();
        let mut kept = Vec::new();
        let mut seen = Vec::new();
        for piece in pieces {
            kept.extend_from_slice(piece);
            let mut input = Input::new(&kept);
            loop {
                match frames.next(&mut input) {
                    Frame::Whole(frame) => seen.push(Ok(frame.to_vec())),
                    Frame::TooLong(length) => seen.push(Err(length)),
                    Frame::Partial => break,
                }
            }
            assert!(input.len() < most, "it keeps less than a frame and its length");
            kept = input.to_vec();
        }
        seen
    }

    #[test]
    fn a_frame_that_is_too_long_is_told_of_once_and_the_next_is_read() {
        let frames = Frames::new(3).width(Width::One);
        let expected = [Ok(b"abc".to_vec()), Err(4), Ok(b"".to_vec()), Ok(b"x".to_vec())];
        assert_eq!(cut(&[b"\x03abc\x04abcd\x00\x01x"], frames.clone()), expected);
        assert_eq!(cut(&[b"\x03ab", b"c\x04", b"ab", b"cd\x00", b"\x01", b"x"], frames), expected);
    }

    #[test]
    fn the_longest_length_there_is_overflows_nothing() {
        let mut frames = Frames::new(usize::MAX - 1).width(Width::Eight);
        let mut input = Input::new(&[255; 20]);
        assert_eq!(frames.next(&mut input), Frame::TooLong(u64::MAX));
        assert!(input.is_empty());
        let mut frames = Frames::new(usize::MAX).width(Width::Eight);
        assert_eq!(frames.next(&mut Input::new(&[255; 20])), Frame::Partial);
    }

    #[test]
    fn a_length_says_what_was_written_in_each_width_and_order() {
        for width in [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight] {
            for order in [Order::BigEndian, Order::LittleEndian] {
                let frames = Frames::new(200).width(width).order(order);
                let mut sent = frames.head(200).expect("it is allowed").to_vec();
                assert_eq!(sent.len(), width.bytes());
                sent.extend_from_slice(&[7; 200]);
                assert_eq!(cut(&[&sent], frames.clone()), [Ok(vec![7; 200])]);
                assert_eq!(frames.head(201), Err(LongFrame { length: 201, ceiling: 200 }));
            }
        }
    }

    #[test]
    fn the_order_of_a_length_is_what_it_says() {
        let frames = Frames::new(1_000).width(Width::Three);
        assert_eq!(*frames.head(258).expect("it is allowed"), [0, 1, 2]);
        let frames = frames.order(Order::LittleEndian);
        assert_eq!(*frames.head(258).expect("it is allowed"), [2, 1, 0]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            bytes in proptest::collection::vec(0_u8..9, 0..64),
            cuts in proptest::collection::vec(0_usize..64, 0..6),
            ceiling in 0_usize..8,
        ) {
            let frames = Frames::new(ceiling).width(Width::One);
            prop_assert_eq!(
                cut(&pieces(&bytes, cuts), frames.clone()),
                cut(&[&bytes], frames)
            );
        }
    }
}
