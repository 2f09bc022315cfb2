//! Messages out of a stream of bytes.

use bytes::Buf;
use reactor::Input;
use simdutf8::basic::from_utf8;

use super::assembly::{Assembly, Kind};
use super::{Event, Header, Inflater, Mask, Message, Opcode, Room, Violation, close};
use crate::websocket::{Limits, Role};

/// Cuts a stream into frames, and puts messages together (RFC 6455, 5).
///
/// ```text
///                 ┌── whole in the input: Message, Ping, Pong, Close ──┐
///                 ▼                                                    │
///              Header ◀──────────────────────── fin: Message ──────────┤
///                 │                                                    │
///                 └── more is to come ──▶ Payload ─┬─ its last byte ───┘
///                                            ▲     │
///                                            └─────┘ each part as it comes
/// ```
///
/// A message that has come whole is unmasked into the loop's [`Scratch`], and the connection keeps nothing.
/// Of one that has not, what there is is kept in one piece, however many fragments it comes in; the input
/// keeps no more than a header or a control frame.
#[derive(Debug, Default)]
pub struct Decoder {
    reading: Reading,
    message: Option<Box<Assembly>>,
}

#[derive(Debug, Default)]
enum Reading {
    #[default]
    Header,
    Payload {
        mask: Mask,
        left: u64,
        fin: bool,
    },
}

/// What a decoder goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Who sends: a client masks, a server does not.
    pub sender: Role,
    /// Whether messages may be compressed.
    pub deflate: bool,
    /// The bounds.
    pub limits: &'a Limits,
}

/// Where messages are put together until they have been looked at: one for all connections of a loop.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) bytes: Vec<u8>,
    pub(super) text: String,
    inflated: Vec<u8>,
}

/// What is kept of a buffer that was needed once.
const KEPT: usize = 256 * 1024;

impl Decoder {
    /// Takes what stands at the front of the input; `None` if the rest of it has yet to come. The input
    /// must begin where the last call left it.
    ///
    /// ```
    /// use protocols::websocket::wire::{Context, Decoder, Event, Inflater, Message, Rules, Scratch};
    /// use protocols::websocket::{Limits, Role};
    /// use reactor::Input;
    ///
    /// let limits = Limits::default();
    /// let rules = Rules { sender: Role::Server, deflate: false, limits: &limits };
    /// let (mut scratch, mut inflater) = (Scratch::default(), Inflater::new(Context::Fresh));
    /// let mut decoder = Decoder::default();
    /// // RFC 6455, 5.7: "Hello" in two fragments, and the beginning of a ping.
    /// let mut input = Input::new(b"\x01\x03Hel\x80\x02lo\x89\x05H");
    /// let event = decoder.next(&mut input, &rules, &mut scratch, &mut inflater)?;
    /// assert_eq!(event, Some(Event::Message(Message::Text("Hello"))));
    /// assert_eq!(decoder.next(&mut input, &rules, &mut scratch, &mut inflater)?, None);
    /// # Ok::<(), protocols::websocket::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the peer broke a rule or a limit: no sense can be made of what follows.
    pub fn next<'a>(
        &mut self,
        input: &mut Input<'_>,
        rules: &Rules<'_>,
        scratch: &'a mut Scratch,
        inflater: &mut Inflater,
    ) -> Result<Option<Event<'a>>, Violation> {
        loop {
            let (header, length) = match &mut self.reading {
                Reading::Header => match Header::parse(input)? {
                    Some(parsed) => parsed,
                    None => return Ok(None),
                },
                Reading::Payload { .. } => {
                    if !self.read_payload(input, scratch)? {
                        return Ok(None);
                    }
                    if let Some(message) = self.take_finished() {
                        return message.finish(scratch, inflater, rules.limits).map(Some);
                    }
                    continue;
                }
            };
            self.check(&header, rules)?;
            if header.opcode.is_control() || (header.fin && self.message.is_none()) {
                let rest = input.len() - length;
                if header.length <= rest as u64 {
                    input.advance(length);
                    let payload = input.take_front(header.length as usize);
                    return scratch.whole(&header, payload, inflater, rules.limits).map(Some);
                }
                if header.opcode.is_control() {
                    return Ok(None);
                }
            }
            input.advance(length);
            self.begin(&header, rules.limits)?;
        }
    }

    /// Takes a client's short message in one frame, if that is what stands at the front of the input whole: what
    /// most frames of most programs are. It has fewer bytes than `below`. Whatever else stands there is for
    /// [`next`](Self::next).
    #[inline]
    pub(in crate::websocket) fn next_short<'a>(
        &self,
        input: &mut Input<'_>,
        below: u8,
        room: &'a mut Room,
    ) -> Option<Result<Message<'a>, Violation>> {
        if !matches!((&self.reading, &self.message), (Reading::Header, None)) {
            return None;
        }
        let (opcode, key, payload) = Header::short(input, below)?;
        let plain = Mask::new(key).copy(payload, room);
        input.advance(6 + payload.len());
        Some(message(opcode, plain))
    }

    /// What is wrong about a frame that can be told by its header, and by what came before.
    fn check(&self, header: &Header, rules: &Rules<'_>) -> Result<(), Violation> {
        match (rules.sender, header.mask) {
            (Role::Client, None) => return Err(Violation::NotMasked),
            (Role::Server, Some(_)) => return Err(Violation::Masked),
            _ => {}
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        let continues = header.opcode == Opcode::Continuation;
        match () {
            // Only the first frame of a message says that it is compressed (RFC 7692, 6.1).
            () if header.rsv1 && (continues || !rules.deflate) => Err(Violation::ReservedBits),
            () if continues && self.message.is_none() => Err(Violation::StrayContinuation),
            () if !continues && self.message.is_some() => Err(Violation::MessageWithinMessage),
            () if header.length > rules.limits.frame as u64 => Err(Violation::FrameTooLong),
            () if header.length > rules.limits.message as u64 => Err(Violation::MessageTooLong),
            () => Ok(()),
        }
    }

    /// A frame of which more is to come, or one of several.
    fn begin(&mut self, header: &Header, limits: &Limits) -> Result<(), Violation> {
        let new = || Box::new(Assembly::new(header.opcode, header.rsv1));
        self.message.get_or_insert_with(new).begin_fragment(header.length, limits)?;
        let mask = header.mask.map_or(Mask::NONE, Mask::new);
        self.reading = Reading::Payload { mask, left: header.length, fin: header.fin };
        Ok(())
    }

    /// Takes what has come of a payload; whether that is all of it.
    fn read_payload(
        &mut self,
        input: &mut Input<'_>,
        scratch: &mut Scratch,
    ) -> Result<bool, Violation> {
        if let (Reading::Payload { mask, left, .. }, Some(message)) =
            (&mut self.reading, &mut self.message)
        {
            let length = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            message.append(input.take_front(length), mask, scratch)?;
            *left -= length as u64;
            return Ok(*left == 0);
        }
        Ok(true)
    }

    /// The payload has come: the message, if that was its last frame.
    fn take_finished(&mut self) -> Option<Box<Assembly>> {
        match std::mem::take(&mut self.reading) {
            Reading::Payload { fin: true, .. } => self.message.take(),
            _ => None,
        }
    }
}

