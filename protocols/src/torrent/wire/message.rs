//! What peers say to each other: the handshake, and messages with their length in front (BEP 3; BEP 6, the Fast
//! extension; BEP 10, the door to further ones).
//!
//! ```text
//!   handshake   19  "BitTorrent protocol"  8 bytes of bits  info hash (20)  peer id (20)
//!
//!   message     length (4)  id (1)  what belongs to it
//!               ├────────┤  └────── counted by the length ──────┘
//! ```
//!
//! A length is judged by the message's id before a byte is kept for it: each kind has a bound of its own.

use bytes::Buf;
use reactor::Input;
use thiserror::Error;

use super::{InfoHash, PeerId};

/// What the first bytes of a handshake are.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The bit of BEP 10 in the sixth reserved byte, and those of BEP 6 and BEP 5 in the eighth.
const EXTENDED: (usize, u8) = (5, 0x10);
const FAST: (usize, u8) = (7, 0x04);
const DHT: (usize, u8) = (7, 0x01);

/// How a connection begins, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Whether the Fast extension is spoken (BEP 6). It is, if both sides say so.
    pub fast: bool,
    /// Whether extended messages are understood (BEP 10).
    pub extended: bool,
    /// Whether the DHT is taken part in (BEP 5): the other side says where its node is then.
    pub dht: bool,
    /// Which torrent it is about.
    pub info_hash: InfoHash,
    /// Who speaks.
    pub peer_id: PeerId,
}

/// The bytes are not BitTorrent's: an encrypted handshake, or another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it does not begin as BitTorrent does")]
pub struct NotBitTorrent;

impl Handshake {
    /// How long it is.
    pub const LENGTH: usize = 68;

    /// Takes a handshake from the front, or nothing while it is incomplete.
    ///
    /// # Errors
    ///
    /// As soon as a byte is there that no handshake has.
    pub fn take(input: &mut Input<'_>) -> Result<Option<Self>, NotBitTorrent> {
        let known = input.len().min(PROTOCOL.len());
        if input[..known] != PROTOCOL[..known] {
            return Err(NotBitTorrent);
        }
        if input.len() < Self::LENGTH {
            return Ok(None);
        }
        input.advance(PROTOCOL.len());
        let mut bits = [0; 8];
        input.copy_to_slice(&mut bits);
        let says = |(byte, bit): (usize, u8)| bits.get(byte).is_some_and(|bits| bits & bit != 0);
        let (mut info_hash, mut peer_id) = ([0; 20], [0; 20]);
        input.copy_to_slice(&mut info_hash);
        input.copy_to_slice(&mut peer_id);
        let (info_hash, peer_id) = (info_hash.into(), peer_id.into());
        let (fast, extended, dht) = (says(FAST), says(EXTENDED), says(DHT));
        Ok(Some(Self { fast, extended, dht, info_hash, peer_id }))
    }

    /// The bytes of it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..20].copy_from_slice(PROTOCOL);
        for (said, (byte, bit)) in [(self.extended, EXTENDED), (self.fast, FAST), (self.dht, DHT)] {
            bytes[20 + byte] |= if said { bit } else { 0 };
        }
        bytes[28..48].copy_from_slice(self.info_hash.as_bytes());
        bytes[48..].copy_from_slice(self.peer_id.as_bytes());
        bytes
    }
}

