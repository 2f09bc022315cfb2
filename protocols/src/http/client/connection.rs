//! One connection to a server: one request after the other.
//!
//! ```text
//!              on_open, or a new request          head (1xx: again)        body
//!      Idle ────────────────────────────▶ Asked ─────────────────▶ Reading ─────▶ Idle, or closed
//!       ▲                                 │   │ 101                  │ FIN: Cut, unless it ends so
//!       │ TLS                             │   ▼                      ▼
//!    Securing ◀─────┐                     │ Switched                failed
//!       ▲ 200       │ a way, with TLS     │ lost, nothing heard
//!   Tunnelling   Asking ─▶ Idle           ▼
//!   (CONNECT)    (SOCKS)  without   again on another, once
//! ```

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{Closed, Input, Protocol, Registry, SentFile, TimerKey, Transport};

use super::ask::Upload;
use super::call::Wish;
use super::pool::Pool;
use super::reader::Job;
use super::{Call, Failure, Payload, Route, socks};
use crate::http::outgoing::Framing;
use crate::http::wire::{Body, Piece, Refusal, Response, Slots, parse_response};

/// One connection of a client.
pub struct Connection<App> {
    pub(super) pool: Rc<Pool<App>>,
    pub(super) route: Route,
    pub(super) state: State<App>,
    /// Requests that were answered on it.
    pub(super) answered: u32,
    pub(super) since: Instant,
    pub(super) failure: Option<Failure>,
}

pub(super) enum State<App> {
    /// A proxy is asked for a way to the server; so many bytes of its answer have been looked at in vain.
    Tunnelling {
        seen: usize,
    },
    /// A SOCKS proxy is asked for a way to the server.
    Asking(socks::Stage),
    /// There is a way, and TLS begins on it.
    Securing,
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
        /// Its reader has taken no more, since so much came: it is not the server that is silent.
        is_held: bool,
    },
    /// It is the reader's, for another protocol.
    Switched,
    /// It is closing, or has been given up.
    Over,
}

pub(super) const DEADLINE: TimerKey = TimerKey(0);

