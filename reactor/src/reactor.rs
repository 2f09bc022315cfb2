//! The loop.

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::ledger::{SCRATCH, Scratch};
use crate::net::{Events, Poller};
use crate::trace::What;
#[cfg(feature = "trace")]
use crate::trace::{Ring, Trace, Tracer};
use crate::{Handle, Limits, LoopError, Registry, ShutdownReport, Snapshot, Stats};

/// Of the turns that have one event and nothing else to do, one in so many is timed: to read the clock twice
/// costs a fifth of what such a turn costs.
const TIMED_TURNS: u64 = 64;

/// The event loop: one thread, one poller, and everything registered with it.
///
/// `App` is the program's own state. The loop does not own it: it is borrowed for each turn, and
/// every callback is handed it.
///
/// ```
/// use reactor::{Input, Protocol, Reactor, Transport};
///
/// struct Echo;
///
/// impl<App> Protocol<App> for Echo {
///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
///         transport.write(input.take_all());
///     }
/// }
///
/// let mut reactor = Reactor::<()>::new()?;
/// reactor.registry().listen("127.0.0.1:0".parse()?, |_peer, _app| Echo)?;
/// # reactor.registry().shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reactor<App> {
    registry: Registry<App>,
    events: Events,
    /// The buffer that every read goes to; an idle connection owns none.
    scratch: Box<Scratch>,
    busy_poll: Option<Duration>,
    /// When the present turn's wait ended, if the turn is timed.
    began: Option<Instant>,
    /// Whether the last turn left nothing to do but wait for events, and the registry has not been used since.
    is_at_rest: bool,
}

/// How a turn ended.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The loop goes on.
    Running,
    /// The loop was shut down, and nothing is registered any more. It says so at once whenever it is turned
    /// again, with the same report, until something is opened or set in it anew.
    Finished(ShutdownReport),
}

impl Turn {
    /// Whether the loop goes on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

impl<App> Reactor<App> {
    /// A loop with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// If the system has no descriptors left for the poller.
    pub fn new() -> io::Result<Self> {
        Self::with_limits(Limits::default())
    }

    /// A loop with limits of one's own, by value or by reference.
    ///
    /// # Errors
    ///
    /// If the system has no descriptors left for the poller.
    pub fn with_limits(limits: impl Borrow<Limits>) -> io::Result<Self> {
        Ok(Self::on(Poller::new()?, limits.borrow().clone()))
    }

    pub(crate) fn on(poller: Poller, limits: Limits) -> Self {
        let events = Events::new(&poller, limits.visit_budget.max(1));
        let busy_poll = (!limits.busy_poll.is_zero()).then_some(limits.busy_poll);
        let registry = Registry::new(poller, limits);
        let scratch = Box::new([0; SCRATCH]);
        Self { registry, events, scratch, busy_poll, began: None, is_at_rest: false }
    }

    /// Everything that is registered: to open sockets and to set timers before the first turn, and
    /// between turns.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.is_at_rest = false;
        self.registry.ledger.clock.go_on();
        &mut self.registry
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<App> {
        self.registry.handle()
    }

    /// Turns until the loop is shut down, with [`Registry::shutdown`] or [`Handle::shutdown`].
    ///
    /// A loop that has ended so may be used again: open something, or set a timer, and run it. Until then
    /// there is nothing to wait for, and this returns the same report at once.
    ///
    /// # Errors
    ///
    /// If waiting for events fails, which no connection can bring about.
    #[doc(alias("run_forever", "block_on"))]
    pub fn run(&mut self, app: &mut App) -> Result<ShutdownReport, LoopError> {
        loop {
            if !self.take_events(None, app)?
                && let Turn::Finished(report) = self.handle_rest(app)
            {
                return Ok(report);
            }
        }
    }

