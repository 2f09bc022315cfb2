//! Who is asked: `uri-host [ ":" port ]` (RFC 9110, 7.2).

use super::classes::{DIGIT, HOST, behind};

/// Whether it is one, or empty. Not as exact as RFC 3986: what is refused are bytes that another program may take for
/// the end of it, or for something else; a port without a host, which no URI of HTTP has (RFC 9110, 4.2.1); and a port
/// that is none.
pub(super) fn is_host(value: &[u8]) -> bool {
    behind_host(value).is_some_and(<[u8]>::is_empty)
}

/// What stands behind one that stands in front; `None` if it begins as none does.
#[inline]
pub(super) fn behind_host(bytes: &[u8]) -> Option<&[u8]> {
    let rest = match bytes {
        [b'[', rest @ ..] => behind_address(rest)?,
        _ => behind::<HOST>(bytes),
    };
    match rest {
        [b':', ..] if rest.len() == bytes.len() => None,
        [b':', port @ ..] => {
            let rest = behind::<DIGIT>(port);
            is_port(port.get(..port.len() - rest.len())?).then_some(rest)
        }
        _ => Some(rest),
    }
}

/// Whether so many digits are a port, or none.
#[inline]
fn is_port(digits: &[u8]) -> bool {
    digits.len() < 5 || digits.len() == 5 && digits <= &b"65535"[..]
}

/// What stands behind an address of IPv6 and its bracket.
#[cold]
fn behind_address(bytes: &[u8]) -> Option<&[u8]> {
    let fits = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    match bytes.iter().position(|byte| !fits(byte)) {
        Some(end @ 1..) => bytes.get(end..)?.strip_prefix(b"]"),
        _ => None,
    }
}
