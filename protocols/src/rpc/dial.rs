//! How a connection is made again, when it is lost or could not be made.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Backoff, ConnectionId, Registry, TimerId};
use serde_json::Value;
use serde_json::value::RawValue;

use super::CallError;
use super::Remote;
use super::channel::HangUp;
use super::event::Event;

/// Whether there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    Connecting(ConnectionId),
    Up(ConnectionId),
    /// There is no one connection: each text is a request of its own.
    Posting,
    Ended,
}

/// How a connection is made, and made again.
pub(super) struct Dial<App> {
    connect: Rc<Connect<App>>,
    reconnect: Option<Backoff>,
    /// Whether calls that were sent, and not answered, are sent again.
    sends_again: bool,
    /// How often it has been connected.
    connected: u64,
    pub(super) timer: Option<TimerId>,
    subscriptions: Vec<Subscription>,
}

type Connect<App> = dyn Fn(&Remote<App>, &mut Registry<App>);

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) method: String,
    pub(super) params: Box<RawValue>,
    pub(super) timeout: Duration,
}

impl<App> Dial<App> {
    pub(super) fn new(
        reconnect: Option<Backoff>,
        sends_again: bool,
        connect: impl Fn(&Remote<App>, &mut Registry<App>) + 'static,
    ) -> Self {
        Self {
            connect: Rc::new(connect),
            sends_again: sends_again && reconnect.is_some(),
            reconnect,
            connected: 0,
            timer: None,
            subscriptions: Vec::new(),
        }
    }

    /// Whether what is sent is kept; `may_be_refused`: it can turn out not to have been sent at all.
    pub(super) fn keeps(&self, may_be_refused: bool) -> bool {
        self.reconnect.is_some() && (may_be_refused || self.sends_again)
    }

    pub(super) fn add_subscription(&mut self, subscription: Subscription) {
        self.subscriptions.push(subscription);
    }

    /// How often it has been connected.
    pub(super) fn handle_connected(&mut self) -> u64 {
        self.reconnect.iter_mut().for_each(Backoff::reset);
        self.connected += 1;
        self.connected
    }

    /// It is not to be made again.
    pub(super) fn give_up(&mut self) {
        self.reconnect = None;
    }

    /// How long to wait before the next try; `None` if there is none.
    pub(super) fn pause(&mut self, random: u64) -> Option<Duration> {
        self.reconnect.as_mut().map(|backoff| backoff.pause(random))
    }
}

impl<App> fmt::Debug for Dial<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("connected", &self.connected).finish_non_exhaustive()
    }
}

/// Begins to connect.
pub(super) fn connect<App: 'static>(remote: &Remote<App>, registry: &mut Registry<App>) {
    if let Some(connect) = remote.with_dial(|dial| Rc::clone(&dial.connect)) {
        connect(remote, registry);
    }
}

/// The connection is there: what waited is sent, and what was subscribed to again.
pub(super) fn handle_open<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    id: ConnectionId,
    hang_up: HangUp<App>,
) {
    let connected = remote.with_dial(Dial::handle_connected);
    remote.set_up(id, hang_up);
    remote.send_kept(registry);
    if connected > Some(1) {
        subscribe_again(remote, registry);
    }
}

fn subscribe_again<App: 'static>(remote: &Remote<App>, registry: &mut Registry<App>) {
    let subscriptions = remote.with_dial(|dial| dial.subscriptions.clone()).unwrap_or_default();
    for Subscription { method, params, timeout } in subscriptions {
        let (service, name) = (Rc::clone(remote.service()), method.clone());
        let called = remote.call(registry, &method, &params, timeout, move |_, app, result| {
            let result: Result<Value, CallError> = result;
            if let Err(error) = &result {
                service.tell(app, || Event::NotResubscribed { method: &name, error });
            }
        });
        if let Err(error) = called {
            let service = Rc::clone(remote.service());
            registry.defer(move |_, app| {
                service.tell(app, || Event::NotResubscribed { method: &method, error: &error });
            });
        }
    }
}

/// The connection has ended, or was never there.
pub(super) fn handle_close<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    why: &str,
) {
    let chance = registry.random();
    match remote.with_dial(|dial| dial.pause(chance)).flatten() {
        Some(pause) => {
            remote.set_link(Link::Down);
            remote.fail_sent(registry, why);
            connect_after(remote, registry, pause, why);
        }
        None => remote.fail_all(registry, why),
    }
}

pub(super) fn connect_after<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    pause: Duration,
    why: &str,
) {
    let again = remote.clone();
    let timer = registry.after(pause, move |registry, _| {
        again.with_dial(|dial| dial.timer = None);
        if again.link() == Link::Down {
            connect(&again, registry);
        }
    });
    match timer {
        Ok(timer) => drop(remote.with_dial(|dial| dial.timer = Some(timer))),
        Err(_) => remote.fail_all(registry, why),
    }
}
