//! What was sent and has yet to come back, byte for byte. Pure: no socket, and time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;

/// What a payload is charged beside its bytes, so that many short ones are as bounded as one long.
const CHARGE: usize = 64;

/// The payloads that are on their way, oldest first, and how much of the oldest has come back.
///
/// ```text
///    sent ▶  ┌───────────┬───────┬────────────┐
///            │ 4: "hello"│ 5: "…"│ 6: "…"     │   never more than the window
///            └──┬────────┴───────┴────────────┘
///    returned ▶ │ "he" has come back; the next byte has to be "l"
/// ```
///
/// A stream returns bytes in order ([`handle_bytes`](Self::handle_bytes)); datagrams return whole, in
/// any order or not at all ([`handle_datagram`](Self::handle_datagram)).
///
/// ```
/// use protocols::echo::Exchange;
/// use std::time::Instant;
///
/// let now = Instant::now();
/// let mut exchange = Exchange::new(1024);
/// exchange.handle_sent("hello".into(), now);
/// let mut input = &b"hel"[..];
/// assert_eq!(exchange.handle_bytes(&mut input, now), Ok(None));
/// let mut input = &b"lo"[..];
/// let reply = exchange.handle_bytes(&mut input, now)?.expect("it is whole");
/// assert_eq!((reply.sequence, &*reply.payload), (0, &b"hello"[..]));
/// # Ok::<(), protocols::echo::Mismatch>(())
/// ```
#[derive(Debug)]
pub struct Exchange {
    window: usize,
    /// In the order of their sequence numbers.
    outstanding: VecDeque<Sent>,
    /// Of all that is outstanding, bookkeeping included.
    charge: usize,
    /// Bytes of the oldest that have come back; fewer than it has.
    returned: usize,
    /// Bytes that have come back in all.
    position: u64,
    /// When the last of them did, on a stream.
    progress: Option<Instant>,
    /// The sequence number of the next payload.
    next: u64,
}

#[derive(Debug)]
struct Sent {
    sequence: u64,
    payload: Bytes,
    at: Instant,
}

/// A payload that has come back whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which one it was, counted from zero.
    pub sequence: u64,
    /// What was sent, and what came back.
    pub payload: Bytes,
    /// The time between.
    pub round_trip: Duration,
}

/// A payload that did not come back in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which one it was, counted from zero.
    pub sequence: u64,
    /// What was sent.
    pub payload: Bytes,
}

/// What came back is not what was sent. Positions are bytes of the whole stream, from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// A byte was changed on its way, or the peer is no echo server.
    #[error("byte {at} came back as {found:#04x} instead of {expected:#04x}")]
    Different {
        /// Where.
        at: u64,
        /// What was sent.
        expected: u8,
        /// What came back.
        found: u8,
    },
    /// The peer sends what nobody has asked for.
    #[error("more came back than was sent: byte {at} and on")]
    Unasked {
        /// Where the surplus begins.
        at: u64,
    },
}

impl Exchange {
    /// Nothing is on its way; at most `window` bytes ever will be.
    #[must_use]
    pub fn new(window: usize) -> Self {
        Self {
            window,
            outstanding: VecDeque::new(),
            charge: 0,
            returned: 0,
            position: 0,
            progress: None,
            next: 0,
        }
    }

    /// A payload has been sent; its sequence number. There has to be [`room`](Self::room) for it.
    pub fn handle_sent(&mut self, payload: Bytes, now: Instant) -> u64 {
        debug_assert!(payload.len() <= self.room(), "the window is kept");
        self.charge += payload.len() + CHARGE;
        let sequence = self.next;
        self.next += 1;
        self.outstanding.push_back(Sent { sequence, payload, at: now });
        sequence
    }

    /// Bytes have come back on a stream: takes them up to the end of the oldest payload, which is
    /// returned if it is whole. To be called until there is `None`.
    ///
    /// # Errors
    ///
    /// If a byte is not what was sent. What comes before it has been taken from the input.
    pub fn handle_bytes(
        &mut self,
        input: &mut &[u8],
        now: Instant,
    ) -> Result<Option<Reply>, Mismatch> {
        if input.is_empty() {
            return Ok(None);
        }
        let Some(oldest) = self.outstanding.front() else {
            return Err(Mismatch::Unasked { at: self.position });
        };
        let expected = &oldest.payload[self.returned..];
        let equal = common_prefix(expected, input);
        let whole = equal == expected.len();
        if let (false, Some(&expected), Some(&found)) =
            (whole, expected.get(equal), input.get(equal))
        {
            *input = &input[equal..];
            return Err(Mismatch::Different { at: self.position + equal as u64, expected, found });
        }
        *input = &input[equal..];
        self.returned += equal;
        self.position += equal as u64;
        self.progress = Some(now);
        Ok(if whole { self.take(0, now) } else { None })
    }

