//! When a window is sent again (RFC 7440), before its sender's patience is at an end: when to ask whether
//! something is missing, and when to believe it.
//!
//! An acknowledgement in the middle of a window, or one that comes again, may mean that a block is lost,
//! and all behind it thrown away; or that one came twice, or late, and nothing is missing at all. Firmware
//! says the same in both cases. So whoever goes back at once sends for one block that came twice the rest
//! of the file twice: each block that is sent in vain brings one more such acknowledgement. What tells the
//! two apart is what comes next. If nothing is missing, the peer goes on by itself, as long as it is sent
//! the new blocks that it has room for.
//!
//! Where no block follows the one that is lost, nobody says anything. Then the last that was sent goes
//! again, alone (as in TCP, RFC 8985, section 7): the peer is happy with it, or says what it lacks.

use std::time::{Duration, Instant};

use super::{Flow, Phase, Transfer};

impl Transfer {
    /// When a window is to be sent again, or asked about, if it is not acknowledged before.
    pub(super) fn window_due(&self) -> Option<Instant> {
        match (&self.phase, &self.flow) {
            (Phase::Moving, Flow::Sending(sending))
                if sending.has_windows() && sending.is_waiting() =>
            {
                self.window_resend.due(self.clock.pace(sending.unacknowledged()))
            }
            _ => None,
        }
    }

    /// A window has not been acknowledged for a while.
    pub(super) fn resend_window(&mut self) {
        if let Flow::Sending(sending) = &mut self.flow {
            match self.window_resend.handle_timeout() {
                Some(Resend::LastBlock) => sending.send_last_again(),
                Some(Resend::Window) => sending.go_back(),
                None => {}
            }
        }
    }
}

/// How it stands with the oldest block that is not acknowledged.
///
/// ```text
///           the last again              all of it again          the last again
///   Calm ──silence──▶ Asked ──silence──▶ GoneBack ──silence──▶ AskedAgain    then patience alone
///     │                 │                 ▲ │  ▲                   │
///     └──hint─┐  ┌─hint─┘      ┌──doubt───┘ └──┼─hint: an echo     │
///             ▼  ▼             │               │                   │
///            Doubtful ─────────┘◀──────────────┼────────hint───────┘
///                                              │
///   progress: Calm; in the middle of a window: Doubtful
/// ```
///
/// It goes back once, and again only if the peer, asked anew, still lacks that block: of what is sent in
/// vain, each block may come back as a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calm,
    Asked,
    Doubtful,
    GoneBack,
    AskedAgain,
}

/// What is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resend {
    /// The last block that was sent goes again.
    LastBlock,
    /// Everything that is not acknowledged goes again.
    Window,
}

/// Watches one window after the other.
#[derive(Debug)]
pub(super) struct WindowResend {
    state: State,
    /// When something was last sent, or acknowledged.
    since: Instant,
    /// How often something was sent again since a round trip could last be measured. Each time doubles the
    /// waits: if the peer takes longer than it seemed to, nothing had to be done.
    resends: u32,
}

/// What the waits are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The longest that an answer takes, as far as that has been measured.
    pub(super) round_trip: Option<Duration>,
    /// The shortest wait of a sender without hints, of which these are fractions, and more than which
    /// none of them grows.
    pub(super) shortest: Duration,
    /// Blocks that are not acknowledged: a peer needs its time for each.
    pub(super) blocks: u32,
}

/// Blocks that take a peer no time worth mentioning.
const FEW: u32 = 16;

impl WindowResend {
    pub(super) fn new(now: Instant) -> Self {
        Self { state: State::Calm, since: now, resends: 0 }
    }

    /// Blocks have been acknowledged: all that were sent, or some in the middle of a window.
    pub(super) fn handle_progress(&mut self, is_all: bool, now: Instant) {
        if matches!(self.state, State::Asked | State::GoneBack | State::AskedAgain) {
            self.resends += 1;
        }
        self.state = if is_all { State::Calm } else { State::Doubtful };
        self.since = now;
    }

    /// The newest acknowledgement has come again.
    pub(super) fn handle_hint(&mut self) {
        match self.state {
            State::Calm | State::Asked => self.state = State::Doubtful,
            State::AskedAgain => {
                self.resends += 1;
                self.state = State::Doubtful;
            }
            State::Doubtful | State::GoneBack => {}
        }
    }

    /// A block is sent.
    pub(super) fn handle_sent(&mut self, now: Instant) {
        self.since = now;
    }

    /// A round trip has been measured, so the waits are right again.
    pub(super) fn handle_round_trip(&mut self) {
        self.resends = 0;
    }

