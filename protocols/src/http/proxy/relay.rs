//! One exchange on its way: the request's body up to the backend, the answer down to the client.
//!
//! ```text
//!          ┌──────── could not be reached, or lost without a word: the next one ────────┐
//!          ▼                                                                            │
//!   begin: choose ──▶ Relay is sent ──▶ its turn ──▶ ready: Uplink receives the body ───┤
//!                                          │                                            │
//!                                          ▼ head                                       ▼
//!                                        Begun ── pieces ──▶ end: whole, or aborted    502, 503, 504
//!                                          │ 101
//!                                          └──▶ coupled
//! ```
//!
//! The two connections are two sessions of the loop, and each is only lent where it is called. So what one has for the
//! other is kept in their [`Passage`], and taken from there when the other is called: pieces that come in one turn go on
//! as one, and an answer that comes in one read is one call. Only that it breaks off is a call of its own.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use reactor::{ConnectionId, Registry, StreamLimits};

use super::backends::Busy;
use super::fields::Passing;
use super::outline::Outline;
use super::{NotPassed, Shared};
use crate::http::client::{self, Call, CallId, Failure, Reader};
use crate::http::server::{self, Answer, Exchange, ExchangeId, Kept, Receiver};
use crate::http::wire::{Fields, Framing, Length, Response, write_field};

/// What both halves know.
struct Passage {
    exchange: ExchangeId,
    stage: Cell<Stage>,
    /// What has come of the request's body, and is not sent yet.
    up: RefCell<Vec<u8>>,
    /// What has come of the answer, and is not sent yet.
    down: RefCell<VecDeque<Part>>,
    /// The backend is not read, since the client is slow.
    is_held: Cell<bool>,
}

/// A part of the answer, on its way to the client.
enum Part {
    Head {
        status: StatusCode,
        /// The status line and the fields.
        bytes: Vec<u8>,
        has_date: bool,
        length: Length,
        /// It is a stream of events that a browser asks for: whole wherever it stops, since what a browser has of one
        /// that is cut off is dropped (HTML, 9.2.6). It asks with GET; what another method brings as events may well
        /// have an end, such as what a program writes word by word.
        is_events: bool,
        call: CallId,
    },
    Body(Vec<u8>, CallId),
    /// There is no more of it: all has come, with these trailers, or that will not.
    End(Result<Vec<(String, Vec<u8>)>, Failure>),
}

impl Passage {
    /// Has the client told. Whether there is somebody to tell.
    fn tell<App: 'static>(self: &Rc<Self>, registry: &mut Registry<App>, part: Part) -> bool {
        let passage = Rc::clone(self);
        if let Part::End(Err(_)) = part {
            // An abort takes what was written in the same callback with it.
            return server::with(registry, self.exchange, move |exchange, _| {
                passage.deliver(exchange, part);
            })
            .is_ok();
        }
        let mut down = self.down.borrow_mut();
        let is_called = !down.is_empty();
        match (down.back_mut(), part) {
            (Some(Part::Body(before, _)), Part::Body(more, _)) => before.extend_from_slice(&more),
            (_, part) => down.push_back(part),
        }
        drop(down);
        is_called
            || server::with(registry, self.exchange, move |exchange, _| {
                passage.down.take().into_iter().for_each(|part| passage.deliver(exchange, part));
            })
            .is_ok()
    }

    fn deliver<App: 'static>(self: &Rc<Self>, exchange: &mut Exchange<'_, '_, App>, part: Part) {
        match part {
            Part::Head { status, bytes, has_date, length, is_events, call } => {
                let answer = Answer::relayed(exchange, status, bytes, has_date);
                match answer.open(length) {
                    Some(exchange) if is_events => exchange.need_not_end(),
                    Some(_) => {}
                    None => cancel(exchange.registry(), call),
                }
            }
            Part::Body(bytes, call) => {
                exchange.send(Bytes::from(bytes));
                if !exchange.has_room() && !self.is_held.replace(true) {
                    hold_back(exchange, call, Rc::clone(self));
                }
            }
            Part::End(outcome) => {
                self.stage.set(Stage::Over);
                let _ = exchange.take_kept::<Lost>();
                match outcome {
                    Ok(trailers) => exchange.finish_with(&borrowed(&trailers)),
                    // Nobody is to take it for whole.
                    Err(_) => exchange.abort(),
                }
            }
        }
    }
}

fn is_event_stream(fields: Fields<'_>) -> bool {
    fields.get("content-type").is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It waits for a connection to a backend.
    Waiting,
    /// A backend has been asked.
    Asked(CallId),
    /// The same, and the request's body is on its way: it cannot be sent to another.
    Sending(CallId),
    /// The client has its answer, or has gone.
    Over,
}

