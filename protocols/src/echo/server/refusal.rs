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
//! those is the budget of a source ([`Limits::datagrams_per_second`](crate::echo::Limits)), and that the
//! address to listen on is a loopback one unless somebody chooses otherwise. A reply is as long as
//! what it replies to, so nothing is ever amplified.

use reactor::Address;
use thiserror::Error;

use crate::budget::Spent;

/// Why a datagram is not answered; it prints as a few words for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// There is nobody to answer: a Unix socket without a name, or UDP port zero (RFC 768).
    #[error("without a return address")]
    NoReturnAddress,
    /// It claims to come from a service that answers whatever it is sent.
    #[error("from a reply port")]
    ReplyPort,
    /// It claims to come from this very socket, or from the same port number of another machine,
    /// where an echo server like this one may sit.
    #[error("from our own port")]
    OwnPort,
    /// Its source has spent its budget.
    #[error("over budget")]
    OverBudget,
    /// Its source is new, and the table of sources is full of others that are spending.
    #[error("from too many sources")]
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
        match (own, from) {
            (Address::Ip(own), Address::Ip(from)) => Self::of_ports(from.port(), own.port()),
            (Address::Ip(_), _) | (_, Address::Unnamed) => Some(Self::NoReturnAddress),
            _ => (from == own).then_some(Self::OwnPort),
        }
    }

    fn of_ports(from: u16, own: u16) -> Option<Self> {
        match from {
            0 => Some(Self::NoReturnAddress),
            // Echo (RFC 862), daytime (867), quote of the day (865), character generator (864), time (868),
            // DNS (1035), TFTP (1350) and NTP (5905).
            7 | 13 | 17 | 19 | 37 | 53 | 69 | 123 => Some(Self::ReplyPort),
            _ => (from == own).then_some(Self::OwnPort),
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
