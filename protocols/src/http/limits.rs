//! The bounds of HTTP, their defaults, and the reasons for them.

use std::time::Duration;

/// Fields a head may have at most, whatever the limits say: room for so many is on the stack.
pub(super) const MOST_FIELDS: usize = 128;
/// Fields trailers may have.
pub(super) const MOST_TRAILERS: usize = 32;

/// The limits of heads, of requests and of responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of a head, with its request line. Beyond it: 431.
    ///
    /// Default 32 KiB: browsers send up to 8 KiB of cookies a site, single sign-on up to 16.
    pub head: usize,
    /// Bytes of a request's target. Beyond it: 414.
    ///
    /// Default 8,000: what RFC 9110, 4.1 asks every program to take.
    pub target: usize,
    /// Fields of a head, 128 at most. Beyond it: 431.
    ///
    /// Default 100, as Apache has it: browsers send about twenty.
    pub fields: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head: 32 * 1024, target: 8_000, fields: 100 }
    }
}

/// The limits of what is around the bytes of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes of chunk extensions in one body. Beyond it: 400. Nobody uses them but attackers.
    ///
    /// Default 4 KiB: a few words for some chunks.
    pub extensions: usize,
    /// Bytes of trailers. Beyond it: 431.
    ///
    /// Default 8 KiB: checksums and signatures are shorter.
    pub trailers: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { extensions: 4 * 1024, trailers: 8 * 1024 }
    }
}

/// How much a compressed body may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InflateLimits {
    /// Bytes that come of it in any case.
    ///
    /// Default 16 MiB: nobody is hurt by it, and short texts can be very dense.
    pub free: u64,
    /// Beyond that, as many times the bytes that have come.
    ///
    /// Default 200: texts become a fifth or a tenth, logs a fiftieth; a bomb a thousandth.
    pub ratio: u64,
}

impl Default for InflateLimits {
    fn default() -> Self {
        Self { free: 16 * 1024 * 1024, ratio: 200 }
    }
}

/// The limits of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// The bounds of heads.
    pub head: HeadLimits,
    /// The bounds of bodies.
    pub body: BodyLimits,
    /// Bytes of a request's body, unless its handler allows another number. Beyond it: 413.
    ///
    /// Default 1 MiB, as nginx has it: a form fits, and a handler that takes files says so.
    pub request_body: u64,
    /// Bytes of a body that nobody wants any more, read so that the connection can be kept. Beyond it the
    /// connection is closed behind the answer.
    ///
    /// Default 64 KiB: a connection is not worth more.
    pub discard: u64,
    /// Requests on one connection; the last one is answered with `Connection: close`.
    ///
    /// Default 100,000: so that memory of a connection, and a balance between servers, is not for ever.
    pub requests: u32,
    /// How long a head may take, from the connection's opening or the head's first byte. Then 408, or
    /// nothing at all if nothing has come.
    ///
    /// Default 20 s: a head is one packet, or five.
    pub head_time: Duration,
    /// How long a body may take, beside what its length allows at [`body_rate`](Self::body_rate). Then 408.
    ///
    /// Default 20 s.
    pub body_time: Duration,
    /// Bytes a second that a body has to have on average, beyond [`body_time`](Self::body_time).
    ///
    /// Default 500, as Apache has it: slower than any modem.
    pub body_rate: u32,
    /// How long a connection may be idle between requests. Then it is closed.
    ///
    /// Default 75 s, as nginx has it: longer than browsers wait between two clicks.
    pub idle: Duration,
    /// How long a handler may take to begin with its answer. Then 503.
    ///
    /// Default 5 min: long polling waits for less.
    pub answer_time: Duration,
    /// Bytes a second that a client has to take of an answer, averaged over a minute, where
    /// [`StreamLimits::min_rate`](reactor::StreamLimits::min_rate) of the listener says nothing else.
    ///
    /// Default 100: a reader as slow as that holds a slot and a file.
    pub answer_rate: u32,
}

/// The limits of a reverse proxy, beside those of its server and of the clients by which it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Bytes of a request's body. Beyond it: 413.
    ///
    /// Default none: it is not held in memory, and the backend knows what it takes.
    pub request_body: u64,
    /// Backends that a request is sent to, one after the other.
    ///
    /// Default 3: when as many cannot be reached, it is not they who are at fault.
    pub tries: usize,
    /// How long a backend is left alone that could not be reached, or has fallen silent; twice as long each time.
    ///
    /// Default 1 s: as long as a restart takes.
    pub shortest_rest: Duration,
    /// The longest that it is left alone.
    ///
    /// Default 30 s.
    pub longest_rest: Duration,
    /// How long nothing may come or go once a connection has changed to another protocol. Then both sides are reset.
    ///
    /// Default 10 min: WebSockets that live send a ping each minute or so.
    pub tunnel_idle: Duration,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            request_body: u64::MAX,
            tries: 3,
            shortest_rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(600),
        }
    }
}

impl ServerLimits {
    /// The least that a phase of a connection may last: nothing can be late sooner. Not so little that a
    /// limit of zero keeps the loop busy.
    pub(super) fn shortest_phase(&self) -> Duration {
        let times = [self.head_time, self.body_time, self.idle, self.answer_time];
        times.into_iter().min().unwrap_or_default().max(Duration::from_millis(1))
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            body: BodyLimits::default(),
            request_body: 1024 * 1024,
            discard: 64 * 1024,
            requests: 100_000,
            head_time: Duration::from_secs(20),
            body_time: Duration::from_secs(20),
            body_rate: 500,
            idle: Duration::from_secs(75),
            answer_time: Duration::from_secs(300),
            answer_rate: 100,
        }
    }
}
