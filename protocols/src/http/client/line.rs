//! One connection to a server: one request after the other.
//!
//! ```text
//!           on_open, or a new request          head (1xx: again)        body
//!   Idle ────────────────────────────▶ Asked ─────────────────▶ Reading ─────▶ Idle, or closed
//!                                        │ lost, nothing heard     │ FIN: Cut, unless it ends so
//!                                        ▼                         ▼
//!                              again on another, once            failed
//! ```

use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use reactor::{
    Address, CloseReason, Closed, ConnectionId, Input, Protocol, Registry, TimerKey, Transport,
};

use super::pool::Pool;
use super::{Ask, Failure, Payload};
use crate::http::wire::{Body, Piece, Refusal, Response, Slots, parse_response};

/// Takes the answer to a request.
pub trait Reader<App>: 'static {
    /// The head of the answer has come; not that of an interim one.
    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App);

    /// A piece of the body has come.
    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, app: &mut App);

    /// The answer is whole, or it is known that it will not be. It comes once, and last.
    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        app: &mut App,
    );
}

/// An answer on its way, lent to its reader.
pub struct Call<'c, 't, App> {
    transport: &'c mut Transport<'t, App>,
    wish: Wish,
}

/// What a reader wants to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    More,
    Pause,
    Cancel,
}

impl<App> Call<'_, '_, App> {
    /// The connection, by which it can be resumed ([`Registry::resume`]).
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.transport.id()
    }

    /// Takes no more of the answer until the connection is resumed: it waits at the server.
    pub fn pause(&mut self) {
        if self.wish == Wish::More {
            self.wish = Wish::Pause;
            self.transport.pause();
        }
    }

    /// Wants no more of it: the connection is given up, and the end is [`Failure::Cancelled`].
    pub fn cancel(&mut self) {
        self.wish = Wish::Cancel;
    }

    /// Everything else that is registered with the loop.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.transport.registry()
    }
}

impl<App> fmt::Debug for Call<'_, '_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("connection", &self.transport.id()).finish_non_exhaustive()
    }
}

/// A request, and who takes its answer.
pub(super) struct Job<App> {
    pub(super) ask: Ask,
    pub(super) reader: Box<dyn Reader<App>>,
    /// It has been sent once before, and nothing was heard of that.
    pub(super) is_second: bool,
}

/// One connection of a client.
pub struct Line<App> {
    pool: Rc<Pool<App>>,
    address: Address,
    state: State<App>,
    /// Requests that were answered on it.
    answered: u32,
    since: Instant,
    failure: Option<Failure>,
}

enum State<App> {
    Idle,
    Asked {
        job: Job<App>,
        seen: usize,
        interims: u32,
    },
    Reading {
        job: Job<App>,
        body: Body,
        received: u64,
        is_persistent: bool,
    },
    /// It is closing, or has been given up.
    Over,
}

const DEADLINE: TimerKey = TimerKey(0);

