//! A line on its way out: one body, and as many renderings as its receivers' capabilities ask for.
//!
//! ```text
//!                        Line ── body, time, id, account, …
//!                          │ rendered at most once a style
//!        ┌─────────────────┼──────────────────────┐
//!   ":ann … hi"   "@time=… :ann … hi"   "@time=…;msgid=…;+typing=done :ann … hi"
//!     │ │ │               │ │                      │ │ │ │
//!     members, each of which is given the same bytes again
//! ```

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chat::wire::builder::{Builder, WriteError};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::message::Tags;
use crate::chat::wire::text::as_text;
use crate::chat::wire::timestamp::Timestamp;

/// The name of a message (IRCv3 message-ids): which life of which server it is from, and the how-many-eth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    /// A random number; in a network, behind what stands for the node.
    pub(super) life: u64,
    pub(super) serial: u64,
}

/// The text is no [`MessageId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the name of a message")]
pub struct NotAMessageId;

impl MessageId {
    /// As it is written, `{life:08x}-{serial:x}`.
    pub(super) fn spell(self) -> Spelt {
        let mut spelt = Spelt { room: [0; ROOM], at: ROOM };
        spelt.number(self.serial, 1);
        spelt.put(b'-');
        spelt.number(self.life, 8);
        spelt
    }
}

/// A name as it is written, from its end to its begin: there are several in each line between servers, and `write!` would
/// take as long as all the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelt {
    room: [u8; ROOM],
    at: usize,
}

/// Two numbers, what is between them, and what may be in front.
const ROOM: usize = 34;

impl Spelt {
    /// Puts something in front.
    pub(super) fn put(&mut self, byte: u8) {
        if let Some(at) = self.at.checked_sub(1)
            && let Some(place) = self.room.get_mut(at)
        {
            (*place, self.at) = (byte, at);
        }
    }

    /// Puts a number in front, in hexadecimal, of at least so many digits.
    fn number(&mut self, number: u64, least: usize) {
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4) as usize;
        let halves = [digits_of((number >> 32) as u32), digits_of(number as u32)];
        if let Some(begin) = self.at.checked_sub(halves.as_flattened().len())
            && let Some(place) = self.room.get_mut(begin..self.at)
        {
            place.copy_from_slice(halves.as_flattened());
            self.at -= digits.max(least);
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.room.get(self.at..).unwrap_or_default()
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spell().as_str())
    }
}

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        let (life, rest) = number(text.as_bytes()).ok_or(NotAMessageId)?;
        let rest = rest.strip_prefix(b"-").ok_or(NotAMessageId)?;
        match number(rest) {
            Some((serial, [])) => Ok(Self { life, serial }),
            _ => Err(NotAMessageId),
        }
    }
}

/// A number in hexadecimal, and what is behind it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut digits) = (0, 0);
    for &digit in text {
        let value = DIGITS[usize::from(digit)];
        if value > 0xf {
            break;
        }
        (number, digits) = (number << 4 | u64::from(value), digits + 1);
    }
    if (1..=16).contains(&digits) { Some((number, text.get(digits..)?)) } else { None }
}

