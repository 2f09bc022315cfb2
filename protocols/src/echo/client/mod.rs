//! The client: sends payloads, and holds what comes back against them, byte for byte.
//!
//! A client's state is part of the application, as a server's is, so that it can be told to send from
//! anywhere: from a callback, a timer, or another thread by way of a [`Handle`](reactor::Handle).

mod failure;
mod socket;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{
    Address, CloseReason, ConnectOptions, ConnectionId, DatagramOptions, OpenError, Registry,
    SocketId, StreamLimits, TimerId,
};

use super::{ClientLimits, Exchange, Reply};
use socket::Socket;

pub use failure::{Failure, NotSent};

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
/// use protocols::echo::{self, Caller, Client, ClientId, ClientOptions, Event, Failure, Server};
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
///         if let Event::Reply(reply) = event {
///             println!("{:?} was back after {:?}", reply.payload, reply.round_trip);
///             self.client.end(registry);
///         }
///     }
///
///     fn on_finish(&mut self, registry: &mut Registry<Self>, _: ClientId, outcome: Result<(), Failure>) {
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
    strays: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Talking,
    /// This side sends no more, and waits for the rest and the peer's end.
    Ending {
        since: Instant,
    },
    /// This side cares for nothing more; how it went.
    Over(Result<(), Failure>),
}

/// A program that talks to echo servers: where it keeps its clients, and what it is told of them.
pub trait Caller: Sized + 'static {
    /// The client with this id; `None` if the program has given it up, which ends its connection.
    fn client(&mut self, id: ClientId) -> Option<&mut Client>;

    /// Something has happened, and the conversation goes on.
    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event<'_>);

    /// The conversation is over: well, if this side ended it and everything came back before.
    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: ClientId,
        outcome: Result<(), Failure>,
    );
}

