//! A message that is still coming.

use simdutf8::compat::from_utf8;

use super::{Event, Inflater, Mask, Message, Opcode, Scratch, Violation};
use crate::websocket::Limits;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

impl Kind {
    pub(super) fn of(opcode: Opcode) -> Self {
        if opcode == Opcode::Text { Self::Text } else { Self::Binary }
    }
}

/// The parts of a message that have come, in one piece.
#[derive(Debug)]
pub(super) struct Assembly {
    content: Content,
    fragments: usize,
}

#[derive(Debug)]
enum Content {
    /// Text that is known to be UTF-8, and the beginning of its next character.
    Text(String, Beginning),
    Binary(Vec<u8>),
    /// Compressed: it is inflated when it is whole, since who inflates it is shared by all connections.
    Deflated(Kind, Vec<u8>),
}

/// The beginning of a character: none to three bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    bytes: [u8; 3],
    length: usize,
}

impl Assembly {
    pub(super) fn new(opcode: Opcode, is_deflated: bool) -> Self {
        let content = match Kind::of(opcode) {
            kind if is_deflated => Content::Deflated(kind, Vec::new()),
            Kind::Text => Content::Text(String::new(), Beginning::default()),
            Kind::Binary => Content::Binary(Vec::new()),
        };
        Self { content, fragments: 0 }
    }

    /// Another frame of it begins, with so many bytes.
    pub(super) fn begin_fragment(&mut self, length: u64, limits: &Limits) -> Result<(), Violation> {
        self.fragments += 1;
        if self.fragments > limits.fragments {
            return Err(Violation::TooManyFragments);
        }
        let room = limits.message.saturating_sub(self.len()) as u64;
        if length > room { Err(Violation::MessageTooLong) } else { Ok(()) }
    }

    /// Takes what has come, and unmasks it. Text that cannot become UTF-8 any more is refused at once.
    pub(super) fn append(
        &mut self,
        chunk: &[u8],
        mask: &mut Mask,
        scratch: &mut Scratch,
    ) -> Result<(), Violation> {
        match &mut self.content {
            Content::Binary(bytes) | Content::Deflated(_, bytes) => {
                let from = bytes.len();
                bytes.extend_from_slice(chunk);
                mask.apply(&mut bytes[from..]);
            }
            Content::Text(text, beginning) => {
                let plain = &mut scratch.bytes;
                plain.clear();
                plain.extend_from_slice(&beginning.bytes[..beginning.length]);
                plain.extend_from_slice(chunk);
                mask.apply(&mut plain[beginning.length..]);
                *beginning = append_text(plain, text)?;
            }
        }
        Ok(())
    }

    /// It is whole: what it is. It stays in `scratch`.
    pub(super) fn finish<'a>(
        self,
        scratch: &'a mut Scratch,
        inflater: &mut Inflater,
        limits: &Limits,
    ) -> Result<Event<'a>, Violation> {
        let message = match self.content {
            Content::Text(_, Beginning { length: 1.., .. }) => return Err(Violation::NotUtf8),
            Content::Text(text, _) => {
                scratch.text = text;
                Message::Text(&scratch.text)
            }
            Content::Binary(bytes) => {
                scratch.bytes = bytes;
                Message::Binary(&scratch.bytes)
            }
            Content::Deflated(kind, bytes) => {
                return scratch.inflated(kind, &bytes, inflater, limits);
            }
        };
        Ok(Event::Message(message))
    }

    fn len(&self) -> usize {
        match &self.content {
            Content::Text(text, beginning) => text.len() + beginning.length,
            Content::Binary(bytes) | Content::Deflated(_, bytes) => bytes.len(),
        }
    }
}

/// Adds what is whole characters, and returns the beginning of one that is not.
fn append_text(plain: &[u8], text: &mut String) -> Result<Beginning, Violation> {
    let error = match from_utf8(plain) {
        Ok(plain) => {
            text.push_str(plain);
            return Ok(Beginning::default());
        }
        Err(error) if error.error_len().is_some() => return Err(Violation::NotUtf8),
        Err(error) => error,
    };
    let (whole, rest) = plain.split_at(error.valid_up_to());
    text.push_str(from_utf8(whole).map_err(|_| Violation::NotUtf8)?);
    let mut beginning = Beginning { bytes: [0; 3], length: rest.len() };
    let room = beginning.bytes.get_mut(..rest.len()).ok_or(Violation::NotUtf8)?;
    room.copy_from_slice(rest);
    Ok(beginning)
}
