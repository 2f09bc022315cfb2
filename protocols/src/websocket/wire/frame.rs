//! One frame's header, read and written; and a frame that is encoded once for many.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  ├─┬─┬─┬─┬───────┼─┬─────────────┼───────────────────────────────┤
//!  │F│R│R│R│opcode │M│ length      │ 16 or 64 bits of it, if the   │
//!  │ │1│2│3│       │ │ 0–125, 126, │ seven say 126 or 127          │
//!  ├─┴─┴─┴─┴───────┼─┴─────────────┼───────────────────────────────┤
//!  │ the mask, if M is set: four bytes                             │
//!  └───────────────────────────────────────────────────────────────┘   RFC 6455, 5.2
//! ```

use std::ops::Deref;

use bytes::Bytes;

use super::{Mask, Violation};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next part of a message.
    Continuation = 0,
    /// Text, or its first part.
    Text = 1,
    /// Bytes, or their first part.
    Binary = 2,
    /// This side sends no more.
    Close = 8,
    /// Are you there?
    Ping = 9,
    /// Yes.
    Pong = 10,
}

impl Opcode {
    /// Whether it may come in the middle of a message, whole and short.
    #[must_use]
    pub fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }

    fn parse(nibble: u8) -> Result<Self, Violation> {
        match nibble {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            other => Err(Violation::ReservedOpcode(other)),
        }
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether it is the last of its message.
    pub fin: bool,
    /// RSV1: the message is compressed (RFC 7692, 6).
    pub rsv1: bool,
    /// What it is.
    pub opcode: Opcode,
    /// A client's mask.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub length: u64,
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;
/// The longest payload of a control frame, and of what has no length of its own.
pub(in crate::websocket) const SHORT: u64 = 125;

impl Header {
    /// Reads a header from the front of `bytes`, and how many bytes it has; `None` if the rest of it
    /// has yet to come.
    ///
    /// ```
    /// use protocols::websocket::wire::{Header, Opcode};
    ///
    /// // RFC 6455, 5.7: an unmasked text message "Hello".
    /// let (header, length) = Header::parse(b"\x81\x05Hello")?.expect("it is whole");
    /// assert_eq!((header.fin, header.opcode, header.length), (true, Opcode::Text, 5));
    /// assert_eq!(length, 2);
    /// # Ok::<(), protocols::websocket::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If no frame begins so: a reserved bit or opcode, a control frame that is long or in fragments, a
    /// length that is longer than it need be.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & RSV2_AND_3 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::parse(first & 0x0f)?;
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        let seven = second & !MASKED;
        if opcode.is_control() {
            check_control(fin, rsv1, seven)?;
        }
        let Some((length, rest)) = parse_length(seven, rest)? else {
            return Ok(None);
        };
        let (mask, rest) = match rest.split_first_chunk() {
            _ if second & MASKED == 0 => (None, rest),
            Some((key, rest)) => (Some(*key), rest),
            None => return Ok(None),
        };
        Ok(Some((Self { fin, rsv1, opcode, mask, length }, bytes.len() - rest.len())))
    }

    /// Reads a client's short message in one frame from the front of `bytes`, if that is what stands there
    /// whole: what most frames of most programs are, told by one look. It has fewer bytes than `below`, which is
    /// 126 at most.
    #[inline]
    pub(super) fn short(bytes: &[u8], below: u8) -> Option<(Opcode, [u8; 4], &[u8])> {
        let &[first, second, a, b, c, d, ..] = bytes else {
            return None;
        };
        let opcode = match first {
            0x81 => Opcode::Text,
            0x82 => Opcode::Binary,
            _ => return None,
        };
        // Not masked, it is more than any length.
        let length = second ^ MASKED;
        if length >= below {
            return None;
        }
        // Masked once more, compilers know how long it can be.
        let payload = bytes.get(6..6 + usize::from(length & !MASKED))?;
        Some((opcode, [a, b, c, d], payload))
    }

    /// Writes it, as short as it can be.
    #[must_use]
    pub fn encode(&self) -> EncodedHeader {
        let mut header = EncodedHeader { bytes: [0; 14], length: 2 };
        header.bytes[0] = self.first_byte();
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        match self.length {
            length @ 0..=SHORT => header.bytes[1] = masked | length as u8,
            length @ ..=0xffff => {
                header.bytes[1] = masked | 126;
                header.push(&(length as u16).to_be_bytes());
            }
            length => {
                header.bytes[1] = masked | 127;
                header.push(&length.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            header.push(&key);
        }
        header
    }

    /// The same of a server's short message, which most frames are: two bytes. `length` is [`SHORT`] at most.
    #[inline]
    pub(in crate::websocket) fn encode_short(opcode: Opcode, length: u8) -> [u8; 2] {
        [FIN | opcode as u8, length]
    }

    fn first_byte(&self) -> u8 {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        self.opcode as u8 | bit(self.fin, FIN) | bit(self.rsv1, RSV1)
    }
}

fn check_control(fin: bool, rsv1: bool, seven: u8) -> Result<(), Violation> {
    match () {
        () if rsv1 => Err(Violation::ReservedBits),
        () if !fin => Err(Violation::FragmentedControl),
        () if u64::from(seven) > SHORT => Err(Violation::LongControl),
        () => Ok(()),
    }
}

/// The length, and what is behind it.
fn parse_length(seven: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, rest, least) = match seven {
        126 => match rest.split_first_chunk() {
            Some((two, rest)) => (u64::from(u16::from_be_bytes(*two)), rest, SHORT + 1),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((eight, rest)) => (u64::from_be_bytes(*eight), rest, 1 << 16),
            None => return Ok(None),
        },
        short => return Ok(Some((u64::from(short), rest))),
    };
    if length < least || length > i64::MAX as u64 {
        return Err(Violation::Length);
    }
    Ok(Some((length, rest)))
}

/// A header as it is on the wire: 2 to 14 bytes.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    bytes: [u8; 14],
    length: u8,
}

