//! Which datagrams are not answered, decided from addresses alone.
//!
//! UDP lets a sender claim any source. A datagram to one echo server that claims to come from another
//! makes the two talk to each other for ever, and nobody can stop them (CVE-2024-2169). So a datagram
//! is refused if whoever sits at its source would answer *any* datagram:
//!
//! ```text
//!   forger ──"from B:19"──▶ A:7 ──reply──▶ B:19 ──reply──▶ A:7 ──reply──▶ …
//! ```
//!
//! Two echo servers on ports that nobody knows can still be played against each other. What bounds
//! those is the budget of a source ([`Limits::datagrams_per_second`](super::Limits)), and that the
//! address to listen on is a loopback one unless somebody chooses otherwise. A reply is as long as
//! what it replies to, so nothing is ever amplified.

use std::fmt;

use reactor::Address;

use crate::budget::Spent;

/// The ports of services that answer whatever they are sent: echo (RFC 862), daytime (867), quote of
/// the day (865), character generator (864), time (868), DNS (1035), TFTP (1350) and NTP (5905).
const REPLY_PORTS: [u16; 8] = [7, 13, 17, 19, 37, 53, 69, 123];

/// Why a datagram is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is nobody to answer: a Unix socket without a name, or UDP port zero (RFC 768).
    NoReturnAddress,
    /// It claims to come from a service that answers whatever it is sent.
    ReplyPort,
    /// It claims to come from this very socket, or from the same port number of another machine,
    /// where an echo server like this one may sit.
    OwnPort,
    /// Its source has spent its budget.
    OverBudget,
    /// Its source is new, and the table of sources is full of others that are spending.
    TooManySources,
}

impl Refusal {
    /// All there are, in the order in which they are checked.
    pub const ALL: [Self; 5] = [
        Self::NoReturnAddress,
        Self::ReplyPort,
        Self::OwnPort,
        Self::OverBudget,
        Self::TooManySources,
    ];

    /// What the addresses alone say against answering a datagram that came `from` there to `own`.
    ///
    /// ```
    /// use protocols::echo::Refusal;
    /// let own = "127.0.0.1:7007".parse()?;
    /// assert_eq!(Refusal::of(&"192.0.2.1:19".parse()?, &own), Some(Refusal::ReplyPort));
    /// assert_eq!(Refusal::of(&"192.0.2.1:40000".parse()?, &own), None);
    /// # Ok::<(), reactor::ParseAddressError>(())
    /// ```
    #[must_use]
    pub fn of(from: &Address, own: &Address) -> Option<Self> {
        match from.port() {
            Some(0) => Some(Self::NoReturnAddress),
            Some(port) if REPLY_PORTS.contains(&port) => Some(Self::ReplyPort),
            Some(port) => (own.port() == Some(port)).then_some(Self::OwnPort),
            None if *from == Address::Unnamed => Some(Self::NoReturnAddress),
            None => (from == own).then_some(Self::OwnPort),
        }
    }
}

impl From<Spent> for Refusal {
    fn from(spent: Spent) -> Self {
        match spent {
            Spent::Source => Self::OverBudget,
            Spent::Table => Self::TooManySources,
        }
    }
}

/// A few words for a table: "from a reply port".
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReturnAddress => "without a return address",
            Self::ReplyPort => "from a reply port",
            Self::OwnPort => "from our own port",
            Self::OverBudget => "over budget",
            Self::TooManySources => "from too many sources",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(from: &str, own: &str) -> Option<Refusal> {
        Refusal::of(&from.parse().expect("an address"), &own.parse().expect("an address"))
    }

    #[test]
    fn an_ordinary_source_is_answered() {
        for from in ["127.0.0.1:40000", "192.0.2.1:7008", "[2001:db8::1]:1", "[::1]:65535"] {
            assert_eq!(decide(from, "127.0.0.1:7007"), None, "{from}");
        }
        assert_eq!(decide("unix:/tmp/client", "unix:/tmp/echo"), None);
        assert_eq!(decide("unix:@client", "unix:@echo"), None);
    }

    #[test]
    fn services_that_would_answer_the_answer_are_not_answered() {
        for port in [7, 13, 17, 19, 37, 53, 69, 123] {
            for from in [format!("192.0.2.1:{port}"), format!("[2001:db8::1]:{port}")] {
                assert_eq!(decide(&from, "0.0.0.0:7007"), Some(Refusal::ReplyPort), "{from}");
            }
        }
    }

    #[test]
    fn we_do_not_answer_ourselves_by_any_of_our_addresses() {
        for from in ["127.0.0.1:7007", "127.0.0.2:7007", "192.0.2.1:7007", "[::1]:7007"] {
            for own in ["127.0.0.1:7007", "0.0.0.0:7007", "[::]:7007"] {
                assert_eq!(decide(from, own), Some(Refusal::OwnPort), "{from} to {own}");
            }
        }
        assert_eq!(decide("unix:/tmp/echo", "unix:/tmp/echo"), Some(Refusal::OwnPort));
    }

    #[test]
    fn whoever_has_no_return_address_is_not_answered() {
        assert_eq!(decide("192.0.2.1:0", "127.0.0.1:7007"), Some(Refusal::NoReturnAddress));
        let own = "unix:/tmp/echo".parse().expect("an address");
        assert_eq!(Refusal::of(&Address::Unnamed, &own), Some(Refusal::NoReturnAddress));
    }

    #[test]
    fn each_refusal_has_its_own_place_and_its_own_words() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place);
            assert!(!refusal.to_string().is_empty());
        }
    }
}
