//! The bounds of a client.

use std::time::Duration;

use crate::http::{BodyLimits, HeadLimits};

/// The limits of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// The bounds of heads.
    pub head: HeadLimits,
    /// The bounds of what is around chunks.
    pub body: BodyLimits,
    /// Connections to one address; what is more waits.
    ///
    /// Default 6, as browsers have it.
    pub connections: usize,
    /// Interim responses (1xx) before the final one. Then [`Failure::Interim`](super::Failure::Interim).
    ///
    /// Default 16: one is usual, and endless ones are a way to keep a client.
    pub interims: u32,
    /// How long the head of a response may take. Then [`Failure::Silent`](super::Failure::Silent).
    ///
    /// Default 60 s: what a gateway waits for a program behind it.
    pub head_time: Duration,
    /// How long nothing may come of a body. Then [`Failure::Silent`](super::Failure::Silent).
    ///
    /// Default 60 s.
    pub silence: Duration,
    /// How long a connection is kept for another request.
    ///
    /// Default 15 s: shorter than servers keep it, so that it is seldom lost under a request.
    pub idle: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits { head: 64 * 1024, ..HeadLimits::default() },
            body: BodyLimits::default(),
            connections: 6,
            interims: 16,
            head_time: Duration::from_secs(60),
            silence: Duration::from_secs(60),
            idle: Duration::from_secs(15),
        }
    }
}
