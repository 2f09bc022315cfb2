//! The chunked coding (RFC 9112, 7.1), both ways.

use super::classes::{TOKEN, is};
use super::{Field, Fields, Piece, Refusal};
use crate::http::BodyLimits;
use crate::http::limits::MOST_TRAILERS;

/// A chunked body as it comes in, byte by byte where lines are cut anywhere.
///
/// ```text
///  Size ──";"──▶ Extension ──CR──▶ SizeEnd ──LF──▶ Data ──▶ DataEnd ──CRLF──▶ Size …
///                                     └── size 0 ──▶ Trailers ──empty line──▶ Over
/// ```
#[derive(Debug)]
pub struct Chunks {
    state: State,
    limits: BodyLimits,
    /// Bytes that all extensions had so far.
    extensions: usize,
    /// Lines behind the last chunk, with their ends.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Digits of a size.
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
        part: Part,
    },
    /// CR has been, LF has to come.
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    Trailers,
    Over,
}

/// Where extensions are: `;name`, `;name=token`, `;name="text"`, with spaces around each (RFC 9112, 7.1.1). They mean
/// nothing to us; but a line that others may end elsewhere is not read at all.
///
/// ```text
///   Behind ──";"──▶ Name ──▶ InName ──"="──▶ Value ──▶ InValue
///     ▲                        │                └─"\""─▶ Text ──"\\"──▶ Escaped
///     └── a space, or the end ─┴──────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Behind the size, or all of an extension. Some pad their sizes with spaces.
    Behind,
    /// The name has to begin, or the value.
    Name,
    Value,
    InName,
    InValue,
    /// Spaces behind a name, before the `=` that may come.
    Named,
    /// Within quotes.
    Text,
    /// Within quotes, behind a backslash.
    Escaped,
}

impl Part {
    /// What follows a byte; `None` if it cannot stand there.
    fn after(self, byte: u8) -> Option<Self> {
        let is_space = matches!(byte, b' ' | b'\t');
        Some(match (self, byte) {
            (Self::Text, b'"') => Self::Behind,
            (Self::Text, b'\\') => Self::Escaped,
            (Self::Text | Self::Escaped, _) if byte == b'\t' || !byte.is_ascii_control() => {
                Self::Text
            }
            (Self::Behind | Self::InName | Self::Named | Self::InValue, b';') => Self::Name,
            (Self::InName | Self::Named, b'=') => Self::Value,
            (Self::Value, b'"') => Self::Text,
            (Self::Behind | Self::Name | Self::Value | Self::Named, _) if is_space => self,
            (Self::InName, _) if is_space => Self::Named,
            (Self::InValue, _) if is_space => Self::Behind,
            (Self::Name | Self::InName, _) if is::<TOKEN>(byte) => Self::InName,
            (Self::Value | Self::InValue, _) if is::<TOKEN>(byte) => Self::InValue,
            _ => return None,
        })
    }

    /// Whether the line may end here.
    fn may_end(self) -> bool {
        matches!(self, Self::Behind | Self::InName | Self::Named | Self::InValue)
    }
}

const START: State = State::Size { size: 0, digits: 0 };

impl Chunks {
    /// At the beginning of a body.
    #[must_use]
    pub fn new(limits: &BodyLimits) -> Self {
        Self { state: START, limits: limits.clone(), extensions: 0, trailers: Vec::new() }
    }

