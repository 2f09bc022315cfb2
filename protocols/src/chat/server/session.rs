//! One connection: lines out of bytes, not too fast, and deadlines.

use std::time::Instant;

use reactor::{CloseReason, Closed, Input, Protocol, Registry, TimerKey, TokenBucket, Transport};

use super::carrier::{Carrier, Next, Reading};
use super::commands;
use super::context::{Context, Then};
use super::keys::UserKey;
use super::long_answers::PIECE;
use super::other_protocol::OtherProtocol;
use super::work::{TOO_BUSY, Work};
use crate::chat::{Event, Limits, Server};
use crate::password::{Check, HashQueue, HashingSession, Memory, PasswordError};

/// That of registering at first, and of silence afterwards: one a connection, since there are many.
const PATIENCE: TimerKey = TimerKey(0);
const FLOOD: TimerKey = TimerKey(1);
/// That of a nickname which belongs to somebody else.
pub(super) const NICK: TimerKey = TimerKey(2);

/// The server's side of one connection.
///
/// ```text
///             on_open: too many from there ─▶ ERROR, close
///                │
///                ▼           NICK, USER, CAP END
///           Registering ──────────────────────────▶ Registered ◀─┐ lines, each a command
///                │ deadline                            │    └────┘
///                ▼                                     ▼ QUIT, KILL, silence, a full queue, the end
///             Quitting ◀───────────────────────────────┘
///                (the user is gone, and the others have been told; what is queued leaves)
/// ```
///
/// Where a user stands in it, its [`Server`] knows; here is only what concerns the bytes. A line waits
/// unread, in the connection and then at the peer, while a token is missing, or while a password of this
/// user is being verified: order is kept, and memory is bounded.
#[derive(Debug)]
pub struct Session {
    user: Option<UserKey>,
    carrier: Carrier,
    pace: Pace,
    heard: Option<Instant>,
    pinged: Option<Instant>,
    /// What its user waits for is done away from the loop: how it goes on then.
    waiting: Option<Then>,
}

/// How fast its lines may come (RFC 1459, 8.10).
///
/// ```text
///   Arriving ──registered──▶ Settled: a burst of its own
/// ```
#[derive(Clone, Copy, Debug)]
enum Pace {
    Free,
    Arriving(TokenBucket),
    Settled(TokenBucket),
}

/// Bytes of answers that are charged at once: with the limits as they are, no `LIST` keeps its reader waiting for more than
/// eight seconds.
const MOST_OWED: u32 = 16 * PIECE;
/// How many bursts a client has for what it says by itself before it is registered.
const ARRIVAL: u32 = 4;

impl Pace {
    fn arriving(limits: &Limits) -> Self {
        if limits.flood_control {
            let burst = limits.flood_burst.saturating_mul(ARRIVAL);
            Self::Arriving(TokenBucket::new(limits.flood_rate, burst))
        } else {
            Self::Free
        }
    }

    /// It is registered: what it was told until now is free.
    fn settle(&mut self, limits: &Limits, answered: &mut u32) {
        if let Self::Arriving(_) = self {
            *answered = 0;
            *self = Self::Settled(TokenBucket::new(limits.flood_rate, limits.flood_burst));
        }
    }

    /// Pays for what its user was answered, a token for each piece; what cannot be paid is owed, and then there is no
    /// token until then. What it is told while it arrives is free.
    fn pay(&mut self, now: Instant, answered: &mut u32) -> Result<(), Instant> {
        let Self::Settled(bucket) = self else {
            *answered = 0;
            return Ok(());
        };
        *answered = (*answered).min(MOST_OWED);
        while *answered >= PIECE {
            bucket.take(now)?;
            *answered -= PIECE;
        }
        Ok(())
    }

    /// Takes a token; if there is none, when there will be.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        match self {
            Self::Free => Ok(()),
            Self::Arriving(bucket) | Self::Settled(bucket) => bucket.take(now),
        }
    }
}

impl Session {
    pub(super) fn new() -> Self {
        Self::on(Carrier::stream())
    }

    /// One on a WebSocket whose handshake has been made.
    #[cfg(feature = "websocket")]
    pub(super) fn over_websocket(
        endpoint: crate::websocket::Endpoint,
        agreed: crate::websocket::Agreed,
        framing: crate::chat::wire::framing::Framing,
    ) -> Self {
        let socket = crate::websocket::carrier::Carrier::new(endpoint, agreed);
        Self::on(Carrier::WebSocket(Box::new(socket), framing))
    }

    fn on(carrier: Carrier) -> Self {
        Self { user: None, carrier, pace: Pace::Free, heard: None, pinged: None, waiting: None }
    }

