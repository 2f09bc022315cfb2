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
    /// Requests that wait for a connection to one address. Beyond it:
    /// [`Failure::Busy`](super::Failure::Busy).
    ///
    /// Default 1,000: a second's worth for a server that is quick, and more than anybody waits for at one that is not.
    pub waiting: usize,
    /// Interim responses (1xx) before the final one. Then [`Failure::Interim`](super::Failure::Interim).
    ///
    /// Default 16: one is usual, and endless ones are a way to keep a client.
    pub interims: u32,
    /// How long the head of a response may take, and before it a proxy that is asked for a way. Then
    /// [`Failure::Silent`](super::Failure::Silent), or what says that it is the proxy which is silent.
    ///
    /// Default 60 s: what a gateway waits for a program behind it.
    pub head_time: Duration,
    /// How long a server may take to say that it wants the body it was
    /// [asked about](super::Ask::expecting_continue). Then it gets it, since it may not know the question (RFC
    /// 9110, 10.1.1).
    ///
    /// Default 1 s, as curl has it.
    pub continue_time: Duration,
    /// How long nothing may come of a body. Then [`Failure::Silent`](super::Failure::Silent).
    ///
    /// Default 60 s.
    pub silence: Duration,
    /// How long a connection is kept for another request: not at all once all [clients](super::Client) have been
    /// dropped. [`run_until_idle`](reactor::Reactor::run_until_idle) waits for it.
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
            waiting: 1_000,
            interims: 16,
            head_time: Duration::from_secs(60),
            continue_time: Duration::from_secs(1),
            silence: Duration::from_secs(60),
            idle: Duration::from_secs(15),
        }
    }
}
