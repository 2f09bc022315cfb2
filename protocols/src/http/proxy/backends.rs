//! Whose turn it is, and who rests because it could not be reached.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use reactor::{Address, Backoff, ParseAddressError, Registry};
use thiserror::Error;

use super::checks::{Checks, Health};
use crate::http::ProxyLimits;
use crate::http::client::{Client, Failure, Scheme, Url};

/// A server behind the proxy, and the client that it is asked by.
pub struct Backend<App> {
    pub(super) url: Url,
    pub(super) address: Address,
    pub(super) client: Client<App>,
}

/// A backend that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoBackend {
    /// No host can have that name.
    #[error(transparent)]
    Host(#[from] ParseAddressError),
    /// The URL has a query: it could not be told where that of a request goes.
    #[error("a query cannot be a part of where requests are passed on to")]
    Query,
}

impl<App: 'static> Backend<App> {
    /// The server of a URL, asked by this client, which has to speak TLS if it is `https`. A path in it stands before
    /// that of every request.
    ///
    /// # Errors
    ///
    /// See [`NoBackend`].
    pub fn new(url: Url, client: Client<App>) -> Result<Self, NoBackend> {
        if url.target().contains('?') {
            return Err(NoBackend::Query);
        }
        let address = Address::to_host(url.host(), url.port())?;
        Ok(Self { url, address, client })
    }

    /// What stands before the path of every request.
    pub(super) fn prefix(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }
}

impl<App> fmt::Debug for Backend<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("url", &self.url.to_string()).finish_non_exhaustive()
    }
}

/// All of them.
pub(super) struct Backends<App> {
    all: Vec<Member<App>>,
    /// Where the search begins, so that those who have as much to do take turns.
    next: Cell<usize>,
}

struct Member<App> {
    backend: Backend<App>,
    /// Requests that are under way, and tunnels.
    busy: Rc<Cell<usize>>,
    rest: RefCell<Rest>,
    health: Cell<Health>,
    /// A check is under way.
    is_asked: Cell<bool>,
}

/// Since when, and how long, one is left alone.
struct Rest {
    until: Option<Instant>,
    backoff: Backoff,
}

/// One request less is under way when this is dropped.
pub(super) struct Busy(Rc<Cell<usize>>);

impl<App: 'static> Backends<App> {
    pub(super) fn new(backends: Vec<Backend<App>>, limits: &ProxyLimits) -> Self {
        let member = |backend| Member {
            backend,
            busy: Rc::default(),
            rest: RefCell::new(Rest {
                until: None,
                backoff: Backoff::new(limits.shortest_rest, limits.longest_rest),
            }),
            health: Cell::new(Health::Well { failed: 0 }),
            is_asked: Cell::default(),
        };
        Self { all: backends.into_iter().map(member).collect(), next: Cell::new(0) }
    }

    /// The one with the least to do, of those that have not been tried. Those who rest or are ill are passed over, unless
    /// all are: then somebody has to find out whether there is anyone again.
    pub(super) fn choose(&self, tried: &[usize], now: Instant) -> Option<usize> {
        let count = self.all.len();
        let all = || (0..count).map(|step| (self.next.get() + step) % count);
        let fresh = |at: &usize| !tried.contains(at);
        let load = |at: &usize| self.all.get(*at).map_or(usize::MAX, |it| it.busy.get());
        let is_awake = |at: &usize| self.all.get(*at).is_some_and(|it| it.is_awake(now));
        let awake = all().filter(fresh).filter(is_awake).min_by_key(load);
        // Who has been tried once need not find out whether those who rest are back.
        let anyone = || all().filter(fresh).min_by_key(load).filter(|_| tried.is_empty());
        let chosen = awake.or_else(anyone)?;
        self.next.set(chosen + 1);
        Some(chosen)
    }

    pub(super) fn get(&self, at: usize) -> Option<(&Backend<App>, Busy)> {
        let member = self.all.get(at)?;
        member.busy.set(member.busy.get() + 1);
        Some((&member.backend, Busy(Rc::clone(&member.busy))))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Backend<App>> {
        self.all.iter().map(|member| &member.backend)
    }

    pub(super) fn address(&self, at: usize) -> Option<Address> {
        self.all.get(at).map(|member| member.backend.address.clone())
    }

    pub(super) fn url(&self, at: usize) -> Option<&Url> {
        self.all.get(at).map(|member| &member.backend.url)
    }

    /// It has answered.
    pub(super) fn note_well(&self, at: usize) {
        if let Some(member) = self.all.get(at) {
            let mut rest = member.rest.borrow_mut();
            if rest.until.take().is_some() {
                rest.backoff.reset();
            }
        }
    }

    /// It has not: one that cannot be reached, or says nothing, rests; longer each time. A request that was answered
    /// badly is no reason, or anybody could send a backend to bed.
    pub(super) fn note_failure(&self, at: usize, failure: &Failure, registry: &mut Registry<App>) {
        let is_gone = failure.is_before_sending() && !matches!(failure, Failure::Busy(_));
        if !is_gone && *failure != Failure::Silent {
            return;
        }
        if let Some(member) = self.all.get(at) {
            let mut rest = member.rest.borrow_mut();
            let pause = rest.backoff.pause(registry.random());
            rest.until = registry.now().checked_add(pause);
        }
    }
}

