//! The client: one connection to one of several servers, made again when it is lost.
//!
//! | file | what it is |
//! |---|---|
//! | `options`, `nkey` | where it connects to, and as whom |
//! | `message`, `event`, `failure` | what it is given, what it is told, and how it can fail |
//! | `session` | one connection: what comes is told apart, and who it is for is told |
//! | `link` | how a connection is made, made again, and ended |
//! | `pool` | the servers that are known, and whose turn it is |
//! | `subscriptions` | what is subscribed to, and who is told |
//! | `asking` | requests that wait for their answers |
//! | `outgoing` | what is on its way to the server, or waits until there is one |

mod asking;
mod event;
mod failure;
mod link;
mod message;
#[cfg(feature = "nkeys")]
mod nkey;
mod options;
mod outgoing;
mod pool;
mod session;
mod subscriptions;

use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::{ConnectionId, Registry, TimerId};

use self::asking::Asking;
use self::outgoing::{Dropped, Outgoing};
use self::pool::{Pool, Server};
use self::subscriptions::{Limited, Subscriptions};
use crate::nats::wire::subject::{self, InvalidSubject};
use crate::nats::wire::{Delivery, Op, ServerInfo};

pub use event::Event;
pub use failure::{ConnectionError, FlushError, PublishError, RequestError, SubscribeError};
pub use message::Message;
#[cfg(feature = "nkeys")]
pub use nkey::{Nkey, NoNkey};
pub use options::{Auth, ClientOptions, NoServer, ServerAddr, WhenAway};
pub use subscriptions::Subscription;

/// A connection to NATS, as long as the program wants one. It can be cloned and kept: all clones are one client.
///
/// ```text
///              ┌────────── lost, and Backoff says when ──────────┐
///              ▼                                                 │
///           Waiting ──time──▶ Connecting ──INFO, CONNECT, PONG──▶ Up ──drain()──▶ Draining
///                              │    ▲                            │                  │
///                 none is left │    │ another one                │ close()          │ PONG, PONG
///                              ▼    │                            ▼                  │
///                           Closed ─┘◀───────────────────── Closing ◀───────────────┘
/// ```
///
/// Everything can be called at any time. What is published while there is no connection is kept for a while; requests
/// too, for as long as they may take. No callback is ever called from within a call.
///
/// ```no_run
/// use std::time::Duration;
///
/// use protocols::nats::{Client, ClientOptions};
/// use reactor::Reactor;
///
/// let mut reactor = Reactor::<Vec<String>>::new()?;
/// let registry = reactor.registry();
/// let options = ClientOptions::new(["nats://127.0.0.1:4222".parse()?]);
/// let client = Client::connect(registry, options, |_, _, event| eprintln!("{event:?}"));
/// client.subscribe(registry, "chat.*", |_, lines, message| {
///     lines.push(String::from_utf8_lossy(message.payload).into_owned());
/// })?;
/// client.publish(registry, "chat.tea", b"hello")?;
/// client.request(registry, "time", b"", Duration::from_secs(2), |_, lines, answer| match answer {
///     Ok(message) => lines.push(format!("{} bytes", message.payload.len())),
///     Err(error) => lines.push(error.to_string()),
/// })?;
/// reactor.run(&mut Vec::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client<App> {
    shared: Rc<Shared<App>>,
}

struct Shared<App> {
    inner: RefCell<Inner<App>>,
    on_event: RefCell<OnEvent<App>>,
}

type OnEvent<App> = Box<dyn FnMut(&mut Registry<App>, &mut App, Event<'_>)>;
type FlushDone<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<(), FlushError>)>;

