//! The client: sends payloads, and holds what comes back against them, byte for byte.
//!
//! A client's state is part of the application, as a server's is, so that it can be told to send from
//! anywhere: from a callback, a timer, or another thread by way of a [`Handle`](reactor::Handle).

use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{Address, CloseReason, OpenError, Registry, TimerId};

use super::{Caller, ClientId, ClientLimits, Exchange, Failure, Mismatch, NotSent, Reply, socket};

/// One conversation with an echo server, over a stream or over datagrams.
///
/// ```text
///   Talking ──end()──▶ Ending ──everything back, peer's FIN──▶ Ok
///      │                  │
///      │ close()          │ FIN too early, RST, silence, a wrong byte
///      ▼                  ▼
///   Closing ──▶ Ok     Failed ──▶ Err
/// ```
///
/// How exactly a round trip is measured, [`ClientOptions::clock`] decides.
///
/// ```
/// use protocols::echo::{self, Caller, Client, ClientId, ClientOptions, Failure, Reply, Server};
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
///     fn on_reply(&mut self, registry: &mut Registry<Self>, _: ClientId, reply: Reply) {
///         println!("{:?} was back after {:?}", reply.payload, reply.round_trip);
///         self.client.end(registry);
///     }
///
///     fn on_finish(
///         &mut self,
///         registry: &mut Registry<Self>,
///         _: ClientId,
///         outcome: Result<(), Failure>,
///     ) {
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
    server: Address,
    timeout: Duration,
    clock: Clock,
    exchange: Exchange,
    state: State,
    /// Set while something is on its way; at the time it fires, the oldest payload may be late.
    timer: Option<TimerId>,
    /// Datagrams that came back, and the program has yet to hear of.
    untold: usize,
    strays: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Talking,
    /// This side sends no more, and waits for the rest and the peer's end.
    Ending {
        since: Instant,
    },
    /// This side has had enough.
    Closing,
    Failed(Failure),
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
    /// What round trips are measured with.
    pub clock: Clock,
    /// The bounds.
    pub limits: ClientLimits,
}

