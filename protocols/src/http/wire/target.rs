//! What a request asks for (RFC 9112, 3.2).

use std::borrow::Cow;
use std::{fmt, str};

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use thiserror::Error;

use super::Refusal;
use super::host::is_host;

/// What a request asks for, in one of four forms.
///
/// ```text
///  origin     GET /path?query HTTP/1.1
///  absolute   GET http://host/path?query HTTP/1.1     what is sent to a proxy, and taken by all
///  authority  CONNECT host:port HTTP/1.1
///  asterisk   OPTIONS * HTTP/1.1
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// UTF-8, as all that is made of it.
    whole: &'a [u8],
    path: &'a [u8],
}

/// The path cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a % in it is not followed by two hexadecimal digits")]
pub struct NotDecoded;

impl<'a> Target<'a> {
    /// The target of a request with that method.
    ///
    /// # Errors
    ///
    /// [`Refusal::Target`] if it has none of the forms, or not one of its method.
    pub fn parse(method: &str, whole: &'a str) -> Result<Self, Refusal> {
        // A fragment never leaves the client (RFC 9110, 4.2.5).
        if whole.contains('#') {
            return Err(Refusal::Target);
        }
        let bytes = whole.as_bytes();
        match bytes {
            _ if method == "CONNECT" => Self::parse_authority(whole),
            [b'/', ..] => Ok(Self::of_path(bytes, length_of_path(bytes))),
            b"*" if method == "OPTIONS" => Ok(Self { whole: bytes, path: bytes }),
            _ => Self::parse_absolute(whole),
        }
    }

    /// A path of that length, with what stands behind it: the query, if anything.
    #[inline]
    pub(super) fn of_path(whole: &'a [u8], length: usize) -> Self {
        Self { whole, path: whole.get(..length).unwrap_or(whole) }
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        as_text(self.whole)
    }

    /// The same as bytes: text is what they are made into, for each who asks.
    #[inline]
    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// The path, as it came: `/` at least, `*` for `OPTIONS *`, empty for CONNECT.
    #[must_use]
    pub fn path(&self) -> &'a str {
        as_text(self.path)
    }

    /// The query, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        let path_and_query = match self.whole {
            [b'/', ..] => self.whole.get(self.path.len()..)?,
            _ => self.whole,
        };
        let at = path_and_query.iter().position(|byte| *byte == b'?')?;
        path_and_query.get(at + 1..).map(as_text)
    }

    /// Host and port, where the target names them. It takes precedence over Host (RFC 9112, 3.2.2).
    #[must_use]
    pub fn authority(&self) -> Option<&'a str> {
        match self.whole {
            [b'/', ..] | b"*" => None,
            _ => Some(split_absolute(self.as_str()).map_or(self.as_str(), |(_, host, _)| host)),
        }
    }

    fn parse_authority(whole: &'a str) -> Result<Self, Refusal> {
        let port = whole.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let has_port = port.is_some_and(|port| port > 0);
        if !has_port || !is_host(whole.as_bytes()) {
            return Err(Refusal::Target);
        }
        Ok(Self { whole: whole.as_bytes(), path: b"" })
    }

    fn parse_absolute(whole: &'a str) -> Result<Self, Refusal> {
        let (scheme, authority, rest) = split_absolute(whole).ok_or(Refusal::Target)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Refusal::Target);
        }
        // There is a host (RFC 9110, 4.2.1). Names of users are not taken: they are made to mislead (4.2.4).
        if authority.is_empty() || !is_host(authority.as_bytes()) {
            return Err(Refusal::Target);
        }
        let rest = rest.as_bytes();
        let path = rest.get(..length_of_path(rest)).filter(|path| !path.is_empty());
        Ok(Self { whole: whole.as_bytes(), path: path.unwrap_or(b"/") })
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.as_str()).finish()
    }
}

/// Scheme, authority, and path with query.
fn split_absolute(whole: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = whole.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some((scheme, authority, rest))
}

/// How much of it is in front of a query.
fn length_of_path(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'?').unwrap_or(bytes.len())
}

fn as_text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

/// Decodes a path, once (RFC 3986, 2.4): `%2e` becomes `.`, and `%252e` becomes `%2e` and stays that.
///
/// # Errors
///
/// [`NotDecoded`] if there is a `%` that stands for nothing.
pub fn decode_path(path: &str) -> Result<Cow<'_, [u8]>, NotDecoded> {
    let mut rest = path.as_bytes();
    if !rest.contains(&b'%') {
        return Ok(rest.into());
    }
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return Err(NotDecoded),
        }
    }
    Ok(percent_encoding::percent_decode_str(path).into())
}

/// What cannot stand for itself in a path, or would be misread in a page.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'+')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Encodes a path; slashes stay.
#[must_use]
pub fn encode_path(path: &[u8]) -> String {
    percent_encode(path, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(method: &str, target: &str) -> Option<(Option<String>, String, Option<String>)> {
        let target = Target::parse(method, target).ok()?;
        let owned = |text: &str| text.to_owned();
        Some((target.authority().map(owned), owned(target.path()), target.query().map(owned)))
    }

    #[test]
    fn there_are_four_forms() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("GET", "/a?b?c"), Some((None, "/a".into(), some("b?c"))));
        assert_eq!(parts("GET", "http://h:80"), Some((some("h:80"), "/".into(), None)));
        assert_eq!(parts("GET", "HTTP://h?q"), Some((some("h"), "/".into(), some("q"))));
        assert_eq!(parts("OPTIONS", "*"), Some((None, "*".into(), None)));
        assert_eq!(parts("CONNECT", "h:443"), Some((some("h:443"), String::new(), None)));
    }

    #[test]
    fn everything_else_is_refused() {
        for (method, target) in [
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "h:443"),
            ("GET", "/a#b"),
            ("GET", "http:///a"),
            ("GET", "http://:80/a"),
            ("GET", "http://h:65536/a"),
            ("GET", "http://u@h/"),
            ("GET", "ftp://h/"),
            ("CONNECT", "/"),
            ("CONNECT", "h"),
            ("CONNECT", "h:0"),
            ("CONNECT", ":80"),
            ("CONNECT", "h:65536"),
        ] {
            assert_eq!(Target::parse(method, target), Err(Refusal::Target), "{method} {target}");
        }
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(decode_path("/%2e%2E/%252e").as_deref(), Ok(&b"/../%2e"[..]));
        for path in ["%", "%2", "%zz", "/%+1", "a%2"] {
            assert_eq!(decode_path(path), Err(NotDecoded), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(path in proptest::collection::vec(any::<u8>(), 0..40)) {
            let encoded = encode_path(&path);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            let decoded = decode_path(&encoded);
            prop_assert_eq!(decoded.as_deref(), Ok(&path[..]));
        }
    }
}
