//! What can go wrong in a simulated network: the kinds of fault, how often each happens, and how
//! often each has happened.

use std::fmt;

use super::{Choices, Rate};

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $typical:expr;)*) => {
        /// One kind of fault. A network counts how often each has happened, so that a search in which
        /// one never did can be told from one that was passed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All there are, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// A few words for a table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// How often it happens where it is drawn at all, at most.
            const fn typical(self) -> Rate {
                match self {
                    $(Self::$name => $typical,)*
                }
            }
        }
    };
}

faults! {
    // ── the poller ──────────────────────────────────────────────────────────────────────────
    /// An event says that a socket is ready, and it is not.
    Spurious = "spurious readiness", Rate::one_in(8);
    /// An event comes later than it might.
    Late = "late readiness", Rate::one_in(8);
    /// An event that was late has come to tell of more than it did at first.
    Merged = "merged readiness", Rate::NEVER;
    /// The two directions of a socket are reported in two events, as kqueue does.
    Split = "split readiness", Rate::one_in(4);
    /// An event is reported twice.
    Duplicated = "duplicated readiness", Rate::one_in(16);
    /// Events are reported in another order than that in which they happened.
    Reordered = "reordered readiness", Rate::one_in(4);
    /// An event does not tell that the peer has ended, which is a hint that systems may leave out.
    HintHidden = "hidden hints", Rate::one_in(4);
    /// A wait reports fewer events than there are.
    SmallBatch = "small batches", Rate::one_in(8);
    /// An event names a socket that has been closed since.
    Stale = "stale events", Rate::one_in(16);
    /// A signal interrupts the wait.
    Interrupted = "interrupted waits", Rate::one_in(32);

    // ── calls ───────────────────────────────────────────────────────────────────────────────
    /// A call would block though it need not; an event follows.
    WouldBlock = "calls that would block", Rate::one_in(16);
    /// A read brings less than there is, cut at any byte; the rest arrives a moment later.
    ShortRead = "short reads", Rate::one_in(4);
    /// A write takes less than there is room for, cut at any byte.
    ShortWrite = "short writes", Rate::one_in(4);
    /// A socket's buffers are small.
    SmallBuffers = "small buffers", Rate::one_in(4);
    /// A read fails.
    ReadError = "failing reads", Rate::one_in(100);
    /// A write, a FIN or the sending of a file fails.
    WriteError = "failing writes", Rate::one_in(100);
    /// A connection fails between its handshake and `accept` (`ECONNABORTED`, `EPROTO`).
    AcceptError = "failing accepts", Rate::one_in(16);
    /// There are no descriptors, or no memory for one (`EMFILE`, `ENFILE`, `ENOBUFS`).
    NoDescriptors = "calls without a descriptor", Rate::one_in(32);
    /// A socket cannot be opened, bound or registered for another reason.
    OpenError = "failing opens", Rate::one_in(32);
    /// A connection attempt fails for another reason than a refusal.
    ConnectError = "failing connects", Rate::one_in(32);
    /// Sending or receiving a datagram fails.
    DatagramError = "failing datagram calls", Rate::one_in(32);

    // ── streams on the network ──────────────────────────────────────────────────────────────
    /// A path takes its time.
    Latency = "slow paths", Rate::one_in(2);
    /// A path carries only so many bytes a second.
    Bandwidth = "narrow paths", Rate::one_in(3);
    /// A segment is lost and sent again, and everything behind it waits.
    SegmentLost = "lost segments", Rate::one_in(16);
    /// Something between refuses a connection.
    ConnectRefused = "refused connects", Rate::one_in(32);
    /// The first segments of a connection are lost, and it opens late.
    ConnectSlow = "slow connects", Rate::one_in(8);
    /// Nobody ever answers a connection attempt.
    ConnectHangs = "hanging connects", Rate::one_in(32);
    /// A stream ends in the middle, at any byte: something between has closed both sides.
    EarlyEnd = "early ends", Rate::one_in(100);
    /// A connection is reset in the middle, at any byte.
    Reset = "resets", Rate::one_in(100);
    /// What a reset finds unread is thrown away, as some systems do.
    ResetDiscards = "resets that discard", Rate::one_in(2);
    /// A connection goes silent: neither side ever hears of the other again.
    Silence = "silent connections", Rate::one_in(200);

    // ── datagrams on the network ────────────────────────────────────────────────────────────
    /// A datagram is lost.
    DatagramLost = "lost datagrams", Rate::one_in(8);
    /// A datagram arrives twice.
    DatagramDuplicated = "duplicated datagrams", Rate::one_in(16);
    /// A datagram is overtaken by later ones.
    DatagramReordered = "reordered datagrams", Rate::one_in(8);
    /// A bit of a datagram is flipped on its way.
    DatagramCorrupted = "corrupted datagrams", Rate::one_in(32);
    /// A datagram is longer than a path carries, and is dropped without a word.
    DatagramTooLong = "datagrams above the MTU", Rate::one_in(2);

    // ── between hosts ───────────────────────────────────────────────────────────────────────
    /// Two hosts do not reach each other for a while.
    Partition = "partitions", Rate::one_in(100);
    /// One host does not reach another for a while, which reaches it.
    OneWayPartition = "one-way partitions", Rate::one_in(100);
    /// A partition has come to an end.
    Heal = "healed partitions", Rate::NEVER;
    /// Everything between two hosts waits for a while, and then arrives at once.
    Clog = "clogged paths", Rate::one_in(60);

    // ── hosts ───────────────────────────────────────────────────────────────────────────────
    /// A host crashes: nobody is told.
    Crash = "crashes", Rate::one_in(300);
    /// A host that crashed comes back, with its ports and none of its connections.
    Restart = "restarts", Rate::NEVER;
    /// A host stands still for a while; the network goes on.
    Pause = "paused hosts", Rate::one_in(100);
    /// A turn takes a while, and everybody on that host waits.
    SlowHandler = "slow handlers", Rate::one_in(16);
    /// Offloaded work takes a while, and may be overtaken by later work.
    SlowWork = "slow offloaded work", Rate::one_in(2);
    /// The wall clock of a host is set.
    ClockJump = "jumps of the wall clock", Rate::one_in(60);
}

