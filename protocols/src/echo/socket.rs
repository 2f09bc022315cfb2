//! The client's side of one socket: it finds the client whose socket it is, and tells the program.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use reactor::{
    Address, CloseReason, Closed, ConnectOptions, ConnectionId, Datagram, DatagramOptions,
    DatagramProtocol, DatagramTransport, Input, OpenError, Protocol, Registry, SocketClosed,
    SocketId, StreamLimits, Transport,
};

use super::{Caller, ClientId, ClientLimits, ClientOptions, NotSent, Reply};

/// Begins to connect.
pub(super) fn connect<App: Caller>(
    registry: &mut Registry<App>,
    server: &Address,
    options: &ClientOptions,
) -> Result<ConnectionId, OpenError> {
    registry.connect_with(server.clone(), &stream_options(options), Socket)
}

/// Binds a datagram socket that talks to the server alone.
pub(super) fn bind<App: Caller>(
    registry: &mut Registry<App>,
    server: &Address,
    options: &ClientOptions,
) -> Result<SocketId, OpenError> {
    let from = options.from.clone().unwrap_or_else(|| any_address_like(server));
    let bind = DatagramOptions { peer: Some(server.clone()), ..DatagramOptions::default() };
    registry.bind_datagram_with(from, &bind, Socket)
}

/// Sends a payload on a stream.
pub(super) fn send<App>(
    registry: &mut Registry<App>,
    id: ConnectionId,
    payload: Bytes,
) -> Result<(), NotSent> {
    if payload.is_empty() {
        return Err(NotSent::Empty(payload));
    }
    registry.send(id, payload).map(|_| ()).map_err(|error| NotSent::Ended(error.into_bytes()))
}

/// Sends a payload as a datagram.
pub(super) fn send_datagram<App>(
    registry: &mut Registry<App>,
    id: SocketId,
    payload: &Bytes,
) -> Result<(), NotSent> {
    registry.send_to(id, payload, None).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => NotSent::WindowFull(payload.clone()),
        _ => NotSent::Refused { payload: payload.clone(), error },
    })
}

/// The protocol of a client's socket. It has no state: the client is the application's.
#[derive(Debug)]
struct Socket;

impl<App: Caller> Protocol<App> for Socket {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = ClientId::Stream(transport.id());
        app.on_open(transport.registry(), id);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let id = ClientId::Stream(transport.id());
        let mut rest = input.take_all();
        while let Some(reply) = hear(transport, &mut rest, app) {
            app.on_reply(transport.registry(), id, reply);
        }
    }

    // `on_end` closes, as it does by default; whether that came too early is seen in `on_close`.

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Some(client) = app.client(ClientId::Stream(transport.id())) {
            client.close(transport.registry());
        }
        transport.close();
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        finish(registry, ClientId::Stream(closed.id), &closed.reason, app);
    }
}

impl<App: Caller> DatagramProtocol<App> for Socket {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
        tell(socket, |registry, id, app| app.on_open(registry, id));
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let Some(client) = app.client(ClientId::Datagrams(socket.id())) else {
            return socket.close();
        };
        if let Some(reply) = client.handle_datagram(datagram.bytes, socket.registry()) {
            tell(socket, |registry, id, app| {
                app.on_reply(registry, id, reply);
                app.client(id).into_iter().for_each(|client| client.handle_told(registry));
            });
        }
    }

    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
        _: &mut App,
    ) {
        let trouble = error.kind();
        tell(socket, move |registry, id, app| app.on_trouble(registry, id, trouble));
    }

    fn on_shutdown(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        if let Some(client) = app.client(ClientId::Datagrams(socket.id())) {
            client.close(socket.registry());
        }
        socket.close();
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &SocketClosed, app: &mut App) {
        finish(registry, ClientId::Datagrams(closed.id), &closed.reason, app);
    }
}

/// Takes bytes up to the end of a payload, and tells the application of those that are right; the
/// payload, if its end is among them.
fn hear<App: Caller>(
    transport: &mut Transport<'_, App>,
    input: &mut &[u8],
    app: &mut App,
) -> Option<Reply> {
    let id = ClientId::Stream(transport.id());
    let Some(client) = app.client(id) else {
        transport.close();
        return None;
    };
    if !client.is_listening() {
        return None;
    }
    let before = *input;
    let result = client.handle_bytes(input, transport.registry());
    if result.is_err() {
        transport.abort();
    }
    let right = &before[..before.len() - input.len()];
    if !right.is_empty() {
        app.on_bytes(transport.registry(), id, right);
    }
    result.ok().flatten()
}

/// Tells the application of something on a datagram socket, unless the conversation ends before: right
/// after the callback, not in it. From inside, the socket cannot be reached by its id, and what a
/// program does about a reply is most often to send the next payload.
fn tell<App: Caller>(
    socket: &mut DatagramTransport<'_, App>,
    what: impl FnOnce(&mut Registry<App>, ClientId, &mut App) + 'static,
) {
    let id = ClientId::Datagrams(socket.id());
    socket.registry().defer(move |registry, app| {
        if app.client(id).is_some_and(|client| client.is_listening()) {
            what(registry, id, app);
        }
    });
}

/// The connection has ended, and the conversation with it.
fn finish<App: Caller>(
    registry: &mut Registry<App>,
    id: ClientId,
    reason: &CloseReason,
    app: &mut App,
) {
    if let Some(client) = app.client(id) {
        let outcome = client.handle_close(registry, reason);
        app.on_finish(registry, id, outcome);
    }
}

/// Everything that is on its way fits below the high mark, so that the client is always read.
fn stream_options(options: &ClientOptions) -> ConnectOptions {
    let ClientLimits { window, timeout } = options.limits;
    let defaults = StreamLimits::default();
    ConnectOptions {
        from: options.from.clone(),
        limits: StreamLimits {
            outbox_high: window.max(defaults.outbox_high),
            outbox: window.max(defaults.outbox),
            connect_timeout: Some(timeout),
            close_timeout: timeout,
            ..defaults
        },
        #[cfg(feature = "tls")]
        tls: options.tls.clone(),
        ..ConnectOptions::default()
    }
}

/// Any free port for a peer of that family; for a Unix peer, no name.
fn any_address_like(peer: &Address) -> Address {
    match peer.socket_addr() {
        Some(SocketAddr::V4(_)) => Address::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
        Some(SocketAddr::V6(_)) => Address::Ip((Ipv6Addr::UNSPECIFIED, 0).into()),
        None => Address::Unnamed,
    }
}
