//! One connection, as its own protocol sees it during a callback.

use std::borrow::Borrow;
use std::fmt;
use std::fs::File;
use std::io;
use std::time::Duration;

use bytes::Bytes;

use super::{Detached, Step, Stream, ended};
use crate::id::Key;
use crate::outbox::{FilePiece, Pressure};
use crate::registry::{Order, Protocol, Registry};
use crate::trace::{Callback, What};
use crate::{
    Address, CloseReason, ConnectionId, OffloadError, PostError, Stale, StreamLimits, TimerKey,
};

/// Shared bytes up to this size are cheaper to copy to the cork than to send on their own.
const COPY_UP_TO: usize = 4 * 1024;

/// One connection, lent to its protocol for the time of a callback.
///
/// ```
/// use reactor::{Input, Protocol, Transport};
///
/// /// Says everything back in capitals, until it has said enough.
/// struct Loud {
///     left: usize,
/// }
///
/// impl<App> Protocol<App> for Loud {
///     fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
///         let hello = format!("Hello {}\n", transport.peer());
///         transport.write(hello.as_bytes());
///     }
///
///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
///         let heard = input.take_all();
///         transport.write(&heard.to_ascii_uppercase());
///         self.left = self.left.saturating_sub(heard.len());
///         if self.left == 0 {
///             // What was written leaves first.
///             transport.close();
///         }
///     }
/// }
/// ```
pub struct Transport<'a, App> {
    /// Of its connection's slot.
    index: usize,
    pub(super) stream: &'a mut Stream,
    pub(super) registry: &'a mut Registry<App>,
}

/// What a callback has decided for its connection.
pub(crate) enum Outcome<App> {
    /// Another protocol takes over.
    Replaced(Box<dyn Protocol<App>>),
    /// The connection has ended.
    Ended(Box<CloseReason>),
}

impl<'a, App> Transport<'a, App> {
    pub(crate) fn new(
        index: usize,
        stream: &'a mut Stream,
        registry: &'a mut Registry<App>,
    ) -> Self {
        Self { index, stream, registry }
    }