    /// The next piece of the body, taken from the front of `input`.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that says what is wrong; nothing can be read behind it.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, Refusal> {
        loop {
            match self.state {
                State::Over => return Ok(Piece::End),
                State::Trailers => return self.take_trailers(input),
                State::Data { left } if !input.is_empty() => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (data, rest) = input.split_at(length);
                    *input = rest;
                    self.state = match left - length as u64 {
                        0 => State::DataCr,
                        left => State::Data { left },
                    };
                    return Ok(Piece::Data(data));
                }
                _ => {}
            }
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(Piece::NotYet);
            };
            *input = rest;
            self.state = self.after(byte)?;
        }
    }

    /// The trailers, when the body is over, as far as they may be heeded: none that frames, routes or
    /// authenticates (RFC 9110, 6.5.1).
    ///
    /// # Errors
    ///
    /// [`Refusal::Trailers`], which [`next`](Self::next) has said already.
    pub fn with_trailers<R>(&self, act: impl FnOnce(Fields<'_>) -> R) -> Result<R, Refusal> {
        let mut slots = [httparse::EMPTY_HEADER; MOST_TRAILERS];
        match httparse::parse_headers(&self.trailers, &mut slots) {
            Ok(httparse::Status::Complete((_, trailers))) => {
                let kept: Vec<_> =
                    trailers.iter().filter(|it| may_trail(it.name)).map(Field::from).collect();
                Ok(act(Fields::new(&kept)))
            }
            Ok(httparse::Status::Partial) if self.trailers.is_empty() => Ok(act(Fields::new(&[]))),
            _ => Err(Refusal::Trailers),
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // Sixteen digits fill the number.
                if digits == 16 {
                    return Err(Refusal::Chunk);
                }
                let digit = char::from(byte).to_digit(16).ok_or(Refusal::Chunk)?;
                Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
            }
            (State::Size { digits: 0, .. }, _) => Err(Refusal::Chunk),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeEnd { size }),
            (State::Size { size, .. }, _) => self.extend(size, Part::Behind, byte),
            (State::Extension { size, part }, b'\r') if part.may_end() => {
                Ok(State::SizeEnd { size })
            }
            (State::Extension { size, part }, _) => self.extend(size, part, byte),
            (State::SizeEnd { size: 0 }, b'\n') => Ok(State::Trailers),
            (State::SizeEnd { size }, b'\n') => Ok(State::Data { left: size }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(START),
            _ => Err(Refusal::Chunk),
        }
    }

    /// A byte of an extension.
    fn extend(&mut self, size: u64, part: Part, byte: u8) -> Result<State, Refusal> {
        self.extensions += 1;
        let part = part.after(byte).ok_or(Refusal::Chunk)?;
        match self.extensions > self.limits.extensions {
            true => Err(Refusal::Extensions),
            false => Ok(State::Extension { size, part }),
        }
    }

    fn take_trailers<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, Refusal> {
        while let Some(at) = input.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = input.split_at(at + 1);
            *input = rest;
            self.gather(line)?;
            if !self.trailers.ends_with(b"\r\n") {
                return Err(Refusal::Trailers);
            }
            if self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n") {
                self.state = State::Over;
                self.with_trailers(|_| ())?;
                return Ok(Piece::End);
            }
        }
        self.gather(std::mem::take(input))?;
        Ok(Piece::NotYet)
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.trailers.len() + bytes.len() > self.limits.trailers {
            return Err(Refusal::TrailersTooLong);
        }
        self.trailers.extend_from_slice(bytes);
        Ok(())
    }
}

/// Whether a field may stand behind a body: not if what it says is needed before it.
fn may_trail(name: &str) -> bool {
    const NEVER: [&str; 18] = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authorization",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
    ];
    !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}

