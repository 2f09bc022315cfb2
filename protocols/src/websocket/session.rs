//! One connection that speaks WebSocket, on either side.

use reactor::{Closed, ConnectionId, Input, Protocol, ReachError, Registry, TimerKey, Transport};

use super::handshake::Agreed;
use super::link::{Link, State, Timer};
use super::wire::{CloseCode, Event, Opcode, Room, Violation};
use super::{Ending, Endpoint, Handler, Role, Socket, handler};

/// The session of one WebSocket, from its handshake on: frames, pings, deadlines and goodbyes. What
/// messages mean is its handler's.
///
/// It takes a connection over with [`Transport::replace`]: from this module's own handshakes, or from any
/// other protocol that has made one.
#[derive(Debug)]
pub struct Session<H> {
    handler: H,
    link: Link,
}

impl<H> Session<H> {
    /// A session on a connection whose handshake has been made.
    #[must_use]
    pub fn new(endpoint: Endpoint, role: Role, agreed: Agreed, handler: H) -> Self {
        Self { handler, link: Link::new(endpoint, role, agreed) }
    }

    /// Reaches a WebSocket by its id, from anywhere: `act` runs when no callback is on the stack, later in
    /// this turn or in the next, and not at all if the WebSocket has ended by then.
    ///
    /// A server that has the same to say to many says it with a [`Frame`](super::Frame), which is encoded
    /// once and needs no visit to anybody.
    ///
    /// # Errors
    ///
    /// If the connection has ended, or is no WebSocket with this handler.
    pub fn with<App: 'static>(
        registry: &mut Registry<App>,
        id: ConnectionId,
        act: impl FnOnce(&mut H, &mut Socket<'_, '_, App>, &mut App) + 'static,
    ) -> Result<(), ReachError>
    where
        H: Handler<App>,
    {
        registry.with(id, move |session: &mut Self, transport, app| {
            if session.link.state == State::Open {
                session.call(transport, |handler, socket| act(handler, socket, app));
            }
        })
    }

    /// Says goodbye to a WebSocket by its id; see [`Socket::close`].
    ///
    /// # Errors
    ///
    /// As of [`with`](Self::with).
    pub fn close<App: 'static>(
        registry: &mut Registry<App>,
        id: ConnectionId,
        code: CloseCode,
        reason: impl Into<String>,
    ) -> Result<(), ReachError>
    where
        H: Handler<App>,
    {
        let reason = reason.into();
        Self::with(registry, id, move |_, socket, _| socket.close(code, &reason))
    }

    #[inline]
    fn call<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        act: impl FnOnce(&mut H, &mut Socket<'_, '_, App>),
    ) {
        act(&mut self.handler, &mut Socket { link: &mut self.link, transport });
    }

    /// Takes what has come, one after the other, for as long as there is somebody to tell.
    #[inline]
    fn read<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) where
        H: Handler<App>,
    {
        let mut room = Room::default();
        loop {
            // Most are short, and told apart from the others by one look.
            let short = if self.is_heard() { self.link.read_short(input, &mut room) } else { None };
            match short {
                Some(Ok(message)) => {
                    self.call(transport, |handler, socket| {
                        handler.on_message(socket, message, app);
                    });
                }
                Some(Err(violation)) => return self.fail(violation, transport, app),
                None if self.read_any(transport, input, app) => {}
                None => return,
            }
            if input.is_empty() || !self.may_go_on(transport) {
                return;
            }
        }
    }

    /// Takes one thing that has come, whatever it is; whether there was one.
    #[inline(never)]
    fn read_any<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool
    where
        H: Handler<App>,
    {
        if self.link.state == State::Over {
            input.take_all();
            return false;
        }
        let mut reading = self.link.endpoint.take_reading();
        let read = self.link.read(input, &mut reading);
        let is_one = matches!(read, Ok(Some(_)));
        match read {
            Ok(Some(event)) => self.handle(event, transport, app),
            Ok(None) => {}
            Err(violation) => self.fail(violation, transport, app),
        }
        self.link.endpoint.give_back(reading);
        is_one
    }

    /// Whether there may be one more message in this visit. If not, what is left is offered again.
    fn may_go_on<App>(&self, transport: &mut Transport<'_, App>) -> bool {
        if self.link.is_paused || self.link.state == State::Over {
            return false;
        }
        let limits = transport.limits();
        if limits.outbox_holds_reading && transport.queued_bytes() > limits.outbox_high {
            // A few bytes can ask for much (a compressed message, for its echo): the answers so far go
            // first. The loop itself holds back until they have, if they do not leave at once.
            transport.pause();
            transport.resume();
            return false;
        }
        true
    }

    /// Whether the program is told what the peer says.
    fn is_heard(&self) -> bool {
        matches!(self.link.state, State::Open | State::Ending)
    }

    fn handle<App>(&mut self, event: Event<'_>, transport: &mut Transport<'_, App>, app: &mut App)
    where
        H: Handler<App>,
    {
        match event {
            Event::Close(close) => {
                let (code, reason) = close.unwrap_or((CloseCode::NONE, ""));
                self.handle_close(code, reason, transport, app);
            }
            Event::Message(message) => {
                if self.is_heard() {
                    self.call(transport, |handler, socket| {
                        handler.on_message(socket, message, app);
                    });
                }
            }
            // What comes behind this side's goodbye cannot be answered.
            _ if self.link.state != State::Open => {}
            Event::Ping(payload) => self.link.write(transport, Opcode::Pong, false, payload),
            Event::Pong(payload) => {
                self.call(transport, |handler, socket| handler.on_pong(socket, payload, app));
            }
        }
    }

    /// The peer's goodbye: answered with the same code if it is the first (RFC 6455, 5.5.1).
    fn handle_close<App>(
        &mut self,
        code: CloseCode,
        reason: &str,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) where
        H: Handler<App>,
    {
        let by_us = self.link.state != State::Open;
        if !by_us {
            self.link.write_close(transport, code, "");
        }
        match self.link.role {
            // The server ends the connection, so that it is the client's port that is free at once (7.1.1).
            Role::Server => transport.close(),
            Role::Client => {
                let patience = self.link.limits().close_timeout;
                transport.set_timer(Timer::Goodbye.key(), patience);
            }
        }
        let ending = Ending::Closed { code, reason: reason.to_owned(), by_us };
        self.finish(ending, transport, app);
    }

    /// The peer broke a rule: it is told, and nothing more is heard of it (RFC 6455, 7.1.7).
    #[cold]
    fn fail<App>(&mut self, violation: Violation, transport: &mut Transport<'_, App>, app: &mut App)
    where
        H: Handler<App>,
    {
        if self.link.state == State::Open {
            self.link.write_close(transport, violation.code(), &violation.to_string());
        }
        transport.close();
        self.link.endpoint.count(|it| it.failed += 1);
        self.finish(Ending::Failed(violation), transport, app);
    }

    /// Tells the program, once.
    fn finish<App>(&mut self, ending: Ending, transport: &mut Transport<'_, App>, app: &mut App)
    where
        H: Handler<App>,
    {
        let closed = handler::Closed { id: transport.id(), peer: transport.peer(), ending };
        self.finish_with(&closed, transport.registry(), app);
    }

    fn finish_with<App>(
        &mut self,
        closed: &handler::Closed,
        registry: &mut Registry<App>,
        app: &mut App,
    ) where
        H: Handler<App>,
    {
        if self.link.state != State::Over {
            self.link.state = State::Over;
            self.link.endpoint.count(|it| it.open -= 1);
            self.handler.on_close(registry, closed, app);
        }
    }

    /// Whether the peer has been silent for too long; asks it, if it has been for a while.
    fn check_silence<App>(&mut self, transport: &mut Transport<'_, App>, app: &mut App)
    where
        H: Handler<App>,
    {
        let limits = self.link.limits();
        let (Some(interval), patience) = (limits.ping_interval, limits.pong_timeout) else {
            return;
        };
        let now = transport.registry().now();
        let heard = self.link.heard.unwrap_or(now);
        if let Some(pinged) = self.link.pinged.filter(|&pinged| heard <= pinged) {
            let due = pinged + patience;
            if now < due {
                return transport.set_timer(Timer::Silence.key(), due - now);
            }
            transport.abort();
            return self.finish(Ending::Silent, transport, app);
        }
        let due = heard + interval;
        if now < due {
            self.link.pinged = None;
            return transport.set_timer(Timer::Silence.key(), due - now);
        }
        self.link.pinged = Some(now);
        self.link.write(transport, Opcode::Ping, false, b"");
        transport.set_timer(Timer::Silence.key(), patience);
    }
}

impl<App, H: Handler<App>> Protocol<App> for Session<H> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.link.endpoint.count(|it| {
            it.open += 1;
            it.opened += 1;
        });
        self.link.heard = Some(transport.registry().now());
        if let Some(interval) = self.link.limits().ping_interval {
            transport.set_timer(Timer::Silence.key(), interval);
        }
        self.call(transport, |handler, socket| handler.on_open(socket, app));
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        self.link.heard = Some(transport.registry().now());
        self.read(transport, input, app);
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        transport.close();
        let ending = Ending::Lost("the peer ended the connection without a goodbye".to_owned());
        self.finish(ending, transport, app);
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if self.link.state == State::Open {
            self.call(transport, |handler, socket| handler.on_drain(socket, app));
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, app: &mut App) {
        let is_open = self.link.state == State::Open;
        if key == Timer::Silence.key() {
            if is_open {
                self.check_silence(transport, app);
            }
        } else if key == Timer::Goodbye.key() {
            transport.close();
            self.finish(Ending::Unanswered, transport, app);
        } else if is_open {
            self.call(transport, |handler, socket| handler.on_timer(socket, key, app));
        }
    }

    /// The loop is shutting down: its handler is [told](Handler::on_shutdown). Whoever says goodbye already goes on.
    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        match self.link.state {
            State::Open => self.call(transport, |handler, socket| handler.on_shutdown(socket, app)),
            // It is on its way out, and there is a deadline.
            State::Ending | State::Closing => {}
            State::Over => transport.close(),
        }
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        self.finish_with(&handler::Closed::lost(closed), registry, app);
    }
}
