//! One request, and its answer.

use std::any::Any;
use std::fmt;
use std::fs::File;

use bytes::Bytes;
use http::StatusCode;
use reactor::{
    Address, ConnectionId, OffloadError, Protocol, ReachError, Registry, Transport, Uncoupled,
};
use thiserror::Error;

use super::receiving::{Gather, Taker};
use super::sending::Stage;
use super::session::{Reading, Writing};
use super::{Answer, Receiver, Session};
use crate::http::outgoing::{Framing, end_body, send_piece, write_piece};
use crate::http::wire::{Body, Refusal};

/// One request and its answer, lent for the time of a call.
pub struct Exchange<'e, 't, App> {
    pub(super) session: &'e mut Session<App>,
    pub(super) transport: &'e mut Transport<'t, App>,
    /// What has come, while the handler of its head is called.
    pub(super) input: &'e [u8],
    /// So much of it has been taken: the head at least.
    pub(super) taken: usize,
    /// So much more may be written in this call.
    pub(super) room: u64,
}

/// Names an exchange, so that it can be answered later: the connection, and which request of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId {
    connection: ConnectionId,
    number: u32,
}

impl ExchangeId {
    /// The connection.
    #[must_use]
    pub fn connection(self) -> ConnectionId {
        self.connection
    }
}

/// Why a connection could not change to another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotUpgraded {
    /// It has been answered already.
    #[error("the request has been answered already")]
    Answered,
    /// HTTP/1.0 has no upgrades (RFC 9110, 7.8).
    #[error("the request is HTTP/1.0")]
    Old,
    /// The request has a body that has not been read: where the new protocol begins cannot be known.
    #[error("the body of the request has not been read")]
    Body,
    /// The connection that it was to be coupled with has ended.
    #[error("the other connection has ended")]
    Gone,
}

/// What says that a connection changes to another protocol.
fn upgrade_fields<'a>(name: &'a str, more: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
    let both = [("Connection", &b"Upgrade"[..]), ("Upgrade", name.as_bytes())];
    both.iter().chain(more).copied().collect()
}

/// What a handler keeps with an exchange, to find it again when it answers [later](with).
///
/// ```
/// use std::any::Any;
///
/// use protocols::http::server::Kept;
/// use reactor::Registry;
///
/// /// Somebody waits for the next of something.
/// struct Waits(u64);
///
/// impl Kept<Vec<u64>> for Waits {
///     fn on_lost(self: Box<Self>, _: &mut Registry<Vec<u64>>, waiting: &mut Vec<u64>) {
///         waiting.retain(|number| *number != self.0);
///     }
/// }
/// ```
pub trait Kept<App>: Any {
    /// The connection has ended, or is closing, and nobody has taken this back ([`Exchange::take_kept`]).
    fn on_lost(self: Box<Self>, registry: &mut Registry<App>, app: &mut App);

    /// The loop is shutting down. The default waits: whoever owes the answer gives it, or the grace ends. What has no
    /// answer of its own, such as a request that waits for the next of something, is answered here; the connection
    /// is closed behind it, and [`on_lost`](Self::on_lost) comes as it would have anyhow. A stream of
    /// [events](Exchange::answer_events) may have a last one, and is finished behind this.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use protocols::http::server::{Exchange, Kept};
    /// # use reactor::Registry;
    /// # struct Waits;
    /// impl<App: 'static> Kept<App> for Waits {
    ///     fn on_shutdown(&mut self, exchange: &mut Exchange<'_, '_, App>, _: &mut App) {
    ///         exchange.answer(StatusCode::SERVICE_UNAVAILABLE).text("This server ends; ask again.\n");
    ///     }
    ///     # fn on_lost(self: Box<Self>, _: &mut Registry<App>, _: &mut App) {}
    /// }
    /// ```
    fn on_shutdown(&mut self, exchange: &mut Exchange<'_, '_, App>, app: &mut App) {
        let _ = (exchange, app);
    }

