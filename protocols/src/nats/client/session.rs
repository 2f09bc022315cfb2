//! One connection: what comes is told apart, and who it is for is told.

use std::fmt;
use std::ops::ControlFlow;

use bytes::Buf;
use reactor::{Closed, Input, Protocol, Registry, TimerKey, Transport};

use super::{Auth, Client, ConnectionError, Event, Pong, Server};
use crate::nats::wire::{Bounds, Connect, Decoder, Op, ServerError, ServerInfo};

/// The protocol of one connection.
///
/// ```text
///   Info ──INFO──▶ Hello ──PONG──▶ Up
///     │              ▲
///     └──▶ Tls ──────┘
/// ```
pub(super) struct Session<App> {
    client: Client<App>,
    decoder: Decoder,
    phase: Phase,
    /// Why it ends, if this side knows better than the loop.
    why: Option<ConnectionError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server has yet to say who it is.
    Info,
    /// TLS is agreed upon.
    #[cfg(feature = "tls")]
    Tls,
    /// This side has said who it is, and asked for an answer.
    Hello,
    /// The server has let this client in; so many questions whether it is there have no answer.
    Up { unanswered: u32 },
}

/// What ends the reading of what has come.
enum Stop {
    /// The rest belongs to TLS.
    Secure(Server),
    End(ConnectionError),
}

/// The server has not let this client in in time.
const LATE: TimerKey = TimerKey(1);
/// It is asked whether it is there.
const PING: TimerKey = TimerKey(2);