struct Inner<App> {
    options: ClientOptions,
    state: State,
    pool: Pool,
    /// The server that is connected to, or was last.
    server: Option<Server>,
    info: ServerInfo,
    subscriptions: Subscriptions<App>,
    asking: Asking<App>,
    /// What wakes this side up when a request is due, and when.
    deadline: Option<(TimerId, Instant)>,
    outgoing: Outgoing,
    /// What was published as last, which is a subject unless it is empty.
    subject: String,
    /// Who waits for the answer to each `PING` that was sent.
    pongs: VecDeque<Pong<App>>,
    /// Flushes that wait for a connection.
    flushes: Vec<FlushDone<App>>,
    statistics: Statistics,
    /// Messages that were dropped, and of which nobody has been told yet.
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until it is time for the next try.
    Waiting(Option<TimerId>),
    Connecting(ConnectionId),
    Up(ConnectionId),
    /// Nothing new comes, and what has come is heard. The timer ends it.
    Draining(ConnectionId, Option<TimerId>),
    /// What was written leaves.
    Closing(ConnectionId),
    Closed,
}

/// What a `PONG` is the answer to.
enum Pong<App> {
    /// To whether the server is there.
    Alive,
    Flush(FlushDone<App>),
    /// Everything that was subscribed to has come.
    Unsubscribed,
    /// Everything that was published has arrived.
    Published,
}

/// What a client counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages that have come.
    pub in_messages: u64,
    /// Bytes of their payloads and headers.
    pub in_bytes: u64,
    /// Messages that were published, requests among them.
    pub out_messages: u64,
    /// Bytes of their payloads and headers.
    pub out_bytes: u64,
    /// How often a server has let this client in.
    pub connects: u64,
    /// Messages that came for nobody: behind the end of a subscription, or answers that came too late.
    pub strays: u64,
}

