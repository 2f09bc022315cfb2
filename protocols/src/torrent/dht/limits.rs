//! Every bound of a node of the DHT, its default, and the reason for it.

use std::time::Duration;

/// The limits of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhtLimits {
    /// Questions that are answered in a second; those beyond are dropped. Default 500: a busy node has a hundred.
    pub per_second: u32,
    /// Of one address. Default 100: several nodes may be behind one, and a lookup asks one node a few times.
    pub per_address: u32,
    /// Torrents of which it is kept who shares them. Default 1,000; for one more the one goes that is the farthest.
    pub torrents: usize,
    /// Peers of each. Default 100: more than one answer has; for one more the one goes that was heard of the longest ago.
    pub peers: usize,
    /// How long a peer is kept that does not say it again. Default 30 minutes: they do every 15.
    pub memory: Duration,
    /// Lookups at a time; what is more waits. Default 8.
    pub lookups: usize,
    /// How long an answer may take. Default 3 s: most come within one.
    pub patience: Duration,
    /// How often a torrent is looked up, and announced. Default 15 minutes.
    pub interval: Duration,
    /// How often, as long as nobody was found, or nobody but this program itself. Default 30 s.
    pub retry: Duration,
}

impl Default for DhtLimits {
    fn default() -> Self {
        Self {
            per_second: 500,
            per_address: 100,
            torrents: 1_000,
            peers: 100,
            memory: Duration::from_secs(30 * 60),
            lookups: 8,
            patience: Duration::from_secs(3),
            interval: Duration::from_secs(15 * 60),
            retry: Duration::from_secs(30),
        }
    }
}
