//! One line of IRC, parsed from any bytes.
//!
//! ```text
//!   @time=2026-01-01T00:00:00.000Z;+typing=active :ann!~a@192.0.2.1 PRIVMSG #room :how are you
//!   └──────────────── tags ─────────────────────┘ └──── source ───┘ └─────┘ └───┘  └─────────┘
//!         at most 8,191 bytes with @ and space                      command   parameters
//!                                                └── at most 512 bytes with CR LF, the "body" ──┘
//! ```
//!
//! Parsing is total: any bytes are either a message or one of a few named errors. A message that was
//! parsed borrows from its line, and holds no NUL, CR or LF; one that is written holds none because
//! every part of it passes a [`Builder`](crate::chat::Builder).

use std::borrow::Cow;
use std::fmt;
use std::str;

use thiserror::Error;

/// Bytes of tags, from `@` to the space behind them, on any line (IRCv3 message-tags, "Size limit").
pub const MAX_TAGS: usize = 8_191;
/// Bytes of tags that a client may send: its half of [`MAX_TAGS`], the other being the server's.
pub const MAX_CLIENT_TAGS: usize = 4_096;
/// Bytes of the rest of a line, with its CR LF (RFC 1459, 2.3).
pub const MAX_BODY: usize = 512;
/// Parameters of a message. The last takes what is left of the line (RFC 2812, 2.3.1).
pub const MAX_PARAMS: usize = 15;

/// A message, borrowed from its line.
///
/// ```
/// use protocols::chat::Message;
///
/// let message = Message::parse(b"@+draft/reply=a\\:b :ann PRIVMSG #room :how are you").unwrap();
/// assert_eq!(message.source, Some("ann"));
/// assert_eq!(message.command, "PRIVMSG");
/// assert_eq!(message.params(), ["#room", "how are you"]);
/// assert_eq!(message.tags.get("+draft/reply").as_deref(), Some("a;b"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The tags.
    pub tags: Tags<'a>,
    /// Who it is from: `nick!user@host`, or a server's name. Servers ignore it.
    pub source: Option<&'a str>,
    /// The command as it was written: a word, in any case, or three digits.
    pub command: &'a str,
    params: [&'a str; MAX_PARAMS],
    count: usize,
}

/// Why a line is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// There is no command: an empty line, which is ignored silently (RFC 1459, 2.3.1).
    #[error("the line holds no command")]
    Empty,
    /// The tags are longer than [`MAX_TAGS`].
    #[error("the tags are too long")]
    TagsTooLong,
    /// The rest is longer than [`MAX_BODY`].
    #[error("the line is too long")]
    BodyTooLong,
    /// There is a NUL, or a CR or LF inside.
    #[error("the line holds a NUL, CR or LF")]
    Control,
    /// The line is not UTF-8 (the `UTF8ONLY` of ISUPPORT).
    #[error("the line is not UTF-8")]
    NotUtf8,
}

impl<'a> Message<'a> {
    /// Parses a line, which comes without its CR LF.
    ///
    /// # Errors
    ///
    /// [`ParseError`]. A program that talks to servers of another age may turn what is not UTF-8 into
    /// text with [`String::from_utf8_lossy`], and parse that.
    pub fn parse(line: &'a [u8]) -> Result<Self, ParseError> {
        let ceiling = MAX_TAGS + MAX_BODY - 2;
        if line.len() > ceiling {
            return Err(if line.starts_with(b"@") {
                ParseError::TagsTooLong
            } else {
                ParseError::BodyTooLong
            });
        }
        if has_control(line) {
            return Err(ParseError::Control);
        }
        Self::parse_text(str::from_utf8(line).map_err(|_| ParseError::NotUtf8)?)
    }

    fn parse_text(line: &'a str) -> Result<Self, ParseError> {
        let (tags, body) = match line.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').ok_or(ParseError::Empty)?,
            None => ("", line),
        };
        if tags.len() + 2 > MAX_TAGS {
            return Err(ParseError::TagsTooLong);
        }
        let body = body.trim_start_matches(' ');
        if body.len() + 2 > MAX_BODY {
            return Err(ParseError::BodyTooLong);
        }
        let (source, rest) = match body.strip_prefix(':') {
            Some(rest) => {
                let (source, rest) = word(rest);
                (Some(source), rest)
            }
            None => (None, body),
        };
        let (command, rest) = word(rest);
        // What looks like the beginning of a line is no command, or printing it would make it one.
        if command.is_empty() || command.starts_with(['@', ':']) {
            return Err(ParseError::Empty);
        }
        let mut message =
            Self { tags: Tags(tags), source, command, params: [""; MAX_PARAMS], count: 0 };
        message.take_params(rest);
        Ok(message)
    }

    fn take_params(&mut self, mut rest: &'a str) {
        while !rest.is_empty() && self.count < MAX_PARAMS {
            let last = self.count + 1 == MAX_PARAMS;
            let param = match rest.strip_prefix(':') {
                Some(trailing) => {
                    rest = "";
                    trailing
                }
                None if last => std::mem::take(&mut rest),
                None => {
                    let (param, behind) = word(rest);
                    rest = behind;
                    param
                }
            };
            self.params[self.count] = param;
            self.count += 1;
        }
    }

    /// The parameters, the last one without its colon.
    #[must_use]
    pub fn params(&self) -> &[&'a str] {
        &self.params[..self.count]
    }

    /// A parameter, by its position from zero.
    #[must_use]
    pub fn param(&self, position: usize) -> Option<&'a str> {
        self.params().get(position).copied()
    }
}

impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.tags.iter().eq(other.tags.iter())
            && (self.source, self.command) == (other.source, other.command)
            && self.params() == other.params()
    }
}

impl Eq for Message<'_> {}

/// Whether there is a byte that stands nowhere in a line. All of them are looked at, whatever comes first: so many at a
/// time.
pub(super) fn has_control(text: &[u8]) -> bool {
    let is_control = |byte: u8| matches!(byte, 0 | b'\r' | b'\n');
    text.iter().fold(false, |found, &byte| found | is_control(byte))
}

/// The first word, and what stands behind it and the spaces that follow.
fn word(text: &str) -> (&str, &str) {
    // Words are short, so that looking for the place in any quicker way takes longer.
    let end = text.bytes().position(|byte| byte == b' ').unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}

/// The tags of a message (IRCv3 message-tags), as they were sent: escaped, in order, with repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a>(&'a str);

impl<'a> Tags<'a> {
    /// Tags as they stand on a line, without `@`.
    pub(in crate::chat) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Each key with its value, unescaped. A tag without a value has an empty one.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        self.0.split(';').filter(|tag| !tag.is_empty()).map(|tag| match tag.split_once('=') {
            Some((key, value)) => (key, unescape(value)),
            None => (tag, Cow::Borrowed("")),
        })
    }

    /// The value of a tag; of the last one, if it is repeated.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        // Most lines have none.
        if self.0.is_empty() {
            return None;
        }
        self.iter().filter(|(tag, _)| *tag == key).last().map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The tags as they stand on the line, without `@`.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// Undoes the escapes of a tag's value: `\:` `\s` `\\` `\r` `\n`; of any other the backslash is dropped.
fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(':') => plain.push(';'),
                Some('s') => plain.push(' '),
                Some('r') => plain.push('\r'),
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

impl fmt::Display for Message<'_> {
    /// The line without its CR LF, as it would be sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.tags.as_str().is_empty() {
            write!(f, "@{} ", self.tags.as_str())?;
        }
        if let Some(source) = self.source {
            write!(f, ":{source} ")?;
        }
        f.write_str(self.command)?;
        if let Some((last, front)) = self.params().split_last() {
            front.iter().try_for_each(|param| write!(f, " {param}"))?;
            write!(f, " :{last}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Message<'_> {
        Message::parse(line.as_bytes()).expect("it is a message")
    }

    #[test]
    fn spaces_between_parts_may_be_many() {
        let message = parse("@a=1   :ann   JOIN   #a  key   ");
        assert_eq!((message.source, message.command), (Some("ann"), "JOIN"));
        assert_eq!(message.params(), ["#a", "key"]);
    }

    #[test]
    fn the_last_parameter_may_be_empty_or_hold_colons() {
        assert_eq!(parse("TOPIC #a :").params(), ["#a", ""]);
        assert_eq!(parse("PRIVMSG #a ::)").params(), ["#a", ":)"]);
        assert_eq!(parse("MODE #a k a:b").params(), ["#a", "k", "a:b"]);
    }

    #[test]
    fn the_fifteenth_parameter_takes_the_rest() {
        let line = "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 :17";
        assert_eq!(parse(line).params().last(), Some(&"15 16 :17"));
    }

    #[test]
    fn a_tags_last_value_counts_and_a_lone_backslash_is_nothing() {
        let message = parse(r"@a=1;b;a=x\\y\sz\b\ X");
        assert_eq!(message.tags.get("a").as_deref(), Some(r"x\y zb"));
        assert_eq!(message.tags.get("b").as_deref(), Some(""));
        assert_eq!(message.tags.get("c"), None);
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (line, error) in [
            (&b""[..], ParseError::Empty),
            (b"   ", ParseError::Empty),
            (b"@a=b", ParseError::Empty),
            (b":ann ", ParseError::Empty),
            (b" @a", ParseError::Empty),
            (b":ann :bob", ParseError::Empty),
            (b"PRIVMSG a :b\0c", ParseError::Control),
            (b"PRIVMSG a :b\rc", ParseError::Control),
            (b"PRIVMSG a :\xff", ParseError::NotUtf8),
            (&[b'x'; 511], ParseError::BodyTooLong),
            (&[b'x'; 100_000], ParseError::BodyTooLong),
            (&[b'@'; 8_300], ParseError::Empty),
            (&[b'@'; 100_000], ParseError::TagsTooLong),
        ] {
            assert_eq!(Message::parse(line).err(), Some(error), "{}", line.escape_ascii());
        }
        let line = format!("@{} X", "a".repeat(MAX_TAGS));
        assert_eq!(Message::parse(line.as_bytes()).err(), Some(ParseError::TagsTooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..700)) {
            if let Ok(message) = Message::parse(&line) {
                prop_assert!(!message.command.is_empty());
                prop_assert!(message.params().len() <= MAX_PARAMS);
                prop_assert!(message.tags.iter().count() <= line.len());
            }
        }

        #[test]
        fn what_was_parsed_and_is_printed_parses_the_same(line in "[@:; =\\\\a-zA-Z0-9+#ü]{0,60}") {
            if let Ok(message) = Message::parse(line.as_bytes()) {
                let printed = message.to_string();
                prop_assert_eq!(Message::parse(printed.as_bytes()), Ok(message));
            }
        }


    }
}
