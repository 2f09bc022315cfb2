//! Heads as they go out.

use http::StatusCode;

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
    // Every byte is looked at, without leaving early: so the compiler looks at sixteen at a time.
    if value.iter().fold(false, |any, byte| any | breaks(*byte)) {
        out.extend(value.iter().map(|byte| if breaks(*byte) { b' ' } else { *byte }));
    } else {
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a byte would end a line, or whoever reads it.
fn breaks(byte: u8) -> bool {
    (byte == b'\r') | (byte == b'\n') | (byte == 0)
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
}
