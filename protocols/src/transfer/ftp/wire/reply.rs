//! Replies: three digits and a text, on one line or on several (RFC 959, 4.2).
//!
//! ```text
//!   220 Welcome.            211-Features:            the code, and a hyphen: more lines follow,
//!   └─┬─┘                    UTF8                    up to the one that has the code and a space
//!   code, space, text       211 End
//! ```

use std::fmt;

use thiserror::Error;

/// One reply.
///
/// ```
/// use protocols::transfer::ftp::reply::Reply;
/// assert_eq!(Reply::new(200, "OK.").to_bytes(), b"200 OK.\r\n");
/// let features = Reply::with_lines(211, "Features:", ["UTF8", "SIZE"], "End");
/// assert_eq!(features.to_bytes(), b"211-Features:\r\n UTF8\r\n SIZE\r\n211 End\r\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits: what it is about.
    pub code: u16,
    /// The text, line by line, without codes. There is one at least.
    pub lines: Vec<Vec<u8>>,
}

/// What the first digit says (RFC 959, 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1yz: it has begun, and another reply will follow.
    Preliminary,
    /// 2yz: it is done.
    Completion,
    /// 3yz: it goes on with another command.
    Intermediate,
    /// 4yz: not now; the same might work later.
    TransientFailure,
    /// 5yz: not so; do not ask again.
    Failure,
}

impl Reply {
    /// A reply of one line.
    #[must_use]
    pub fn new(code: u16, text: impl AsRef<[u8]>) -> Self {
        Self { code, lines: vec![text.as_ref().to_vec()] }
    }

    /// A reply of several lines. Those between the first and the last are indented, so that none can
    /// be taken for the last, whatever it begins with.
    #[must_use]
    pub fn with_lines<L: AsRef<[u8]>>(
        code: u16,
        first: impl AsRef<[u8]>,
        middle: impl IntoIterator<Item = L>,
        last: impl AsRef<[u8]>,
    ) -> Self {
        let mut lines = vec![first.as_ref().to_vec()];
        lines.extend(middle.into_iter().map(|line| [b" ", line.as_ref()].concat()));
        lines.push(last.as_ref().to_vec());
        Self { code, lines }
    }

    /// What its first digit says.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.code / 100 {
            1 => Kind::Preliminary,
            2 => Kind::Completion,
            3 => Kind::Intermediate,
            4 => Kind::TransientFailure,
            _ => Kind::Failure,
        }
    }

    /// The text of its first line, which holds what a 227, a 229 or a 257 says.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.lines.first().map_or(b"", Vec::as_slice)
    }

    /// The bytes that say it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let last = self.lines.len().saturating_sub(1);
        for (at, line) in self.lines.iter().enumerate() {
            if at == last {
                bytes.extend_from_slice(format!("{:03} ", self.code).as_bytes());
            } else if at == 0 {
                bytes.extend_from_slice(format!("{:03}-", self.code).as_bytes());
            }
            extend_with_text(&mut bytes, line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

/// Text as Telnet has it: no line ends, which would forge replies, and each IAC twice (RFC 854).
fn extend_with_text(bytes: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\r' | b'\n' | 0 => bytes.push(b'?'),
            255 => bytes.extend_from_slice(&[255, 255]),
            byte => bytes.push(byte),
        }
    }
}

/// As a log has it: `226 Transfer complete.`
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.code)?;
        for line in &self.lines {
            write!(f, " {}", String::from_utf8_lossy(line).trim())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

/// Puts lines together to replies, as a client does.
///
/// ```
/// use protocols::transfer::ftp::reply::Replies;
/// let mut replies = Replies::default();
/// assert_eq!(replies.handle_line(b"211-Features:"), Ok(None));
/// assert_eq!(replies.handle_line(b" 211 is my favourite"), Ok(None));
/// let reply = replies.handle_line(b"211 End")?.expect("it is the last line");
/// assert_eq!((reply.code, reply.lines.len()), (211, 3));
/// # Ok::<(), protocols::transfer::ftp::reply::ReplyError>(())
/// ```
#[derive(Debug, Default)]
pub struct Replies {
    /// The reply of which there is a part.
    begun: Option<Reply>,
    bytes: usize,
}

/// Why lines are no reply. The conversation cannot be understood any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// A line that should begin with three digits does not.
    #[error("a reply without a code")]
    NoCode,
    /// A reply of more than [`Replies::LONGEST`] bytes.
    #[error("a reply that does not end")]
    TooLong,
}

impl Replies {
    /// The most bytes of one reply: enough for help in all its length, or a list in a `STAT`.
    pub const LONGEST: usize = 256 * 1024;

