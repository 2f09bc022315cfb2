//! What is known of one other node: how far it was followed, or what is missing of it.

use std::cmp::Ordering;
use std::time::Instant;

use super::limits::Limits;

/// Another node.
///
/// ```text
///  heard for the first time          all of the snapshot is there
///   ─────────▶ Asking ───────────────────────────────────────────▶ Following ◀─┐ the next one
///                ▲ │ ▲                                                 │  └────┘
///  asked again,  └─┘ └─────────────────────────────────────────────────┘
///  kept meanwhile        a number is missing, or it lives anew
/// ```
///
/// It is lost out of both, by silence or with a goodbye.
#[derive(Debug)]
pub(super) struct Peer<E> {
    pub(super) epoch: u64,
    pub(super) heard: Instant,
    /// The number of the last that it has said to this node alone.
    direct: u64,
    state: State<E>,
}

#[derive(Debug)]
enum State<E> {
    Asking(Asking<E>),
    Following { sequence: u64 },
}

#[derive(Debug)]
struct Asking<E> {
    /// What has been shown of it, if anything was: all up to there. A snapshot of what was before is none.
    shown: Option<u64>,
    /// When it is asked again.
    again: Instant,
    parts: Parts<E>,
    /// What it has said meanwhile.
    held: Vec<Vec<u8>>,
    held_bytes: usize,
}

/// A snapshot of which not everything is there.
#[derive(Debug)]
struct Parts<E> {
    sequence: u64,
    count: usize,
    next: usize,
    bytes: usize,
    effects: Vec<E>,
}

/// What is to be done with something that a node has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the next.
    Take,
    /// Something before it is missing.
    Hold,
    /// It has come before, or is of an earlier life.
    Ignore,
}

/// A part of a snapshot, as it came.
pub(super) struct Part<E> {
    pub(super) sequence: u64,
    pub(super) index: usize,
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) effects: Vec<E>,
}

/// A snapshot with nothing missing.
#[derive(Debug)]
pub(super) struct Complete<E> {
    /// How far it was followed when it was taken.
    pub(super) sequence: u64,
    pub(super) effects: Vec<E>,
    /// How far it had been shown before, if it had been.
    pub(super) shown: Option<u64>,
    /// What it has said meanwhile.
    pub(super) held: Vec<Vec<u8>>,
}

impl<E> Peer<E> {
    pub(super) fn new(epoch: u64, now: Instant) -> Self {
        Self { epoch, heard: now, direct: 0, state: State::Asking(Asking::new(None, now)) }
    }

    /// It has published that, for all.
    pub(super) fn handle_effects(
        &mut self,
        now: Instant,
        epoch: u64,
        sequence: u64,
        limits: &Limits,
    ) -> Verdict {
        if !self.lives(now, epoch, limits) {
            return Verdict::Ignore;
        }
        match &mut self.state {
            State::Asking(_) => Verdict::Hold,
            State::Following { sequence: last } if sequence <= *last => Verdict::Ignore,
            State::Following { sequence: last } if sequence - 1 == *last => {
                *last = sequence;
                Verdict::Take
            }
            State::Following { .. } => self.miss(now),
        }
    }

    /// It had come so far when it said something else.
    pub(super) fn handle_mark(
        &mut self,
        now: Instant,
        epoch: u64,
        sequence: u64,
        limits: &Limits,
    ) -> Verdict {
        if !self.lives(now, epoch, limits) {
            return Verdict::Ignore;
        }
        match self.state {
            State::Asking(_) => Verdict::Hold,
            State::Following { sequence: last } if sequence <= last => Verdict::Take,
            State::Following { .. } => self.miss(now),
        }
    }

    /// Whether what it said to this node alone has not come before.
    pub(super) fn is_new(&mut self, number: u64) -> bool {
        let is_new = number > self.direct;
        self.direct = self.direct.max(number);
        is_new
    }

    /// Keeps what it has said until its snapshot is there; how many messages had to be dropped for that.
    pub(super) fn hold(&mut self, payload: &[u8], limits: &Limits) -> usize {
        let State::Asking(asking) = &mut self.state else { return 0 };
        let mut dropped = 0;
        asking.held_bytes += payload.len();
        if asking.held_bytes > limits.held {
            // The snapshot will be of before that, so a gap is seen, and it is asked again. What was said to this node
            // alone has no number there, and is lost.
            dropped = std::mem::take(&mut asking.held).len();
            asking.held_bytes = payload.len();
        }
        asking.held.push(payload.to_vec());
        dropped
    }