/// Writes bytes as one chunk. None are no chunk: an empty one would end the body.
pub fn write_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        write_chunk_size(out, bytes.len());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes what stands before a chunk of that size.
pub(crate) fn write_chunk_size(out: &mut Vec<u8>, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let count = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..count).rev().map(|digit| DIGITS[(size >> (digit * 4)) & 15]));
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk, with trailers behind it.
pub fn write_last_chunk<'a>(
    out: &mut Vec<u8>,
    trailers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        super::write_field(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body and its trailers, read in pieces of some lengths.
    fn read(mut bytes: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, usize, usize), Refusal> {
        let mut chunks = Chunks::new(&BodyLimits::default());
        let (mut body, mut cuts) = (Vec::new(), cuts.iter().copied().cycle());
        while !bytes.is_empty() {
            let (mut piece, rest) = bytes.split_at(cuts.next().unwrap_or(1).clamp(1, bytes.len()));
            loop {
                match chunks.next(&mut piece)? {
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::NotYet => break,
                    Piece::End => {
                        let trailers = chunks.with_trailers(|it| it.len())?;
                        return Ok((body, trailers, piece.len() + rest.len()));
                    }
                }
            }
            bytes = rest;
        }
        Err(Refusal::Timeout)
    }

    #[test]
    fn chunks_are_joined_and_trailers_told() {
        let bytes = b"5\r\nhello\r\n1;a=\"b\"\r\n!\r\n000\r\nX: y\r\nHost: z\r\n\r\nGET";
        for cut in 1..bytes.len() {
            assert_eq!(read(bytes, &[cut]), Ok((b"hello!".to_vec(), 1, 3)), "{cut}");
        }
        assert_eq!(read(b"0\r\n\r\n", &[9]), Ok((vec![], 0, 0)));
    }

    #[test]
    fn extensions_are_passed_over() {
        let lines = [
            "2",
            "2  ",
            "2;a",
            "2 ; a\t",
            "2;a=b",
            "2; a = b ;c",
            "2;a=\"\\\"; \";b=\"\"",
            "2;a=\"é\"",
        ];
        for line in lines {
            let bytes = format!("{line}\r\nhi\r\n0;z\r\n\r\n");
            assert_eq!(read(bytes.as_bytes(), &[3]), Ok((b"hi".to_vec(), 0, 0)), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for (bytes, refusal) in [
            (&b"0x5\r\nhello\r\n"[..], Refusal::Chunk),
            (b"+5\r\nhello\r\n", Refusal::Chunk),
            (b"-1\r\n", Refusal::Chunk),
            (b"1_0\r\n", Refusal::Chunk),
            (b" 5\r\nhello\r\n", Refusal::Chunk),
            (b"\r\n", Refusal::Chunk),
            (b";a\r\n", Refusal::Chunk),
            (b"5\nhello\r\n", Refusal::Chunk),
            (b"5\rhello\r\n", Refusal::Chunk),
            (b"5\r\nhello\n", Refusal::Chunk),
            (b"5\r\nhelloX\r\n", Refusal::Chunk),
            (b"5;a\nb\r\n", Refusal::Chunk),
            (b"5;a\0\r\n", Refusal::Chunk),
            (b"5;\r\nhello\r\n", Refusal::Chunk),
            (b"5;a;\r\nhello\r\n", Refusal::Chunk),
            (b"5;=a\r\nhello\r\n", Refusal::Chunk),
            (b"5;a=\r\nhello\r\n", Refusal::Chunk),
            (b"5;a=\"b\r\nhello\r\n", Refusal::Chunk),
            (b"5;a=\"b\\\"\r\nhello\r\n", Refusal::Chunk),
            (b"5;a=\"b\"c\r\nhello\r\n", Refusal::Chunk),
            (b"5;a b\r\nhello\r\n", Refusal::Chunk),
            (b"5 a\r\nhello\r\n", Refusal::Chunk),
            (b"5;a=b\x80\r\nhello\r\n", Refusal::Chunk),
            (b"10000000000000000\r\n", Refusal::Chunk),
            (b"00000000000000000\r\n", Refusal::Chunk),
            (b"0\r\nX: y\n\r\n", Refusal::Trailers),
            (b"0\r\nX : y\r\n\r\n", Refusal::Trailers),
            (b"0\r\nX: y\r\n z\r\n\r\n", Refusal::Trailers),
        ] {
            assert_eq!(read(bytes, &[64]), Err(refusal), "{}", bytes.escape_ascii());
        }
        let long = [b"5;", &[b'a'; 10_000][..]].concat();
        assert_eq!(read(&long, &[64]), Err(Refusal::Extensions));
        let many = b"1;abcdefgh\r\nx\r\n".repeat(1_000);
        assert_eq!(read(&many, &[64]), Err(Refusal::Extensions));
        let long = [b"0\r\nX: ", &[b'a'; 20_000][..]].concat();
        assert_eq!(read(&long, &[64]), Err(Refusal::TrailersTooLong));
    }

    proptest! {
        /// Any pieces, written and cut anywhere: the same body.
        #[test]
        fn what_is_written_reads_the_same(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            cuts in proptest::collection::vec(1..40_usize, 1..8),
        ) {
            let mut bytes = Vec::new();
            for piece in &pieces {
                write_chunk(&mut bytes, piece);
            }
            write_last_chunk(&mut bytes, [("X", &b"y"[..])]);
            prop_assert_eq!(read(&bytes, &cuts), Ok((pieces.concat(), 1, 0)));
        }

        /// Any bytes: never a panic, and however they are cut, the same verdict.
        #[test]
        fn any_bytes_are_judged(
            bytes in "[0-9a-f;\r\n:x =\"]{0,60}",
            cuts in proptest::collection::vec(1..10_usize, 1..8),
        ) {
            let whole = read(bytes.as_bytes(), &[bytes.len().max(1)]);
            prop_assert_eq!(read(bytes.as_bytes(), &cuts), whole);
        }
    }
}