impl<App: 'static> Client<App> {
    /// Begins to connect. `on_event` is told how that goes, and what becomes of the connection; that
    /// [it has ended](Event::Closed) too, once.
    pub fn connect(
        registry: &mut Registry<App>,
        options: ClientOptions,
        on_event: impl FnMut(&mut Registry<App>, &mut App, Event<'_>) + 'static,
    ) -> Self {
        let mut pool = Pool::new(&options.servers, options.limits.servers);
        if options.shuffle {
            pool.shuffle(|| registry.random());
        }
        let inner = Inner {
            state: State::Waiting(None),
            pool,
            server: None,
            info: ServerInfo::default(),
            subscriptions: Subscriptions::new(),
            asking: Asking::new(options.limits.requests),
            deadline: None,
            outgoing: Outgoing::default(),
            subject: String::new(),
            pongs: VecDeque::new(),
            flushes: Vec::new(),
            statistics: Statistics::default(),
            dropped: 0,
            options,
        };
        let on_event: OnEvent<App> = Box::new(on_event);
        let shared = Shared { inner: RefCell::new(inner), on_event: RefCell::new(on_event) };
        let client = Self { shared: Rc::new(shared) };
        client.connect_next(registry);
        client
    }

    // ── publishing ──────────────────────────────────────────────────────────────────────────

    /// Publishes a message. It leaves with what else is published in this turn of the loop; whether it arrives nobody
    /// tells, unless [`flush`](Self::flush) is called.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    pub fn publish(
        &self,
        registry: &mut Registry<App>,
        subject: &str,
        payload: &[u8],
    ) -> Result<(), PublishError> {
        self.publish_message(registry, &Message::new(subject, payload))
    }

    /// As [`publish`](Self::publish), with headers, or with an address for answers.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    pub fn publish_message(
        &self,
        registry: &mut Registry<App>,
        message: &Message<'_>,
    ) -> Result<(), PublishError> {
        self.inner_mut().check(message.subject)?;
        message.reply.map_or(Ok(()), subject::check)?;
        self.put(registry, message, None)
    }

    /// Answers a message, if it has an address for that.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    pub fn respond(
        &self,
        registry: &mut Registry<App>,
        to: &Message<'_>,
        payload: &[u8],
    ) -> Result<(), PublishError> {
        to.reply.map_or(Ok(()), |reply| self.publish(registry, reply, payload))
    }

    /// Calls `done` when the server has taken everything that was published so far, or will never say so.
    ///
    /// # Errors
    ///
    /// See [`FlushError`]. `done` is not called then.
    pub fn flush(
        &self,
        registry: &mut Registry<App>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<(), FlushError>) + 'static,
    ) -> Result<(), FlushError> {
        let mut inner = self.inner_mut();
        if inner.pongs.len() + inner.flushes.len() >= inner.options.limits.flushes {
            return Err(FlushError::Full);
        }
        match inner.state {
            State::Closed | State::Closing(_) => return Err(FlushError::Closed),
            State::Waiting(_) | State::Connecting(_) => inner.flushes.push(Box::new(done)),
            State::Up(_) | State::Draining(..) => {
                inner.pongs.push_back(Pong::Flush(Box::new(done)));
                self.gather(inner, registry, |out| Op::Ping.write(out));
            }
        }
        Ok(())
    }

    // ── subscribing ─────────────────────────────────────────────────────────────────────────

    /// Has `handler` told each message whose subject this pattern stands for. The message is lent: it lies where the
    /// loop has read it.
    ///
    /// A handler that is slow holds the loop up, and with it the server, which cuts a
    /// [slow consumer](crate::nats::ServerError::SlowConsumer) off; there is no queue here in which messages wait.
    ///
    /// # Errors
    ///
    /// See [`SubscribeError`].
    pub fn subscribe(
        &self,
        registry: &mut Registry<App>,
        subject: &str,
        handler: impl FnMut(&mut Registry<App>, &mut App, &Message<'_>) + 'static,
    ) -> Result<Subscription, SubscribeError> {
        self.subscribe_as(registry, subject, None, Rc::new(RefCell::new(handler)))
    }

    /// As [`subscribe`](Self::subscribe), as a member of a group: of all its members one gets each message.
    ///
    /// # Errors
    ///
    /// See [`SubscribeError`].
    pub fn queue_subscribe(
        &self,
        registry: &mut Registry<App>,
        subject: &str,
        queue: &str,
        handler: impl FnMut(&mut Registry<App>, &mut App, &Message<'_>) + 'static,
    ) -> Result<Subscription, SubscribeError> {
        subject::check_queue(queue)?;
        self.subscribe_as(registry, subject, Some(queue), Rc::new(RefCell::new(handler)))
    }

    fn subscribe_as(
        &self,
        registry: &mut Registry<App>,
        subject: &str,
        queue: Option<&str>,
        handler: subscriptions::Handler<App>,
    ) -> Result<Subscription, SubscribeError> {
        subject::check_pattern(subject)?;
        let mut inner = self.inner_mut();
        if inner.is_ending() {
            return Err(SubscribeError::Closed);
        }
        if inner.subscriptions.len() >= inner.options.limits.subscriptions {
            return Err(SubscribeError::Full);
        }
        let sid = inner.subscriptions.insert(subject, queue, handler);
        if let State::Up(_) = inner.state {
            let mut line = Vec::new();
            inner.subscriptions.write_one(sid, &mut line);
            self.gather(inner, registry, |out| out.extend_from_slice(&line));
        }
        Ok(Subscription(sid))
    }

    /// Ends a subscription: its handler is told nothing any more. Whether it was there.
    pub fn unsubscribe(&self, registry: &mut Registry<App>, subscription: Subscription) -> bool {
        let ended = {
            let mut inner = self.inner_mut();
            let ended = inner.subscriptions.remove(subscription.0);
            if let (Some(_), State::Up(_)) = (&ended, inner.state) {
                self.gather(inner, registry, |out| {
                    subscriptions::unsubscribe(subscription.0, None, out);
                });
            }
            ended
        };
        ended.is_some()
    }

    /// Ends a subscription after so many messages in all, over all connections; at once, if as many have come.
    /// Whether it was there.
    pub fn unsubscribe_after(
        &self,
        registry: &mut Registry<App>,
        subscription: Subscription,
        max: u64,
    ) -> bool {
        let limited = {
            let mut inner = self.inner_mut();
            let limited = inner.subscriptions.limit(subscription.0, max);
            if let (Some(limited), State::Up(_)) = (&limited, inner.state) {
                let max = match limited {
                    Limited::After(max) => Some(*max),
                    Limited::Over(_) => None,
                };
                self.gather(inner, registry, |out| {
                    subscriptions::unsubscribe(subscription.0, max, out);
                });
            }
            limited
        };
        let was_there = limited.is_some();
        if let Some(Limited::Over(handler)) = limited {
            drop(handler);
        }
        was_there
    }

    // ── asking ──────────────────────────────────────────────────────────────────────────────

    /// Publishes a message, and has `done` told the first answer, or why there is none; once, and never from within
    /// this call. That nobody has subscribed to it is told at once.
    ///
    /// # Errors
    ///
    /// If it cannot be sent: [`RequestError::NotSent`], [`Full`](RequestError::Full),
    /// [`NoTimer`](RequestError::NoTimer), [`Closed`](RequestError::Closed). `done` is not told then.
    pub fn request(
        &self,
        registry: &mut Registry<App>,
        subject: &str,
        payload: &[u8],
        timeout: Duration,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<Message<'_>, RequestError>) + 'static,
    ) -> Result<(), RequestError> {
        self.request_message(registry, &Message::new(subject, payload), timeout, done)
    }

    /// As [`request`](Self::request), with headers. An address for answers that the message has is not looked at.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn request_message(
        &self,
        registry: &mut Registry<App>,
        message: &Message<'_>,
        timeout: Duration,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<Message<'_>, RequestError>) + 'static,
    ) -> Result<(), RequestError> {
        subject::check(message.subject).map_err(PublishError::from)?;
        self.open_inbox(registry)?;
        let inserted = self.inner_mut().asking.insert(registry.now(), timeout, Box::new(done));
        let request = inserted.map_err(|_| RequestError::Full)?;
        let address = self.inner().asking.address_of(request);
        let message = Message { reply: Some(&address), ..*message };
        // Without a timer it is not to be sent.
        let sent = self
            .set_deadline(registry)
            .and_then(|()| self.put(registry, &message, Some(request)).map_err(RequestError::from));
        if sent.is_err() {
            let asked = self.inner_mut().asking.take(request);
            drop(asked);
            // There was a timer for it, or there is none for anybody.
            let _ = self.set_deadline(registry);
        }
        sent
    }

    /// Subscribes to the one address that all answers come to, unless that was done.
    fn open_inbox(&self, registry: &mut Registry<App>) -> Result<(), RequestError> {
        let mut inner = self.inner_mut();
        if inner.is_ending() {
            return Err(RequestError::Closed);
        }
        if inner.asking.has_inbox() {
            return Ok(());
        }
        let prefix = format!("{}.", new_inbox(registry, &inner.options.inbox_prefix));
        let pattern = format!("{prefix}*");
        subject::check_pattern(&pattern).map_err(PublishError::from)?;
        let sid = inner.subscriptions.next_sid();
        inner.asking.set_inbox(sid, prefix);
        if let State::Up(_) = inner.state {
            self.gather(inner, registry, |out| {
                subscriptions::subscribe(&pattern, None, sid, out);
            });
        }
        Ok(())
    }

    /// An address that nobody else has, to subscribe to and to have answers sent to.
    #[must_use]
    pub fn new_inbox(&self, registry: &mut Registry<App>) -> String {
        new_inbox(registry, &self.inner().options.inbox_prefix)
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// Ends it gently: nothing new is delivered, what was is handled, what was published arrives, and then it is
    /// closed. Until then messages can be published, answers to what still comes say. Without a connection it is closed
    /// at once; one that is ending already is left to it.
    pub fn drain(&self, registry: &mut Registry<App>) {
        let mut inner = self.inner_mut();
        let id = match inner.state {
            State::Up(id) => id,
            State::Waiting(_) | State::Connecting(_) => {
                drop(inner);
                return self.close(registry);
            }
            State::Draining(..) | State::Closing(_) | State::Closed => return,
        };
        let client = self.clone();
        let timer = registry.after(inner.options.limits.drain, move |registry, _| {
            client.close(registry);
        });
        inner.state = State::Draining(id, timer.ok());
        let mut lines = Vec::new();
        inner.subscriptions.write_end(&mut lines);
        Op::Ping.write(&mut lines);
        inner.pongs.push_back(Pong::Unsubscribed);
        self.gather(inner, registry, |out| out.extend_from_slice(&lines));
    }

    /// Ends it: what was published leaves, requests fail, and it is not connected again.
    pub fn close(&self, registry: &mut Registry<App>) {
        self.end(registry);
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// Whether a server has let this client in, and the connection lasts.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.inner().state, State::Up(_) | State::Draining(..))
    }

    /// Whether it has ended, or is about to.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.inner().state, State::Closing(_) | State::Closed)
    }

    /// What the server says of itself that is connected to, or was last.
    #[must_use]
    pub fn server_info(&self) -> ServerInfo {
        self.inner().info.clone()
    }

    /// What it has counted.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inner().statistics
    }

    /// Requests that wait for their answers.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner().asking.len()
    }

    /// Messages that wait for a connection.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.inner().outgoing.kept()
    }

    /// Subscriptions, that of the address for answers not counted.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.inner().subscriptions.len()
    }

    fn inner(&self) -> Ref<'_, Inner<App>> {
        self.shared.inner.borrow()
    }

    fn inner_mut(&self) -> RefMut<'_, Inner<App>> {
        self.shared.inner.borrow_mut()
    }
}

