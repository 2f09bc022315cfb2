//! A response's head, and what it means for the connection.

use http::{StatusCode, Version};
use httparse::{Error, ParserConfig, Status};

use super::fields::is_name;
use super::framing::{Found, Framing};
use super::request::{check_whole, headers, malformed, not_yet};
use super::{Fields, Refusal, Slots};
use crate::http::HeadLimits;
use crate::http::limits::MOST_FIELDS;

/// A response's head. It borrows from what was read.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    status: StatusCode,
    reason: &'a str,
    fields: Fields<'a>,
    is_old: bool,
    framing: Framing,
    is_persistent: bool,
}

/// Parses a response's head at the beginning of `bytes`, the answer to a request with `method`: the head and
/// its length, or `None` while it is not complete. The method is needed since the answer to HEAD has no body,
/// whatever it says, and a tunnel begins behind one to CONNECT (RFC 9112, 6.3).
///
/// # Errors
///
/// The [`Refusal`] that says why there will be no message.
pub fn parse_response<'s, 'a: 's>(
    bytes: &'a [u8],
    method: &str,
    slots: &'s mut Slots<'a>,
    limits: &HeadLimits,
) -> Result<Option<(Response<'s>, usize)>, Refusal> {
    let (mut parsed, mut room) = (httparse::Response::new(&mut []), headers());
    let room = room.get_mut(..limits.fields.min(MOST_FIELDS)).unwrap_or_default();
    let status =
        ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, room);
    let length = match status {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return not_yet(bytes, limits).map(|()| None),
        Err(error) => return Err(malformed(error, bytes)),
    };
    check_whole(bytes, length, parsed.headers, limits)?;
    slots.fill(parsed.headers);
    let fields = slots.fields();
    let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(status), Some(version)) = (code, parsed.version) else {
        return Err(Refusal::Malformed(Error::Status));
    };
    let reason = parsed.reason.unwrap_or_default();
    let response = Response::new(method, status, reason, version == 0, fields)?;
    Ok(Some((response, length)))
}

impl<'a> Response<'a> {
    fn new(
        method: &str,
        status: StatusCode,
        reason: &'a str,
        is_old: bool,
        fields: Fields<'a>,
    ) -> Result<Self, Refusal> {
        let (mut found, mut is_persistent) = (Found::default(), !is_old);
        for (name, value) in fields.as_bytes() {
            if is_name(name, b"content-length") {
                found.length(value)?;
            } else if is_name(name, b"transfer-encoding") {
                found.coding(value)?;
            }
        }
        if fields.lists("connection", "close") {
            is_persistent = false;
        } else if is_old && fields.lists("connection", "keep-alive") {
            is_persistent = true;
        }
        let tunnels = method == "CONNECT" && status.is_success();
        let framing = if tunnels || has_no_body(method, status) {
            Framing::Length(0)
        } else {
            found.of_response(is_old)?
        };
        is_persistent &= framing != Framing::UntilEnd;
        Ok(Self { status, reason, fields, is_old, framing, is_persistent })
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The words behind the status, which mean nothing (RFC 9112, 4).
    #[must_use]
    pub fn reason(&self) -> &'a str {
        self.reason
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }

    /// HTTP/1.0 or HTTP/1.1.
    #[must_use]
    pub fn version(&self) -> Version {
        if self.is_old { Version::HTTP_10 } else { Version::HTTP_11 }
    }

    /// Where the body ends.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the connection outlives the exchange.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.is_persistent
    }
}

/// Whether there is no body whatever the fields say (RFC 9112, 6.3, 1).
pub(crate) fn has_no_body(method: &str, status: StatusCode) -> bool {
    method == "HEAD"
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(method: &str, head: &str) -> Result<(Framing, bool), Refusal> {
        let mut slots = Slots::new();
        let parsed = parse_response(head.as_bytes(), method, &mut slots, &HeadLimits::default())?;
        let (response, _) = parsed.expect("it is whole");
        Ok((response.framing(), response.is_persistent()))
    }

    #[test]
    fn there_is_room_for_128_fields_however_many_are_allowed() {
        let limits = HeadLimits { fields: 200, ..HeadLimits::default() };
        let parse = |fields, end| {
            let head = format!("HTTP/1.1 200 OK\r\n{}{end}", "X: y\r\n".repeat(fields));
            let mut slots = Slots::new();
            parse_response(head.as_bytes(), "GET", &mut slots, &limits).map(|it| it.is_some())
        };
        assert_eq!(parse(1, ""), Ok(false));
        assert_eq!(parse(128, "\r\n"), Ok(true));
        assert_eq!(parse(129, "\r\n"), Err(Refusal::TooManyFields));
    }

    #[test]
    fn a_body_ends_where_nine_rules_say() {
        let none = Framing::Length(0);
        for (method, head, expected) in [
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (Framing::Length(5), true)),
            ("GET", "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", (Framing::Chunked, true)),
            ("GET", "HTTP/1.1 200 OK\r\n\r\n", (Framing::UntilEnd, false)),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (none, true)),
            ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", (none, true)),
            ("GET", "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", (none, true)),
            ("GET", "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", (none, true)),
            ("GET", "HTTP/1.1 100 Continue\r\n\r\n", (none, true)),
            ("CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (none, true)),
            ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", (Framing::Length(5), false)),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
                (Framing::Length(5), false),
            ),
        ] {
            assert_eq!(framing(method, head), Ok(expected), "{head:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused_by_clients_too() {
        for (fields, refusal) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", Refusal::TwoFramings),
            ("Content-Length: 5\r\nContent-Length: 6", Refusal::Length),
            ("Content-Length: 5, 6", Refusal::Length),
            ("Content-Length: +5", Refusal::Length),
            ("Content-Length: 0x5", Refusal::Length),
            ("Transfer-Encoding: chunked, gzip", Refusal::Coding),
            ("Transfer-Encoding: chunked, chunked", Refusal::Coding),
            ("Transfer-Encoding: gzip", Refusal::UnknownCoding),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            assert_eq!(framing("GET", &head), Err(refusal), "{fields:?}");
        }
        for head in [
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
        ] {
            assert!(matches!(framing("GET", head), Err(Refusal::Malformed(_))), "{head:?}");
        }
        let bare = "HTTP/1.1 200 OK\nX: y\r\n\r\n";
        assert_eq!(framing("GET", bare), Err(Refusal::BareLineFeed));
    }
}
