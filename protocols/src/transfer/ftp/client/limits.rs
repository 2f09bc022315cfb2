//! The bounds of an FTP client.

use std::time::Duration;

/// The limits of a client, part of [`ClientOptions`](super::ClientOptions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// How long connecting may take, for each connection.
    ///
    /// Default 30 s, as for every connection of the loop.
    pub connect_timeout: Duration,

    /// How long a reply may take. While a file is under way none is waited for; what ends it is.
    ///
    /// Default 60 s: a server may look through a large file, for its hash say, before it answers, and
    /// one that delays logins against guessers takes some seconds.
    pub reply_timeout: Duration,

    /// How long nothing may move on a data connection.
    ///
    /// Default 60 s: the same patience.
    pub stall_timeout: Duration,

    /// Bytes of a line of a reply. A longer one ends the conversation.
    ///
    /// Default 8 KiB: a path of 4 KiB, which is the longest there is, with every quote doubled.
    pub line: usize,

    /// Bytes of the list of a directory. A longer one is given up.
    ///
    /// Default 64 MiB: half a million entries.
    pub listing: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            reply_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            line: 8 * 1024,
            listing: 64 * 1024 * 1024,
        }
    }
}
