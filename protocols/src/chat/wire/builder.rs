//! Writing one line of IRC.

use bytes::Bytes;
use thiserror::Error;

use super::message::{MAX_BODY, MAX_PARAMS, MAX_TAGS, has_control};

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

/// Room for what most lines are, so that few have to be moved while they are written; tags alone, which may
/// be none, begin without.
const USUAL: usize = 160;

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
        Self { line: Vec::new(), body: 0, params: 0, state: State::Tags, fault: None }
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
    pub(in crate::chat) fn before(mut self, body: &Bytes) -> Bytes {
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
        if self.line.is_empty() {
            self.line = Vec::with_capacity(USUAL);
        } else {
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
        let held = word.bytes().fold(0, |held, byte| held | HELD[usize::from(byte)]);
        if word.is_empty() || word.starts_with(':') || held & BLANK != 0 {
            self.spoil(WriteError::NotAWord);
        }
        self.append(word, held & CONTROL != 0);
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

    fn put(&mut self, text: &str) {
        self.append(text, has_control(text.as_bytes()));
    }

    /// The one function through which everything passes that comes from elsewhere.
    fn append(&mut self, text: &str, has_control: bool) {
        if has_control {
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

/// What a byte is that cannot stand in a word. Words are too short for looking at many bytes at a time.
const HELD: [u8; 256] = {
    let mut held = [0; 256];
    (held[0], held[b'\r' as usize], held[b'\n' as usize]) = (CONTROL, CONTROL, CONTROL);
    held[b' ' as usize] = BLANK;
    held
};
const CONTROL: u8 = 1;
const BLANK: u8 = 2;

#[cfg(test)]
mod tests {
    use std::str;

    use proptest::prelude::*;

    use super::*;
    use crate::chat::wire::message::Message;

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

    /// The line without its end.
    fn body(line: &[u8]) -> &[u8] {
        line.strip_suffix(b"\r\n").expect("it has an end")
    }

    fn tag() -> impl Strategy<Value = (String, String)> {
        ("\\+?[a-z./-]{1,9}", "[^\0]{0,20}")
    }

    proptest! {
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
            let message = Message::parse(body(&line)).expect("it is a message");
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
                prop_assert!(Message::parse(body(&line)).is_ok());
            }
        }
    }
}