    /// The peer is asked for another reason.
    pub(super) fn handle_asked(&mut self) {
        match self.state {
            State::Calm => self.state = State::Asked,
            State::GoneBack => self.state = State::AskedAgain,
            State::Asked | State::Doubtful | State::AskedAgain => {}
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    fn due(&self, pace: Pace) -> Option<Instant> {
        let wait = match self.state {
            State::Calm | State::Asked | State::GoneBack => pace.silence(),
            State::Doubtful => pace.doubt(),
            State::AskedAgain => return None,
        };
        let longest = wait.max(pace.shortest);
        self.since.checked_add(wait.saturating_mul(1 << self.resends.min(6)).min(longest))
    }

    /// It has come due.
    fn handle_timeout(&mut self) -> Option<Resend> {
        let (state, resend) = match self.state {
            State::Calm => (State::Asked, Resend::LastBlock),
            State::GoneBack => (State::AskedAgain, Resend::LastBlock),
            State::Asked | State::Doubtful => (State::GoneBack, Resend::Window),
            State::AskedAgain => return None,
        };
        self.state = state;
        Some(resend)
    }
}

impl Pace {
    /// How long a peer may say nothing: a tenth of the shortest wait, 20 ms by default. A block that is
    /// sent for nothing costs little.
    fn silence(self) -> Duration {
        self.at_least(self.shortest / 10 + self.many())
    }

    /// How long a peer that has hinted at a gap may take to go on: 3 ms by default. All that it could be
    /// waiting for has been sent.
    fn doubt(self) -> Duration {
        self.at_least(self.shortest * 3 / 200 + self.many())
    }

    /// How much longer many blocks take: 100 µs each by default, as one of 1,428 bytes does in a network of
    /// 100 Mbit/s.
    fn many(self) -> Duration {
        self.shortest / 2_000 * self.blocks.saturating_sub(FEW)
    }

    /// Nothing is done before an answer can be here.
    fn at_least(self, wait: Duration) -> Duration {
        self.round_trip.unwrap_or(self.shortest).max(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn pace(round_trip: u32) -> Pace {
        Pace { round_trip: Some(MILLISECOND * round_trip), shortest: 200 * MILLISECOND, blocks: 8 }
    }

    #[test]
    fn silence_is_asked_about_then_believed_and_asked_about_once_more() {
        let now = Instant::now();
        let mut resend = WindowResend::new(now);
        let mut resends = Vec::new();
        while let Some(due) = resend.due(pace(1)) {
            resends.extend(resend.handle_timeout().map(|what| (due - now, what)));
        }
        let expected = [(20, Resend::LastBlock), (20, Resend::Window), (20, Resend::LastBlock)];
        assert_eq!(resends, expected.map(|(wait, what)| (MILLISECOND * wait, what)));
    }

    #[test]
    fn a_hint_is_believed_soon_and_its_echoes_are_not() {
        let now = Instant::now();
        let mut resend = WindowResend::new(now);
        resend.handle_hint();
        assert_eq!(resend.due(pace(1)), Some(now + 3 * MILLISECOND));
        assert_eq!(resend.handle_timeout(), Some(Resend::Window));
        resend.handle_hint();
        assert_eq!(resend.handle_timeout(), Some(Resend::LastBlock));
        // Asked anew, it still lacks that.
        resend.handle_hint();
        assert_eq!(resend.handle_timeout(), Some(Resend::Window));
    }

    #[test]
    fn nothing_is_done_before_an_answer_can_be_here() {
        let now = Instant::now();
        let mut resend = WindowResend::new(now);
        assert_eq!(resend.due(pace(300)), Some(now + 300 * MILLISECOND));
        resend.handle_hint();
        assert_eq!(resend.due(pace(300)), Some(now + 300 * MILLISECOND));
    }

    /// Otherwise everything might be sent twice to a peer that has become slower.
    #[test]
    fn what_was_done_in_vain_is_done_later_next_time() {
        let now = Instant::now();
        let mut resend = WindowResend::new(now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            resend.handle_progress(false, now);
            waits.push(resend.due(pace(1)).expect("it is waited for") - now);
            assert_eq!(resend.handle_timeout(), Some(Resend::Window));
        }
        assert_eq!(waits, [3, 6, 12, 24, 48, 96, 192, 192].map(|wait| MILLISECOND * wait));
        resend.handle_progress(false, now);
        resend.handle_round_trip();
        assert_eq!(resend.due(pace(1)), Some(now + 3 * MILLISECOND));
    }
}
