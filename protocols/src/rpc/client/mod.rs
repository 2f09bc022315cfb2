//! A connection that this side makes, and makes again when it is lost.

#[cfg(feature = "rpc-web")]
mod posts;

use std::rc::Rc;
use std::time::Duration;

use reactor::{
    Address, Backoff, ConnectOptions, ConnectionId, OpenError, Registry, StdStream, StreamLimits,
    StreamOptions, TimerId,
};
use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "rpc-web")]
pub(super) use posts::Posts;

use super::service::Event;
use super::wire::Encoding;
use super::{CallError, Dialect, Framing, Peer, Remote, Service};
#[cfg(feature = "rpc-web")]
use super::{peer::Talker, wire::Envelope};
#[cfg(feature = "rpc-web")]
use crate::http::client::Url;
#[cfg(feature = "rpc-web")]
use crate::websocket::{self, ConnectError, Endpoint, Role, Target};

/// A connection to a server, as long as the program wants one.
///
/// ```text
///            ┌──── ended, and Backoff says when ────┐
///            ▼                                      │
///   Down ──start, or time──▶ Connecting ──▶ Up ─────┤
///                                │                  │ close(), or no Backoff
///                                └───── ended ──────┴──────────────────────▶ Ended
/// ```
///
/// Calls can be made at any time; those made while there is no connection are sent when there is one, if
/// that is before their deadlines.
#[derive(Debug)]
pub struct Client<App> {
    remote: Remote<App>,
}

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The server.
    pub server: Address,
    /// What carries the calls there. Default: a stream.
    pub carrier: Carrier,
    /// How messages are told apart on a stream. Default: a line each.
    pub framing: Framing,
    /// Which version is spoken. Default: 2.0.
    pub dialect: Dialect,
    /// When a connection that is lost, or cannot be made, is made again. Default `None`: never.
    pub reconnect: Option<Backoff>,
    /// What happens to calls that were sent, and not answered, when the connection is lost.
    pub lost: Lost,
    /// How long connecting may take. Default 10 s.
    pub connect_timeout: Duration,
    /// Speak TLS, below whatever carries the calls. Default `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<reactor::tls::ClientTls>,
}

/// What carries calls to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// A stream: TCP, or a Unix socket.
    #[default]
    Stream,
    /// A WebSocket, a message a text. As on a stream, both sides can call, and a client subscribe.
    #[cfg(feature = "rpc-web")]
    WebSocket(Target),
    /// HTTP: a call is a POST, and a batch is one. Connections are kept, and there may be as many at a time
    /// as [`Limits::calls`](super::Limits::calls) says. The server cannot call back.
    ///
    /// With a [`reconnect`](ClientOptions::reconnect) a call that cannot be sent, since nobody listens there,
    /// waits and is sent again.
    #[cfg(feature = "rpc-web")]
    Http(Url),
}

/// What happens to calls that were sent, and not answered, when the connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// They fail with [`CallError::Lost`]: whether they were carried out nobody knows, but no call is carried
    /// out twice. At most once.
    #[default]
    Fail,
    /// They are sent again on the next connection, with the same ids. At least once: for calls that may be
    /// carried out twice.
    SendAgain,
}

