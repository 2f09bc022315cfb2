//! One connection: requests come in one after the other, and their answers leave in the same order.
//!
//! ```text
//!   reading                                          writing
//!
//!   Head ──head, no body──▶ Head                     Idle ──head of a request──▶ Owed
//!    │ ▲                                              ▲                           │ answer, 503
//!    │ └──────────────── body read ───────┐           │                           ▼
//!    └──head, body──▶ Body ───────────────┘           └── both are done ─────── Said ◀─ last piece ─ Flowing
//!    │                 │                                                          │                    ▲
//!    └─ FIN, refusal ──┴──▶ Over                      Gone ◀── upgrade, close ────┘        head ───────┘
//! ```
//!
//! The next head is not looked at before writing is Idle again: what comes early waits in the input, and
//! then in the system.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use reactor::{Closed, Input, Protocol, Registry, SentFile, TimerKey, Transport};

use super::aside::Aside;
use super::receiving::{Intake, Taker};
use super::sending::{Flow, Stage};
use super::{Exchange, Kept, Record, Site};
use crate::http::wire::{Piece, Refusal, Request, Slots, as_known_version, parse_request};

/// One connection of a server.
pub struct Session<App> {
    pub(super) site: Rc<Site<App>>,
    pub(super) reading: Reading<App>,
    pub(super) writing: Writing<App>,
    /// Which request of the connection this is, or the last one was.
    pub(super) number: u32,
    /// What is told of the exchange, and what a handler keeps with it, if anything.
    pub(super) aside: Aside<dyn Kept<App>>,
    /// Since when the connection is in its phase.
    since: Instant,
}

pub(super) enum Reading<App> {
    /// Between messages, or within a head, of which so many bytes have been looked at in vain.
    Head { seen: usize },
    /// Within a body.
    Body(Box<Intake<App>>),
    /// Nothing more is read: the peer has ended, or what it sends makes no sense any more.
    Over,
}

pub(super) enum Writing<App> {
    /// There is no request.
    Idle,
    /// There is one, and no answer yet.
    Owed(Manner),
    /// The head of the answer has been written, and its body is being written.
    Flowing(Box<Flow<App>>),
    /// All of the answer has been said.
    Said(Manner),
    /// The connection is somebody else's, or closing.
    Gone,
}

/// How a request wants to be answered: a bit for each thing about it that is not usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner(u8);

impl Manner {
    /// GET, say, of HTTP/1.1, without a body, which another may follow, and which nobody writes down.
    pub(super) const USUAL: Self = Self(0);
    /// Of what is no request: it is answered, and that is all.
    const LAST: Self = Self(Self::IS_LAST);

    const IS_HEAD: u8 = 1;
    const IS_OLD: u8 = 2;
    const IS_LAST: u8 = 4;
    const IS_EXPECTANT: u8 = 8;
    const HAS_BODY: u8 = 16;
    const IS_RECORDED: u8 = 32;

    /// It was HEAD: no body.
    pub(super) fn is_head(self) -> bool {
        self.0 & Self::IS_HEAD != 0
    }

    /// It was HTTP/1.0: no chunks.
    pub(super) fn is_old(self) -> bool {
        self.0 & Self::IS_OLD != 0
    }

    /// Another request may follow.
    pub(super) fn is_persistent(self) -> bool {
        self.0 & Self::IS_LAST == 0
    }

    /// It has no body, and waits for `100 Continue` all the same: that has to come before 101 (RFC 9110, 7.8).
    pub(super) fn is_expectant(self) -> bool {
        self.0 & Self::IS_EXPECTANT != 0
    }

    /// No other request follows, if so.
    pub(super) fn end_if(&mut self, is_last: bool) {
        self.0 |= bit(is_last, Self::IS_LAST);
    }
}

fn bit(is: bool, bit: u8) -> u8 {
    if is { bit } else { 0 }
}

/// The only timer, which is set as long as the connection is: when it fires, it is looked at what could be
/// late.
const DEADLINE: TimerKey = TimerKey(0);

