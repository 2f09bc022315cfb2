//! Every bound of a peer, its default, and the reason for it.

use std::time::Duration;

use reactor::StreamLimits;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of everybody who speaks through one [`Service`](super::Service), server and client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // ── what comes ──────────────────────────────────────────────────────────────────────────
    /// Bytes of a message. A longer line is answered with [`Error::TOO_LONG`](super::Error::TOO_LONG)
    /// and the next one read; on other framings the connection ends after that answer.
    ///
    /// Default 1 MiB: a source file in an editor's notification fits.
    pub message: usize,

    /// How deep a message may be nested; beyond it
    /// [`Error::TOO_DEEP`](super::Error::TOO_DEEP).
    ///
    /// Default 64: half of what `serde_json` would build, which is the most there can be, and more than people
    /// write.
    pub depth: usize,

    /// Members of a batch; beyond it the whole of it is answered with
    /// [`Error::BATCH_TOO_LONG`](super::Error::BATCH_TOO_LONG).
    ///
    /// Default 1,000: what geth allows.
    pub batch: usize,

    // ── calls that are being answered ───────────────────────────────────────────────────────
    /// Calls of one connection that wait for their answers. At this number it is not read any more, so
    /// that a slow server holds its callers back; what comes all the same (in a batch, or while this
    /// side waits for an answer on the same connection, which it has to read) is answered with
    /// [`Error::BUSY`](super::Error::BUSY).
    ///
    /// Default 64: what a caller has in flight to keep a path of 100 ms full of calls that take one.
    pub calls: usize,

    /// The same of all connections together; beyond it [`Error::BUSY`](super::Error::BUSY).
    ///
    /// Default 10,000: each costs about 200 bytes and what its method keeps.
    pub calls_in_all: usize,

    /// Bytes of a result; beyond it [`Error::REPLY_TOO_LONG`](super::Error::REPLY_TOO_LONG) is what is
    /// answered. A batch whose answers come to more than four times as much gets the same for the rest.
    ///
    /// Default 1 MiB, as for messages.
    pub reply: usize,

    /// How long an answer may take that does not come at once; then the caller is told
    /// [`Error::TOO_SLOW`](super::Error::TOO_SLOW), and what comes later is dropped.
    ///
    /// Default 60 s: longer than most callers wait.
    pub answer: Duration,

    /// Bytes that may wait for a peer which does not read; beyond it the connection ends with
    /// [`CloseReason::OutboxFull`](reactor::CloseReason::OutboxFull). It is what drops a subscriber
    /// who does not keep up.
    ///
    /// Default 8 MiB: a batch of the longest replies.
    pub outbox: usize,

    // ── calls that are made ─────────────────────────────────────────────────────────────────
    /// Calls of this side that wait for their answers, a connection; beyond it
    /// [`CallError::Full`](super::CallError::Full).
    ///
    /// Default 1,024.
    pub made: usize,

    /// Bytes of calls that a client keeps, to send them when it is connected (again); beyond it
    /// [`CallError::Full`](super::CallError::Full).
    ///
    /// Default 4 MiB: four of the longest.
    pub kept: usize,
}

impl Limits {
    /// The limits of a connection, as these want them: an inbox for the longest message and what was
    /// read with it, an outbox for the longest answers.
    #[must_use]
    pub fn stream_limits(&self) -> StreamLimits {
        let defaults = StreamLimits::default();
        StreamLimits {
            inbox: self.message + 512 * KIB,
            outbox: self.outbox,
            outbox_high: defaults.outbox_high.min(self.outbox),
            outbox_low: defaults.outbox_low.min(self.outbox / 2),
            ..defaults
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: MIB,
            depth: 64,
            batch: 1_000,
            calls: 64,
            calls_in_all: 10_000,
            reply: MIB,
            answer: Duration::from_secs(60),
            outbox: 8 * MIB,
            made: 1_024,
            kept: 4 * MIB,
        }
    }
}