impl ClientOptions {
    /// A client of the server there, which speaks 2.0 in lines and connects once.
    #[must_use]
    pub fn new(server: Address) -> Self {
        Self {
            server,
            carrier: Carrier::default(),
            framing: Framing::default(),
            dialect: Dialect::default(),
            reconnect: None,
            lost: Lost::default(),
            connect_timeout: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl<App: 'static> Client<App> {
    /// Begins to connect. The service is what the *server* may call: its notifications are calls of
    /// these methods.
    ///
    /// A connection that cannot be made is as one that is lost: it is made again, or the calls fail.
    #[must_use]
    pub fn start(
        registry: &mut Registry<App>,
        options: ClientOptions,
        service: Rc<Service<App>>,
    ) -> Self {
        let encoding = options.encoding();
        let dial = Dial {
            options,
            #[cfg(feature = "rpc-web")]
            endpoint: websocket_endpoint(service.limits()),
            connected: 0,
            timer: None,
            subscriptions: Vec::new(),
        };
        let remote = Remote::new(service, encoding, Some(dial));
        connect(&remote, registry);
        Self { remote }
    }

    /// Speaks on a stream that was opened elsewhere, a process's standard input and output say. When it
    /// ends it has ended.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn adopt(
        registry: &mut Registry<App>,
        stream: impl Into<StdStream>,
        framing: Framing,
        service: Rc<Service<App>>,
    ) -> Result<Self, OpenError> {
        let limits = limits(&service);
        let encoding = Encoding::of_stream(framing, Dialect::Two);
        let remote = Remote::new(service, encoding, None);
        let peer = Peer::of(remote.clone(), framing);
        let id = registry.adopt(stream, &StreamOptions::default(), &limits, peer)?;
        remote.set_link(Link::Connecting(id));
        Ok(Self { remote })
    }

    /// Subscribes: calls this method now, and again whenever it is connected again, since a subscription
    /// ends with its connection. What the server refuses then, the service's hook hears
    /// ([`Event::NotResubscribed`](super::Event::NotResubscribed)).
    ///
    /// What is published comes as notifications, which are calls of the service's methods. Those that the
    /// server sends while there is no connection are lost.
    ///
    /// # Errors
    ///
    /// As [`Remote::call`].
    pub fn subscribe<P: Serialize + ?Sized>(
        &self,
        registry: &mut Registry<App>,
        method: &str,
        params: &P,
        timeout: Duration,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<Value, CallError>) + 'static,
    ) -> Result<(), CallError> {
        let value =
            serde_json::to_value(params).map_err(|error| CallError::Params(error.to_string()))?;
        self.remote.call(registry, method, params, timeout, done)?;
        let subscription = Subscription { method: method.to_owned(), params: value, timeout };
        self.remote.with_dial(|dial| dial.subscriptions.push(subscription));
        Ok(())
    }

    /// Ends it: what was sent leaves, calls that wait fail, and it is not connected again.
    pub fn close(&self, registry: &mut Registry<App>) {
        self.remote.close(registry);
    }

    /// The server, to be called.
    #[must_use]
    pub fn remote(&self) -> &Remote<App> {
        &self.remote
    }
}

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
#[derive(Debug)]
pub(super) struct Dial {
    options: ClientOptions,
    #[cfg(feature = "rpc-web")]
    endpoint: Endpoint,
    /// How often it has been connected.
    connected: u64,
    pub(super) timer: Option<TimerId>,
    subscriptions: Vec<Subscription>,
}

#[derive(Clone, Debug)]
struct Subscription {
    method: String,
    params: Value,
    timeout: Duration,
}

impl Dial {
    pub(super) fn sends_again(&self) -> bool {
        self.options.lost == Lost::SendAgain && self.options.reconnect.is_some()
    }

    /// Whether what is sent is kept; `may_be_refused`: it can turn out not to have been sent at all.
    pub(super) fn keeps(&self, may_be_refused: bool) -> bool {
        self.options.reconnect.is_some() && (may_be_refused || self.sends_again())
    }

    #[cfg(feature = "rpc-web")]
    pub(super) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// How often it has been connected.
    fn handle_connected(&mut self) -> u64 {
        self.options.reconnect.iter_mut().for_each(Backoff::reset);
        self.connected += 1;
        self.connected
    }

    /// It is not to be made again.
    pub(super) fn give_up(&mut self) {
        self.options.reconnect = None;
    }

    /// How long to wait before the next try; `None` if there is none.
    fn pause(&mut self, random: u64) -> Option<Duration> {
        self.options.reconnect.as_mut().map(|backoff| backoff.pause(random))
    }
}

