//! Connecting to a host by its name: it is looked up, and its addresses race (RFC 8305).
//!
//! The connection has its slot, and so its id, from the beginning; what it has not is a socket. Each attempt is a
//! connection of its own, which runs [`Contender`]; the first that is there gives its stream away.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::{Protocol, Registry, Timed};
use crate::id::Key;
use crate::names::{Lookup, Race};
use crate::net::StreamSocket;
use crate::slots::Found;
use crate::source::{Connection, Source};
use crate::stream::Origin;
use crate::trace::{Callback, What};
use crate::{
    Address, CloseReason, Closed, ConnectOptions, ConnectionId, Host, HostFailure, Input,
    LookupError, OpenError, Transport,
};

/// Attempts that follow each other faster would be a load to no avail (RFC 8305, 5).
const SHORTEST_DELAY: Duration = Duration::from_millis(10);

impl<App> Registry<App> {
    /// Has the hosts that are connected to by name looked up by `resolver` from now on, instead of by the system:
    /// in a table, by DNS over this same loop, or at a fixed place in a test. It is called when no callback is on the
    /// stack, once for each connection, and says what it has found with [`resolved`](Self::resolved), at once or
    /// later; until [`Limits::lookup_timeout`](crate::Limits::lookup_timeout), after which nobody waits. What it does
    /// not know it may leave to the system, with [`resolve_by_system`](Self::resolve_by_system).
    ///
    /// ```
    /// use reactor::{LookupError, Reactor};
    /// use std::net::{Ipv4Addr, SocketAddr};
    ///
    /// let mut reactor = Reactor::<()>::new()?;
    /// reactor.registry().set_resolver(|lookup, registry| {
    ///     match lookup.host().name() {
    ///         "db.internal" => {
    ///             let here = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), lookup.host().port());
    ///             registry.resolved(lookup, Ok(vec![here]));
    ///         }
    ///         name if name.ends_with(".internal") => {
    ///             registry.resolved(lookup, Err(LookupError::Failed("not in the table".to_owned())));
    ///         }
    ///         _ => registry.resolve_by_system(lookup),
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_resolver(&mut self, resolver: impl FnMut(Lookup, &mut Self) + 'static) {
        self.resolver = Some(Box::new(resolver));
    }

    /// Leaves a look-up to the system (`getaddrinfo`), on a thread, as it is without
    /// [`set_resolver`](Self::set_resolver).
    pub fn resolve_by_system(&mut self, lookup: Lookup) {
        if let Err(error) = self.lookups.ask(lookup.clone()) {
            self.resolved(lookup, Err(error));
        }
    }

    /// Tells what was found of a host: its addresses, the best first (RFC 6724), or why there are none. If nobody
    /// waits for it any more it changes nothing.
    pub fn resolved(&mut self, lookup: Lookup, found: Result<Vec<SocketAddr>, LookupError>) {
        let key = lookup.id.0;
        let Some(race) = self.races.get_mut(&key).filter(|race| race.is_looking_up()) else {
            return;
        };
        match race.answered(found, self.ledger.limits.addresses) {
            Ok(()) => self.next_attempt(key),
            Err(error) => self.lose(key, |race| race.into_lookup_failure(error)),
        }
    }

    // ── the look-up ─────────────────────────────────────────────────────────────────────────

    /// Gives a connection its slot, and begins to find out where it leads.
    pub(super) fn connect_to_host(
        &mut self,
        host: Host,
        options: &ConnectOptions,
        protocol: Box<dyn Protocol<App>>,
    ) -> Result<ConnectionId, OpenError> {
        let limits = Rc::new(options.limits.clone());
        let (address, socket) = (Address::Host(host.clone()), StreamSocket::pending());
        let id = self
            .add_stream(socket, address.clone(), Origin::Named, limits, protocol)
            .map_err(|(_, error)| error)?;
        self.ledger.trace_of(id, || What::Connecting);
        self.races.insert(id.0, Race::new(host, attempt_options(&address, options)));
        self.set_race_timer(id.0, self.ledger.limits.lookup_timeout);
        // A resolver is the program's, and no callback may be on the stack.
        self.defer_call(move |registry, _| registry.begin_lookup(id));
        Ok(id)
    }