/// What round trips are measured with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The loop's ([`Registry::now`]), which stands still during a turn. A round trip is counted from
    /// the beginning of the turn that sent, so it is too long by what came before in that turn:
    /// microseconds, or as much as [`Stats::longest_turn`](reactor::Stats::longest_turn) in a busy
    /// program. It costs nothing, and it is right where time is simulated.
    #[default]
    Loop,
    /// The system's, read at every payload that is sent and every piece that comes back: for
    /// measuring.
    System,
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
        let id = socket::connect(registry, &server, options)?;
        Ok(Self::new(ClientId::Stream(id), server, options))
    }

    /// Binds a socket that sends its datagrams to a server and hears from nobody else. The caller has
    /// to have it, under its [`id`](Self::id), before the next turn.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn connect_datagrams<App: Caller>(
        registry: &mut Registry<App>,
        server: Address,
        options: &ClientOptions,
    ) -> Result<Self, OpenError> {
        let id = socket::bind(registry, &server, options)?;
        Ok(Self::new(ClientId::Datagrams(id), server, options))
    }

    fn new(id: ClientId, server: Address, options: &ClientOptions) -> Self {
        Self {
            id,
            server,
            timeout: options.limits.timeout,
            clock: options.clock,
            exchange: Exchange::new(options.limits.window),
            state: State::Talking,
            timer: None,
            untold: 0,
            strays: 0,
        }
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
        let now = self.clock.now(registry);
        match self.id {
            ClientId::Stream(id) => socket::send(registry, id, payload.clone()),
            ClientId::Datagrams(id) => socket::send_datagram(registry, id, &payload),
        }?;
        Ok(self.exchange.handle_sent(payload, now))
    }

    /// Sends no more. On a stream, the server answers what is on its way, and ends the conversation;
    /// over datagrams, which have no end of their own, it ends when the last is back or lost.
    pub fn end<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if self.state != State::Talking {
            return;
        }
        self.state = State::Ending { since: registry.now() };
        match self.id {
            ClientId::Stream(id) => {
                self.arm(registry);
                // It fails if the connection has ended: `on_finish` comes anyhow.
                let _ = registry.end(id);
            }
            ClientId::Datagrams(_) => self.settle(registry),
        }
    }

    /// Ends the conversation, without a care for what is on its way.
    pub fn close<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if self.is_listening() {
            self.state = State::Closing;
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

    /// Whom it talks to.
    #[must_use]
    pub fn server(&self) -> &Address {
        &self.server
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

    /// Bytes have come back on a stream; a payload, if one of them is the last of it.
    pub(super) fn handle_bytes<App>(
        &mut self,
        input: &mut &[u8],
        registry: &Registry<App>,
    ) -> Result<Option<Reply>, Mismatch> {
        let result = self.exchange.handle_bytes(input, self.clock.now(registry));
        if let Err(mismatch) = result {
            self.state = State::Failed(mismatch.into());
        }
        result
    }

    /// A datagram has come back; the payload it is equal to.
    pub(super) fn handle_datagram<App>(
        &mut self,
        datagram: &[u8],
        registry: &Registry<App>,
    ) -> Option<Reply> {
        let reply = self.exchange.handle_datagram(datagram, self.clock.now(registry));
        match reply {
            Some(_) => self.untold += 1,
            None => self.strays += 1,
        }
        reply
    }

    /// The program has been told of a datagram that came back.
    pub(super) fn handle_told<App: Caller>(&mut self, registry: &mut Registry<App>) {
        self.untold -= 1;
        self.settle(registry);
    }

    /// The connection has ended; how the conversation went.
    pub(super) fn handle_close<App>(
        &mut self,
        registry: &mut Registry<App>,
        reason: &CloseReason,
    ) -> Result<(), Failure> {
        if let Some(timer) = self.timer.take() {
            registry.cancel(timer);
        }
        let missing = self.exchange.missing();
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Failed(failure) => Err(failure),
            // However it ended then, it was not cared for.
            State::Closing => Ok(()),
            State::Ending { .. } if reason.is_clean() && missing == 0 => Ok(()),
            State::Talking | State::Ending { .. } => Err(Failure::new(reason, missing)),
        }
    }

    /// Ends a conversation over datagrams that waits only for its end.
    fn settle<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let (ClientId::Datagrams(_), State::Ending { .. }) = (self.id, &self.state)
            && self.outstanding() + self.untold == 0
        {
            self.close(registry);
        }
    }

    /// Whether it still cares for what comes back.
    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, State::Talking | State::Ending { .. })
    }

    /// Since when something is waited for: the oldest payload, or the peer's end.
    fn waiting_since(&self) -> Option<Instant> {
        self.exchange.waiting_since().or(match self.state {
            State::Ending { since } => {
                Some(self.exchange.progress().map_or(since, |last| last.max(since)))
            }
            State::Talking | State::Closing | State::Failed(_) => None,
        })
    }

    fn is_late(&self, now: Instant) -> bool {
        self.waiting_since()
            .is_some_and(|since| now.saturating_duration_since(since) >= self.timeout)
    }

    /// Sees to it that what is waited for, or sent now, is not waited for in vain; `false` if the
    /// loop has no timers left.
    fn arm<App: Caller>(&mut self, registry: &mut Registry<App>) -> bool {
        if self.timer.is_none() {
            let now = registry.now();
            let waited = now.saturating_duration_since(self.waiting_since().unwrap_or(now));
            let (id, rest) = (self.id, self.timeout.saturating_sub(waited));
            let timer = registry.after(rest, move |registry, app| handle_timer(registry, app, id));
            self.timer = timer.ok();
        }
        self.timer.is_some()
    }
}

impl Clock {
    fn now<App>(self, registry: &Registry<App>) -> Instant {
        match self {
            Self::Loop => registry.now(),
            Self::System => Instant::now(),
        }
    }
}

/// What is waited for may be late: a stream has failed then, a datagram is lost.
fn handle_timer<App: Caller>(registry: &mut Registry<App>, app: &mut App, id: ClientId) {
    let Some(client) = app.client(id) else {
        return;
    };
    client.timer = None;
    match id {
        ClientId::Stream(id) if client.is_late(registry.now()) => {
            client.state = State::Failed(Failure::Timeout(client.timeout));
            // It fails if the connection has ended: `on_finish` comes anyhow.
            let _ = registry.abort(id);
        }
        ClientId::Stream(_) => wait_on(registry, client),
        ClientId::Datagrams(_) => report_losses(registry, app, id),
    }
}

fn report_losses<App: Caller>(registry: &mut Registry<App>, app: &mut App, id: ClientId) {
    while let Some(client) = app.client(id) {
        match client.exchange.handle_timeout(registry.now(), client.timeout) {
            Some(lost) => app.on_loss(registry, id, lost),
            None => {
                wait_on(registry, client);
                return client.settle(registry);
            }
        }
    }
}

/// Looks again when what is waited for by now could be late.
fn wait_on<App: Caller>(registry: &mut Registry<App>, client: &mut Client) {
    if client.waiting_since().is_some() {
        client.arm(registry);
    }
}
