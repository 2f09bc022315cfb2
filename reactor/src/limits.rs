//! Every bound the loop keeps, its default, and the reason for the default.
//!
//! A loop that serves strangers is only as safe as its smallest missing limit, so each queue has a cap
//! and each wait may have a deadline. Reaching a limit is never silent growth: it is a
//! [`CloseReason`](crate::CloseReason), a refusal that [`Stats`](crate::Stats) counts, or an error.

use std::time::Duration;

use crate::CloseReason;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of a whole loop, given to [`Reactor::with_limits`](crate::Reactor::with_limits).
///
/// ```
/// use reactor::{Limits, Reactor};
/// let reactor = Reactor::<()>::with_limits(Limits { connections: 100, ..Limits::default() })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time, in and out. One that is accepted beyond it is closed at once and
    /// counted in [`Stats::refused_full`](crate::Stats::refused_full).
    ///
    /// Default 65,536: more than a process may open descriptors unless its operator raised that too.
    pub connections: usize,

    /// Accepted connections at one time from one IP address; beyond it, closed at once and counted
    /// in [`Stats::refused_address`](crate::Stats::refused_address).
    ///
    /// Default `None`: behind a proxy or a NAT every peer has the same address, and only the
    /// operator knows whether that is so. A server that faces the Internet wants a number here.
    pub connections_per_address: Option<u32>,

    /// Bytes in all outboxes together. The connection whose write would exceed it ends with
    /// [`CloseReason::LoopOutboxFull`](crate::CloseReason::LoopOutboxFull).
    ///
    /// Default 256 MiB: 4,096 slow readers at their high mark, on a machine of 1 GiB.
    pub outboxes: usize,

    /// Pipes through which the system moves what coupled connections say, where it can
    /// (see [`Registry::couple`](crate::Registry::couple)): one for each receiver that is slower than its source, and a
    /// few to spare. Each takes two descriptors and up to 256 KiB of the system's memory. Beyond it bytes are
    /// copied through the loop instead.
    ///
    /// Default 256: 64 MiB, as much as Linux gives to a user's pipes before it makes them smaller.
    pub pipes: usize,

    /// Timers at one time, of connections and free-standing. A free-standing one beyond it is an
    /// error; a connection that asks for one ends with
    /// [`CloseReason::TimersFull`](crate::CloseReason::TimersFull).
    ///
    /// Default 4,194,304: four for each of a million connections, about 300 MB.
    pub timers: usize,

    /// Messages from other threads that wait for the loop. Beyond it
    /// [`Handle::run`](crate::Handle::run) and its siblings return what they were given.
    ///
    /// Default 65,536: a loop that is so far behind is better told apart from one that is well.
    pub tasks: usize,

    /// Pieces of blocking work that wait for or are on the pool of
    /// [`Registry::offload`](crate::Registry::offload).
    ///
    /// Default 1,024: enough for a burst; beyond it the disk, not the queue, is what is too slow.
    pub offloads: usize,

    /// Threads of that pool, started when first needed.
    ///
    /// Default 4: blocking work waits more than it computes, and the loop has a core of its own.
    pub offload_threads: usize,

    /// Bytes one connection may read at a visit before the others get theirs, in whole reads of
    /// 128 KiB, and one more when it was idle before; a short read counts as a full one. A turn visits
    /// it when its event comes, and at its end if that has left something; from then on once a turn.
    ///
    /// Default 128 KiB, a full read buffer: about 30 µs of memory copies, and what its protocol does with them. 1,000
    /// busy connections then wait at most 30 ms for each other. Twice as much has others wait twice as long, and
    /// saves a turn, some 2 µs, of it.
    pub read_budget: usize,

    /// Queued bytes one connection may send in a turn before the others get theirs.
    ///
    /// Default 2 MiB: of a file that is 150 µs of copying in one call, beside which a turn, some 2 µs,
    /// is next to nothing. With half of it a file takes 1 % longer, and with twice as much everybody
    /// else waits more than twice as long.
    pub write_budget: usize,

    /// Sources that a turn looks after in each of its phases: those that the system reports, those on the
    /// loop's own list, those that others have written to or closed, those whose end is told, those that
    /// hear of a shutdown. The rest come in the next turn, which does not sleep.
    ///
    /// Default 128: the end of a TCP connection costs 15 µs, most of it the system's, so that a turn
    /// takes about 2 ms when ten thousand end at once. A wait that brings 128 events costs a
    /// hundredth of what they do; more at a time would not be cheaper.
    pub visit_budget: usize,

    /// Connections a listener may accept in a turn.
    ///
    /// Default 64: accepting costs about 10 µs, so the open ones wait less than a millisecond.
    pub accept_budget: usize,

    /// Hosts that the system looks up at one time; further ones wait. It does so on threads of their own, since a
    /// look-up cannot be called off: names whose servers are dead hold up other names, and no other work.
    ///
    /// Default 4: a look-up takes a millisecond where it is cached and a tenth of a second where it is not, so a
    /// hundred names a second go through even if three of the four meet with dead servers.
    pub lookups: usize,

    /// How long a host may take to be looked up, the wait for others included; then
    /// [`LookupError::TimedOut`](crate::LookupError::TimedOut). What the resolver says later is dropped.
    ///
    /// Default 12 s: the system asks a server twice, for 5 s each, and a second one may know it at once.
    pub lookup_timeout: Duration,

    /// Addresses of a host that are tried, the first in the order of RFC 8305; the others are left out.
    ///
    /// Default 16: whoever has more servers has them for the load, and a name under a stranger's control is not to
    /// have hundreds of places knocked at.
    pub addresses: usize,

    /// Handshakes of TLS at one time. A listener that speaks TLS closes what it accepts beyond that at once,
    /// before anything is computed for it, and [`Stats::refused_handshakes`](crate::Stats::refused_handshakes)
    /// counts it.
    ///
    /// Default 1,024: with [`handshake_budget`](Self::handshake_budget) some twenty turns of work, and at
    /// 10 KiB each 10 MiB of those that never finish.
    pub handshakes: usize,

    /// Steps of handshakes in a turn, each of them a read; the others wait for the next.
    ///
    /// Default 16: one that has to sign something takes 0.2 ms, so the open connections wait 3 ms at most.
    pub handshake_budget: usize,

    /// Datagrams a socket may receive in a turn.
    ///
    /// Default 64, for the same reason.
    pub datagram_budget: usize,

    /// Tasks run in a turn: so many messages from other threads, and so many deferred closures.
    ///
    /// Default 1,024.
    pub task_budget: usize,

    /// Timers fired in a turn.
    ///
    /// Default 1,024.
    pub timer_budget: usize,

    /// How long a listener rests when the process has no descriptors left, unless one is freed
    /// before.
    ///
    /// Default 100 ms: ten failing calls a second cost nothing, and no client notices the delay.
    pub accept_rest: Duration,

    /// How long the loop polls without sleeping before it sleeps.
    ///
    /// Default zero. About 50 µs halves the round trip of a single connection and burns a whole
    /// core for it: for those who trade processor time for latency.
    pub busy_poll: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            connections_per_address: None,
            outboxes: 256 * MIB,
            pipes: 256,
            timers: 4_194_304,
            tasks: 65_536,
            offloads: 1_024,
            offload_threads: 4,
            read_budget: 128 * KIB,
            write_budget: 2 * MIB,
            visit_budget: 128,
            accept_budget: 64,
            lookups: 4,
            lookup_timeout: Duration::from_secs(12),
            addresses: 16,
            handshakes: 1_024,
            handshake_budget: 16,
            datagram_budget: 64,
            task_budget: 1_024,
            timer_budget: 1_024,
            accept_rest: Duration::from_millis(100),
            busy_poll: Duration::ZERO,
        }
    }
}

