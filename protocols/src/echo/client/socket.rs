//! The client's sockets: each finds the client whose it is, and tells the program.

use std::io;

use bytes::Bytes;
use reactor::{
    Closed, Datagram, DatagramProtocol, DatagramTransport, Input, Protocol, Registry, SocketClosed,
    Transport,
};

use super::{Caller, ClientId, Event, Failure, State};

/// The protocol of a client's socket. It has no state: the client is the application's.
#[derive(Debug)]
pub(super) struct Socket;

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
        while !rest.is_empty()
            && let Some(client) = app.client(id).filter(|client| client.is_listening())
        {
            let (before, now) = (rest, transport.registry().now());
            let result = client.exchange.handle_bytes(&mut rest, now);
            if let Err(mismatch) = result {
                client.state = State::Over(Err(Failure::Mismatch(mismatch)));
                transport.abort();
            }
            let right = &before[..before.len() - rest.len()];
            if !right.is_empty() {
                app.on_event(transport.registry(), id, Event::Bytes(right));
            }
            if let Ok(Some(reply)) = result {
                app.on_event(transport.registry(), id, Event::Reply(reply));
            }
        }
        if app.client(id).is_none() {
            transport.close();
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
        let id = ClientId::Stream(closed.id);
        if let Some(client) = app.client(id) {
            let outcome = client.handle_close(registry, &closed.reason);
            app.on_finish(registry, id, outcome);
        }
    }
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
        let id = ClientId::Datagrams(closed.id);
        if let Some(client) = app.client(id) {
            let outcome = client.handle_close(registry, &closed.reason);
            app.on_finish(registry, id, outcome);
        }
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
