//! A client's life: connecting, registering, being there, and around again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reactor::{
    Address, Backoff, Closed, ConnectOptions, ConnectionId, OpenError, Registry, TimerId,
};

use super::commands::apart;
use super::handshake::Handshake;
use super::link::Link;
use super::outgoing::Outgoing;
use super::world::World;
use super::{Caller, ClientId, Event, Failure, Options, Room, Support};
use crate::chat::{Builder, Folded, Message};

/// A connection that has lasted for so long was a good one: the next pause is a short one again.
const STEADY: Duration = Duration::from_secs(60);

/// One conversation with a chat server, over as many connections as it takes.
///
/// ```text
///   Resting ──▶ Connecting ──▶ Registering ──welcome──▶ Online ──quit()──▶ Quitting ──▶ Over
///      ▲             │              │                     │
///      │             │              ├─── Failing ◀────────┤ silence, a password, a nick
///      └───pause─────┴──────────────┴──────┴──────────────┘ the connection is lost
/// ```
///
/// It is a part of the program, which it finds again by its [`ClientId`]: see [`Caller`].
#[derive(Debug)]
pub struct Client {
    pub(super) id: ClientId,
    pub(super) options: Options,
    pub(super) state: State,
    pub(super) world: World,
    pub(super) outgoing: Outgoing,
    /// Channels to be on, with their keys.
    pub(super) wanted: BTreeMap<Folded, (String, Option<String>)>,
    /// When the latest message of each channel was said, as the server has it: what comes after is what
    /// one misses when the connection is lost.
    pub(super) latest: BTreeMap<Folded, String>,
    backoff: Backoff,
    /// How many connections were tried: which of the servers is next.
    tries: usize,
    /// Lines that waited when the latest connection ended.
    unsent: usize,
    /// When something last came from the server.
    pub(super) heard: Instant,
    /// Set while something waits for its turn to be sent.
    pub(super) send_timer: Option<TimerId>,
    /// Set while there is a connection; at the time it fires, something may be late.
    pub(super) watch: Option<TimerId>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nothing is to be done before the timer fires; or there is no timer, and it is about to begin.
    Resting(Option<TimerId>),
    Connecting(ConnectionId),
    Registering {
        connection: ConnectionId,
        handshake: Box<Handshake>,
        since: Instant,
    },
    Online {
        connection: ConnectionId,
        since: Instant,
        pinged: Option<Instant>,
    },
    /// `QUIT` was sent, or waits behind what was said before.
    Quitting {
        connection: ConnectionId,
        /// When it was sent.
        sent: Option<Instant>,
    },
    /// The connection is being closed, for this reason.
    Failing(ConnectionId, Failure),
    Over,
}

/// What comes after a connection.
pub(super) enum Outcome {
    Again(Event),
    Finished(Result<(), Failure>),
}

impl Client {
    /// Begins to connect, in the next turn: the program has to have the client by then.
    pub fn start<App: Caller>(
        registry: &mut Registry<App>,
        id: ClientId,
        options: Options,
    ) -> Self {
        registry.defer(move |registry, app| connect(registry, app, id));
        let channels =
            options.channels.iter().flat_map(|(names, keys)| apart(names, keys.as_deref()));
        Self {
            id,
            state: State::Resting(None),
            world: World::new(&options.nick, &options.limits),
            outgoing: Outgoing::new(&options.limits),
            wanted: channels.map(|it| (Folded::of(&it.0), it)).collect(),
            latest: BTreeMap::new(),
            backoff: Backoff::new(options.limits.first_pause, options.limits.longest_pause),
            tries: 0,
            unsent: 0,
            heard: registry.now(),
            send_timer: None,
            watch: None,
            options,
        }
    }

    // ── what one can ask ────────────────────────────────────────────────────────────────────

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// What one is called now; what one wants to be called while one is not connected.
    #[must_use]
    pub fn nick(&self) -> &str {
        &self.world.roster.nick
    }