/// The limits of one connection, set for a listener, an outgoing connection, or later with
/// [`Transport::set_limits`](crate::Transport::set_limits).
///
/// ```text
///  outbox   0 ─────── low ─────────── high ───────────────── cap
///                      │               │                      │
///           on_drain, read again    stop reading          when_full
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes that a protocol may leave unconsumed. A connection whose inbox is full, and whose
    /// protocol still does not consume, ends with
    /// [`CloseReason::InboxFull`](crate::CloseReason::InboxFull).
    ///
    /// Default 1 MiB: the longest message most protocols allow; those with longer ones stream.
    pub inbox: usize,

    /// Above this many queued bytes the connection is not read any more, so that a peer which does
    /// not take its answers cannot ask for more.
    ///
    /// Default 64 KiB: answers to half of what is read at once, if they are as long.
    pub outbox_high: usize,

    /// Whether the connection is not read while its outbox is above the high mark.
    ///
    /// Default `true`, and `false` in [`ConnectOptions`](crate::ConnectOptions): a server slows down
    /// the client that does not take its answers, but a client which did the same to its server
    /// would, once it has asked for enough at once, wait for it as it waits for the client, for ever.
    /// Either way [`on_drain`](crate::Protocol::on_drain) tells when to write more.
    pub outbox_holds_reading: bool,

    /// At this many queued bytes, after having been above the high mark, reading goes on and
    /// [`on_drain`](crate::Protocol::on_drain) is called.
    ///
    /// Default 16 KiB: far enough below the high mark that the two do not alternate with each
    /// write, and above zero so that the socket does not run dry.
    pub outbox_low: usize,

    /// Bytes that may be queued; a write beyond it ends the connection with
    /// [`CloseReason::OutboxFull`](crate::CloseReason::OutboxFull), and what is sent by id meets with
    /// [`when_full`](Self::when_full). Each queued piece is charged
    /// 64 bytes for its bookkeeping, so a million one-byte messages are as bounded as one long one.
    /// What [`send_file`](crate::Transport::send_file) has still to read counts for nothing.
    ///
    /// Default 8 MiB: a large page fits in one write; a film wants `send_file` or `on_drain`.
    pub outbox: usize,

    /// What happens to a connection that has no room for what it is sent by its id.
    ///
    /// Default [`WhenFull::Close`]: most programs send without a look at what comes back, and a peer that
    /// misses a part without being told is worse off than one that has to come again.
    pub when_full: WhenFull,

    /// How long connecting may take; then
    /// [`CloseReason::ConnectTimeout`](crate::CloseReason::ConnectTimeout).
    ///
    /// Default 30 s: five tries of the first segment; the system alone would try for two minutes.
    pub connect_timeout: Option<Duration>,

    /// How long a handshake of TLS may take, once the connection is there; then
    /// [`CloseReason::HandshakeTimeout`](crate::CloseReason::HandshakeTimeout).
    ///
    /// Default 10 s: two or three round trips, and time to compute. Whoever only holds the line is gone
    /// before it is noticed.
    pub handshake_timeout: Option<Duration>,

    /// How long a graceful close may take, from the call of `close` to the peer's FIN: the flush and
    /// the lingering together. Then the connection is reset.
    ///
    /// Default 10 s: a reply crosses any living path; a peer that is gone does not hold a slot.
    pub close_timeout: Duration,

    /// How long neither side may send a byte; then [`on_idle`](crate::Protocol::on_idle) is asked, which ends
    /// it with [`CloseReason::IdleTimeout`](crate::CloseReason::IdleTimeout) unless it knows better.
    ///
    /// Default `None`: only the protocol knows what silence means, and TCP keepalive, which is on,
    /// finds the peers that are gone.
    pub idle_timeout: Option<Duration>,

    /// How long the peer may send nothing while it is being read (after a pause it counts anew); then
    /// [`on_idle`](crate::Protocol::on_idle) is asked, which ends it with
    /// [`CloseReason::ReadTimeout`](crate::CloseReason::ReadTimeout) unless it knows better.
    ///
    /// Default `None`: a client that only listens is normal in many protocols.
    pub read_timeout: Option<Duration>,

    /// The slowest transfer that is tolerated; then
    /// [`CloseReason::TooSlow`](crate::CloseReason::TooSlow).
    ///
    /// Default `None`: it needs a protocol's own idea of a message to be fair.
    pub min_rate: Option<MinRate>,
}

