//! What the loop has done, and what it holds: counters and a snapshot that prints like netstat.

use std::fmt;
use std::time::Duration;

use crate::Address;
use crate::reason::CloseReason;

/// Counters of a loop since it began. They cost an addition each and are always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns of the loop.
    pub turns: u64,
    /// Events the kernel has reported.
    pub events: u64,
    /// Events for something that had ended already; they were ignored.
    pub stale_events: u64,
    /// The longest turn, without the wait: the longest any connection has waited for the others. A turn that
    /// brings a single event, to a loop in which nothing else waits and no timer is set, is timed once in
    /// 64: there a reading of the clock costs as much as a tenth of the turn.
    pub longest_turn: Duration,

    /// Connections accepted, and handed to a protocol.
    pub accepted: u64,
    /// Outgoing connections that were begun.
    pub connects: u64,
    /// Accepted, but closed at once: [`Limits::connections`](crate::Limits::connections).
    pub refused_full: u64,
    /// Accepted, but closed at once:
    /// [`Limits::connections_per_address`](crate::Limits::connections_per_address).
    pub refused_address: u64,
    /// Accepted, but refused by the listener's factory, or its factory panicked.
    pub refused_by_factory: u64,
    /// Accepted, but closed at once: [`Limits::handshakes`](crate::Limits::handshakes).
    pub refused_handshakes: u64,
    /// Accepted, but closed since a proxy has not said whom it speaks for
    /// ([`ListenOptions::proxy_protocol`](crate::ListenOptions::proxy_protocol)).
    pub refused_proxy: u64,
    /// Accepted with the spare descriptor and closed at once, since there was no other.
    pub refused_no_descriptor: u64,
    /// Times a listener had to rest, out of descriptors or ahead of its accept rate.
    pub accept_rests: u64,
    /// Connections that failed between the kernel's handshake and `accept`.
    pub accept_errors: u64,

    /// Calls that read from a stream.
    pub reads: u64,
    /// Calls that wrote to a stream.
    pub writes: u64,
    /// Bytes read from streams.
    pub read_bytes: u64,
    /// Bytes written to streams.
    pub written_bytes: u64,
    /// Bytes written to a connection after it was closed, which were dropped.
    pub discarded_bytes: u64,
    /// Bytes that were queued and never handed to the system, of connections that have ended.
    pub lost_bytes: u64,

    /// Datagrams received.
    pub datagrams_received: u64,
    /// Datagrams handed to the system.
    pub datagrams_sent: u64,
    /// Bytes in those received.
    pub datagram_bytes_received: u64,
    /// Bytes in those handed to the system.
    pub datagram_bytes_sent: u64,
    /// Datagrams dropped because [`DatagramLimits::outbox`](crate::DatagramLimits::outbox) was full.
    pub datagrams_dropped: u64,
    /// Errors of datagram sockets, none of them fatal.
    pub datagram_errors: u64,

    /// Timers fired.
    pub timers_fired: u64,
    /// Messages from other threads, and deferred closures, run.
    pub tasks: u64,
    /// Times another thread woke the loop.
    pub wakeups: u64,
    /// Callbacks that panicked.
    pub panics: u64,

    /// Connections at present.
    pub connections: u64,
    /// Bytes in all outboxes at present, bookkeeping included.
    pub queued_bytes: u64,
    /// Timers at present, of connections and free-standing.
    pub timers: u64,

    pub(crate) closes: [u64; CloseReason::ROWS.len()],
}

impl Stats {
    /// How many connections ended for each reason, in a fixed order.
    pub fn closes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CloseReason::ROWS.into_iter().zip(self.closes)
    }

    /// How many connections have ended.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.closes.iter().sum()
    }

    fn refused(&self) -> u64 {
        self.refused_full
            + self.refused_address
            + self.refused_by_factory
            + self.refused_handshakes
            + self.refused_proxy
            + self.refused_no_descriptor
    }
}

