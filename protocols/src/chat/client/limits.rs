//! The bounds of a client: what a server may have it keep, and how fast it talks.

use std::time::Duration;

/// The limits of a [`Client`](super::Client), part of its [`Options`](super::Options).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Lines at once before [`rate`](Self::rate) applies.
    ///
    /// Default 5: what every server takes (RFC 1459, 8.10).
    pub burst: u32,

    /// Lines a second in the long run. What is said faster waits in the queue.
    ///
    /// Default 1: the strictest of the large networks let a client go that sends more for long.
    pub rate: u32,

    /// Lines that wait to be sent. One more is handed back as
    /// [`NotSent::QueueFull`](super::NotSent::QueueFull).
    ///
    /// Default 500: eight minutes of talk, and half a megabyte.
    pub queue: usize,

    /// How long registering may take, from the first byte to the server's welcome; then the
    /// connection is given up, and another tried.
    ///
    /// Default 60 s: servers look names up first, and hash passwords.
    pub registration: Duration,

    /// After how much silence the server is asked whether it is there.
    ///
    /// Default 90 s: below the two minutes after which the hastier home routers forget a connection.
    pub ping_interval: Duration,

    /// How long its answer may take; then the connection is given up.
    ///
    /// Default 60 s.
    pub ping_timeout: Duration,

    /// The first pause before connecting again. Each further one is twice as long, and a random part
    /// of up to a half is taken off, so that a server that restarts is not met by all at once.
    ///
    /// Default 2 s.
    pub first_pause: Duration,

    /// The longest pause.
    ///
    /// Default 5 min: somebody who comes back to the keyboard does not wait longer.
    pub longest_pause: Duration,

    /// Channels that are kept track of. In more one can be, but nothing is known of them.
    ///
    /// Default 500: more than any server lets one join.
    pub rooms: usize,

    /// Members that are kept track of, of all channels together.
    ///
    /// Default 200,000: about 40 MB, and the ten largest channels of any network.
    pub members: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            burst: 5,
            rate: 1,
            queue: 500,
            registration: Duration::from_secs(60),
            ping_interval: Duration::from_secs(90),
            ping_timeout: Duration::from_secs(60),
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(300),
            rooms: 500,
            members: 200_000,
        }
    }
}