    /// This connection's id: keep it to reach the connection from elsewhere.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        ConnectionId(self.key())
    }

    /// The other end's address.
    #[must_use]
    #[doc(alias("peer_addr", "remote_addr"))]
    pub fn peer(&self) -> Address {
        self.stream.peer(&self.registry.ledger.peers)
    }

    /// This end's address.
    #[must_use]
    #[doc(alias("local_addr"))]
    pub fn local(&self) -> Address {
        self.stream.socket().local()
    }

    /// Everything else that is registered with the loop.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.registry
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Writes bytes. Small ones of one callback leave together when it returns; large ones leave at
    /// once; what the system does not take is queued. Order is always kept.
    ///
    /// What is written after [`close`](Self::close), [`end`](Self::end) or
    /// [`abort`](Self::abort) is dropped, and counted in
    /// [`Stats::discarded_bytes`](crate::Stats::discarded_bytes). A queue that would grow beyond
    /// [`StreamLimits::outbox`] ends the connection.
    pub fn write(&mut self, bytes: &[u8]) {
        if !self.registry.cork.gather(bytes) {
            self.write_through(bytes);
        }
    }

    /// A write that is not gathered as it is.
    ///
    /// A first one of middling size goes straight out, since copying it costs more than most callbacks save by
    /// waiting: they write once. What follows it in the same callback is gathered.
    // In line it has a callback that only gathers save registers for it, and so has what is seldom done in here.
    #[inline(never)]
    fn write_through(&mut self, bytes: &[u8]) {
        let Registry { cork, ledger, .. } = &mut *self.registry;
        if !cork.is_fresh() || !self.stream.is_plain() {
            return self.write_behind(bytes);
        }
        cork.outgrow();
        if let Err(result) = self.stream.transmit(bytes, ledger) {
            self.write_rest(bytes, result);
        }
    }

    #[cold]
    fn write_behind(&mut self, bytes: &[u8]) {
        let Registry { cork, ledger, .. } = &mut *self.registry;
        let step = self.stream.write_behind(bytes, cork, ledger);
        self.note(step);
    }

    #[cold]
    fn write_rest(&mut self, bytes: &[u8], result: io::Result<usize>) {
        let step = self.stream.transmit_rest(bytes, result, &mut self.registry.ledger);
        self.note(step);
    }

    /// As [`write`](Self::write), for bytes that are owned or shared: large ones are not copied. `into()` makes them of
    /// a `Vec`, a `String` or a literal, for nothing; of a slice that is only borrowed, [`write`](Self::write) copies
    /// what it must, and no more.
    pub fn send(&mut self, bytes: Bytes) {
        if bytes.len() <= COPY_UP_TO || !self.can_write() {
            return self.write(&bytes);
        }
        let Registry { cork, ledger, .. } = &mut *self.registry;
        let step = self.stream.send(bytes, cork, ledger);
        self.note(step);
    }

    /// Sends `length` bytes of a file from `offset`, behind everything written so far and before
    /// everything written later. On Linux the system copies them itself (`sendfile`); elsewhere a
    /// bounded buffer does. The file comes back in [`on_file_sent`](Protocol::on_file_sent).
    ///
    /// Reading the file may wait for the disk, and the loop with it. A file that ends early is
    /// reported there too; one that cannot be read ends the connection with
    /// [`CloseReason::FileFailed`].
    pub fn send_file(&mut self, file: File, offset: u64, length: u64) {
        if !self.can_write() {
            self.registry.ledger.stats.discarded_bytes += length;
            return;
        }
        let piece = FilePiece { file, offset, remaining: length, sent: 0 };
        let Registry { cork, ledger, .. } = &mut *self.registry;
        let step = self.stream.send_file(piece, cork, ledger);
        self.note(step);
        let key = self.key();
        self.stream.touch(key, &mut self.registry.ledger);
    }

    /// Whether what is written now is sent: the connection has not failed, nor has it been [closed](Self::close),
    /// [ended](Self::end) or [aborted](Self::abort). What is written afterwards is dropped, so that nothing is
    /// queued, and a loop that writes until the [pressure](Self::pressure) is high would go on for ever.
    #[must_use]
    pub fn can_write(&self) -> bool {
        !self.registry.cork.is_closed() && self.stream.can_write()
    }

    /// Bytes queued because the system has not taken them yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.stream.queued_bytes() + self.registry.cork.len()
    }

    /// Whether more is queued than [`StreamLimits::outbox_high`], with what this callback has written so far. Who
    /// stops then says [`pause_until_drained`](Self::pause_until_drained) of itself, or has
    /// [`Registry::when_drained`] tell when to go on: [`on_drain`](Protocol::on_drain) does not
    /// come if the system takes all of it when the callback returns.
    ///
    /// A peer that reads as fast as it is written to keeps it low: whoever has much to write, or no end of it, writes
    /// a bounded part in one callback, and has `when_drained` call it again, so that others have their turns.
    #[doc(alias("is_writable", "poll_ready"))]
    pub fn pressure(&self) -> Pressure {
        let is_high = self.queued_bytes() > self.limits().outbox_high;
        if is_high { Pressure::High } else { Pressure::Low }
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Bytes that were read and that the protocol has left unconsumed: what it did not come to while it was
    /// [paused](Self::pause), or the beginning of a message. Who ends the connection now drops them: they are no part
    /// of [`Closed::unsent`](crate::Closed::unsent), so [`on_shutdown`](Protocol::on_shutdown) looks here first.
    ///
    /// During `on_data` all of them are in its `Input`, and this is 0. What the system has not been asked for yet
    /// is not known here.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        self.stream.unread_bytes()
    }

    /// Whether this protocol wants to be given more of its input: it has neither [closed](Self::close) the connection
    /// nor [paused](Self::pause) it, nor handed it on, nor is it held until the peer has taken what is queued. Who cuts
    /// several messages out of one input asks before each, as [`ByLine`](crate::ByLine) does: what an earlier one has
    /// decided holds for those behind it.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let Registry { outcome, orders, .. } = &*self.registry;
        outcome.is_none() && !orders.iter().any(Order::ends_reading) && self.stream.wants_input()
    }

    /// Stops reading: the peer's data waits in the system's buffers, and then at the peer. Until
    /// [`resume`](Self::resume) there is no `on_data`, and no `on_end`, which comes behind the data.
    pub fn pause(&mut self) {
        self.registry.ledger.trace(|| What::Paused);
        self.stream.pause();
    }

    /// Goes on reading; what was left unconsumed is offered again. Where nothing was, no `on_data` comes before
    /// something new arrives.
    pub fn resume(&mut self) {
        if self.stream.resume(&self.registry.ledger) {
            self.registry.ledger.trace(|| What::Resumed);
            let key = self.key();
            self.stream.make_ready(key, &mut self.registry.ledger);
        }
    }

    /// Stops reading until what is queued for `receiver` has fallen to its
    /// [`outbox_low`](StreamLimits::outbox_low), or it has ended: what whoever passes bytes on does when
    /// [`Registry::send`] says [`Pressure::High`]. The receiver may be this connection itself, for a
    /// protocol whose answers are longer than the questions. What this callback leaves in its input is offered
    /// again then.
    ///
    /// It is [`pause`](Self::pause), with a [`resume`](Self::resume) that comes for certain: so
    /// a protocol that pauses for a reason of its own as well takes
    /// [`Registry::when_drained`], and resumes when both have passed.
    ///
    /// ```
    /// # use reactor::{Input, Protocol, Transport};
    /// /// Answers each byte with a page.
    /// struct Pages;
    ///
    /// impl<App> Protocol<App> for Pages {
    ///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
    ///         while !input.is_empty() {
    ///             if transport.pressure().is_high() {
    ///                 return transport.pause_until_drained(transport.id());
    ///             }
    ///             let page = vec![input.take_front(1)[0]; 4_096];
    ///             transport.write(&page);
    ///         }
    ///     }
    /// }
    /// ```
    pub fn pause_until_drained(&mut self, receiver: ConnectionId) {
        let id = self.id();
        let go_on = move |registry: &mut Registry<App>, _: &mut App, _: Result<(), Stale>| {
            // It may have ended meanwhile.
            let _ = registry.resume(id);
        };
        // A receiver that has ended holds nobody up.
        if self.registry.when_drained(receiver, go_on).is_ok() {
            self.pause();
        }
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// Sends no more: FIN follows what is queued. The peer may go on sending, and is read.
    #[doc(alias("shutdown"))]
    pub fn end(&mut self) {
        self.uncork();
        self.stream.end();
    }

    /// Closes gracefully: what is queued is sent, then FIN; what the peer still sends is thrown away
    /// until its FIN arrives, or [`StreamLimits::close_timeout`] has passed. No callback comes but
    /// [`on_close`](Protocol::on_close).
    pub fn close(&mut self) {
        self.uncork();
        self.stream.close();
    }

    /// Closes without waiting for the peer: as soon as the system has taken what is queued the connection
    /// has ended here, and [`on_close`](Protocol::on_close) comes. The system sends the rest, and FIN behind
    /// it, for as long as the peer takes it. There is a deadline for what is queued here only
    /// ([`StreamLimits::close_timeout`]).
    ///
    /// For connections on which nothing is expected: what the peer sends to a socket that is closed is
    /// answered with RST, and that may destroy what is still on its way to it (RFC 1122, 4.2.2.13). Where it
    /// may be in the middle of a word, [`close`](Self::close) hears it out.
    pub fn release(&mut self) {
        self.uncork();
        self.stream.release();
    }

    /// Resets the connection: RST at once, and what is queued is lost.
    pub fn abort(&mut self) {
        self.registry.cork.clear();
        self.stop_sending();
        self.note(ended(CloseReason::Aborted));
    }

    /// Takes the socket out of the loop, and hands it to `receiver` at the end of the turn, after
    /// [`on_close`](Protocol::on_close) with [`CloseReason::Detached`].
    pub fn detach(
        &mut self,
        receiver: impl FnOnce(Detached, &mut Registry<App>, &mut App) + 'static,
    ) {
        self.uncork();
        if !self.has_ended() {
            self.registry.detaching.push((self.key(), Box::new(receiver)));
            self.note(ended(CloseReason::Detached));
        }
    }

    // ── TLS ─────────────────────────────────────────────────────────────────────────────────

    /// What TLS has agreed upon with the peer, if the connection speaks it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<crate::tls::TlsSession<'_>> {
        self.stream.tls().map(crate::tls::TlsSession::new)
    }

    /// Begins TLS on a connection that is open, as the server or the client of it: STARTTLS, AUTH TLS.
    ///
    /// What was written so far leaves as it is. What is written from now on waits, and leaves through TLS.
    /// What has come and is not consumed when this callback returns belongs to the handshake: nothing that
    /// was sent without TLS is ever taken for something sent with it (CVE-2011-0411). When the handshake is
    /// over [`on_secure`](Protocol::on_secure) is called, with [`tls`](Self::tls) to ask; until then timers
    /// fire and messages arrive, and nothing is read. One that fails ends the connection with
    /// [`CloseReason::Tls`], [`Truncated`](CloseReason::Truncated) or
    /// [`HandshakeTimeout`](CloseReason::HandshakeTimeout).
    ///
    /// # Errors
    ///
    /// See [`StartTlsError`](crate::tls::StartTlsError). The connection goes on as it was.
    #[cfg(feature = "tls")]
    pub fn start_tls(
        &mut self,
        tls: &impl crate::tls::Tls,
    ) -> Result<(), crate::tls::StartTlsError> {
        let crate::tls::Made(engine) = tls.begin(&self.peer())?;
        self.send_gathered();
        if self.has_ended() {
            return Err(crate::tls::StartTlsError::Closing);
        }
        let key = self.key();
        let ledger = &mut self.registry.ledger;
        self.stream.start_layer(Box::new(engine), ledger)?;
        self.stream.make_ready(key, ledger);
        ledger.attention = true;
        Ok(())
    }

    // ── the rest ────────────────────────────────────────────────────────────────────────────

    /// Hands the connection to another protocol when this callback returns: its `on_open` is called,
    /// and what this one leaves unconsumed is offered to it. This one is dropped without `on_close`. If the loop is
    /// shutting down, the other is told so too ([`on_shutdown`](Protocol::on_shutdown)).
    pub fn replace(&mut self, protocol: impl Protocol<App> + 'static) {
        if !self.has_ended() {
            self.decide(Outcome::Replaced(Box::new(protocol)));
        }
    }

    /// Has [`on_timer`](Protocol::on_timer) called after a delay. A key that is set already moves.
    /// Timers end with the connection.
    ///
    /// ```
    /// use reactor::{Protocol, TimerKey, Transport};
    /// use std::time::Duration;
    ///
    /// const LOGIN: TimerKey = TimerKey(0);
    ///
    /// struct Session;
    ///
    /// impl<App> Protocol<App> for Session {
    ///     fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
    ///         // Whoever logs in has it cancelled.
    ///         transport.set_timer(LOGIN, Duration::from_secs(30));
    ///     }
    ///
    ///     fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, _: &mut App) {
    ///         if key == LOGIN {
    ///             transport.write(b"You took too long.\n");
    ///             transport.close();
    ///         }
    ///     }
    /// }
    /// ```
    pub fn set_timer(&mut self, key: TimerKey, after: Duration) {
        let source = self.key();
        let set = self.registry.set_source_timer(source, self.stream.timers_mut(), key, after);
        if set.is_err() {
            self.note(ended(CloseReason::TimersFull));
        }
    }

    /// Cancels a timer; whether it was set.
    pub fn cancel_timer(&mut self, key: TimerKey) -> bool {
        self.stream.timers().is_some()
            && self.registry.cancel_source_timer(self.stream.timers_mut(), key)
    }

    /// Runs blocking `work` on the loop's pool of threads, as [`Registry::offload`] does, and `done`
    /// with its result on this connection: with its protocol and its transport, as a callback. If the
    /// connection has closed by then, or runs another protocol, the result is dropped.
    ///
    /// A [shutdown](Registry::shutdown) waits for the answer, as long as its grace lasts:
    /// [`on_shutdown`](Protocol::on_shutdown) comes when the last piece of work is back and its `done` has been
    /// called, and until then the connection is not read.
    ///
    /// ```
    /// # use reactor::{Input, Protocol, Transport};
    /// struct Session {
    ///     lines: usize,
    /// }
    ///
    /// impl<App: 'static> Protocol<App> for Session {
    ///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
    ///         let path = String::from_utf8_lossy(input.take_all()).trim().to_owned();
    ///         let asked = transport.offload(
    ///             move || std::fs::read_to_string(path),
    ///             |session: &mut Self, transport, _app, text| match text {
    ///                 Ok(Ok(text)) => {
    ///                     session.lines += text.lines().count();
    ///                     transport.write(text.as_bytes());
    ///                 }
    ///                 Ok(Err(error)) => transport.write(error.to_string().as_bytes()),
    ///                 Err(_) => transport.close(),
    ///             },
    ///         );
    ///         if asked.is_err() {
    ///             transport.write(b"busy\n");
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PostError::Full`] as of [`Registry::offload`].
    #[doc(alias("spawn_blocking"))]
    pub fn offload<P: Protocol<App> + 'static, R: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut P, &mut Transport<'_, App>, &mut App, Result<R, OffloadError>) + 'static,
    ) -> Result<(), PostError<()>>
    where
        App: 'static,
    {
        let key = self.key();
        self.registry.submit_for(key, work, move |registry, app, result| {
            let done = |protocol: &mut P, transport: &mut Transport<'_, App>, app: &mut App| {
                done(protocol, transport, app, result);
            };
            registry.call_typed(key, app, Callback::Offloaded, done);
        })
    }

    /// What a proxy has said of this connection, if it came by way of one: see
    /// [`ListenOptions::proxy_protocol`](crate::ListenOptions::proxy_protocol). [`peer`](Self::peer) is the client.
    #[must_use]
    pub fn proxied(&self) -> Option<&crate::Proxied> {
        self.registry.proxied(self.id())
    }

    /// The limits of this connection.
    #[must_use]
    pub fn limits(&self) -> &StreamLimits {
        self.stream.limits()
    }

    /// Changes the limits of this connection alone: after a login, say. By value or by reference.
    pub fn set_limits(&mut self, limits: impl Borrow<StreamLimits>) {
        self.stream.set_limits(limits.borrow().clone());
        self.registry.ledger.attention = true;
    }

    /// Sets the socket's options anew.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_options(&mut self, options: &crate::StreamOptions) -> io::Result<()> {
        self.stream.socket().apply(options)
    }

    fn key(&self) -> Key {
        self.registry.slots.key_at(self.index)
    }

    /// The connection itself, for what only the loop's own protocols do.
    pub(super) fn stream(&mut self) -> &mut Stream {
        self.registry.ledger.attention = true;
        self.stream
    }

    /// Keeps what the protocol has not consumed of a fresh read.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.stream.io.keep(rest);
        self.registry.ledger.attention = true;
    }

    /// Sends or queues what the callback has written so far.
    pub(crate) fn send_gathered(&mut self) {
        let Registry { cork, ledger, .. } = &mut *self.registry;
        let step = self.stream.uncork(cork, ledger);
        self.note(step);
    }

    /// As [`Self::send_gathered`], before the state changes.
    fn uncork(&mut self) {
        self.send_gathered();
        self.stop_sending();
    }

    /// This connection sends no more.
    fn stop_sending(&mut self) {
        self.registry.cork.close();
        self.registry.ledger.attention = true;
    }

    /// Remembers the first reason for which the connection ended.
    fn note(&mut self, step: Step) {
        if let Step::Break(reason) = step {
            self.note_end(reason);
        }
    }

    fn note_end(&mut self, reason: Box<CloseReason>) {
        if !self.has_ended() {
            self.registry.cork.close();
            self.decide(Outcome::Ended(reason));
        }
    }

    fn decide(&mut self, outcome: Outcome<App>) {
        self.registry.outcome = Some(outcome);
        self.registry.ledger.attention = true;
    }

    fn has_ended(&self) -> bool {
        matches!(self.registry.outcome, Some(Outcome::Ended(_)))
    }
}

impl<App> fmt::Debug for Transport<'_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("id", &self.id()).finish_non_exhaustive()
    }
}