impl<App: 'static> Connection<App> {
    pub(super) fn new(pool: Rc<Pool<App>>, route: Route) -> Self {
        // Set anew when the connection opens.
        let since = Instant::now();
        let state = match pool.tunnels(&route) {
            _ if route.socks().is_some() => State::Asking(socks::Stage::Greeted),
            true => State::Tunnelling { seen: 0 },
            false => State::Idle,
        };
        Self { pool, route, state, answered: 0, since, failure: None }
    }

    // ── asking ──────────────────────────────────────────────────────────────────────────────

    /// Sends the request that has waited longest for this server, or rests.
    pub(super) fn take_next(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.pool.note_come(&self.route, transport.id());
        while let Some(mut job) = self.pool.next(&self.route) {
            let mut call = Call::new(transport, &mut job.upload, self.answered);
            job.reader.on_turn(&mut call, app);
            if call.wish() != Wish::Cancel {
                return self.ask(transport, job, app);
            }
            job.fail_later(transport.registry(), Failure::Cancelled);
        }
        if !self.pool.keeps(&self.route) {
            return self.let_go(transport);
        }
        self.pool.rest(&self.route, transport.id());
        self.begin_phase(transport);
    }

    fn ask(&mut self, transport: &mut Transport<'_, App>, mut job: Job<App>, app: &mut App) {
        let tunnels = self.pool.tunnels(&self.route) || self.route.socks().is_some();
        let proxied = self.route.proxied.as_ref().filter(|_| !tunnels);
        transport.write(&job.ask.head(proxied));
        let awaits = job.ask.awaits_continue();
        job.upload = if awaits { Upload::Awaited } else { Upload::Done };
        self.state = State::Asked { job, seen: 0, interims: 0 };
        if !awaits {
            self.begin_upload(transport, app);
        }
        self.begin_phase(transport);
    }

    /// The body of the request goes out, or may.
    fn begin_upload(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let State::Asked { job, .. } = &mut self.state else {
            return;
        };
        job.upload = Upload::Done;
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
            Payload::Open(length) => {
                job.upload = Upload::Open(Framing::of_request(*length));
                let mut call = Call::new(transport, &mut job.upload, self.answered);
                job.reader.on_ready(&mut call, app);
                let wish = call.wish();
                self.heed(transport, wish);
            }
        }
    }

    /// Somebody from elsewhere goes on with a request.
    pub(super) fn enter(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        number: u32,
        act: impl FnOnce(&mut Call<'_, '_, App>, &mut App),
    ) {
        let mut done = Upload::Done;
        let upload = match &mut self.state {
            State::Asked { job, .. } | State::Reading { job, .. } => &mut job.upload,
            State::Switched => &mut done,
            State::Tunnelling { .. }
            | State::Asking(_)
            | State::Securing
            | State::Idle
            | State::Over => return,
        };
        if number != self.answered || self.failure.is_some() {
            return;
        }
        let mut call = Call::new(transport, upload, number);
        act(&mut call, app);
        let wish = call.wish();
        // Who sends a body that is long is not silent, and cannot be answered yet.
        if matches!(self.state, State::Asked { .. }) {
            self.since = transport.registry().now();
        }
        self.heed(transport, wish);
    }

    fn heed(&mut self, transport: &mut Transport<'_, App>, wish: Wish) {
        match (wish, &mut self.state) {
            (Wish::Cancel, _) => self.give_up(transport, Failure::Cancelled),
            (Wish::Pause, State::Reading { is_held, .. }) => *is_held = true,
            _ => {}
        }
    }

    // ── being answered ──────────────────────────────────────────────────────────────────────

    /// Looks for a head. Whether there may be more to read.
    fn read_head(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let (method, seen) = match &mut self.state {
            State::Asked { job, seen, .. } => (job.ask.method.clone(), seen),
            State::Tunnelling { seen } => (http::Method::CONNECT, seen),
            _ => return false,
        };
        let limits = &self.pool.options.limits;
        let is_hopeless = *seen > 0 && !input.get(*seen..).unwrap_or_default().contains(&b'\n');
        if is_hopeless && input.len() <= limits.head.head {
            *seen = input.len();
            return false;
        }
        let mut slots = Slots::new();
        match parse_response(input, method.as_str(), &mut slots, &limits.head) {
            Ok(Some((response, length))) => {
                let going_on = self.handle_head(transport, &response, app);
                // It borrows from the input.
                drop(slots);
                input.take_front(length);
                going_on
            }
            Ok(None) => {
                *seen = input.len();
                false
            }
            Err(refusal) => {
                self.give_up(transport, Failure::Malformed(refusal));
                false
            }
        }
    }

    fn handle_head(
        &mut self,
        transport: &mut Transport<'_, App>,
        response: &Response<'_>,
        app: &mut App,
    ) -> bool {
        match &mut self.state {
            _ if !response.status().is_informational() => {}
            State::Asked { job, seen, interims } => {
                *interims += 1;
                *seen = 0;
                let offered = job.ask.upgrade.as_deref();
                let accepted = response.fields().get_only("upgrade");
                let is_offered = offered.is_some_and(|offered| {
                    accepted.is_some_and(|accepted| accepted.eq_ignore_ascii_case(offered))
                });
                return match response.status().as_u16() {
                    101 if is_offered => self.switch(transport, response, app),
                    101 => self.give_up_interim(transport),
                    _ if *interims > self.pool.options.limits.interims => {
                        self.give_up_interim(transport)
                    }
                    100 if job.upload == Upload::Awaited => {
                        self.begin_upload(transport, app);
                        self.begin_phase(transport);
                        true
                    }
                    100 => true,
                    _ => {
                        let mut call = Call::new(transport, &mut job.upload, self.answered);
                        job.reader.on_interim(response, &mut call, app);
                        let wish = call.wish();
                        self.heed(transport, wish);
                        true
                    }
                };
            }
            // A proxy has nothing to say before it answers.
            _ => return self.give_up_interim(transport),
        }
        match self.state {
            State::Tunnelling { .. } => self.begin_tunnel(transport, response),
            _ => self.begin_body(transport, response, app),
        }
        true
    }

    fn give_up_interim(&mut self, transport: &mut Transport<'_, App>) -> bool {
        self.give_up(transport, Failure::Interim);
        false
    }

    /// The connection is the reader's: what comes waits until that has made something of it.
    fn switch(
        &mut self,
        transport: &mut Transport<'_, App>,
        response: &Response<'_>,
        app: &mut App,
    ) -> bool {
        if let State::Asked { job, .. } = std::mem::replace(&mut self.state, State::Switched) {
            transport.pause();
            transport.cancel_timer(DEADLINE);
            let id = transport.id();
            Pool::forget(&self.pool, transport.registry(), &self.route, id);
            job.reader.on_switch(response, id, transport.registry(), app);
        }
        false
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
        let mut call = Call::new(transport, &mut job.upload, self.answered);
        job.reader.on_head(response, &mut call, app);
        let wish = call.wish();
        let body = Body::new(response.framing(), &self.pool.options.limits.body);
        let is_persistent = response.is_persistent();
        let is_held = false;
        self.state = State::Reading { job, body, received: 0, is_persistent, is_held };
        self.begin_phase(transport);
        self.heed(transport, wish);
    }

    fn read_body(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let State::Reading { job, body, received, is_held, .. } = &mut self.state else {
            return false;
        };
        let mut rest: &[u8] = input;
        let before = rest.len();
        let piece = body.next(&mut rest);
        let taken = before - rest.len();
        let going_on = match piece {
            Ok(Piece::Data(data)) => {
                *received += data.len() as u64;
                *is_held = false;
                self.since = transport.registry().now();
                let body_is_over = matches!(body, Body::Length(0));
                let mut call = Call::new(transport, &mut job.upload, self.answered);
                job.reader.on_body(data, &mut call, app);
                let wish = call.wish();
                self.heed(transport, wish);
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
        let State::Reading { mut job, body, is_persistent, .. } =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            return;
        };
        body.with_trailers(|trailers| {
            if !trailers.is_empty() {
                let mut call = Call::new(transport, &mut job.upload, self.answered);
                job.reader.on_trailers(trailers, &mut call, app);
            }
        });
        self.answered += 1;
        // It may have been held for its reader.
        transport.resume();
        // What comes without having been asked for is somebody else's answer, and what is still being sent
        // would be taken for the next request.
        if is_persistent && is_quiet && job.upload == Upload::Done {
            self.take_next(transport, app);
        } else {
            self.state = State::Over;
            transport.close();
        }
        job.reader.on_end(Ok(()), transport.registry(), app);
        // The reader may have been the last who could have asked for more.
        if matches!(self.state, State::Idle) && !self.pool.keeps(&self.route) {
            self.let_go(transport);
        }
    }

    /// It is idle, and not kept. Nothing is expected on it, so that the server's FIN is not waited for.
    fn let_go(&mut self, transport: &mut Transport<'_, App>) {
        self.state = State::Over;
        transport.release();
    }

    /// Nothing good can come of this connection any more.
    pub(super) fn give_up(&mut self, transport: &mut Transport<'_, App>, failure: Failure) {
        self.failure = Some(failure);
        transport.abort();
    }

    fn begin_phase(&mut self, transport: &mut Transport<'_, App>) {
        self.since = transport.registry().now();
        transport.set_timer(DEADLINE, self.patience());
    }

    pub(super) fn patience(&self) -> Duration {
        let limits = &self.pool.options.limits;
        match &self.state {
            State::Idle => limits.idle,
            State::Asked { job, .. } if job.upload == Upload::Awaited => limits.continue_time,
            State::Asked { job, .. } => job.ask.patience.unwrap_or(limits.head_time),
            State::Tunnelling { .. } | State::Asking(_) | State::Securing => limits.head_time,
            State::Reading { .. } | State::Switched | State::Over => limits.silence,
        }
    }
}

