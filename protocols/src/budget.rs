//! How much each peer may ask for, where anybody may ask: a token bucket for each source address.
//!
//! The table is bounded, since with datagrams a source costs its inventor nothing. A bucket that is
//! full again remembers nothing worth keeping, so those make room for newcomers; when all that is
//! left are sources in the middle of spending, newcomers are refused.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use reactor::TokenBucket;
use thiserror::Error;

/// The least time between two sweeps of a full table. One sweep of 4,096 buckets takes 15 to 45 µs: a
/// flood of invented sources cannot make them cost more than a twentieth of the processor.
const REST: Duration = Duration::from_millis(1);

/// So many requests a second for each source, in bursts of at most a second's worth.
///
/// ```
/// use protocols::budget::{Budget, Spent};
/// use std::time::Instant;
///
/// let (now, source) = (Instant::now(), "192.0.2.1".parse()?);
/// let mut budget = Budget::new(2, 100);
/// assert_eq!(budget.take(source, now), Ok(()));
/// assert_eq!(budget.take(source, now), Ok(()));
/// assert_eq!(budget.take(source, now), Err(Spent::Source));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Budget {
    per_second: u32,
    capacity: usize,
    /// The place of each source's bucket. Never more than `capacity`. A tree: nobody can choose addresses that make it
    /// slow, as he could with a quick hash, and one that withstands that costs more than the comparisons.
    places: BTreeMap<u64, usize>,
    buckets: Vec<TokenBucket>,
    /// Who asked last, and the place of his bucket: who sends more than one thing is likely to be next again.
    last: Option<(u64, usize)>,
    swept: Option<Instant>,
}

/// Why a request is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Spent {
    /// The source has had what it may have for now.
    #[error("the source has spent its budget")]
    Source,
    /// The source is new, and the table is full of others that are spending.
    #[error("too many sources at one time")]
    Table,
}

impl Budget {
    /// A budget for each of at most `sources` sources at one time.
    #[must_use]
    pub fn new(per_second: u32, sources: usize) -> Self {
        Self {
            per_second,
            capacity: sources,
            places: BTreeMap::new(),
            buckets: Vec::new(),
            last: None,
            swept: None,
        }
    }

    /// Grants one request to a source. IPv6 sources are told apart by the first 64 bits of their
    /// address, since one host has all the rest to choose from (RFC 6177).
    ///
    /// # Errors
    ///
    /// If the source, or the table, has nothing left.
    pub fn take(&mut self, source: IpAddr, now: Instant) -> Result<(), Spent> {
        let source = key(source);
        let place = match self.last {
            Some((last, place)) if last == source => place,
            _ => self.find(source, now)?,
        };
        self.buckets[place].take(now).map_err(|_| Spent::Source)
    }

    /// Where the bucket of a source is that is not the last one. It gets one if nothing is remembered of it.
    fn find(&mut self, source: u64, now: Instant) -> Result<usize, Spent> {
        let place = match self.places.get(&source) {
            Some(place) => *place,
            None => self.add(source, now)?,
        };
        self.last = Some((source, place));
        Ok(place)
    }

    fn add(&mut self, source: u64, now: Instant) -> Result<usize, Spent> {
        if self.buckets.len() >= self.capacity {
            self.sweep(now);
        }
        if self.buckets.len() >= self.capacity {
            return Err(Spent::Table);
        }
        let place = self.buckets.len();
        self.buckets.push(TokenBucket::new(self.per_second, self.per_second));
        self.places.insert(source, place);
        Ok(place)
    }

    /// How many sources are remembered.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.buckets.len()
    }

    /// Forgets the sources whose bucket is full again.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + REST) {
            return;
        }
        self.swept = Some(now);
        // Those that stay close up.
        let mut staying = Vec::with_capacity(self.buckets.len());
        self.places.retain(|_, place| {
            let bucket = self.buckets[*place];
            if bucket.is_full(now) {
                return false;
            }
            *place = staying.len();
            staying.push(bucket);
            true
        });
        self.buckets = staying;
        self.last = None;
    }
}

/// What stands for a host, as a number. IPv6 networks that begin with 32 zero bits are reserved (RFC 4291,
/// section 2.4), so none is taken for an IPv4 host.
fn key(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

/// What stands for a host: its IPv4 address, however it is written, or its IPv6 network.
#[cfg(any(feature = "chat", feature = "transfer"))]
pub(crate) fn host(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_source_that_has_spent_its_budget_waits_and_the_others_do_not() {
        let now = Instant::now();
        let mut budget = Budget::new(2, 10);
        assert_eq!([0; 3].map(|_| budget.take(v4(1), now)), [Ok(()), Ok(()), Err(Spent::Source)]);
        assert_eq!(budget.take(v4(2), now), Ok(()));
        assert_eq!(budget.take(v4(1), now + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn full_buckets_make_room_and_spending_ones_do_not() {
        let now = Instant::now();
        let mut budget = Budget::new(10, 2);
        assert_eq!([1, 2].map(|last| budget.take(v4(last), now)), [Ok(()); 2]);
        assert_eq!(budget.take(v4(3), now), Err(Spent::Table));
        assert_eq!(budget.take(v4(1), now), Ok(()), "who is known is served");

        // A tenth of a second later, the second has its token back, and the first one of two.
        let later = now + Duration::from_millis(100);
        assert_eq!(budget.take(v4(3), later), Ok(()));
        assert_eq!(budget.take(v4(4), later), Err(Spent::Table));
        assert_eq!(budget.sources(), 2);
    }

    #[test]
    fn each_source_keeps_its_own_bucket_when_others_make_room() {
        let now = Instant::now();
        let mut budget = Budget::new(2, 2);
        assert_eq!([1, 2, 2].map(|last| budget.take(v4(last), now)), [Ok(()); 3]);
        assert_eq!(budget.take(v4(2), now), Err(Spent::Source));

        // The first is full again and leaves; the second has one token, the newcomer two.
        let later = now + Duration::from_millis(500);
        assert_eq!([3, 2, 3].map(|last| budget.take(v4(last), later)), [Ok(()); 3]);
        assert_eq!([2, 3].map(|last| budget.take(v4(last), later)), [Err(Spent::Source); 2]);
        assert_eq!(budget.take(v4(1), later), Err(Spent::Table));
    }

    #[test]
    fn a_full_table_is_not_swept_for_every_newcomer() {
        let now = Instant::now();
        let mut budget = Budget::new(1_000_000, 1);
        assert_eq!(budget.take(v4(1), now), Ok(()));
        assert_eq!(budget.take(v4(2), now), Err(Spent::Table), "swept, in vain");
        let soon = now + Duration::from_micros(10);
        assert_eq!(budget.take(v4(2), soon), Err(Spent::Table), "not swept again");
        assert_eq!(budget.take(v4(2), now + REST), Ok(()));
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_address_are_one_source() {
        let now = Instant::now();
        let mut budget = Budget::new(1, 10);
        assert_eq!(budget.take(source("2001:db8::1"), now), Ok(()));
        assert_eq!(budget.take(source("2001:db8::ffff:2"), now), Err(Spent::Source));
        assert_eq!(budget.take(source("2001:db8:0:1::1"), now), Ok(()));
        assert_eq!(budget.take(source("192.0.2.1"), now), Ok(()));
        assert_eq!(budget.take(source("::ffff:192.0.2.1"), now), Err(Spent::Source));
    }
}