    /// Turns until the loop is shut down, or until nothing can happen in it any more: no socket is registered,
    /// no timer is set, no offloaded work is out, and there is no [`Handle`] left with which a message could
    /// come ([`Registry::is_empty`]). So a program that is only a client ends when its work is done, however
    /// that ended.
    ///
    /// Returns the report of a shutdown, or `None` if the loop has run idle; it can be run again then. A
    /// `Handle` that the program keeps itself, in its `App` or beside the loop, keeps this from returning.
    ///
    /// ```
    /// use reactor::{Closed, Input, Protocol, Reactor, Registry, Transport};
    ///
    /// /// Prints what a server says, and why it ended.
    /// struct Reader;
    ///
    /// impl Protocol<Vec<String>> for Reader {
    ///     fn on_data(&mut self, _: &mut Transport<'_, Vec<String>>, input: &mut Input<'_>, _: &mut Vec<String>) {
    ///         println!("{}", input.take_all().escape_ascii());
    ///     }
    ///
    ///     fn on_close(&mut self, _: &mut Registry<Vec<String>>, closed: &Closed, ends: &mut Vec<String>) {
    ///         ends.push(closed.reason.to_string());
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new()?;
    /// let mut ends = Vec::new();
    /// // Nobody listens there, so the connection is refused.
    /// reactor.registry().connect("127.0.0.1:1".parse()?, Reader)?;
    /// assert_eq!(reactor.run_until_idle(&mut ends)?, None);
    /// assert!(ends[0].starts_with("could not connect"), "{ends:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If waiting for events fails, which no connection can bring about.
    #[doc(alias("run_until_complete"))]
    pub fn run_until_idle(&mut self, app: &mut App) -> Result<Option<ShutdownReport>, LoopError> {
        self.turn_until_idle(None, app)
    }

    /// As [`run_until_idle`](Self::run_until_idle), but not for longer than `most`: a deadline for all that a client,
    /// a script or a test does.
    ///
    /// Nothing is shut down when that has passed: `None` is returned, and what is still registered goes on with the
    /// next turn, or ends with the reactor. [`Registry::is_empty`] says whether anything is.
    ///
    /// ```
    /// use reactor::{Closed, Protocol, Reactor, Registry};
    /// use std::time::Duration;
    ///
    /// struct Reader;
    ///
    /// impl Protocol<Option<String>> for Reader {
    ///     fn on_close(&mut self, _: &mut Registry<Option<String>>, closed: &Closed, end: &mut Option<String>) {
    ///         *end = Some(closed.reason.to_string());
    ///     }
    /// }
    ///
    /// // One that takes connections, and says nothing.
    /// let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let mut reactor = Reactor::new()?;
    /// reactor.registry().connect(silent.local_addr()?.into(), Reader)?;
    /// let mut end = None;
    /// reactor.run_until_idle_for(Duration::from_millis(20), &mut end)?;
    /// assert!(end.is_none() && !reactor.registry().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If waiting for events fails, which no connection can bring about.
    pub fn run_until_idle_for(
        &mut self,
        most: Duration,
        app: &mut App,
    ) -> Result<Option<ShutdownReport>, LoopError> {
        self.turn_until_idle(Some(most), app)
    }

    fn turn_until_idle(
        &mut self,
        most: Option<Duration>,
        app: &mut App,
    ) -> Result<Option<ShutdownReport>, LoopError> {
        self.registry.mailbox.tell_when_alone(true);
        // Only a deadline has the clock read for it.
        let within = most.map(|most| (self.registry.ledger.clock.read(), most));
        let ended = loop {
            let left = within.map(|(began, most)| {
                let now = self.registry.ledger.clock.read();
                most.saturating_sub(now.saturating_duration_since(began))
            });
            if left == Some(Duration::ZERO) || self.registry.is_empty() {
                break Ok(None);
            }
            match self.turn(left, app) {
                Ok(Turn::Running) => {}
                Ok(Turn::Finished(report)) => break Ok(Some(report)),
                Err(error) => break Err(error),
            }
        };
        self.registry.mailbox.tell_when_alone(false);
        ended
    }

