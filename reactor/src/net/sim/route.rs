//! The paths between hosts: how long they take, how much they carry, and when they are cut.
//!
//! ```text
//!                 latency, bytes a second
//!    host 0 ═══════════════════════════════▶ host 1        one route each way
//!                 cut until …   held until …
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Choices, Fault, FaultCounts, Faults};

/// How long a packet takes between two hosts where nothing else was said.
const LATENCY: Duration = Duration::from_millis(1);
/// The slowest path that is drawn.
const SLOWEST: Duration = Duration::from_millis(300);
/// The bytes a second that a narrow path carries.
const WIDTHS: [u64; 4] = [10_000_000, 1_000_000, 100_000, 20_000];
/// What a path carries in one piece, in bytes of payload: an Ethernet's, an IPv6 minimum's, an old
/// dial-up's.
const MTUS: [usize; 3] = [1_472, 1_232, 548];

/// The way from one host to another.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(super) latency: Duration,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) mtu: Option<usize>,
    /// When the last byte that was sent will have left.
    free_at: Duration,
    /// Nothing has passed since, and nothing passes before.
    cut_since: Duration,
    cut_until: Duration,
    /// What passes arrives then at the earliest.
    held_until: Duration,
}

impl Route {
    fn draw(faults: &Faults, choices: &mut Choices, counts: &mut FaultCounts) -> Self {
        let mut latency = LATENCY;
        if choices.chance(faults.rate(Fault::Latency)) {
            counts.note(Fault::Latency);
            latency = choices.between(LATENCY, SLOWEST);
        }
        let bytes_per_second = choices.chance(faults.rate(Fault::Bandwidth)).then(|| {
            counts.note(Fault::Bandwidth);
            WIDTHS[choices.below(WIDTHS.len() as u64) as usize]
        });
        let mtu = choices
            .chance(faults.rate(Fault::DatagramTooLong))
            .then(|| MTUS[choices.below(MTUS.len() as u64) as usize]);
        let (free_at, cut_since, cut_until, held_until) = Default::default();
        Self { latency, bytes_per_second, mtu, free_at, cut_since, cut_until, held_until }
    }

    /// When a packet that leaves now arrives, on a path that carries one after the other.
    pub(super) fn arrival(&mut self, now: Duration, bytes: usize) -> Duration {
        let begins = self.free_at.max(now);
        let takes = self.bytes_per_second.map_or(Duration::ZERO, |width| {
            Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / width.max(1))
        });
        self.free_at = begins + takes;
        (self.free_at + self.latency).max(self.held_until)
    }

    pub(super) fn is_cut(&self, now: Duration) -> bool {
        now < self.cut_until
    }
}

/// All routes; each is drawn when it is first used.
#[derive(Default)]
pub(crate) struct Routes {
    routes: BTreeMap<(u16, u16), Route>,
}

impl Routes {
    pub(super) fn get(
        &mut self,
        from: u16,
        to: u16,
        faults: &Faults,
        choices: &mut Choices,
        counts: &mut FaultCounts,
    ) -> &mut Route {
        self.routes.entry((from, to)).or_insert_with(|| Route::draw(faults, choices, counts))
    }

    /// Whether nothing gets from one host to the other.
    pub(super) fn is_cut(&self, from: u16, to: u16, now: Duration) -> bool {
        self.routes.get(&(from, to)).is_some_and(|route| route.is_cut(now))
    }

    /// Whether nothing has got from one host to the other since then.
    pub(super) fn is_cut_since(&self, from: u16, to: u16, since: Duration, now: Duration) -> bool {
        let route = self.routes.get(&(from, to));
        route.is_some_and(|route| route.is_cut(now) && route.cut_since <= since)
    }

    /// Everything passes again.
    pub(super) fn heal(&mut self) {
        for route in self.routes.values_mut() {
            (route.cut_until, route.held_until) = Default::default();
        }
    }
}

impl Route {
    pub(super) fn cut(&mut self, now: Duration, until: Duration) {
        if !self.is_cut(now) {
            self.cut_since = now;
        }
        self.cut_until = until;
    }

    pub(super) fn hold(&mut self, until: Duration) {
        self.held_until = until;
    }
}
