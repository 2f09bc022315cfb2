//! When a packet is sent again, and when it is given up.
//!
//! ```text
//!   sent ──interval──▶ again ──2 × interval──▶ again ──4 ×──▶ …      never more than `longest` apart
//!                                                                    `tries` in a row: given up
//!   who receives windows asks for more after three quarters of that
//!   interval:  agreed on (RFC 2349), and the second one not doubled; else measured (RFC 6298), else `first`
//! ```

use std::time::{Duration, Instant};

use super::window_resend::Pace;

/// How patiently packets are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long to wait for the first answer, until a round trip has been measured.
    ///
    /// Default 1 s (RFC 6298, section 2): longer than any round trip on Earth, by the measure of people
    /// still soon.
    pub first: Duration,

    /// The shortest wait, however fast the peer has been.
    ///
    /// Default 200 ms, as in Linux's TCP: a peer may be busy with something else for a while, and what
    /// is sent too early is sent in vain.
    ///
    /// Where blocks are sent in windows, something is done about one that is not acknowledged before that,
    /// as soon as an answer can be here: after a tenth of this its last block is sent again, then all of
    /// it once; and after 3/200 at once, if the peer has hinted at a gap. By default these are 20 ms and
    /// 3 ms, and 0.1 ms more for each block beyond sixteen.
    pub shortest: Duration,

    /// The longest wait. One that was agreed on counts, even if it is longer.
    ///
    /// Default 4 s: so that whoever comes back from a gap in the radio goes on soon.
    pub longest: Duration,

    /// How often a packet is sent again in a row, with nothing new from the peer, before it is given
    /// up.
    ///
    /// Default 12: with the default waits a peer that is gone is found out in less than a minute. On a
    /// path that loses a fifth of everything, of three exchanges one fails, and thirteen in a row do
    /// about once in 500,000 blocks.
    pub tries: u32,

    /// The same for a server that has yet to be answered.
    ///
    /// Default 4. It cannot know whether whoever asked is there, since UDP lets anybody claim any
    /// address: a victim gets no more than five packets for each that somebody forges.
    pub first_tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            shortest: Duration::from_millis(200),
            longest: Duration::from_secs(4),
            tries: 12,
            first_tries: 4,
        }
    }
}

/// The clock of one side of a transfer.
#[derive(Clone, Debug)]
pub(super) struct Retransmission {
    patience: Patience,
    /// The wait that both sides have agreed on.
    agreed: Option<Duration>,
    measured: Option<RoundTrip>,
    /// How often in a row it has come due.
    tries: u32,
    due: Option<Instant>,
    /// When it was made: the first packet left then.
    begin: Instant,
    role: Role,
}

/// Who of two asks first, when both wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    AsksLast,
    AsksFirst,
}

/// The peer is silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GivenUp;