    /// Turns once: waits until something is ready, a timer is due, or `timeout` has passed (`None`
    /// waits as long as it takes, zero not at all), and does what there is to do.
    ///
    /// # Errors
    ///
    /// If waiting for events fails, which no connection can bring about.
    #[doc(alias("run_once", "poll"))]
    pub fn turn(&mut self, timeout: Option<Duration>, app: &mut App) -> Result<Turn, LoopError> {
        let is_done = self.take_events(timeout, app)?;
        Ok(if is_done { Turn::Running } else { self.handle_rest(app) })
    }

    /// When the loop wants to be turned though its descriptor may not become readable anew: now, at the next
    /// timer, or never. It may be earlier than the next timer (the wheel has to be wound now and then), never
    /// later.
    ///
    /// Now is also when the last turn took as many events as fit ([`Limits::visit_budget`]): more may wait, and a
    /// host that is told of changes only, as tokio's `AsyncFd` is, would not hear of them.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.events.len() >= self.registry.ledger.limits.visit_budget.max(1) {
            return Some(self.registry.ledger.clock.now());
        }
        self.next_work()
    }

    /// When there is work that no event brings about.
    fn next_work(&self) -> Option<Instant> {
        let clock = &self.registry.ledger.clock;
        if self.has_work() {
            return Some(clock.now());
        }
        self.registry.wheel.next_deadline().and_then(|tick| clock.instant(tick))
    }

    /// The counters, as they are now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.registry.stats()
    }

    /// Every socket, its state and its queues, and the totals.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.registry.snapshot()
    }

    // ── the phases of a turn ────────────────────────────────────────────────────────────────

    /// Waits for events and handles them; whether the turn ends with that. Most turns of a loop at work bring events
    /// and nothing else.
    fn take_events(&mut self, timeout: Option<Duration>, app: &mut App) -> Result<bool, LoopError> {
        self.wait(timeout)?;
        // Before the tasks, since a wake-up is an event too.
        self.registry.handle_events(&self.events, app, &mut self.scratch);
        self.is_at_rest = self.registry.is_idle();
        if self.is_at_rest {
            self.end_turn();
        }
        Ok(self.is_at_rest)
    }

    /// Sleeps until there is something to do. The only phase that can fail.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), LoopError> {
        let timeout = if self.is_at_rest { timeout } else { self.bounded(timeout) };
        self.poll(timeout).map_err(LoopError)?;
        let ledger = &mut self.registry.ledger;
        ledger.clock.go_on();
        ledger.stats.turns += 1;
        ledger.gathers = self.events.len() > 1;
        let is_timed = ledger.gathers
            || !self.is_at_rest
            || ledger.stats.turns.is_multiple_of(TIMED_TURNS)
            || ledger.is_traced();
        if is_timed {
            self.began = Some(ledger.clock.now());
        }
        Ok(())
    }

    /// Polls: without sleeping for [`Limits::busy_poll`], if that is set, and sleeping for the rest of the time.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match self.busy_poll {
            None => timeout,
            Some(most) => match self.spin(timeout.map_or(most, |timeout| timeout.min(most)))? {
                None => return Ok(()),
                Some(spun) => timeout.map(|timeout| timeout.saturating_sub(spun)),
            },
        };
        self.registry.poller.wait(&mut self.events, timeout)
    }

    /// Polls without sleeping until something is ready or so much time has passed, which is returned then.
    fn spin(&mut self, most: Duration) -> io::Result<Option<Duration>> {
        let began = self.registry.ledger.clock.read();
        loop {
            let spun = self.registry.ledger.clock.read().saturating_duration_since(began);
            if spun >= most {
                return Ok(Some(spun));
            }
            self.registry.poller.wait(&mut self.events, Some(Duration::ZERO))?;
            if self.events.len() > 0 {
                return Ok(None);
            }
        }
    }

    /// What a turn does beside its events.
    // Inlined, it takes the registers of the loop over the events: 8 instructions a message.
    #[inline(never)]
    fn handle_rest(&mut self, app: &mut App) -> Turn {
        self.registry.run_tasks(app);
        self.registry.tell_of_shutdown(app);
        self.handle_ready_list(app);
        self.registry.fire_timers(app);
        self.flush(app);
        self.registry.reap(app);
        self.registry.wheel.settle();
        self.is_at_rest = self.registry.is_idle();
        self.end_turn();
        self.registry.finish_shutdown().map_or(Turn::Running, Turn::Finished)
    }

    /// Visits the sources on the ready list, up to the budget. Those that are added meanwhile wait for the next
    /// turn.
    fn handle_ready_list(&mut self, app: &mut App) {
        for _ in 0..self.registry.ledger.budgeted(self.registry.ledger.ready.len()) {
            let Some(key) = self.registry.ledger.ready.pop_front() else { break };
            self.registry.handle_ready(key, app, &mut self.scratch);
        }
    }

    /// One vectored write for each connection that others have written to, up to the budget. The others wait for
    /// the next turn, and what comes for them meanwhile leaves in the same write.
    fn flush(&mut self, app: &mut App) {
        for _ in 0..self.registry.ledger.budgeted(self.registry.ledger.touched.len()) {
            let Some(key) = self.registry.ledger.touched.pop_front() else { break };
            self.registry.handle_touched(key, app);
        }
    }

    fn end_turn(&mut self) {
        let ledger = &mut self.registry.ledger;
        ledger.gathers = true;
        let Some(began) = self.began else { return };
        self.began = None;
        let took = ledger.clock.refresh().saturating_duration_since(began);
        ledger.stats.longest_turn = ledger.stats.longest_turn.max(took);
        ledger.trace_loop(|| What::TurnEnded { took });
    }

    // ── helpers ─────────────────────────────────────────────────────────────────────────────

    fn has_work(&self) -> bool {
        self.registry.ledger.has_work()
            || self.registry.has_tasks()
            || self.registry.shutdown.has_work(self.registry.awaited())
    }

    /// The timeout, cut to the next timer, and to zero if there is work already.
    fn bounded(&self, timeout: Option<Duration>) -> Option<Duration> {
        let Some(deadline) = self.next_work() else { return timeout };
        let rest = deadline.saturating_duration_since(self.registry.ledger.clock.read());
        Some(timeout.map_or(rest, |timeout| timeout.min(rest)))
    }
}