    /// Writes a line that says nothing of anybody.
    fn write<App>(&self, transport: &mut Transport<'_, App>, line: String) {
        transport.write(&self.carrier.framing().frame(line.into()));
    }

    /// Takes a token for one more line, and gives the pace as it was before; if there is none, the line is read when there
    /// is.
    fn begin_line<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        answered: &mut u32,
    ) -> Option<Pace> {
        let now = transport.registry().now();
        let paid = self.pace.pay(now, answered);
        let pace = self.pace;
        match paid.and_then(|()| self.pace.take(now)) {
            Ok(()) => Some(pace),
            Err(then) => {
                transport.pause();
                transport.set_timer(FLOOD, then.saturating_duration_since(now));
                None
            }
        }
    }

    /// Takes what has come, line by line, for as long as its user may go on.
    fn read<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        reading: &mut Reading,
        app: &mut App,
    ) {
        while let Some(key) = self.user(app.as_mut()) {
            let server = app.as_mut();
            if self.waiting.is_some() {
                return transport.pause();
            }
            if input.is_empty() {
                return;
            }
            let user = &mut server.users[key];
            if user.is_registered() {
                self.pace.settle(&server.settings.limits, &mut user.answered);
            } else if let Carrier::Stream(_) = self.carrier
                && let Some(other) = OtherProtocol::at_once(input)
            {
                server.disconnect(transport.registry(), key, other.refusal());
                continue;
            }
            let Some(pace) = self.begin_line(transport, &mut server.users[key].answered) else {
                if input.len() > server.settings.limits.receive_queue {
                    input.take_all();
                    server.disconnect(transport.registry(), key, "Excess Flood");
                }
                return;
            };
            match self.carrier.next(transport, input, reading) {
                Next::Line(line) => {
                    self.waiting = commands::handle(server, transport.registry(), key, line);
                }
                Next::TooLong => commands::handle_too_long(server, transport.registry(), key),
                Next::Control => {}
                Next::Over(reason) => {
                    server.remove(transport.registry(), key, &reason);
                    transport.close();
                }
                Next::Partial => {
                    // Nobody pays for a line that has not come yet.
                    self.pace = pace;
                    return;
                }
            }
        }
        // The user has quit: nobody listens any more.
        input.take_all();
    }

    /// The user, if it is still there.
    fn user(&self, server: &Server) -> Option<UserKey> {
        self.user.filter(|&key| server.users.get(key).is_some())
    }

    /// Has work done that the user waits for.
    pub(super) fn offload<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        kib: Option<u32>,
        work: Work,
    ) {
        let server = app.as_mut();
        let Some(user) = self.user(server) else { return };
        let is_begun = if let Some(kib) = kib {
            let compute = |memory: &mut Memory| {
                work(memory);
                Ok(())
            };
            let most = server.settings.limits.passwords_waiting;
            let queued = server.hash_queue.push(kib, Check::new(transport.id(), compute), most);
            if queued.is_err() {
                let who = server.users[user].source.clone();
                server.log(&Event::PutOff { who: &who });
            }
            Self::compute_next(transport.registry(), app);
            queued.is_ok()
        } else {
            let begun = transport.offload(
                move || work(&mut Memory::default()),
                |session: &mut Self, transport, app, done| {
                    session.go_on(transport, app, done.map_err(|error| error.to_string()));
                },
            );
            begun.is_ok()
        };
        if !is_begun {
            self.go_on(transport, app, Err(TOO_BUSY.to_owned()));
        }
    }

    /// What the user waited for is done, or will never be.
    pub(super) fn go_on<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        done: Result<(), String>,
    ) {
        let server = app.as_mut();
        let Some(user) = self.user(server) else { return };
        // It has not been listened to meanwhile, and has taken what it was told of a long answer.
        self.heard = Some(transport.registry().now());
        let mut ctx = Context::new(server, transport.registry(), user, None);
        if let Some(then) = self.waiting.take() {
            then.go_on(&mut ctx, done);
        }
        self.waiting = ctx.finish();
        commands::announce(server, transport.registry());
        if self.waiting.is_none() && server.users.get(user).is_some() {
            transport.resume();
        }
    }

    fn check_silence<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) {
        let server = app.as_mut();
        let now = transport.registry().now();
        let (interval, patience) =
            (server.settings.limits.ping_interval, server.settings.limits.ping_timeout);
        let Some(key) = self.user(server) else { return };
        let heard = self.heard.unwrap_or(now);
        if let Some(pinged) = self.pinged
            && heard < pinged
        {
            let due = pinged + patience;
            if now < due {
                return transport.set_timer(PATIENCE, due - now);
            }
            let silent = now.saturating_duration_since(heard).as_secs();
            let reason = format!("Ping timeout: {silent} seconds");
            return server.disconnect(transport.registry(), key, &reason);
        }
        let due = heard + interval;
        if now < due {
            self.pinged = None;
            return transport.set_timer(PATIENCE, due - now);
        }
        self.pinged = Some(now);
        let name = server.name();
        self.write(transport, format!("PING :{name}\r\n"));
        transport.set_timer(PATIENCE, patience);
    }
}