/// A part of a piece, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Which piece.
    pub piece: u32,
    /// The first byte of it, counted from the beginning of the piece.
    pub begin: u32,
    /// How many bytes.
    pub length: u32,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Nothing, so that the connection is seen to be alive.
    KeepAlive,
    /// Requests are not answered any more.
    Choke,
    /// Requests are answered.
    Unchoke,
    /// The receiver has something that the sender wants.
    Interested,
    /// It has not.
    NotInterested,
    /// The sender has got this piece.
    Have(u32),
    /// Which pieces the sender has: the highest bit of the first byte is that of piece 0.
    Bitfield(&'a [u8]),
    /// Please send this.
    Request(Block),
    /// What was asked for.
    Piece {
        /// Which piece it is a part of.
        piece: u32,
        /// Where it begins in that piece.
        begin: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// This is not wanted any more.
    Cancel(Block),
    /// The port of the sender's DHT (BEP 5).
    Port(u16),
    /// The receiver might like this piece (BEP 6).
    Suggest(u32),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// A request is not going to be answered (BEP 6).
    Reject(Block),
    /// This piece may be asked for in spite of a choke (BEP 6).
    AllowedFast(u32),
    /// A message of an extension; 0 is the handshake of extensions (BEP 10).
    Extended {
        /// Which, by the number that the receiver has given it.
        id: u8,
        /// What it says.
        payload: &'a [u8],
    },
    /// One that nobody here knows. It is passed over.
    Unknown(u8),
}

/// What a stranger's message may be as long as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a `bitfield`: those that the torrent's pieces take, if they are known.
    pub bitfield: usize,
    /// Bytes of a block in `piece`.
    pub block: usize,
    /// Bytes of an extension's message, and of those that are unknown.
    pub extended: usize,
}

/// A message that nobody may send. The connection is of no use any more: where the next one begins is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It says that it is longer than one of its kind may be.
    #[error("a message {id} of {length} bytes, where {most} are allowed")]
    TooLong {
        /// Its id.
        id: u8,
        /// Bytes it says it has, its id not counted.
        length: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// It is shorter than one of its kind is, or longer than its kind ever is.
    #[error("a message {id} of {length} bytes, which is not how long it is")]
    WrongLength {
        /// Its id.
        id: u8,
        /// Bytes it has, its id not counted.
        length: usize,
    },
}

mod id {
    pub(super) const CHOKE: u8 = 0;
    pub(super) const UNCHOKE: u8 = 1;
    pub(super) const INTERESTED: u8 = 2;
    pub(super) const NOT_INTERESTED: u8 = 3;
    pub(super) const HAVE: u8 = 4;
    pub(super) const BITFIELD: u8 = 5;
    pub(super) const REQUEST: u8 = 6;
    pub(super) const PIECE: u8 = 7;
    pub(super) const CANCEL: u8 = 8;
    pub(super) const PORT: u8 = 9;
    pub(super) const SUGGEST: u8 = 13;
    pub(super) const HAVE_ALL: u8 = 14;
    pub(super) const HAVE_NONE: u8 = 15;
    pub(super) const REJECT: u8 = 16;
    pub(super) const ALLOWED_FAST: u8 = 17;
    pub(super) const EXTENDED: u8 = 20;
}

/// Bytes of a length, and of a `piece`'s two numbers.
const PREFIX: usize = 4;
const PIECE_HEAD: usize = 8;

/// Cuts a stream into messages. A message that lies whole in the input is read where it is; one that comes in
/// parts is kept here, and never in the connection's inbox, where everything that comes behind it would be
/// copied too.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What has come of a message, from its id on.
    partial: Vec<u8>,
    /// Bytes that it is going to have; none are expected if this is 0.
    expected: usize,
}

impl Decoder {
    /// Takes the next message, or nothing if there is none yet. What is left in the input then is less than a head.
    ///
    /// # Errors
    ///
    /// See [`Malformed`]: as soon as the head is there.
    pub fn next<'m, 'a: 'm>(
        &'m mut self,
        input: &mut Input<'a>,
        bounds: &Bounds,
    ) -> Result<Option<Message<'m>>, Malformed> {
        if self.expected == 0 {
            let Some(length) = head(input, bounds)? else {
                return Ok(None);
            };
            input.advance(PREFIX);
            if length == 0 {
                return Ok(Some(Message::KeepAlive));
            }
            if input.len() >= length {
                return read(input.take_front(length)).map(Some);
            }
            // What a stranger only says it will send takes no memory.
            self.partial = Vec::with_capacity(length.min(16 * 1024 + 9));
            self.expected = length;
        }
        let more = (self.expected - self.partial.len()).min(input.len());
        self.partial.extend_from_slice(input.take_front(more));
        if self.partial.len() < self.expected {
            return Ok(None);
        }
        self.expected = 0;
        read(&self.partial).map(Some)
    }

    /// Gives back the memory of the last message that came in parts. A connection that has gone quiet needs none.
    pub fn rest(&mut self) {
        if self.expected == 0 {
            self.partial = Vec::new();
        }
    }
}