    /// Takes a part of its snapshot. If nothing is missing any more, all of it.
    pub(super) fn handle_part(
        &mut self,
        now: Instant,
        epoch: u64,
        part: Part<E>,
        limits: &Limits,
    ) -> Option<Complete<E>> {
        if !self.lives(now, epoch, limits) {
            return None;
        }
        let State::Asking(asking) = &mut self.state else { return None };
        if asking.shown.is_some_and(|shown| part.sequence < shown) {
            return None;
        }
        let sequence = part.sequence;
        if !asking.parts.take(part, limits) {
            return None;
        }
        asking.again = now + limits.ask;
        if asking.parts.next < asking.parts.count {
            return None;
        }
        let complete = Complete {
            sequence,
            effects: std::mem::take(&mut asking.parts.effects),
            shown: asking.shown,
            held: std::mem::take(&mut asking.held),
        };
        self.state = State::Following { sequence };
        Some(complete)
    }

    /// Whether it is to be asked for a snapshot now. If so, it is asked again after a while.
    pub(super) fn poll_ask(&mut self, now: Instant, limits: &Limits) -> bool {
        match &mut self.state {
            State::Asking(asking) if asking.again <= now => {
                asking.again = now + limits.ask;
                true
            }
            _ => false,
        }
    }

    /// There is a connection again: what was asked may never have left.
    pub(super) fn ask_at_once(&mut self, now: Instant) {
        if let State::Asking(asking) = &mut self.state {
            asking.again = now;
        }
    }

    /// When it is asked again.
    pub(super) fn next_ask(&self) -> Option<Instant> {
        match &self.state {
            State::Asking(asking) => Some(asking.again),
            State::Following { .. } => None,
        }
    }

    /// Whether its users are on this node's picture.
    pub(super) fn is_shown(&self) -> bool {
        match &self.state {
            State::Asking(asking) => asking.shown.is_some(),
            State::Following { .. } => true,
        }
    }

    /// How far it was followed, if nothing is missing.
    pub(super) fn followed(&self) -> Option<u64> {
        match self.state {
            State::Asking(_) => None,
            State::Following { sequence } => Some(sequence),
        }
    }

    /// Whether it says this in the life that counts: the latest. Another one begins here, with a larger epoch; with a
    /// smaller one, by a clock that was set back, if nothing is heard of the one before any more.
    fn lives(&mut self, now: Instant, epoch: u64, limits: &Limits) -> bool {
        let is_silent = self.heard + 2 * limits.heartbeat <= now;
        match epoch.cmp(&self.epoch) {
            Ordering::Less if !is_silent => return false,
            Ordering::Equal => {}
            Ordering::Less | Ordering::Greater => {
                let shown = self.is_shown().then_some(0);
                self.epoch = epoch;
                self.direct = 0;
                self.state = State::Asking(Asking::new(shown, now));
            }
        }
        self.heard = now;
        true
    }

    /// Something is missing.
    fn miss(&mut self, now: Instant) -> Verdict {
        self.state = State::Asking(Asking::new(self.followed(), now));
        Verdict::Hold
    }
}

impl<E> Asking<E> {
    fn new(shown: Option<u64>, now: Instant) -> Self {
        Self { shown, again: now, parts: Parts::new(0, 0), held: Vec::new(), held_bytes: 0 }
    }
}

impl<E> Parts<E> {
    fn new(sequence: u64, count: usize) -> Self {
        Self { sequence, count, next: 0, bytes: 0, effects: Vec::new() }
    }

    /// Whether it was the next part, of this snapshot or, as its first, of another one.
    fn take(&mut self, part: Part<E>, limits: &Limits) -> bool {
        if part.index == 0 {
            *self = Self::new(part.sequence, part.count);
        }
        if (part.sequence, part.count) != (self.sequence, self.count) || part.index != self.next {
            return false;
        }
        self.bytes += part.bytes;
        if self.bytes > limits.snapshot {
            *self = Self::new(0, 0);
            return false;
        }
        self.next += 1;
        self.effects.extend(part.effects);
        true
    }
}
