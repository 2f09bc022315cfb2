//! What is known of one peer: what it has, what it was asked for, and what it asks for.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::rate::Rate;
use super::{Bitfield, Geometry, Limits};
use crate::torrent::wire::message::Block;

/// Requests to begin with, before anything is known of a peer: half a megabyte, since some answer twice a second only. Of a
/// small torrent a 16th of its blocks: else all of it is asked of those who have something first, and nothing is left to ask
/// of the others.
const FIRST: RangeInclusive<usize> = 4..=32;
const FIRST_PART: u64 = 16;
/// The fewest there ever are, so that a slow peer does not run dry; of a small torrent a 32nd of its blocks.
const FEWEST: RangeInclusive<usize> = 2..=8;
const FEWEST_PART: u64 = 32;
/// So many seconds' worth of requests are under way.
const AHEAD: u64 = 4;
/// So many seconds pass until it is believed that a peer is slow.
const YOUNG: u32 = 4;

/// One peer of a torrent.
#[derive(Debug)]
pub(super) struct Peer {
    /// Whether it speaks the Fast extension (BEP 6).
    pub(super) fast: bool,
    pub(super) has: Bitfield,
    /// How many of those are wanted.
    pub(super) interesting: u32,
    /// It says that it takes nothing more (BEP 21).
    pub(super) upload_only: bool,
    pub(super) download: Download,
    pub(super) upload: Upload,
}

/// What comes from it.
#[derive(Debug)]
pub(super) struct Download {
    /// Whether it was told that it has something for us.
    pub(super) is_interested: bool,
    /// Whether it answers no requests.
    pub(super) is_choked: bool,
    /// The blocks that it was asked for and has not sent, by piece and number; in the order in which they were asked.
    pub(super) asked: VecDeque<(u32, u32)>,
    /// How many there may be.
    window: usize,
    /// How many there may be at least.
    fewest: usize,
    /// Seconds in which it had something to send.
    age: u32,
    /// How many it takes, as it says.
    reqq: Option<usize>,
    pub(super) rate: Rate,
    /// When it last sent a block; or when the first of those was asked for that it has to send.
    heard: Instant,
    /// It was asked, and has sent nothing for too long.
    pub(super) is_snubbed: bool,
    /// Requests that it has turned down since it last sent something.
    rejected: usize,
    /// Blocks that others were asked for too, and sent sooner; they may be on their way all the same.
    called_off: usize,
    /// Blocks that it did not send for too long, and need not send any more; it may do so all the same.
    late: usize,
    /// Blocks that nobody had asked it for, and nobody needed.
    unasked: usize,
}

/// What a block that comes was for the one it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// It was asked for it.
    Open,
    /// It and others were asked for it, or for another one, and it was told too late that it need not send it.
    CalledOff,
    /// It was asked for it, or for another one, and let us wait until others were asked instead.
    Late,
    /// It was not asked for it.
    Never,
}

/// What goes to it.
#[derive(Debug)]
pub(super) struct Upload {
    /// Whether it says that there is something for it.
    pub(super) is_interested: bool,
    /// Whether its requests are not answered.
    pub(super) is_choked: bool,
    /// When it came.
    came: Instant,
    /// When its choke last changed.
    changed: Option<Instant>,
    /// What it waits for.
    pub(super) asked: VecDeque<Block>,
    pub(super) rate: Rate,
}

impl Peer {
    pub(super) fn new(fast: bool, geometry: &Geometry, now: Instant) -> Self {
        Self {
            fast,
            has: Bitfield::none(geometry.pieces()),
            interesting: 0,
            upload_only: false,
            download: Download {
                is_interested: false,
                is_choked: true,
                asked: VecDeque::new(),
                window: part_of(geometry, FIRST_PART, FIRST),
                fewest: part_of(geometry, FEWEST_PART, FEWEST),
                age: 0,
                reqq: None,
                rate: Rate::default(),
                heard: now,
                is_snubbed: false,
                rejected: 0,
                called_off: 0,
                late: 0,
                unasked: 0,
            },
            upload: Upload {
                is_interested: false,
                is_choked: true,
                came: now,
                changed: None,
                asked: VecDeque::new(),
                rate: Rate::default(),
            },
        }
    }
}

/// Such a part of a torrent's blocks.
fn part_of(geometry: &Geometry, part: u64, range: RangeInclusive<usize>) -> usize {
    let blocks = geometry.length() / u64::from(super::BLOCK) / part;
    usize::try_from(blocks).unwrap_or(usize::MAX).clamp(*range.start(), *range.end())
}

impl Download {
    pub(super) fn set_reqq(&mut self, reqq: usize) {
        self.reqq = Some(reqq.max(1));
    }