/// The connection is there: what waited is sent, and what was subscribed to again.
pub(super) fn handle_open<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    id: ConnectionId,
) {
    let connected = remote.with_dial(Dial::handle_connected);
    remote.set_link(Link::Up(id));
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
                service.tell(app, &Event::NotResubscribed { method: &name, error });
            }
        });
        if let Err(error) = called {
            let service = Rc::clone(remote.service());
            registry.defer(move |_, app| {
                service.tell(app, &Event::NotResubscribed { method: &method, error: &error });
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

fn connect_after<App: 'static>(
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

fn connect<App: 'static>(remote: &Remote<App>, registry: &mut Registry<App>) {
    let Some(options) = remote.with_dial(|dial| dial.options.clone()) else {
        return;
    };
    let connect = options.connect_options(remote.service());
    let opened = match &options.carrier {
        Carrier::Stream => {
            let peer = Peer::of(remote.clone(), options.framing);
            registry.connect_with(options.server, &connect, peer)
        }
        #[cfg(feature = "rpc-web")]
        Carrier::WebSocket(target) => {
            return connect_socket(remote, registry, options.server, &connect, target);
        }
        #[cfg(feature = "rpc-web")]
        Carrier::Http(_) => {
            remote.set_link(Link::Posting);
            return remote.send_kept(registry);
        }
    };
    match opened {
        Ok(id) => remote.set_link(Link::Connecting(id)),
        // A loop that ends takes nothing new.
        Err(error @ OpenError::ShuttingDown(_)) => remote.fail_all(registry, &error.to_string()),
        Err(error) => handle_unopened(remote, registry, error.to_string()),
    }
}

#[cfg(feature = "rpc-web")]
fn connect_socket<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    server: Address,
    connect: &ConnectOptions,
    target: &Target,
) {
    let Some(endpoint) = remote.with_dial(|dial| dial.endpoint.clone()) else {
        return;
    };
    let talker = Talker::of(remote.clone());
    match websocket::connect(registry, server, connect, &endpoint, target, talker) {
        Ok(id) => remote.set_link(Link::Connecting(id)),
        Err(ConnectError::Open(error @ OpenError::ShuttingDown(_))) => {
            remote.fail_all(registry, &error.to_string());
        }
        Err(error) => handle_unopened(remote, registry, error.to_string()),
    }
}

/// It was known at once that there will be no connection, so no connection tells of it.
fn handle_unopened<App: 'static>(remote: &Remote<App>, registry: &mut Registry<App>, why: String) {
    handle_close(remote, registry, &why);
    let service = Rc::clone(remote.service());
    registry.defer(move |_, app| service.tell(app, &Event::Unreachable { why: &why }));
}

impl ClientOptions {
    fn encoding(&self) -> Encoding {
        let stream = Encoding::of_stream(self.framing, self.dialect);
        match self.carrier {
            Carrier::Stream => stream,
            #[cfg(feature = "rpc-web")]
            Carrier::WebSocket(_) => {
                Encoding { envelope: Envelope::WebSocket(Role::Client), ..stream }
            }
            #[cfg(feature = "rpc-web")]
            Carrier::Http(_) => Encoding { envelope: Envelope::Body, ..stream },
        }
    }

    fn connect_options<App: 'static>(&self, service: &Service<App>) -> ConnectOptions {
        let connect_timeout = Some(self.connect_timeout);
        let limits = StreamLimits { connect_timeout, ..limits(service) };
        ConnectOptions {
            limits,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            ..ConnectOptions::default()
        }
    }
}

#[cfg(feature = "rpc-web")]
fn websocket_endpoint(limits: &super::Limits) -> Endpoint {
    let options = websocket::Options::default();
    let limits = websocket::Limits::with_messages_of(options.limits, limits.message);
    Endpoint::new(websocket::Options { limits, ..options })
}

/// A client reads always: its server may wait for it to do so.
fn limits<App: 'static>(service: &Service<App>) -> StreamLimits {
    StreamLimits { outbox_holds_reading: false, ..service.limits().stream_limits() }
}
