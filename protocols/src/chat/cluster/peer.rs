//! What is known of one other node: how far it was followed, or what is missing of it.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use super::limits::Limits;
use super::wire::Head;
use crate::chat::wire::node::NodeName;

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
    head: Head,
    pub(super) heard: Instant,
    /// How often it says that it is there, if it has told so.
    beat: Duration,
    /// The numbers of the last that it has said to this node alone: among all such, and among those for this node.
    direct: (u64, Option<u64>),
    /// How much was said to it alone, and with how many heartbeats it is still to be told so.
    said: (u64, u8),
    state: State<E>,
}

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// That of a life which has ended.
    Past,
    Present,
    /// It begins one, and was shown or not until now.
    Next {
        was_shown: bool,
    },
}

/// Heartbeats of a node that may be lost before it is.
const MISSED: u32 = 3;
/// What is slower is taken for this, so that whoever says too much is lost at last.
const SLOWEST: Duration = Duration::from_secs(60);
/// Heartbeats with which a node is told how much was said to it: as many as there are in a silence.
const REPEATED: u8 = 5;

#[derive(Debug)]
enum State<E> {
    Asking(Asking<E>),
    Following { sequence: u64 },
}

#[derive(Debug)]
struct Asking<E> {
    /// What has been shown of it, if anything was: all up to there. A snapshot of what was before is none.
    shown: Option<u64>,
    /// When it is asked again, and how long it is waited then.
    again: Instant,
    pause: Duration,
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
    pub(super) fn new(node: &NodeName, epoch: u64, now: Instant) -> Self {
        Self {
            epoch,
            head: Head::of(node, epoch),
            heard: now,
            beat: Duration::ZERO,
            direct: (0, None),
            said: (0, 0),
            state: State::Asking(Asking::new(None, now)),
        }
    }

    /// It says something, in that life. The latest counts. Another one begins with a larger epoch; with a smaller one, by a
    /// clock that was set back, if nothing is heard of the one before any more.
    pub(super) fn live(
        &mut self,
        now: Instant,
        node: &NodeName,
        epoch: u64,
        limits: &Limits,
    ) -> Life {
        let is_silent = self.heard + 2 * self.beat.max(limits.heartbeat) <= now;
        match epoch.cmp(&self.epoch) {
            Ordering::Less if !is_silent => return Life::Past,
            Ordering::Equal => {
                self.heard = now;
                return Life::Present;
            }
            Ordering::Less | Ordering::Greater => {}
        }
        let was_shown = self.is_shown();
        *self = Self { said: self.said, beat: self.beat, ..Self::new(node, epoch, now) };
        Life::Next { was_shown }
    }

    /// It says that it is there so often.
    pub(super) fn note_beat(&mut self, beat: Duration) {
        self.beat = beat.min(SLOWEST);
    }

    /// The silence after which it is lost.
    pub(super) fn patience(&self, limits: &Limits) -> Duration {
        patience(self.beat, limits)
    }

    /// What it says in this message, if that is the next that it has published for all.
    pub(super) fn take_next<'a>(&mut self, now: Instant, payload: &'a [u8]) -> Option<&'a [u8]> {
        let (number, effects) = self.head.read(payload)?;
        let State::Following { sequence } = &mut self.state else { return None };
        if sequence.checked_add(1) != Some(number) {
            return None;
        }
        (*sequence, self.heard) = (number, now);
        Some(effects)
    }

    /// It has published that, for all.
    pub(super) fn handle_effects(&mut self, now: Instant, sequence: u64) -> Verdict {
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
    pub(super) fn handle_mark(&mut self, now: Instant, sequence: u64) -> Verdict {
        match self.state {
            State::Asking(_) => Verdict::Hold,
            State::Following { sequence: last } if sequence <= last => Verdict::Take,
            State::Following { .. } => self.miss(now),
        }
    }

    /// It has said something to this node alone. If that has not come before: how much before it has not come at all. Then
    /// its picture is doubted, as of whom one does not hear all.
    pub(super) fn handle_direct(
        &mut self,
        now: Instant,
        number: u64,
        nth: Option<u64>,
    ) -> Option<u64> {
        if number <= self.direct.0 {
            return None;
        }
        self.direct.0 = number;
        Some(nth.map_or(0, |nth| {
            let missing = self.miss_direct(now, nth.saturating_sub(1));
            self.direct.1 = Some(nth);
            missing
        }))
    }

    /// So much has it said to this node alone; how much of it has not come.
    pub(super) fn miss_direct(&mut self, now: Instant, told: u64) -> u64 {
        // When this node had not heard of it yet, that was for nobody.
        let missing = self.direct.1.map_or(0, |last| told.saturating_sub(last));
        self.direct.1 = Some(told);
        if missing > 0 && matches!(self.state, State::Following { .. }) {
            self.miss(now);
        }
        missing
    }

    /// Something is said to it alone: as the how-manieth.
    pub(super) fn say(&mut self) -> u64 {
        self.said = (self.said.0 + 1, REPEATED);
        self.said.0
    }

    /// How much was said to it alone, if that is to be told with this heartbeat.
    pub(super) fn poll_said(&mut self) -> Option<u64> {
        self.said.1 = self.said.1.checked_sub(1)?;
        Some(self.said.0)
    }

    /// Keeps what it has said until its snapshot is there; how many messages had to be dropped for that.
    pub(super) fn hold(&mut self, payload: &[u8], limits: &Limits) -> usize {
        let State::Asking(asking) = &mut self.state else { return 0 };
        let mut dropped = 0;
        asking.held_bytes += payload.len();
        if asking.held_bytes > limits.held {
            // The snapshot will be of before that, so a gap is seen, and it is asked again.
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
        part: Part<E>,
        limits: &Limits,
    ) -> Option<Complete<E>> {
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

    /// Whether it is to be asked for a snapshot now. If so, it is asked again after a while, which is longer each time: what
    /// it has may be too much to be sent.
    pub(super) fn poll_ask(&mut self, now: Instant, limits: &Limits) -> bool {
        match &mut self.state {
            State::Asking(asking) if asking.again <= now => {
                asking.pause = (2 * asking.pause).clamp(limits.ask, limits.silence.max(limits.ask));
                asking.again = now + asking.pause;
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

    /// Something is missing.
    fn miss(&mut self, now: Instant) -> Verdict {
        self.state = State::Asking(Asking::new(self.followed(), now));
        Verdict::Hold
    }
}

/// The silence after which a node is lost that says so often that it is there.
pub(super) fn patience(beat: Duration, limits: &Limits) -> Duration {
    limits.silence.max(MISSED * beat.min(SLOWEST))
}

impl<E> Asking<E> {
    fn new(shown: Option<u64>, now: Instant) -> Self {
        let (pause, parts) = (Duration::ZERO, Parts::new(0, 0));
        Self { shown, again: now, pause, parts, held: Vec::new(), held_bytes: 0 }
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
