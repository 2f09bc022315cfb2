//! A connection that this side makes, and makes again when it is lost.

mod options;

use std::rc::Rc;
use std::time::Duration;

use reactor::{ConnectOptions, OpenError, Registry, StdStream, StreamLimits, StreamOptions};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;

pub use options::{Carrier, ClientOptions, Lost};

use super::dial::{Dial, Link, Subscription, connect, handle_close};
use super::event::Event;
use super::wire::Encoding;
use super::{CallError, Dialect, Framing, Peer, Remote, Service};
#[cfg(feature = "rpc-web")]
use super::{posts::Posts, web::Talker};
#[cfg(feature = "rpc-web")]
use crate::websocket::{self, ConnectError, Endpoint, Target};

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
        #[cfg(feature = "rpc-web")]
        let posts = Posts::new(&options, service.limits());
        let (reconnect, sends_again) = (options.reconnect, options.lost == Lost::SendAgain);
        let way = Way::new(options, &service);
        let dial =
            Dial::new(reconnect, sends_again, move |remote, registry| way.begin(remote, registry));
        let remote = Remote::dialed(
            service,
            encoding,
            dial,
            #[cfg(feature = "rpc-web")]
            posts,
        );
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
        let remote = Remote::new(service, encoding);
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
        let value = to_raw_value(params).map_err(|error| CallError::Params(error.to_string()))?;
        self.remote.call(registry, method, params, timeout, done)?;
        let subscription = Subscription { method: method.to_owned(), params: value, timeout };
        self.remote.with_dial(|dial| dial.add_subscription(subscription));
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

/// The way to the server.
struct Way {
    options: ClientOptions,
    connect: ConnectOptions,
    #[cfg(feature = "rpc-web")]
    endpoint: Endpoint,
}

impl Way {
    fn new<App: 'static>(options: ClientOptions, service: &Service<App>) -> Self {
        let connect_timeout = Some(options.connect_timeout);
        let connect = ConnectOptions {
            limits: StreamLimits { connect_timeout, ..limits(service) },
            #[cfg(feature = "tls")]
            tls: options.tls.clone(),
            ..ConnectOptions::default()
        };
        #[cfg(feature = "rpc-web")]
        let endpoint = websocket_endpoint(service.limits());
        Self {
            options,
            connect,
            #[cfg(feature = "rpc-web")]
            endpoint,
        }
    }

    fn begin<App: 'static>(&self, remote: &Remote<App>, registry: &mut Registry<App>) {
        let server = self.options.server.clone();
        let opened = match &self.options.carrier {
            Carrier::Stream => {
                let peer = Peer::of(remote.clone(), self.options.framing);
                registry.connect_with(server, &self.connect, peer)
            }
            #[cfg(feature = "rpc-web")]
            Carrier::WebSocket(target) => {
                return self.begin_socket(remote, registry, server, target);
            }
            #[cfg(feature = "rpc-web")]
            Carrier::Http(_) => {
                remote.set_link(Link::Posting);
                return remote.send_kept(registry);
            }
        };
        match opened {
            Ok(id) => remote.set_link(Link::Connecting(id)),
            Err(error) => handle_unopened(remote, registry, &error),
        }
    }

    #[cfg(feature = "rpc-web")]
    fn begin_socket<App: 'static>(
        &self,
        remote: &Remote<App>,
        registry: &mut Registry<App>,
        server: reactor::Address,
        target: &Target,
    ) {
        let talker = Talker::of(remote.clone());
        match websocket::connect(registry, server, &self.connect, &self.endpoint, target, talker) {
            Ok(id) => remote.set_link(Link::Connecting(id)),
            Err(ConnectError::Open(error)) => handle_unopened(remote, registry, &error),
            Err(error) => handle_unreachable(remote, registry, error.to_string()),
        }
    }
}

/// It was known at once that there will be no connection.
fn handle_unopened<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    error: &OpenError,
) {
    match error {
        // A loop that ends takes nothing new.
        OpenError::ShuttingDown(_) => remote.fail_all(registry, &error.to_string()),
        error => handle_unreachable(remote, registry, error.to_string()),
    }
}

/// No connection tells of it.
fn handle_unreachable<App: 'static>(
    remote: &Remote<App>,
    registry: &mut Registry<App>,
    why: String,
) {
    handle_close(remote, registry, &why);
    let service = Rc::clone(remote.service());
    registry.defer(move |_, app| service.tell(app, || Event::Unreachable { why: &why }));
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
