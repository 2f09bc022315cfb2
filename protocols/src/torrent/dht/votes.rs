//! Where others say that this node is: pure.
//!
//! A node's name depends on its address on the Internet (BEP 42), and only others see that. Whoever could talk it into an
//! address of his choice could give it a name of his choice, and move it away from what it keeps.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::torrent::wire::is_of_a_network_of_ones_own;

/// So many networks have to have said something before anything is believed. One search hears of more.
const QUORUM: usize = 10;
/// Of so many it is known what they said last. What is believed has to be said by two thirds of them, so that few who lie,
/// and a late answer from before the address changed, change nothing.
const REMEMBERED: usize = 30;

/// What others have said of where this node is, the latest last: each network has one vote.
#[derive(Debug, Default)]
pub(super) struct Votes(VecDeque<(Network, IpAddr)>);

/// Those that are in the hands of one provider or company, mostly. A single address is cheap, and so are the 256 beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    V4(u16),
    V6(u32),
}

impl Votes {
    /// A node says where this one is. What it returns is where nearly all say so.
    pub(super) fn handle_vote(&mut self, voter: IpAddr, says: IpAddr) -> Option<IpAddr> {
        // On one's own network nobody sees the address that others see.
        if is_of_a_network_of_ones_own(voter) || is_of_a_network_of_ones_own(says) {
            return None;
        }
        let network = Network::of(voter);
        self.0.retain(|(other, _)| *other != network);
        self.0.push_back((network, says));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        let agree = self.0.iter().filter(|(_, other)| *other == says).count();
        (self.0.len() >= QUORUM && 3 * agree >= 2 * self.0.len()).then_some(says)
    }
}

impl Network {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4((u32::from(ip) >> 16) as u16),
            IpAddr::V6(ip) => Self::V6((u128::from(ip) >> 96) as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    /// A voter of another network for each number.
    fn voter(number: u8) -> IpAddr {
        IpAddr::from([number, 7, 1, 1])
    }

    #[test]
    fn what_ten_networks_say_is_believed_and_what_one_says_ten_times_is_not() {
        let (mut votes, ours) = (Votes::default(), ip("84.124.73.14"));
        for last in 0..=255 {
            assert_eq!(votes.handle_vote(IpAddr::from([90, 1, last, last]), ours), None);
        }
        for number in 20..28 {
            assert_eq!(votes.handle_vote(voter(number), ours), None);
        }
        for inside in ["10.0.0.1", "192.168.3.4", "fd00::1"] {
            assert_eq!(votes.handle_vote(ip(inside), ours), None, "it is none of the Internet's");
            assert_eq!(votes.handle_vote(voter(60), ip(inside)), None, "nobody is there");
        }
        assert_eq!(votes.handle_vote(voter(28), ours), Some(ours));
    }

    #[test]
    fn a_third_that_lies_changes_nothing_and_a_new_address_is_believed_once_most_have_seen_it() {
        let (mut votes, ours, other) = (Votes::default(), ip("84.124.73.14"), ip("21.75.31.124"));
        for number in 20..40 {
            votes.handle_vote(voter(number), ours);
        }
        for number in 40..50 {
            assert_eq!(votes.handle_vote(voter(number), other), None);
            assert_eq!(votes.handle_vote(voter(20), ours), Some(ours));
        }
        // It has moved: those that say so are the latest, and the others are forgotten.
        let said = (50..70).map(|number| votes.handle_vote(voter(number), other));
        assert_eq!(said.last(), Some(Some(other)));
        assert!(votes.0.len() <= REMEMBERED);
    }

    #[test]
    fn a_network_of_ipv6_is_what_a_provider_has() {
        let (one, two) = (ip("2001:db8:1::1"), ip("2001:db8:ffff::1"));
        assert_eq!(Network::of(one), Network::of(two));
        assert_ne!(Network::of(one), Network::of(ip("2001:db9::1")));
        assert_eq!(Network::of(ip("::ffff:84.124.73.14")), Network::of(ip("84.124.1.1")));
    }
}