impl<App: 'static> Line<App> {
    pub(super) fn new(pool: Rc<Pool<App>>, address: Address) -> Self {
        // Set anew when the connection opens.
        let since = Instant::now();
        Self { pool, address, state: State::Idle, answered: 0, since, failure: None }
    }

    /// Sends the request that has waited longest for this address, or rests.
    pub(super) fn take_next(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        match self.pool.next(&self.address) {
            Some(job) => self.ask(transport, job),
            None => {
                self.pool.rest(&self.address, transport.id());
                self.begin_phase(transport);
            }
        }
    }

    fn ask(&mut self, transport: &mut Transport<'_, App>, mut job: Job<App>) {
        transport.write(&job.ask.head());
        match &mut job.ask.payload {
            Payload::None => {}
            Payload::Bytes(bytes) => transport.send(Bytes::clone(bytes)),
            payload @ Payload::File(..) => {
                if let Payload::File(file, length) = std::mem::take(payload) {
                    transport.send_file(file, 0, length);
                    // What has left cannot be sent again.
                    job.is_second = true;
                }
            }
        }
        self.state = State::Asked { job, seen: 0, interims: 0 };
        self.begin_phase(transport);
    }

    /// Looks for a head. Whether there may be more to read.
    fn read_head(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let State::Asked { job, seen, interims } = &mut self.state else {
            return false;
        };
        let limits = &self.pool.options.limits;
        let is_hopeless = *seen > 0 && !input.get(*seen..).unwrap_or_default().contains(&b'\n');
        if is_hopeless && input.len() <= limits.head.head {
            *seen = input.len();
            return false;
        }
        let mut slots = Slots::new();
        let method = job.ask.method.clone();
        let parsed = parse_response(input, method.as_str(), &mut slots, &limits.head);
        let (response, length) = match parsed {
            Ok(Some(parsed)) => parsed,
            Ok(None) => {
                *seen = input.len();
                return false;
            }
            Err(refusal) => {
                self.give_up(transport, Failure::Malformed(refusal));
                return false;
            }
        };
        if response.status().is_informational() {
            *interims += 1;
            *seen = 0;
            if response.status().as_u16() == 101 || *interims > limits.interims {
                self.give_up(transport, Failure::Interim);
                return false;
            }
            input.take_front(length);
            return true;
        }
        self.begin_body(transport, &response, app);
        input.take_front(length);
        true
    }

    fn begin_body(
        &mut self,
        transport: &mut Transport<'_, App>,
        response: &Response<'_>,
        app: &mut App,
    ) {
        let State::Asked { mut job, .. } = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let mut call = Call { transport, wish: Wish::More };
        job.reader.on_head(response, &mut call, app);
        let wish = call.wish;
        let body = Body::new(response.framing(), &self.pool.options.limits.body);
        let is_persistent = response.is_persistent();
        self.state = State::Reading { job, body, received: 0, is_persistent };
        self.begin_phase(transport);
        if wish == Wish::Cancel {
            self.give_up(transport, Failure::Cancelled);
        }
    }

    fn read_body(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let State::Reading { job, body, received, .. } = &mut self.state else {
            return false;
        };
        let mut rest: &[u8] = input;
        let before = rest.len();
        let piece = body.next(&mut rest);
        let taken = before - rest.len();
        let going_on = match piece {
            Ok(Piece::Data(data)) => {
                *received += data.len() as u64;
                self.since = transport.registry().now();
                let body_is_over = matches!(body, Body::Length(0));
                let mut call = Call { transport, wish: Wish::More };
                job.reader.on_body(data, &mut call, app);
                let wish = call.wish;
                if wish == Wish::Cancel {
                    self.give_up(transport, Failure::Cancelled);
                }
                // Behind the last byte nothing has to come, so nothing would be offered again.
                wish == Wish::More || (wish == Wish::Pause && body_is_over)
            }
            Ok(Piece::NotYet) => false,
            Ok(Piece::End) => {
                input.take_front(taken);
                self.finish(transport, input.is_empty(), app);
                return true;
            }
            Err(refusal) => {
                self.give_up(transport, Failure::Malformed(refusal));
                false
            }
        };
        input.take_front(taken);
        going_on
    }

    /// The answer is whole.
    fn finish(&mut self, transport: &mut Transport<'_, App>, is_quiet: bool, app: &mut App) {
        let State::Reading { job, is_persistent, .. } =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            return;
        };
        self.answered += 1;
        // It may have been held for its reader.
        transport.resume();
        // What comes without having been asked for is somebody else's answer.
        if is_persistent && is_quiet {
            self.take_next(transport, app);
        } else {
            self.state = State::Over;
            transport.close();
        }
        job.reader.on_end(Ok(()), transport.registry(), app);
    }

    /// Nothing good can come of this connection any more.
    fn give_up(&mut self, transport: &mut Transport<'_, App>, failure: Failure) {
        self.failure = Some(failure);
        transport.abort();
    }

    fn begin_phase(&mut self, transport: &mut Transport<'_, App>) {
        self.since = transport.registry().now();
        transport.set_timer(DEADLINE, self.patience());
    }

    fn patience(&self) -> std::time::Duration {
        let limits = &self.pool.options.limits;
        match &self.state {
            State::Idle => limits.idle,
            State::Asked { job, .. } => job.ask.patience.unwrap_or(limits.head_time),
            State::Reading { .. } | State::Over => limits.silence,
        }
    }

    /// Why a request that was under way is not answered.
    fn reason(&mut self, closed: &Closed, received: Option<u64>) -> Failure {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        let address = self.address.clone();
        match (&closed.reason, received) {
            (CloseReason::ConnectTimeout, _) => Failure::ConnectTimeout(address),
            (CloseReason::ConnectFailed(error), _) => {
                Failure::Unreachable { address, why: error.to_string() }
            }
            (CloseReason::HostFailed(failure), _) => Failure::of_host(address, failure),
            (CloseReason::Tls(failure), None) => Failure::of_tls(failure),
            (CloseReason::HandshakeTimeout, _) => Failure::Tls(closed.reason.to_string()),
            (reason, Some(received)) if reason.is_clean() => Failure::Cut(received),
            (reason, None) if reason.is_clean() => Failure::NoAnswer,
            (reason, _) => Failure::Lost(reason.to_string()),
        }
    }
}

