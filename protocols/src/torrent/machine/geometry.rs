//! How a torrent's bytes are cut: into pieces, which have a hash each, and those into blocks, which are asked for.

use crate::torrent::wire::message::Block;

/// Bytes of a block. Everybody asks for so many; most clients refuse more.
pub const BLOCK: u32 = 16 * 1024;

/// How many bytes there are, and how long a piece is.
///
/// ```text
///   ├──── piece 0 ────┼──── piece 1 ────┼── piece 2 ─┤  the last may be shorter
///   ├─────┬─────┬─────┼─────┬─────┬─────┼─────┬──────┤  blocks of 16 KiB, the last of a piece may be shorter
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    length: u64,
    piece_length: u32,
    pieces: u32,
}

impl Geometry {
    /// How so many bytes are cut in pieces of so many; `None` if a piece has no bytes, or there are more pieces
    /// than a message can count.
    #[must_use]
    pub fn new(length: u64, piece_length: u32) -> Option<Self> {
        if piece_length == 0 {
            return None;
        }
        let pieces = u32::try_from(length.div_ceil(u64::from(piece_length))).ok()?;
        Some(Self { length, piece_length, pieces })
    }

    /// Bytes of all pieces.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Bytes of a piece; 0 of one that there is not.
    #[must_use]
    pub fn length_of(&self, piece: u32) -> u32 {
        let before = u64::from(piece) * u64::from(self.piece_length);
        self.length.saturating_sub(before).min(u64::from(self.piece_length)) as u32
    }

    /// Blocks of a piece.
    #[must_use]
    pub fn blocks_of(&self, piece: u32) -> u32 {
        self.length_of(piece).div_ceil(BLOCK)
    }

    /// A block by its number in the piece.
    #[must_use]
    pub fn block(&self, piece: u32, index: u32) -> Block {
        let begin = index.saturating_mul(BLOCK);
        let length = self.length_of(piece).saturating_sub(begin).min(BLOCK);
        Block { piece, begin, length }
    }

    /// The number of a block in its piece, if it is one that we would ask for.
    #[must_use]
    pub fn index_of(&self, block: Block) -> Option<u32> {
        let index = block.begin / BLOCK;
        (block.length > 0 && self.block(block.piece, index) == block).then_some(index)
    }

    /// Whether a part lies within its piece, as everything that is asked for has to.
    #[must_use]
    pub fn contains(&self, block: Block) -> bool {
        let end = block.begin.checked_add(block.length);
        block.length > 0 && end.is_some_and(|end| end <= self.length_of(block.piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_and_the_last_block_are_as_short_as_they_are() {
        let geometry = Geometry::new(100_000, 40_000).expect("it has pieces");
        assert_eq!(
            (geometry.pieces(), geometry.length_of(1), geometry.length_of(2)),
            (3, 40_000, 20_000)
        );
        assert_eq!(
            (geometry.length_of(3), geometry.blocks_of(0), geometry.blocks_of(2)),
            (0, 3, 2)
        );
        let last = geometry.block(2, 1);
        assert_eq!(last, Block { piece: 2, begin: BLOCK, length: 20_000 - BLOCK });
        assert_eq!(geometry.index_of(last), Some(1));
        assert_eq!(geometry.index_of(Block { length: 1, ..last }), None);
        assert_eq!(geometry.index_of(Block { begin: 2 * BLOCK, ..last }), None);
        assert!(geometry.contains(Block { piece: 2, begin: 19_999, length: 1 }));
        assert!(!geometry.contains(Block { piece: 2, begin: 19_999, length: 2 }));
        assert!(!geometry.contains(Block { piece: 2, begin: u32::MAX, length: 2 }));
        assert!(!geometry.contains(Block { piece: 3, begin: 0, length: 1 }));
        assert_eq!(Geometry::new(1, 0), None);
        assert_eq!(Geometry::new(u64::MAX, 1), None);
    }
}
