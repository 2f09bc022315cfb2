//! A WebSocket under another protocol of this crate, which is spoken on plain streams as well: what a piece of
//! the stream is there, a message is here.

use reactor::{Input, Transport};

use super::endpoint::Reading;
use super::handshake::Agreed;
use super::link::{Link, State};
use super::wire::{CloseCode, Event, Opcode, Violation};
use super::{Endpoint, Role};

/// The server's side of a WebSocket, for a protocol that keeps its own deadlines and sends frames of its own:
/// it unpacks messages, answers pings, and says goodbye.
#[derive(Debug)]
pub(crate) struct Carrier {
    link: Link,
}

/// What has come.
#[derive(Debug)]
pub(crate) enum Arrival<'a> {
    /// A message, of text or of bytes.
    Message(&'a [u8]),
    /// Something between messages, which has been answered.
    Control,
    /// The rest has yet to come.
    Partial,
    /// The peer's goodbye, which has been answered.
    Closed,
    /// The peer broke a rule or a limit, and has been told.
    Failed(Violation),
}

/// What unpacking needs, borrowed from the endpoint for the time of a callback.
pub(crate) type Unpacking = Box<Reading>;

impl Carrier {
    /// One on a connection whose handshake has been made.
    pub(crate) fn new(endpoint: Endpoint, agreed: Agreed) -> Self {
        endpoint.count(|it| {
            it.open += 1;
            it.opened += 1;
        });
        Self { link: Link::new(endpoint, Role::Server, agreed) }
    }

    /// To be given back with [`give_back`](Self::give_back).
    pub(crate) fn begin(&self) -> Unpacking {
        self.link.endpoint.take_reading()
    }

    pub(crate) fn give_back(&self, unpacking: Unpacking) {
        self.link.endpoint.give_back(unpacking);
    }

    /// Takes what stands at the front of the input.
    pub(crate) fn next<'a, App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        unpacking: &'a mut Unpacking,
    ) -> Arrival<'a> {
        match self.link.read(input, unpacking) {
            Ok(Some(Event::Message(message))) => return Arrival::Message(message.as_bytes()),
            Ok(Some(Event::Ping(payload))) => {
                self.link.write(transport, Opcode::Pong, false, payload);
            }
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close(close))) => {
                let code = close.map_or(CloseCode::NONE, |(code, _)| code);
                self.link.write_close(transport, code, "");
                self.link.state = State::Over;
                return Arrival::Closed;
            }
            Ok(None) => return Arrival::Partial,
            Err(violation) => {
                self.link.write_close(transport, violation.code(), &violation.to_string());
                self.link.endpoint.count(|it| it.failed += 1);
                self.link.state = State::Over;
                return Arrival::Failed(violation);
            }
        }
        Arrival::Control
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.link.endpoint.count(|it| it.open -= 1);
    }
}
