//! The client: sends payloads, and holds what comes back against them, byte for byte.
//!
//! A client's state is part of the application, as a server's is, so that it can be told to send from
//! anywhere: from a callback, a timer, or another thread by way of a [`Handle`](reactor::Handle).

mod socket;

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{
    Address, CloseReason, ConnectOptions, ConnectionId, DatagramOptions, OpenError, Registry,
    SocketId, TimerId,
};

use thiserror::Error;

use super::{Exchange, Mismatch, Sent};
use socket::{Socket, tell};

/// One conversation with an echo server, over a stream or over datagrams.
///
/// ```text
///   Talking ──end()──▶ Ending ──everything back, peer's FIN──▶ Over, Ok
///      │                  │
///      ├──────────────────┤ close() ───────────────────────────▶ Over, Ok
///      └──────────────────┘ FIN too early, RST, silence,
///                           a wrong byte ──────────────────────▶ Over, Err
/// ```
///
/// ```
/// use protocols::echo::{self, Caller, Client, ClientId, ClientOptions, Event, Outcome, Server};
/// use reactor::{ListenOptions, Reactor, Registry};
/// use std::time::Duration;
///
/// /// Both sides of a conversation.
/// struct Both {
///     server: Server,
///     client: Client,
/// }
///
/// impl AsMut<Server> for Both {
///     fn as_mut(&mut self) -> &mut Server {
///         &mut self.server
///     }
/// }
///
/// impl Caller for Both {
///     fn client(&mut self, _: ClientId) -> Option<&mut Client> {
///         Some(&mut self.client)
///     }
///
///     fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event<'_>) {
///         if let Event::Reply(sent) = event {
///             println!("{:?} was back after {:?}", sent.payload, registry.now() - sent.at);
///             self.client.end(registry);
///         }
///     }
///
///     fn on_finish(&mut self, registry: &mut Registry<Self>, _: ClientId, outcome: Outcome) {
///         assert_eq!(outcome, Ok(()));
///         registry.shutdown(Duration::from_secs(1));
///     }
/// }
///
/// let mut reactor = Reactor::<Both>::new()?;
/// let registry = reactor.registry();
/// let listener = echo::listen(registry, "127.0.0.1:0".parse()?, &ListenOptions::default())?;
/// let address = registry.listener_address(listener)?;
/// let mut client = Client::connect(registry, address, &ClientOptions::default())?;
/// client.send(registry, "hello".into())?;
/// reactor.run(&mut Both { server: Server::default(), client })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    timeout: Duration,
    exchange: Exchange,
    state: State,
    /// Set while something is waited for; at the time it fires, the oldest payload may be late.
    timer: Option<TimerId>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Talking,
    /// Since then this side sends no more, and waits for the rest and the peer's end.
    Ending(Instant),
    /// This side cares for nothing more; how it went.
    Over(Outcome),
}

/// A program that talks to echo servers: where it keeps its clients, and what it is told of them.
pub trait Caller: Sized + 'static {
    /// The client with this id; `None` if the program has given it up, which ends its connection.
    fn client(&mut self, id: ClientId) -> Option<&mut Client>;

    /// Something has happened, and the conversation goes on.
    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event<'_>);

    /// The conversation is over: well, if this side ended it and everything came back before.
    fn on_finish(&mut self, registry: &mut Registry<Self>, id: ClientId, outcome: Outcome);
}

/// How a conversation went.
pub type Outcome = Result<(), Failure>;

/// What a program is told of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The client is connected, or its datagram socket bound.
    Open,
    /// Bytes have come back on a stream, and they are what was sent: a payload, a part of one, or
    /// parts of two.
    Bytes(&'a [u8]),
    /// A payload has come back whole.
    Reply(Sent),
    /// A datagram has not come back in time.
    Lost(Sent),
    /// The network reports that a datagram found nobody, or no way. Who knows which one it was, and
    /// whether the next will do better.
    Trouble(io::ErrorKind),
}

/// Names a client: by its connection, or by its datagram socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientId {
    /// TCP, or a Unix stream.
    Stream(ConnectionId),
    /// UDP, or Unix datagrams.
    Datagrams(SocketId),
}

