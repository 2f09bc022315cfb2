//! The headers of a message: read where they lie, and written.
//!
//! ```text
//!   NATS/1.0[ status[ description]] CRLF
//!   Name: value CRLF
//!   …
//!   CRLF
//! ```

use std::fmt;

use thiserror::Error;

const VERSION: &[u8] = b"NATS/1.0";

/// The headers of a message, where they lie. They come from whoever has published it, and a server does not look into
/// them: what is none of its lines is passed over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

/// What stands behind the version: a server's, or JetStream's, own word on a request. `NATS/1.0 503` is that nobody is
/// there to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// Three digits, as of HTTP.
    pub code: u16,
    /// Some words, or none.
    pub description: &'a str,
}

impl Status<'_> {
    /// It is a word between the server and the client: a heartbeat, or a question of flow control.
    pub const CONTROL: u16 = 100;
    /// There is no such message.
    pub const NOT_FOUND: u16 = 404;
    /// It took too long.
    pub const TIMEOUT: u16 = 408;
    /// It cannot be so: a consumer is gone, or has changed.
    pub const CONFLICT: u16 = 409;
    /// Nobody has subscribed to what was asked.
    pub const NO_RESPONDERS: u16 = 503;
}

impl<'a> Headers<'a> {
    /// Headers that lie there.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// As they are, from `NATS/1.0` to the empty line.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// What stands behind the version.
    #[must_use]
    pub fn status(self) -> Option<Status<'a>> {
        let line = lines(self.0).next()?.strip_prefix(VERSION)?;
        let line = std::str::from_utf8(line).ok()?.trim();
        let (code, description) = line.split_at_checked(3)?;
        // Not what `parse` takes as well: a sign.
        let is_number = code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse().ok().filter(|_| is_number)?;
        Some(Status { code, description: description.trim() })
    }

    /// The first value of this name. Case matters, as it does to every NATS client.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// All of them, in their order. Those that are not UTF-8 are passed over.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let has_version = self.0.starts_with(VERSION);
        lines(self.0).skip(1).filter(move |_| has_version).filter_map(|line| {
            let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            (!name.is_empty()).then_some((name, value.trim()))
        })
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers(\"{}\")", self.0.escape_ascii())
    }
}

/// Headers that are made, for a message to be published.
///
/// ```
/// use protocols::nats::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.append("Nats-Msg-Id", "17")?;
/// assert_eq!(headers.view().get("Nats-Msg-Id"), Some("17"));
/// assert!(headers.append("Nats-Msg-Id", "a\r\nb: c").is_err());
/// # Ok::<(), protocols::nats::InvalidHeader>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderMap {
    /// As they are on the wire, the empty line at the end included.
    bytes: Vec<u8>,
}

/// It cannot be a header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidHeader {
    /// A name is ASCII, has a letter at least, and neither blank nor colon.
    #[error("a header cannot be called '{0}'")]
    Name(String),
    /// A value is in one line.
    #[error("the value of {0} is more than a line")]
    Value(String),
}

impl HeaderMap {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: [VERSION, b"\r\n\r\n"].concat() }
    }

    /// Adds one; another of this name stays.
    ///
    /// # Errors
    ///
    /// See [`InvalidHeader`].
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || !name.bytes().all(is_fit) {
            return Err(InvalidHeader::Name(name.to_owned()));
        }
        if value.contains(['\r', '\n']) {
            return Err(InvalidHeader::Value(name.to_owned()));
        }
        self.bytes.truncate(self.bytes.len() - 2);
        for part in [name, ": ", value, "\r\n\r\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        Ok(())
    }

    /// To be read, or published.
    #[must_use]
    pub fn view(&self) -> Headers<'_> {
        Headers(&self.bytes)
    }
}

impl Default for HeaderMap {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_status_is_read_with_and_without_words() {
        for (line, expected) in [
            ("NATS/1.0 503\r\n\r\n", Some((503, ""))),
            ("NATS/1.0 100 Idle Heartbeat\r\nA: b\r\n\r\n", Some((100, "Idle Heartbeat"))),
            ("NATS/1.0\r\n\r\n", None),
            ("NATS/1.0 5\r\n\r\n", None),
            ("NATS/1.0 +12\r\n\r\n", None),
            ("NATS/1.0 ünf\r\n\r\n", None),
            ("HTTP/1.1 404\r\n\r\n", None),
            ("", None),
        ] {
            let status = Headers(line.as_bytes()).status();
            assert_eq!(status.map(|it| (it.code, it.description)), expected, "{line:?}");
        }
    }

    #[test]
    fn what_is_no_line_of_headers_is_passed_over() {
        let headers =
            Headers(b"NATS/1.0\r\nA: 1\r\nnothing\r\n: 2\r\nB:  x:y \r\n\xff: 3\r\nA: 4\r\n\r\n");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("A", "1"), ("B", "x:y"), ("A", "4")]);
        assert_eq!((headers.get("A"), headers.get("a")), (Some("1"), None));
        assert_eq!(Headers(b"A: 1\r\nB: 2\r\n").iter().next(), None);
    }

    #[test]
    fn a_header_that_would_be_two_is_refused() {
        let mut headers = HeaderMap::new();
        for name in ["", "a b", "a:", "a\r\n", "ä"] {
            assert_eq!(headers.append(name, "x"), Err(InvalidHeader::Name(name.to_owned())));
        }
        assert_eq!(headers.append("a", "x\ny"), Err(InvalidHeader::Value("a".to_owned())));
        assert_eq!(headers, HeaderMap::new());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_asked(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [VERSION, &bytes].concat();
            let headers = Headers(&bytes);
            let _ = (headers.status(), headers.iter().count());
        }

        #[test]
        fn what_is_written_is_read(
            written in prop::collection::vec(("[!-9;-~]{1,8}", "[!-~]{0,8}"), 0..5)
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &written {
                headers.append(name, value).expect("it may be one");
            }
            let read: Vec<_> = headers.view().iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            prop_assert_eq!(read, written);
        }
    }
}
