//! What waits for which address, and which connections are idle.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use reactor::{Address, ConnectOptions, ConnectionId, Registry};

use super::line::{Job, Line};
use super::{Ask, ClientLimits, Failure, Reader};

/// A client: requests go out by it, over connections that it keeps. Clones are the same client.
pub struct Client<App> {
    pool: Rc<Pool<App>>,
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
    sites: RefCell<HashMap<Address, Place<App>>>,
}

/// What there is of one address.
struct Place<App> {
    waiting: VecDeque<Job<App>>,
    idle: Vec<ConnectionId>,
    /// Connections that are open, or about to be.
    open: usize,
}

impl<App: 'static> Client<App> {
    /// A client.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        Self { pool: Rc::new(Pool { options, sites: RefCell::default() }) }
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
        let job = Job { ask, reader: Box::new(reader), is_second: false };
        self.pool.with_place(address, |place| place.waiting.push_back(job));
        Pool::hurry(&self.pool, registry, address);
    }
}

impl<App: 'static> Pool<App> {
    fn with_place<R>(&self, address: &Address, act: impl FnOnce(&mut Place<App>) -> R) -> R {
        let mut sites = self.sites.borrow_mut();
        let fresh = || Place { waiting: VecDeque::new(), idle: Vec::new(), open: 0 };
        act(sites.entry(address.clone()).or_insert_with(fresh))
    }

    /// Sees to it that what waits for an address is sent.
    fn hurry(pool: &Rc<Self>, registry: &mut Registry<App>, address: &Address) {
        while let Some(id) = pool.with_place(address, |place| place.idle.pop()) {
            let told = registry.with(id, |line: &mut Line<App>, transport, app| {
                line.take_next(transport, app);
            });
            // One that has just ended is told of by its end.
            if told.is_ok() {
                return;
            }
        }
        let most = pool.options.limits.connections.max(1);
        if pool.with_place(address, |place| place.open >= most || place.waiting.is_empty()) {
            return;
        }
        let line = Line::new(Rc::clone(pool), address.clone());
        match registry.connect_with(address.clone(), &pool.options.connect, line) {
            Ok(_) => pool.with_place(address, |place| place.open += 1),
            Err(error) => {
                let why = error.to_string();
                let failure = Failure::Unreachable { address: address.clone(), why };
                pool.fail_next(registry, address, failure);
            }
        }
    }

    /// The one that has waited longest has failed.
    pub(super) fn fail_next(&self, registry: &mut Registry<App>, address: &Address, why: Failure) {
        if let Some(job) = self.next(address) {
            registry.defer(move |registry, app| job.reader.on_end(Err(why), registry, app));
        }
    }

    pub(super) fn next(&self, address: &Address) -> Option<Job<App>> {
        self.with_place(address, |place| place.waiting.pop_front())
    }

    pub(super) fn put_first(&self, address: &Address, job: Job<App>) {
        self.with_place(address, |place| place.waiting.push_front(job));
    }

    pub(super) fn rest(&self, address: &Address, id: ConnectionId) {
        self.with_place(address, |place| place.idle.push(id));
    }

    /// A connection has nothing to do with us any more. Whoever waits gets another.
    pub(super) fn forget(
        pool: &Rc<Self>,
        registry: &mut Registry<App>,
        address: &Address,
        id: ConnectionId,
    ) {
        let is_unused = pool.with_place(address, |place| {
            place.open = place.open.saturating_sub(1);
            place.idle.retain(|idle| *idle != id);
            place.open == 0 && place.waiting.is_empty()
        });
        if is_unused {
            pool.sites.borrow_mut().remove(address);
        } else {
            Self::hurry(pool, registry, address);
        }
    }
}

impl<App> Clone for Client<App> {
    fn clone(&self) -> Self {
        Self { pool: Rc::clone(&self.pool) }
    }
}

impl<App> fmt::Debug for Client<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.pool.options).finish_non_exhaustive()
    }
}