/// How long the next message is from its id on, once that is known to be allowed; 0 is a keep-alive.
fn head(input: &Input<'_>, bounds: &Bounds) -> Result<Option<usize>, Malformed> {
    let Some((length, rest)) = input.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 {
        return Ok(Some(0));
    }
    let Some(&id) = rest.first() else {
        return Ok(None);
    };
    let (length, most) = (length - 1, most(id, bounds));
    if length > most {
        return Err(Malformed::TooLong { id, length, most });
    }
    Ok(Some(length + 1))
}

/// Bytes that a message may have, its id not counted.
fn most(id: u8, bounds: &Bounds) -> usize {
    match id {
        id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED => 0,
        id::HAVE_ALL | id::HAVE_NONE => 0,
        id::HAVE | id::SUGGEST | id::ALLOWED_FAST => 4,
        id::PORT => 2,
        id::REQUEST | id::CANCEL | id::REJECT => 12,
        id::BITFIELD => bounds.bitfield,
        id::PIECE => PIECE_HEAD + bounds.block,
        _ => bounds.extended,
    }
}

/// Reads a message from its id on.
fn read(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    let Some((&id, body)) = bytes.split_first() else {
        return Ok(Message::KeepAlive);
    };
    let wrong = Malformed::WrongLength { id, length: body.len() };
    let number = || body.try_into().map(u32::from_be_bytes).map_err(|_| wrong);
    Ok(match id {
        id::CHOKE => Message::Choke,
        id::UNCHOKE => Message::Unchoke,
        id::INTERESTED => Message::Interested,
        id::NOT_INTERESTED => Message::NotInterested,
        id::HAVE => Message::Have(number()?),
        id::BITFIELD => Message::Bitfield(body),
        id::REQUEST => Message::Request(Block::read(body).ok_or(wrong)?),
        id::PIECE => {
            let (head, bytes) = body.split_at_checked(PIECE_HEAD).ok_or(wrong)?;
            let Some([piece, begin]) = numbers(head) else {
                return Err(wrong);
            };
            Message::Piece { piece, begin, bytes }
        }
        id::CANCEL => Message::Cancel(Block::read(body).ok_or(wrong)?),
        id::PORT => Message::Port(body.try_into().map(u16::from_be_bytes).map_err(|_| wrong)?),
        id::SUGGEST => Message::Suggest(number()?),
        id::HAVE_ALL => Message::HaveAll,
        id::HAVE_NONE => Message::HaveNone,
        id::REJECT => Message::Reject(Block::read(body).ok_or(wrong)?),
        id::ALLOWED_FAST => Message::AllowedFast(number()?),
        id::EXTENDED => {
            let (&id, payload) = body.split_first().ok_or(wrong)?;
            Message::Extended { id, payload }
        }
        _ => Message::Unknown(id),
    })
}

/// So many numbers of four bytes, and nothing behind them.
fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let chunks: &[[u8; 4]; N] = chunks.try_into().ok()?;
    Some(chunks.map(u32::from_be_bytes))
}

impl Block {
    fn read(bytes: &[u8]) -> Option<Self> {
        numbers(bytes).map(|[piece, begin, length]| Self { piece, begin, length })
    }
}

