//! A client: dials, makes the handshake, and hands its connection to a [`Session`].

use memchr::memmem;
use reactor::{
    Address, Closed, ConnectOptions, ConnectionId, Input, OpenError, Protocol, Registry, TimerKey,
    Transport,
};
use thiserror::Error;

use super::handshake::{Call, Unanswered, Unwritable};
use super::{Ending, Endpoint, Handler, Role, Session, handler};

const PATIENCE: TimerKey = TimerKey(0);

/// What a client asks for, once it is connected.
///
/// ```
/// use protocols::websocket::Target;
///
/// let target = Target::new("example.com", "/chat").with_field("Authorization", "Bearer secret");
/// assert_eq!(target.host, "example.com");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server's name, and its port if it is not the usual one: the `Host` of the request.
    pub host: String,
    /// A path, and perhaps a query, percent-encoded.
    pub path: String,
    /// Fields of the program's own: `Origin`, `Authorization`, cookies.
    pub fields: Vec<(String, String)>,
}

/// A client that could not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The request cannot be written.
    #[error(transparent)]
    Target(#[from] Unwritable),
    /// The connection could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Target {
    /// A path of a host.
    #[must_use]
    pub fn new(host: impl Into<String>, path: impl Into<String>) -> Self {
        Self { host: host.into(), path: path.into(), fields: Vec::new() }
    }

    /// The same, asked with a field more.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// Opens a WebSocket. It never blocks: [`Handler::on_open`] tells that the handshake has been made,
/// [`Handler::on_close`] that it will not be.
///
/// ```
/// use protocols::websocket::{self, CloseCode, Closed, Endpoint, Handler, Message, Socket, Target};
/// use reactor::{ConnectOptions, ListenOptions, Reactor, Registry};
/// use std::time::Duration;
///
/// /// Answers, and asks.
/// enum Side {
///     Server,
///     Client,
/// }
///
/// impl Handler<()> for Side {
///     fn on_open(&mut self, socket: &mut Socket<'_, '_, ()>, (): &mut ()) {
///         if let Self::Client = self {
///             socket.text("Hello");
///         }
///     }
///
///     fn on_message(
///         &mut self,
///         socket: &mut Socket<'_, '_, ()>,
///         message: Message<'_>,
///         (): &mut (),
///     ) {
///         assert_eq!(message, Message::Text("Hello"));
///         match self {
///             Self::Server => socket.send(message),
///             Self::Client => socket.close(CloseCode::NORMAL, "that was all"),
///         }
///     }
///
///     fn on_close(&mut self, registry: &mut Registry<()>, closed: &Closed, (): &mut ()) {
///         assert_eq!(closed.ending.code(), CloseCode::NORMAL);
///         registry.shutdown(Duration::from_secs(1));
///     }
/// }
///
/// let mut reactor = Reactor::<()>::new()?;
/// let (registry, endpoint) = (reactor.registry(), Endpoint::default());
/// let options = ListenOptions::default();
/// let server =
///     websocket::listen(registry, "127.0.0.1:0".parse()?, &options, &endpoint, |_, _, (): &mut ()| {
///         Ok(Side::Server)
///     })?;
/// let (address, target) = (registry.listener_address(server)?, Target::new("localhost", "/"));
/// let options = ConnectOptions::default();
/// websocket::connect(registry, address, &options, &endpoint, &target, Side::Client)?;
/// reactor.run(&mut ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the request cannot be written, or what is known at once: no descriptors, no route, a full loop. The
/// handler is dropped then, without a callback.
pub fn connect<App: 'static, H: Handler<App>>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ConnectOptions,
    endpoint: &Endpoint,
    target: &Target,
    handler: H,
) -> Result<ConnectionId, ConnectError> {
    let random = [registry.random(), registry.random()];
    let Target { host, path, fields } = target;
    let call = Call::new(host, path, fields, random, endpoint.options())?;
    let state = State::Waiting { call, handler };
    Ok(registry.connect_with(address, options, Dialing { endpoint: endpoint.clone(), state })?)
}

/// A connection whose handshake has yet to be answered.
///
/// ```text
///   on_open: the request ──▶ Waiting ─┬─ 101: a Session takes over
///                                     └─ another answer, none in time, the end ──▶ Done: on_close
/// ```
#[derive(Debug)]
struct Dialing<H> {
    endpoint: Endpoint,
    state: State<H>,
}

#[derive(Debug)]
enum State<H> {
    Waiting { call: Call, handler: H },
    Done,
}

impl<H> Dialing<H> {
    fn fail<App>(&mut self, ending: Ending, transport: &mut Transport<'_, App>, app: &mut App)
    where
        H: Handler<App>,
    {
        transport.close();
        let closed = handler::Closed { id: transport.id(), peer: transport.peer(), ending };
        self.finish(&closed, transport.registry(), app);
    }

    /// Tells the program, once.
    fn finish<App>(&mut self, closed: &handler::Closed, registry: &mut Registry<App>, app: &mut App)
    where
        H: Handler<App>,
    {
        if let State::Waiting { mut handler, .. } = std::mem::replace(&mut self.state, State::Done)
        {
            self.endpoint.count(|it| it.refused += 1);
            handler.on_close(registry, closed, app);
        }
    }

    /// Looks at the answer's head, if it is whole.
    fn answered(&mut self, input: &mut Input<'_>) -> Result<Option<Session<H>>, Unanswered> {
        let options = self.endpoint.options();
        let most = options.limits.head;
        let end = memmem::find(&input[..input.len().min(most)], b"\r\n\r\n");
        let (Some(end), State::Waiting { call, .. }) = (end, &self.state) else {
            let is_long = input.len() >= most;
            return if is_long { Err(Unanswered::HeadTooLong) } else { Ok(None) };
        };
        // What is behind it are frames, for whoever takes over.
        let agreed = call.check(input.take_front(end + 4), options)?;
        let State::Waiting { handler, .. } = std::mem::replace(&mut self.state, State::Done) else {
            return Ok(None);
        };
        Ok(Some(Session::new(self.endpoint.clone(), Role::Client, agreed, handler)))
    }
}

impl<App, H: Handler<App>> Protocol<App> for Dialing<H> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        if let State::Waiting { call, .. } = &self.state {
            transport.write(call.as_bytes());
        }
        transport.set_timer(PATIENCE, self.endpoint.options().limits.handshake);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        match self.answered(input) {
            Ok(None) => {}
            Ok(Some(session)) => {
                transport.cancel_timer(PATIENCE);
                transport.replace(session);
            }
            Err(unanswered) => self.fail(unanswered.into(), transport, app),
        }
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let ending = Ending::Lost("the server ended the connection without an answer".to_owned());
        self.fail(ending, transport, app);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, _: TimerKey, app: &mut App) {
        self.fail(Unanswered::Timeout.into(), transport, app);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        self.finish(&handler::Closed::lost(closed), registry, app);
    }
}
