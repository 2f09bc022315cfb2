//! In which order the addresses of a host are tried (RFC 8305, 4).

use std::collections::VecDeque;
use std::net::SocketAddr;

/// The addresses that are still to be tried.
pub(super) struct Candidates(VecDeque<SocketAddr>);

impl Candidates {
    /// The resolver's order, in which the families take turns, beginning with that of the first: so a family that
    /// leads nowhere costs one delay and not as many as it has addresses. Each address is tried once.
    pub(super) fn new(found: &[SocketAddr], most: usize) -> Self {
        let mut seen = Vec::new();
        for &address in found {
            if !seen.contains(&address) {
                seen.push(address);
            }
            // Twice as many are enough to take turns among, and the look for doubles is bounded.
            if seen.len() >= most.saturating_mul(2) {
                break;
            }
        }
        let first_is_v6 = seen.first().is_some_and(SocketAddr::is_ipv6);
        let (mut one, mut other): (VecDeque<_>, VecDeque<_>) =
            seen.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
        let mut order = VecDeque::new();
        while order.len() < most && !(one.is_empty() && other.is_empty()) {
            order.extend(one.pop_front());
            order.extend(other.pop_front());
        }
        order.truncate(most);
        Self(order)
    }

    pub(super) fn next(&mut self) -> Option<SocketAddr> {
        self.0.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(found: &[&str], most: usize) -> Vec<String> {
        let at = |ip: &&str| SocketAddr::new(ip.parse().expect("it is an address"), 7);
        let found: Vec<_> = found.iter().map(at).collect();
        Candidates::new(&found, most).0.iter().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn the_families_take_turns_in_the_order_of_the_resolver() {
        let found = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"];
        let turns = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"];
        assert_eq!(order(&found, 16), turns);
        assert_eq!(
            order(&["192.0.2.1", "192.0.2.2", "::1"], 16),
            ["192.0.2.1", "::1", "192.0.2.2"]
        );
    }

    #[test]
    fn an_address_is_tried_once_and_no_more_than_so_many() {
        assert_eq!(
            order(&["192.0.2.1", "192.0.2.1", "::1", "192.0.2.1"], 16),
            ["192.0.2.1", "::1"]
        );
        assert_eq!(order(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "::1"], 3).len(), 3);
        assert!(order(&["192.0.2.1"], 0).is_empty() && order(&[], 16).is_empty());
    }
}