// ── sending ─────────────────────────────────────────────────────────────────────────────────────

impl<App: 'static> Client<App> {
    /// Sends a message, or keeps it.
    fn put(
        &self,
        registry: &mut Registry<App>,
        message: &Message<'_>,
        request: Option<u64>,
    ) -> Result<(), PublishError> {
        let (size, mut inner) = (message.size(), self.inner_mut());
        let most = inner.max_payload();
        if size > most {
            return Err(PublishError::TooLong { size, most });
        }
        match inner.state {
            State::Closing(_) | State::Closed => return Err(PublishError::Closed),
            State::Waiting(_) | State::Connecting(_) => {
                return self.keep(inner, registry, message, request);
            }
            State::Up(id) | State::Draining(id, _) => {
                let most = inner.options.limits.outbox;
                if !inner.outgoing.has_room(size, most) {
                    // It may have got rid of some since it was asked; from its own callback it cannot be asked.
                    if let Ok(queued) = registry.queued_bytes(id) {
                        inner.outgoing.handle_queued(queued, 0);
                    }
                    if !inner.outgoing.has_room(size, most) {
                        inner.outgoing.refuse();
                        return Err(PublishError::Full);
                    }
                }
            }
        }
        inner.statistics.out_messages += 1;
        inner.statistics.out_bytes += size as u64;
        if let Some(request) = request {
            inner.asking.handle_sent(request);
        }
        self.gather(inner, registry, |out| outgoing::write(message, out));
        Ok(())
    }

    /// Keeps a message until there is a connection.
    fn keep(
        &self,
        mut inner: RefMut<'_, Inner<App>>,
        registry: &mut Registry<App>,
        message: &Message<'_>,
        request: Option<u64>,
    ) -> Result<(), PublishError> {
        let (most, when_away) = (inner.options.limits.pending, inner.options.when_away);
        let Ok(dropped) = inner.outgoing.keep(message, request, most, when_away) else {
            return Err(PublishError::Full);
        };
        self.give_up_kept(inner, registry, dropped, &RequestError::Dropped);
        Ok(())
    }

    /// Has it told that some of what was kept will not be sent.
    fn give_up_kept(
        &self,
        mut inner: RefMut<'_, Inner<App>>,
        registry: &mut Registry<App>,
        dropped: Dropped,
        error: &RequestError,
    ) {
        if dropped.messages > 0 && inner.dropped == 0 {
            let client = self.clone();
            registry.defer(move |registry, app| client.tell_dropped(registry, app));
        }
        inner.dropped += dropped.messages;
        for request in dropped.requests {
            if let Some(asked) = inner.asking.take(request) {
                let error = error.clone();
                registry.defer(|registry, app| (asked.done)(registry, app, Err(error)));
            }
        }
    }

    fn tell_dropped(&self, registry: &mut Registry<App>, app: &mut App) {
        let messages = std::mem::take(&mut self.inner_mut().dropped);
        self.tell(registry, app, Event::Dropped { messages });
    }

    /// Adds to what leaves at the end of the turn; a piece that is long enough leaves now.
    fn gather(
        &self,
        mut inner: RefMut<'_, Inner<App>>,
        registry: &mut Registry<App>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let id = inner.connection();
        let piece = inner.outgoing.gather(write);
        if inner.outgoing.await_end() {
            let client = self.clone();
            registry.defer(move |registry, _| client.send_gathered(registry));
        }
        if let (Some(piece), Some(id)) = (piece, id) {
            // A connection that does not take it has ended, and that is told.
            let _ = registry.send(id, piece);
        }
    }

    /// Has what is published in `call` leave when that ends: for a task of the loop, which has nothing else to wait for.
    #[cfg(feature = "cluster")]
    pub(crate) fn send_together(
        &self,
        registry: &mut Registry<App>,
        call: impl FnOnce(&mut Registry<App>),
    ) {
        self.inner_mut().outgoing.await_end();
        call(registry);
        self.send_gathered(registry);
    }

    /// Sends what was gathered.
    fn send_gathered(&self, registry: &mut Registry<App>) {
        let (piece, id) = {
            let mut inner = self.inner_mut();
            (inner.outgoing.end(), inner.connection())
        };
        let Some(id) = id else { return };
        if let Some(piece) = piece {
            // As above.
            let _ = registry.send(id, piece);
        }
        if let Ok(queued) = registry.queued_bytes(id) {
            self.handle_queued(registry, queued);
        }
    }

    /// So many bytes have yet to leave.
    fn handle_queued(&self, registry: &mut Registry<App>, queued: usize) {
        let mut inner = self.inner_mut();
        let most = inner.options.limits.outbox;
        if inner.outgoing.handle_queued(queued, most) {
            let client = self.clone();
            registry.defer(move |registry, app| client.tell(registry, app, Event::Drained));
        }
    }

    /// Sees to it that the request which is due first is told when it is, or that nobody is woken for none.
    fn set_deadline(&self, registry: &mut Registry<App>) -> Result<(), RequestError> {
        let mut inner = self.inner_mut();
        let Some(next) = inner.asking.next_deadline() else {
            if let Some((timer, _)) = inner.deadline.take() {
                registry.cancel(timer);
            }
            return Ok(());
        };
        let after = next.saturating_duration_since(registry.now());
        match inner.deadline {
            Some((_, at)) if at <= next => return Ok(()),
            Some((timer, _)) if registry.rearm(timer, after) => {
                inner.deadline = Some((timer, next));
                return Ok(());
            }
            _ => {}
        }
        let client = self.clone();
        let timer = registry.after(after, move |registry, app| client.handle_due(registry, app));
        let timer = timer.map_err(|_| RequestError::NoTimer)?;
        inner.deadline = Some((timer, next));
        Ok(())
    }

    /// Requests are due.
    fn handle_due(&self, registry: &mut Registry<App>, app: &mut App) {
        self.inner_mut().deadline = None;
        loop {
            let asked = self.inner_mut().asking.expire(registry.now());
            let Some(asked) = asked else { break };
            let timed_out = RequestError::TimedOut(asked.timeout);
            (asked.done)(registry, app, Err(timed_out));
        }
        if self.set_deadline(registry).is_err() {
            // No timer is left that could end them.
            let all = self.inner_mut().asking.take_all();
            all.into_iter().for_each(|it| (it.done)(registry, app, Err(RequestError::NoTimer)));
        }
    }

    /// A message has come.
    fn deliver(&self, registry: &mut Registry<App>, app: &mut App, delivery: &Delivery<'_>) {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let (subject, reply) = (text(delivery.subject), delivery.reply.map(text));
        let (Some(subject), false) = (subject, reply == Some(None)) else {
            return self.tell(registry, app, Event::Unreadable);
        };
        let Delivery { headers, payload, .. } = *delivery;
        let message = Message { subject, reply: reply.flatten(), headers, payload };
        let receiver = self.inner_mut().receiver(delivery.sid, &message);
        match receiver {
            Receiver::Handler(handler) => handler.borrow_mut()(registry, app, &message),
            Receiver::Asked(asked) => {
                // What is open is never without a timer, so none is wanted here.
                let _ = self.set_deadline(registry);
                (asked.done)(registry, app, asking::result(message));
            }
            Receiver::Nobody => {}
        }
    }

    fn tell(&self, registry: &mut Registry<App>, app: &mut App, event: Event<'_>) {
        self.shared.on_event.borrow_mut()(registry, app, event);
    }
}