    /// Whether one more block may be asked for.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.is_interested && !self.is_choked && self.asked.len() < self.window(limits)
    }

    /// How many requests may be under way: never more than the peer takes. Beyond that some drop what they are
    /// asked, and say nothing.
    fn window(&self, limits: &Limits) -> usize {
        let takes = self.reqq.unwrap_or(limits.unsaid_requests);
        if self.is_snubbed { 1 } else { self.window.min(takes).min(limits.requests) }
    }

    pub(super) fn ask(&mut self, piece: u32, index: u32, now: Instant) {
        if self.asked.is_empty() {
            self.heard = now;
        }
        self.asked.push_back((piece, index));
    }

    /// A block was asked for, and is not any more; whether it was.
    pub(super) fn forget(&mut self, piece: u32, index: u32) -> bool {
        let place = self.asked.iter().position(|asked| *asked == (piece, index));
        place.and_then(|place| self.asked.remove(place)).is_some()
    }

    /// A block that it was asked for has come from another.
    pub(super) fn call_off(&mut self, piece: u32, index: u32) {
        self.called_off += usize::from(self.forget(piece, index));
    }

    /// Nothing that it was asked for need be sent: others are asked.
    pub(super) fn let_be(&mut self, count: usize) {
        self.late += count;
    }

    /// A block has come: what became of the request for it. None is under way any more.
    pub(super) fn take_request(&mut self, piece: u32, index: u32) -> Request {
        if self.forget(piece, index) { Request::Open } else { self.take_called_off() }
    }

    /// What need not be sent has come, or will not: why it need not. `Never` if there is nothing of the kind.
    pub(super) fn take_called_off(&mut self) -> Request {
        let (count, request) = match self.called_off {
            0 => (&mut self.late, Request::Late),
            _ => (&mut self.called_off, Request::CalledOff),
        };
        let is_one = *count > 0;
        *count -= usize::from(is_one);
        if is_one { request } else { Request::Never }
    }

    /// A block has come that it was not asked for, and that is of no use; how many have.
    pub(super) fn handle_unasked(&mut self) -> usize {
        self.unasked += 1;
        self.unasked
    }

    /// A block has come that is of use. For each that comes two may be asked for, until a few seconds' worth are under way: a peer
    /// that answers in pulses shows what it can only if it is asked for more than it has sent so far.
    pub(super) fn handle_block(&mut self, bytes: u32, now: Instant) {
        self.rate.add(bytes);
        self.heard = now;
        self.is_snubbed = false;
        self.rejected = 0;
        if self.window < self.worth() {
            self.window += 1;
        }
    }

    /// A second has passed.
    pub(super) fn tick(&mut self) {
        self.rate.tick();
        self.age += u32::from(!self.asked.is_empty());
        if self.age > YOUNG {
            self.window = self.window.min(self.worth());
        }
    }

    /// As many requests as it answers in a few seconds.
    fn worth(&self) -> usize {
        let blocks = self.rate.at_best().saturating_mul(AHEAD) / u64::from(super::BLOCK);
        usize::try_from(blocks).unwrap_or(usize::MAX).max(self.fewest)
    }

    /// How long it will take for all that it was asked, if it goes on as it does.
    pub(super) fn time_left(&self) -> Duration {
        let bytes = self.asked.len() as u64 * u64::from(super::BLOCK);
        Duration::from_millis(bytes.saturating_mul(1_000) / self.rate.per_second().max(1))
    }

    /// It has turned a request down; how often it has done so in a row.
    pub(super) fn handle_reject(&mut self) -> usize {
        self.rejected += 1;
        self.window = self.fewest;
        self.rejected
    }

    /// Whether it has let us wait for too long. It is known from then on.
    pub(super) fn is_silent(&mut self, patience: Duration, now: Instant) -> bool {
        let waits = !self.asked.is_empty() && now.saturating_duration_since(self.heard) >= patience;
        if waits {
            self.heard = now;
            self.is_snubbed = true;
        }
        waits
    }
}

impl Upload {
    /// Whether its choke never changed: it has had no turn yet.
    pub(super) fn is_new(&self) -> bool {
        self.changed.is_none()
    }

    /// When its choke changed last, or it came.
    pub(super) fn since(&self) -> Instant {
        self.changed.unwrap_or(self.came)
    }

    /// Whether it is long enough ago that its choke changed.
    pub(super) fn may_change(&self, limits: &Limits, now: Instant) -> bool {
        self.changed.is_none_or(|then| now.saturating_duration_since(then) >= limits.round)
    }

    pub(super) fn set_choked(&mut self, choked: bool, now: Instant) {
        self.is_choked = choked;
        self.changed = Some(now);
    }
}
