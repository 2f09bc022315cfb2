//! One line of IRC: parsing it, and writing one.
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
//! every part of it passes [`Builder`].

use std::borrow::Cow;
use std::fmt;
use std::str;

use bytes::Bytes;
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
        if line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
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
        if command.is_empty() {
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

/// The first word, and what stands behind it and the spaces that follow.
fn word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim_start_matches(' ')),
        None => (text, ""),
    }
}

/// The tags of a message (IRCv3 message-tags), as they were sent: escaped, in order, with repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a>(&'a str);

impl<'a> Tags<'a> {
    /// Tags as they stand on a line, without `@`.
    pub(super) fn new(text: &'a str) -> Self {
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

/// Writes one line.
///
/// A part that cannot stand where it is put spoils the whole line: nothing that a peer sends can end a
/// line early and begin another.
///
/// ```
/// use protocols::chat::{Builder, WriteError};
///
/// let line = Builder::new().tag("time", "now").source("ann").command("PART").param("#room").text("bye");
/// assert_eq!(line.finish().as_deref(), Ok(&b"@time=now :ann PART #room :bye\r\n"[..]));
///
/// let line = Builder::new().command("NICK").param("ann\r\nQUIT");
/// assert_eq!(line.finish(), Err(WriteError::Control));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    line: Vec<u8>,
    /// Where the body begins.
    body: usize,
    params: usize,
    state: State,
    fault: Option<WriteError>,
}

/// ```text
///   Tags ──source──▶ Sourced ──command──▶ Params ──text──▶ Ended
///     └───────────────command───────────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tags,
    Sourced,
    Params,
    Ended,
}

