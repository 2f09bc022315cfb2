//! What waits for which server, and which connections are idle.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Instant;

use reactor::{Address, ConnectOptions, ConnectionId, Registry};

use super::ask::Upload;
use super::connection::Connection;
use super::reader::Job;
use super::timed::Timed;
use super::{Ask, ClientLimits, Failure, Reader, Route, socks};

/// A client: requests go out by it, over connections that it keeps. Clones are the same client.
///
/// What it was asked goes on when all of them have been dropped; then no connection is kept for another request. So
/// a program that [runs until the loop is idle](reactor::Reactor::run_until_idle) drops its client when it has no
/// more to ask: one that is held has the loop wait for its idle connections, for
/// [`ClientLimits::idle`], and those that are idle when the last is dropped wait as long.
pub struct Client<App> {
    pool: Rc<Pool<App>>,
    /// One for all clones.
    user: Rc<()>,
}

/// How a client behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// How connections are made.
    pub connect: ConnectOptions,
    /// The bounds.
    pub limits: ClientLimits,
}

/// What the connections of a client share.
pub(super) struct Pool<App> {
    pub(super) options: ClientOptions,
    sites: RefCell<HashMap<Route, Place<App>>>,
    /// The loop is shutting down: what is under way may end, and no connection is kept.
    pub(super) is_ending: Cell<bool>,
    /// The clients who may ask for more.
    users: Weak<()>,
}

/// What there is of one server.
struct Place<App> {
    waiting: VecDeque<Job<App>>,
    idle: Vec<ConnectionId>,
    /// Connections that are going to look at what waits: those that are being made, and idle ones that were told to.
    coming: Vec<ConnectionId>,
    /// Connections whose proxy is being asked for a way.
    asking: Vec<ConnectionId>,
    /// Connections that are open, or about to be.
    open: usize,
}

impl<App: 'static> Client<App> {
    /// A client.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        let (is_ending, user) = (Cell::new(false), Rc::new(()));
        let users = Rc::downgrade(&user);
        Self { pool: Rc::new(Pool { options, sites: RefCell::default(), is_ending, users }), user }
    }

    /// How it behaves.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.pool.options
    }

    /// Sends a request to the server at an address: over a connection that is idle, or a new one, or when
    /// one becomes free. The reader is told of everything, failures included, and never before this returns.
    pub fn send(
        &self,
        registry: &mut Registry<App>,
        address: &Address,
        ask: Ask,
        reader: impl Reader<App>,
    ) {
        self.send_by(registry, &Route::to(address.clone()), ask, reader);
    }

    /// As [`send`](Self::send), by a route of one's own: through a proxy.
    pub fn send_by(
        &self,
        registry: &mut Registry<App>,
        route: &Route,
        ask: Ask,
        reader: impl Reader<App>,
    ) {
        let mut reader: Box<dyn Reader<App>> = Box::new(reader);
        let mut timed = None;
        if let Some(timeout) = ask.timeout {
            let it = Timed::new(reader, timeout, registry, (&self.pool, route));
            reader = Box::new(it.clone());
            timed = Some(it);
        }
        let since = registry.now();
        let job = Job { ask, reader, timed, since, is_second: false, upload: Upload::Done };
        let refused = route.socks().and_then(|_| socks::check(&route.server).err());
        if let Some(refused) = refused {
            return job.fail_later(registry, Failure::Socks(refused));
        }
        let most = self.pool.options.limits.waiting;
        let refused = self.pool.with_place(route, |place| {
            if place.waiting.len() >= most {
                return Some(job);
            }
            place.waiting.push_back(job);
            None
        });
        match refused {
            Some(job) => job.fail_later(registry, Failure::Busy(route.server.clone())),
            None => Pool::hurry(&self.pool, registry, route),
        }
    }
}

