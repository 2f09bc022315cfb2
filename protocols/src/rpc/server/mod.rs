//! The calls that open a service's sockets.
//!
//! | file | what it is |
//! |---|---|
//! | `ticket`, `later` | an answer that comes later, and the methods that give it |
//! | `topic` | who is told of something as it happens |
//! | `datagram` | a socket that takes notifications |
//! | `web` | a service on a web server's port: by POST, and by WebSocket |

mod datagram;
mod later;
mod ticket;
mod topic;
#[cfg(feature = "rpc-web")]
mod web;

use std::rc::Rc;

use reactor::{
    Address, DatagramOptions, Handle, ListenOptions, ListenerId, OpenError, Registry, SocketId,
};

use datagram::Receiver;
pub use datagram::notification;
pub use ticket::Ticket;
pub use topic::Topic;
#[cfg(feature = "rpc-web")]
pub use web::{Web, listen_http, listen_http_among, site};

use super::wire::Encoding;
use super::{Dialect, Framing, Limits, Peer, Service};

/// How a server talks.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// How messages are told apart. Default: a line each.
    pub framing: Framing,
    /// Which version is spoken. Default: 2.0.
    pub dialect: Dialect,
    /// The options of its socket; the limits of its connections are the service's
    /// ([`Limits::stream_limits`](super::Limits::stream_limits)).
    pub listen: ListenOptions,
}

/// Listens for streams, TCP or Unix, and lets whoever connects call the service.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen<App: 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ServerOptions,
    service: Rc<Service<App>>,
) -> Result<ListenerId, OpenError> {
    let limits = service.limits().stream_limits();
    let listen = ListenOptions { limits, ..options.listen.clone() };
    let (framing, dialect) = (options.framing, options.dialect);
    registry.listen_with(address, &listen, move |_peer, _app| {
        Some(Box::new(session(Rc::clone(&service), framing, dialect)))
    })
}

/// As [`listen`], for several loops ([`Registry::listen_among`]): each connection calls the service of the loop that it
/// comes to, which that loop's application has. These limits are those of all the services.
///
/// # Errors
///
/// As of [`listen`].
pub fn listen_among<App: 'static>(
    registry: &mut Registry<App>,
    handles: &[Handle<App>],
    address: Address,
    options: &ServerOptions,
    limits: &Limits,
    service: impl Fn(&mut App) -> Rc<Service<App>> + Send + Sync + 'static,
) -> Result<ListenerId, OpenError> {
    let listen = ListenOptions { limits: limits.stream_limits(), ..options.listen.clone() };
    let (framing, dialect) = (options.framing, options.dialect);
    registry.listen_among(handles, address, &listen, move |_peer, app| {
        Some(Box::new(session(service(app), framing, dialect)))
    })
}

/// The server's side of one connection, for a listener that chooses among protocols.
#[must_use]
pub fn session<App: 'static>(
    service: Rc<Service<App>>,
    framing: Framing,
    dialect: Dialect,
) -> Peer<App> {
    Peer::new(service, framing, Encoding::of_stream(framing, dialect))
}

/// Binds a datagram socket, UDP or Unix, that takes notifications, one a datagram. What wants an answer is
/// dropped and counted ([`Counters::datagrams_refused`](super::Counters::datagrams_refused)): a source can
/// be forged, and an answer that is longer than the question would be a weapon against whoever has that
/// address.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn bind<App: 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &DatagramOptions,
    service: Rc<Service<App>>,
) -> Result<SocketId, OpenError> {
    registry.bind_datagram_with(address, options, Receiver::new(service))
}
