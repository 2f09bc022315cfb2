//! A tape as text: what a failure prints, and what it is replayed from.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use thiserror::Error;

/// At least so many zeros in a row are written as their number.
const RUN: usize = 4;

/// The bytes that a run has drawn its [`Choices`](super::Choices) from.
///
/// As text it is hexadecimal, with long rows of zeros as their number between two dots: what is left
/// of a shrunk tape is mostly zeros.
///
/// ```
/// use reactor::sim::Tape;
///
/// let tape: Tape = "ff07.300.80".parse()?;
/// assert_eq!(tape.len(), 303);
/// assert_eq!(tape.busy(), 3);
/// assert_eq!(tape.to_string(), "ff07.300.80");
/// # Ok::<(), reactor::sim::ParseTapeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tape(Vec<u8>);

/// A text is not a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseTapeError {
    /// What should be bytes is not pairs of hexadecimal digits.
    #[error("bytes are written as two hexadecimal digits each")]
    Digits,
    /// What stands between two dots is not a number of zeros, or there are more than a tape may have.
    #[error("between two dots stands a number of zeros, of at most {}", Tape::LONGEST)]
    Zeros,
}

impl Tape {
    /// The most zeros in a row that a text may ask for: no run of a scenario draws as many.
    pub const LONGEST: usize = 1 << 24;

    /// How many of its bytes are not zero, which is to say how many choices are not the calmest.
    #[must_use]
    pub fn busy(&self) -> usize {
        busy(&self.0)
    }

    /// It, without the zeros at its end, which a tape goes on with anyway.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        let length = trimmed(&self.0).len();
        self.0.truncate(length);
        self
    }
}

/// How many bytes are not zero.
pub(super) fn busy(tape: &[u8]) -> usize {
    tape.iter().filter(|&&byte| byte != 0).count()
}

/// A tape without the zeros at its end.
pub(super) fn trimmed(tape: &[u8]) -> &[u8] {
    let length = tape.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &tape[..length]
}

impl Deref for Tape {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Tape {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Tape> for Vec<u8> {
    fn from(tape: Tape) -> Self {
        tape.0
    }
}

impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            // A text has to be there to be copied; this one means the same.
            return f.write_str("00");
        }
        self.0.chunk_by(|one, next| (*one == 0) == (*next == 0)).try_for_each(|part| {
            if part[0] == 0 && part.len() >= RUN {
                return write!(f, ".{}.", part.len());
            }
            part.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        })
    }
}

impl FromStr for Tape {
    type Err = ParseTapeError;

    fn from_str(text: &str) -> Result<Self, ParseTapeError> {
        let mut bytes = Vec::new();
        for (number, part) in text.trim().split('.').enumerate() {
            match number % 2 {
                0 => push_bytes(&mut bytes, part)?,
                _ => push_zeros(&mut bytes, part)?,
            }
        }
        Ok(Self(bytes))
    }
}

fn push_bytes(bytes: &mut Vec<u8>, digits: &str) -> Result<(), ParseTapeError> {
    let digits: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(ParseTapeError::Digits)?;
    bytes.extend(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
    Ok(())
}

fn push_zeros(bytes: &mut Vec<u8>, count: &str) -> Result<(), ParseTapeError> {
    let count: usize = count.parse().map_err(|_| ParseTapeError::Zeros)?;
    if count > Tape::LONGEST {
        return Err(ParseTapeError::Zeros);
    }
    bytes.resize(bytes.len() + count, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, ParseTapeError> {
        text.parse::<Tape>().map(Vec::from)
    }

    #[test]
    fn a_tape_is_read_as_it_was_written() {
        for bytes in [
            &[1][..],
            &[0, 0, 0, 1],
            &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 255, 16],
            &[7, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0],
        ] {
            let text = Tape::from(bytes.to_vec()).to_string();
            assert_eq!(read(&text).as_deref(), Ok(bytes), "{text}");
        }
        assert_eq!(Tape::from(vec![0, 0, 0, 0, 0, 9, 0]).to_string(), ".5.0900");
    }

    #[test]
    fn no_choices_are_written_as_the_calmest() {
        assert_eq!(Tape::default().to_string(), "00");
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn plain_digits_are_a_tape_too() {
        assert_eq!(read(" 0000000000fF\n"), Ok(vec![0, 0, 0, 0, 0, 255]));
    }

    #[test]
    fn what_is_no_tape_is_refused() {
        assert_eq!(read("f"), Err(ParseTapeError::Digits));
        assert_eq!(read("gg"), Err(ParseTapeError::Digits));
        assert_eq!(read("ff.x."), Err(ParseTapeError::Zeros));
        assert_eq!(read(".99999999999."), Err(ParseTapeError::Zeros));
    }

    #[test]
    fn the_zeros_at_its_end_say_nothing() {
        let tape = Tape::from(vec![0, 3, 0, 0]);
        assert_eq!(tape.busy(), 1);
        assert_eq!(&*tape.trimmed(), [0, 3]);
        assert!(Tape::from(vec![0; 9]).trimmed().is_empty());
    }
}