/// A number as eight digits, each of which is made in a byte of its own, and all at once.
fn digits_of(number: u32) -> [u8; 8] {
    let each = |byte| u64::from_ne_bytes([byte; 8]);
    let mut digits = u64::from(number);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & each(0x0f);
    // From ten on they are letters.
    let letters = (digits + each(6)) >> 4 & each(1);
    (digits + each(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// What a byte is worth as a digit in hexadecimal; more than that, if it is none.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        digits[digit as usize] = value as u8;
        digits[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    digits
};

as_text!(MessageId);

/// The tags of a client that are passed on, escaped as they came: those that begin with a plus (IRCv3 message-tags,
/// "Client-only tags"). Most lines have none, which takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ClientTags(Option<Rc<str>>);

impl ClientTags {
    pub(super) fn of(tags: Tags<'_>) -> Self {
        if tags.as_str().is_empty() {
            return Self(None);
        }
        let kept: Vec<_> = tags.as_str().split(';').filter(|tag| tag.starts_with('+')).collect();
        Self((!kept.is_empty()).then(|| kept.join(";").into()))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

/// One line, and what may be said about it in tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// From the source to the CR LF.
    pub(super) body: Bytes,
    pub(super) at: Option<Timestamp>,
    pub(super) id: Option<MessageId>,
    pub(super) account: Option<Rc<str>>,
    pub(super) bot: bool,
    pub(super) client_tags: ClientTags,
    pub(super) batch: Option<Rc<str>>,
    /// The next part of a multiline message belongs to the same line.
    pub(super) concat: bool,
}

impl Line {
    /// A line without tags, cut where it is too long.
    pub(super) fn new(builder: Builder) -> Result<Self, WriteError> {
        Ok(Self { body: builder.finish_cut()?.into(), ..Self::default() })
    }

    /// The line as a client with these capabilities gets it.
    pub(super) fn render(&self, caps: Caps, label: Option<&str>) -> Bytes {
        let mut tags = Builder::new();
        if let Some(label) = label {
            tags = tags.tag("label", label);
        }
        if let (Some(batch), true) = (&self.batch, caps.has(Caps::BATCH)) {
            tags = tags.tag("batch", batch);
        }
        if let (Some(at), true) = (self.at, caps.has(Caps::SERVER_TIME)) {
            tags = tags.tag("time", &at.to_string());
        }
        if let (Some(account), true) = (&self.account, caps.has(Caps::ACCOUNT_TAG)) {
            tags = tags.tag("account", account);
        }
        if caps.has(Caps::MESSAGE_TAGS) {
            tags = self.write_message_tags(tags);
        }
        if self.concat && caps.has(Caps::MULTILINE) && self.batch.is_some() {
            tags = tags.tag("draft/multiline-concat", "");
        }
        caps.framing().frame(tags.before(&self.body))
    }

    fn write_message_tags(&self, mut tags: Builder) -> Builder {
        if let Some(id) = self.id {
            tags = tags.tag("msgid", &id.to_string());
        }
        if self.bot {
            tags = tags.tag("bot", "");
        }
        let client_tags = Tags::new(self.client_tags.as_str());
        client_tags.iter().fold(tags, |tags, (key, value)| tags.tag(key, &value))
    }
}

/// The renderings of a line that were needed so far.
pub(super) struct Renderings<'a> {
    line: &'a Line,
    renderings: [Option<Bytes>; 8],
    /// Those for WebSockets, by their styles: most lines need none, and the others few.
    framed: Vec<(usize, Bytes)>,
}

impl<'a> Renderings<'a> {
    pub(super) fn new(line: &'a Line) -> Self {
        Self { line, renderings: Default::default(), framed: Vec::new() }
    }

    /// The line for one more receiver: the same bytes for all whose capabilities ask for the same.
    #[inline]
    pub(super) fn of(&mut self, caps: Caps) -> Bytes {
        match self.renderings.get(caps.style()) {
            Some(Some(bytes)) => bytes.clone(),
            Some(None) => self.render(caps),
            None => self.render_framed(caps),
        }
    }

    #[cold]
    fn render(&mut self, caps: Caps) -> Bytes {
        let bytes = self.line.render(caps, None);
        self.renderings[caps.style()] = Some(bytes.clone());
        bytes
    }

    #[cold]
    fn render_framed(&mut self, caps: Caps) -> Bytes {
        let style = caps.style();
        if let Some((_, bytes)) = self.framed.iter().find(|(framed, _)| *framed == style) {
            return bytes.clone();
        }
        let bytes = self.line.render(caps, None);
        self.framed.push((style, bytes.clone()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let mut line =
            Line::new(Builder::new().source("ann").command("PRIVMSG").param("#a").text("hi"))
                .expect("it is a line");
        line.at = Some(Timestamp::default());
        line.id = Some(MessageId { life: 0xab, serial: 7 });
        line.account = Some("Ann".into());
        line.bot = true;
        line.client_tags = ClientTags::of(Tags::new("a;+a=b\\:c"));
        line
    }

    #[test]
    fn each_receiver_gets_the_tags_it_asked_for() {
        let body = ":ann PRIVMSG #a :hi\r\n";
        for (caps, tags) in [
            (Caps::NONE, ""),
            (Caps::SERVER_TIME, "@time=1970-01-01T00:00:00.000Z "),
            (Caps::ACCOUNT_TAG, "@account=Ann "),
            (Caps::MESSAGE_TAGS, "@msgid=000000ab-7;bot;+a=b\\:c "),
        ] {
            assert_eq!(line().render(caps, None), format!("{tags}{body}"));
        }
        assert_eq!(line().render(Caps::NONE, Some("x y")), format!("@label=x\\sy {body}"));
    }

    #[test]
    fn receivers_that_ask_for_the_same_share_the_bytes() {
        let line = line();
        let mut renderings = Renderings::new(&line);
        let first = renderings.of(Caps::SERVER_TIME | Caps::BATCH);
        let second = renderings.of(Caps::SERVER_TIME);
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_ne!(first.as_ptr(), renderings.of(Caps::NONE).as_ptr());
    }

    #[test]
    fn an_id_is_read_as_it_was_written() {
        for (life, serial, text) in [
            (1, u64::MAX, "00000001-ffffffffffffffff"),
            (u64::MAX, 0, "ffffffffffffffff-0"),
            (0xab_cdef_0123, 0x10, "abcdef0123-10"),
        ] {
            let id = MessageId { life, serial };
            assert_eq!((id.to_string(), text.parse()), (text.to_owned(), Ok(id)));
        }
        assert_eq!("1-AbC".parse(), Ok(MessageId { life: 1, serial: 0xabc }));
        for text in ["x-1", "1", "-1", "1-", "1-2-3", "1-+2", "1-11111111111111111"] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAMessageId), "{text}");
        }
    }
}
