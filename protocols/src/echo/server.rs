//! What the sockets of an echo server share: counters and budgets; and the calls that open them.

use std::fmt;
use std::time::Instant;

use reactor::{Address, DatagramOptions, ListenOptions, ListenerId, OpenError, Registry, SocketId};

use super::{Limits, Refusal, Responder, Session};
use crate::budget::Budget;

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
    /// Bytes in them.
    pub datagram_bytes: u64,
    /// Datagrams that were to be answered, but the system or a full queue did not let them out.
    pub unsent: u64,
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

/// Binds a datagram socket, UDP or Unix, and echoes what it receives.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn bind<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &DatagramOptions,
) -> Result<SocketId, OpenError> {
    registry.bind_datagram_with(address, options, Responder::new())
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

    pub(super) fn session_opened(&mut self) {
        self.counters.open += 1;
        self.counters.sessions += 1;
    }

    pub(super) fn session_closed(&mut self) {
        self.counters.open -= 1;
    }

    pub(super) fn bytes_echoed(&mut self, count: usize) {
        self.counters.bytes += count as u64;
    }

    /// Whether a datagram is to be answered. The addresses are asked first: what is refused for them
    /// costs its source, who may be a forger's victim, none of its budget.
    pub(super) fn admit(
        &mut self,
        from: &Address,
        own: &Address,
        now: Instant,
    ) -> Result<(), Refusal> {
        match (Refusal::of(from, own), from.ip()) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(ip)) => Ok(self.budget.take(ip, now)?),
            // A Unix socket: its sender is a process of this machine, and waits when we are slow.
            (None, None) => Ok(()),
        }
    }

    pub(super) fn datagram_answered(&mut self, length: usize, sent: bool) {
        if sent {
            self.counters.datagrams += 1;
            self.counters.datagram_bytes += length as u64;
        } else {
            self.counters.unsent += 1;
        }
    }

    pub(super) fn datagram_refused(&mut self, refusal: Refusal) {
        self.counters.refused[refusal as usize] += 1;
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

    /// How many datagrams were refused for whatever reason.
    #[must_use]
    pub fn refused_in_all(&self) -> u64 {
        self.refused.iter().sum()
    }
}

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

    fn address(text: &str) -> Address {
        text.parse().expect("it is an address")
    }

    #[test]
    fn a_forged_source_costs_its_victim_nothing() {
        let now = Instant::now();
        let mut server = Server::new(&Limits { datagrams_per_second: 1, ..Limits::default() });
        let own = address("127.0.0.1:7007");
        for _ in 0..10 {
            assert_eq!(server.admit(&address("192.0.2.1:19"), &own, now), Err(Refusal::ReplyPort));
        }
        assert_eq!(server.admit(&address("192.0.2.1:4000"), &own, now), Ok(()));
        assert_eq!(server.admit(&address("192.0.2.1:4001"), &own, now), Err(Refusal::OverBudget));
    }

    #[test]
    fn newcomers_are_refused_while_the_table_is_full_of_spenders() {
        let now = Instant::now();
        let mut server = Server::new(&Limits { datagrams_per_second: 1, sources: 1 });
        let own = address("127.0.0.1:7007");
        assert_eq!(server.admit(&address("192.0.2.1:4000"), &own, now), Ok(()));
        let newcomer = address("192.0.2.2:4000");
        assert_eq!(server.admit(&newcomer, &own, now), Err(Refusal::TooManySources));
    }

    #[test]
    fn the_totals_print_as_a_sentence() {
        let mut server = Server::default();
        server.session_opened();
        server.bytes_echoed(12);
        server.datagram_answered(3, true);
        server.datagram_refused(Refusal::ReplyPort);
        assert_eq!(
            server.counters().to_string(),
            "echoed 12 bytes of 1 connections (1 open), 3 bytes in 1 datagrams; \
             1 refused, from a reply port"
        );
    }
}
