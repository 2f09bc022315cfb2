//! A client's side of one connection: cuts it into messages, and hands them to the client.

use reactor::{Closed, Input, Protocol, Registry, Transport};

use super::life::tell;
use super::{Caller, Client, ClientId};
use crate::chat::Message;
use crate::chat::wire::message::{MAX_BODY, MAX_TAGS};
use reactor::framing::{Line, Lines};

/// The protocol of a client's connection.
#[derive(Debug)]
pub(super) struct Link {
    id: ClientId,
    lines: Lines,
}

impl Link {
    pub(super) fn new(id: ClientId) -> Self {
        Self { id, lines: Lines::new(MAX_TAGS + MAX_BODY) }
    }

    /// The client, if the program still has it and this is its connection.
    fn client<'a, App: Caller>(
        &self,
        transport: &Transport<'_, App>,
        app: &'a mut App,
    ) -> Option<&'a mut Client> {
        app.client(self.id).filter(|client| client.is_on(transport.id()))
    }

    fn hear<App: Caller>(&self, transport: &mut Transport<'_, App>, line: &[u8], app: &mut App) {
        // Servers of another age pass on what is not UTF-8; better half a word than none.
        let line = String::from_utf8_lossy(line);
        // What is no message is left out: there is nobody to complain to.
        let Ok(message) = Message::parse(line.as_bytes()) else { return };
        app.on_message(transport.registry(), self.id, &message);
        let Some(client) = self.client(transport, app) else { return };
        if let Some(event) = client.handle_message(transport.registry(), &message) {
            app.on_event(transport.registry(), self.id, event);
        }
    }
}

impl<App: Caller> Protocol<App> for Link {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let Some(client) = self.client(transport, app) else {
            return transport.close();
        };
        let event = client.handle_open(transport.registry());
        app.on_event(transport.registry(), self.id, event);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        loop {
            if self.client(transport, app).is_none() {
                input.take_all();
                return transport.close();
            }
            match self.lines.next(input) {
                Line::Whole(line) => self.hear(transport, line, app),
                Line::TooLong => {}
                Line::Partial => return,
            }
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Some(client) = self.client(transport, app) {
            client.quit_now(transport.registry(), "Goodbye");
        }
        transport.close();
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let client = app.client(self.id).filter(|client| client.is_on(closed.id));
        if let Some(client) = client {
            let outcome = client.handle_close(registry, closed);
            tell(registry, app, self.id, outcome);
        }
    }
}