    /// The client sends no more. It may wait for the answer still, as `nc -N` does; more often it has closed, which
    /// looks the same until something is written to it. Whether to take it for gone: the connection is closed then,
    /// without an answer.
    fn is_over_at_end(&self) -> bool {
        false
    }
}

/// Answers an exchange, or goes on with its answer, from wherever one is. `act` runs when no callback is on
/// the stack, later in this turn or in the next, and not at all if the exchange is over by then.
///
/// # Errors
///
/// If the connection has ended, or has changed to another protocol.
pub fn with<App: 'static>(
    registry: &mut Registry<App>,
    id: ExchangeId,
    act: impl FnOnce(&mut Exchange<'_, '_, App>, &mut App) + 'static,
) -> Result<(), ReachError> {
    registry.with(id.connection, move |session: &mut Session<App>, transport, app| {
        session.enter(transport, app, id.number, act);
    })
}

impl<App: 'static> Session<App> {
    /// Somebody from elsewhere goes on with an exchange.
    fn enter(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        number: u32,
        act: impl FnOnce(&mut Exchange<'_, '_, App>, &mut App),
    ) {
        if self.is_at(number) {
            act(&mut Exchange::new(self, transport), app);
            self.go_on(transport);
        }
    }
}

impl<'e, 't, App> Exchange<'e, 't, App> {
    #[inline]
    pub(super) fn new(
        session: &'e mut Session<App>,
        transport: &'e mut Transport<'t, App>,
    ) -> Self {
        Self { session, transport, input: &[], taken: 0, room: u64::MAX }
    }

    // ── who and where ───────────────────────────────────────────────────────────────────────

    /// Its name, to [answer it later](with).
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        ExchangeId { connection: self.transport.id(), number: self.session.number }
    }

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> Address {
        self.transport.peer()
    }

    /// This end's address.
    #[must_use]
    pub fn local(&self) -> Address {
        self.transport.local()
    }

    /// Everything else that is registered with the loop.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.transport.registry()
    }

    /// Whether the request has yet to be answered.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        matches!(self.session.writing, Writing::Owed(_))
    }
}