    fn begin_lookup(&mut self, id: ConnectionId) {
        let Some(lookup) = self.races.get(&id.0).map(|race| race.lookup(id)) else { return };
        let Some(mut resolver) = self.resolver.take() else {
            return self.resolve_by_system(lookup);
        };
        let asked = lookup.clone();
        if !self.run_callback(None, Callback::Task, |registry| resolver(asked, registry)) {
            self.resolved(lookup, Err(LookupError::Failed("the resolver panicked".to_owned())));
        }
        // It may have put another one into its place.
        self.resolver.get_or_insert(resolver);
    }

    /// Takes what the system has found.
    pub(crate) fn take_lookups(&mut self) {
        if !self.lookups.is_idle() {
            for (lookup, found) in self.lookups.take() {
                self.resolved(lookup, found);
            }
        }
    }

    // ── the race ────────────────────────────────────────────────────────────────────────────

    /// Tries the next address, and those after it as long as they fail at once.
    fn next_attempt(&mut self, key: Key) {
        while let Some(address) = self.races.get_mut(&key).and_then(Race::next) {
            let tried = self.attempt(key, address);
            let Some(race) = self.races.get_mut(&key) else { return };
            match tried {
                Ok(id) => {
                    race.started(id, address);
                    break;
                }
                Err(reason) => race.refused(address, reason),
            }
        }
        let Some(race) = self.races.get(&key) else { return };
        if race.is_lost() {
            return self.lose(key, |race| race.into_failure(&CloseReason::ConnectTimeout));
        }
        let delay = race.options.race.delay.max(SHORTEST_DELAY);
        if race.has_more() {
            self.set_race_timer(key, delay);
        } else {
            self.cancel_race_timer(key);
        }
    }

    fn attempt(&mut self, key: Key, address: SocketAddr) -> Result<ConnectionId, CloseReason> {
        let options = self.races.get(&key).map(|race| race.options.clone()).unwrap_or_default();
        let protocol = Box::new(Contender { race: key });
        self.open_stream(Address::Ip(address), &options, Origin::Attempt, protocol)
            .map_err(|error| CloseReason::ConnectFailed(error.into_io()))
    }

    /// An attempt has come to nothing: the next has its turn at once (RFC 8305, 5).
    fn attempt_failed(&mut self, key: Key, id: ConnectionId, reason: &CloseReason) {
        if let Some(race) = self.races.get_mut(&key) {
            race.failed(id, reason.clone());
            self.next_attempt(key);
        }
    }

    /// An attempt is there: its stream becomes the connection's, and the others are given up.
    fn attempt_succeeded(&mut self, key: Key, id: ConnectionId) {
        let is_there =
            |source: &Source<App>| matches!(source, Source::Stream(it) if !it.stream.is_closed());
        let here = self.slots.get(key).flatten().is_some_and(is_there);
        if !here
            || !self.races.contains_key(&key)
            || !self.slots.get(id.0).flatten().is_some_and(is_there)
        {
            return;
        }
        let Some(Source::Stream(attempt)) = self.slots.remove(id.0) else { return };
        let Connection { mut stream, .. } = attempt;
        self.cancel_timers(stream.timers());
        stream.dismiss_guard().map(|timer| self.wheel.cancel(timer));
        let mut connected = stream.into_connected(&mut self.ledger);
        if let Err(error) = connected.move_to(&self.poller, key) {
            return self.attempt_failed(key, id, &CloseReason::ConnectFailed(error));
        }
        self.end_race(key);
        if let Found::Here(Source::Stream(connection)) = self.slots.find(key) {
            connection.stream.connected_by(connected, &mut self.ledger.peers);
            connection.stream.make_ready(key, &mut self.ledger);
        }
    }