    /// Reads a line, without its end; a reply, if it was the last of one.
    ///
    /// # Errors
    ///
    /// See [`ReplyError`].
    pub fn handle_line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        self.bytes += line.len();
        if self.bytes > Self::LONGEST {
            return Err(ReplyError::TooLong);
        }
        match self.begun.take() {
            None => self.begin(line),
            Some(reply) => Ok(self.go_on(reply, line)),
        }
    }

    fn begin(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, rest) = code_of(line).ok_or(ReplyError::NoCode)?;
        let reply = |text: &[u8]| Reply::new(code, text);
        match rest.split_first() {
            Some((b'-', text)) => {
                self.begun = Some(reply(text));
                Ok(None)
            }
            Some((b' ', text)) => Ok(Some(self.finish(reply(text)))),
            // Some servers leave out the space if there is no text.
            None => Ok(Some(self.finish(reply(b"")))),
            Some(_) => Err(ReplyError::NoCode),
        }
    }

    fn go_on(&mut self, mut reply: Reply, line: &[u8]) -> Option<Reply> {
        let last = match code_of(line) {
            Some((code, rest)) if code == reply.code => match rest.split_first() {
                Some((b' ', text)) => Some(text),
                None => Some(&b""[..]),
                Some(_) => None,
            },
            _ => None,
        };
        if let Some(text) = last {
            reply.lines.push(text.to_vec());
            return Some(self.finish(reply));
        }
        // Some servers put the code on every line.
        let prefix = format!("{:03}-", reply.code);
        reply.lines.push(line.strip_prefix(prefix.as_bytes()).unwrap_or(line).to_vec());
        self.begun = Some(reply);
        None
    }

    fn finish(&mut self, reply: Reply) -> Reply {
        self.bytes = 0;
        reply
    }
}

fn code_of(line: &[u8]) -> Option<(u16, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !matches!(code, [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return None;
    }
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    Some((code, rest))
}

/// A path in quotation marks, those in it doubled: the text of a 257 (RFC 959, appendix II).
///
/// ```
/// use protocols::transfer::ftp::reply::{quoted, unquoted};
/// assert_eq!(quoted(br#"/a "b""#), br#""/a ""b""""#);
/// assert_eq!(unquoted(br#""/a ""b""" is here"#), Some(br#"/a "b""#.to_vec()));
/// ```
#[must_use]
pub fn quoted(path: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in path {
        if byte == b'"' {
            text.push(b'"');
        }
        text.push(byte);
    }
    text.push(b'"');
    text
}

/// The path in the text of a 257; `None` if it does not begin with one.
#[must_use]
pub fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text.strip_prefix(b"\"")?.iter().peekable();
    let mut path = Vec::new();
    loop {
        match (rest.next()?, rest.peek()) {
            (b'"', Some(b'"')) => {
                rest.next();
                path.push(b'"');
            }
            (b'"', _) => return Some(path),
            (&byte, _) => path.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Reply>, ReplyError> {
        let mut replies = Replies::default();
        let lines = text.lines().map(|line| replies.handle_line(line.as_bytes()));
        lines.filter_map(Result::transpose).collect()
    }

    #[test]
    fn lines_in_the_middle_may_begin_with_anything() {
        let text = "123-First line\nSecond line\n  234 A line beginning with numbers\n123-x\n1234\n123 The last line";
        let [reply] = &read(text).expect("they are replies")[..] else { panic!("one reply") };
        assert_eq!((reply.code, reply.lines.len()), (123, 6));
        assert_eq!(reply.lines[3], b"x");
        assert_eq!(reply.kind(), Kind::Preliminary);
    }

    #[test]
    fn what_has_no_code_is_no_reply() {
        for line in ["", "22", "hello", "2x0 a", "999 a", "000 a", "2200 a", "220a"] {
            assert_eq!(read(&format!("{line}\n")), Err(ReplyError::NoCode), "{line:?}");
        }
        assert_eq!(read("220").expect("it is one").len(), 1);
    }

    #[test]
    fn a_reply_without_an_end_is_given_up() {
        let mut replies = Replies::default();
        replies.handle_line(b"220-a").expect("a beginning");
        let endless = (0..10_000).find_map(|_| replies.handle_line(&[b'a'; 1000]).err());
        assert_eq!(endless, Some(ReplyError::TooLong));
    }

    #[test]
    fn a_text_cannot_forge_a_reply() {
        assert_eq!(Reply::new(257, b"a\r\n230 In\xff").to_bytes(), b"257 a??230 In\xff\xff\r\n");
    }

    proptest! {
        #[test]
        fn any_lines_are_understood_or_refused(lines in proptest::collection::vec("[0-9 a-]{0,8}", 0..12)) {
            let mut replies = Replies::default();
            for line in lines {
                if replies.handle_line(line.as_bytes()).is_err() {
                    break;
                }
            }
        }

        #[test]
        fn what_is_said_is_what_is_understood(code in 100_u16..600, middle in proptest::collection::vec("[ -~]{0,20}", 0..5)) {
            let said = Reply::with_lines(code, "first", &middle, "last");
            let text = String::from_utf8(said.to_bytes()).expect("it is ASCII");
            prop_assert_eq!(read(&text), Ok(vec![said]));
        }

        #[test]
        fn a_path_survives_its_quotation_marks(path in "[/a\" ]{0,20}", tail in "( .*)?") {
            let text = [quoted(path.as_bytes()), tail.into_bytes()].concat();
            prop_assert_eq!(unquoted(&text), Some(path.into_bytes()));
        }
    }
}
