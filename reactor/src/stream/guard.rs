//! The deadlines of one connection: connecting, closing, idling, and being too slow.
//!
//! Activity only notes the time. One timer a connection looks at those notes when the earliest
//! deadline *could* have come, and otherwise goes back to sleep until the next one could: a busy
//! connection costs one timer a period, however many bytes pass. A connection without deadlines has no
//! guard.

use std::ops::ControlFlow;

use crate::id::Key;
use crate::limits::{MinRate, StreamLimits};
use crate::reason::CloseReason;
use crate::timer::Tick;

pub(crate) struct Guard {
    /// The timer in the wheel, once it is armed.
    pub(crate) timer: Option<Key>,
    /// When connecting or closing has to be done.
    phase_end: Option<(Tick, Phase)>,
    last_read: Tick,
    last_moved: Tick,
    window: Window,
}

#[derive(Clone, Copy)]
pub(crate) enum Phase {
    Connecting,
    Handshaking,
    Closing,
}

/// Whether the timer of a connection's deadlines is set for the right moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadlines {
    Armed,
    /// They have changed, and the timer has to be set anew.
    Changed,
    /// As `Changed`, and closing has to be done by one that has yet to begin. Most connections have nothing to wait
    /// for, and end before it does.
    Closing,
}

impl Deadlines {
    pub(super) fn change(&mut self) {
        if *self == Self::Armed {
            *self = Self::Changed;
        }
    }
}

/// One stretch of time in which a minimum of bytes has to move, if they are owed.
struct Window {
    began: Tick,
    moved: u64,
    /// Whether something was owed when it began: a message that is not complete, a reply not taken.
    owed: bool,
}

/// What the connection is doing, as far as it matters for its deadlines.
#[derive(Clone, Copy)]
pub(crate) struct Doing {
    pub(crate) open: bool,
    pub(crate) reading: bool,
    pub(crate) owes: bool,
}

impl Guard {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            timer: None,
            phase_end: None,
            last_read: now,
            last_moved: now,
            window: Window { began: now, moved: 0, owed: false },
        }
    }

    pub(crate) fn begin(&mut self, phase: Phase, end: Tick) {
        self.phase_end = Some((end, phase));
    }

    /// Ends connecting, or the handshake: the other deadlines count from now on.
    pub(crate) fn opened(&mut self, now: Tick) {
        let timer = self.timer;
        *self = Self { timer, ..Self::new(now) };
    }

    pub(crate) fn note_read(&mut self, bytes: usize, now: Tick) {
        self.last_read = now;
        self.note_moved(bytes, now);
    }

    /// The peer is read again: its silence counts from now on.
    pub(crate) fn note_read_again(&mut self, now: Tick) {
        self.last_read = now;
    }

    /// Lets the silence count anew: the protocol has been asked about it.
    pub(crate) fn note_asked(&mut self, now: Tick) {
        self.last_read = now;
        self.last_moved = now;
    }

    pub(crate) fn note_moved(&mut self, bytes: usize, now: Tick) {
        self.last_moved = now;
        self.window.moved += bytes as u64;
    }

    /// Whether a deadline has passed, and if not, when to look again.
    pub(crate) fn check(
        &mut self,
        now: Tick,
        limits: &StreamLimits,
        doing: Doing,
    ) -> ControlFlow<CloseReason, Option<Tick>> {
        let mut next = Tick::MAX;
        if let Some((end, phase)) = self.phase_end {
            if end <= now {
                return ControlFlow::Break(phase.reason());
            }
            next = end;
        }
        if doing.open {
            if !doing.reading {
                // A peer that we do not read cannot be blamed for its silence.
                self.last_read = now;
            }
            for (since, limit, reason) in [
                (self.last_moved, limits.idle_timeout, CloseReason::IdleTimeout),
                (self.last_read, limits.read_timeout, CloseReason::ReadTimeout),
            ] {
                let Some(limit) = limit else { continue };
                let end = since.saturating_add(ticks(limit));
                if end <= now {
                    return ControlFlow::Break(reason);
                }
                next = next.min(end);
            }
            if let Some(rate) = limits.min_rate {
                next = next.min(self.window.check(now, rate, doing.owes)?);
            }
        }
        ControlFlow::Continue((next < Tick::MAX).then_some(next))
    }
}