impl StreamLimits {
    /// Whether an open connection has any.
    pub(crate) fn has_deadlines(&self) -> bool {
        self.idle_timeout.is_some() || self.read_timeout.is_some() || self.min_rate.is_some()
    }

    /// How long a connection had for what it did not do in time, if that is why it has ended.
    pub(crate) fn deadline(&self, reason: &CloseReason) -> Option<Duration> {
        match reason {
            CloseReason::ConnectTimeout => self.connect_timeout,
            CloseReason::HandshakeTimeout => self.handshake_timeout,
            CloseReason::CloseTimeout => Some(self.close_timeout),
            CloseReason::IdleTimeout => self.idle_timeout,
            CloseReason::ReadTimeout => self.read_timeout,
            CloseReason::TooSlow => self.min_rate.map(|rate| rate.window),
            _ => None,
        }
    }
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            inbox: MIB,
            outbox_high: 64 * KIB,
            outbox_holds_reading: true,
            outbox_low: 16 * KIB,
            outbox: 8 * MIB,
            when_full: WhenFull::Close,
            connect_timeout: Some(Duration::from_secs(30)),
            handshake_timeout: Some(Duration::from_secs(10)),
            close_timeout: Duration::from_secs(10),
            idle_timeout: None,
            read_timeout: None,
            min_rate: None,
        }
    }
}

