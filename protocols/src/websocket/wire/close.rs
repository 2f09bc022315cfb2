//! Why a connection is closed: codes, and which of them may be on the wire (RFC 6455, 7.4).

use std::fmt;

use super::Violation;

/// A code of a Close frame.
///
/// | codes | on the wire |
/// |---|---|
/// | 0–999, 1016–2999 | never: nobody has given them a meaning |
/// | 1000–1003, 1007–1011 | RFC 6455 |
/// | 1004, 1005, 1006, 1015 | never: what a program is told where there was no code |
/// | 1012–1014 | registered with IANA since |
/// | 3000–4999 | libraries and applications |
///
/// ```
/// use protocols::websocket::{CloseCode, Ending};
///
/// // One of RFC 6455, or one of the application's own.
/// let full = CloseCode::TRY_LATER;
/// let banned = CloseCode::new(4_003).expect("4000 to 4999 are free for all");
/// assert_eq!((full.get(), banned.get()), (1_013, 4_003));
/// // What may be on no wire cannot be made.
/// assert_eq!(CloseCode::new(1_006), None);
///
/// /// Whether it is worth another try: what a client's `on_close` asks of `closed.ending`.
/// fn comes_back(ending: &Ending) -> bool {
///     let code = ending.code();
///     code != CloseCode::NORMAL && !(4_000..5_000).contains(&code.get())
/// }
/// # let _ = comes_back;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// What was to be done is done.
    pub const NORMAL: Self = Self(1000);
    /// A server shuts down, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A message of a kind that is not understood: binary where text is spoken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// What a program is told where a Close frame had no code. Never on the wire.
    pub const NONE: Self = Self(1005);
    /// What a program is told where there was no Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// Text that is not UTF-8, or a message that does not inflate.
    pub const INVALID_DATA: Self = Self(1007);
    /// A rule of this server that has no code of its own.
    pub const POLICY: Self = Self(1008);
    /// A message that is too long.
    pub const TOO_BIG: Self = Self(1009);
    /// The server did not agree to an extension that the client needs.
    pub const EXTENSION_MISSING: Self = Self(1010);
    /// Something unforeseen on the server's side.
    pub const INTERNAL: Self = Self(1011);
    /// The server restarts: come back (IANA).
    pub const RESTART: Self = Self(1012);
    /// The server has too much to do: come back later (IANA).
    pub const TRY_LATER: Self = Self(1013);

    /// A code that may be sent; `None` for one that may not.
    #[must_use]
    pub fn new(code: u16) -> Option<Self> {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(Self(code))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// Whether it may be in a Close frame: all but [`NONE`](Self::NONE) and [`ABNORMAL`](Self::ABNORMAL).
    #[must_use]
    pub fn is_sendable(self) -> bool {
        Self::new(self.0).is_some()
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes of a reason: a control frame has 125, and the code takes two (RFC 6455, 5.5).
const LONGEST_REASON: usize = 123;

/// Reads a Close frame's payload: a code and a reason, or nothing.
pub(super) fn parse(payload: &[u8]) -> Result<Option<(CloseCode, &str)>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::CloseOfOneByte),
        [high, low, reason @ ..] => {
            let number = u16::from_be_bytes([*high, *low]);
            let code = CloseCode::new(number).ok_or(Violation::CloseCode(number))?;
            let reason = std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
            Ok(Some((code, reason)))
        }
    }
}

/// The payload of a Close frame. A reason that is too long is cut, between two characters; a code that may
/// not be sent is left out, and the reason with it.
pub(in crate::websocket) fn payload(code: CloseCode, reason: &str) -> Vec<u8> {
    if !code.is_sendable() {
        return Vec::new();
    }
    let most = LONGEST_REASON.min(reason.len());
    let end = (0..=most).rev().find(|&at| reason.is_char_boundary(at)).unwrap_or(0);
    let mut payload = code.0.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 4999] {
            assert!(CloseCode::new(code).is_some(), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert_eq!(CloseCode::new(code), None);
            let payload = [&code.to_be_bytes()[..], b"why"].concat();
            assert_eq!(parse(&payload), Err(Violation::CloseCode(code)));
        }
    }

    #[test]
    fn a_payload_is_nothing_or_a_code_and_a_reason_in_utf_8() {
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(&[3]), Err(Violation::CloseOfOneByte));
        assert_eq!(parse(&[3, 232]), Ok(Some((CloseCode::NORMAL, ""))));
        assert_eq!(parse(b"\x03\xe8bye"), Ok(Some((CloseCode::NORMAL, "bye"))));
        assert_eq!(parse(b"\x03\xe8\xff"), Err(Violation::NotUtf8));
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let written = payload(CloseCode::NORMAL, &"ü".repeat(100));
        assert_eq!(written.len(), 2 + 122);
        assert_eq!(parse(&written), Ok(Some((CloseCode::NORMAL, &*"ü".repeat(61)))));
        assert_eq!(payload(CloseCode::ABNORMAL, "lost"), b"");
    }
}
