//! Everything that is registered with the loop, and what a program can do with it.
//!
//! Connections are opened in `open.rs`, and again in `again.rs`, timers set in `timers.rs`, and work is given to threads in
//! `offload.rs`. What is sent and told to sockets by their ids is in `stream`, `listener` and `datagram`.
//! Here is the rest.
//!
//! The registry holds every source and every closure that waits for the loop, and each of them is called with
//! the registry, or with a transport that borrows it. So a few files name each other in a circle: this one and
//! its timers, the traits, the transports, what a slot holds, listeners, handles and signals. It is the only
//! circle of the crate.

mod again;
mod inherit;
mod names;
mod offload;
mod open;
mod protocol;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use slab::Slab;

use crate::handle::{Handle, Mailbox, Message};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::listener::{ByAddress, Entrance};
use crate::names::{Lookup, Lookups, Race};
use crate::net::{OwnedPath, Poller, Pool, SpareDescriptor};
use crate::offload::Away;
use crate::outbox::{Cork, FilePiece};
use crate::proxy::Proxied;
use crate::shutdown::Shutdown;
use crate::slots::Slots;
use crate::source::Source;
use crate::stream::{Detached, Outcome};
use crate::timer::Wheel;
use crate::trace::Callback;
use crate::{Address, ConnectionId, Limits, ListenerId, Rows, Snapshot, SocketRow, Stale, Stats};

pub use again::LastTry;
pub use protocol::{DatagramProtocol, Idle, Protocol, SentFile, Typed};
pub(crate) use timers::Timed;

/// A closure that runs on the loop, later in this turn or in the next.
pub(crate) type Task<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App)>;
/// Closures that wait for an outbox to fall, by connection. Few connections have any.
pub(crate) type Waiting<App> = BTreeMap<Key, Vec<Told<App>>>;
/// Makes the task that calls such a closure.
type Told<App> = Box<dyn FnOnce(Result<(), Stale>) -> Task<App>>;
/// What is to be done with the result of offloaded work.
type Completion<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Box<dyn std::any::Any + Send>)>;
type Resolver<App> = Box<dyn FnMut(Lookup, &mut Registry<App>)>;
type AfterCloseAct<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Ended<'_>)>;
type DetachReceiver<App> = Box<dyn FnOnce(Detached, &mut Registry<App>, &mut App)>;