impl<App: 'static> Protocol<App> for Connection<App> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let asked = match (&self.state, self.route.socks()) {
            (State::Tunnelling { .. }, _) => self.route.connect(),
            (State::Asking(_), Some(user)) => Some(socks::Stage::greet(user)),
            _ => None,
        };
        match asked {
            Some(bytes) => {
                transport.write(&bytes);
                self.since = transport.registry().now();
                self.pool.begin_asking(&self.route, transport.id());
                self.wait(transport);
            }
            None => self.take_next(transport, app),
        }
    }

    #[cfg(feature = "tls")]
    fn on_secure(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.begin_behind_proxy(transport, app);
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
                State::Asked { .. } | State::Tunnelling { .. } => {
                    self.read_head(transport, input, app)
                }
                State::Asking(_) => self.read_socks(transport, input, app),
                State::Securing => return,
                State::Switched => return transport.pause(),
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
            // Who it is coupled with is told.
            State::Switched => {}
            _ => transport.close(),
        }
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        // The server takes what it is sent, and is not silent.
        self.since = transport.registry().now();
    }

    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, file: SentFile, _: &mut App) {
        self.since = transport.registry().now();
        if file.sent < file.requested {
            // Its length is promised.
            let why = "the file has become shorter meanwhile".to_owned();
            self.give_up(transport, Failure::Lost(why));
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, _: TimerKey, app: &mut App) {
        if self.state.is_on_its_way() {
            return self.wait(transport);
        }
        let now = transport.registry().now();
        let late = self.since + self.patience();
        if now < late {
            return transport.set_timer(DEADLINE, late.saturating_duration_since(now));
        }
        match &self.state {
            State::Idle => self.let_go(transport),
            State::Asked { job, .. } if job.upload == Upload::Awaited => {
                self.begin_upload(transport, app);
                self.begin_phase(transport);
            }
            State::Reading { is_held: true, .. } => self.begin_phase(transport),
            State::Asked { .. } | State::Reading { .. } => {
                self.give_up(transport, Failure::Silent);
            }
            State::Tunnelling { .. }
            | State::Asking(_)
            | State::Securing
            | State::Switched
            | State::Over => {}
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.pool.is_ending.set(true);
        // What has been asked may be answered, as long as the loop lets it.
        if !matches!(self.state, State::Asked { .. } | State::Reading { .. }) {
            transport.close();
        }
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        self.lose(registry, closed, app);
    }
}

impl<App> fmt::Debug for Connection<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("route", &self.route).finish_non_exhaustive()
    }
}