impl EncodedHeader {
    fn push(&mut self, more: &[u8]) {
        let at = usize::from(self.length);
        self.bytes[at..at + more.len()].copy_from_slice(more);
        self.length += more.len() as u8;
    }
}

impl Deref for EncodedHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// A server's frame, encoded once and shared: what is said to a thousand costs one encoding, and no copy.
///
/// It has no mask, so it is for the clients of a server and not for a client to send. It is not compressed
/// either, which every client understands, whatever it has negotiated (RFC 7692, 6).
///
/// ```
/// use protocols::websocket::Frame;
/// # use reactor::{ConnectionId, Registry};
///
/// fn tell_all<App>(room: &[ConnectionId], news: &str, registry: &mut Registry<App>) -> usize {
///     registry.broadcast(room.iter().copied(), Frame::text(news).into())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text.as_bytes())
    }

    /// A binary message.
    #[must_use]
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Opcode::Binary, bytes)
    }

    /// A message that is text as its sender says: bytes that were checked before.
    #[cfg(feature = "chat")]
    pub(crate) fn of_text(utf8: &[u8]) -> Self {
        debug_assert!(std::str::from_utf8(utf8).is_ok(), "a text message is UTF-8");
        Self::new(Opcode::Text, utf8)
    }

    /// A goodbye.
    #[cfg(feature = "chat")]
    pub(crate) fn close(code: super::CloseCode, reason: &str) -> Self {
        Self::new(Opcode::Close, &super::close::payload(code, reason))
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let length = payload.len() as u64;
        let header = Header { fin: true, rsv1: false, opcode, mask: None, length }.encode();
        Self([&header, payload].concat().into())
    }
}

impl From<Frame> for Bytes {
    fn from(frame: Frame) -> Self {
        frame.0
    }
}

/// Writes a whole frame behind what is in `out`, masked if there is a key.
pub fn encode(opcode: Opcode, rsv1: bool, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let length = payload.len() as u64;
    out.extend_from_slice(&Header { fin: true, rsv1, opcode, mask: key, length }.encode());
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        Mask::new(key).apply(&mut out[from..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_frame_begins_with_is_refused_as_soon_as_it_is_seen() {
        for (bytes, expected) in [
            (&[0xa1, 0x80][..], Violation::ReservedBits),
            (&[0x91, 0x80], Violation::ReservedBits),
            (&[0x83, 0x80], Violation::ReservedOpcode(3)),
            (&[0x8b, 0x80], Violation::ReservedOpcode(11)),
            (&[0x09, 0x80], Violation::FragmentedControl),
            (&[0x89, 0xfe], Violation::LongControl),
            (&[0xc9, 0x80], Violation::ReservedBits),
            (&[0x82, 0xfe, 0, 125], Violation::Length),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::Length),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::Length),
        ] {
            assert_eq!(Header::parse(bytes), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_is_written_as_short_as_it_can_be() {
        for (length, bytes) in
            [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (1 << 40, 10)]
        {
            let header =
                Header { fin: true, rsv1: false, opcode: Opcode::Binary, mask: None, length };
            assert_eq!(header.encode().len(), bytes, "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_part_of_it_waits(
            fin: bool,
            rsv1: bool,
            opcode in proptest::sample::select(&[Opcode::Continuation, Opcode::Text, Opcode::Binary][..]),
            mask: Option<[u8; 4]>,
            length in 0..=i64::MAX as u64,
            bits in 0_u32..63,
        ) {
            let header = Header { fin, rsv1, opcode, mask, length: length >> bits };
            let encoded = header.encode();
            prop_assert_eq!(Header::parse(&encoded), Ok(Some((header, encoded.len()))));
            if encoded.len() == 2 && fin && !rsv1 {
                prop_assert_eq!(&Header::encode_short(opcode, header.length as u8)[..], &*encoded);
            }
            for cut in 0..encoded.len() {
                prop_assert_eq!(Header::parse(&encoded[..cut]), Ok(None));
            }
        }

        #[test]
        fn any_bytes_are_a_header_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(Some((header, length))) = Header::parse(&bytes) {
                prop_assert_eq!(&*header.encode(), &bytes[..length]);
            }
        }
    }
}
