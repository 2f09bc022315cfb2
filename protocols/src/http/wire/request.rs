//! A request's head, and what it means for the connection.

use std::mem::MaybeUninit;

use http::Version;
use httparse::{Error, Header, ParserConfig, Status};

use super::fields::{Field, is_name};
use super::framing::{Found, Framing};
use super::host::is_host;
use super::usual::read_usual;
use super::{Fields, Refusal, Slots, Target};
use crate::http::HeadLimits;
use crate::http::limits::MOST_FIELDS;

/// A request's head. It borrows from what was read, for the time of the call it is given to.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(super) line: &'a Line<'a>,
    pub(super) fields: Fields<'a>,
}

/// The first line of a head, and what its fields say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) method: &'a str,
    pub(super) target: Target<'a>,
    pub(super) notes: Notes,
}

/// What a head means for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Where the body ends.
    pub framing: Framing,
    /// It is HTTP/1.0: no chunks in the answer, and no `100 Continue`.
    pub is_old: bool,
    /// Whether the connection outlives the exchange (RFC 9112, 9.3).
    pub is_persistent: bool,
    /// The client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1), or says so though it has none.
    pub expects_continue: bool,
}

/// Parses a request's head at the beginning of `bytes`: the head and its length, or `None` while it is not
/// complete. Empty lines before it are skipped (RFC 9112, 2.2).
///
/// ```
/// use protocols::http::HeadLimits;
/// use protocols::http::wire::{Framing, Slots, parse_request};
///
/// let bytes = b"PUT /a?b HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello";
/// let mut slots = Slots::new();
/// let (request, length) = parse_request(bytes, &mut slots, &HeadLimits::default())?.expect("whole");
/// assert_eq!((request.method(), request.target().path()), ("PUT", "/a"));
/// assert_eq!(request.meaning().framing, Framing::Length(5));
/// assert_eq!(&bytes[length..], b"hello");
/// # Ok::<(), protocols::http::wire::Refusal>(())
/// ```
///
/// # Errors
///
/// The [`Refusal`] that says why there will be no message. [`Refusal::Version`] is that of HTTP/1.2 as well, which a
/// [`Session`](crate::http::server::Session) takes for HTTP/1.1 (RFC 9110, 2.5).
#[inline]
pub fn parse_request<'s, 'a: 's>(
    bytes: &'a [u8],
    slots: &'s mut Slots<'a>,
    limits: &HeadLimits,
) -> Result<Option<(Request<'s>, usize)>, Refusal> {
    slots.fields.clear();
    let length = match read_usual(bytes, slots, limits) {
        Some(length) => Some(length),
        None => read_any(bytes, slots, limits)?,
    };
    Ok(length.and_then(|length| Some((slots.request()?, length))))
}

/// Reads a head by httparse, whatever it is: one that is not complete, and one that is none.
#[inline(never)]
pub(super) fn read_any<'a>(
    bytes: &'a [u8],
    slots: &mut Slots<'a>,
    limits: &HeadLimits,
) -> Result<Option<usize>, Refusal> {
    let (mut parsed, mut room) = (httparse::Request::new(&mut []), headers());
    let room = room.get_mut(..limits.fields.min(MOST_FIELDS)).unwrap_or_default();
    let status =
        ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, bytes, room);
    let length = match status {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return not_yet(bytes, limits).map(|()| None),
        Err(error) => return Err(malformed(error, bytes)),
    };
    let httparse::Request {
        method: Some(method),
        path: Some(target),
        version: Some(version),
        headers,
    } = parsed
    else {
        return Err(Refusal::Malformed(Error::Token));
    };
    check_whole(bytes, length, headers, limits)?;
    if target.len() > limits.target {
        return Err(Refusal::TargetTooLong);
    }
    slots.fill(headers);
    let target = Target::parse(method, target)?;
    let mut notes = Notes::new(version == 0);
    // Whoever asks is to look at all of it.
    notes.add_unusual();
    headers.iter().try_for_each(|header| notes.heed(header.into()))?;
    notes.check()?;
    slots.line = Some(Line { method, target, notes });
    Ok(Some(length))
}