impl<App: 'static> Session<App> {
    pub(super) fn new(client: Client<App>, bounds: Bounds) -> Self {
        Self { client, decoder: Decoder::new(bounds), phase: Phase::Info, why: None }
    }

    fn handle_input(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> ControlFlow<Stop> {
        let all: &[u8] = input;
        let mut rest = all;
        let result = loop {
            match self.decoder.next(&mut rest) {
                Ok(Some(op)) => {
                    let mut listener = Listener {
                        client: &self.client,
                        phase: &mut self.phase,
                        why: &mut self.why,
                    };
                    let step = listener.handle(op, transport, app);
                    if step.is_break() {
                        break step;
                    }
                }
                Ok(None) => break ControlFlow::Continue(()),
                Err(malformed) => {
                    let why = ConnectionError::Malformed(malformed);
                    break ControlFlow::Break(Stop::End(why));
                }
            }
        };
        let taken = all.len() - rest.len();
        input.advance(taken);
        result
    }

    fn give_up(&mut self, transport: &mut Transport<'_, App>, error: ConnectionError) {
        self.why.get_or_insert(error);
        transport.abort();
    }

    #[cfg(feature = "tls")]
    fn secure(&mut self, transport: &mut Transport<'_, App>, server: &Server) {
        let tls = self.client.inner().options.tls.clone();
        let Some(tls) = tls else {
            return self.give_up(transport, ConnectionError::TlsRequired);
        };
        match transport.start_tls(&tls.for_address(&server.name)) {
            Ok(()) => self.phase = Phase::Tls,
            Err(error) => self.give_up(transport, ConnectionError::Tls(error.to_string())),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn secure(&mut self, transport: &mut Transport<'_, App>, _: &Server) {
        self.give_up(transport, ConnectionError::TlsRequired);
    }

    fn handle_ping_time(&mut self, transport: &mut Transport<'_, App>) {
        let Phase::Up { unanswered } = &mut self.phase else { return };
        let (most, interval) = {
            let limits = &self.client.inner().options.limits;
            (limits.pings, limits.ping_interval)
        };
        if *unanswered >= most {
            return self.give_up(transport, ConnectionError::Stale);
        }
        *unanswered += 1;
        self.client.inner_mut().pongs.push_back(Pong::Alive);
        self.client
            .gather(self.client.inner_mut(), transport.registry(), |out| Op::Ping.write(out));
        transport.set_timer(PING, interval);
    }
}

impl<App: 'static> Protocol<App> for Session<App> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.set_timer(LATE, self.client.inner().options.limits.connect);
    }

    #[cfg(feature = "tls")]
    fn on_secure(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        if self.phase == Phase::Tls {
            say_hello(&self.client, &mut self.phase, transport);
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        // What is published meanwhile leaves below.
        self.client.inner_mut().outgoing.await_end();
        let result = self.handle_input(transport, input, app);
        self.client.send_gathered(transport.registry());
        match result {
            ControlFlow::Continue(()) => {
                let queued = transport.queued_bytes();
                self.client.handle_queued(transport.registry(), queued);
            }
            ControlFlow::Break(Stop::Secure(server)) => self.secure(transport, &server),
            ControlFlow::Break(Stop::End(error)) => {
                input.take_all();
                self.give_up(transport, error);
            }
        }
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        let queued = transport.queued_bytes();
        self.client.handle_queued(transport.registry(), queued);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, _: &mut App) {
        match key {
            LATE if self.phase == Phase::Info => self.give_up(transport, ConnectionError::Silent),
            LATE => self.give_up(transport, ConnectionError::Timeout),
            _ => self.handle_ping_time(transport),
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.client.tell(transport.registry(), app, Event::ShuttingDown);
        self.client.end(transport.registry());
        // What is published by then is in front of it.
        let id = transport.id();
        let _ = transport.registry().close(id);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let error = self.why.take();
        let error = error.unwrap_or_else(|| ConnectionError::Transport(closed.reason.clone()));
        self.client.handle_close(registry, app, closed, error);
    }
}

/// Who hears what the server says, while the decoder lends it.
struct Listener<'s, App> {
    client: &'s Client<App>,
    phase: &'s mut Phase,
    why: &'s mut Option<ConnectionError>,
}

impl<App: 'static> Listener<'_, App> {
    fn handle(
        &mut self,
        op: Op<'_>,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) -> ControlFlow<Stop> {
        match op {
            // Nothing is subscribed to before, so it is made up, and before TLS anybody may have done so.
            Op::Msg(_) if !matches!(self.phase, Phase::Up { .. }) => {
                return stop("it delivers before it has let this client in");
            }
            Op::Msg(delivery) => self.client.deliver(transport.registry(), app, &delivery),
            Op::Ping => transport.write(b"PONG\r\n"),
            Op::Pong => return self.handle_pong(transport, app),
            Op::Info(json) => return self.handle_info(json, transport, app),
            // Anybody may have said it: it is no refusal of the server's.
            Op::Err(_) if self.client.wants_tls() && !is_secure(transport) => {
                return stop("it complains before TLS");
            }
            Op::Err(text) => self.handle_complaint(&ServerError::read(text), transport, app),
            Op::Ok => {}
            Op::Connect(_) | Op::Pub(_) | Op::Sub { .. } | Op::Unsub { .. } => {
                return stop("it speaks as clients do");
            }
        }
        ControlFlow::Continue(())
    }

    fn handle_info(
        &mut self,
        json: &[u8],
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) -> ControlFlow<Stop> {
        let info = match ServerInfo::read(json) {
            Ok(info) => info,
            Err(error) => return stop(&error.to_string()),
        };
        let (required, available) = (info.tls_required, info.tls_available || info.tls_required);
        let wanted = (required || self.client.wants_tls()) && !is_secure(transport);
        let server = self.client.handle_info(transport.registry(), app, info, !wanted);
        let (Phase::Info, Some(server)) = (*self.phase, server) else {
            return ControlFlow::Continue(());
        };
        if wanted {
            return ControlFlow::Break(match available {
                true => Stop::Secure(server),
                false => Stop::End(ConnectionError::TlsUnavailable),
            });
        }
        say_hello(self.client, self.phase, transport);
        ControlFlow::Continue(())
    }

    fn handle_pong(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) -> ControlFlow<Stop> {
        match self.phase {
            Phase::Hello => {
                *self.phase = Phase::Up { unanswered: 0 };
                transport.cancel_timer(LATE);
                transport.set_timer(PING, self.client.inner().options.limits.ping_interval);
                let id = transport.id();
                self.client.handle_up(transport.registry(), app, id);
                ControlFlow::Continue(())
            }
            Phase::Up { unanswered } => {
                *unanswered = 0;
                match self.client.handle_pong(transport.registry(), app) {
                    true => ControlFlow::Continue(()),
                    // It has been closed, and whoever waited was told.
                    false if self.client.is_closed() => ControlFlow::Continue(()),
                    false => stop("it answers what was not asked"),
                }
            }
            _ => stop("it answers before it was asked"),
        }
    }

    fn handle_complaint(
        &mut self,
        error: &ServerError,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) {
        if error.ends_connection() {
            let why = match error.is_refusal() {
                true => ConnectionError::Refused { error: error.clone(), user: self.client.user() },
                false => ConnectionError::Server(error.clone()),
            };
            self.why.get_or_insert(why);
        }
        if let Phase::Up { .. } = self.phase {
            self.client.tell(transport.registry(), app, Event::Complaint(error));
        }
    }
}

fn stop(why: &str) -> ControlFlow<Stop> {
    ControlFlow::Break(Stop::End(ConnectionError::Dialogue(why.to_owned())))
}

/// Says who this client is, and asks for an answer: the server gives one if it lets it in.
fn say_hello<App: 'static>(
    client: &Client<App>,
    phase: &mut Phase,
    transport: &mut Transport<'_, App>,
) {
    let mut lines = Vec::new();
    {
        let inner = client.inner();
        let auth = inner.auth();
        #[cfg(feature = "nkeys")]
        let signature = match auth {
            Auth::Nkey(key) => Some((key.public(), key.sign(&inner.info.nonce))),
            _ => None,
        };
        #[cfg(not(feature = "nkeys"))]
        let signature: Option<(&str, String)> = None;
        let (auth_token, user, pass) = match auth {
            Auth::Token(token) => (Some(&**token), None, None),
            Auth::UserPassword { user, password } => (None, Some(&**user), Some(&**password)),
            _ => (None, None, None),
        };
        let connect = Connect {
            verbose: false,
            pedantic: false,
            tls_required: is_secure(transport),
            name: &inner.options.name,
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            protocol: 1,
            echo: inner.options.echo,
            headers: true,
            no_responders: true,
            auth_token,
            user,
            pass,
            nkey: signature.as_ref().map(|(key, _)| *key),
            sig: signature.as_ref().map(|(_, signature)| &**signature),
        };
        Op::Connect(&connect.to_json()).write(&mut lines);
        Op::Ping.write(&mut lines);
    }
    transport.write(&lines);
    *phase = Phase::Hello;
}

#[cfg(feature = "tls")]
fn is_secure<App>(transport: &Transport<'_, App>) -> bool {
    transport.tls().is_some()
}

#[cfg(not(feature = "tls"))]
fn is_secure<App>(_: &Transport<'_, App>) -> bool {
    false
}

impl<App: 'static> Client<App> {
    /// As whom it asks to be let in, for whoever has to mend it: no password, and no token.
    fn user(&self) -> String {
        let inner = self.inner();
        match inner.auth() {
            Auth::None => "without a user".to_owned(),
            Auth::Token(_) => "with a token".to_owned(),
            Auth::UserPassword { user, .. } => format!("as user {user}"),
            #[cfg(feature = "nkeys")]
            Auth::Nkey(key) => format!("with the key {}", key.public()),
        }
    }

    /// Whether nothing is said to the server without TLS.
    fn wants_tls(&self) -> bool {
        let inner = self.inner();
        #[cfg(feature = "tls")]
        let is_configured = inner.options.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let is_configured = false;
        is_configured || inner.server.as_ref().is_some_and(|server| server.tls)
    }
}

impl<App> fmt::Debug for Session<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("phase", &self.phase).finish_non_exhaustive()
    }
}
