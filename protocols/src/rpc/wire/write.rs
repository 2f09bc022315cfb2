//! Messages as texts, and texts as they stand on a stream.

use std::io;

use memchr::memchr2;
use serde::Serialize;

use super::{Dialect, Error, Framing};
#[cfg(feature = "rpc-web")]
use crate::websocket::{
    Role,
    wire::{Opcode, encode},
};

/// How messages to a peer are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rpc) struct Encoding {
    pub(in crate::rpc) envelope: Envelope,
    pub(in crate::rpc) dialect: Dialect,
}

/// What is around a text, so that the peer knows where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rpc) enum Envelope {
    Stream(Framing),
    /// A message of a WebSocket, on this side of it.
    #[cfg(feature = "rpc-web")]
    WebSocket(Role),
    /// A body of HTTP.
    #[cfg(feature = "rpc-web")]
    Body,
}

impl Default for Envelope {
    fn default() -> Self {
        Self::Stream(Framing::default())
    }
}

impl Encoding {
    pub(in crate::rpc) fn of_stream(framing: Framing, dialect: Dialect) -> Self {
        Self { envelope: Envelope::Stream(framing), dialect }
    }

    pub(in crate::rpc) fn is_stream(self) -> bool {
        matches!(self.envelope, Envelope::Stream(_))
    }

    /// Writes a text to `out`, so that the peer knows where it ends. A client's side of a WebSocket masks
    /// what it sends, with a number that nobody can guess.
    pub(in crate::rpc) fn frame(
        self,
        text: &[u8],
        _random: impl FnOnce() -> u64,
        out: &mut Vec<u8>,
    ) {
        match self.envelope {
            Envelope::Stream(Framing::Lines) => {
                let start = out.len();
                out.extend_from_slice(text);
                end_line(out, start);
            }
            Envelope::Stream(Framing::ContentLength) => {
                let head = format!("Content-Length: {}\r\n\r\n", text.len());
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(text);
            }
            Envelope::Stream(Framing::Bare) => out.extend_from_slice(text),
            #[cfg(feature = "rpc-web")]
            Envelope::WebSocket(role) => {
                let [a, b, c, d, ..] = match role {
                    Role::Client => _random().to_ne_bytes(),
                    Role::Server => [0; 8],
                };
                let key = (role == Role::Client).then_some([a, b, c, d]);
                encode(Opcode::Text, false, key, text, out);
            }
            #[cfg(feature = "rpc-web")]
            Envelope::Body => out.extend_from_slice(text),
        }
    }

    /// A call, or a notification if there is no id; `params` is JSON already.
    pub(in crate::rpc) fn request(self, id: Option<u64>, method: &str, params: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + method.len() + params.len());
        self.open(&mut out);
        out.extend_from_slice(b"\"method\":");
        append(&mut out, method);
        match (params, self.dialect) {
            ("null", Dialect::Two) => {}
            // Version 1.0 does not do without.
            ("null", Dialect::One) => out.extend_from_slice(b",\"params\":[]"),
            _ => {
                out.extend_from_slice(b",\"params\":");
                out.extend_from_slice(params.as_bytes());
            }
        }
        match (id, self.dialect) {
            (Some(id), _) => {
                out.extend_from_slice(b",\"id\":");
                append(&mut out, &id);
            }
            (None, Dialect::One) => out.extend_from_slice(b",\"id\":null"),
            (None, Dialect::Two) => {}
        }
        out.push(b'}');
        out
    }

    fn open(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.dialect {
            Dialect::Two => b"{\"jsonrpc\":\"2.0\",".as_slice(),
            Dialect::One => b"{",
        });
    }
}

/// Makes one line of a text that begins at `start`, and ends it. JSON that was handed over as it is may have line ends
/// in it, which would cut it up, or make a second message of what is inside the first. They stand between values only
/// (RFC 8259, 2 and 7), where a space says the same.
pub(in crate::rpc) fn end_line(out: &mut Vec<u8>, start: usize) {
    let mut rest = out.get_mut(start..).unwrap_or_default();
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        let (before, behind) = rest.split_at_mut(at + 1);
        before[at] = b' ';
        rest = behind;
    }
    out.push(b'\n');
}

/// A response that is being written behind whatever is in `out`: either a result or an error.
pub(in crate::rpc) struct Reply<'a> {
    out: &'a mut Vec<u8>,
    encoding: Encoding,
    /// `None`: a notification, which nobody answers.
    id: Option<&'a [u8]>,
    ceiling: usize,
}

impl<'a> Reply<'a> {
    /// A response to that id, whose result may have so many bytes.
    pub(in crate::rpc) fn new(
        out: &'a mut Vec<u8>,
        encoding: Encoding,
        id: Option<&'a [u8]>,
        ceiling: usize,
    ) -> Self {
        Self { out, encoding, id, ceiling }
    }