/// A copy of a head that says HTTP/1.2 to 1.9, or of what has come of it, as one of HTTP/1.1: a later minor version is
/// taken for the highest that is known (RFC 9110, 2.5). `None` if it says anything else.
///
/// Nobody is known to send one. It is not parsed in place, so that all others need not pay for it.
#[cold]
pub(in crate::http) fn as_known_version(bytes: &[u8]) -> Option<Vec<u8>> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let [before @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] = line else {
        return None;
    };
    // What stands behind the head is not copied: there may be hundreds of them.
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let rest = bytes.get(line.len()..end.unwrap_or(bytes.len()))?;
    Some([before, b" HTTP/1.1", rest].concat())
}

impl<'a> Request<'a> {
    /// The method, as it came: methods are case-sensitive (RFC 9110, 9.1).
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.line.method
    }

    /// What is asked for.
    #[must_use]
    pub fn target(&self) -> Target<'a> {
        self.line.target
    }

    /// The path, as it came: `*` for `OPTIONS *`, empty for CONNECT.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.line.target.path()
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }

    /// HTTP/1.0 or HTTP/1.1.
    #[must_use]
    pub fn version(&self) -> Version {
        if self.line.notes.is_old { Version::HTTP_10 } else { Version::HTTP_11 }
    }

    /// What it means for the connection.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        self.line.notes.meaning()
    }

    /// Whether nothing about it has to be heeded: it is of HTTP/1.1, not HEAD nor CONNECT, has no body, and another may
    /// follow.
    #[inline]
    pub(in crate::http) fn is_usual(&self) -> bool {
        self.line.notes.is_usual
    }

    /// Whether a body comes behind the head.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.line.notes.found.framing() != Framing::Length(0)
    }

    /// The protocol that the client would like to change to, if it asks as it has to: `Upgrade` with
    /// `Connection: upgrade`, in HTTP/1.1 (RFC 9110, 7.8).
    #[must_use]
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        let asked = self.fields.get("upgrade")?;
        (!self.line.notes.is_old && self.fields.lists("connection", "upgrade")).then_some(asked)
    }
}

/// What the fields of a head say, as they are gone through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes {
    found: Found,
    hosts: u32,
    /// Nothing is said that a server would have to heed.
    is_usual: bool,
    is_old: bool,
    /// What Connection says of it: `close` counts, wherever it stands (RFC 9112, 9.3).
    persistence: Option<bool>,
    expects_continue: bool,
}

impl Notes {
    #[inline]
    pub(super) fn new(is_old: bool) -> Self {
        let found = Found::default();
        let (is_usual, persistence) = (!is_old, None);
        Self { found, hosts: 0, is_usual, is_old, persistence, expects_continue: false }
    }

    /// Something is to be heeded.
    #[inline]
    pub(super) fn add_unusual(&mut self) {
        self.is_usual = false;
    }

    /// There is a Host, which is one.
    #[inline]
    pub(super) fn add_host(&mut self) {
        self.hosts += 1;
    }

    /// Another field.
    #[inline]
    pub(super) fn heed(&mut self, field: Field<'_>) -> Result<(), Refusal> {
        // Most say nothing here, as the length of their names tells.
        match field.name.len() {
            4 | 6 | 10 | 14 | 17 => self.heed_known(field),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn heed_known(&mut self, Field { name, value }: Field<'_>) -> Result<(), Refusal> {
        match name {
            it if is_name(it, b"host") => {
                self.add_host();
                if !is_host(value) {
                    return Err(Refusal::Host);
                }
            }
            it if is_name(it, b"expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::Expectation);
                }
                self.add_unusual();
                // A server has to ignore it in HTTP/1.0 (RFC 9110, 10.1.1).
                self.expects_continue = !self.is_old;
            }
            it if is_name(it, b"connection") => self.heed_connection(value),
            it if is_name(it, b"content-length") => {
                self.add_unusual();
                self.found.length(value)?;
            }
            it if is_name(it, b"transfer-encoding") => {
                self.add_unusual();
                self.found.coding(value)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn heed_connection(&mut self, value: &[u8]) {
        for option in super::fields::members(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.persistence = Some(false);
                self.add_unusual();
            } else if self.is_old && option.eq_ignore_ascii_case(b"keep-alive") {
                self.persistence.get_or_insert(true);
            }
        }
    }

    /// Whether all of them together mean one thing.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match self.hosts {
            1 if self.is_usual => Ok(()),
            hosts if hosts > 1 || (hosts == 0 && !self.is_old) => Err(Refusal::Host),
            _ => self.found.check_request(self.is_old),
        }
    }

    /// What that is, if it is one.
    #[inline]
    fn meaning(&self) -> Meaning {
        let Self { found, is_old, persistence, expects_continue, .. } = *self;
        let is_persistent = persistence.unwrap_or(!is_old);
        Meaning { framing: found.framing(), is_old, is_persistent, expects_continue }
    }
}

/// Where httparse puts fields.
pub(super) type Headers<'a> = [MaybeUninit<Header<'a>>; MOST_FIELDS];