impl<App: 'static> Protocol<App> for Line<App> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.take_next(transport, app);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        loop {
            let going_on = match &self.state {
                // An empty body ends without anything more to read.
                State::Reading { .. } => self.read_body(transport, input, app),
                _ if input.is_empty() => return,
                State::Asked { .. } => self.read_head(transport, input, app),
                State::Idle => {
                    // Nobody has asked: a server says 408 before it closes, or is confused.
                    self.give_up(transport, Failure::Malformed(Refusal::Length));
                    return;
                }
                State::Over => {
                    input.take_all();
                    return;
                }
            };
            if !going_on || self.failure.is_some() {
                return;
            }
        }
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        match &mut self.state {
            State::Reading { body, is_persistent, .. } if body.ends_whole() => {
                *is_persistent = false;
                self.finish(transport, true, app);
            }
            _ => transport.close(),
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, _: TimerKey, _: &mut App) {
        let now = transport.registry().now();
        let late = self.since + self.patience();
        if now < late {
            return transport.set_timer(DEADLINE, late.saturating_duration_since(now));
        }
        match self.state {
            State::Idle => {
                self.state = State::Over;
                transport.close();
            }
            State::Asked { .. } | State::Reading { .. } => self.give_up(transport, Failure::Silent),
            State::Over => {}
        }
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        match std::mem::replace(&mut self.state, State::Over) {
            // Nothing was heard, on a connection that had been idle: the server had closed it meanwhile, as
            // it may, and what can be asked twice is (RFC 9110, 9.2.2).
            State::Asked { mut job, seen: 0, .. }
                if self.answered > 0
                    && !job.is_second
                    && self.failure.is_none()
                    && job.ask.is_repeatable() =>
            {
                job.is_second = true;
                self.pool.put_first(&self.address, job);
            }
            State::Asked { job, .. } => {
                let why = self.reason(closed, None);
                job.reader.on_end(Err(why), registry, app);
            }
            State::Reading { job, received, .. } => {
                let why = self.reason(closed, Some(received));
                job.reader.on_end(Err(why), registry, app);
            }
            // It was never open: whoever waits longest learns of it, and the next one tries again.
            State::Idle if !closed.opened => {
                let why = self.reason(closed, None);
                self.pool.fail_next(registry, &self.address, why);
            }
            State::Idle | State::Over => {}
        }
        Pool::forget(&self.pool, registry, &self.address, closed.id);
    }
}

impl<App> fmt::Debug for Line<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("address", &self.address).finish_non_exhaustive()
    }
}
