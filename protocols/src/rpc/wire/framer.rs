//! One text after another out of a stream of bytes.

use std::str;

use reactor::Input;
use reactor::framing::{Line, Lines};
use thiserror::Error;

use super::scan::{Depth, Step};

/// The most bytes of a block of headers. LSP's two come to 80.
const HEADERS: usize = 4_096;

/// How texts are told apart on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framing {
    /// A line each, ended by LF or CR LF. JSON needs no line feed, so a text fits on a line.
    #[default]
    Lines,
    /// `Content-Length: N`, an empty line, and N bytes: the base protocol of LSP, section "Header Part".
    ContentLength,
    /// One value after another with nothing between, as OVSDB does it (RFC 7047, section 4): a text ends
    /// where its brackets are closed. Objects and arrays only, which is what JSON-RPC has.
    Bare,
}

/// What stands at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text, consumed.
    Whole(&'a [u8]),
    /// The beginning of one, or nothing: come back with more.
    Partial,
    /// A text that is longer than allowed, skipped, or being skipped: the next one can be read.
    TooLong,
    /// Where the next text begins cannot be known.
    Broken(Broken),
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// A header is not `NAME: VALUE`, or the text is not UTF-8.
    #[error("a header is not one")]
    Header,
    /// The headers do not end.
    #[error("the headers are too long")]
    Headers,
    /// `Content-Length` is missing, twice, or not a number.
    #[error("Content-Length is missing, or not one number")]
    Length,
    /// The text is longer than allowed, and skipping it is not worth it.
    #[error("a message is too long")]
    TooLong,
    /// Something other than an object or an array.
    #[error("a message is neither an object nor an array")]
    NoValue,
}

/// Cuts a stream into texts, none longer than a ceiling.
///
/// What is incomplete stays in the [`Input`]; what was searched once is not searched again.
///
/// ```
/// use protocols::rpc::wire::{Frame, Framer, Framing};
/// use reactor::Input;
///
/// let mut framer = Framer::new(Framing::ContentLength, 100);
/// let mut input = Input::new(b"Content-Length: 2\r\n\r\n[]Content-Le");
/// assert_eq!(framer.next(&mut input), Frame::Whole(b"[]"));
/// assert_eq!(framer.next(&mut input), Frame::Partial);
/// assert_eq!(&*input, b"Content-Le");
/// ```
#[derive(Clone, Debug)]
pub struct Framer {
    ceiling: usize,
    state: State,
}

/// ```text
///   Lines           its states are those of `reactor::framing::Lines`
///   Headers ──empty line──▶ Body ──all of it is there──▶ Headers
///   Bare            so much of the value was read, and so deep it is
/// ```
#[derive(Clone, Debug)]
enum State {
    Lines(Lines),
    /// So many bytes of the input hold no end of the headers.
    Headers {
        searched: usize,
    },
    Body {
        length: usize,
    },
    Bare {
        read: usize,
        depth: Depth,
    },
}

impl Framer {
    /// Texts of at most `ceiling` bytes.
    #[must_use]
    pub fn new(framing: Framing, ceiling: usize) -> Self {
        let state = match framing {
            Framing::Lines => State::Lines(Lines::new(ceiling)),
            Framing::ContentLength => State::Headers { searched: 0 },
            Framing::Bare => State::Bare { read: 0, depth: Depth::default() },
        };
        Self { ceiling, state }
    }