/// Why a line cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// A part holds a NUL, CR or LF.
    #[error("a part of the message holds a NUL, CR or LF")]
    Control,
    /// A part that must be one word is empty, begins with a colon, or holds a space.
    #[error("a part of the message is not one word")]
    NotAWord,
    /// A parameter follows the one that takes the rest of the line, or there is no command.
    #[error("the parts of the message are out of order")]
    Order,
    /// There are more than [`MAX_PARAMS`] parameters.
    #[error("the message has too many parameters")]
    TooManyParams,
    /// The tags are longer than [`MAX_TAGS`].
    #[error("the tags are too long")]
    TagsTooLong,
    /// The rest is longer than [`MAX_BODY`].
    #[error("the message is too long")]
    BodyTooLong,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An empty line.
    pub fn new() -> Self {
        let line = Vec::with_capacity(96);
        Self { line, body: 0, params: 0, state: State::Tags, fault: None }
    }

    /// Adds a tag; its value is escaped, and left out if it is empty.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.expect(self.state == State::Tags);
        if key.contains(['=', ';']) {
            self.spoil(WriteError::NotAWord);
        }
        self.line.push(if self.line.is_empty() { b'@' } else { b';' });
        self.word(key);
        if !value.is_empty() {
            self.line.push(b'=');
            self.escape(value);
        }
        self.body = self.line.len();
        self
    }

    /// Says who it is from.
    pub fn source(mut self, source: &str) -> Self {
        self.expect(self.state == State::Tags);
        self.begin_body();
        self.line.push(b':');
        self.word(source);
        self.line.push(b' ');
        self.state = State::Sourced;
        self
    }

    /// Says what it is about.
    pub fn command(mut self, command: &str) -> Self {
        self.expect(matches!(self.state, State::Tags | State::Sourced));
        if self.state == State::Tags {
            self.begin_body();
        }
        self.word(command);
        self.state = State::Params;
        self
    }

    /// Adds a parameter that is one word.
    pub fn param(mut self, param: &str) -> Self {
        self.begin_param();
        self.word(param);
        self
    }

    /// Adds the last parameter, which may be anything: empty, or of many words.
    pub fn text(mut self, text: &str) -> Self {
        self.begin_param();
        self.line.push(b':');
        self.put(text);
        self.state = State::Ended;
        self
    }

    /// The line, with its CR LF.
    ///
    /// # Errors
    ///
    /// The first thing that was wrong with it.
    pub fn finish(mut self) -> Result<Vec<u8>, WriteError> {
        if self.line.len() - self.body + 2 > MAX_BODY {
            self.spoil(WriteError::BodyTooLong);
        }
        self.finish_checked()
    }

    /// As [`finish`](Self::finish), and what is too long is cut between two characters, as servers
    /// do with what they pass on: the source in front of it has made it longer than it was.
    ///
    /// # Errors
    ///
    /// As there, but for [`WriteError::BodyTooLong`].
    pub fn finish_cut(mut self) -> Result<Vec<u8>, WriteError> {
        let mut end = self.body + MAX_BODY - 2;
        if self.line.len() > end {
            while end > self.body && self.line[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            self.line.truncate(end);
        }
        self.finish_checked()
    }

    /// The tags of this line, in front of a body that was written before. Tags that cannot be written
    /// are left out altogether.
    pub(super) fn before(mut self, body: &Bytes) -> Bytes {
        if self.fault.is_some() || self.line.is_empty() || self.line.len() + 1 > MAX_TAGS {
            return body.clone();
        }
        self.line.push(b' ');
        self.line.extend_from_slice(body);
        self.line.into()
    }

    fn finish_checked(mut self) -> Result<Vec<u8>, WriteError> {
        self.expect(matches!(self.state, State::Params | State::Ended));
        if self.body > MAX_TAGS {
            self.spoil(WriteError::TagsTooLong);
        }
        self.line.extend_from_slice(b"\r\n");
        self.fault.map_or(Ok(self.line), Err)
    }

    fn begin_body(&mut self) {
        if !self.line.is_empty() {
            self.line.push(b' ');
        }
        self.body = self.line.len();
    }

    fn begin_param(&mut self) {
        self.expect(self.state == State::Params);
        if self.params == MAX_PARAMS {
            self.spoil(WriteError::TooManyParams);
        }
        self.params += 1;
        self.line.push(b' ');
    }

    fn word(&mut self, word: &str) {
        if word.is_empty() || word.starts_with(':') || word.contains(' ') {
            self.spoil(WriteError::NotAWord);
        }
        self.put(word);
    }

    fn escape(&mut self, value: &str) {
        for char in value.chars() {
            match char {
                ';' => self.line.extend_from_slice(b"\\:"),
                ' ' => self.line.extend_from_slice(b"\\s"),
                '\\' => self.line.extend_from_slice(b"\\\\"),
                '\r' => self.line.extend_from_slice(b"\\r"),
                '\n' => self.line.extend_from_slice(b"\\n"),
                other => self.put(other.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// The one function through which everything passes that comes from elsewhere.
    fn put(&mut self, text: &str) {
        if text.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            self.spoil(WriteError::Control);
        }
        self.line.extend_from_slice(text.as_bytes());
    }

    fn expect(&mut self, in_order: bool) {
        if !in_order {
            self.spoil(WriteError::Order);
        }
    }

    fn spoil(&mut self, fault: WriteError) {
        self.fault.get_or_insert(fault);
    }
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

    #[test]
    fn parts_that_cannot_stand_there_spoil_the_line() {
        let begin = || Builder::new().command("X");
        assert_eq!(begin().param("a b").finish(), Err(WriteError::NotAWord));
        assert_eq!(begin().param(":a").finish(), Err(WriteError::NotAWord));
        assert_eq!(begin().param("").finish(), Err(WriteError::NotAWord));
        assert_eq!(begin().text("a\0").finish(), Err(WriteError::Control));
        assert_eq!(begin().text("a").param("b").finish(), Err(WriteError::Order));
        assert_eq!(Builder::new().source("a").finish(), Err(WriteError::Order));
        assert_eq!(Builder::new().source("a\nb").command("X").finish(), Err(WriteError::Control));
        assert_eq!(Builder::new().tag("a;b", "").command("X").finish(), Err(WriteError::NotAWord));
        let many = (0..16).fold(begin(), |line, _| line.param("x"));
        assert_eq!(many.finish(), Err(WriteError::TooManyParams));
    }

    #[test]
    fn what_is_too_long_is_refused_or_cut_between_characters() {
        let line = Builder::new().command("X").text(&"ü".repeat(300));
        assert_eq!(line.clone().finish(), Err(WriteError::BodyTooLong));
        let cut = line.finish_cut().expect("it is cut");
        assert_eq!(cut.len(), 511, "a character more would not have fitted");
        assert!(str::from_utf8(&cut).is_ok());
    }

    fn tag() -> impl Strategy<Value = (String, String)> {
        ("\\+?[a-z./-]{1,9}", "[^\0]{0,20}")
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

        #[test]
        fn what_is_written_is_read(
            tags in proptest::collection::vec(tag(), 0..4),
            source in proptest::option::of("[a-z!@.]{1,20}"),
            command in "[A-Z]{1,9}|[0-9]{3}",
            params in proptest::collection::vec("[^ \0\r\n:][^ \0\r\n]{0,9}", 0..13),
            text in proptest::option::of("[^\0\r\n]{0,40}"),
        ) {
            let mut builder = Builder::new();
            for (key, value) in &tags {
                builder = builder.tag(key, value);
            }
            if let Some(source) = &source {
                builder = builder.source(source);
            }
            builder = builder.command(&command);
            for param in &params {
                builder = builder.param(param);
            }
            if let Some(text) = &text {
                builder = builder.text(text);
            }
            let Ok(line) = builder.finish() else {
                return Ok(()); // too long
            };
            let message = Message::parse(line.trim_ascii_end_crlf()).expect("it is a message");
            let read: Vec<_> = message.tags.iter().map(|(key, value)| (key.to_owned(), value.into_owned())).collect();
            prop_assert_eq!(read, tags);
            prop_assert_eq!(message.source, source.as_deref());
            prop_assert_eq!(message.command, command);
            let expected: Vec<_> = params.iter().chain(&text).map(String::as_str).collect();
            prop_assert_eq!(message.params(), expected);
        }

        #[test]
        fn nothing_that_is_written_holds_two_lines(
            key in any::<String>(), value in any::<String>(), source in any::<String>(),
            param in any::<String>(), text in any::<String>(),
        ) {
            let builder = Builder::new().tag(&key, &value).source(&source).command("X");
            if let Ok(line) = builder.param(&param).text(&text).finish_cut() {
                prop_assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
                prop_assert!(Message::parse(line.trim_ascii_end_crlf()).is_ok());
            }
        }
    }

    trait TrimEnd {
        fn trim_ascii_end_crlf(&self) -> &[u8];
    }

    impl TrimEnd for Vec<u8> {
        fn trim_ascii_end_crlf(&self) -> &[u8] {
            self.strip_suffix(b"\r\n").expect("it has an end")
        }
    }
}
