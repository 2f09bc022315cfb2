//! What was sent and has yet to come back, byte for byte. Pure: no socket, and time is an argument.

use std::collections::VecDeque;
use std::time::Instant;

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
#[derive(Debug, Default)]
pub struct Exchange {
    window: usize,
    /// In the order of their sequence numbers.
    outstanding: VecDeque<Sent>,
    /// Of all that is outstanding, bookkeeping included.
    charge: usize,
    /// Bytes of the oldest that have come back; fewer than it has.
    returned: usize,
    /// Bytes that have come back on a stream.
    position: u64,
    /// When the last of them did, on a stream.
    progress: Option<Instant>,
    /// The sequence number of the next payload.
    next: u64,
    strays: u64,
}

/// A payload that was sent, and has come back whole, or is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which one it was, counted from zero.
    pub sequence: u64,
    /// What was sent; if it has come back, that is equal.
    pub payload: Bytes,
    /// When it was sent, by the loop's clock.
    pub at: Instant,
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
        Self { window, ..Self::default() }
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
    ) -> Result<Option<Sent>, Mismatch> {
        if input.is_empty() {
            return Ok(None);
        }
        let Some(oldest) = self.outstanding.front() else {
            return Err(Mismatch::Unasked { at: self.position });
        };
        let expected = &oldest.payload[self.returned..];
        let equal = common_prefix(expected, input);
        *input = &input[equal..];
        self.position += equal as u64;
        if let (Some(&expected), Some(&found)) = (expected.get(equal), input.first()) {
            return Err(Mismatch::Different { at: self.position, expected, found });
        }
        let is_whole = equal == expected.len();
        self.returned += equal;
        self.progress = Some(now);
        Ok(if is_whole { self.remove(0) } else { None })
    }

    /// A datagram has come back: the payload it equals, the oldest of them if there are several.
    /// `None` if there is none: it is a [stray](Self::strays).
    pub fn handle_datagram(&mut self, datagram: &[u8]) -> Option<Sent> {
        let index = self.outstanding.iter().position(|sent| sent.payload == datagram);
        self.strays += u64::from(index.is_none());
        self.remove(index?)
    }

    /// The oldest payload has been waited for too long: it is lost.
    pub fn lose(&mut self) -> Option<Sent> {
        self.remove(0)
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

    /// Datagrams that came back late, twice, or changed.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Since when something is waited for: the oldest payload, since it was sent; or if none is on its way,
    /// what is waited for since `end`, if anything is. What came back on a stream is progress with either.
    #[must_use]
    pub fn waiting_since(&self, end: Option<Instant>) -> Option<Instant> {
        let since = self.outstanding.front().map(|sent| sent.at).or(end)?;
        Some(self.progress.map_or(since, |progress| progress.max(since)))
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