const KINDS: usize = Fault::ALL.len();

/// How often each fault happens.
///
/// ```
/// use reactor::sim::{Fault, Faults, Rate};
/// let lossy = Faults::calm().with(Fault::DatagramLost, Rate::per_cent(20));
/// assert!(lossy.rate(Fault::Reset).is_never());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults([Rate; KINDS]);

impl Faults {
    /// No fault at all: an ideal network, with a millisecond between hosts.
    #[must_use]
    pub fn calm() -> Self {
        Self([Rate::NEVER; KINDS])
    }

    /// Every fault, as often as it typically happens.
    #[must_use]
    pub fn all() -> Self {
        Self(std::array::from_fn(|kind| Fault::ALL[kind].typical()))
    }

    /// A mix of faults: about half of the kinds, each at a rate of its own, from rarely to
    /// [`all`](Self::all)'s. What all faults together hide, a few of them bring to light.
    #[must_use]
    pub fn swarm(choices: &mut Choices) -> Self {
        Self(std::array::from_fn(|kind| {
            match choices.byte() {
                // Zero is for none, so that calm is what a tape ends in.
                0..=127 => Rate::NEVER,
                part => Fault::ALL[kind].typical().scaled(part - 127),
            }
        }))
    }

    /// These faults, but one of them this often.
    #[must_use]
    pub fn with(mut self, fault: Fault, rate: Rate) -> Self {
        self.0[fault as usize] = rate;
        self
    }

    /// These faults, but without some.
    #[must_use]
    pub fn without(mut self, faults: &[Fault]) -> Self {
        for &fault in faults {
            self.0[fault as usize] = Rate::NEVER;
        }
        self
    }

    /// How often one happens.
    #[must_use]
    pub fn rate(&self, fault: Fault) -> Rate {
        self.0[fault as usize]
    }

    /// Whether any of these can happen.
    pub(super) fn any(&self, faults: &[Fault]) -> bool {
        faults.iter().any(|&fault| !self.rate(fault).is_never())
    }
}

/// How often each fault has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultCounts([u64; KINDS]);

impl FaultCounts {
    pub(super) fn note(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often one has happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Each kind, and how often it has happened.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.iter().map(|&fault| (fault, self.of(fault)))
    }

    /// Those that have never happened.
    pub fn missing(&self) -> impl Iterator<Item = Fault> {
        self.iter().filter(|&(_, count)| count == 0).map(|(fault, _)| fault)
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

impl Default for FaultCounts {
    fn default() -> Self {
        Self([0; KINDS])
    }
}

/// A line a kind.
impl fmt::Display for FaultCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(fault, count)| writeln!(f, "{count:>12} {}", fault.name()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_of_zeros_is_calm_and_a_seed_is_a_mix() {
        assert_eq!(Faults::swarm(&mut Choices::from_tape(Vec::new())), Faults::calm());
        let mix = Faults::swarm(&mut Choices::from_seed(5));
        let happening = Fault::ALL.iter().filter(|&&fault| !mix.rate(fault).is_never()).count();
        assert!((KINDS / 5..KINDS * 4 / 5).contains(&happening), "{happening}");
        assert!(Fault::ALL.iter().all(|&fault| mix.rate(fault) <= fault.typical()));
    }

    #[test]
    fn counts_know_what_never_happened() {
        let mut counts = FaultCounts::default();
        counts.note(Fault::Reset);
        let mut sum = counts.clone();
        sum.add(&counts);
        assert_eq!(sum.of(Fault::Reset), 2);
        assert_eq!(sum.missing().count(), KINDS - 1);
    }
}