impl<'e, 't, App: 'static> Exchange<'e, 't, App> {
    // ── answering ───────────────────────────────────────────────────────────────────────────

    /// Answers with this status; what is returned takes the fields, and the body.
    #[inline]
    pub fn answer(&mut self, status: StatusCode) -> Answer<'_, 'e, 't, App> {
        Answer::new(self, status)
    }

    /// An answer before the answer: 103 Early Hints, 102. Not to HTTP/1.0, which has none (RFC 9110, 15.2).
    pub fn hint(&mut self, status: StatusCode, fields: &[(&str, &[u8])]) {
        if let Writing::Owed(manner) = self.session.writing
            && !manner.is_old()
            && status.is_informational()
        {
            self.write_interim(status, fields);
        }
    }

    /// Runs blocking `work` on the loop's pool of threads, and `done` with its result on this exchange; not
    /// at all if it is over by then. A [shutdown](Registry::shutdown) waits for it.
    ///
    /// What goes wrong with the pool is answered here, as
    /// `rpc::Service::offloaded` has it for calls: 503 if too much other work waits
    /// ([`Limits::offloads`](reactor::Limits::offloads)), 500 if the work panics. An answer that has begun is cut
    /// off then, so that nobody takes it for whole.
    ///
    /// ```
    /// use http::StatusCode;
    /// use protocols::http::server::Site;
    ///
    /// let site: Site<()> = Site::new(|_request, exchange, _app| {
    ///     exchange.offload(
    ///         || std::fs::read_to_string("/etc/hostname"),
    ///         |exchange, _app, read| match read {
    ///             Ok(name) => exchange.answer(StatusCode::OK).text(&name),
    ///             Err(error) => exchange.answer(StatusCode::NOT_FOUND).text(&error.to_string()),
    ///         },
    ///     );
    /// });
    /// # drop(site);
    /// ```
    pub fn offload<R: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut Exchange<'_, '_, App>, &mut App, R) + 'static,
    ) {
        let number = self.session.number;
        let done = move |session: &mut Session<App>,
                         transport: &mut Transport<'_, App>,
                         app: &mut App,
                         result: Result<R, OffloadError>| {
            if transport.registry().is_shutting_down() {
                // The session is told when this is over, and the answer should say that it is the last.
                session.answer_at_last();
            }
            session.enter(transport, app, number, |exchange, app| match result {
                Ok(result) => done(exchange, app, result),
                Err(_) => exchange.fail(StatusCode::INTERNAL_SERVER_ERROR),
            });
        };
        if self.transport.offload(work, done).is_err() {
            self.fail(StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    /// Something is wrong on this side.
    fn fail(&mut self, status: StatusCode) {
        if !self.is_owed() {
            return self.abort();
        }
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                let answer = self.answer(status).field("Retry-After", "1");
                answer.text("Too much is going on; try again later.\n");
            }
            _ => self.answer(status).text("Something went wrong here.\n"),
        }
    }

    /// Keeps something until it is [taken back](Self::take_kept); if the connection ends before, it is told.
    /// There is room for one thing.
    pub fn keep(&mut self, kept: impl Kept<App>) {
        self.session.aside.keep(Box::new(kept));
    }

    /// What was [kept](Self::keep), if it is a `K`.
    #[must_use]
    pub fn take_kept<K: Kept<App>>(&mut self) -> Option<Box<K>> {
        let kept: &dyn Any = self.session.aside.kept()?;
        if !kept.is::<K>() {
            return None;
        }
        let kept: Box<dyn Any> = self.session.aside.take_kept()?;
        kept.downcast().ok()
    }

    /// Ends the connection so that nobody takes what was written for a whole answer.
    pub fn abort(&mut self) {
        self.session.abort(self.transport);
    }

    /// Hands the connection over to another protocol, with what has been read behind the request (RFC 9110,
    /// 7.8): answers 101 with `Upgrade: name` and these fields, and runs the new protocol's
    /// [`on_open`](Protocol::on_open) when this callback returns.
    ///
    /// # Errors
    ///
    /// See [`NotUpgraded`]; the request is still to be answered then, unless it has been.
    pub fn upgrade(
        &mut self,
        name: &str,
        fields: &[(&str, &[u8])],
        protocol: impl Protocol<App> + 'static,
    ) -> Result<(), NotUpgraded> {
        self.check_handing_over()?;
        let all = upgrade_fields(name, fields);
        self.hand_over(StatusCode::SWITCHING_PROTOCOLS, &all, protocol);
        Ok(())
    }

    /// Answers CONNECT with 200, and hands the connection over to what carries the tunnel.
    ///
    /// # Errors
    ///
    /// See [`NotUpgraded`].
    pub fn tunnel(&mut self, protocol: impl Protocol<App> + 'static) -> Result<(), NotUpgraded> {
        self.check_handing_over()?;
        self.hand_over(StatusCode::OK, &[], protocol);
        Ok(())
    }

    /// Hands the connection over to another one that speaks the new protocol already (RFC 9110, 7.8): answers 101
    /// with `Upgrade: name` and these fields, and [couples](Registry::couple) the two. What had been read behind
    /// the request goes along; `ended` is told of their end.
    ///
    /// # Errors
    ///
    /// See [`NotUpgraded`]; the request is still to be answered then, unless it has been.
    pub fn couple(
        &mut self,
        name: &str,
        fields: &[(&str, &[u8])],
        other: ConnectionId,
        ended: impl FnOnce(&mut Registry<App>, &mut App, Uncoupled) + 'static,
    ) -> Result<(), NotUpgraded> {
        self.check_handing_over()?;
        self.transport.couple(other, ended).map_err(|_| NotUpgraded::Gone)?;
        let all = upgrade_fields(name, fields);
        self.begin_handing_over(StatusCode::SWITCHING_PROTOCOLS, &all);
        Ok(())
    }

    fn check_handing_over(&self) -> Result<(), NotUpgraded> {
        match (&self.session.writing, &self.session.reading) {
            (Writing::Owed(manner), _) if manner.is_old() => Err(NotUpgraded::Old),
            (Writing::Owed(_), Reading::Body(_)) => Err(NotUpgraded::Body),
            (Writing::Owed(_), Reading::Head { .. } | Reading::Over) => Ok(()),
            _ => Err(NotUpgraded::Answered),
        }
    }

    fn hand_over(
        &mut self,
        status: StatusCode,
        fields: &[(&str, &[u8])],
        protocol: impl Protocol<App> + 'static,
    ) {
        self.begin_handing_over(status, fields);
        self.transport.replace(protocol);
    }

    fn begin_handing_over(&mut self, status: StatusCode, fields: &[(&str, &[u8])]) {
        if let Writing::Owed(manner) = self.session.writing
            && manner.is_expectant()
        {
            self.write_interim(StatusCode::CONTINUE, &[]);
        }
        self.write_interim(status, fields);
        if let Some(record) = self.session.aside.record() {
            record.status = status.as_u16();
        }
        self.session.hand_over(self.transport);
    }

    // ── the body of the request ─────────────────────────────────────────────────────────────

    /// Gathers the body, up to so many bytes, and gives it to `done`: at once if there is none, which is empty then,
    /// or if all of it has come with the head, as short ones do. A longer one is answered with 413.
    ///
    /// A body is given once. Whoever asks again, in `done` or later, gets an empty one, as if none had come.
    pub fn gather(
        &mut self,
        most: u64,
        app: &mut App,
        done: impl FnOnce(&mut Exchange<'_, '_, App>, &mut App, Vec<u8>) + 'static,
    ) {
        match self.take_whole_body(most) {
            Some(body) => done(self, app, body.to_vec()),
            None => self.receive(most, app, Gather { bytes: Vec::new(), done: Box::new(done) }),
        }
    }

    /// The body, if all of it has come with the head, and nobody has asked for it before. Whoever has sent it waits
    /// for no `100 Continue` any more (RFC 9110, 10.1.1).
    pub(crate) fn take_whole_body(&mut self, most: u64) -> Option<&'e [u8]> {
        let Reading::Body(intake) = &self.session.reading else {
            return None;
        };
        let (&Body::Length(length), Taker::Nobody) = (&intake.body, &intake.taker) else {
            return None;
        };
        let length = usize::try_from(length).ok().filter(|_| length <= most)?;
        let body = self.input.get(self.taken..)?.get(..length)?;
        drop(self.session.pass_body());
        self.taken += length;
        Some(body)
    }

    /// Has a receiver take the body as it comes, up to so many bytes; one that is longer is answered with
    /// 413. A client that waits for `100 Continue` gets it. Where there is no body, the receiver is told of
    /// its end at once.
    pub fn receive(&mut self, most: u64, app: &mut App, receiver: impl Receiver<App>) {
        let Reading::Body(intake) = &mut self.session.reading else {
            let none = Body::Length(0);
            return none.with_trailers(|trailers| Box::new(receiver).on_end(self, trailers, app));
        };
        if let Body::Length(length) = intake.body
            && length > most
        {
            return self.session.refuse(self.transport, Refusal::BodyTooLong);
        }
        if !matches!(intake.taker, Taker::Nobody) {
            return;
        }
        (intake.taker, intake.limit) = (Taker::Flowing(Box::new(receiver)), most);
        if std::mem::take(&mut intake.is_awaited) {
            self.write_interim(StatusCode::CONTINUE, &[]);
        }
        self.session.begin_phase(self.transport);
        self.transport.resume();
    }

    /// As many bytes as [`ServerLimits::request_body`](crate::http::ServerLimits::request_body) allows.
    #[must_use]
    pub fn usual_body(&self) -> u64 {
        self.session.site.limits().request_body
    }

    /// Takes no more of the body until [`resume`](Self::resume): it waits at the client. Its end is told right behind its
    /// last piece, held or not, since nothing has to come for it.
    pub fn hold(&mut self) {
        if let Reading::Body(intake) = &mut self.session.reading {
            intake.taker = match std::mem::replace(&mut intake.taker, Taker::Nobody) {
                Taker::Flowing(receiver) => Taker::Held(receiver),
                Taker::Called => Taker::CalledAndHeld,
                other => other,
            };
        }
    }

    /// Goes on taking the body.
    pub fn resume(&mut self) {
        if let Reading::Body(intake) = &mut self.session.reading {
            intake.taker = match std::mem::replace(&mut intake.taker, Taker::Nobody) {
                Taker::Held(receiver) => Taker::Flowing(receiver),
                Taker::CalledAndHeld => Taker::Called,
                other => other,
            };
            self.session.begin_phase(self.transport);
            self.transport.resume();
        }
    }

    // ── the body of the answer ──────────────────────────────────────────────────────────────

    /// Whether more should be written: what the client does not take waits in memory. It is false, too, when the
    /// connection has ended, while a file is on its way, and when one call of a [`Source`](super::Source) has
    /// written 256 KiB: it is called again in the next turn of the loop, when others have had theirs.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.room > 0 && self.session.has_room(self.transport)
    }

    /// Whether the answer's body is still being written.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(&self.session.writing, Writing::Flowing(flow) if flow.is_open())
    }

    /// Writes a piece of the body. What goes beyond a length that was promised is not written.
    pub fn write(&mut self, bytes: &[u8]) {
        let Some((framing, length)) = self.take(bytes.len() as u64) else {
            return;
        };
        let bytes = usize::try_from(length).ok().and_then(|length| bytes.get(..length));
        let mut scratch = self.session.site.borrow_scratch();
        write_piece(self.transport, &mut scratch, framing, bytes.unwrap_or_default());
        self.session.site.return_scratch(scratch);
        self.note_written(length);
    }

    /// As [`write`](Self::write), for bytes that are shared: large ones are not copied.
    pub fn send(&mut self, mut bytes: Bytes) {
        let Some((framing, length)) = self.take(bytes.len() as u64) else {
            return;
        };
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        send_piece(self.transport, framing, bytes);
        self.note_written(length);
    }

    fn write_chunk_size(&mut self, length: u64) {
        self.transport.write(format!("{length:x}\r\n").as_bytes());
    }

    /// Sends a part of a file as a piece of the body; what is written later comes behind it.
    pub fn send_file(&mut self, file: File, offset: u64, length: u64) {
        let Some((framing, length)) = self.take(length) else {
            return;
        };
        if length == 0 {
            return;
        }
        if framing == Framing::Chunks {
            self.write_chunk_size(length);
        }
        if let Writing::Flowing(flow) = &mut self.session.writing {
            flow.files += 1;
        }
        self.transport.send_file(file, offset, length);
        if framing == Framing::Chunks {
            self.transport.write(b"\r\n");
        }
    }

    /// The body is whole. If less was written than was promised, the connection is cut off, so that the
    /// client learns of it.
    pub fn finish(&mut self) {
        self.finish_with(&[]);
    }

    /// As [`finish`](Self::finish), with trailers, where the body goes in chunks.
    pub fn finish_with(&mut self, trailers: &[(&str, &[u8])]) {
        let Writing::Flowing(flow) = &mut self.session.writing else {
            return;
        };
        if !flow.is_open() {
            return;
        }
        flow.stage = Stage::Finished;
        let framing = flow.framing;
        let mut scratch = self.session.site.borrow_scratch();
        let is_whole = end_body(self.transport, &mut scratch, framing, trailers);
        self.session.site.return_scratch(scratch);
        if !is_whole {
            self.abort();
        }
    }

    /// How much of so many bytes is to be written; `None` if the answer has no body, or no more of it.
    fn take(&mut self, length: u64) -> Option<(Framing, u64)> {
        self.room = self.room.saturating_sub(length);
        match &mut self.session.writing {
            Writing::Flowing(flow) if flow.is_open() => {
                let taken = flow.framing.take(length);
                Some((flow.framing, taken))
            }
            _ => None,
        }
    }

    fn note_written(&mut self, length: u64) {
        if let Some(record) = self.session.aside.record() {
            record.bytes += length;
        }
    }
}

impl<App> fmt::Debug for Exchange<'_, '_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("id", &self.id()).finish_non_exhaustive()
    }
}