    /// Writes a result, or nothing if there is none to be written.
    ///
    /// # Errors
    ///
    /// If it is too long, or cannot be JSON; nothing is written then.
    pub(in crate::rpc) fn result<R: Serialize + ?Sized>(
        &mut self,
        result: &R,
    ) -> Result<(), Error> {
        let ceiling = self.ceiling;
        self.write(|out| Bounded::append(out, result, ceiling))
    }

    /// Writes a result that is JSON already, and within the limit.
    pub(in crate::rpc) fn written(&mut self, result: &[u8]) {
        let written = self.write(|out| {
            out.extend_from_slice(result);
            Ok(())
        });
        debug_assert!(written.is_ok(), "it is only copied");
    }

    #[inline]
    fn write(
        &mut self,
        result: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(id) = self.id else {
            return Ok(());
        };
        let start = self.out.len();
        self.out.extend_from_slice(match self.encoding.dialect {
            Dialect::Two => b"{\"jsonrpc\":\"2.0\",\"result\":".as_slice(),
            Dialect::One => b"{\"result\":",
        });
        let written = result(self.out);
        if written.is_err() {
            self.out.truncate(start);
            return written;
        }
        if self.encoding.dialect == Dialect::One {
            self.out.extend_from_slice(b",\"error\":null");
        }
        self.close(id);
        Ok(())
    }

    /// Writes an error.
    pub(in crate::rpc) fn error(&mut self, error: &Error) {
        let Some(id) = self.id else {
            return;
        };
        self.encoding.open(self.out);
        if self.encoding.dialect == Dialect::One {
            self.out.extend_from_slice(b"\"result\":null,");
        }
        self.out.extend_from_slice(b"\"error\":");
        append(self.out, error);
        self.close(id);
    }

    fn close(&mut self, id: &[u8]) {
        self.out.extend_from_slice(b",\"id\":");
        self.out.extend_from_slice(id);
        self.out.push(b'}');
    }
}

/// Writes what cannot fail to be written: texts, numbers, and errors.
fn append(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// JSON with a ceiling: a result that is too long is not built first and measured then.
pub(in crate::rpc) struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    left: usize,
}

impl Bounded<'_> {
    /// Writes a value behind what is there.
    ///
    /// # Errors
    ///
    /// [`Error::REPLY_TOO_LONG`], or [`Error::INTERNAL`] for what JSON does not have: a map whose keys
    /// are no texts.
    pub(in crate::rpc) fn append<R: Serialize + ?Sized>(
        out: &mut Vec<u8>,
        value: &R,
        ceiling: usize,
    ) -> Result<(), Error> {
        serde_json::to_writer(Bounded { out, left: ceiling }, value).map_err(|error| {
            if error.is_io() {
                Error::new(Error::REPLY_TOO_LONG, "The result is too long").with_data(&ceiling)
            } else {
                Error::internal(error)
            }
        })
    }
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("it is JSON")
    }

    #[test]
    fn requests_of_both_versions() {
        let two = Encoding::default();
        let one = Encoding { dialect: Dialect::One, ..two };
        assert_eq!(
            text(&two.request(Some(1), "a\"b", "[1]")),
            r#"{"jsonrpc":"2.0","method":"a\"b","params":[1],"id":1}"#
        );
        assert_eq!(text(&two.request(None, "m", "null")), r#"{"jsonrpc":"2.0","method":"m"}"#);
        assert_eq!(
            text(&one.request(None, "m", "null")),
            r#"{"method":"m","params":[],"id":null}"#
        );
    }

    #[test]
    fn a_result_that_is_too_long_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        let mut reply = Reply::new(&mut out, Encoding::default(), Some(b"1"), 4);
        assert_eq!(reply.result("abc").expect_err("five bytes").code, Error::REPLY_TOO_LONG);
        assert!(reply.result("ab").is_ok());
        assert_eq!(text(&out), r#"before{"jsonrpc":"2.0","result":"ab","id":1}"#);
    }

    #[test]
    fn each_framing_says_where_a_text_ends() {
        let framed = |framing| {
            let mut out = Vec::new();
            Encoding::of_stream(framing, Dialect::Two).frame(b"[1]", || 0, &mut out);
            out
        };
        assert_eq!(framed(Framing::Lines), b"[1]\n");
        assert_eq!(framed(Framing::ContentLength), b"Content-Length: 3\r\n\r\n[1]");
        assert_eq!(framed(Framing::Bare), b"[1]");
    }

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        let mut out = b"before\n".to_vec();
        let lines = Encoding::of_stream(Framing::Lines, Dialect::Two);
        lines.frame(b"\n[1,\n\r2,\"\\n\"]\r\n", || 0, &mut out);
        assert_eq!(text(&out), "before\n [1,  2,\"\\n\"]  \n");
    }
}