impl Message<'_> {
    /// Appends the bytes of it, its length in front.
    pub fn write(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        self.write_body(out);
        let length = (out.len() - at - PREFIX) as u32;
        out[at..at + PREFIX].copy_from_slice(&length.to_be_bytes());
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        let mut put = |id: u8, numbers: &[u32], bytes: &[u8]| {
            out.push(id);
            numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            out.extend_from_slice(bytes);
        };
        match *self {
            Self::KeepAlive => {}
            Self::Choke => put(id::CHOKE, &[], &[]),
            Self::Unchoke => put(id::UNCHOKE, &[], &[]),
            Self::Interested => put(id::INTERESTED, &[], &[]),
            Self::NotInterested => put(id::NOT_INTERESTED, &[], &[]),
            Self::Have(piece) => put(id::HAVE, &[piece], &[]),
            Self::Bitfield(bits) => put(id::BITFIELD, &[], bits),
            Self::Request(block) => put(id::REQUEST, &block.numbers(), &[]),
            Self::Piece { piece, begin, bytes } => put(id::PIECE, &[piece, begin], bytes),
            Self::Cancel(block) => put(id::CANCEL, &block.numbers(), &[]),
            Self::Port(port) => put(id::PORT, &[], &port.to_be_bytes()),
            Self::Suggest(piece) => put(id::SUGGEST, &[piece], &[]),
            Self::HaveAll => put(id::HAVE_ALL, &[], &[]),
            Self::HaveNone => put(id::HAVE_NONE, &[], &[]),
            Self::Reject(block) => put(id::REJECT, &block.numbers(), &[]),
            Self::AllowedFast(piece) => put(id::ALLOWED_FAST, &[piece], &[]),
            Self::Extended { id, payload } => {
                put(id::EXTENDED, &[], &[id]);
                out.extend_from_slice(payload);
            }
            Self::Unknown(id) => put(id, &[], &[]),
        }
    }
}

impl Block {
    fn numbers(self) -> [u32; 3] {
        [self.piece, self.begin, self.length]
    }

    /// The bytes in front of this block's content, in the message that brings it.
    #[must_use]
    pub fn piece_head(self) -> [u8; 13] {
        let mut head = [0; 13];
        head[..4].copy_from_slice(&(9 + self.length).to_be_bytes());
        head[4] = id::PIECE;
        head[5..9].copy_from_slice(&self.piece.to_be_bytes());
        head[9..].copy_from_slice(&self.begin.to_be_bytes());
        head
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bitfield: 32, block: 16 * 1024, extended: 100 };
    const BLOCK: Block = Block { piece: 1, begin: 2, length: 3 };

    /// Everything that comes of these bytes when they arrive in these pieces.
    fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Malformed> {
        let (mut decoder, mut inbox, mut told) = (Decoder::default(), Vec::new(), Vec::new());
        for piece in pieces {
            inbox.extend_from_slice(piece);
            let mut input = Input::new(&inbox);
            while let Some(message) = decoder.next(&mut input, &BOUNDS)? {
                let mut written = Vec::new();
                message.write(&mut written);
                told.push(written);
            }
            let left = input.len();
            assert!(left < PREFIX + 1, "{left} bytes are left to the inbox");
            inbox.drain(..inbox.len() - left);
        }
        Ok(told)
    }

