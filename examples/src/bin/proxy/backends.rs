//! The backends: whose turn it is, who rests because it could not be reached, and what each has done.

use std::fmt;
use std::time::{Duration, Instant};

use examples::output;
use reactor::{Address, Uncoupled};

/// Takes them in turn.
pub(crate) struct Backends {
    all: Vec<Backend>,
    next: usize,
    /// How long one rests that could not be reached.
    rest: Duration,
}

pub(crate) struct Backend {
    address: Address,
    /// It could not be reached, and is left alone until then.
    rests_until: Option<Instant>,
    counters: Counters,
}

#[derive(Clone, Copy, Default)]
struct Counters {
    connections: u64,
    open: u64,
    cut_short: u64,
    failed: u64,
    to_it: u64,
    from_it: u64,
}

/// What one of the backends has done.
pub(crate) struct Tally {
    address: Address,
    counters: Counters,
}

/// Where a backend stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Backends {
    /// The turn begins with the one at `first`, or as far round: on several loops with a different one each.
    pub(crate) fn new(addresses: Vec<Address>, rest: Duration, first: usize) -> Self {
        let made = |address| Backend { address, rests_until: None, counters: Counters::default() };
        Self { all: addresses.into_iter().map(made).collect(), next: first, rest }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whose turn it is. Those who rest are passed over, unless all do: then somebody has to find out
    /// whether there is anyone again.
    pub(crate) fn take_turn(&mut self, now: Instant) -> Option<(Place, Address)> {
        let turns = (0..self.all.len()).map(|step| (self.next + step) % self.all.len());
        let is_awake = |at: &usize| self.all.get(*at).is_some_and(|backend| backend.is_awake(now));
        let at = turns.clone().find(is_awake).or_else(|| turns.clone().next())?;
        self.next = at + 1;
        self.all.get(at).map(|backend| (Place(at), backend.address.clone()))
    }

    pub(crate) fn tallies(&self) -> Vec<Tally> {
        let tally = |backend: &Backend| Tally {
            address: backend.address.clone(),
            counters: backend.counters,
        };
        self.all.iter().map(tally).collect()
    }

    /// A backend has answered.
    pub(crate) fn note_open(&mut self, Place(at): Place) {
        if let Some(backend) = self.all.get_mut(at) {
            if backend.rests_until.take().is_some() {
                output::complain(format_args!("proxy: {} answers again", backend.address));
            }
            backend.counters.connections += 1;
            backend.counters.open += 1;
        }
    }

    /// A backend could not be reached, and rests. It is told of once, until it answers again.
    pub(crate) fn note_failed(&mut self, Place(at): Place, now: Instant, why: &str) {
        let rest = self.rest;
        let Some(backend) = self.all.get_mut(at) else { return };
        // A rest that never ends is one of which nobody lives to see the end.
        let is_new = backend.rests_until.replace(now.checked_add(rest).unwrap_or(now)).is_none();
        backend.counters.failed += 1;
        if is_new {
            output::complain(format_args!(
                "proxy: {}: {why}; it rests for {rest:?}",
                backend.address
            ));
            if self.all.iter().all(|backend| backend.rests_until.is_some()) {
                output::complain("proxy: no backend can be reached");
            }
        }
    }

    /// A client and its backend have parted.
    pub(crate) fn note_end(&mut self, Place(at): Place, ended: &Uncoupled) {
        if let Some(Backend { counters, .. }) = self.all.get_mut(at) {
            counters.open = counters.open.saturating_sub(1);
            counters.cut_short += u64::from(!ended.is_clean());
            counters.to_it += ended.first_to_second;
            counters.from_it += ended.second_to_first;
        }
    }
}

impl Backend {
    fn is_awake(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }
}

impl Tally {
    /// The same one, on another loop.
    pub(crate) fn add(&mut self, other: &Self) {
        let Counters { connections, open, cut_short, failed, to_it, from_it } = other.counters;
        let sum = &mut self.counters;
        sum.connections += connections;
        sum.open += open;
        sum.cut_short += cut_short;
        sum.failed += failed;
        sum.to_it += to_it;
        sum.from_it += from_it;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { connections, open, cut_short, failed, to_it, from_it } = self.counters;
        write!(
            f,
            "{}: {connections} connections ({open} open, {cut_short} cut short), ",
            self.address
        )?;
        write!(f, "{failed} failed; {to_it} bytes to it, {from_it} from it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Backends {
        let address = |port: u16| Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        Backends::new(vec![address(1), address(2), address(3)], Duration::from_secs(10), 0)
    }

    fn turns(backends: &mut Backends, now: Instant, count: usize) -> Vec<usize> {
        (0..count).filter_map(|_| backends.take_turn(now)).map(|(Place(at), _)| at).collect()
    }

    #[test]
    fn each_has_its_turn_and_one_that_failed_is_skipped_until_it_has_rested() {
        let (mut backends, now) = (three(), Instant::now());
        assert_eq!(turns(&mut backends, now, 4), [0, 1, 2, 0]);
        backends.note_failed(Place(1), now, "refused");
        assert_eq!(turns(&mut backends, now, 4), [2, 0, 2, 0]);
        let later = now + Duration::from_secs(10);
        assert_eq!(turns(&mut backends, later, 3), [1, 2, 0]);
    }

    #[test]
    fn when_all_rest_somebody_is_tried_all_the_same() {
        let (mut backends, now) = (three(), Instant::now());
        for at in 0..3 {
            backends.note_failed(Place(at), now, "refused");
        }
        assert_eq!(turns(&mut backends, now, 4), [0, 1, 2, 0]);
        backends.note_open(Place(2));
        assert_eq!(turns(&mut backends, now, 2), [2, 2], "it has answered");
    }
}
