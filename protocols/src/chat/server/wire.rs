//! What the server needs of a loop: a seam as narrow as a test can fill.

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use reactor::{ConnectionId, Registry};

/// The loop, as the server sees it.
///
/// Behind a `dyn`, so that the whole of the server is compiled once and not for each application.
pub(in crate::chat) trait Wire {
    /// Queues a line for a connection. If it is gone or full nobody needs to be told here: its
    /// `on_close` comes, and tells the others why.
    fn send(&mut self, to: ConnectionId, line: Bytes);
    /// Queues a line for many connections.
    fn send_all(&mut self, to: &[ConnectionId], line: &Bytes);
    /// Closes a connection when what is queued has left.
    fn close(&mut self, connection: ConnectionId);
    /// Goes on reading a connection.
    fn resume(&mut self, connection: ConnectionId);
    /// The time this turn began.
    fn now(&self) -> Instant;
    /// The time of day.
    fn wall_clock(&self) -> SystemTime;
    /// Bits that nobody can guess.
    fn random(&mut self) -> u64;
    /// What the loop tells of itself.
    fn statistics(&self) -> String;
}

impl<App> Wire for Registry<App> {
    #[inline]
    fn send(&mut self, to: ConnectionId, line: Bytes) {
        let _ = Self::send(self, to, line);
    }

    fn send_all(&mut self, to: &[ConnectionId], line: &Bytes) {
        self.broadcast(to.iter().copied(), line.clone());
    }

    fn close(&mut self, connection: ConnectionId) {
        let _ = Self::close(self, connection);
    }

    fn resume(&mut self, connection: ConnectionId) {
        let _ = Self::resume(self, connection);
    }

    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn wall_clock(&self) -> SystemTime {
        Self::wall_clock(self)
    }

    fn random(&mut self) -> u64 {
        Self::random(self)
    }

    fn statistics(&self) -> String {
        self.stats().to_string()
    }
}
