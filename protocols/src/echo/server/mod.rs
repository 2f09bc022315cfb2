//! The server: what its sockets share, counters and budgets; and the calls that open them.

mod refusal;
mod session;

use std::fmt;
use std::iter::Sum;
use std::time::Instant;

use reactor::{Address, DatagramOptions, ListenOptions, ListenerId, OpenError, Registry, SocketId};

use crate::budget::Budget;

pub use refusal::Refusal;
pub use session::Session;

use session::Responder;

/// The state of an echo server: part of the application, shared by all its sockets.
///
/// An application that is nothing else can be a `Server` itself; one that is more owns one, and says
/// where with `AsMut<Server>`.
///
/// ```
/// use protocols::echo::{self, Server};
/// use reactor::{DatagramOptions, ListenOptions, Reactor};
///
/// let mut reactor = Reactor::<Server>::new()?;
/// let registry = reactor.registry();
/// let tcp = echo::listen(registry, "127.0.0.1:0".parse()?, &ListenOptions::default())?;
/// let address = registry.listener_address(tcp)?;
/// echo::bind(registry, address, &DatagramOptions::default())?;
/// # registry.shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut Server::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    counters: Counters,
    budget: Budget,
}

/// The limits of a server. Those of its connections are the loop's: [`reactor::StreamLimits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Datagrams a second that are answered to one source (an IPv4 address or an IPv6 /64), in
    /// bursts of at most a second's worth. The rest are dropped.
    ///
    /// Default 10,000: more than a person or a measurement sends, and at 1,400 bytes each a tenth of
    /// a gigabit, so that two servers that were set upon each other do not fill a link.
    pub datagrams_per_second: u32,
    /// Sources whose budget is kept at one time. New ones are dropped until one of the old is quiet.
    ///
    /// Default 4,096: about 300 KiB, and more sources than spend at the same moment.
    pub sources: usize,
}

/// What a server has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that are open.
    pub open: u64,
    /// Connections that were ever open.
    pub sessions: u64,
    /// Bytes that came in on them, and went back unless their connection ended first.
    pub bytes: u64,
    /// Datagrams that were answered.
    pub datagrams: u64,
    /// Datagrams that were to be answered, but the system or a full queue did not let them out.
    pub unsent: u64,
    /// Bytes in those that were answered.
    pub datagram_bytes: u64,
    refused: [u64; Refusal::ALL.len()],
}

/// Listens for streams, TCP or Unix, and echoes them.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
) -> Result<ListenerId, OpenError> {
    registry.listen_with(address, options, |_peer, _app| Some(Box::new(Session)))
}

/// Binds a datagram socket, UDP or Unix, and echoes what it receives, but not to everybody: see
/// [`Refusal`].
///
/// # Errors
///
/// As for [`listen`].
pub fn bind<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &DatagramOptions,
) -> Result<SocketId, OpenError> {
    registry.bind_datagram_with(address, options, Responder { own: Address::Unnamed })
}

impl Server {
    /// A server that has done nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            counters: Counters::default(),
            budget: Budget::new(limits.datagrams_per_second, limits.sources),
        }
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether a datagram is to be answered. The addresses are asked first: what is refused for them
    /// costs its source, who may be a forger's victim, none of its budget.
    fn admit(&mut self, from: &Address, own: &Address, now: Instant) -> Result<(), Refusal> {
        if let Some(refusal) = Refusal::of(from, own) {
            return Err(refusal);
        }
        // Of a Unix socket there is none: its sender is a process of this machine, and waits when we are slow.
        from.ip().map_or(Ok(()), |ip| Ok(self.budget.take(ip, now)?))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { datagrams_per_second: 10_000, sources: 4_096 }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

impl AsMut<Self> for Server {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Counters {
    /// How many datagrams were refused for this reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize]
    }

    fn each(&mut self) -> impl Iterator<Item = &mut u64> {
        let Self { open, sessions, bytes, datagrams, unsent, datagram_bytes, refused } = self;
        [open, sessions, bytes, datagrams, unsent, datagram_bytes].into_iter().chain(refused)
    }

    fn answered(&mut self, length: usize, sent: bool) {
        if sent {
            self.datagrams += 1;
            self.datagram_bytes += length as u64;
        } else {
            self.unsent += 1;
        }
    }
}

/// What servers on several loops have done together.
impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, mut one| {
            sum.each().zip(one.each()).for_each(|(sum, count)| *sum += *count);
            sum
        })
    }
}

/// A sentence: "echoed 12 bytes of 1 connections (0 open), …".
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open, sessions, bytes, datagrams, datagram_bytes, unsent, .. } = self;
        write!(f, "echoed {bytes} bytes of {sessions} connections ({open} open), ")?;
        write!(f, "{datagram_bytes} bytes in {datagrams} datagrams")?;
        if *unsent > 0 {
            write!(f, "; {unsent} could not be sent back")?;
        }
        for refusal in Refusal::ALL {
            match self.refused(refusal) {
                0 => {}
                count => write!(f, "; {count} refused, {refusal}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(server: &mut Server, from: &str, now: Instant) -> Result<(), Refusal> {
        let address = |text: &str| text.parse().expect("it is an address");
        server.admit(&address(from), &address("127.0.0.1:7007"), now)
    }

    #[test]
    fn a_forged_source_costs_its_victim_nothing() {
        let now = Instant::now();
        let mut server = Server::new(&Limits { datagrams_per_second: 1, ..Limits::default() });
        for _ in 0..10 {
            assert_eq!(admitted(&mut server, "192.0.2.1:19", now), Err(Refusal::ReplyPort));
        }
        assert_eq!(admitted(&mut server, "192.0.2.1:4000", now), Ok(()));
        assert_eq!(admitted(&mut server, "192.0.2.1:4001", now), Err(Refusal::OverBudget));
    }

    #[test]
    fn newcomers_are_refused_while_the_table_is_full_of_spenders() {
        let now = Instant::now();
        let mut server = Server::new(&Limits { datagrams_per_second: 1, sources: 1 });
        assert_eq!(admitted(&mut server, "192.0.2.1:4000", now), Ok(()));
        assert_eq!(admitted(&mut server, "192.0.2.2:4000", now), Err(Refusal::TooManySources));
    }

    #[test]
    fn what_several_loops_have_done_is_added_up() {
        let mut counters = Counters { open: 1, sessions: 2, bytes: 4, ..Counters::default() };
        counters.answered(8, true);
        counters.refused[Refusal::ReplyPort as usize] += 16;
        let mut twice = Counters { open: 2, sessions: 4, bytes: 8, ..Counters::default() };
        twice.answered(0, true);
        twice.answered(16, true);
        twice.refused[Refusal::ReplyPort as usize] += 32;
        assert_eq!([counters, counters].into_iter().sum::<Counters>(), twice);
    }

    #[test]
    fn the_totals_print_as_a_sentence() {
        let mut counters = Counters { open: 1, sessions: 1, bytes: 12, ..Counters::default() };
        counters.answered(3, true);
        counters.refused[Refusal::ReplyPort as usize] += 1;
        assert_eq!(
            counters.to_string(),
            "echoed 12 bytes of 1 connections (1 open), 3 bytes in 1 datagrams; \
             1 refused, from a reply port"
        );
    }
}