impl<App: 'static> Session<App> {
    /// A connection on which a site is served: for listeners of one's own, that speak something else first.
    #[must_use]
    pub fn new(site: Rc<Site<App>>) -> Self {
        Self {
            site,
            reading: Reading::Head { seen: 0 },
            writing: Writing::Idle,
            number: 0,
            aside: Aside::NOTHING,
            // Set anew when the connection opens; no clock is asked here.
            since: Instant::now(),
        }
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Looks for a head, and has it answered. Whether there may be more to read.
    fn read_head(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
        seen: usize,
    ) -> bool {
        if seen == 0 {
            // Some clients send an empty line behind a body (RFC 9112, 2.2).
            while input.starts_with(b"\r\n") {
                input.take_front(2);
            }
        } else if !input.get(seen..).is_some_and(|fresh| fresh.contains(&b'\n')) {
            // Nothing can be complete without another end of a line: so a head that drips is not parsed
            // once a byte.
            if input.len() <= self.site.limits().head.head {
                self.reading = Reading::Head { seen: input.len() };
                return false;
            }
        }
        // Half of an empty line is not the beginning of a head.
        if input.is_empty() || **input == *b"\r" {
            return false;
        }
        match self.parse_head(transport, input, app) {
            Ok(Some(length)) => {
                input.take_front(length);
                true
            }
            Ok(None) => {
                self.reading = Reading::Head { seen: input.len() };
                if seen == 0 {
                    self.begin_phase(transport);
                }
                false
            }
            Err(Refusal::Version) => self.read_later_version(transport, input, app),
            Err(refusal) => {
                self.refuse(transport, refusal);
                false
            }
        }
    }

    /// Has a head answered, if it is whole, and says how long it was, with what was taken behind it.
    #[inline]
    fn parse_head(
        &mut self,
        transport: &mut Transport<'_, App>,
        bytes: &[u8],
        app: &mut App,
    ) -> Result<Option<usize>, Refusal> {
        let site = Rc::clone(&self.site);
        let mut slots = Slots::new();
        let Some((request, length)) = parse_request(bytes, &mut slots, &site.limits().head)? else {
            return Ok(None);
        };
        Ok(Some(self.begin(transport, &site, &request, (bytes, length), app)))
    }

    /// A head of HTTP/1.2, say, is read as one of the version that is known, as if that had come. A body that has
    /// come with it is read where it is.
    #[cold]
    fn read_later_version(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let Some(head) = as_known_version(input) else {
            self.refuse(transport, Refusal::Version);
            return false;
        };
        let mut known = Input::new(&head);
        self.on_data(transport, &mut known, app);
        let taken = head.len() - known.len();
        input.take_front(taken);
        taken > 0
    }

    /// A head of that length is complete at the front of the input. How much of that has been taken, with what was
    /// taken behind it.
    #[inline]
    fn begin(
        &mut self,
        transport: &mut Transport<'_, App>,
        site: &Site<App>,
        request: &Request<'_>,
        (input, length): (&[u8], usize),
        app: &mut App,
    ) -> usize {
        self.number += 1;
        if request.is_usual() && self.number < site.limits().requests && !site.is_logged() {
            self.writing = Writing::Owed(Manner::USUAL);
            self.reading = Reading::Head { seen: 0 };
        } else if !self.heed(transport, site, request) {
            return length;
        }
        let mut exchange = Exchange { input, taken: length, ..Exchange::new(self, transport) };
        site.handler()(request, &mut exchange, app);
        let taken = exchange.taken;
        self.settle(transport);
        if !matches!(self.writing, Writing::Idle) {
            self.begin_phase(transport);
        }
        taken
    }

    /// Notes how a request wants to be answered that is not usual; whether it comes to the handler.
    #[inline(never)]
    fn heed(
        &mut self,
        transport: &mut Transport<'_, App>,
        site: &Site<App>,
        request: &Request<'_>,
    ) -> bool {
        let (meaning, has_body) = (request.meaning(), request.has_body());
        let is_last = !meaning.is_persistent || self.number >= site.limits().requests;
        self.writing = Writing::Owed(Manner(
            bit(request.method() == "HEAD", Manner::IS_HEAD)
                | bit(meaning.is_old, Manner::IS_OLD)
                | bit(is_last, Manner::IS_LAST)
                | bit(meaning.expects_continue && !has_body, Manner::IS_EXPECTANT)
                | bit(has_body, Manner::HAS_BODY)
                | bit(site.is_logged(), Manner::IS_RECORDED),
        ));
        self.reading = match has_body {
            false => Reading::Head { seen: 0 },
            true => Reading::Body(Box::new(Intake::new(meaning, &site.limits().body))),
        };
        if site.is_logged() {
            self.aside.set_record(Record::new(transport, request));
        }
        let is_refused = request.method() == "CONNECT" && !site.settings().connect;
        if is_refused {
            self.refuse(transport, Refusal::Connect);
        }
        !is_refused
    }

    /// Gives what has come of a body to who takes it. Whether there may be more to read.
    fn read_body(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let Reading::Body(intake) = &mut self.reading else {
            return true;
        };
        if !intake.is_flowing() && !intake.is_over() {
            transport.pause();
            return false;
        }
        let mut rest: &[u8] = input;
        let before = rest.len();
        let piece = intake.body.next(&mut rest);
        let taken = before - rest.len();
        match piece {
            Ok(Piece::Data(data)) => {
                // The bytes stay where they are until they have been looked at.
                let going_on = self.hand_on(transport, data, app);
                input.take_front(taken);
                going_on
            }
            Ok(Piece::NotYet) => {
                input.take_front(taken);
                false
            }
            Ok(Piece::End) => {
                input.take_front(taken);
                self.end_body(transport, app);
                true
            }
            Err(refusal) => {
                self.refuse(transport, refusal);
                false
            }
        }
    }

    fn hand_on(&mut self, transport: &mut Transport<'_, App>, data: &[u8], app: &mut App) -> bool {
        let Reading::Body(intake) = &mut self.reading else {
            return true;
        };
        intake.received += data.len() as u64;
        if intake.received > intake.limit {
            self.refuse(transport, Refusal::BodyTooLong);
            return false;
        }
        if let Taker::Flowing(_) = intake.taker
            && let Taker::Flowing(mut receiver) =
                std::mem::replace(&mut intake.taker, Taker::Called)
        {
            receiver.on_body(&mut Exchange::new(self, transport), data, app);
            self.put_back(receiver);
            self.settle(transport);
        }
        true
    }

    /// All of the body has been read, so that its answer need not mind it.
    pub(super) fn pass_body(&mut self) -> Reading<App> {
        if let Writing::Owed(manner) = &mut self.writing {
            manner.0 &= !Manner::HAS_BODY;
        }
        std::mem::replace(&mut self.reading, Reading::Head { seen: 0 })
    }

    /// The body is over: its receiver is told, and the next head may come.
    fn end_body(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Reading::Body(intake) = self.pass_body()
            && let Intake { taker: Taker::Flowing(receiver) | Taker::Held(receiver), body, .. } =
                *intake
        {
            body.with_trailers(|trailers| {
                receiver.on_end(&mut Exchange::new(self, transport), trailers, app);
            });
        }
        self.settle(transport);
        if !matches!(self.writing, Writing::Idle) {
            self.begin_phase(transport);
        }
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Looks at what is done, after somebody was called who may have done something.
    #[inline]
    pub(super) fn settle(&mut self, transport: &mut Transport<'_, App>) {
        if let (Writing::Said(Manner::USUAL), Reading::Head { .. }) = (&self.writing, &self.reading)
        {
            self.wait_for_head(transport);
        } else {
            self.settle_otherwise(transport);
        }
    }

    #[inline(never)]
    fn settle_otherwise(&mut self, transport: &mut Transport<'_, App>) {
        if let Writing::Flowing(flow) = &mut self.writing
            && let Some(manner) = flow.is_done()
        {
            self.writing = Writing::Said(manner);
        }
        if let Writing::Said(manner) = self.writing {
            self.conclude(transport, manner);
        }
    }

    /// The answer has been said.
    fn conclude(&mut self, transport: &mut Transport<'_, App>, manner: Manner) {
        match &mut self.reading {
            Reading::Head { .. } if manner.is_persistent() => {
                self.log(transport.registry());
                self.wait_for_head(transport);
            }
            _ => self.conclude_otherwise(transport, manner),
        }
    }

    /// Another request may come.
    #[inline]
    fn wait_for_head(&mut self, transport: &mut Transport<'_, App>) {
        self.writing = Writing::Idle;
        self.begin_phase(transport);
    }

    /// The answer has been said, and the next head is not simply waited for.
    fn conclude_otherwise(&mut self, transport: &mut Transport<'_, App>, manner: Manner) {
        let discard = self.site.limits().discard;
        match &mut self.reading {
            // Behind an answer with `Connection: close`, or behind the peer's end, nothing follows.
            Reading::Head { .. } | Reading::Over => self.leave(transport),
            Reading::Body(intake)
                if manner.is_persistent() && intake.is_worth_discarding(discard) =>
            {
                intake.discard(discard);
                self.begin_phase(transport);
                transport.resume();
            }
            Reading::Body(_) => self.leave(transport),
        }
    }

    /// Answers with the reason why there will be no message, and closes.
    #[cold]
    pub(super) fn refuse(&mut self, transport: &mut Transport<'_, App>, refusal: Refusal) {
        self.reading = Reading::Over;
        if let Writing::Idle = self.writing {
            self.writing = Writing::Owed(Manner::LAST);
        }
        match &mut self.writing {
            Writing::Owed(manner) => {
                manner.end_if(true);
                let text = format!("{refusal}.\n");
                Exchange::new(self, transport).answer(refusal.status()).text(&text);
                self.settle(transport);
            }
            // The answer has all been said, or the client would take this for a part of it.
            Writing::Said(_) => self.leave(transport),
            Writing::Flowing(_) => self.abort(transport),
            Writing::Idle | Writing::Gone => {}
        }
    }

    /// Closes: what was written leaves, and what still comes is thrown away.
    fn leave(&mut self, transport: &mut Transport<'_, App>) {
        self.reading = Reading::Over;
        self.writing = Writing::Gone;
        self.log(transport.registry());
        self.lose(transport.registry());
        transport.cancel_timer(DEADLINE);
        transport.close();
    }

    /// Whoever keeps something with the exchange learns that it is over, though the connection may take a while to
    /// end.
    fn lose(&mut self, registry: &mut Registry<App>) {
        if let Some(kept) = self.aside.take_kept() {
            registry.defer(move |registry, app| kept.on_lost(registry, app));
        }
    }

    /// Ends in a way that no client takes for the end of an answer.
    pub(super) fn abort(&mut self, transport: &mut Transport<'_, App>) {
        self.reading = Reading::Over;
        self.writing = Writing::Gone;
        self.log(transport.registry());
        self.lose(transport.registry());
        transport.abort();
    }

    /// The connection is another protocol's from now on.
    pub(super) fn hand_over(&mut self, transport: &mut Transport<'_, App>) {
        self.reading = Reading::Over;
        self.writing = Writing::Gone;
        self.log(transport.registry());
        transport.cancel_timer(DEADLINE);
        // It may have been held for this answer.
        transport.resume();
    }

    fn log(&mut self, registry: &Registry<App>) {
        if let Some(mut record) = self.aside.take_record() {
            record.end(registry.now());
            self.site.log(&record);
        }
    }

    /// Whether the exchange with that number is still going on.
    pub(super) fn is_at(&self, number: u32) -> bool {
        self.number == number && !matches!(self.writing, Writing::Idle | Writing::Gone)
    }

    /// What a call from outside is followed by: the connection goes on, with what was held back.
    pub(super) fn go_on(&mut self, transport: &mut Transport<'_, App>) {
        self.settle(transport);
        if let Writing::Idle = self.writing {
            transport.resume();
        }
    }

    /// No request is read behind this one.
    pub(super) fn answer_at_last(&mut self) {
        match &mut self.writing {
            Writing::Owed(manner) | Writing::Said(manner) => manner.end_if(true),
            Writing::Flowing(flow) => flow.manner.end_if(true),
            Writing::Idle | Writing::Gone => {}
        }
    }

    // ── deadlines ───────────────────────────────────────────────────────────────────────────

    /// Another phase has begun. The timer is not touched, once a request or twice: it fires as often as the
    /// shortest phase may last, and so never later than this one is late.
    #[inline]
    pub(super) fn begin_phase(&mut self, transport: &mut Transport<'_, App>) {
        self.since = transport.registry().now();
    }

    /// Looks again when the phase may be late.
    fn look_later(&self, transport: &mut Transport<'_, App>, left: Duration) {
        transport.set_timer(DEADLINE, left.min(self.site.limits().shortest_phase()));
    }

    /// When the phase is late.
    fn deadline(&self) -> Option<Instant> {
        let limits = self.site.limits();
        let patience = match (&self.reading, &self.writing) {
            (_, Writing::Gone) => return None,
            (Reading::Body(intake), _) if intake.is_flowing() => {
                let seconds = intake.received / u64::from(limits.body_rate.max(1));
                limits.body_time + Duration::from_secs(seconds)
            }
            (_, Writing::Owed(_)) => limits.answer_time,
            // The loop's own rate watches over who takes an answer.
            (_, Writing::Flowing(_) | Writing::Said(_)) => return None,
            (Reading::Head { seen: 0 }, Writing::Idle) if self.number > 0 => limits.idle,
            (_, Writing::Idle) => limits.head_time,
        };
        self.since.checked_add(patience)
    }

    /// The phase is late.
    fn handle_late(&mut self, transport: &mut Transport<'_, App>) {
        match (&self.reading, &self.writing) {
            (Reading::Head { seen: 0 }, Writing::Idle) => self.leave(transport),
            (Reading::Body(intake), Writing::Owed(_)) if !intake.is_flowing() => {
                self.apologize(transport);
            }
            (Reading::Head { .. } | Reading::Over, Writing::Owed(_)) => self.apologize(transport),
            _ => self.refuse(transport, Refusal::Timeout),
        }
    }

    /// Nobody has answered.
    fn apologize(&mut self, transport: &mut Transport<'_, App>) {
        if let Writing::Owed(manner) = &mut self.writing {
            manner.end_if(true);
        }
        let mut exchange = Exchange::new(self, transport);
        exchange
            .answer(StatusCode::SERVICE_UNAVAILABLE)
            .text("No answer could be found in time.\n");
        self.settle(transport);
    }
}

impl<App: 'static> Protocol<App> for Session<App> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.begin_phase(transport);
        self.look_later(transport, Duration::MAX);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        loop {
            let going_on = match (&self.reading, &self.writing) {
                // It is the successor's, or thrown away by the closing connection.
                (_, Writing::Gone) => return,
                (Reading::Over, _) => {
                    input.take_all();
                    return;
                }
                (Reading::Body(_), _) => self.read_body(transport, input, app),
                (Reading::Head { .. }, _) if input.is_empty() => return,
                (&Reading::Head { seen }, Writing::Idle) => {
                    self.read_head(transport, input, app, seen)
                }
                (Reading::Head { .. }, _) => return transport.pause(),
            };
            if !going_on {
                return;
            }
            if !input.is_empty() && transport.queued_bytes() > transport.limits().outbox_high {
                // So many short requests have long answers: the rest waits until those have left.
                transport.pause();
                let resumed = transport.id();
                return transport.registry().defer(move |registry, _| {
                    // It may have ended.
                    let _ = registry.resume(resumed);
                });
            }
        }
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        match (&self.reading, &self.writing) {
            (_, Writing::Idle) | (Reading::Body(_), Writing::Said(_)) => self.leave(transport),
            // It was cut off: nobody is to act on half of it (RFC 9112, 8).
            (Reading::Body(_), _) => self.refuse(transport, Refusal::Length),
            (_, Writing::Owed(_)) if self.aside.kept().is_some_and(Kept::is_over_at_end) => {
                self.leave(transport);
            }
            // Who has asked and sends no more still waits for the answer.
            (Reading::Head { .. } | Reading::Over, _) => {
                self.reading = Reading::Over;
                self.answer_at_last();
            }
        }
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.fill(transport, app);
        self.go_on(transport);
    }

    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, file: SentFile, app: &mut App) {
        if let Some(record) = self.aside.record() {
            record.bytes += file.sent;
        }
        let Writing::Flowing(flow) = &mut self.writing else {
            return;
        };
        flow.files -= 1;
        if file.sent < file.requested {
            // It has become shorter meanwhile, and its length is promised.
            return self.abort(transport);
        }
        self.fill(transport, app);
        self.go_on(transport);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, _: TimerKey, _: &mut App) {
        let now = transport.registry().now();
        let left = match self.deadline() {
            Some(deadline) => deadline.saturating_duration_since(now),
            None => Duration::MAX,
        };
        self.look_later(transport, left);
        if left.is_zero() {
            self.handle_late(transport);
        }
    }

    /// The loop is shutting down. A connection without a request is closed. What is owed is waited for, as long as
    /// the grace is, and its answer is the last of its connection; a stream of
    /// [events](Exchange::answer_events) is finished. What is [kept](Exchange::keep) is
    /// [told](Kept::on_shutdown), and may answer.
    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Writing::Idle = self.writing {
            return self.leave(transport);
        }
        self.answer_at_last();
        if let Some(mut kept) = self.aside.take_kept() {
            kept.on_shutdown(&mut Exchange::new(self, transport), app);
            // It may have kept another in its place.
            if self.aside.kept().is_none() {
                self.aside.keep(kept);
            }
        }
        if let Writing::Flowing(flow) = &self.writing
            && flow.stage == Stage::Endless
        {
            Exchange::new(self, transport).finish();
        }
        self.settle(transport);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, _: &Closed, app: &mut App) {
        self.log(registry);
        if let Some(kept) = self.aside.take_kept() {
            kept.on_lost(registry, app);
        }
    }
}

impl<App> fmt::Debug for Session<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 8 bytes for who allocates it, what holds one of them is a multiple of 16.
    #[test]
    fn each_of_ten_thousand_idle_ones_is_small() {
        assert!(size_of::<Session<()>>() <= 72, "{}", size_of::<Session<()>>());
    }
}