/// How a client talks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How a stream is connected: over TLS, say. Of its limits, those of connecting and closing give way to
    /// [`timeout`](Self::timeout), and the outbox holds the [`window`](Self::window) at least. Datagrams leave
    /// [from](ConnectOptions::from) there, too.
    pub connect: ConnectOptions,
    /// Bytes that may be on their way at one time; a payload beyond that is handed back. Each is
    /// charged 64 bytes beside its own.
    ///
    /// Default 1 MiB: 10 MB a second over a path of 100 ms.
    pub window: usize,
    /// How long an answer may take. A connection on which nothing comes back for so long, though
    /// something should, has failed; a datagram that has not come back is lost.
    ///
    /// Default 10 s: three retransmissions of TCP.
    pub timeout: Duration,
}

/// Why a conversation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listens there, there is no way, or no answer.
    #[error("could not connect: {0}")]
    Connect(io::ErrorKind),
    /// What came back is not what was sent.
    #[error("the peer is no echo server: {0}")]
    Mismatch(Mismatch),
    /// The peer ended the conversation first.
    #[error("the peer ended the connection first, with {missing} bytes unanswered")]
    EarlyEnd {
        /// Bytes that were sent and did not come back.
        missing: usize,
    },
    /// [`ClientOptions::timeout`] has passed with nothing coming back.
    #[error("nothing came back for {0:?}")]
    Timeout(Duration),
    /// The peer reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// Anything else that ends connections, as a sentence.
    #[error("{0}")]
    Other(String),
}