impl Scratch {
    /// What a frame says that has come whole.
    fn whole(
        &mut self,
        header: &Header,
        payload: &[u8],
        inflater: &mut Inflater,
        limits: &Limits,
    ) -> Result<Event<'_>, Violation> {
        self.unmask(payload, header.mask.unwrap_or_default());
        match header.opcode {
            Opcode::Ping => Ok(Event::Ping(&self.bytes)),
            Opcode::Pong => Ok(Event::Pong(&self.bytes)),
            Opcode::Close => close::parse(&self.bytes).map(Event::Close),
            opcode if header.rsv1 => {
                let Self { bytes, inflated, .. } = self;
                inflate(Kind::of(opcode), bytes, inflated, inflater, limits)
            }
            opcode => message(opcode, &self.bytes).map(Event::Message),
        }
    }

    fn unmask(&mut self, payload: &[u8], key: [u8; 4]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(payload);
        Mask::new(key).apply(&mut self.bytes);
    }

    /// What a compressed message says that was put together.
    pub(super) fn inflated(
        &mut self,
        kind: Kind,
        compressed: &[u8],
        inflater: &mut Inflater,
        limits: &Limits,
    ) -> Result<Event<'_>, Violation> {
        inflate(kind, compressed, &mut self.inflated, inflater, limits)
    }

    /// Gives back what a long message needed, when it has been looked at.
    pub fn shrink(&mut self) {
        let Self { bytes, text, inflated, .. } = self;
        if bytes.capacity().max(text.capacity()).max(inflated.capacity()) > KEPT {
            *self = Self::default();
        }
    }
}

/// What has been unmasked.
#[inline]
fn message(opcode: Opcode, plain: &[u8]) -> Result<Message<'_>, Violation> {
    Ok(match Kind::of(opcode) {
        Kind::Text => Message::Text(from_utf8(plain).map_err(|_| Violation::NotUtf8)?),
        Kind::Binary => Message::Binary(plain),
    })
}

fn inflate<'a>(
    kind: Kind,
    compressed: &[u8],
    inflated: &'a mut Vec<u8>,
    inflater: &mut Inflater,
    limits: &Limits,
) -> Result<Event<'a>, Violation> {
    inflated.clear();
    inflater.inflate(compressed, limits.inflated, inflated)?;
    Ok(Event::Message(match kind {
        Kind::Text => Message::Text(from_utf8(inflated).map_err(|_| Violation::NotUtf8)?),
        Kind::Binary => Message::Binary(inflated),
    }))
}

#[cfg(test)]
mod tests;