    /// A datagram has come back: the payload it equals, the oldest of them if there are several.
    /// `None` if there is none: it comes late, twice, or changed.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) -> Option<Reply> {
        let index = self.outstanding.iter().position(|sent| sent.payload == datagram)?;
        self.position += datagram.len() as u64;
        self.take(index, now)
    }

    /// Time has passed: the oldest datagram, if it has been waited for too long. To be called until
    /// there is `None`.
    pub fn handle_timeout(&mut self, now: Instant, timeout: Duration) -> Option<Lost> {
        if now.saturating_duration_since(self.waiting_since()?) < timeout {
            return None;
        }
        let Sent { sequence, payload, .. } = self.remove(0)?;
        Some(Lost { sequence, payload })
    }

    /// How long a payload may be that is sent now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.window.saturating_sub(self.charge + CHARGE)
    }

    /// How many payloads have yet to come back.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// How many bytes have yet to come back.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.charge - self.outstanding.len() * CHARGE - self.returned
    }

    /// Since when the oldest payload is waited for: since it was sent, or since the last of it came
    /// back. `None` if nothing is on its way.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Instant> {
        let sent = self.outstanding.front()?.at;
        Some(self.progress.map_or(sent, |progress| progress.max(sent)))
    }

    /// When bytes last came back on a stream.
    #[must_use]
    pub fn progress(&self) -> Option<Instant> {
        self.progress
    }

    fn take(&mut self, index: usize, now: Instant) -> Option<Reply> {
        let Sent { sequence, payload, at } = self.remove(index)?;
        Some(Reply { sequence, payload, round_trip: now.saturating_duration_since(at) })
    }

    fn remove(&mut self, index: usize) -> Option<Sent> {
        let sent = self.outstanding.remove(index)?;
        self.charge -= sent.payload.len() + CHARGE;
        self.returned = 0;
        Some(sent)
    }
}