impl Stage {
    fn call(self) -> Option<CallId> {
        match self {
            Self::Asked(call) | Self::Sending(call) => Some(call),
            Self::Waiting | Self::Over => None,
        }
    }
}

/// Sends a request to a backend.
pub(super) fn begin<App: 'static>(
    shared: &Rc<Shared<App>>,
    outline: Outline,
    exchange: &mut Exchange<'_, '_, App>,
) {
    let passage = Rc::new(Passage {
        exchange: exchange.id(),
        stage: Cell::new(Stage::Waiting),
        up: RefCell::default(),
        down: RefCell::default(),
        is_held: Cell::new(false),
    });
    exchange.keep(Lost(Rc::clone(&passage)));
    let attempt = Attempt {
        shared: Rc::clone(shared),
        passage: Rc::clone(&passage),
        outline: Rc::new(outline),
        tried: Vec::new(),
    };
    let now = exchange.registry().now();
    if let Err(why) = attempt.send(now, exchange.registry()) {
        passage.stage.set(Stage::Over);
        why.answer(exchange);
    }
}

/// A request, and the backends it has been sent to.
struct Attempt<App> {
    shared: Rc<Shared<App>>,
    passage: Rc<Passage>,
    outline: Rc<Outline>,
    tried: Vec<usize>,
}

/// Why the client gets no backend's answer.
enum Unanswered {
    NotPassed(NotPassed),
    Failed(StatusCode, &'static str),
}

impl Unanswered {
    /// There is no backend that has not been tried.
    const NOBODY: Self =
        Self::Failed(StatusCode::BAD_GATEWAY, "No server behind this one can be reached.\n");

    fn of(failure: &Failure) -> Self {
        let (status, text) = match failure {
            Failure::ConnectTimeout(_) | Failure::Silent | Failure::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "The server behind this one does not answer in time.\n",
            ),
            Failure::Busy(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The server behind this one has too much to do; try again later.\n",
            ),
            // It was given up for a head that is none.
            Failure::Malformed(_) | Failure::Interim | Failure::Cancelled => (
                StatusCode::BAD_GATEWAY,
                "What the server behind this one answers makes no sense.\n",
            ),
            failure if failure.is_before_sending() => {
                (StatusCode::BAD_GATEWAY, "The server behind this one cannot be reached.\n")
            }
            _ => (
                StatusCode::BAD_GATEWAY,
                "The server behind this one has closed the connection without an answer.\n",
            ),
        };
        Self::Failed(status, text)
    }

    fn answer<App: 'static>(self, exchange: &mut Exchange<'_, '_, App>) {
        match self {
            Self::NotPassed(why) => why.answer(exchange),
            Self::Failed(status, text) => {
                let answer = exchange.answer(status);
                match status {
                    StatusCode::SERVICE_UNAVAILABLE => answer.field("Retry-After", "1").text(text),
                    _ => answer.text(text),
                }
            }
        }
    }
}

impl<App: 'static> Attempt<App> {
    /// Sends it to the backend whose turn it is.
    fn send(mut self, now: Instant, registry: &mut Registry<App>) -> Result<(), Unanswered> {
        let shared = Rc::clone(&self.shared);
        let most = shared.options.limits.tries.max(1);
        let chosen = match self.tried.len() < most {
            true => shared.backends.choose(&self.tried, now),
            false => None,
        };
        let found = chosen.and_then(|at| shared.backends.get(at).map(|found| (at, found)));
        let (at, (backend, busy)) = found.ok_or(Unanswered::NOBODY)?;
        let ask = self.outline.ask(backend, &shared.options).map_err(Unanswered::NotPassed)?;
        self.tried.push(at);
        self.passage.stage.set(Stage::Waiting);
        let relay = Relay { attempt: self, at, busy, heard: Heard::Nothing };
        backend.client.send(registry, &backend.address, ask, relay);
        Ok(())
    }
}

/// Takes the answer of a backend, and gives it to the client.
struct Relay<App> {
    attempt: Attempt<App>,
    /// Which backend.
    at: usize,
    busy: Busy,
    heard: Heard,
}

#[derive(Debug)]
enum Heard {
    Nothing,
    /// The head has gone on, and the body follows; behind it these trailers.
    Head {
        trailers: Vec<(String, Vec<u8>)>,
    },
}