#[cfg(feature = "trace")]
impl<App> Reactor<App> {
    /// Begins a trace of the latest `capacity` records; one that was begun before is forgotten.
    ///
    /// See [`trace`](crate::trace) for what is in it and how to look at it.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// # use std::time::Duration;
    /// let mut reactor = Reactor::<()>::new()?;
    /// reactor.trace(10_000);
    /// reactor.registry().defer(|registry, _| registry.shutdown(Duration::ZERO));
    /// reactor.run(&mut ())?;
    /// let trace = reactor.take_trace();
    /// print!("{trace}");
    /// # assert!(trace.to_string().contains("task begins"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace(&mut self, capacity: usize) {
        let ledger = &mut self.registry().ledger;
        let ring = Ring::shared(capacity);
        ledger.tracer = Tracer::new(ring, 0, ledger.clock.epoch());
    }

    /// Ends the trace, and gives it back. It is empty if none was begun.
    pub fn take_trace(&mut self) -> Trace {
        let tracer = std::mem::take(&mut self.registry().ledger.tracer);
        Trace::of_loop(tracer)
    }
}

/// The kernel's own event queue: readable when the loop has something to do, so that another loop can
/// watch this one. Timers and unfinished work do not show there: see [`Reactor::next_deadline`].
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl<App> std::os::fd::AsFd for Reactor<App> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.registry.poller.as_fd()
    }
}

/// As [`AsFd`](std::os::fd::AsFd), for those who ask for a number: tokio's `AsyncFd`, say.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl<App> std::os::fd::AsRawFd for Reactor<App> {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsFd::as_fd(self).as_raw_fd()
    }
}

impl<App> fmt::Debug for Reactor<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("registry", &self.registry).finish_non_exhaustive()
    }
}