impl Phase {
    fn reason(self) -> CloseReason {
        match self {
            Self::Connecting => CloseReason::ConnectTimeout,
            Self::Handshaking => CloseReason::HandshakeTimeout,
            Self::Closing => CloseReason::CloseTimeout,
        }
    }
}

impl Window {
    fn check(&mut self, now: Tick, rate: MinRate, owes: bool) -> ControlFlow<CloseReason, Tick> {
        let length = ticks(rate.window);
        let end = self.began.saturating_add(length);
        if now < end {
            return ControlFlow::Continue(end);
        }
        let least = u64::from(rate.bytes_per_second) * length / 1_000;
        if self.owed && owes && self.moved < least {
            return ControlFlow::Break(CloseReason::TooSlow);
        }
        *self = Self { began: now, moved: 0, owed: owes };
        ControlFlow::Continue(now.saturating_add(length))
    }
}

/// A limit in ticks: at least one, so that a zero limit does not spin.
fn ticks(limit: std::time::Duration) -> Tick {
    Tick::try_from(limit.as_millis()).unwrap_or(Tick::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const READING: Doing = Doing { open: true, reading: true, owes: false };

    fn limits(idle_ms: u64) -> StreamLimits {
        StreamLimits { idle_timeout: Some(Duration::from_millis(idle_ms)), ..Default::default() }
    }

    #[test]
    fn activity_moves_the_idle_deadline_when_it_is_next_looked_at() {
        let mut guard = Guard::new(0);
        guard.note_moved(1, 70);
        assert_eq!(guard.check(100, &limits(100), READING).continue_value(), Some(Some(170)));
        assert!(matches!(
            guard.check(170, &limits(100), READING),
            ControlFlow::Break(CloseReason::IdleTimeout)
        ));
    }

    #[test]
    fn a_peer_that_is_not_read_is_not_timed_out() {
        let limits =
            StreamLimits { read_timeout: Some(Duration::from_millis(50)), ..Default::default() };
        let mut guard = Guard::new(0);
        let held = Doing { reading: false, ..READING };
        assert_eq!(guard.check(60, &limits, held).continue_value(), Some(Some(110)));
        assert!(guard.check(110, &limits, READING).is_break());
    }

    #[test]
    fn a_trickle_is_too_slow_only_while_something_is_owed() {
        let rate = MinRate { bytes_per_second: 100, window: Duration::from_secs(1) };
        let limits = StreamLimits { min_rate: Some(rate), ..Default::default() };
        let owing = Doing { owes: true, ..READING };
        let mut guard = Guard::new(0);
        assert_eq!(guard.check(1_000, &limits, READING).continue_value(), Some(Some(2_000)));
        assert_eq!(guard.check(2_000, &limits, owing).continue_value(), Some(Some(3_000)));
        guard.note_read(100, 2_500);
        assert_eq!(guard.check(3_000, &limits, owing).continue_value(), Some(Some(4_000)));
        guard.note_read(99, 3_500);
        assert!(matches!(
            guard.check(4_000, &limits, owing),
            ControlFlow::Break(CloseReason::TooSlow)
        ));
    }

    #[test]
    fn closing_has_a_deadline_whatever_else_moves() {
        let mut guard = Guard::new(0);
        guard.begin(Phase::Closing, 10);
        guard.note_moved(1_000, 9);
        let closing = Doing { open: false, reading: false, owes: true };
        assert_eq!(guard.check(9, &limits(1), closing).continue_value(), Some(Some(10)));
        assert!(matches!(
            guard.check(10, &limits(1), closing),
            ControlFlow::Break(CloseReason::CloseTimeout)
        ));
    }
}