    /// The time of a look-up is over, or that of an address to be the only one.
    pub(crate) fn handle_race_timer(&mut self, key: Key) {
        self.cancel_race_timer(key);
        match self.races.get(&key) {
            Some(race) if race.is_looking_up() => {
                self.lose(key, |race| race.into_lookup_failure(LookupError::TimedOut));
            }
            Some(_) => self.next_attempt(key),
            None => {}
        }
    }

    // ── the end ─────────────────────────────────────────────────────────────────────────────

    fn lose(&mut self, key: Key, why: impl FnOnce(Race) -> HostFailure) {
        let Some(race) = self.end_race(key) else { return };
        let reason = CloseReason::HostFailed(Box::new(why(race)));
        if let Found::Here(Source::Stream(connection)) = self.slots.find(key) {
            connection.stream.retire(key, Box::new(reason), &mut self.ledger);
        }
    }

    /// A connection has ended. If that was because its time was over while it was being made to a host, this says
    /// how far it had come.
    pub(crate) fn leave_race(&mut self, key: Key, reason: CloseReason) -> CloseReason {
        match self.end_race(key) {
            Some(race) if matches!(reason, CloseReason::ConnectTimeout) => {
                CloseReason::HostFailed(Box::new(race.into_failure(&reason)))
            }
            _ => reason,
        }
    }

    /// Nobody waits for an outcome any more.
    fn end_race(&mut self, key: Key) -> Option<Race> {
        let mut race = self.races.remove(&key)?;
        race.timer.take().map(|timer| self.wheel.cancel(timer));
        self.lookups.forget(ConnectionId(key));
        for id in race.running() {
            // The one that has won is gone already.
            let _ = self.abort(id);
        }
        Some(race)
    }

    // ── helpers ─────────────────────────────────────────────────────────────────────────────

    /// Sets or moves the timer. It is one of those beyond the timers' limit, as deadlines are.
    fn set_race_timer(&mut self, key: Key, after: Duration) {
        let tick = self.ledger.clock.tick_after(after);
        let Some(race) = self.races.get_mut(&key) else { return };
        match race.timer {
            Some(timer) => drop(self.wheel.rearm(timer, tick)),
            None => race.timer = Some(self.wheel.insert(tick, || Timed::Race { stream: key })),
        }
    }

    fn cancel_race_timer(&mut self, key: Key) {
        let timer = self.races.get_mut(&key).and_then(|race| race.timer.take());
        timer.map(|timer| self.wheel.cancel(timer));
    }
}

/// How each attempt is made. The time for connecting is the connection's own, and so is TLS, unless that is what
/// decides the race.
fn attempt_options(host: &Address, options: &ConnectOptions) -> ConnectOptions {
    let mut attempt = options.clone();
    attempt.limits.connect_timeout = None;
    #[cfg(feature = "tls")]
    {
        let tls = attempt.tls.filter(|_| options.race.finish == crate::Finish::Secured);
        attempt.tls = tls.map(|tls| tls.for_address(host));
    }
    let _ = host;
    attempt
}

/// The protocol of an attempt: it touches nothing of what its stream brings.
struct Contender {
    /// The connection that it is made for.
    race: Key,
}

impl<App> Protocol<App> for Contender {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.pause();
        let (race, id) = (self.race, transport.id());
        // It runs right now, and so cannot be taken out of its slot.
        transport.registry().defer_call(move |registry, _| registry.attempt_succeeded(race, id));
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, _: &mut Input<'_>, _: &mut App) {}

    fn on_end(&mut self, _: &mut Transport<'_, App>, _: &mut App) {}

    fn on_shutdown(&mut self, _: &mut Transport<'_, App>, _: &mut App) {}

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, _: &mut App) {
        registry.attempt_failed(self.race, closed.id, &closed.reason);
    }
}