/// What becomes of a connection that is sent, by [`Registry::send`](crate::Registry::send) or one of its
/// siblings, what would go beyond [`StreamLimits::outbox`] or [`Limits::outboxes`].
///
/// Either way the bytes come back in [`SendError::Full`](crate::SendError::Full). What the connection's own
/// protocol writes cannot come back, so for want of room for that it always ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// It ends, with [`CloseReason::OutboxFull`](crate::CloseReason::OutboxFull) or
    /// [`LoopOutboxFull`](crate::CloseReason::LoopOutboxFull).
    ///
    /// Right where a receiver that has missed something is of no use any more: a chat, a log, a feed of
    /// changes. Whoever is too slow has to come again and begin anew, and its memory is free at once.
    #[default]
    Close,
    /// It goes on, without what was refused.
    ///
    /// Right where the sender has another use for the bytes: it waits with them
    /// ([`Registry::when_drained`](crate::Registry::when_drained)), sends newer ones in their place (prices,
    /// positions), or tells whom they came from. It has to look at what `send` returns. A message is refused
    /// whole, or taken whole: the rest of one that has begun to leave may go beyond the cap.
    Refuse,
}

/// The slowest transfer that is tolerated while something is owed: while the inbox holds an
/// incomplete message, or the outbox holds bytes that the peer has yet to take.
///
/// A peer that sends one byte every few seconds to hold a slot is caught by this and by nothing else. But for one in the
/// middle of a line that is too long, where [`on_long_line`](crate::LineProtocol::on_long_line) goes on: what comes of
/// that is thrown away, so the inbox holds nothing of it. [`read_timeout`](StreamLimits::read_timeout) does not see it
/// either, since something comes; a timer does, or the default of `on_long_line`, which resets the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes a second, both directions together, averaged over the window.
    pub bytes_per_second: u32,
    /// How long is averaged over; also the grace a new message has.
    pub window: Duration,
}

/// The limits of one datagram socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatagramLimits {
    /// Bytes of datagrams that wait for the kernel to take them. Beyond it a datagram is dropped,
    /// as the network would, and [`Stats::datagrams_dropped`](crate::Stats::datagrams_dropped)
    /// counts it. A Unix socket that is connected to nobody keeps a queue for each peer that does not
    /// receive, and tries it again now and then; one of them may have a quarter of this.
    ///
    /// Default 256 KiB, about what a kernel's own send buffer holds.
    pub outbox: usize,
}

impl Default for DatagramLimits {
    fn default() -> Self {
        Self { outbox: 256 * KIB }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_marks_are_in_order() {
        let limits = StreamLimits::default();
        assert!(limits.outbox_low < limits.outbox_high);
        assert!(limits.outbox_high < limits.outbox);
    }
}
