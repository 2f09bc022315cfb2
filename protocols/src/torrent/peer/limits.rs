//! Every bound of the connections to peers, its default, and the reason for it.

use std::time::Duration;

use reactor::StreamLimits;

use crate::torrent::machine;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of everybody who shares torrents through one [`Swarms`](super::Swarms).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // ── who is let in ───────────────────────────────────────────────────────────────────────
    /// Peers of a torrent at a time. One more is let in if another has been of no use for a while, which goes for it;
    /// else it is not.
    ///
    /// Default 200: the more peers, the more of what each says is only about what it has.
    pub peers: usize,

    /// Connections that were accepted and have not said what they want. When there is one more, the oldest goes: a peer
    /// says it at once.
    ///
    /// Default 128.
    pub greeters: usize,

    /// How long a connection may take until it has said it.
    ///
    /// Default 10 s.
    pub greeting: Duration,

    /// How long a peer may say nothing at all. A living one sends an empty message every two minutes (BEP 3).
    ///
    /// Default 180 s: one of them may be late.
    pub silence: Duration,

    /// Connections of a torrent that are being made at a time. With 0 none is made: peers have to connect.
    ///
    /// Default 16: most addresses are of peers that have gone, and each takes a while to be known as dead.
    pub dials: usize,

    /// How long making one may take.
    ///
    /// Default 10 s: three tries of the first segment.
    pub connect: Duration,

    /// Addresses of peers that are kept for a torrent; what comes beyond that is dropped.
    ///
    /// Default 1,000: five times as many as are ever connected.
    pub addresses: usize,

    // ── what is kept for a peer ─────────────────────────────────────────────────────────────
    /// Bytes that are read from the disk for a peer at a time, and that may wait for it before more is read.
    ///
    /// Default 256 KiB: 16 blocks, so that going to the disk is a small part of the work; and a peer that takes
    /// nothing holds no more than that.
    pub batch: usize,

    /// Bytes of pieces of a torrent that have come and are not checked yet; or two pieces, if those are more. Beyond it
    /// its peers are not read, until some are.
    ///
    /// Default 2 MiB: a processor checks that in a few milliseconds, and no line is idle meanwhile, since the system goes
    /// on receiving.
    pub backlog: usize,

    /// Bytes of a message of an extension.
    ///
    /// Default 64 KiB: a part of the info dictionary is 16, and its head; 200 addresses are less.
    pub extended: usize,

    /// Bytes of a `bitfield` as long as the torrent's pieces are not known; and pieces that a peer may say it has by
    /// then.
    ///
    /// Default 128 KiB: a million pieces.
    pub early: usize,

    /// Bytes that may wait for a peer in all; beyond it the connection ends.
    ///
    /// Default 4 MiB: what is read for it, the longest bitfield, and what its many requests are turned down with.
    pub outbox: usize,

    // ── web seeds ───────────────────────────────────────────────────────────────────────────
    /// Web seeds of a torrent; what comes beyond that is dropped.
    ///
    /// Default 16: each may have a connection, and a few are as quick as all.
    pub web_seeds: usize,

    /// How long one may say nothing in the middle of an answer, or before it.
    ///
    /// Default 30 s.
    pub web_silence: Duration,

    // ── the rest ────────────────────────────────────────────────────────────────────────────
    /// How often peers are told of other peers (BEP 11).
    ///
    /// Default 60 s: no peer may be told more often.
    pub pex: Duration,

    /// The limits of each torrent's machine.
    pub machine: machine::Limits,
}

impl Limits {
    /// The limits of a connection, as these want them. It is read also while much waits to be sent: two who both wait
    /// for the other to read would do so for ever.
    #[must_use]
    pub fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            inbox: 16 * KIB,
            outbox: self.outbox,
            outbox_high: self.batch / 2,
            outbox_low: self.batch / 4,
            outbox_holds_reading: false,
            connect_timeout: Some(self.connect),
            read_timeout: Some(self.silence),
            ..StreamLimits::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 200,
            greeters: 128,
            greeting: Duration::from_secs(10),
            silence: Duration::from_secs(180),
            dials: 16,
            connect: Duration::from_secs(10),
            addresses: 1_000,
            batch: 256 * KIB,
            backlog: 2 * MIB,
            extended: 64 * KIB,
            early: 128 * KIB,
            outbox: 4 * MIB,
            web_seeds: 16,
            web_silence: Duration::from_secs(30),
            pex: Duration::from_secs(60),
            machine: machine::Limits::default(),
        }
    }
}