impl<App: 'static> Relay<App> {
    fn passage(&self) -> &Rc<Passage> {
        &self.attempt.passage
    }

    /// Goes on with the exchange, if it is not over.
    fn with_exchange(
        &self,
        registry: &mut Registry<App>,
        act: impl FnOnce(&mut Exchange<'_, '_, App>, &mut App) + 'static,
    ) -> bool {
        server::with(registry, self.passage().exchange, act).is_ok()
    }

    /// Nothing was heard: somebody else is asked, or the client is told why there is no answer.
    fn fail(self, failure: &Failure, registry: &mut Registry<App>) {
        let Self { attempt, at, .. } = self;
        attempt.shared.backends.note_failure(at, failure, registry);
        attempt.shared.tell_failure(at, failure);
        let passage = Rc::clone(&attempt.passage);
        let is_lost = matches!(failure, Failure::NoAnswer | Failure::Lost(_));
        let may_again = match passage.stage.get() {
            Stage::Over | Stage::Sending(_) => false,
            Stage::Waiting | Stage::Asked(_) => {
                failure.is_before_sending() || (is_lost && attempt.outline.is_repeatable())
            }
        };
        let now = registry.now();
        if may_again && attempt.send(now, registry).is_ok() {
            return;
        }
        let why = Unanswered::of(failure);
        // It may be over.
        let _ = server::with(registry, passage.exchange, move |exchange, _| {
            passage.stage.set(Stage::Over);
            let _ = exchange.take_kept::<Lost>();
            why.answer(exchange);
        });
    }
}

impl<App: 'static> Reader<App> for Relay<App> {
    fn on_turn(&mut self, call: &mut Call<'_, '_, App>, _: &mut App) {
        match self.passage().stage.get() {
            Stage::Over => call.cancel(),
            _ => self.passage().stage.set(Stage::Asked(call.id())),
        }
    }

    fn on_ready(&mut self, call: &mut Call<'_, '_, App>, _: &mut App) {
        let (passage, id) = (Rc::clone(self.passage()), call.id());
        passage.stage.set(Stage::Sending(id));
        let most = self.attempt.shared.options.limits.request_body;
        let received = self.with_exchange(call.registry(), move |exchange, app| {
            exchange.receive(most, app, Uplink { passage, call: id });
        });
        if !received {
            call.cancel();
        }
    }

    fn on_interim(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, _: &mut App) {
        let Ok(passing) = Passing::new(response.fields()) else {
            return;
        };
        let (status, fields) = (response.status(), owned(passing.iter()));
        self.with_exchange(call.registry(), move |exchange, _| {
            exchange.hint(status, &borrowed(&fields));
        });
    }

    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, _: &mut App) {
        self.attempt.shared.backends.note_well(self.at);
        self.heard = Heard::Head { trailers: Vec::new() };
        let Ok(passing) = Passing::new(response.fields()) else {
            self.heard = Heard::Nothing;
            return call.cancel();
        };
        let status = response.status();
        let mut bytes = Vec::with_capacity(1024);
        write_status_line(&mut bytes, response);
        passing.iter().for_each(|(name, value)| write_field(&mut bytes, name, value));
        if status == StatusCode::UPGRADE_REQUIRED {
            // It says to which protocol (RFC 9110, 15.5.22), and that was for the other connection.
            let names = self.attempt.shared.options.upgrades.iter();
            let named = names.filter(|name| response.fields().lists("upgrade", name));
            named.for_each(|name| write_field(&mut bytes, "Upgrade", name.as_bytes()));
        }
        let has_date = response.fields().get("date").is_some();
        let outline = &self.attempt.outline;
        let length = length_of(response, outline.is_head());
        let is_events =
            outline.is_get() && length == Length::Open && is_event_stream(response.fields());
        let part = Part::Head { status, bytes, has_date, length, is_events, call: call.id() };
        if !self.passage().tell(call.registry(), part) {
            call.cancel();
        }
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, _: &mut App) {
        let part = Part::Body(bytes.to_vec(), call.id());
        if !self.passage().tell(call.registry(), part) {
            call.cancel();
        }
    }

    fn on_trailers(&mut self, fields: Fields<'_>, _: &mut Call<'_, '_, App>, _: &mut App) {
        if let (Heard::Head { trailers }, Ok(passing)) = (&mut self.heard, Passing::new(fields)) {
            *trailers = owned(passing.iter());
        }
    }

    fn on_switch(
        self: Box<Self>,
        response: &Response<'_>,
        connection: ConnectionId,
        registry: &mut Registry<App>,
        _: &mut App,
    ) {
        self.attempt.shared.backends.note_well(self.at);
        let name = response.fields().get("upgrade").unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let fields = Passing::new(response.fields()).map(|passing| owned(passing.iter()));
        let fields = fields.unwrap_or_default();
        let Self { attempt: Attempt { passage, shared, .. }, busy, .. } = *self;
        let idle = shared.options.limits.tunnel_idle;
        let exchange = passage.exchange;
        let going_on = server::with(registry, exchange, move |exchange, _| {
            let _ = exchange.take_kept::<Lost>();
            passage.stage.set(Stage::Over);
            let ended = move |_: &mut Registry<App>, _: &mut App, _| drop(busy);
            match exchange.couple(&name, &borrowed(&fields), connection, ended) {
                Ok(()) => {
                    let client = exchange.id().connection();
                    for id in [client, connection] {
                        limit_idle(exchange.registry(), id, idle);
                    }
                }
                Err(_) => {
                    let _ = exchange.registry().abort(connection);
                    Unanswered::of(&Failure::NoAnswer).answer(exchange);
                }
            }
        });
        if going_on.is_err() {
            let _ = registry.abort(connection);
        }
    }

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        _: &mut App,
    ) {
        let passage = Rc::clone(self.passage());
        match (&self.heard, outcome) {
            (Heard::Nothing, Err(Failure::Cancelled)) if passage.stage.get() == Stage::Over => {}
            (Heard::Nothing, Ok(())) => self.fail(&Failure::NoAnswer, registry),
            (Heard::Nothing, Err(failure)) => self.fail(&failure, registry),
            (Heard::Head { trailers }, outcome) => {
                if let Err(failure) = &outcome {
                    self.attempt.shared.tell_failure(self.at, failure);
                }
                // The client may have gone.
                let _ = passage.tell(registry, Part::End(outcome.map(|()| trailers.clone())));
            }
        }
    }
}