    /// Whether the server has welcomed one, and the connection stands.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. } | State::Quitting { .. })
    }

    /// Whether what one says comes back: see [`Options::echo`].
    #[must_use]
    pub fn echoes(&self) -> bool {
        self.world.capabilities.contains("echo-message")
    }

    /// What the server says of itself.
    #[must_use]
    pub fn support(&self) -> &Support {
        &self.world.support
    }

    /// A channel one is on.
    #[must_use]
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.world.roster.room(&self.world.support, name)
    }

    /// All channels one is on, by name.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = &Room> {
        self.world.roster.rooms()
    }

    /// How many more lines can wait to be sent.
    #[must_use]
    pub fn space(&self) -> usize {
        self.outgoing.room()
    }

    /// How many lines wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// How many lines waited when the latest connection ended, and were not sent.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// The server that is talked to, or was last.
    #[must_use]
    pub fn server(&self) -> Option<&Address> {
        let last = self.tries.saturating_sub(1);
        self.options.servers.get(last % self.options.servers.len().max(1))
    }

    // ── connecting ──────────────────────────────────────────────────────────────────────────

    fn connect<App: Caller>(&mut self, registry: &mut Registry<App>) -> Result<(), OpenError> {
        self.tries += 1;
        let nowhere = Address::Unnamed;
        let server = self.server().cloned().unwrap_or(nowhere);
        let link = Link::new(self.id);
        self.world = World::new(&self.options.nick, &self.options.limits);
        let connection = registry.connect_with(server, &ConnectOptions::default(), link)?;
        self.state = State::Connecting(connection);
        Ok(())
    }

    /// The connection is open: begins to register.
    pub(super) fn handle_open<App: Caller>(&mut self, registry: &mut Registry<App>) -> Event {
        if let State::Connecting(connection) = self.state {
            let handshake = Box::new(Handshake::new(&self.options));
            let first = handshake.begin(&self.options);
            let since = registry.now();
            self.heard = since;
            self.state = State::Registering { connection, handshake, since };
            self.watch_again(registry);
            match first {
                Ok(lines) => self.send_free(registry, lines),
                Err(failure) => self.fail(registry, failure),
            }
        }
        Event::Connected
    }

    /// Takes a message; what has happened, if anything.
    pub(super) fn handle_message<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        message: &Message<'_>,
    ) -> Option<Event> {
        self.heard = registry.now();
        if message.command.eq_ignore_ascii_case("PING") {
            self.answer_ping(registry, message);
            return None;
        }
        match &mut self.state {
            State::Registering { .. } => self.handle_registering(registry, message),
            State::Online { pinged, .. } => *pinged = None,
            State::Quitting { .. } => {}
            _ => return None,
        }
        let event = self.world.handle(message)?;
        match &event {
            Event::Ready => self.join_wanted(registry),
            Event::Joined { channel, own: true, .. } => self.want(channel),
            Event::Members { channel } => self.ask_for_history(registry, channel),
            Event::Message { target, meta, .. } => self.note_time(target, meta.time.as_deref()),
            Event::Left { channel, own: true, .. } | Event::Kicked { channel, own: true, .. } => {
                self.forget(channel);
            }
            _ => {}
        }
        Some(event)
    }

    fn handle_registering<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        message: &Message<'_>,
    ) {
        let random = registry.random();
        let State::Registering { connection, handshake, .. } = &mut self.state else { return };
        let connection = *connection;
        if message.command == "001" {
            let result = handshake.finish();
            self.world.capabilities = handshake.enabled().clone();
            self.state = State::Online { connection, since: registry.now(), pinged: None };
            self.watch_again(registry);
            return result.unwrap_or_else(|failure| self.fail(registry, failure));
        }
        let result = handshake.handle(message, random);
        handshake.nick().clone_into(&mut self.world.roster.nick);
        match result {
            Ok(lines) => self.send_free(registry, lines),
            Err(failure) => self.fail(registry, failure),
        }
    }

    fn answer_ping<App>(&mut self, registry: &mut Registry<App>, message: &Message<'_>) {
        let pong = Builder::new().command("PONG").text(message.param(0).unwrap_or_default());
        // It was part of a message, so it can be part of one.
        if let Ok(line) = pong.finish() {
            self.send_now(registry, line.into());
        }
    }

    /// One is on a channel, perhaps by the server's doing: then without a key, and only so many.
    fn want(&mut self, channel: &str) {
        let support = &self.world.support;
        let is_wanted = self.wanted.keys().any(|name| support.same(name.as_str(), channel));
        if !is_wanted && self.wanted.len() < self.options.limits.rooms {
            self.wanted.insert(Folded::of(channel), (channel.to_owned(), None));
        }
    }

    /// One is not on a channel any more, and does not want to be: however the server spells it.
    pub(super) fn forget(&mut self, channel: &str) {
        let support = &self.world.support;
        self.wanted.retain(|name, _| !support.same(name.as_str(), channel));
        self.latest.retain(|name, _| !support.same(name.as_str(), channel));
    }

    /// Remembers when something was said on a channel one is on.
    fn note_time(&mut self, target: &str, time: Option<&str>) {
        if self.options.history > 0
            && let (Some(time), Some(room)) = (time, self.room(target))
        {
            let room = Folded::of(room.name());
            // Channels of earlier connections may be among them.
            if self.latest.len() < self.options.limits.rooms || self.latest.contains_key(&room) {
                self.latest.insert(room, time.to_owned());
            }
        }
    }

    // ── losing the connection ───────────────────────────────────────────────────────────────

    /// The connection has to go, for this reason.
    pub(super) fn fail<App>(&mut self, registry: &mut Registry<App>, failure: Failure) {
        if let Some(connection) = self.connection() {
            self.state = State::Failing(connection, failure);
            // It fails if the connection has ended: then `on_close` is on its way.
            let _ = registry.close(connection);
        }
    }

    /// The connection has ended: what now?
    pub(super) fn handle_close<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        closed: &Closed,
    ) -> Outcome {
        self.forget_connection(registry);
        if let State::Online { since, .. } = self.state
            && registry.now().saturating_duration_since(since) >= STEADY
        {
            self.backoff.reset();
        }
        let failure = match std::mem::replace(&mut self.state, State::Over) {
            State::Quitting { .. } if self.unsent == 0 => return Outcome::Finished(Ok(())),
            State::Quitting { .. } => {
                let failure = Failure::of(&closed.reason, &self.world.last_words);
                return Outcome::Finished(Err(failure));
            }
            State::Over => return Outcome::Finished(Ok(())),
            State::Failing(_, failure) => failure,
            _ => Failure::of(&closed.reason, &self.world.last_words),
        };
        self.rest(registry, failure)
    }

    /// Waits, and connects again; unless nothing would come of it.
    fn rest<App: Caller>(&mut self, registry: &mut Registry<App>, why: Failure) -> Outcome {
        if why.is_final() || !self.options.reconnect {
            self.state = State::Over;
            return Outcome::Finished(Err(why));
        }
        let pause = self.backoff.pause(registry.random());
        let id = self.id;
        match registry.after(pause, move |registry, app| connect(registry, app, id)) {
            Ok(timer) => {
                self.state = State::Resting(Some(timer));
                Outcome::Again(Event::Lost { why, pause })
            }
            Err(error) => {
                self.state = State::Over;
                Outcome::Finished(Err(Failure::Other(error.to_string())))
            }
        }
    }

    fn forget_connection<App>(&mut self, registry: &mut Registry<App>) {
        for timer in self.watch.take().into_iter().chain(self.send_timer.take()) {
            registry.cancel(timer);
        }
        // Goodbye itself is not among what was to be said.
        let goodbye = usize::from(matches!(self.state, State::Quitting { sent: None, .. }));
        self.unsent = self.outgoing.clear().saturating_sub(goodbye);
    }
}

/// Connects a client, if it still wants to be.
pub(super) fn connect<App: Caller>(registry: &mut Registry<App>, app: &mut App, id: ClientId) {
    let Some(client) = app.client(id) else { return };
    if !matches!(client.state, State::Resting(_)) {
        return;
    }
    if let Err(error) = client.connect(registry) {
        let why = Failure::Other(error.to_string());
        let outcome = client.rest(registry, why);
        tell(registry, app, id, outcome);
    }
}

/// Tells the program what comes after a connection.
pub(super) fn tell<App: Caller>(
    registry: &mut Registry<App>,
    app: &mut App,
    id: ClientId,
    outcome: Outcome,
) {
    match outcome {
        Outcome::Again(event) => app.on_event(registry, id, event),
        Outcome::Finished(result) => app.on_finish(registry, id, result),
    }
}
