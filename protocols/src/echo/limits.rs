//! The bounds of echo. Those of its connections are the loop's: [`reactor::StreamLimits`].

use std::time::Duration;

/// The limits of a server, given to [`Server::new`](super::Server::new).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Datagrams a second that are answered to one source (an IPv4 address or an IPv6 /64), in
    /// bursts of at most a second's worth. The rest are dropped.
    ///
    /// Default 10,000: more than a person or a measurement sends, and at 1,400 bytes each a tenth of
    /// a gigabit, so that two servers that were set upon each other do not fill a link.
    pub datagrams_per_second: u32,

    /// Sources whose budget is kept at one time. New ones are dropped until one of the old is quiet.
    ///
    /// Default 4,096: about 600 KiB, and more sources than spend at the same moment.
    pub sources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { datagrams_per_second: 10_000, sources: 4_096 }
    }
}

/// The limits of a client, part of [`ClientOptions`](super::ClientOptions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Bytes that may be on their way at one time; a payload beyond that is handed back. Each is
    /// charged 64 bytes beside its own.
    ///
    /// It also keeps the two sides from waiting for each other: a client that wrote without end would
    /// stop reading at its high mark, the server then at its own, and neither would ever go on.
    ///
    /// Default 1 MiB: 10 MB a second over a path of 100 ms.
    pub window: usize,

    /// How long an answer may take. A connection on which nothing comes back for so long, though
    /// something should, has failed; a datagram that has not come back is lost.
    ///
    /// Default 10 s: three retransmissions of TCP.
    pub timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { window: 1024 * 1024, timeout: Duration::from_secs(10) }
    }
}