    /// Takes the next text. The input must begin where the last call left it.
    pub fn next<'a>(&mut self, input: &mut Input<'a>) -> Frame<'a> {
        let found = match &mut self.state {
            State::Lines(lines) => return next_line(lines, input),
            State::Headers { searched } => {
                let searched = *searched;
                self.handle_headers(input, searched)
            }
            State::Body { length } => {
                let length = *length;
                Ok(self.handle_body(input, length))
            }
            State::Bare { read, depth } => {
                let (read, depth) = (*read, *depth);
                self.handle_bare(input, read, depth)
            }
        };
        found.unwrap_or_else(Frame::Broken)
    }

    fn handle_headers<'a>(
        &mut self,
        input: &mut Input<'a>,
        searched: usize,
    ) -> Result<Frame<'a>, Broken> {
        // The end may have begun in what was searched.
        let from = searched.saturating_sub(3).min(input.len());
        let end = input.get(from..).unwrap_or_default().windows(4).position(|it| it == b"\r\n\r\n");
        let Some(end) = end.map(|at| from + at).filter(|end| *end <= HEADERS) else {
            if input.len() > HEADERS {
                return Err(Broken::Headers);
            }
            self.state = State::Headers { searched: input.len() };
            return Ok(Frame::Partial);
        };
        let block = input.take_front(end + 4);
        let length = content_length(block)?;
        if length > self.ceiling {
            return Err(Broken::TooLong);
        }
        self.state = State::Body { length };
        Ok(self.handle_body(input, length))
    }

    fn handle_body<'a>(&mut self, input: &mut Input<'a>, length: usize) -> Frame<'a> {
        if input.len() < length {
            return Frame::Partial;
        }
        self.state = State::Headers { searched: 0 };
        Frame::Whole(input.take_front(length))
    }

    fn handle_bare<'a>(
        &mut self,
        input: &mut Input<'a>,
        read: usize,
        mut depth: Depth,
    ) -> Result<Frame<'a>, Broken> {
        if read == 0 {
            let blank = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            input.take_front(blank);
        }
        for at in read..input.len() {
            let byte = input.get(at).copied().unwrap_or_default();
            match depth.step(byte) {
                Step::Closed if at >= self.ceiling => return Err(Broken::TooLong),
                Step::Closed => {
                    self.state = State::Bare { read: 0, depth: Depth::default() };
                    return Ok(Frame::Whole(input.take_front(at + 1)));
                }
                Step::Stray => return Err(Broken::NoValue),
                Step::Within if at == 0 => return Err(Broken::NoValue),
                Step::Within | Step::Opened => {}
            }
        }
        if input.len() > self.ceiling {
            return Err(Broken::TooLong);
        }
        self.state = State::Bare { read: input.len(), depth };
        Ok(Frame::Partial)
    }
}

fn next_line<'a>(lines: &mut Lines, input: &mut Input<'a>) -> Frame<'a> {
    loop {
        match lines.next(input) {
            // People press return, and some programs end a text with two line feeds.
            Line::Whole(line) if line.trim_ascii().is_empty() => {}
            Line::Whole(line) => return Frame::Whole(line),
            Line::TooLong => return Frame::TooLong,
            Line::Partial => return Frame::Partial,
        }
    }
}

