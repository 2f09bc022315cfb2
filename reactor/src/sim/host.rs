//! A host of a simulated network: its loop, its application, and how both begin.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::net::Poller;
use crate::net::sim::System;
use crate::trace::{Ring, Tracer};
use crate::{Limits, LoopError, Reactor, Registry, ShutdownReport, Snapshot, Stats, Turn};

/// A host whose application is an `App`, as [`Network::host`](super::Network::host) gives it.
pub struct Host<App> {
    id: HostId,
    app: PhantomData<fn() -> App>,
}

/// Any host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(super) u16);

impl<App> Host<App> {
    pub(super) fn new(id: HostId) -> Self {
        Self { id, app: PhantomData }
    }

    /// It, whatever its application.
    #[must_use]
    pub fn id(self) -> HostId {
        self.id
    }
}

impl HostId {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl<App> Clone for Host<App> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<App> Copy for Host<App> {}

impl<App> fmt::Debug for Host<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<App> From<Host<App>> for HostId {
    fn from(host: Host<App>) -> Self {
        host.id
    }
}

/// What goes wrong while a host boots.
pub(super) type BootError = Box<dyn Error>;

type Boot = Box<dyn FnMut(System, Tracer) -> Result<Box<dyn Site>, BootError>>;

/// What a network knows of a host, whatever its application.
pub(super) struct Node {
    pub(super) name: String,
    boot: Boot,
    pub(super) state: State,
}

/// ```text
///   boot ─▶ Running ── shutdown ──▶ Finished
///              │ crash                 │
///              ▼                       │ crash
///            Down ◀────────────────────┘
///              └── restart ──▶ Running
/// ```
pub(super) enum State {
    Down,
    Running(Box<dyn Site>),
    Finished(Box<dyn Site>, ShutdownReport),
}

/// A loop and its application, whatever that is.
pub(super) trait Site: Any {
    fn turn(&mut self) -> Result<Turn, LoopError>;
    fn next_deadline(&self) -> Option<Instant>;
    fn stats(&self) -> Stats;
    fn snapshot(&self) -> Snapshot;
    fn shut_down(&mut self, grace: Duration);
}

pub(super) struct Booted<App> {
    pub(super) reactor: Reactor<App>,
    pub(super) app: App,
}

impl Node {
    pub(super) fn new<App: 'static>(
        name: &str,
        limits: Limits,
        mut boot: impl FnMut(&mut Registry<App>) -> Result<App, BootError> + 'static,
    ) -> Self {
        let boot = move |system, tracer| -> Result<Box<dyn Site>, BootError> {
            // No time passes while it spins, so it would never stop.
            let limits = Limits { busy_poll: Duration::ZERO, ..limits.clone() };
            let mut reactor = Reactor::on(Poller::Sim(system), limits);
            reactor.registry().ledger.tracer = tracer;
            let app = boot(reactor.registry())?;
            Ok(Box::new(Booted { reactor, app }))
        };
        Self { name: name.to_owned(), boot: Box::new(boot), state: State::Down }
    }

    pub(super) fn boot(
        &mut self,
        system: System,
        ring: &Rc<RefCell<Ring>>,
        host: HostId,
        epoch: Instant,
    ) -> Result<(), BootError> {
        let tracer = Tracer::new(Rc::clone(ring), host.0, epoch);
        self.state = State::Running((self.boot)(system, tracer)?);
        Ok(())
    }

    pub(super) fn site(&self) -> Option<&dyn Site> {
        match &self.state {
            State::Down => None,
            State::Running(site) | State::Finished(site, _) => Some(&**site),
        }
    }

    pub(super) fn site_mut(&mut self) -> Option<&mut dyn Site> {
        match &mut self.state {
            State::Down => None,
            State::Running(site) | State::Finished(site, _) => Some(&mut **site),
        }
    }
}

impl<App: 'static> Site for Booted<App> {
    fn turn(&mut self) -> Result<Turn, LoopError> {
        self.reactor.turn(Some(Duration::ZERO), &mut self.app)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.reactor.next_deadline()
    }

    fn stats(&self) -> Stats {
        self.reactor.stats()
    }

    fn snapshot(&self) -> Snapshot {
        self.reactor.snapshot()
    }

    fn shut_down(&mut self, grace: Duration) {
        self.reactor.registry().shutdown(grace);
    }
}
