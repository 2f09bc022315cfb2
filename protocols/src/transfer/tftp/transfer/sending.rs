//! The sending half: blocks that were read from the file, until each has been acknowledged.
//!
//! ```text
//!        acknowledged            window (RFC 7440)
//!   ┌───────────────────┬──────────────┬───────────────┐
//!   │ forgotten         │ sent         │ to be sent    │  not read yet
//!   └───────────────────┴──────────────┴───────────────┘
//!                        base           next            base + window
//! ```
//!
//! Blocks are counted from one without end; a packet carries the last 16 bits of the count, so a file
//! may be longer than 65,535 blocks. The window is always shorter than half of that, which makes clear
//! what is meant.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::transfer::tftp::wire::options::Terms;
use crate::transfer::tftp::wire::packet::Packet;

#[derive(Debug)]
pub(super) struct Sending {
    block_size: usize,
    window: u64,
    /// What has been read and not acknowledged; the first of them has the number `base`.
    blocks: VecDeque<Vec<u8>>,
    base: u64,
    /// The next one to be sent. `base <= next <= base + blocks.len()`.
    next: u64,
    /// One behind the last that was ever sent.
    highest: u64,
    /// One that goes again before all others, alone.
    again: Option<u64>,
    /// The last block of the file, once it has been read.
    last: Option<u64>,
    /// The block whose acknowledgement tells how long a round trip takes, and when it was sent: the
    /// last of a window, all of which has been sent once.
    probe: Option<(u64, Instant)>,
}

/// What an acknowledgement has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// Nothing: it is old, or is of a block that was never sent.
    Nothing,
    /// Nothing new: it is the newest, once more.
    Again,
    /// There is room for more; how long it took, if that can be told.
    More(Option<Duration>),
    /// That was the last block.
    All,
}

impl Sending {
    pub(super) fn new(terms: &Terms) -> Self {
        let mut sending = Self {
            block_size: 0,
            window: 0,
            blocks: VecDeque::new(),
            base: 1,
            next: 1,
            highest: 1,
            again: None,
            last: None,
            probe: None,
        };
        sending.agree(terms);
        sending
    }

    /// Nothing has been sent yet, and this is how it will be.
    pub(super) fn agree(&mut self, terms: &Terms) {
        self.block_size = terms.block_size.into();
        self.window = u64::from(terms.window.clamp(1, i16::MAX as u16));
    }

    /// How many bytes the next block wants, if there is room for one.
    pub(super) fn wanted(&self) -> Option<usize> {
        let has_room = (self.blocks.len() as u64) < self.window;
        (has_room && self.last.is_none()).then_some(self.block_size)
    }

    /// The next block of the file. One that is shorter than wanted is the last, even an empty one.
    pub(super) fn handle_block(&mut self, bytes: Vec<u8>) {
        if bytes.len() < self.block_size {
            self.last = Some(self.base + self.blocks.len() as u64);
        }
        self.blocks.push_back(bytes);
    }

    /// Everything up to this block has arrived, says the peer, and it counts its window from there: so
    /// there is room for as many blocks as it has, whether or not some behind that one were sent already.
    ///
    /// One that says so for the second time brings no block: if both sides answered what they had
    /// answered already, one packet too many would go to and fro until the end of the transfer, with
    /// every block twice (the Sorcerer's Apprentice, RFC 1123, section 4.2.3.1). And one in the middle of
    /// a window has none sent again either. It may tell of a gap, behind which everything was thrown
    /// away, but also of a block that came twice; that shows in time.
    pub(super) fn handle_ack(&mut self, block: u16, now: Instant) -> Acknowledged {
        let count = u64::from(block.wrapping_sub(low_bits(self.base - 1)));
        if count == 0 {
            return Acknowledged::Again;
        }
        if count > self.highest - self.base {
            return Acknowledged::Nothing;
        }
        self.base += count;
        self.next = self.next.max(self.base);
        self.again = None;
        self.blocks.drain(..count as usize);
        let round_trip = self
            .probe
            .take_if(|(probe, _)| *probe < self.base)
            .map(|(_, sent)| now.saturating_duration_since(sent));
        if self.last.is_some_and(|last| last < self.base) {
            return Acknowledged::All;
        }
        Acknowledged::More(round_trip)
    }

    /// What was sent and not acknowledged is sent again.
    pub(super) fn go_back(&mut self) {
        if self.next > self.base {
            self.probe = None;
        }
        self.again = None;
        self.next = self.base;
    }

    /// The last block that was sent is sent again, alone: whoever lacks it, or one in front of it, says
    /// so, and so does who has it and has not been heard.
    pub(super) fn send_last_again(&mut self) {
        if self.next > self.base {
            self.probe = None;
            self.again = Some(self.next - 1);
        }
    }

    /// The next block to be sent.
    pub(super) fn poll_block(&mut self, now: Instant) -> Option<Packet<'_>> {
        if let Some(number) = self.again.take() {
            let bytes = self.blocks.get((number - self.base) as usize)?;
            return Some(Packet::Data { block: low_bits(number), bytes });
        }
        let index = self.next - self.base;
        if index >= self.window {
            return None;
        }
        let number = self.next;
        let bytes = self.blocks.get(index as usize)?;
        self.next += 1;
        if number >= self.highest {
            self.highest = number + 1;
            let ends_window = index + 1 == self.window || self.last == Some(number);
            // A window of which a part was sent before measures nothing.
            if ends_window {
                self.probe = Some((number, now));
            }
        }
        Some(Packet::Data { block: low_bits(number), bytes })
    }

    /// Whether an acknowledgement is waited for, of what was sent and is not to be sent again.
    pub(super) fn is_waiting(&self) -> bool {
        self.next > self.base
    }

    /// Whether something was ever sent that has yet to be acknowledged.
    pub(super) fn has_unacknowledged(&self) -> bool {
        self.highest > self.base
    }

    /// How many blocks were sent and not acknowledged.
    pub(super) fn unacknowledged(&self) -> u32 {
        // A window is shorter than that.
        u32::try_from(self.next - self.base).unwrap_or(u32::MAX)
    }

    /// Whether blocks are sent several at a time.
    pub(super) fn has_windows(&self) -> bool {
        self.window > 1
    }
}

/// A block's number, as a packet has it.
pub(super) fn low_bits(number: u64) -> u16 {
    (number & 0xffff) as u16
}
