//! Every bound, its default, and the reason for it.

use super::wire::bencode;

/// How much a torrent may describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetainfoLimits {
    /// Bytes of a `.torrent` file, and of an info dictionary that peers send (BEP 9). Default 16 MiB: a torrent of
    /// 800,000 pieces, more than anybody is known to have made.
    pub bytes: usize,
    /// Files. Default 100,000: so many names take about 10 MiB of memory.
    pub files: usize,
    /// How long a piece may be. Default 64 MiB: one has to be fetched whole before any of it is known to be right,
    /// and the largest that programs make are 16 to 64 MiB.
    pub piece_length: u32,
}

impl Default for MetainfoLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, files: 100_000, piece_length: 64 << 20 }
    }
}

impl MetainfoLimits {
    pub(super) fn bencode(&self) -> bencode::Limits {
        // A file is a dictionary of five values, with its path's names; 64 deep is room for what others add.
        bencode::Limits {
            bytes: self.bytes,
            depth: 64,
            values: 4096 + self.files.saturating_mul(20),
        }
    }
}

/// How deep a file may be in its torrent's folder.
pub(super) const DEEPEST: usize = 100;

/// How long its path may be, in bytes, so that it fits behind that of the folder it is saved to (`PATH_MAX` is
/// 4,096 on Linux).
pub(super) const LONGEST_PATH: usize = 3072;

/// How many trackers, and how many web seeds, are taken from a torrent or a magnet link. More than a hundred are a
/// list that somebody copied.
pub(super) const ADDRESSES: usize = 100;
