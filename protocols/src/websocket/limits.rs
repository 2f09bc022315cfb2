//! The bounds of WebSocket. Those of its connections, the outbox among them, are the loop's:
//! [`reactor::StreamLimits`].

use std::time::Duration;

/// The limits of either side, part of [`Options`](super::Options).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a handshake's head; a longer request is answered 431.
    ///
    /// Default 16 KiB: what browsers send with all their cookies, twice.
    pub head: usize,

    /// How long a handshake may take; then the connection is closed.
    ///
    /// Default 10 s: it is one line each way.
    pub handshake: Duration,

    /// Bytes of one frame's payload; a longer one ends the connection with code 1009.
    ///
    /// Default 1 MiB, as [`message`](Self::message).
    pub frame: usize,

    /// Bytes of a message as it is on the wire, all fragments together; a longer one ends the connection
    /// with code 1009, as soon as a header says that it would be longer.
    ///
    /// Default 1 MiB: a photograph, and a hundred times what most programs say. Memory is taken as bytes
    /// come, not as a header promises.
    pub message: usize,

    /// Bytes that a compressed message may inflate to; a longer one ends the connection with code 1009,
    /// while it is being inflated.
    ///
    /// Default 1 MiB: the same as without compression. DEFLATE makes a thousand bytes of one.
    pub inflated: usize,

    /// Fragments of one message; more end the connection with code 1008.
    ///
    /// Default 65,536: 64 bytes each of 4 MiB. They are put together as they come, so that a fragment takes
    /// no memory beside its bytes, and about 50 ns.
    pub fragments: usize,

    /// After how much silence the peer is sent a ping; `None` for never.
    ///
    /// Default 30 s: below the minute after which proxies (nginx: 60 s) close what is silent.
    pub ping_interval: Option<Duration>,

    /// How long its answer may take, or anything else to come; then the connection is reset, and
    /// [`Ending::Silent`](super::Ending::Silent) is told.
    ///
    /// Default 30 s: a telephone that changes its network.
    pub pong_timeout: Duration,

    /// How long the peer may take to answer a Close frame, and a server to end the connection behind it;
    /// then this side does.
    ///
    /// Default 5 s: a round trip, and what was on its way.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            handshake: Duration::from_secs(10),
            frame: 1024 * 1024,
            message: 1024 * 1024,
            inflated: 1024 * 1024,
            fragments: 65_536,
            ping_interval: Some(Duration::from_secs(30)),
            pong_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The same, with messages of up to so many bytes, in one frame or several, compressed or not.
    ///
    /// A server that answers with messages as long wants a
    /// [`StreamLimits::outbox`](reactor::StreamLimits::outbox) that has room for them, too.
    #[must_use]
    pub fn with_messages_of(self, bytes: usize) -> Self {
        Self { frame: bytes, message: bytes, inflated: bytes, ..self }
    }
}