/// What a program is told of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The client is connected, or its datagram socket bound.
    Open,
    /// Bytes have come back on a stream, and they are what was sent: a payload, a part of one, or
    /// parts of two.
    Bytes(&'a [u8]),
    /// A payload has come back whole.
    Reply(Reply),
    /// A datagram has not come back in time.
    Lost {
        /// Which one it was, counted from zero.
        sequence: u64,
        /// What was sent.
        payload: Bytes,
    },
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// The local address. Default `None`: the system chooses. A client of Unix datagrams needs one,
    /// since nobody can answer a socket without a name.
    pub from: Option<Address>,
    /// Speak TLS over streams. Default `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<reactor::tls::ClientTls>,
    /// The bounds.
    pub limits: ClientLimits,
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
        let ClientOptions { limits: ClientLimits { window, timeout }, .. } = options;
        // Everything that may be on its way fits below the high mark, so that the client is always read.
        let defaults = StreamLimits::default();
        let limits = StreamLimits {
            outbox_high: defaults.outbox_high.max(*window),
            outbox: defaults.outbox.max(*window),
            connect_timeout: Some(*timeout),
            close_timeout: *timeout,
            ..defaults
        };
        let connect = ConnectOptions {
            from: options.from.clone(),
            limits,
            #[cfg(feature = "tls")]
            tls: options.tls.clone(),
            ..ConnectOptions::default()
        };
        let id = registry.connect_with(server, &connect, Socket)?;
        Ok(Self::new(ClientId::Stream(id), &options.limits))
    }

    /// Binds a socket that sends its datagrams to a server and hears from nobody else: at any free port,
    /// and for a Unix server without a name, unless one is given. For the rest as
    /// [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn connect_datagrams<App: Caller>(
        registry: &mut Registry<App>,
        server: Address,
        options: &ClientOptions,
    ) -> Result<Self, OpenError> {
        let from = options.from.clone().unwrap_or_else(|| match server.socket_addr() {
            Some(SocketAddr::V4(_)) => Address::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
            Some(SocketAddr::V6(_)) => Address::Ip((Ipv6Addr::UNSPECIFIED, 0).into()),
            None => Address::Unnamed,
        });
        let bind = DatagramOptions { peer: Some(server), ..DatagramOptions::default() };
        let id = registry.bind_datagram_with(from, &bind, Socket)?;
        Ok(Self::new(ClientId::Datagrams(id), &options.limits))
    }

    fn new(id: ClientId, limits: &ClientLimits) -> Self {
        let exchange = Exchange::new(limits.window);
        let timeout = limits.timeout;
        Self { id, timeout, exchange, state: State::Talking, timer: None, strays: 0 }
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
        if self.state != State::Talking {
            return Err(NotSent::Ended(payload));
        }
        if payload.len() > self.exchange.room() {
            return Err(NotSent::WindowFull(payload));
        }
        if !self.arm(registry) {
            return Err(NotSent::NoTimer(payload));
        }
        match self.id {
            ClientId::Stream(_) if payload.is_empty() => return Err(NotSent::Empty(payload)),
            ClientId::Stream(id) => match registry.send(id, payload.clone()) {
                Ok(_) => {}
                Err(_) => return Err(NotSent::Ended(payload)),
            },
            ClientId::Datagrams(id) => match registry.send_to(id, &payload, None) {
                Ok(()) => {}
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    return Err(NotSent::WindowFull(payload));
                }
                Err(error) => return Err(NotSent::Refused { payload, error }),
            },
        }
        Ok(self.exchange.handle_sent(payload, registry.now()))
    }

    /// Sends no more. On a stream, the server answers what is on its way, and ends the conversation;
    /// over datagrams, which have no end of their own, it ends when the last is back or lost.
    pub fn end<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if self.state != State::Talking {
            return;
        }
        self.state = State::Ending { since: registry.now() };
        if let ClientId::Stream(id) = self.id {
            self.arm(registry);
            // It fails if the connection has ended: `on_finish` comes anyhow.
            let _ = registry.end(id);
        }
        self.settle(registry);
    }

    /// Ends the conversation, without a care for what is on its way.
    pub fn close<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if self.is_listening() {
            self.state = State::Over(Ok(()));
        }
        // Both fail if it has ended: `on_finish` comes anyhow.
        let _ = match self.id {
            ClientId::Stream(id) => registry.close(id),
            ClientId::Datagrams(id) => registry.close_socket(id),
        };
    }

    /// Its id, for as long as it lasts.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// How long a payload may be that is sent now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.exchange.room()
    }

    /// How many payloads have yet to come back.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.exchange.outstanding()
    }

    /// Datagrams that came back late, twice, or changed.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Whether it still cares for what comes back.
    fn is_listening(&self) -> bool {
        !matches!(self.state, State::Over(_))
    }

    /// The connection has ended; how the conversation went.
    fn handle_close<App>(
        &mut self,
        registry: &mut Registry<App>,
        reason: &CloseReason,
    ) -> Result<(), Failure> {
        if let Some(timer) = self.timer.take() {
            registry.cancel(timer);
        }
        let missing = self.exchange.missing();
        let outcome = match &self.state {
            State::Over(outcome) => outcome.clone(),
            State::Ending { .. } if reason.is_clean() && missing == 0 => Ok(()),
            State::Talking | State::Ending { .. } => Err(Failure::new(reason, missing)),
        };
        self.state = State::Over(outcome.clone());
        outcome
    }

    /// Time has passed: a stream may have failed, or a datagram may be lost. To be called until there
    /// is `None`.
    fn handle_timeout<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
    ) -> Option<(u64, Bytes)> {
        if registry.now() < self.deadline()? {
            self.arm(registry);
            return None;
        }
        match self.id {
            ClientId::Datagrams(_) => self.exchange.lose(),
            ClientId::Stream(id) => {
                self.state = State::Over(Err(Failure::Timeout(self.timeout)));
                // It fails if the connection has ended: `on_finish` comes anyhow.
                let _ = registry.abort(id);
                None
            }
        }
    }

    /// Ends a conversation over datagrams that waits only for its end.
    fn settle<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let (ClientId::Datagrams(_), State::Ending { .. }) = (self.id, &self.state)
            && self.outstanding() == 0
        {
            self.close(registry);
        }
    }

    /// Sees to it that what is waited for, or sent now, is not waited for in vain; `false` if the
    /// loop has no timers left.
    fn arm<App: Caller>(&mut self, registry: &mut Registry<App>) -> bool {
        if self.timer.is_none() {
            let now = registry.now();
            let rest = self.deadline().map_or(self.timeout, |at| at.saturating_duration_since(now));
            let id = self.id;
            let timer = registry.after(rest, move |registry, app| on_time(registry, app, id));
            self.timer = timer.ok();
        }
        self.timer.is_some()
    }

    /// When what is waited for is late: the oldest payload, or the peer's end.
    fn deadline(&self) -> Option<Instant> {
        let end = match self.state {
            State::Ending { since } => Some(since),
            State::Talking | State::Over(_) => None,
        };
        self.exchange.waiting_since(end)?.checked_add(self.timeout)
    }
}

/// What a client waits for may be late.
fn on_time<App: Caller>(registry: &mut Registry<App>, app: &mut App, id: ClientId) {
    if let Some(client) = app.client(id) {
        client.timer = None;
    }
    let late = |registry: &mut _, app: &mut App| app.client(id)?.handle_timeout(registry);
    while let Some((sequence, payload)) = late(registry, app) {
        app.on_event(registry, id, Event::Lost { sequence, payload });
    }
    if let Some(client) = app.client(id) {
        client.settle(registry);
    }
}
