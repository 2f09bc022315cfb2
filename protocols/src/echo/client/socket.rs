//! The client's sockets: each finds the client whose it is, and tells the program.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use reactor::{
    Address, CloseReason, Closed, ConnectOptions, ConnectionId, Datagram, DatagramOptions,
    DatagramProtocol, DatagramTransport, Input, OpenError, Protocol, Registry, SocketClosed,
    SocketId, StreamLimits, Transport,
};

use super::{Caller, ClientId, ClientOptions, Event, Failure, NotSent, Reply, State};

/// Begins to connect. Everything that may be on its way fits below the high mark, so that the client
/// is always read.
pub(super) fn connect<App: Caller>(
    registry: &mut Registry<App>,
    server: Address,
    options: &ClientOptions,
) -> Result<ConnectionId, OpenError> {
    let (window, timeout) = (options.limits.window, options.limits.timeout);
    let defaults = StreamLimits::default();
    let limits = StreamLimits {
        outbox_high: window.max(defaults.outbox_high),
        outbox: window.max(defaults.outbox),
        connect_timeout: Some(timeout),
        close_timeout: timeout,
        ..defaults
    };
    let options = ConnectOptions {
        from: options.from.clone(),
        limits,
        #[cfg(feature = "tls")]
        tls: options.tls.clone(),
        ..ConnectOptions::default()
    };
    registry.connect_with(server, &options, Socket)
}

/// Binds a datagram socket that talks to the server alone: at any free port, and for a Unix server
/// without a name.
pub(super) fn bind<App: Caller>(
    registry: &mut Registry<App>,
    server: Address,
    options: &ClientOptions,
) -> Result<SocketId, OpenError> {
    let from = options.from.clone().unwrap_or_else(|| match server.socket_addr() {
        Some(SocketAddr::V4(_)) => Address::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
        Some(SocketAddr::V6(_)) => Address::Ip((Ipv6Addr::UNSPECIFIED, 0).into()),
        None => Address::Unnamed,
    });
    let bind = DatagramOptions { peer: Some(server), ..DatagramOptions::default() };
    registry.bind_datagram_with(from, &bind, Socket)
}

/// Sends a payload.
pub(super) fn send<App>(
    registry: &mut Registry<App>,
    id: ClientId,
    payload: &Bytes,
) -> Result<(), NotSent> {
    let payload = payload.clone();
    match id {
        ClientId::Stream(_) if payload.is_empty() => Err(NotSent::Empty(payload)),
        ClientId::Stream(id) => match registry.send(id, payload) {
            Ok(_) => Ok(()),
            Err(error) => Err(NotSent::Ended(error.into_bytes())),
        },
        ClientId::Datagrams(id) => match registry.send_to(id, &payload, None) {
            Ok(()) => Ok(()),
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                Err(NotSent::WindowFull(payload))
            }
            Err(error) => Err(NotSent::Refused { payload, error }),
        },
    }
}

/// The protocol of a client's socket. It has no state: the client is the application's.
#[derive(Debug)]
struct Socket;

impl<App: Caller> Protocol<App> for Socket {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = ClientId::Stream(transport.id());
        app.on_event(transport.registry(), id, Event::Open);
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
            app.on_event(transport.registry(), id, Event::Reply(reply));
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
    let result = client.exchange.handle_bytes(input, transport.registry().now());
    if let Err(mismatch) = result {
        client.state = State::Failed(Failure::Mismatch(mismatch));
        transport.abort();
    }
    let right = &before[..before.len() - input.len()];
    if !right.is_empty() {
        app.on_event(transport.registry(), id, Event::Bytes(right));
    }
    result.ok().flatten()
}

/// What happens on a datagram socket the application is told right after the callback, not in it:
/// from inside, nobody hears whether what is sent by the socket's id was sent, and what a program does
/// about a reply is most often to send the next payload.
impl<App: Caller> DatagramProtocol<App> for Socket {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
        let id = ClientId::Datagrams(socket.id());
        socket.registry().defer(move |registry, app| tell(registry, id, Event::Open, app));
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let id = ClientId::Datagrams(socket.id());
        if app.client(id).is_none() {
            return socket.close();
        }
        let datagram = Bytes::copy_from_slice(datagram.bytes);
        socket.registry().defer(move |registry, app| returned(registry, id, &datagram, app));
    }

    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
        _: &mut App,
    ) {
        let (id, trouble) = (ClientId::Datagrams(socket.id()), Event::Trouble(error.kind()));
        socket.registry().defer(move |registry, app| tell(registry, id, trouble, app));
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

/// A datagram has come back: one that was sent, or a stray.
fn returned<App: Caller>(
    registry: &mut Registry<App>,
    id: ClientId,
    datagram: &[u8],
    app: &mut App,
) {
    let Some(client) = app.client(id).filter(|client| client.is_listening()) else {
        return;
    };
    match client.exchange.handle_datagram(datagram, registry.now()) {
        Some(reply) => app.on_event(registry, id, Event::Reply(reply)),
        None => client.strays += 1,
    }
    if let Some(client) = app.client(id) {
        client.settle(registry);
    }
}

/// Tells the application, unless the conversation is over for it.
fn tell<App: Caller>(registry: &mut Registry<App>, id: ClientId, event: Event<'_>, app: &mut App) {
    if app.client(id).is_some_and(|client| client.is_listening()) {
        app.on_event(registry, id, event);
    }
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
