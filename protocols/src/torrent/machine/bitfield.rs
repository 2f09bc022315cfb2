//! Which pieces somebody has: a bit each.

use thiserror::Error;

/// A set of pieces, in the form that it is sent in: the highest bit of the first byte is piece 0 (BEP 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitfield {
    /// As many as the pieces take; the bits behind the last piece are 0.
    bytes: Box<[u8]>,
    pieces: u32,
    /// How many are set.
    count: u32,
}

/// A peer's `bitfield` that is not one of this torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotABitfield {
    /// It has more or fewer bytes than the pieces take.
    #[error("a bitfield of {0} bytes, which is not how long it is")]
    Length(usize),
    /// It has pieces behind the last.
    #[error("a bitfield with pieces behind the last")]
    SpareBits,
}

impl Bitfield {
    /// The set of none of so many pieces.
    #[must_use]
    pub fn none(pieces: u32) -> Self {
        Self { bytes: vec![0; Self::bytes_of(pieces)].into(), pieces, count: 0 }
    }

    /// The set of all of them.
    #[must_use]
    pub fn all(pieces: u32) -> Self {
        let mut bytes: Box<[u8]> = vec![0xff; Self::bytes_of(pieces)].into();
        let spare = bytes.len() as u32 * 8 - pieces;
        bytes.last_mut().into_iter().for_each(|last| *last <<= spare);
        Self { bytes, pieces, count: pieces }
    }

    /// Reads what a peer has sent.
    ///
    /// # Errors
    ///
    /// See [`NotABitfield`].
    pub fn read(bytes: &[u8], pieces: u32) -> Result<Self, NotABitfield> {
        if bytes.len() != Self::bytes_of(pieces) {
            return Err(NotABitfield::Length(bytes.len()));
        }
        let spare = (bytes.len() as u32 * 8) - pieces;
        if bytes.last().is_some_and(|last| last.trailing_zeros() < spare.min(8)) {
            return Err(NotABitfield::SpareBits);
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(Self { bytes: bytes.into(), pieces, count })
    }

    /// How many bytes so many pieces take.
    #[must_use]
    pub fn bytes_of(pieces: u32) -> usize {
        pieces.div_ceil(8) as usize
    }

    /// Adds a piece; whether it was not there. One that the torrent does not have is not added.
    pub fn insert(&mut self, piece: u32) -> bool {
        let is_new = piece < self.pieces && !self.contains(piece);
        if is_new && let Some(byte) = self.bytes.get_mut(piece as usize / 8) {
            *byte |= bit(piece);
            self.count += 1;
        }
        is_new
    }

    /// Whether a piece is in it.
    #[must_use]
    pub fn contains(&self, piece: u32) -> bool {
        self.bytes.get(piece as usize / 8).is_some_and(|byte| byte & bit(piece) != 0)
    }

    /// How many pieces are in it.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether all are.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == self.pieces
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The pieces in it, from the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.pieces).filter(|piece| self.contains(*piece))
    }

    /// What is sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn bit(piece: u32) -> u8 {
    0x80 >> (piece % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_read() {
        for pieces in [0, 1, 7, 8, 9, 32, 33, 2_048] {
            for set in [Bitfield::none(pieces), Bitfield::all(pieces)] {
                assert_eq!(Bitfield::read(set.as_bytes(), pieces), Ok(set.clone()));
                assert_eq!(set.iter().count() as u32, set.count());
            }
        }
        let mut some = Bitfield::none(12);
        assert!(some.insert(0) && some.insert(11) && !some.insert(11) && !some.insert(12));
        assert_eq!(some.as_bytes(), [0x80, 0x10]);
        assert_eq!(Bitfield::read(&[0x80, 0x10], 12), Ok(some));
    }

    #[test]
    fn a_bitfield_of_another_torrent_is_refused() {
        assert_eq!(Bitfield::read(&[0; 2], 8), Err(NotABitfield::Length(2)));
        assert_eq!(Bitfield::read(&[0; 1], 9), Err(NotABitfield::Length(1)));
        assert_eq!(Bitfield::read(&[0x80, 0x08], 12), Err(NotABitfield::SpareBits));
        assert_eq!(Bitfield::read(&[], 0), Ok(Bitfield::none(0)));
    }
}
