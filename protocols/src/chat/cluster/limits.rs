//! Every bound of a node, its default, and the reason for it.

use std::time::Duration;

/// The limits of a node. The nodes of a network need not have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // ── how long ────────────────────────────────────────────────────────────────────────────
    /// How often a node says that it is there, and how far it has come. A lost message behind which nothing was
    /// published is noticed within that time.
    ///
    /// Default 2 s: with a hundred nodes it is fifty short messages a second for each.
    pub heartbeat: Duration,

    /// The silence after which a node is lost, and its users quit. It is three of that node's own heartbeats at least,
    /// which may be slower than those of this one.
    ///
    /// Default 10 s: five heartbeats, and longer than a client of NATS takes to find its server again (4 s at most
    /// between two tries).
    pub silence: Duration,

    /// How long a node that begins listens for another one of its name before it shows itself and claims nicks.
    ///
    /// Default 1 s: an answer takes a way to NATS and back for both, and the time in which the other one looks.
    pub listen: Duration,

    /// After how long a node is asked again for a snapshot, or the rest of one; then after twice as long, up to `silence`.
    ///
    /// Default 2 s.
    pub ask: Duration,

    /// How far another node's clock may be from this one's until operators are told.
    ///
    /// Default 30 s: as networks of IRC servers have it. Clocks that are kept (NTP) are within a second, and no heartbeat is
    /// on its way for that long.
    pub clock_warning: Duration,

    /// How far another node's clock may be from this one's until both are apart, as if they could not hear each other. Of
    /// two channels the older one wins, so that a clock that is far behind would take all of them. That is bounded by this,
    /// and not prevented: two that are apart may both hear a third one between them, by whose word a channel goes from one to
    /// the other, so that it is as much for each node on the way.
    ///
    /// Default 5 minutes: as networks of IRC servers have it.
    pub clock_refusal: Duration,

    // ── how much ────────────────────────────────────────────────────────────────────────────
    /// Other nodes that are known; what further ones say is not read, and counted.
    ///
    /// Default 100: each of them hears all others, so a network of more wants another design.
    pub nodes: usize,

    /// Bytes of effects in one message. What is longer goes out in several, but one effect alone is never cut.
    ///
    /// Default 64 KiB: reading it takes less than half a millisecond, in which the users of this node wait. NATS itself
    /// takes 1 MiB, unless told.
    pub message: usize,

    /// Bytes of a node's messages that are kept until its snapshot is there. Beyond it they are dropped, and it is asked
    /// for another snapshot.
    ///
    /// Default 8 MiB: ten thousand lines, which are said in the time that a snapshot takes by ten times the busiest
    /// network there is.
    pub held: usize,

    /// Bytes of a snapshot. One that is longer is not sent, and dropped if it comes: its node is not seen.
    ///
    /// Default 64 MiB: a node of a hundred thousand users.
    pub snapshot: usize,

    /// Bytes a second of snapshots that this node sends, to all who ask together: who asks waits until what went to others
    /// has had its time.
    ///
    /// Default 16 MiB: a tenth of a network of 1 Gbit/s and more. All of a hundred nodes that ask a node of a thousand users
    /// (half a megabyte) in one moment have it in three seconds.
    pub answers: usize,
}

impl Limits {
    /// The defaults for another silence: five heartbeats fit into it.
    #[must_use]
    pub fn with_silence(silence: Duration) -> Self {
        let fifth = silence / 5;
        let listen = fifth.min(Self::default().listen);
        Self { heartbeat: fifth, silence, ask: fifth, listen, ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            silence: Duration::from_secs(10),
            listen: Duration::from_secs(1),
            ask: Duration::from_secs(2),
            clock_warning: Duration::from_secs(30),
            clock_refusal: Duration::from_secs(300),
            nodes: 100,
            message: 64 * 1024,
            held: 8 * 1024 * 1024,
            snapshot: 64 * 1024 * 1024,
            answers: 16 * 1024 * 1024,
        }
    }
}
