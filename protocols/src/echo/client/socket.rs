//! The client's sockets: each finds the client whose it is, and tells the program.

use std::io;

use bytes::Bytes;
use reactor::{
    CloseReason, Closed, Datagram, DatagramProtocol, DatagramTransport, Input, Protocol, Registry,
    SocketClosed, Transport,
};

use super::{Caller, Client, ClientId, Event, Failure, State};

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
        let (mut rest, mut whole) = (input.take_all(), None);
        tell(transport.registry(), app, id, |client, registry| {
            if let Some(sent) = whole.take() {
                return Some(Event::Reply(sent));
            }
            let before = rest;
            match client.exchange.handle_bytes(&mut rest, registry.now()) {
                Ok(sent) => whole = sent,
                Err(mismatch) => client.conclude(registry, Err(Failure::Mismatch(mismatch))),
            }
            let right = &before[..before.len() - rest.len()];
            (!right.is_empty()).then_some(Event::Bytes(right))
        });
    }

    // `on_end` closes, as it does by default; whether that came too early is seen in `on_close`. So does
    // `on_shutdown`.

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        finish(registry, app, ClientId::Stream(closed.id), &closed.reason);
    }
}

impl<App: Caller> DatagramProtocol<App> for Socket {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
        tell_later(socket, |_| Some(Event::Open));
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        _: &mut App,
    ) {
        let datagram = Bytes::copy_from_slice(datagram.bytes);
        tell_later(socket, move |client| {
            client.exchange.handle_datagram(&datagram).map(Event::Reply)
        });
    }

    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
        _: &mut App,
    ) {
        let trouble = Event::Trouble(error.kind());
        tell_later(socket, move |_| Some(trouble));
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &SocketClosed, app: &mut App) {
        finish(registry, app, ClientId::Datagrams(closed.id), &closed.reason);
    }
}

/// Has a client say what it has to tell, one event after the other, and tells the program.
pub(super) fn tell<'a, App: Caller>(
    registry: &mut Registry<App>,
    app: &mut App,
    id: ClientId,
    mut next: impl FnMut(&mut Client, &mut Registry<App>) -> Option<Event<'a>>,
) {
    while let Some(client) = app.client(id) {
        if let State::Over(_) = client.state {
            return;
        }
        let Some(event) = next(client, registry) else {
            return client.go_on(registry);
        };
        app.on_event(registry, id, event);
    }
    id.close(registry, true);
}

/// What happens on a datagram socket the program is told right after the callback, not in it: from
/// inside, nobody hears whether what is sent by the socket's id was sent, and what a program does
/// about a reply is most often to send the next payload.
fn tell_later<App: Caller>(
    socket: &mut DatagramTransport<'_, App>,
    what: impl FnOnce(&mut Client) -> Option<Event<'static>> + 'static,
) {
    let (id, mut what) = (ClientId::Datagrams(socket.id()), Some(what));
    socket.registry().defer(move |registry, app| {
        tell(registry, app, id, |client, _| what.take()?(client));
    });
}

/// The socket has ended, and with it the conversation.
fn finish<App: Caller>(
    registry: &mut Registry<App>,
    app: &mut App,
    id: ClientId,
    reason: &CloseReason,
) {
    if let Some(client) = app.client(id) {
        let outcome = client.handle_close(registry, reason);
        app.on_finish(registry, id, outcome);
    }
}