/// The counters of two loops together; the longest turn is that of either.
impl std::ops::Add for Stats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        // Each by its name, so that the compiler misses a new one.
        macro_rules! sum {
            ($($count:ident)*) => {{
                let Self { longest_turn, mut closes, $($count),* } = other;
                closes.iter_mut().zip(self.closes).for_each(|(sum, count)| *sum += count);
                let longest_turn = self.longest_turn.max(longest_turn);
                Self { longest_turn, closes, $($count: self.$count + $count),* }
            }};
        }
        sum! {
            turns events stale_events
            accepted connects refused_full refused_address refused_by_factory refused_handshakes refused_proxy
            refused_no_descriptor accept_rests accept_errors
            reads writes read_bytes written_bytes discarded_bytes lost_bytes
            datagrams_received datagrams_sent datagram_bytes_received datagram_bytes_sent datagrams_dropped
            datagram_errors
            timers_fired tasks wakeups panics
            connections queued_bytes timers
        }
    }
}

impl std::iter::Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum + one)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turns, events, stale_events, longest_turn, .. } = self;
        writeln!(
            f,
            "{turns} turns ({longest_turn:.1?} the longest), {events} events ({stale_events} stale)"
        )?;
        let Self { connections, accepted, connects, .. } = self;
        write!(f, "{connections} connections; {accepted} accepted, {connects} begun, ")?;
        writeln!(f, "{} refused, {} ended", self.refused(), self.closed())?;
        let Self { reads, read_bytes, writes, written_bytes, queued_bytes, lost_bytes, .. } = self;
        writeln!(
            f,
            "{read_bytes} bytes in {reads} reads, {written_bytes} bytes in {writes} writes, {queued_bytes} queued, {lost_bytes} lost"
        )?;
        let Self { datagrams_received, datagrams_sent, datagrams_dropped, datagram_errors, .. } =
            self;
        writeln!(
            f,
            "{datagrams_received} datagrams received, {datagrams_sent} sent, {datagrams_dropped} dropped, {datagram_errors} errors"
        )?;
        let Self { timers, timers_fired, tasks, wakeups, panics, .. } = self;
        writeln!(
            f,
            "{timers} timers, {timers_fired} fired; {tasks} tasks, {wakeups} wake-ups; {panics} panics"
        )?;
        let ended = self.closes().filter(|&(_, count)| count > 0);
        let ended: Vec<String> = ended.map(|(why, count)| format!("{why} {count}")).collect();
        if ended.is_empty() { Ok(()) } else { writeln!(f, "ended: {}", ended.join(", ")) }
    }
}

/// Every socket of a loop at one moment, and the totals; it prints like netstat.
///
/// ```text
/// proto  recv-q  send-q  local                peer                 state
/// tcp         0       0  127.0.0.1:7007       *                    listening
/// tcp         0    4096  127.0.0.1:7007       127.0.0.1:50222      open
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// One row a socket.
    pub sockets: Vec<SocketRow>,
    /// The totals.
    pub stats: Stats,
}

/// One socket of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketRow {
    /// `tcp`, `udp`, `unix` or `unixgram`.
    pub protocol: &'static str,
    /// Bytes the protocol has yet to consume.
    pub receive_queue: usize,
    /// Bytes that have yet to be sent.
    pub send_queue: usize,
    /// This end.
    pub local: Address,
    /// The other end, if there is one.
    pub peer: Option<Address>,
    /// What it is doing.
    pub state: &'static str,
}

/// How far [`Registry::socket_rows`](crate::Registry::socket_rows) has come.
#[derive(Clone, Debug, Default)]
pub struct Rows(pub(crate) usize);

impl SocketRow {
    /// The line that stands above rows.
    pub const HEADER: &'static str = concat!(
        "proto       recv-q   send-q  local                        ",
        "peer                         state"
    );
}

impl fmt::Display for SocketRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, receive_queue, send_queue, local, peer, state } = self;
        let local = local.to_string();
        let peer = peer.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
        write!(
            f,
            "{protocol:<9} {receive_queue:>8} {send_queue:>8}  {local:<28} {peer:<28} {state}"
        )
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", SocketRow::HEADER)?;
        self.sockets.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        write!(f, "{}", self.stats)
    }
}