impl<App: AsMut<Server> + 'static> Protocol<App> for Session {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let (id, peer) = (transport.id(), transport.peer());
        let server = app.as_mut();
        match server.admit(transport.registry(), id, &peer, self.carrier.framing()) {
            Ok(key) => {
                let limits = &server.settings.limits;
                self.user = Some(key);
                self.pace = Pace::arriving(limits);
                self.heard = Some(transport.registry().now());
                if !matches!(self.carrier, Carrier::Stream(_)) {
                    // It may come from a web server's port, where other limits hold.
                    transport.set_limits(limits.stream_limits());
                }
                transport.set_timer(PATIENCE, limits.registration.min(limits.ping_interval));
            }
            Err(reason) => {
                self.write(transport, format!("ERROR :Closing Link: ({reason})\r\n"));
                if let Some(goodbye) = self.carrier.framing().goodbye() {
                    transport.write(&goodbye);
                }
                transport.close();
            }
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        self.heard = Some(transport.registry().now());
        let mut reading = self.carrier.begin();
        self.read(transport, input, &mut reading, app);
        self.carrier.give_back(reading);
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Some(key) = self.user(app.as_mut()) {
            app.as_mut().remove(transport.registry(), key, "Connection closed");
        }
        transport.close();
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, app: &mut App) {
        let Some(user) = self.user(app.as_mut()) else { return };
        let server = app.as_mut();
        match key {
            PATIENCE if server.users[user].is_registered() => self.check_silence(transport, app),
            PATIENCE => check_registration(server, transport, user),
            FLOOD if self.waiting.is_none() => transport.resume(),
            NICK => {
                let mut ctx = Context::new(server, transport.registry(), user, None);
                commands::enforce_nick(&mut ctx);
                server.tell_news(transport.registry());
            }
            _ => {}
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        // The others are being told the same, so they are spared each other's QUITs.
        if let Some(user) = self.user(app.as_mut()) {
            let server = app.as_mut();
            server.notice(transport.registry(), user, "The server is shutting down");
            server.farewell(transport.registry(), user, "Server shutting down");
        }
        transport.close();
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        if let Some(user) = self.user(app.as_mut()) {
            let reason = quit_reason(&closed.reason);
            app.as_mut().remove(registry, user, &reason);
        }
        Self::compute_next(registry, app);
    }
}

impl<App: AsMut<Server> + 'static> HashingSession<App> for Session {
    type Answer = ();

    fn hash_queue(app: &mut App) -> &mut HashQueue<Check<()>> {
        &mut app.as_mut().hash_queue
    }

    fn handle_answer(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        answer: Result<(), PasswordError>,
    ) {
        self.go_on(transport, app, answer.map_err(|error| error.to_string()));
    }
}

/// Ends the connection of a user who has had long enough to say who it is.
fn check_registration<App: AsMut<Server> + 'static>(
    server: &mut Server,
    transport: &mut Transport<'_, App>,
    user: UserKey,
) {
    // It has not been able to say anything to anybody yet.
    let came = server.users[user].spoke;
    let (due, now) = (came + server.settings.limits.registration, transport.registry().now());
    if now < due {
        transport.set_timer(PATIENCE, due - now);
    } else {
        server.disconnect(transport.registry(), user, "Registration timed out");
    }
}

/// What the others are told of a connection that has ended by itself.
fn quit_reason(reason: &CloseReason) -> String {
    match reason {
        CloseReason::OutboxFull | CloseReason::LoopOutboxFull => "SendQ exceeded".to_owned(),
        CloseReason::InboxFull => "RecvQ exceeded".to_owned(),
        CloseReason::Reset => "Connection reset by peer".to_owned(),
        CloseReason::PeerClosed => "Connection closed".to_owned(),
        CloseReason::Shutdown => "Server shutting down".to_owned(),
        CloseReason::IdleTimeout | CloseReason::ReadTimeout => "Connection timed out".to_owned(),
        CloseReason::Failed(error) => format!("Read error: {error}"),
        CloseReason::Panicked(_) => "Internal error".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Session>() <= 160, "{}", size_of::<Session>());
    }

    #[test]
    fn a_slow_reader_is_seen_to_have_exceeded_its_queue() {
        assert_eq!(quit_reason(&CloseReason::OutboxFull), "SendQ exceeded");
    }
}