impl Retransmission {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        let (tries, role) = (0, Role::AsksLast);
        let mut clock =
            Self { patience, agreed: None, measured: None, tries, due: None, begin: now, role };
        clock.arm(now);
        clock
    }

    /// This side receives, several blocks at a time: from now on it is the first to ask. It knows what
    /// is missing; a sender whose patience ends at the same moment would send what has arrived already.
    pub(super) fn ask_first(&mut self) {
        self.role = Role::AsksFirst;
    }

    /// Both sides have agreed on a wait.
    pub(super) fn agree(&mut self, wait: Option<Duration>) {
        self.agreed = wait;
    }

    /// Something was sent, and something else has to come back for it.
    pub(super) fn arm(&mut self, now: Instant) {
        self.due = now.checked_add(self.interval());
    }

    /// It comes due after so long, if not before.
    pub(super) fn hurry(&mut self, wait: Duration, now: Instant) {
        let soon = now.checked_add(wait);
        self.due = [self.due, soon].into_iter().flatten().min();
    }

    /// Nothing is waited for.
    pub(super) fn rest(&mut self) {
        self.due = None;
    }

    /// Something new has come; what is sent next has all its tries before it.
    pub(super) fn handle_progress(&mut self, now: Instant) {
        self.tries = 0;
        self.arm(now);
    }

    /// How long the answer took to the first packet of all, if that was sent once.
    pub(super) fn first_answer(&self, now: Instant) -> Option<Duration> {
        (self.tries == 0).then(|| now.saturating_duration_since(self.begin))
    }

    /// How long an answer took, to something that was sent once (Karn's algorithm).
    pub(super) fn handle_round_trip(&mut self, sample: Duration) {
        self.measured = Some(match self.measured {
            None => RoundTrip::first(sample),
            Some(measured) => measured.with(sample),
        });
    }

    /// It has come due: so it is time to send again, unless that was often enough.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        to_stranger: bool,
    ) -> Result<(), GivenUp> {
        let Patience { tries, first_tries, .. } = self.patience;
        if self.tries >= if to_stranger { first_tries } else { tries } {
            return Err(GivenUp);
        }
        self.tries += 1;
        self.arm(now);
        Ok(())
    }

    /// How often in a row it has come due.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// What a sender's earlier waits are made of, while so many blocks are not acknowledged.
    pub(super) fn pace(&self, blocks: u32) -> Pace {
        let round_trip = self.measured.map(RoundTrip::timeout);
        Pace { round_trip, shortest: self.patience.shortest, blocks }
    }

    /// When it comes due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The round trip as far as it is known, smoothed.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.measured.map(|measured| measured.smoothed)
    }

    /// The longest time between two tries: what the other side may have come to by now.
    pub(super) fn longest_interval(&self) -> Duration {
        self.patience.longest.max(self.agreed.unwrap_or_default())
    }

    /// How long an answer is waited for.
    fn interval(&self) -> Duration {
        let Patience { first, shortest, longest, .. } = self.patience;
        let base = self.agreed.unwrap_or_else(|| match self.measured {
            Some(measured) => measured.timeout().max(shortest),
            None => first,
        });
        // Who was asked to wait so long (RFC 2349) waits as long once more, and only then doubles.
        let doublings = self.tries.saturating_sub(self.agreed.is_some().into());
        // At most six: `longest` is reached before that, whatever the first was.
        let wait = base.saturating_mul(1 << doublings.min(6)).min(longest.max(base));
        match self.role {
            Role::AsksLast => wait,
            Role::AsksFirst => wait * 3 / 4,
        }
    }
}

/// The round trip, smoothed, and how much it varies (RFC 6298, section 2).
#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    fn first(sample: Duration) -> Self {
        Self { smoothed: sample, variation: sample / 2 }
    }

    fn with(self, sample: Duration) -> Self {
        let deviation = self.smoothed.abs_diff(sample);
        Self {
            smoothed: (self.smoothed * 7 + sample) / 8,
            variation: (self.variation * 3 + deviation) / 4,
        }
    }

    fn timeout(self) -> Duration {
        self.smoothed + self.variation * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest_and_then_it_is_given_up() {
        let mut now = Instant::now();
        let begin = now;
        let mut clock = Retransmission::new(Patience::default(), now);
        let mut waits = Vec::new();
        loop {
            let due = clock.due().expect("it is armed");
            waits.push((due - now).as_secs());
            now = due;
            if clock.handle_timeout(now, false) == Err(GivenUp) {
                break;
            }
        }
        assert_eq!(waits, [1, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(now - begin, 47 * SECOND);
        clock.handle_progress(now);
        assert_eq!(clock.due(), Some(now + SECOND));
    }

    #[test]
    fn a_stranger_is_given_up_earlier() {
        let now = Instant::now();
        let mut clock = Retransmission::new(Patience::default(), now);
        let tries = std::iter::repeat_with(|| clock.handle_timeout(now, true));
        assert_eq!(tries.take_while(Result::is_ok).count(), 4);
    }

    #[test]
    fn a_fast_peer_is_waited_for_less_and_an_agreement_counts_more() {
        let mut clock = Retransmission::new(Patience::default(), Instant::now());
        assert_eq!(clock.interval(), SECOND);
        clock.handle_round_trip(Duration::from_millis(1));
        assert_eq!(clock.interval(), Duration::from_millis(200));
        for _ in 0..100 {
            clock.handle_round_trip(Duration::from_millis(400));
        }
        assert!(clock.interval() >= Duration::from_millis(400));
        assert!(clock.interval() < Duration::from_millis(500));
        clock.agree(Some(20 * SECOND));
        assert_eq!(clock.interval(), 20 * SECOND);
        clock.ask_first();
        assert_eq!(clock.interval(), 15 * SECOND);
    }
}
