//! Being told of changes, without a gap.
//!
//! A server makes a **consumer** of the bucket's stream, which sends what it has to an address of this watch, numbered,
//! and a heartbeat when it has nothing. A number that is missing, or silence, is a gap: then another consumer is made,
//! which goes on behind what was told last, if the stream is still the same one: in one that was made anew, numbers begin
//! anew, and those that were told say nothing of it.
//!
//! ```text
//!            ┌──────── a gap, silence, another connection ────────┐
//!            ▼                                                    │
//!   start ─▶ another address, another consumer ──▶ Entry, Entry, CaughtUp, Entry … ──stop()──▶ over
//!                              │
//!                              └── refused, or of another stream ──▶ Ended
//! ```

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Registry, TimerId};

use super::KeyValue;
use super::api::{Info, Position, Reply, Since, create_consumer};
use super::entry::Entry;
use super::failure::KvError;
use crate::nats::wire::Status;
use crate::nats::{Message, PublishError, RequestError, SubscribeError, Subscription};

/// Changes of a bucket's keys, as they are told; until [`stop`](Self::stop).
pub struct Watch<App> {
    shared: Rc<Shared<App>>,
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent<'a> {
    /// The last entry of a key, or a new one.
    Entry(Entry<'a>),
    /// All that was there when it began has been told; what follows is new. It comes once.
    CaughtUp,
    /// It has ended: the bucket is gone, say, JetStream was never there, or the client is closed. If the bucket was made
    /// anew ([`KvError::OtherBucket`]), another watch tells what is in it. Nothing comes after this.
    Ended(KvError),
}

struct Shared<App> {
    store: KeyValue<App>,
    filter: String,
    state: RefCell<State>,
    on_event: RefCell<OnEvent<App>>,
}

type OnEvent<App> = Box<dyn FnMut(&mut Registry<App>, &mut App, WatchEvent<'_>)>;

struct State {
    /// Where the consumer sends to; none when the watch is over.
    subscription: Option<Subscription>,
    /// Which consumer it is: what others send is of no interest any more.
    consumer: u64,
    /// How many messages it has sent.
    received: u64,
    /// Whether there ever was one: so JetStream is there, even if it does not answer for a while.
    was_made: bool,
    /// When the stream was made, as JetStream says it: another time is another stream.
    stream: Option<String>,
    /// The last revision that was told.
    told: Option<u64>,
    has_caught_up: bool,
    beat: Option<TimerId>,
    /// Looks since something was heard.
    silence: u32,
    /// At so many of them another consumer is made.
    most_silent: u32,
    /// Looks until it is asked again, if this consumer is not answered.
    pause: u32,
    /// Connections that the client has had.
    connects: u64,
}

/// How often a consumer that has nothing says so.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How often this side looks whether it does, and whether the connection is still the same one.
const LOOK: Duration = Duration::from_millis(500);

/// At so many looks without a word another one is made: three heartbeats have passed by then.
const MOST_SILENT: u32 = 13;

/// So many looks are between two questions without an answer at most, each time twice as many: each may have all brought
/// once more, and where that is what is too much for a connection, it would never be answered.
const LONGEST_PAUSE: u32 = 32;

impl<App: 'static> Watch<App> {
    pub(super) fn start(
        registry: &mut Registry<App>,
        store: &KeyValue<App>,
        filter: String,
        on_event: impl FnMut(&mut Registry<App>, &mut App, WatchEvent<'_>) + 'static,
    ) -> Result<Self, KvError> {
        let on_event: OnEvent<App> = Box::new(on_event);
        let state = State {
            subscription: None,
            consumer: 0,
            received: 0,
            was_made: false,
            stream: None,
            told: None,
            has_caught_up: false,
            beat: None,
            silence: 0,
            most_silent: MOST_SILENT,
            pause: 1,
            connects: 0,
        };
        let watch = Self {
            shared: Rc::new(Shared {
                store: store.clone(),
                filter,
                state: RefCell::new(state),
                on_event: RefCell::new(on_event),
            }),
        };
        if let Err(error) = watch.renew(registry) {
            watch.stop(registry);
            return Err(error);
        }
        let looking = watch.clone();
        let beat = registry.every(LOOK, move |registry, app| looking.handle_look(registry, app));
        match beat {
            Ok(beat) => watch.shared.state.borrow_mut().beat = Some(beat),
            Err(_) => {
                watch.stop(registry);
                return Err(KvError::Request(RequestError::NoTimer));
            }
        }
        Ok(watch)
    }

    /// Ends it: nothing is told any more.
    pub fn stop(&self, registry: &mut Registry<App>) {
        let (subscription, beat) = {
            let mut state = self.shared.state.borrow_mut();
            (state.subscription.take(), state.beat.take())
        };
        if let Some(subscription) = subscription {
            self.shared.store.client.unsubscribe(registry, subscription);
        }
        if let Some(beat) = beat {
            registry.cancel(beat);
        }
    }

    /// Has another consumer made, which goes on where the last one has stopped.
    fn renew(&self, registry: &mut Registry<App>) -> Result<(), KvError> {
        let client = &self.shared.store.client;
        let (before, consumer, since) = {
            let mut state = self.shared.state.borrow_mut();
            state.consumer += 1;
            (state.received, state.silence, state.most_silent) = (0, 0, MOST_SILENT);
            let connects = client.statistics().connects;
            if state.connects != connects {
                (state.connects, state.pause) = (connects, 1);
            }
            let since = state.told.map_or(Since::Last, |told| Since::Revision(told + 1));
            (state.subscription.take(), state.consumer, since)
        };
        if let Some(before) = before {
            client.unsubscribe(registry, before);
        }
        let (address, watch) = (client.new_inbox(registry), self.clone());
        let subscription =
            client.subscribe(registry, &address, move |registry, app, message| {
                watch.handle(registry, app, consumer, message);
            })?;
        self.shared.state.borrow_mut().subscription = Some(subscription);
        let bucket = self.shared.store.bucket();
        let body = create_consumer(bucket, &self.shared.filter, &address, since, HEARTBEAT);
        let subject = format!("$JS.API.CONSUMER.CREATE.KV_{bucket}");
        let watch = self.clone();
        self.shared.store.ask(
            registry,
            &Message::new(&subject, &body),
            move |registry, app, made| watch.handle_made(registry, app, consumer, made),
            |answer| Reply::read(answer.payload),
        )
    }

    /// The server has made a consumer, or has not.
    fn handle_made(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        consumer: u64,
        made: Result<Reply, KvError>,
    ) {
        if !self.is_current(consumer) {
            return;
        }
        let was_made = {
            let mut state = self.shared.state.borrow_mut();
            state.was_made |= made.is_ok();
            state.was_made
        };
        match made {
            Ok(Reply { num_pending, .. }) => {
                let is_empty = num_pending == 0;
                if self.ask_stream(registry, consumer, is_empty).is_err() {
                    self.ask_later();
                }
            }
            Err(KvError::Request(RequestError::Closed)) => {
                self.end(registry, app, RequestError::Closed.into());
            }
            Err(KvError::NoJetStream) if !was_made => {
                self.end(registry, app, KvError::NoJetStream);
            }
            // It may be that a server which has just started has not found its streams yet.
            Err(KvError::Request(_) | KvError::NoJetStream) => self.ask_later(),
            Err(error) => self.end(registry, app, error),
        }
    }

    /// Asks which stream it is that the consumer reads; after it was made, so that it is not made of a later one.
    fn ask_stream(
        &self,
        registry: &mut Registry<App>,
        consumer: u64,
        is_empty: bool,
    ) -> Result<(), KvError> {
        let watch = self.clone();
        let subject = format!("$JS.API.STREAM.INFO.KV_{}", self.shared.store.bucket());
        self.shared.store.ask(
            registry,
            &Message::new(&subject, b""),
            move |registry, app, info| watch.handle_stream(registry, app, consumer, is_empty, info),
            |answer| Info::read(answer.payload),
        )
    }

    fn handle_stream(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        consumer: u64,
        is_empty: bool,
        info: Result<Info, KvError>,
    ) {
        if !self.is_current(consumer) {
            return;
        }
        let created = match info {
            Ok(Info { created }) => created,
            Err(KvError::Request(_) | KvError::NoJetStream) => return self.ask_later(),
            Err(error) => return self.end(registry, app, error),
        };
        let is_same = {
            let mut state = self.shared.state.borrow_mut();
            *state.stream.get_or_insert_with(|| created.clone()) == created
        };
        if !is_same {
            self.end(registry, app, KvError::OtherBucket);
        } else if is_empty {
            // It has nothing to bring.
            self.catch_up(registry, app);
        }
    }

    /// The consumer has sent something.
    fn handle(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        consumer: u64,
        message: &Message<'_>,
    ) {
        if !self.is_current(consumer) {
            return;
        }
        {
            let mut state = self.shared.state.borrow_mut();
            (state.silence, state.most_silent, state.pause) = (0, MOST_SILENT, 1);
        }
        if message.status().is_some_and(|status| status.code == Status::CONTROL) {
            return self.handle_control(registry, app, message);
        }
        let Some(position) = message.reply.and_then(Position::read) else { return };
        let is_next = {
            let mut state = self.shared.state.borrow_mut();
            state.received += 1;
            state.received == position.consumer
        };
        if !is_next {
            return self.go_on(registry, app);
        }
        self.tell_entry(registry, app, message, position);
        if position.pending == 0 && self.is_current(consumer) {
            self.catch_up(registry, app);
        }
    }

    fn tell_entry(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        message: &Message<'_>,
        position: Position,
    ) {
        {
            let mut state = self.shared.state.borrow_mut();
            if state.told.is_some_and(|told| told >= position.stream) {
                return;
            }
            state.told = Some(position.stream);
        }
        let prefix = self.shared.store.prefix();
        if let Ok(entry) = Entry::new(message, position.stream, &prefix) {
            self.tell(registry, app, WatchEvent::Entry(entry));
        }
    }

    /// A word of the server's own: it has nothing, and says how much it has sent; or it wants to know whether this side
    /// keeps up.
    fn handle_control(&self, registry: &mut Registry<App>, app: &mut App, message: &Message<'_>) {
        let client = &self.shared.store.client;
        for asked in [message.reply, message.header("Nats-Consumer-Stalled")].into_iter().flatten()
        {
            // Without room for it the server waits, and then there is silence.
            let _ = client.publish(registry, asked, b"");
        }
        let sent = message.header("Nats-Last-Consumer").and_then(|text| text.parse::<u64>().ok());
        let received = self.shared.state.borrow().received;
        if sent.is_some_and(|sent| sent != received) {
            self.go_on(registry, app);
        }
    }

    /// It is time to look whether the consumer is still there.
    fn handle_look(&self, registry: &mut Registry<App>, app: &mut App) {
        let client = &self.shared.store.client;
        if client.is_closed() {
            return self.end(registry, app, RequestError::Closed.into());
        }
        let is_lost = {
            let mut state = self.shared.state.borrow_mut();
            state.silence += 1;
            state.silence >= state.most_silent || state.connects != client.statistics().connects
        };
        if is_lost && client.is_connected() {
            self.go_on(registry, app);
        }
    }

    fn go_on(&self, registry: &mut Registry<App>, app: &mut App) {
        match self.renew(registry) {
            Ok(()) => {}
            // There will be room again.
            Err(
                KvError::Request(RequestError::Full | RequestError::NotSent(PublishError::Full))
                | KvError::Subscribe(SubscribeError::Full),
            ) => self.ask_later(),
            Err(error) => self.end(registry, app, error),
        }
    }

    /// The next look has it asked again, or a later one if that was in vain before.
    fn ask_later(&self) {
        let mut state = self.shared.state.borrow_mut();
        (state.silence, state.most_silent) = (0, state.pause);
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
    }

    fn catch_up(&self, registry: &mut Registry<App>, app: &mut App) {
        let had = std::mem::replace(&mut self.shared.state.borrow_mut().has_caught_up, true);
        if !had {
            self.tell(registry, app, WatchEvent::CaughtUp);
        }
    }

    fn end(&self, registry: &mut Registry<App>, app: &mut App, error: KvError) {
        self.stop(registry);
        self.tell(registry, app, WatchEvent::Ended(error));
    }

    fn tell(&self, registry: &mut Registry<App>, app: &mut App, event: WatchEvent<'_>) {
        self.shared.on_event.borrow_mut()(registry, app, event);
    }

    /// Whether it is that consumer whose messages are told.
    fn is_current(&self, consumer: u64) -> bool {
        let state = self.shared.state.borrow();
        state.consumer == consumer && state.subscription.is_some()
    }
}

impl<App> Clone for Watch<App> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<App> fmt::Debug for Watch<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("filter", &self.shared.filter).finish_non_exhaustive()
    }
}
