//! Every bound of a torrent's machine, its default, and the reason for it.

use std::time::Duration;

/// The limits of one torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way to one peer, if it takes so many (BEP 10, `reqq`).
    ///
    /// Default 1,000: 16 MiB, which is a gigabit a second over a path of 100 ms; and clients that answer twice a second
    /// what was asked since are kept busy with half of it.
    pub requests: usize,

    /// The same where a peer has not said what it takes.
    ///
    /// Default 250: what clients take that say nothing.
    pub unsaid_requests: usize,

    /// Requests of one peer that wait to be answered; what it asks beyond that is rejected, or dropped if it does not
    /// speak the Fast extension. It is told (`reqq`).
    ///
    /// Default 1,000: 20 KB for each peer that is being served.
    pub asked: usize,

    /// The longest part of a piece that a peer may ask for.
    ///
    /// Default 128 KiB: what the first clients asked for; everybody asks for 16 KiB now.
    pub part: u32,

    /// Peers that are sent something at a time, one of them by turn.
    ///
    /// Default 8: with fewer a slow peer leaves the line idle, with more everybody's share is too small to be worth
    /// giving for.
    pub slots: usize,

    /// Bytes of pieces that are being put together and checked; beyond it only a piece that is begun is asked for.
    ///
    /// Default 64 MiB: four peers' requests. A single piece may be longer.
    pub in_work: u64,

    /// How long a peer that was asked may send nothing; then others are asked instead.
    ///
    /// Default 30 s: Transmission can take 25 s to its first block.
    pub snub: Duration,

    /// Blocks that a peer may send which it was not asked for, and which nobody needs. For one more the connection ends. What
    /// was called off while it was on its way does not count.
    ///
    /// Default 64: a megabyte. Some send again what they have sent before a choke.
    pub unasked: usize,

    /// How often who is sent something is thought over.
    ///
    /// Default 10 s: as long as it takes TCP to show what a line carries.
    pub round: Duration,

    /// How old a request is when at the end another peer is asked for the same block; four times as old, and more, once a 32nd
    /// of all blocks has come twice, but half of [`snub`](Self::snub) at most; and as old as that once a 20th has.
    ///
    /// Default 1 s: what is on its way arrives in that time, and is not sent twice.
    pub impatience: Duration,

    /// How long nothing is asked for when a piece could not be kept: the disk is full, say.
    ///
    /// Default 10 s.
    pub rest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 1_000,
            unsaid_requests: 250,
            asked: 1_000,
            part: 128 * 1024,
            slots: 8,
            in_work: 64 * 1024 * 1024,
            snub: Duration::from_secs(30),
            unasked: 64,
            round: Duration::from_secs(10),
            impatience: Duration::from_secs(1),
            rest: Duration::from_secs(10),
        }
    }
}