/// Everything registered with the loop: opens sockets, sets timers, and reaches every connection by
/// its id.
///
/// It is what [`Reactor::registry`](crate::Reactor::registry) gives between turns, and
/// [`Transport::registry`](crate::Transport::registry) inside a callback.
///
/// ```
/// use reactor::{Input, Protocol, Reactor, Transport};
/// use std::time::Duration;
///
/// struct Echo;
///
/// impl<App> Protocol<App> for Echo {
///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
///         transport.write(input.take_all());
///     }
/// }
///
/// let mut reactor = Reactor::<u32>::new()?;
/// let registry = reactor.registry();
/// let listener = registry.listen("127.0.0.1:0".parse()?, |_peer, _app| Echo)?;
/// println!("listening on {}", registry.listener_address(listener)?);
/// registry.after(Duration::from_millis(5), |registry, ticks: &mut u32| {
///     *ticks += 1;
///     registry.shutdown(Duration::from_secs(1));
/// })?;
/// let mut ticks = 0;
/// println!("{}", reactor.run(&mut ticks)?);
/// assert_eq!(ticks, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Registry<App> {
    pub(crate) ledger: Ledger,
    pub(crate) cork: Cork,
    pub(crate) poller: Poller,
    pub(crate) slots: Slots<Source<App>>,
    pub(crate) wheel: Wheel<Timed<App>>,
    pub(crate) mailbox: Arc<Mailbox<App>>,
    /// Messages taken from the mailbox and not dealt with yet.
    pub(crate) mail: VecDeque<Message<App>>,
    /// Whether the loop has to look into the mailbox before it sleeps.
    pub(crate) has_mail: bool,
    pub(crate) deferred: VecDeque<Task<App>>,
    /// What the running connection was told by its id, to be done after its callback.
    pub(crate) orders: Vec<Order>,
    /// Who wants to know that the outbox of a connection has fallen.
    pub(crate) waiting: Waiting<App>,
    /// What the running socket was given to send by its id, to leave after its callback.
    pub(crate) own_datagrams: Vec<(Bytes, Option<Address>)>,
    /// What the running callback has decided for its connection.
    pub(crate) outcome: Option<Outcome<App>>,
    pub(crate) connections: usize,
    pub(crate) by_address: ByAddress,
    /// Where connections come in that other loops accept for this one, by their listeners.
    pub(crate) entrances: BTreeMap<ListenerId, Entrance<App>>,
    /// The paths from which Unix connections were made: few, if any.
    pub(crate) client_paths: BTreeMap<Key, OwnedPath>,
    /// What proxies have said of connections: few, if any.
    pub(crate) proxied: BTreeMap<Key, Proxied>,
    /// What the process was started with, until somebody listens there.
    pub(crate) inherited: inherit::Inherited,
    /// Connections that are being made to a host by its name.
    pub(crate) races: BTreeMap<Key, Race>,
    /// Who looks hosts up, if not the system.
    resolver: Option<Resolver<App>>,
    lookups: Lookups,
    pub(crate) spare: SpareDescriptor,
    /// Listeners that rest until a descriptor is freed, or their timer fires.
    pub(crate) resting: Vec<Key>,
    /// How connections have ended, for a test that asks.
    #[cfg(feature = "sim")]
    pub(crate) ends: Option<Vec<crate::Closed>>,
    pub(crate) detaching: Vec<(Key, DetachReceiver<App>)>,
    /// Who connects anew when this connection has ended: few, if any.
    pub(crate) after_close: BTreeMap<Key, AfterClose<App>>,
    pub(crate) shutdown: Shutdown,
    pub(crate) offloads: Slab<Completion<App>>,
    /// Which connections wait for it.
    pub(crate) away: Away,
    pool: Pool,
    #[cfg(all(unix, feature = "signals"))]
    pub(crate) signal_handlers: Vec<(crate::Signal, crate::signals::SignalHandler<App>)>,
    /// [`on_accept_failure`](Self::on_accept_failure).
    pub(crate) accept_failed: Option<AcceptFailed<App>>,
}

pub(crate) type AcceptFailed<App> =
    Box<dyn FnMut(&mut Registry<App>, &mut App, ListenerId, &io::Error)>;

/// What is to be done when a connection has ended, behind its own protocol's `on_close`.
pub(crate) struct AfterClose<App> {
    /// When it was opened: connecting to it, and a handshake, may have taken long.
    pub(crate) opened: Option<Instant>,
    pub(crate) act: AfterCloseAct<App>,
}

/// How a connection has ended, and when it was opened, if it was.
pub(crate) struct Ended<'a> {
    pub(crate) closed: &'a crate::Closed,
    pub(crate) opened: Option<Instant>,
    /// How long a deadline of ours waited in vain, where it was one that has ended it.
    pub(crate) waited: Duration,
}

/// What the running connection was told by its id.
pub(crate) enum Order {
    SendFile(FilePiece),
    End,
    Close,
    Release,
    Abort,
    Pause,
    Resume,
}

impl Order {
    /// Whether nothing more is sent on the connection.
    pub(crate) fn ends_sending(&self) -> bool {
        matches!(self, Self::End | Self::Close | Self::Release | Self::Abort)
    }

    /// Whether what comes is no longer for the protocol, or not now.
    pub(crate) fn ends_reading(&self) -> bool {
        matches!(self, Self::Close | Self::Release | Self::Abort | Self::Pause)
    }