/// The client is slow: the backend is not read until it has caught up.
fn hold_back<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    call: CallId,
    passage: Rc<Passage>,
) {
    let client = exchange.id().connection();
    let registry = exchange.registry();
    // Either may have ended, and then the other is told by its own end.
    let _ = client::with(registry, call, |call, _| call.pause());
    let _ = registry.when_drained(client, move |registry, _, _| {
        passage.is_held.set(false);
        let _ = registry.resume(call.connection());
    });
}

/// Once it is a tunnel only silence tells that nobody is there.
fn limit_idle<App: 'static>(registry: &mut Registry<App>, id: ConnectionId, idle: Duration) {
    // It may have ended.
    let _ = registry.with_transport(id, move |transport, _| {
        let limits =
            StreamLimits { idle_timeout: Some(idle), min_rate: None, ..transport.limits().clone() };
        transport.set_limits(limits);
    });
}

fn cancel<App: 'static>(registry: &mut Registry<App>, call: CallId) {
    // It may be over.
    let _ = client::with(registry, call, |call, _| call.cancel());
}

/// Takes the body of the request, and gives it to the backend.
struct Uplink {
    passage: Rc<Passage>,
    call: CallId,
}

impl<App: 'static> Receiver<App> for Uplink {
    fn on_body(&mut self, exchange: &mut Exchange<'_, '_, App>, bytes: &[u8], _: &mut App) {
        let mut up = self.passage.up.borrow_mut();
        let is_told = !up.is_empty();
        up.extend_from_slice(bytes);
        drop(up);
        if is_told {
            return;
        }
        let (passage, line) = (Rc::clone(&self.passage), self.call.connection());
        // Whoever reads the answer tells that the backend has gone.
        let _ = client::with(exchange.registry(), self.call, move |call, _| {
            call.send(Bytes::from(passage.up.take()));
            if call.has_room() {
                return;
            }
            let id = passage.exchange;
            let _ = server::with(call.registry(), id, |exchange, _| exchange.hold());
            let _ = call.registry().when_drained(line, move |registry, _, _| {
                let _ = server::with(registry, id, |exchange, _| exchange.resume());
            });
        });
    }

    fn on_end(
        self: Box<Self>,
        exchange: &mut Exchange<'_, '_, App>,
        trailers: Fields<'_>,
        _: &mut App,
    ) {
        let trailers = owned(trailers.iter());
        let _ = client::with(exchange.registry(), self.call, move |call, _| {
            call.finish(&borrowed(&trailers));
        });
    }
}

/// Knows that the client has gone.
struct Lost(Rc<Passage>);

impl<App: 'static> Kept<App> for Lost {
    fn on_lost(self: Box<Self>, registry: &mut Registry<App>, _: &mut App) {
        if let Some(call) = self.0.stage.replace(Stage::Over).call() {
            cancel(registry, call);
        }
    }
}

/// How long the answer is that the client gets.
fn length_of(response: &Response<'_>, is_head: bool) -> Length {
    match response.framing() {
        // It says how long the answer to GET would be.
        Framing::Length(0) if is_head => {
            let length = response.fields().get_only("content-length");
            let length = length.and_then(|length| std::str::from_utf8(length).ok()?.parse().ok());
            length.map_or(Length::Open, Length::Exact)
        }
        Framing::Length(length) => Length::Exact(length),
        Framing::Chunked | Framing::UntilEnd => Length::Open,
    }
}

/// With the words that the backend has for it.
fn write_status_line(out: &mut Vec<u8>, response: &Response<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(response.status().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(response.reason().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn owned<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    fields.map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

fn borrowed(fields: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    fields.iter().map(|(name, value)| (&**name, &**value)).collect()
}