/// How many bytes two slices have in common at their beginning.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let length = one.len().min(other.len());
    if one[..length] == other[..length] {
        return length;
    }
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: usize = 4_096;

    fn sending(payloads: &[&'static str], now: Instant) -> Exchange {
        let mut exchange = Exchange::new(WINDOW);
        for payload in payloads {
            exchange.handle_sent(Bytes::from_static(payload.as_bytes()), now);
        }
        exchange
    }

    /// Everything that one read returns.
    fn returns(exchange: &mut Exchange, mut input: &[u8], now: Instant) -> Vec<(u64, Bytes)> {
        let mut replies = Vec::new();
        while let Some(reply) = exchange.handle_bytes(&mut input, now).expect("no mismatch") {
            replies.push((reply.sequence, reply.payload));
        }
        replies
    }

    #[test]
    fn payloads_come_back_in_order_however_they_are_cut() {
        let now = Instant::now();
        let mut exchange = sending(&["one", "two", "three"], now);
        assert_eq!(returns(&mut exchange, b"on", now), []);
        assert_eq!(exchange.missing(), 9);
        assert_eq!(returns(&mut exchange, b"etwoth", now), [(0, "one".into()), (1, "two".into())]);
        assert_eq!(returns(&mut exchange, b"ree", now), [(2, "three".into())]);
        assert_eq!((exchange.outstanding(), exchange.missing()), (0, 0));
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        let now = Instant::now();
        let mut exchange = sending(&["one", "two"], now);
        let mut input = &b"onetXo"[..];
        assert!(matches!(exchange.handle_bytes(&mut input, now), Ok(Some(_))));
        let expected = Mismatch::Different { at: 4, expected: b'w', found: b'X' };
        assert_eq!(exchange.handle_bytes(&mut input, now), Err(expected));
        assert_eq!(input, b"Xo", "what was right has been taken");
    }

    #[test]
    fn what_nobody_asked_for_is_named() {
        let now = Instant::now();
        let mut exchange = sending(&["one"], now);
        let mut input = &b"one!"[..];
        assert!(matches!(exchange.handle_bytes(&mut input, now), Ok(Some(_))));
        assert_eq!(exchange.handle_bytes(&mut input, now), Err(Mismatch::Unasked { at: 3 }));
    }

    #[test]
    fn the_window_counts_short_payloads_too() {
        let now = Instant::now();
        let mut exchange = Exchange::new(1_000);
        let mut count = 0;
        while exchange.room() >= 1 {
            exchange.handle_sent(Bytes::from_static(b"x"), now);
            count += 1;
        }
        assert_eq!(count, 15);
        assert_eq!(returns(&mut exchange, b"x", now).len(), 1);
        assert!(exchange.room() >= 1);
    }

    #[test]
    fn datagrams_come_back_in_any_order_or_are_lost() {
        let now = Instant::now();
        let timeout = Duration::from_secs(1);
        let mut exchange = sending(&["one", "two", ""], now);
        let reply = exchange.handle_datagram(b"two", now + timeout / 2).expect("it was sent");
        assert_eq!((reply.sequence, reply.round_trip), (1, timeout / 2));
        assert_eq!(exchange.handle_datagram(b"two", now), None, "twice");
        assert_eq!(exchange.handle_datagram(b"onE", now), None, "changed");
        assert_eq!(exchange.handle_datagram(b"", now).map(|reply| reply.sequence), Some(2));

        assert_eq!(exchange.handle_timeout(now + timeout / 2, timeout), None);
        let lost = exchange.handle_timeout(now + timeout, timeout).expect("it is late");
        assert_eq!((lost.sequence, &*lost.payload), (0, &b"one"[..]));
        assert_eq!(exchange.handle_timeout(now + timeout, timeout), None);
        assert_eq!(exchange.handle_datagram(b"one", now + timeout), None, "late");
    }

    #[test]
    fn a_stream_that_makes_progress_is_not_late() {
        let (now, timeout) = (Instant::now(), Duration::from_secs(1));
        let mut exchange = sending(&["one"], now);
        assert_eq!(exchange.waiting_since(), Some(now));
        assert_eq!(returns(&mut exchange, b"o", now + timeout), []);
        assert_eq!(exchange.handle_timeout(now + timeout, timeout), None);
        assert!(exchange.handle_timeout(now + timeout * 2, timeout).is_some());
        assert_eq!(exchange.waiting_since(), None);
    }

    proptest! {
        /// Any payloads, returned in pieces of any length: the same replies as in one piece.
        #[test]
        fn any_cut_returns_the_same(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..20),
            cuts in proptest::collection::vec(1..30_usize, 1..50),
        ) {
            let now = Instant::now();
            let mut exchange = Exchange::new(usize::MAX);
            for payload in &payloads {
                exchange.handle_sent(payload.clone().into(), now);
            }
            let stream = payloads.concat();
            let (mut rest, mut replies) = (&stream[..], Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            while let (false, Some(cut)) = (rest.is_empty(), cuts.next()) {
                let (piece, later) = rest.split_at(cut.min(rest.len()));
                replies.extend(returns(&mut exchange, piece, now));
                rest = later;
            }
            let expected: Vec<(u64, Bytes)> =
                (0..).zip(payloads.into_iter().map(Bytes::from)).collect();
            prop_assert_eq!(replies, expected);
            prop_assert_eq!((exchange.outstanding(), exchange.missing()), (0, 0));
        }

        /// Whatever a peer sends, in whatever order with what was sent: never a panic, and nothing
        /// is accepted that is not equal.
        #[test]
        fn any_input_is_judged(
            sent in proptest::collection::vec(any::<u8>(), 1..40),
            input in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let now = Instant::now();
            let mut exchange = Exchange::new(usize::MAX);
            exchange.handle_sent(sent.clone().into(), now);
            let mut rest = &input[..];
            let result = exchange.handle_bytes(&mut rest, now);
            let taken = input.len() - rest.len();
            prop_assert_eq!(&input[..taken], &sent[..taken]);
            prop_assert_eq!(result.is_err(), taken < sent.len().min(input.len()));
        }
    }
}
