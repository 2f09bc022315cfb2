//! The receiving half: which block is the next one, and when to acknowledge.
//!
//! ```text
//!     in the file                    window (RFC 7440)
//!   ┌───────────────────┬────────────────────────────────┐
//!   │ old: came twice   │ next │ a gap: thrown away       │  strays
//!   └───────────────────┴────────────────────────────────┘
//!                    last  last + 1             last + window
//! ```

use std::time::{Duration, Instant};

use super::sending::low_bits;
use crate::transfer::tftp::wire::options::Terms;

/// The shortest time after which a block that comes again is taken for a sign that its sender has
/// heard nothing. The loop's clock has milliseconds.
const SILENCE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Receiving {
    block_size: usize,
    window: u64,
    /// The last block that came in order: everything up to it is in the file.
    last: u64,
    /// The last block that was acknowledged, if one was; the window counts from there.
    acknowledged: Option<u64>,
    /// A gap was told of, and is told of once.
    has_gap: bool,
    /// When something was last received that was new, or acknowledged.
    moved: Instant,
    /// When the last acknowledgement left, if the first block behind it will tell how long a round
    /// trip takes.
    probe: Option<Instant>,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next one; how long it took to come, if that can be told.
    Next(Option<Duration>),
    /// One that is to be acknowledged, and nothing else.
    Acknowledge,
    /// Nothing to do about it.
    Nothing,
}

impl Receiving {
    pub(super) fn new(terms: &Terms, now: Instant) -> Self {
        let mut receiving = Self {
            block_size: 0,
            window: 0,
            last: 0,
            acknowledged: None,
            has_gap: false,
            moved: now,
            probe: None,
        };
        receiving.agree(terms);
        receiving
    }

    /// Nothing has been received yet, and this is how it will be.
    pub(super) fn agree(&mut self, terms: &Terms) {
        self.block_size = terms.block_size.into();
        self.window = u64::from(terms.window.clamp(1, i16::MAX as u16));
    }

    /// A block has arrived. `patience` is how long a sender that hears nothing waits at least before
    /// it sends again.
    pub(super) fn handle_block(&mut self, block: u16, now: Instant, patience: Duration) -> Arrival {
        let ahead = u64::from(block.wrapping_sub(low_bits(self.last)));
        if ahead == 1 {
            self.last += 1;
            self.has_gap = false;
            self.moved = now;
            let round_trip = self.probe.take().map(|sent| now.saturating_duration_since(sent));
            return Arrival::Next(round_trip);
        }
        if ahead > 1 && ahead <= self.window {
            return self.handle_gap(now);
        }
        self.handle_old(ahead == 0, now, patience)
    }

    /// A block is missing. Its sender is told, once: every block of the window behind the gap
    /// would say the same.
    fn handle_gap(&mut self, now: Instant) -> Arrival {
        if std::mem::replace(&mut self.has_gap, true) {
            return Arrival::Nothing;
        }
        self.moved = now;
        Arrival::Acknowledge
    }

    /// A block comes for the second time: because the network has doubled it, or because its sender has
    /// not heard the acknowledgement. Only that one wants an answer, so there has to have been one; and it
    /// is recognized by its having been silent for a while, since a sender that goes on needs none. So
    /// whatever the sender makes of acknowledgements that it has had already, it gets few.
    fn handle_old(&mut self, is_last: bool, now: Instant, patience: Duration) -> Arrival {
        let silence = now.saturating_duration_since(self.moved);
        let was_acknowledged = is_last && self.acknowledged == Some(self.last);
        if !was_acknowledged || silence < patience.max(SILENCE) {
            return Arrival::Nothing;
        }
        self.moved = now;
        Arrival::Acknowledge
    }

    /// Whether the window is full, and its sender waits.
    pub(super) fn is_window_full(&self) -> bool {
        self.last - self.acknowledged.unwrap_or(0) >= self.window
    }

    /// The block to acknowledge; it counts as done.
    pub(super) fn acknowledge(&mut self, now: Instant) -> u16 {
        // Only what leaves for the first time measures anything.
        let is_new = self.acknowledged.replace(self.last) != Some(self.last);
        self.probe = is_new.then_some(now);
        low_bits(self.last)
    }

    /// Bytes of a block that is not the last.
    pub(super) fn block_size(&self) -> usize {
        self.block_size
    }

    /// Whether blocks come several at a time.
    pub(super) fn has_windows(&self) -> bool {
        self.window > 1
    }

    /// Whether nothing has been received yet.
    pub(super) fn is_at_the_beginning(&self) -> bool {
        self.last == 0
    }
}