/// Empty ones. They cost nothing to make.
pub(super) fn headers<'a>() -> Headers<'a> {
    [const { MaybeUninit::uninit() }; MOST_FIELDS]
}

/// A head that is not complete: whether it still may become one that is taken.
pub(super) fn not_yet(bytes: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
    // Checked here too: it is not to be waited for what is refused anyway.
    check_line_ends(bytes)?;
    if bytes.len() <= limits.target {
        return Ok(());
    }
    let line = bytes.trim_ascii_start();
    // A method, a version and a target that is as long as is allowed.
    if !line.contains(&b'\n') && line.len() > limits.target + 64 {
        return Err(Refusal::TargetTooLong);
    }
    if bytes.len() > limits.head { Err(Refusal::HeadTooLong) } else { Ok(()) }
}

/// A head that is complete: that it is not too long, and that its lines end as they have to.
///
/// httparse takes LF for the end of a line; whoever stands before us may not (RFC 9112, 2.2). What it has
/// taken, it has taken line by line: so the ends are known, and only they are looked at.
pub(super) fn check_whole(
    bytes: &[u8],
    length: usize,
    headers: &[Header<'_>],
    limits: &HeadLimits,
) -> Result<(), Refusal> {
    if length > limits.head {
        return Err(Refusal::HeadTooLong);
    }
    let head = bytes.get(..length).unwrap_or(bytes);
    let mut first_line = head;
    while let Some(rest) = first_line.strip_prefix(b"\r\n") {
        first_line = rest;
    }
    let ends_before = |name: &str| {
        let at = name.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
        head.get(..at).is_some_and(|before| before.ends_with(b"\r\n"))
    };
    let is_sound = !first_line.starts_with(b"\n")
        && headers.iter().all(|header| ends_before(header.name))
        && head.ends_with(b"\r\n\r\n");
    if is_sound { Ok(()) } else { Err(Refusal::BareLineFeed) }
}

/// The same of a head that is not complete: every byte is looked at, without leaving early, so that the
/// compiler looks at sixteen at a time.
fn check_line_ends(head: &[u8]) -> Result<(), Refusal> {
    let is_bare = |(before, byte): (&u8, &u8)| (*byte == b'\n') & (*before != b'\r');
    let behind = head.get(1..).unwrap_or_default();
    let any = head.iter().zip(behind).fold(false, |any, pair| any | is_bare(pair));
    if any | (head.first() == Some(&b'\n')) { Err(Refusal::BareLineFeed) } else { Ok(()) }
}

#[cold]
pub(super) fn malformed(error: Error, bytes: &[u8]) -> Refusal {
    match error {
        Error::TooManyHeaders => Refusal::TooManyFields,
        // What looks like another version of HTTP is one; all else is no HTTP.
        Error::Version if is_other_version(bytes) => Refusal::Version,
        _ => Refusal::Malformed(error),
    }
}

fn is_other_version(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    let line = bytes.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
    let words: Vec<_> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else { return false };
    let is_version = match version.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        // The rest of it may have yet to come.
        Some([major] | [major, b'.']) => line.len() == bytes.len() && major.is_ascii_digit(),
        _ => false,
    };
    is_version && !method.is_empty() && !target.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meaning(head: &str) -> Result<Meaning, Refusal> {
        let mut slots = Slots::new();
        let parsed = parse_request(head.as_bytes(), &mut slots, &HeadLimits::default())?;
        Ok(parsed.expect("it is whole").0.meaning())
    }

    fn post(fields: &str) -> Result<Framing, Refusal> {
        meaning(&format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).map(|it| it.framing)
    }

    /// Each row: the fields of a request, and why it is refused.
    #[test]
    fn what_two_programs_could_read_in_two_ways_is_refused() {
        for (fields, refusal) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Refusal::TwoFramings),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Refusal::TwoFramings),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Refusal::Length),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Refusal::Length),
            ("Content-Length: 5, 5\r\n", Refusal::Length),
            ("Content-Length: +5\r\n", Refusal::Length),
            ("Content-Length: -5\r\n", Refusal::Length),
            ("Content-Length: 0x5\r\n", Refusal::Length),
            ("Content-Length: 1_0\r\n", Refusal::Length),
            ("Content-Length: 5 5\r\n", Refusal::Length),
            ("Content-Length:\r\n", Refusal::Length),
            ("Content-Length: 18446744073709551616\r\n", Refusal::Length),
            ("Transfer-Encoding: gzip\r\n", Refusal::Coding),
            ("Transfer-Encoding: identity\r\n", Refusal::Coding),
            ("Transfer-Encoding: chunked, chunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: chunked, identity\r\n", Refusal::Coding),
            ("Transfer-Encoding: \"chunked\"\r\n", Refusal::Coding),
            ("Transfer-Encoding: xchunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: chunked;a=b\r\n", Refusal::Coding),
            ("Transfer-Encoding:\r\n", Refusal::Coding),
            ("Transfer-Encoding: ,\r\nTransfer-Encoding: chunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", Refusal::Coding),
            ("Transfer-Encoding: gzip, chunked\r\n", Refusal::UnknownCoding),
            ("Host: other\r\n", Refusal::Host),
        ] {
            assert_eq!(post(fields), Err(refusal), "{fields:?}");
        }
        assert_eq!(post("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(post("Content-Length:  007 \r\n"), Ok(Framing::Length(7)));
        assert_eq!(post("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(post(""), Ok(Framing::Length(0)));
    }

    #[test]
    fn heads_that_are_none_are_refused() {
        for head in [
            "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX y: z\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / x HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n",
            " GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
            "GET / http/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/11\r\nHost: h\r\n\r\n",
            "GET /\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}",
        ] {
            let refusal = meaning(head).expect_err(head);
            assert!(matches!(refusal, Refusal::Malformed(_)), "{head:?}: {refusal:?}");
            assert_eq!(refusal.status(), 400);
        }
        for head in [
            "GET / HTTP/1.1\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        ] {
            assert_eq!(meaning(head), Err(Refusal::BareLineFeed), "{head:?}");
        }
        for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.1"] {
            let head = format!("GET / {version}\r\nHost: h\r\n\r\n");
            assert_eq!(meaning(&head), Err(Refusal::Version), "{head:?}");
            for come in (0..head.len()).filter_map(|length| head.as_bytes().get(..length)) {
                let mut slots = Slots::new();
                let parsed = parse_request(come, &mut slots, &HeadLimits::default());
                assert!(matches!(parsed, Ok(None) | Err(Refusal::Version)), "{come:?}: {parsed:?}");
            }
        }
    }

    #[test]
    fn there_is_one_host() {
        let get = |fields: &str| meaning(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        for fields in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n",
            "Host: a@b\r\n",
            "Host: a,b\r\n",
            "Host: a:b\r\n",
            "Host: a:1:2\r\n",
            "Host: a:65536\r\n",
            "Host: a:99999\r\n",
            "Host: a:100000\r\n",
            "Host: :80\r\n",
            "Host: :\r\n",
            "Host: [::1]:65536\r\n",
            "Host: [::1\r\n",
            "Host: []\r\n",
        ] {
            assert_eq!(get(fields), Err(Refusal::Host), "{fields:?}");
        }
        for fields in [
            "Host:\r\n",
            "Host: a.b:80\r\n",
            "Host: a.b:65535\r\n",
            "Host: a.b:00080\r\n",
            "Host: [::1]:80\r\n",
            "Host: [::1]\r\n",
            "Host: a:\r\n",
        ] {
            assert!(get(fields).is_ok(), "{fields:?}");
        }
        assert!(meaning("GET / HTTP/1.0\r\n\r\n").is_ok());
    }

    #[test]
    fn a_connection_outlives_what_it_should() {
        let persistent = |version: &str, fields: &str| {
            let head = format!("GET / {version}\r\nHost: h\r\n{fields}\r\n");
            meaning(&head).expect("it is one").is_persistent
        };
        assert!(persistent("HTTP/1.1", ""));
        assert!(!persistent("HTTP/1.1", "Connection: x, Close\r\n"));
        assert!(!persistent("HTTP/1.0", ""));
        assert!(persistent("HTTP/1.0", "Connection: Keep-Alive\r\n"));
        for options in [
            "Connection: close, keep-alive\r\n",
            "Connection: keep-alive, close\r\n",
            "Connection: close\r\nConnection: keep-alive\r\n",
            "Connection: keep-alive\r\nConnection: close\r\n",
        ] {
            assert!(!persistent("HTTP/1.0", options), "{options:?}");
            assert!(!persistent("HTTP/1.1", options), "{options:?}");
        }
    }

    #[test]
    fn room_that_had_another_head_has_nothing_of_it() {
        let bytes = b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n";
        let (limits, mut slots) = (HeadLimits::default(), Slots::new());
        let (_, length) = parse_request(bytes, &mut slots, &limits).unwrap().expect("it is whole");
        let next = parse_request(&bytes[length..], &mut slots, &limits).unwrap();
        let (request, _) = next.expect("it is whole");
        assert_eq!(request.fields().iter().collect::<Vec<_>>(), [("Host", &b"b"[..])]);
    }

    #[test]
    fn what_is_too_long_has_its_own_answer() {
        let limits = HeadLimits { head: 200, target: 50, fields: 3 };
        let parse = |head: &str| {
            let mut slots = Slots::new();
            parse_request(head.as_bytes(), &mut slots, &limits).map(|parsed| parsed.is_some())
        };
        let long = "a".repeat(300);
        assert_eq!(parse(&format!("GET /{long}")), Err(Refusal::TargetTooLong));
        let head = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", &long[..60]);
        assert_eq!(parse(&head), Err(Refusal::TargetTooLong));
        assert_eq!(parse(&format!("GET / HTTP/1.1\r\nX: {long}")), Err(Refusal::HeadTooLong));
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n");
        assert_eq!(parse(&head), Err(Refusal::HeadTooLong));
        let head = "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n";
        assert_eq!(parse(head), Err(Refusal::TooManyFields));
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: h\r\n"), Ok(false));
    }

    #[test]
    fn there_is_room_for_128_fields_however_many_are_allowed() {
        let limits = HeadLimits { fields: 200, ..HeadLimits::default() };
        let parse = |head: &str| {
            let mut slots = Slots::new();
            parse_request(head.as_bytes(), &mut slots, &limits).map(|parsed| parsed.is_some())
        };
        let begun = |fields| format!("GET / HTTP/1.1\r\nHost: h\r\n{}", "X: y\r\n".repeat(fields));
        assert_eq!(parse(&begun(0)), Ok(false));
        assert_eq!(parse(&(begun(127) + "\r\n")), Ok(true));
        assert_eq!(parse(&(begun(128) + "\r\n")), Err(Refusal::TooManyFields));
    }

    proptest! {
        /// Only the ends of lines are looked at; looking at every byte finds the same.
        #[test]
        fn a_bare_line_feed_is_found_wherever_it_stands(
            ends in proptest::collection::vec(prop_oneof![4 => Just("\r\n"), 1 => Just("\n")], 6),
            lead in 0_usize..3,
            values in proptest::collection::vec("[ \t]{0,2}[a-z \t]{0,20}", 3),
        ) {
            let mut head: String = ends[..lead].concat();
            head += &format!("GET / HTTP/1.1{}Host:h{}", ends[2], ends[3]);
            for (value, end) in values.iter().zip(ends.iter().cycle()) {
                head += &format!("X:{value}{end}");
            }
            head += ends[5];
            let expected = check_line_ends(head.as_bytes());
            prop_assert_eq!(meaning(&head).map(|_| ()), expected, "{:?}", head);
        }
    }

    proptest! {
        /// Any bytes: never a panic, and a head that is whole is as long as it is.
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut slots = Slots::new();
            if let Ok(Some((_, length))) = parse_request(&bytes, &mut slots, &HeadLimits::default()) {
                prop_assert!(length <= bytes.len());
            }
        }

        /// A head that comes in pieces is the same head, and is never refused on the way.
        #[test]
        fn any_cut_is_not_yet(cut in 0..90_usize) {
            let bytes = b"\r\nPUT /a?b HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\nAccept: */*\r\nX:\r\n\r\n";
            let limits = HeadLimits::default();
            let cut = cut.min(bytes.len() - 1);
            let mut slots = Slots::new();
            prop_assert!(matches!(parse_request(&bytes[..cut], &mut slots, &limits), Ok(None)));
            let mut slots = Slots::new();
            prop_assert!(matches!(parse_request(bytes, &mut slots, &limits), Ok(Some(_))));
        }
    }
}