impl<App> Backends<App> {
    /// It is to be asked whether it is well. Whether it is not being asked already.
    pub(super) fn begin_check(&self, at: usize) -> bool {
        self.all.get(at).is_some_and(|member| !member.is_asked.replace(true))
    }

    /// A check has found this. Whether it has become well by that, or ill.
    pub(super) fn note_check(&self, at: usize, is_well: bool, checks: &Checks) -> bool {
        self.all.get(at).is_some_and(|member| {
            let before = member.health.get();
            let health = before.after(is_well, checks);
            member.health.set(health);
            health.is_well() != before.is_well()
        })
    }

    /// It can be asked again.
    pub(super) fn end_check(&self, at: usize) {
        if let Some(member) = self.all.get(at) {
            member.is_asked.set(false);
        }
    }
}

impl<App> Member<App> {
    fn is_awake(&self, now: Instant) -> bool {
        self.health.get().is_well() && self.rest.borrow().until.is_none_or(|until| until <= now)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl<App> Backend<App> {
    /// The name it has itself.
    pub(super) fn host(&self) -> String {
        self.url.authority()
    }

    /// Whether it is asked over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == Scheme::Https
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reactor::Reactor;

    use super::*;
    use crate::http::client::ClientOptions;

    fn three() -> Backends<()> {
        let backend = |port: u16| {
            let url = format!("http://127.0.0.1:{port}").parse().expect("a url");
            Backend::new(url, Client::new(ClientOptions::default())).expect("a backend")
        };
        Backends::new(vec![backend(1), backend(2), backend(3)], &ProxyLimits::default())
    }

    #[test]
    fn who_has_the_least_to_do_is_next_and_equals_take_turns() {
        let (backends, now) = (three(), Instant::now());
        let next = || backends.choose(&[], now).expect("there are three");
        assert_eq!([next(), next(), next(), next()], [0, 1, 2, 0]);
        let busy: Vec<_> = [0, 0, 1].map(|at| backends.get(at).expect("it is there").1).into();
        assert_eq!([next(), next()], [2, 2]);
        drop(busy);
        assert_eq!([next(), next()], [0, 1]);
        assert_eq!(backends.choose(&[0, 1, 2], now), None);
    }

    #[test]
    fn who_could_not_be_reached_rests_until_all_do() {
        let backends = three();
        let mut reactor = Reactor::<()>::new().expect("there are descriptors");
        let registry = reactor.registry();
        let now = registry.now();
        backends.note_failure(0, &Failure::NoAnswer, registry);
        assert_eq!(backends.choose(&[], now), Some(0), "an answer that failed is no reason");
        backends.note_failure(1, &Failure::Silent, registry);
        assert_eq!([backends.choose(&[], now), backends.choose(&[], now)], [Some(2), Some(0)]);
        let refused =
            || Failure::Unreachable { address: Address::Unnamed, why: "refused".to_owned() };
        backends.note_failure(0, &refused(), registry);
        backends.note_failure(2, &refused(), registry);
        assert!(backends.choose(&[], now).is_some(), "somebody finds out");
        assert_eq!(backends.choose(&[1], now), None, "but not with every request");
        let later = now + Duration::from_secs(60);
        assert!(backends.choose(&[1], later).is_some());
        backends.note_well(1);
        assert_eq!([backends.choose(&[], now), backends.choose(&[], now)], [Some(1), Some(1)]);
    }
}