    /// Whether it ends a datagram socket, which knows no other order.
    pub(crate) fn is_close(&self) -> bool {
        matches!(self, Self::Close | Self::Abort)
    }
}

impl<App> Registry<App> {
    pub(crate) fn new(poller: Poller, limits: Limits) -> Self {
        let generations = poller.system().generations();
        Self {
            mailbox: Arc::new(Mailbox::new(poller.waker(), limits.tasks)),
            pool: poller.pool(limits.offload_threads),
            lookups: Lookups::new(&poller, limits.lookups),
            ledger: Ledger::new(limits, poller.system()),
            cork: Cork::new(),
            spare: SpareDescriptor::new(&poller),
            poller,
            slots: Slots::new(generations.clone()),
            wheel: Wheel::new(generations),
            mail: VecDeque::new(),
            has_mail: false,
            deferred: VecDeque::new(),
            orders: Vec::new(),
            waiting: BTreeMap::new(),
            own_datagrams: Vec::new(),
            outcome: None,
            connections: 0,
            by_address: ByAddress::default(),
            client_paths: BTreeMap::new(),
            entrances: BTreeMap::new(),
            proxied: BTreeMap::new(),
            inherited: inherit::Inherited::default(),
            races: BTreeMap::new(),
            resolver: None,
            resting: Vec::new(),
            #[cfg(feature = "sim")]
            ends: None,
            detaching: Vec::new(),
            after_close: BTreeMap::new(),
            shutdown: Shutdown::Running,
            offloads: Slab::new(),
            away: Away::default(),
            #[cfg(all(unix, feature = "signals"))]
            signal_handlers: Vec::new(),
            accept_failed: None,
        }
    }

