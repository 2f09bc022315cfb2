//! Heads as they go out.

use http::StatusCode;

use crate::decimal::write_number;

/// How long the body of a message is that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Exact(u64),
    /// Nobody knows yet: chunks, or the end of the connection.
    Open,
}

/// Writes a status line.
#[inline]
pub fn write_status(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    // The space stays without words behind it (RFC 9112, 4).
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes a field. Bytes that would end its line, or that no field may have, become spaces: whatever a
/// program puts into a value, it stays one value (RFC 9110, 5.5).
#[inline]
pub fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    if may_break(value) {
        out.extend(value.iter().map(|byte| if breaks(*byte) { b' ' } else { *byte }));
    } else {
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes Content-Length.
#[inline]
pub(in crate::http) fn write_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    write_number(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Whether any byte is so low that it could break a line, which hardly a value has; eight are looked at in one step.
fn may_break(value: &[u8]) -> bool {
    const LOWEST: u64 = u64::from_ne_bytes([LOW; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (eights, rest) = value.as_chunks();
    // A byte's highest bit is set by the subtraction if it was lower, or so high that it was set before.
    let is_low = |eight: u64| eight.wrapping_sub(LOWEST) & !eight & HIGHEST != 0;
    eights.iter().any(|eight| is_low(u64::from_ne_bytes(*eight)))
        || rest.iter().any(|byte| *byte < LOW)
}

/// Those that break a line are lower.
const LOW: u8 = 0x10;

/// Whether a byte would end a line, or whoever reads it.
fn breaks(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_value() {
        let mut out = Vec::new();
        write_status(&mut out, StatusCode::NOT_FOUND);
        write_field(&mut out, "X", b"a\r\nSet-Cookie: b\0");
        assert_eq!(out, b"HTTP/1.1 404 Not Found\r\nX: a  Set-Cookie: b \r\n");
    }

    #[test]
    fn what_breaks_a_line_is_found_wherever_it_stands_and_nothing_else_is_changed() {
        let value: Vec<u8> = (0..=u8::MAX).filter(|byte| !breaks(*byte)).collect();
        let written = |value: &[u8]| {
            let mut out = Vec::new();
            write_field(&mut out, "", value);
            out[2..out.len() - 2].to_vec()
        };
        assert_eq!(written(&value), value);
        for (at, bad) in (0..20).flat_map(|at| [(at, b'\r'), (at, b'\n'), (at, 0)]) {
            let mut value = [0xff; 20];
            value[at] = bad;
            let mut expected = [0xff; 20];
            expected[at] = b' ';
            assert_eq!(written(&value), expected, "{at}");
        }
    }
}
