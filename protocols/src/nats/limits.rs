//! Every bound of a client, its default, and the reason for it.

use std::time::Duration;

use reactor::StreamLimits;

use super::wire::Bounds;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // ── what comes ──────────────────────────────────────────────────────────────────────────
    /// Bytes of a line, but for those of `INFO`; a longer one ends the connection.
    ///
    /// Default 4 KiB: what servers allow.
    pub line: usize,

    /// Bytes of an `INFO`.
    ///
    /// Default 64 KiB: a cluster of two thousand servers lists itself in it.
    pub info: usize,

    /// Bytes of a message that comes, its headers included; a longer one ends the connection. Memory is only taken
    /// for what has come. (What is published is held to what the server says: `max_payload`, 1 MiB if nobody has
    /// changed it.)
    ///
    /// Default 8 MiB: the most that the makers of NATS advise. It is not the server's own `max_payload`, since another
    /// server of its cluster may allow more.
    pub payload: usize,

    // ── what is kept ────────────────────────────────────────────────────────────────────────
    /// Subscriptions at one time; beyond it [`SubscribeError::Full`](super::SubscribeError::Full).
    ///
    /// Default 100,000: each costs about 200 bytes and what its handler keeps, and all are made again after a loss.
    pub subscriptions: usize,

    /// Requests that wait for their answers; beyond it [`RequestError::Full`](super::RequestError::Full).
    ///
    /// Default 10,000.
    pub requests: usize,

    /// Bytes that are kept while there is no connection, to be sent when there is one; what happens beyond it says
    /// [`WhenAway`](super::WhenAway).
    ///
    /// Default 8 MiB, as in the client for Go.
    pub pending: usize,

    /// Bytes that wait for a server which does not take them; beyond it
    /// [`PublishError::Full`](super::PublishError::Full), and
    /// [`Event::Drained`](super::Event::Drained) says when to go on.
    ///
    /// Default 8 MiB. A server holds a fast publisher back for as long as a subscriber is slow.
    pub outbox: usize,

    /// Calls of `flush` that wait for their answers, and as many of them while there is no connection; beyond it
    /// [`FlushError::Full`](super::FlushError::Full).
    ///
    /// Default 1,000.
    pub flushes: usize,

    /// Servers that are known, by the options and by what servers say of their cluster. Further ones are left out.
    ///
    /// Default 256.
    pub servers: usize,

    // ── how long ────────────────────────────────────────────────────────────────────────────
    /// How long it may take until a server has let this client in: connecting, TLS, and its first `PONG`.
    ///
    /// Default 5 s, as in other clients.
    pub connect: Duration,

    /// How often a server is asked whether it is there.
    ///
    /// Default 60 s.
    pub ping_interval: Duration,

    /// Such questions without an answer; at one more the connection is given up.
    ///
    /// Default 2: a server that is gone is known to be after three minutes.
    pub pings: u32,

    /// How long [`Client::drain`](super::Client::drain) may take; then the connection is closed as it is.
    ///
    /// Default 30 s, as in other clients.
    pub drain: Duration,
}

impl Limits {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { line: self.line, info: self.info, payload: self.payload }
    }

    /// A client is read always: its server may wait for it to do so.
    pub(super) fn stream_limits(&self) -> StreamLimits {
        let defaults = StreamLimits::default();
        let high = (self.outbox / 4).max(1);
        StreamLimits {
            // What comes is taken at once.
            inbox: defaults.inbox,
            // It is refused before, and what has been accepted fits: what was kept, which leaves at once, the longest
            // message, and a piece that is gathered.
            outbox: (self.outbox.saturating_mul(2))
                .saturating_add(self.pending)
                .saturating_add(self.payload)
                .saturating_add(MIB),
            outbox_high: high,
            outbox_low: high / 4,
            outbox_holds_reading: false,
            connect_timeout: Some(self.connect),
            handshake_timeout: Some(self.connect),
            idle_timeout: None,
            ..defaults
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 4 * KIB,
            info: 64 * KIB,
            payload: 8 * MIB,
            subscriptions: 100_000,
            requests: 10_000,
            pending: 8 * MIB,
            outbox: 8 * MIB,
            flushes: 1_000,
            servers: 256,
            connect: Duration::from_secs(5),
            ping_interval: Duration::from_secs(60),
            pings: 2,
            drain: Duration::from_secs(30),
        }
    }
}
