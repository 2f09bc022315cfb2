//! What a torrent is known by.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest, Sha1};
use thiserror::Error;

/// The SHA-1 of a torrent's info dictionary (BEP 3): the name of the torrent, for peers and trackers.
///
/// It is written in hexadecimal, and read in that or in base32.
///
/// ```
/// use protocols::torrent::InfoHash;
/// let hash: InfoHash = "IO7XXQUCWX4AOTQCBWYSKAD22AIKCJQJ".parse()?;
/// assert_eq!(hash.to_string(), "43bf7bc282b5f8074e020db125007ad010a12609");
/// # Ok::<(), protocols::torrent::wire::NoHash>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash([u8; 20]);

/// The text is no hash: that is 40 hexadecimal digits, or 32 characters of base32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 40 hexadecimal digits, or 32 characters of base32")]
pub struct NoHash;

impl InfoHash {
    /// The hash that has these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The hash of an info dictionary, as it came.
    #[must_use]
    pub fn of(info: &[u8]) -> Self {
        Self(Sha1::digest(info).into())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl From<[u8; 20]> for InfoHash {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for InfoHash {
    type Error = NoHash;

    fn try_from(bytes: &[u8]) -> Result<Self, NoHash> {
        bytes.try_into().map(Self).map_err(|_| NoHash)
    }
}

impl FromStr for InfoHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let bits = match text.len() {
            40 => 4,
            32 => 5,
            _ => return Err(NoHash),
        };
        let mut bytes = [0; 20];
        for (at, digit) in text.bytes().enumerate() {
            let value = if bits == 4 { hexadecimal(digit) } else { base32(digit) }.ok_or(NoHash)?;
            // A digit of base32 can lie across two bytes.
            let shifted = u16::from(value) << (16 - bits - at * bits % 8);
            let [high, low] = shifted.to_be_bytes();
            for (byte, part) in bytes.iter_mut().skip(at * bits / 8).zip([high, low]) {
                *byte |= part;
            }
        }
        Ok(Self(bytes))
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// RFC 4648, 6; in either case.
fn base32(digit: u8) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        letter @ b'A'..=b'Z' => Some(letter - b'A'),
        digit @ b'2'..=b'7' => Some(digit - b'2' + 26),
        _ => None,
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_in_both_notations_and_in_either_case() {
        let hexadecimal = "43bf7bc282b5f8074e020db125007ad010a12609";
        let hash: InfoHash = hexadecimal.parse().expect("it is a hash");
        assert_eq!(hash.to_string(), hexadecimal);
        assert_eq!(hexadecimal.to_uppercase().parse(), Ok(hash));
        assert_eq!("IO7XXQUCWX4AOTQCBWYSKAD22AIKCJQJ".parse(), Ok(hash));
        assert_eq!("io7xxqucwx4aotqcbwyskad22aikcjqj".parse(), Ok(hash));
        assert_eq!("7".repeat(32).parse(), Ok(InfoHash::from([0xff; 20])));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "43bf", &"g".repeat(40), &"1".repeat(32), &"é".repeat(20), &"a".repeat(41)]
        {
            assert_eq!(text.parse::<InfoHash>(), Err(NoHash), "{text}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_bytes() {
        assert_eq!(InfoHash::of(b"abc").to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
