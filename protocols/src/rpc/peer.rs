//! One connection that is a stream: texts out of bytes, and what is said in them.

use std::fmt;
use std::rc::Rc;

use reactor::{Closed, Input, Protocol, Registry, Transport};

use super::channel::{Channel, HangUp};
use super::conversation::{Conversation, Ended};
use super::event::Event;
use super::place::Place;
use super::wire::{Broken, Encoding, Frame, Framer, Framing, end_line};
use super::{Error, Remote, Service};

/// The protocol of one connection that is a stream.
pub struct Peer<App> {
    conversation: Conversation<App>,
    framer: Framer,
    framing: Framing,
}

impl<App: 'static> Peer<App> {
    /// A server's side: nobody made this connection, so nobody makes it again.
    pub(super) fn new(service: Rc<Service<App>>, framing: Framing, encoding: Encoding) -> Self {
        Self::of(Remote::new(service, encoding), framing)
    }

    pub(super) fn of(remote: Remote<App>, framing: Framing) -> Self {
        let framer = Framer::new(framing, remote.service().limits().message);
        Self { conversation: Conversation::new(remote), framer, framing }
    }

    /// The conversation, and what carries it.
    pub(super) fn parts<'a, 't>(
        &'a mut self,
        transport: &'a mut Transport<'t, App>,
    ) -> (&'a mut Conversation<App>, Stream<'a, 't, App>) {
        (&mut self.conversation, Stream { transport, framing: self.framing })
    }

    fn handle_broken(&mut self, why: Broken, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = transport.id();
        let (conversation, mut stream) = self.parts(transport);
        let error = match why {
            Broken::TooLong => conversation.too_long(),
            _ => Error::parse().with_data(&why.to_string()),
        };
        conversation.complain(&error, &mut stream, app);
        conversation.remote().service().tell(app, || Event::Broken { id, why });
        stream.transport.close();
    }
}

impl<App: 'static> Protocol<App> for Peer<App> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let address = transport.peer();
        let (conversation, mut stream) = self.parts(transport);
        conversation.handle_open(&address, &mut stream, app);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        while !self.conversation.is_held() {
            if input.is_empty() {
                return;
            }
            let mut stream = Stream { transport, framing: self.framing };
            match self.framer.next(input) {
                Frame::Whole(text) => {
                    self.conversation.handle_text(text, &mut stream, app);
                }
                Frame::Partial => return,
                Frame::TooLong => {
                    let error = self.conversation.too_long();
                    self.conversation.complain(&error, &mut stream, app);
                }
                Frame::Broken(why) => {
                    input.take_all();
                    return self.handle_broken(why, transport, app);
                }
            }
        }
        transport.pause();
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        let (conversation, mut stream) = self.parts(transport);
        conversation.handle_end(&mut stream);
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        let (conversation, mut stream) = self.parts(transport);
        conversation.handle_shutdown(&mut stream);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let ended = Ended {
            id: closed.id,
            peer: &closed.peer,
            why: &closed.reason.to_string(),
            is_clean: closed.reason.is_clean(),
            was_open: closed.opened,
        };
        self.conversation.handle_close(&ended, registry, app);
    }
}

impl<App> fmt::Debug for Peer<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("conversation", &self.conversation).finish_non_exhaustive()
    }
}

/// A stream, on which texts have to be told apart.
pub(super) struct Stream<'a, 't, App> {
    transport: &'a mut Transport<'t, App>,
    framing: Framing,
}

impl<App: 'static> Channel<App> for Stream<'_, '_, App> {
    fn place(&self) -> Place {
        Place::Stream(self.transport.id())
    }

    fn registry(&mut self) -> &mut Registry<App> {
        self.transport.registry()
    }

    fn say(&mut self, text: &mut Vec<u8>) {
        match self.framing {
            Framing::Lines => end_line(text, 0),
            Framing::Bare => {}
            Framing::ContentLength => {
                let head = format!("Content-Length: {}\r\n\r\n", text.len());
                self.transport.write(head.as_bytes());
            }
        }
        self.transport.write(text);
    }

    fn close(&mut self) {
        self.transport.close();
    }

    fn resume(&mut self) {
        self.transport.resume();
    }

    fn hanging_up(&self) -> HangUp<App> {
        |registry, id| {
            // If it has ended, that is told anyhow.
            let _ = registry.close(id);
        }
    }
}