/// Whom a message is for.
enum Receiver<App> {
    Handler(subscriptions::Handler<App>),
    Asked(asking::Asked<App>),
    Nobody,
}

impl<App> Inner<App> {
    /// Whether something can be published as this. Mostly it is what was published as last.
    fn check(&mut self, subject: &str) -> Result<(), InvalidSubject> {
        if self.subject != subject || subject.is_empty() {
            subject::check(subject)?;
            subject.clone_into(&mut self.subject);
        }
        Ok(())
    }

    fn receiver(&mut self, sid: &[u8], message: &Message<'_>) -> Receiver<App> {
        if let State::Closing(_) | State::Closed = self.state {
            return Receiver::Nobody;
        }
        self.statistics.in_messages += 1;
        self.statistics.in_bytes += message.size() as u64;
        let sid = crate::nats::wire::digits(sid).unwrap_or_default();
        if let Some(handler) = self.subscriptions.deliver(sid) {
            return Receiver::Handler(handler);
        }
        let asked =
            if self.asking.is_inbox(sid) { self.asking.answered(message.subject) } else { None };
        if asked.is_none() {
            self.statistics.strays += 1;
        }
        asked.map_or(Receiver::Nobody, Receiver::Asked)
    }

    /// Bytes that the server takes in a message.
    fn max_payload(&self) -> usize {
        match (self.info.max_payload, self.connection()) {
            // No server has said yet, and what is kept has a limit of its own.
            (0, None) => usize::MAX,
            // It does not say: what it is where nobody has changed it.
            (0, Some(_)) => 1024 * 1024,
            (most, _) => most,
        }
    }

    fn is_ending(&self) -> bool {
        matches!(self.state, State::Draining(..) | State::Closing(_) | State::Closed)
    }

    /// The connection on which the server takes verbs.
    fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            State::Up(id) | State::Draining(id, _) => Some(id),
            State::Waiting(_) | State::Connecting(_) | State::Closing(_) | State::Closed => None,
        }
    }
}

/// `_INBOX.` and 128 bits by chance.
fn new_inbox<App>(registry: &mut Registry<App>, prefix: &str) -> String {
    format!("{prefix}.{:016x}{:016x}", registry.random(), registry.random())
}

impl<App> Clone for Client<App> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<App> fmt::Debug for Client<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Client");
        if let Ok(inner) = self.shared.inner.try_borrow() {
            debug.field("state", &inner.state).field("subscriptions", &inner.subscriptions);
        }
        debug.finish_non_exhaustive()
    }
}