    fn any_message() -> impl Strategy<Value = Vec<u8>> {
        let written = |message: Message<'_>| {
            let mut bytes = Vec::new();
            message.write(&mut bytes);
            bytes
        };
        let block =
            || any::<[u32; 3]>().prop_map(|[piece, begin, length]| Block { piece, begin, length });
        let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
        prop_oneof![
            prop::sample::select(vec![
                Message::KeepAlive,
                Message::Choke,
                Message::Unchoke,
                Message::Interested,
                Message::NotInterested,
                Message::HaveAll,
                Message::HaveNone,
                Message::Port(6_881),
                Message::Have(7),
                Message::Suggest(8),
                Message::AllowedFast(9),
                Message::Unknown(99),
            ])
            .prop_map(written),
            block().prop_map(move |block| written(Message::Request(block))),
            block().prop_map(move |block| written(Message::Cancel(block))),
            block().prop_map(move |block| written(Message::Reject(block))),
            bytes(32).prop_map(move |bits| written(Message::Bitfield(&bits))),
            bytes(300).prop_map(move |bytes| {
                written(Message::Piece { piece: 1, begin: 2, bytes: &bytes })
            }),
            bytes(90).prop_map(move |payload| {
                written(Message::Extended { id: 1, payload: &payload })
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_however_it_is_cut(
            messages in prop::collection::vec(any_message(), 0..8),
            size in 1_usize..50,
        ) {
            let bytes = messages.concat();
            let whole = decode(std::iter::once(&bytes[..]));
            prop_assert_eq!(decode(bytes.chunks(size)), whole.clone());
            prop_assert_eq!(whole, Ok(messages));
        }

        #[test]
        fn any_bytes_are_the_same_in_one_piece_and_in_many(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            small in prop::collection::vec(0..21_u8, 0..60),
            size in 1_usize..20,
        ) {
            for bytes in [bytes, small] {
                prop_assert_eq!(decode(bytes.chunks(size)), decode(std::iter::once(&bytes[..])));
            }
        }

        #[test]
        fn a_handshake_is_read_again(
            fast: bool, extended: bool, dht: bool, info_hash: [u8; 20], peer_id: [u8; 20],
            cut in 0_usize..68,
        ) {
            let (info_hash, peer_id) = (info_hash.into(), peer_id.into());
            let handshake = Handshake { fast, extended, dht, info_hash, peer_id };
            let bytes = handshake.to_bytes();
            let mut input = Input::new(&bytes);
            prop_assert_eq!(Handshake::take(&mut input), Ok(Some(handshake)));
            prop_assert!(input.is_empty());
            prop_assert_eq!(Handshake::take(&mut Input::new(&bytes[..cut])), Ok(None));
        }
    }

    #[test]
    fn a_length_that_is_not_allowed_is_refused_at_the_head() {
        for (bytes, error) in [
            (
                &[0xff, 0xff, 0xff, 0xff, id::PIECE][..],
                Malformed::TooLong {
                    id: id::PIECE,
                    length: u32::MAX as usize - 1,
                    most: 8 + 16 * 1024,
                },
            ),
            (&[0, 0, 0, 2, id::CHOKE], Malformed::TooLong { id: id::CHOKE, length: 1, most: 0 }),
            (
                &[0, 0, 0, 34, id::BITFIELD],
                Malformed::TooLong { id: id::BITFIELD, length: 33, most: 32 },
            ),
            (
                &[0, 0, 1, 0, id::EXTENDED],
                Malformed::TooLong { id: id::EXTENDED, length: 255, most: 100 },
            ),
            (&[0, 0, 0, 1, id::EXTENDED], Malformed::WrongLength { id: id::EXTENDED, length: 0 }),
            (&[0, 0, 0, 2, id::HAVE, 0], Malformed::WrongLength { id: id::HAVE, length: 1 }),
            (&[0, 0, 0, 2, id::PIECE, 0], Malformed::WrongLength { id: id::PIECE, length: 1 }),
        ] {
            let refused = Decoder::default().next(&mut Input::new(bytes), &BOUNDS).unwrap_err();
            assert_eq!(refused, error);
        }
    }

    #[test]
    fn another_protocol_is_known_by_its_first_byte() {
        assert_eq!(Handshake::take(&mut Input::new(b"\x12")), Err(NotBitTorrent));
        assert_eq!(Handshake::take(&mut Input::new(b"\x13Bit")), Ok(None));
        assert_eq!(Handshake::take(&mut Input::new(b"\x13Bitt")), Err(NotBitTorrent));
    }

    #[test]
    fn the_head_of_a_block_is_that_of_its_message() {
        let mut whole = Vec::new();
        Message::Piece { piece: 1, begin: 2, bytes: b"abc" }.write(&mut whole);
        assert_eq!([&BLOCK.piece_head()[..], b"abc"].concat(), whole);
    }
}