/// A payload was not sent; it is handed back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotSent {
    /// There is no room for it before something comes back, or ever if it is longer than
    /// [`ClientOptions::window`].
    #[error("too much is on its way already")]
    WindowFull(Bytes),
    /// It is empty, which means nothing on a stream.
    #[error("a stream carries no empty payload")]
    Empty(Bytes),
    /// The conversation is over, or ending.
    #[error("the conversation is over")]
    Ended(Bytes),
    /// The system did not take the datagram: it is too long, or an earlier one was refused.
    #[error("{1}")]
    Refused(Bytes, io::Error),
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect: ConnectOptions::default(),
            window: 1024 * 1024,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Client {
    /// Connects to a server of streams: TCP for an IP address, Unix for a path or a name. The caller
    /// has to have it, under its [`id`](Self::id), before the next turn.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. A server that is not there is found out later.
    pub fn connect<App: Caller>(
        registry: &mut Registry<App>,
        server: Address,
        options: &ClientOptions,
    ) -> Result<Self, OpenError> {
        let mut connect = options.connect.clone();
        // The window is the bound: all that is on its way may still be here.
        connect.limits.outbox = connect.limits.outbox.max(options.window);
        connect.limits.connect_timeout = Some(options.timeout);
        connect.limits.close_timeout = options.timeout;
        let id = registry.connect_with(server, &connect, Socket)?;
        Ok(Self::new(ClientId::Stream(id), options))
    }

    /// Binds a socket that sends its datagrams to a server and hears from nobody else: at any free port,
    /// and for a Unix server without a name, which nobody can answer, unless
    /// [`from`](ConnectOptions::from) has one. For the rest as [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn connect_datagrams<App: Caller>(
        registry: &mut Registry<App>,
        server: Address,
        options: &ClientOptions,
    ) -> Result<Self, OpenError> {
        let from = options.connect.from.clone().unwrap_or_else(|| server.unspecified());
        let bind = DatagramOptions { peer: Some(server), ..DatagramOptions::default() };
        let id = registry.bind_datagram_with(from, &bind, Socket)?;
        Ok(Self::new(ClientId::Datagrams(id), options))
    }

    fn new(id: ClientId, options: &ClientOptions) -> Self {
        let exchange = Exchange::new(options.window);
        Self { id, timeout: options.timeout, exchange, state: State::Talking, timer: None }
    }

    /// Sends a payload; its sequence number.
    ///
    /// # Errors
    ///
    /// See [`NotSent`], which hands the payload back.
    pub fn send<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        payload: Bytes,
    ) -> Result<u64, NotSent> {
        match self.id {
            _ if self.state != State::Talking => return Err(NotSent::Ended(payload)),
            _ if payload.len() > self.exchange.room() => return Err(NotSent::WindowFull(payload)),
            ClientId::Stream(_) if payload.is_empty() => return Err(NotSent::Empty(payload)),
            ClientId::Stream(id) => {
                if registry.send(id, payload.clone()).is_err() {
                    return Err(NotSent::Ended(payload));
                }
            }
            ClientId::Datagrams(id) => match registry.send_to(id, &payload, None) {
                Ok(()) => {}
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    return Err(NotSent::WindowFull(payload));
                }
                Err(error) => return Err(NotSent::Refused(payload, error)),
            },
        }
        let sequence = self.exchange.handle_sent(payload, registry.now());
        self.go_on(registry);
        Ok(sequence)
    }

    /// Sends no more. On a stream, the server answers what is on its way, and ends the conversation;
    /// over datagrams, which have no end of their own, it ends when the last is back or lost.
    pub fn end<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if self.state == State::Talking {
            self.state = State::Ending(registry.now());
            if let ClientId::Stream(id) = self.id {
                // It fails if the connection has ended: `on_finish` comes anyhow.
                let _ = registry.end(id);
            }
            self.go_on(registry);
        }
    }

    /// Ends the conversation, without a care for what is on its way.
    pub fn close<App: Caller>(&mut self, registry: &mut Registry<App>) {
        self.conclude(registry, Ok(()));
    }

    /// Its id, for as long as it lasts.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// What has yet to come back, and how much room there is for more.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Time has passed: a stream may have failed, or a datagram may be lost.
    fn handle_timeout<App>(&mut self, registry: &mut Registry<App>) -> Option<Event<'static>> {
        self.timer.take().map(|timer| registry.cancel(timer));
        if registry.now() < self.deadline()? {
            return None;
        }
        if let ClientId::Stream(_) = self.id {
            self.conclude(registry, Err(Failure::Timeout(self.timeout)));
            return None;
        }
        self.exchange.lose().map(Event::Lost)
    }

    /// Its socket has ended; how the conversation went.
    fn handle_close<App>(&mut self, registry: &mut Registry<App>, reason: &CloseReason) -> Outcome {
        self.timer.take().map(|timer| registry.cancel(timer));
        let missing = self.exchange.missing();
        let outcome = match (&self.state, reason) {
            (State::Over(outcome), _) => outcome.clone(),
            (State::Ending(_), reason) if reason.is_clean() && missing == 0 => Ok(()),
            _ if registry.is_shutting_down() => Ok(()),
            (_, CloseReason::PeerClosed | CloseReason::Closed) => {
                Err(Failure::EarlyEnd { missing })
            }
            (_, CloseReason::ConnectFailed(error)) => Err(Failure::Connect(error.kind())),
            (_, CloseReason::ConnectTimeout) => Err(Failure::Connect(io::ErrorKind::TimedOut)),
            (_, CloseReason::Reset) => Err(Failure::Reset),
            (_, other) => Err(Failure::Other(other.to_string())),
        };
        self.state = State::Over(outcome.clone());
        outcome
    }

    /// Cares for nothing more: it went well, or it has failed. The first outcome counts.
    fn conclude<App>(&mut self, registry: &mut Registry<App>, outcome: Outcome) {
        if !matches!(self.state, State::Over(_)) {
            self.id.close(registry, outcome.is_ok());
            self.state = State::Over(outcome);
        }
    }

    /// Ends a conversation over datagrams that waits only for its end; of any other it sees to it that what is
    /// waited for is not waited for in vain.
    fn go_on<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let (ClientId::Datagrams(_), State::Ending(_)) = (self.id, &self.state)
            && self.exchange.outstanding() == 0
        {
            return self.close(registry);
        }
        let (None, Some(late)) = (self.timer, self.deadline()) else { return };
        let (id, rest) = (self.id, late.saturating_duration_since(registry.now()));
        match registry.after(rest, move |registry, app| {
            tell(registry, app, id, Client::handle_timeout);
        }) {
            Ok(timer) => self.timer = Some(timer),
            Err(none_left) => self.conclude(registry, Err(Failure::Other(none_left.to_string()))),
        }
    }

    /// When what is waited for is late: the oldest payload, or the peer's end.
    fn deadline(&self) -> Option<Instant> {
        let end = match self.state {
            State::Talking => None,
            State::Ending(since) => Some(since),
            State::Over(_) => return None,
        };
        self.exchange.waiting_since(end)?.checked_add(self.timeout)
    }
}

impl ClientId {
    /// Ends the socket; a stream with FIN, or else with RST.
    fn close<App>(self, registry: &mut Registry<App>, gracefully: bool) {
        // It fails if the socket has ended: `on_finish` comes anyhow.
        let _ = match self {
            Self::Stream(id) if gracefully => registry.close(id),
            Self::Stream(id) => registry.abort(id),
            Self::Datagrams(id) => registry.close_socket(id),
        };
    }
}
