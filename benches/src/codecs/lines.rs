//! Lines, as chat and FTP have them, of lengths as people type them.

use std::hint::black_box;
use std::io::BufRead;
use std::rc::Rc;

use bytes::BytesMut;
use reactor::Input;
use reactor::framing::{Line, Lines};
use tokio_util::codec::{Decoder, LinesCodec};

use super::Codec;

/// The longest line that is allowed.
const CEILING: usize = 512;

const LINES: usize = 1_000;

pub(super) fn codec() -> Codec {
    Codec {
        name: "lines",
        text: text(),
        messages: LINES,
        decoders: vec![
            ("std", std),
            ("reactor", ours),
            ("read-until", read_until),
            ("tokio-util", tokio_util),
        ],
    }
}

/// Lines of 10 to 109 bytes, each length as often as the others, in no order that could be guessed.
fn text() -> Rc<[u8]> {
    let line = |number: usize| {
        let mut line = vec![b'a' + (number % 26) as u8; 8 + number * 37 % 100];
        line.extend_from_slice(b"\r\n");
        line
    };
    (0..LINES).flat_map(line).collect()
}

/// A byte after the other; it keeps an empty rest behind the last line end.
fn std(text: &[u8]) -> usize {
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r"));
    lines.map(black_box).count() - 1
}

fn ours(text: &[u8]) -> usize {
    let (mut lines, mut input) = (Lines::new(CEILING), Input::new(text));
    let mut count = 0;
    while let Line::Whole(line) = lines.next(&mut input) {
        black_box(line);
        count += 1;
    }
    count
}

/// Copies each line, and does not bound it.
fn read_until(mut text: &[u8]) -> usize {
    let (mut line, mut count) = (Vec::new(), 0);
    while text.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        black_box(&line);
        line.clear();
        count += 1;
    }
    count
}

/// Copies each line into a string, having checked that it is one; the buffer is filled by a copy, as a
/// stream fills it.
fn tokio_util(text: &[u8]) -> usize {
    let (mut codec, mut buffer) = (LinesCodec::new_with_max_length(CEILING), BytesMut::from(text));
    let mut count = 0;
    while let Ok(Some(line)) = codec.decode(&mut buffer) {
        black_box(line);
        count += 1;
    }
    count
}