/// The one header that counts. Others, `Content-Type` say, are passed over.
fn content_length(block: &[u8]) -> Result<usize, Broken> {
    let block = str::from_utf8(block).map_err(|_| Broken::Header)?;
    let mut found = None;
    for line in block.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Broken::Header)?;
        if name.eq_ignore_ascii_case("content-length") {
            let value = value.trim();
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            // What does not fit is a number all the same, and too long.
            let length = value.parse().unwrap_or(usize::MAX);
            if !is_number || found.replace(length).is_some() {
                return Err(Broken::Length);
            }
        }
    }
    found.ok_or(Broken::Length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a stream is cut into if it arrives in these pieces; a text, or why there is none.
    fn cut(framing: Framing, pieces: &[&[u8]], ceiling: usize) -> Vec<Result<Vec<u8>, String>> {
        let (mut framer, mut kept, mut seen) = (Framer::new(framing, ceiling), Vec::new(), vec![]);
        for piece in pieces {
            kept.extend_from_slice(piece);
            let mut input = Input::new(&kept);
            loop {
                match framer.next(&mut input) {
                    Frame::Whole(text) => seen.push(Ok(text.to_vec())),
                    Frame::TooLong => seen.push(Err("too long".to_owned())),
                    Frame::Partial => break,
                    Frame::Broken(why) => {
                        seen.push(Err(why.to_string()));
                        return seen;
                    }
                }
            }
            assert!(input.len() <= ceiling.max(HEADERS) + 4, "it keeps no more than a text");
            kept = input.to_vec();
        }
        seen
    }

    fn all(framing: Framing, bytes: &[u8], ceiling: usize) -> Vec<Result<String, String>> {
        let texts = cut(framing, &[bytes], ceiling).into_iter();
        texts.map(|text| text.map(|it| String::from_utf8_lossy(&it).into_owned())).collect()
    }

    #[test]
    fn headers_are_read_whatever_else_stands_among_them() {
        let bytes =
            b"content-length:2\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n{}\
            Content-Length: 0003\r\n\r\n[1]";
        assert_eq!(
            all(Framing::ContentLength, bytes, 9),
            [Ok("{}".to_owned()), Ok("[1]".to_owned())]
        );
    }

    #[test]
    fn a_length_that_is_not_one_number_breaks_the_stream() {
        for (headers, why) in [
            ("Content-Type: x\r\n\r\n", Broken::Length),
            ("Content-Length: 1\r\nContent-Length: 1\r\n\r\n", Broken::Length),
            ("Content-Length: -1\r\n\r\n", Broken::Length),
            ("Content-Length: +1\r\n\r\n", Broken::Length),
            ("Content-Length:\r\n\r\n", Broken::Length),
            ("Content-Length: 99999999999999999999999999\r\n\r\n", Broken::TooLong),
            ("Content-Length: 10\r\n\r\n", Broken::TooLong),
            ("{}\r\n\r\n", Broken::Header),
        ] {
            assert_eq!(
                all(Framing::ContentLength, headers.as_bytes(), 9),
                [Err(why.to_string())],
                "{headers}"
            );
        }
    }

    #[test]
    fn headers_without_an_end_are_not_kept_for_ever() {
        let bytes = [b'a'; HEADERS + 1];
        assert_eq!(all(Framing::ContentLength, &bytes, 9), [Err(Broken::Headers.to_string())]);
    }

    #[test]
    fn bare_values_end_where_their_brackets_close() {
        let bytes = br#"{"a":"}\"{"}[[1]] {}x"#;
        let texts = all(Framing::Bare, bytes, 20);
        assert_eq!(
            texts[..3].iter().flatten().collect::<Vec<_>>(),
            [r#"{"a":"}\"{"}"#, "[[1]]", "{}"]
        );
        assert_eq!(texts[3], Err(Broken::NoValue.to_string()));
        assert_eq!(all(Framing::Bare, b"[1,2,3]", 6), [Err(Broken::TooLong.to_string())]);
        assert_eq!(all(Framing::Bare, b"[1,2,3]", 7), [Ok("[1,2,3]".to_owned())]);
        assert_eq!(all(Framing::Bare, b"[1,2,3", 5), [Err(Broken::TooLong.to_string())]);
    }

    #[test]
    fn empty_lines_are_passed_over() {
        assert_eq!(all(Framing::Lines, b"\n\r\n[]\n\n", 9), [Ok("[]".to_owned())]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            framing in proptest::sample::select(
                [Framing::Lines, Framing::ContentLength, Framing::Bare].as_slice()),
            parts in proptest::collection::vec(proptest::sample::select([
                "Content-Length: 4\r\n\r\n", "Content-Length: 0\r\n", "\r\n", "[1]", "{}", "\n", "\"",
                "[", "]", "\\", " ",
            ].as_slice()), 0..24),
            cuts in proptest::collection::vec(0_usize..160, 0..6),
            ceiling in 0_usize..12,
        ) {
            let bytes = parts.concat().into_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut from = 0;
            let pieces: Vec<_> =
                cuts.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect();
            prop_assert_eq!(cut(framing, &pieces, ceiling), cut(framing, &[&bytes], ceiling));
        }
    }
}
