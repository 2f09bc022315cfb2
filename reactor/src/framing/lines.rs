//! Lines with a ceiling.

use bytes::Buf;
use memchr::memchr;

use crate::Input;

/// Cuts a stream into lines, each ended by LF or CR LF, none longer than a ceiling.
///
/// What is incomplete stays in the [`Input`], so the connection keeps it and nobody copies it twice;
/// what was searched once is not searched again. A line above the ceiling is told of once, and thrown
/// away as it comes, so it never needs more memory than the ceiling.
///
/// ```
/// use reactor::Input;
/// use reactor::framing::{Line, Lines};
///
/// let mut lines = Lines::new(8);
/// let mut input = Input::new(b"one\r\nfar too long\ntwo\nthr");
/// assert_eq!(lines.next(&mut input), Line::Whole(b"one"));
/// assert_eq!(lines.next(&mut input), Line::TooLong);
/// assert_eq!(lines.next(&mut input), Line::Whole(b"two"));
/// assert_eq!(lines.next(&mut input), Line::Partial);
/// assert_eq!(&*input, b"thr");
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    ceiling: usize,
    state: State,
}

/// ```text
///            more than the ceiling and no LF: TooLong
///   Reading ─────────────────────────────────────────▶ Skipping
///      ▲                                                  │
///      └──────────────────────── LF ──────────────────────┘
/// ```
#[derive(Clone, Debug)]
enum State {
    /// Looking for the end of a line; so many bytes of the input hold none.
    Reading { searched: usize },
    /// Throwing away the rest of a line that is too long.
    Skipping,
}

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its end. It has been consumed.
    Whole(&'a [u8]),
    /// A line longer than the ceiling. What there is of it has been consumed, and the rest will be.
    TooLong,
    /// The beginning of a line, or nothing: come back with more.
    Partial,
}

impl Lines {
    /// Lines of at most `ceiling` bytes, not counting their end.
    #[must_use]
    pub fn new(ceiling: usize) -> Self {
        Self { ceiling, state: State::Reading { searched: 0 } }
    }

    /// Takes the next line. The input must begin where the last call left it.
    ///
    /// Not in a `while let Line::Whole(..)`: that ends at a line that is [`TooLong`](Line::TooLong), and what stands
    /// behind it waits until the peer says more.
    pub fn next<'a>(&mut self, input: &mut Input<'a>) -> Line<'a> {
        if let State::Skipping = self.state {
            self.skip(input);
        }
        match self.state {
            State::Skipping => Line::Partial,
            State::Reading { searched } => self.read(input, searched),
        }
    }

    /// How many bytes of what the last call left are known to hold no end of a line.
    pub(crate) fn searched(&self) -> usize {
        match self.state {
            State::Reading { searched } => searched,
            State::Skipping => 0,
        }
    }

    fn read<'a>(&mut self, input: &mut Input<'a>, searched: usize) -> Line<'a> {
        let searched = searched.min(input.len());
        let end = memchr(b'\n', &input[searched..]);
        match end.map(|at| searched + at) {
            Some(end) => {
                self.state = State::Reading { searched: 0 };
                let line = without_return(&input.take_front(end + 1)[..end]);
                if line.len() <= self.ceiling { Line::Whole(line) } else { Line::TooLong }
            }
            // The CR of a line that is just short enough may be there already.
            None if without_return(input).len() > self.ceiling => {
                self.state = State::Skipping;
                input.take_all();
                Line::TooLong
            }
            None => {
                self.state = State::Reading { searched: input.len() };
                Line::Partial
            }
        }
    }

    fn skip(&mut self, input: &mut Input<'_>) {
        match memchr(b'\n', input) {
            Some(end) => {
                input.advance(end + 1);
                self.state = State::Reading { searched: 0 };
            }
            None => {
                input.take_all();
            }
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pieces::pieces;
    use super::*;

    /// What a stream is cut into if it arrives in these pieces.
    fn cut(pieces: &[&[u8]], ceiling: usize) -> Vec<Result<Vec<u8>, ()>> {
        let mut lines = Lines::new(ceiling);
        let mut kept = Vec::new();
        let mut seen = Vec::new();
        for piece in pieces {
            kept.extend_from_slice(piece);
            let mut input = Input::new(&kept);
            loop {
                match lines.next(&mut input) {
                    Line::Whole(line) => seen.push(Ok(line.to_vec())),
                    Line::TooLong => seen.push(Err(())),
                    Line::Partial => break,
                }
            }
            assert!(input.len() <= ceiling + 1, "it keeps no more than a line and its CR");
            kept = input.to_vec();
        }
        seen
    }

    #[test]
    fn a_line_may_be_as_long_as_the_ceiling_however_it_ends() {
        let expected = [Ok(b"abcd".to_vec()), Ok(b"abcd".to_vec()), Err(())];
        assert_eq!(cut(&[b"abcd\nabcd\r\nabcde\r\n"], 4), expected);
        assert_eq!(cut(&[b"abcd\nabcd\r", b"\nabcd", b"e\r\n"], 4), expected);
    }

    #[test]
    fn what_was_searched_for_an_end_is_not_searched_again() {
        let mut lines = Lines::new(1_000);
        for length in 1..1_000 {
            assert_eq!(lines.next(&mut Input::new(&vec![b'a'; length])), Line::Partial);
            assert!(matches!(lines.state, State::Reading { searched } if searched == length));
        }
    }

    #[test]
    fn a_return_within_a_line_is_part_of_it() {
        assert_eq!(cut(&[b"a\rb\r\r\n"], 9), [Ok(b"a\rb\r".to_vec())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_of_once_and_the_next_is_read() {
        assert_eq!(cut(&[b"aaaa", b"aaaa", b"aaaa", b"a\nb\n"], 3), [Err(()), Ok(b"b".to_vec())]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            bytes in proptest::collection::vec(proptest::sample::select(b"a\r\n".as_slice()), 0..64),
            cuts in proptest::collection::vec(0_usize..64, 0..6),
            ceiling in 0_usize..12,
        ) {
            let pieces = pieces(&bytes, cuts);
            prop_assert_eq!(cut(&pieces, ceiling), cut(&[&bytes], ceiling));
        }
    }
}
