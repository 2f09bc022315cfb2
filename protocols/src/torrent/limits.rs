//! Every bound, its default, and the reason for it.

use std::time::Duration;

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

/// What a tracker's users may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerLimits {
    /// Torrents. Default 10,000; peers of another are told that there is no room.
    pub torrents: usize,
    /// Peers of all torrents together. Default 200,000, which take about 20 MiB. Who comes then is told of others, and
    /// others are not told of it.
    pub peers: usize,
    /// Peers that one answer has. Default 200, as others have it; 50 for who does not say.
    pub answered: u32,
    /// When peers are to ask again. Default 30 minutes, as is usual.
    pub interval: Duration,
    /// When they may do so at the earliest, which they are only told. Default one minute.
    pub least_interval: Duration,
    /// Questions a second of one address. Default 500: many peers may be behind one, and one that starts asks for all
    /// its torrents at once.
    pub per_second: u32,
    /// Addresses whose questions are counted at a time. Default 4,096.
    pub sources: usize,
}

impl Default for TrackerLimits {
    fn default() -> Self {
        Self {
            torrents: 10_000,
            peers: 200_000,
            answered: 200,
            interval: Duration::from_secs(30 * 60),
            least_interval: Duration::from_secs(60),
            per_second: 500,
            sources: 4096,
        }
    }
}

impl TrackerLimits {
    /// How long a peer is remembered that is not heard of: until it has missed one time to ask, and half of another.
    pub(super) fn memory(&self) -> Duration {
        self.interval.saturating_mul(3) / 2
    }
}