    /// The time of this turn. It is read from the system's clock when it is first asked for, and does not move
    /// within the turn. Timers count from it.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.ledger.clock.now()
    }

    /// The time of day, read at each call: for what people are shown, and logs. It can jump, forth
    /// and back, when somebody sets the clock, so nothing should wait for it: [`now`](Self::now) only
    /// goes on.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// # use std::time::{Duration, SystemTime};
    /// let mut reactor = Reactor::<()>::new()?;
    /// let since_1970 = reactor.registry().wall_clock().duration_since(SystemTime::UNIX_EPOCH)?;
    /// println!("{} seconds since 1970", since_1970.as_secs());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wall_clock(&self) -> SystemTime {
        self.poller.system().wall_clock()
    }

    /// Bits that no peer can predict, from the operating system: for a key, a nonce, a cookie, or to
    /// seed a generator of one's own where many are needed, since each call asks the system.
    ///
    /// There are always some: a system that cannot give any now gave the standard library the keys of
    /// its hash maps when the loop was made, and they come from those instead.
    ///
    /// A protocol that takes its randomness from here, and its time from [`now`](Self::now), does the
    /// same again when it is simulated again.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// let mut reactor = Reactor::<()>::new()?;
    /// let (id, nonce) = (reactor.registry().random(), reactor.registry().random());
    /// assert_ne!(id, nonce);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn random(&self) -> u64 {
        self.poller.system().random()
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<App> {
        Handle::new(Arc::clone(&self.mailbox))
    }

    // ── work ────────────────────────────────────────────────────────────────────────────────

    /// Runs a closure on the loop when no callback is on the stack: later in this turn if its tasks
    /// are still to come, else in the next.
    #[doc(alias("call_soon", "next_tick", "spawn"))]
    pub fn defer(&mut self, task: impl FnOnce(&mut Self, &mut App) + 'static) {
        self.defer_call(|registry, app| {
            registry.run_callback(None, Callback::Task, |registry| task(registry, app));
        });
    }

    /// As [`defer`](Self::defer); who is called, and how, is the caller's to say.
    pub(crate) fn defer_call(&mut self, call: impl FnOnce(&mut Self, &mut App) + 'static) {
        self.deferred.push_back(Box::new(call));
    }

    // ── what there is ───────────────────────────────────────────────────────────────────────

    /// The counters, as they are now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.connections as u64,
            queued_bytes: self.ledger.queued as u64,
            timers: self.wheel.len() as u64,
            ..self.ledger.stats
        }
    }

    /// Every socket, its state and its queues, and the totals. It asks the system for each socket's
    /// address, which takes about 2 µs, so that with many of them everybody else waits: a server with
    /// thousands takes its totals from [`stats`](Self::stats) and its rows from
    /// [`socket_rows`](Self::socket_rows).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let sockets = self.slots.iter().map(|(_, source)| source.row(&self.ledger.peers)).collect();
        Snapshot { sockets, stats: self.stats() }
    }

    /// The rows of a [`Snapshot`] in slices, of at most `most` rows each: for a loop with so many
    /// sockets that telling of all would hold it up. `from` is [`Rows::default`] at first; each call
    /// moves it on, and at the end there are no rows. Between the slices the loop goes on, so a
    /// socket that comes or goes meanwhile may be told of or not; no other is left out or told twice.
    ///
    /// ```
    /// use reactor::{Reactor, Registry, Rows};
    ///
    /// /// Prints every socket, a hundred a turn.
    /// fn print<App: 'static>(registry: &mut Registry<App>, mut rows: Rows) {
    ///     let slice = registry.socket_rows(&mut rows, 100);
    ///     slice.iter().for_each(|row| println!("{row}"));
    ///     if !slice.is_empty() {
    ///         registry.defer(move |registry, _| print(registry, rows));
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::<()>::new()?;
    /// print(reactor.registry(), Rows::default());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn socket_rows(&self, from: &mut Rows, most: usize) -> Vec<SocketRow> {
        std::iter::from_fn(|| {
            let (next, source) = self.slots.next_from(from.0)?;
            from.0 = next;
            Some(source.row(&self.ledger.peers))
        })
        .take(most)
        .collect()
    }

    /// What a proxy has said of a connection that came by way of it (the PROXY protocol), beside its peer. `None` of
    /// one that came by itself, or has ended.
    #[must_use]
    pub fn proxied(&self, id: ConnectionId) -> Option<&Proxied> {
        self.proxied.get(&id.0)
    }

    /// How many sockets are registered: listeners, connections and datagram sockets, those that
    /// ended in this turn included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing can happen any more unless somebody who has the registry brings it about: no socket
    /// is registered, no timer is set, no closure and no message waits, no offloaded work is out, and no
    /// [`Handle`] is left with which another thread could send something. It is what
    /// [`Reactor::run_until_idle`](crate::Reactor::run_until_idle) waits for. Signals that are watched do not
    /// count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let here = self.len() | self.wheel.len() | self.offloads.len();
        here == 0 && !self.has_tasks() && !self.mailbox.can_bring_more()
    }

    /// Shuts the loop down: stops listening, tells every protocol
    /// ([`on_shutdown`](Protocol::on_shutdown)), waits until all have closed, all offloaded work is back, and
    /// no [deferred closure](Self::defer) and no message waits, at most for `grace`, and cuts off the rest. Then
    /// [`run`](crate::Reactor::run) returns the report.
    ///
    /// A connection that waits for [work of its own](crate::Transport::offload) has its answer first: it is
    /// read no more, and told of the shutdown when the last piece is back.
    ///
    /// Called again, it can only shorten the grace.
    #[doc(alias("stop"))]
    pub fn shutdown(&mut self, grace: Duration) {
        self.begin_shutdown(grace);
    }

    /// Whether the loop is [shutting down](Self::shutdown): for work in steps, of which the next is not begun
    /// then, and for a second Ctrl-C, which waits for nobody.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_ending()
    }
}

impl<App> fmt::Debug for Registry<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("len", &self.len()).finish_non_exhaustive()
    }
}