impl<App: 'static> Pool<App> {
    fn with_place<R>(&self, route: &Route, act: impl FnOnce(&mut Place<App>) -> R) -> R {
        let mut sites = self.sites.borrow_mut();
        match sites.get_mut(route) {
            Some(place) => act(place),
            None => act(sites.entry(route.clone()).or_default()),
        }
    }

    /// Sees to it that what waits for a server is sent.
    fn hurry(pool: &Rc<Self>, registry: &mut Registry<App>, route: &Route) {
        while pool.with_place(route, |place| place.waiting.len() > place.coming.len()) {
            let Some(id) = pool.with_place(route, |place| place.idle.pop()) else {
                return Self::connect(pool, registry, route);
            };
            let told = registry.with(id, |connection: &mut Connection<App>, transport, app| {
                connection.take_next(transport, app);
            });
            // One that has just ended is told of by its end.
            if told.is_ok() {
                return pool.with_place(route, |place| place.coming.push(id));
            }
        }
        pool.tell_asking(registry, route);
    }

    /// Begins another connection, if there may be one more.
    fn connect(pool: &Rc<Self>, registry: &mut Registry<App>, route: &Route) {
        let most = pool.options.limits.connections.max(1);
        if pool.with_place(route, |place| place.open >= most) {
            return pool.tell_asking(registry, route);
        }
        let connection = Connection::new(Rc::clone(pool), route.clone());
        let connected = match pool.connect_options(route) {
            Some(options) => registry.connect_with(route.first().clone(), &options, connection),
            None => registry.connect_with(route.first().clone(), &pool.options.connect, connection),
        };
        match connected {
            Ok(id) => pool.with_place(route, |place| {
                place.open += 1;
                place.coming.push(id);
            }),
            Err(error) => {
                let why = error.to_string();
                let failure = Failure::Unreachable { address: route.first().clone(), why };
                pool.fail_next(registry, route, failure);
            }
        }
    }

    /// Whoever has come now may wait less long for a proxy than those who wait already.
    fn tell_asking(&self, registry: &mut Registry<App>, route: &Route) {
        let asking = self.with_place(route, |place| {
            let last = place.waiting.back();
            let is_hasty = last.is_some_and(|job| job.ask.patience.is_some());
            if is_hasty { place.asking.clone() } else { Vec::new() }
        });
        for id in asking {
            // One that has just ended is told of by its end.
            let _ = registry.with(id, |it: &mut Connection<App>, transport, _| it.wait(transport));
        }
    }

    /// How to connect, where that is not as the options have it: with a proxy TLS begins behind its answer.
    fn connect_options(&self, route: &Route) -> Option<ConnectOptions> {
        #[cfg(feature = "tls")]
        if route.proxied.is_some() && self.options.connect.tls.is_some() {
            return Some(ConnectOptions { tls: None, ..self.options.connect.clone() });
        }
        let _ = route;
        None
    }

    /// Whether the way to the server is a tunnel.
    pub(super) fn tunnels(&self, route: &Route) -> bool {
        self.connect_options(route).is_some()
    }

    /// The one that has waited longest has failed.
    pub(super) fn fail_next(&self, registry: &mut Registry<App>, route: &Route, why: Failure) {
        if let Some(job) = self.next(route) {
            job.fail_later(registry, why);
        }
    }

    /// Those have failed who have waited as long as they would while a proxy was asked for a way, which began at
    /// `since`. Until when the next one waits, if anybody does.
    pub(super) fn fail_late(
        &self,
        registry: &mut Registry<App>,
        route: &Route,
        since: Instant,
        why: &Failure,
    ) -> Option<Instant> {
        let (now, most) = (registry.now(), self.options.limits.head_time);
        let until = |job: &Job<App>| {
            let patience = job.ask.patience.unwrap_or(most).min(most);
            job.since.max(since) + patience
        };
        let late = self.with_place(route, |place| {
            let jobs = std::mem::take(&mut place.waiting).into_iter();
            let (late, waiting): (VecDeque<_>, _) = jobs.partition(|job| until(job) <= now);
            place.waiting = waiting;
            late
        });
        for job in late {
            job.fail_later(registry, why.clone());
        }
        self.with_place(route, |place| place.waiting.iter().map(until).min())
    }

    /// The time of a request is over: if it waits, it takes no place any more, and no connection is made for it.
    pub(super) fn drop_timed_out(&self, route: &Route) {
        let job = self.sites.borrow_mut().get_mut(route).and_then(|place| {
            let at = place.waiting.iter().position(Job::is_over)?;
            place.waiting.remove(at)
        });
        // Its body is the caller's, and may do something when it goes: nothing is borrowed here.
        drop(job);
    }

    /// A connection looks at what waits.
    pub(super) fn note_come(&self, route: &Route, id: ConnectionId) {
        self.with_place(route, |place| place.coming.retain(|coming| *coming != id));
    }

    pub(super) fn next(&self, route: &Route) -> Option<Job<App>> {
        self.with_place(route, |place| place.waiting.pop_front())
    }

    pub(super) fn put_first(&self, route: &Route, job: Job<App>) {
        self.with_place(route, |place| place.waiting.push_front(job));
    }

    /// Whether a connection is kept for another request to this server.
    pub(super) fn keeps(&self, route: &Route) -> bool {
        let may_ask = !self.is_ending.get() && self.users.strong_count() > 0;
        may_ask || self.with_place(route, |place| !place.waiting.is_empty())
    }

    pub(super) fn begin_asking(&self, route: &Route, id: ConnectionId) {
        self.with_place(route, |place| place.asking.push(id));
    }

    pub(super) fn end_asking(&self, route: &Route, id: ConnectionId) {
        self.with_place(route, |place| place.asking.retain(|asking| *asking != id));
    }

    pub(super) fn rest(&self, route: &Route, id: ConnectionId) {
        self.with_place(route, |place| place.idle.push(id));
    }

    /// A connection has nothing to do with us any more. Whoever waits gets another.
    pub(super) fn forget(
        pool: &Rc<Self>,
        registry: &mut Registry<App>,
        route: &Route,
        id: ConnectionId,
    ) {
        let is_unused = pool.with_place(route, |place| {
            place.open = place.open.saturating_sub(1);
            for ids in [&mut place.idle, &mut place.coming, &mut place.asking] {
                ids.retain(|it| *it != id);
            }
            place.open == 0 && place.waiting.is_empty()
        });
        if is_unused {
            pool.sites.borrow_mut().remove(route);
        } else {
            Self::hurry(pool, registry, route);
        }
    }
}

impl<App> Default for Place<App> {
    fn default() -> Self {
        let (waiting, idle, coming, asking) = Default::default();
        Self { waiting, idle, coming, asking, open: 0 }
    }
}

impl<App> Clone for Client<App> {
    fn clone(&self) -> Self {
        Self { pool: Rc::clone(&self.pool), user: Rc::clone(&self.user) }
    }
}

impl<App> fmt::Debug for Client<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.pool.options).finish_non_exhaustive()
    }
}
