//! One connection, and both roles on it: what the other side calls is answered, and what this side has
//! called is told.
//!
//! | file | what it is |
//! |---|---|
//! | `answering` | calls of the other side that wait for their answers, and the batches they are in |
//! | `asking` | calls of this side that wait for theirs |
//! | `remote` | the other side, as the program reaches it |

mod answering;
mod asking;
mod remote;

use std::fmt;
use std::rc::Rc;

use reactor::{Closed, ConnectionId, Input, Protocol, Registry, Transport};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::answering::{Answering, Pending};
pub(super) use self::asking::{Asking, Made};
pub use self::remote::{Batch, CallId, Remote};
use super::client;
use super::service::{Call, Caller, Done, Event, Slot};
use super::wire::{self, Encoding, Frame, Framer, Framing, Message, Reply, Text};
use super::{Error, Service};

/// The protocol of one connection.
///
/// ```text
///   text ─┬─ request ──▶ method ─┬─ at once ───────────▶ answer
///         │                      └─ later: Answering ──▶ answer, or too slow, or cancelled
///         ├─ response ─▶ Asking ──▶ whoever has called
///         └─ batch ────▶ each of these, and the answers in one array when the last is there
/// ```
///
/// While as many calls wait for their answers as [`Limits::calls`](super::Limits::calls) allows, the
/// connection is not read.
pub struct Peer<App> {
    remote: Remote<App>,
    framer: Framer,
    answering: Answering,
}

/// What belongs to one text while it is being dealt with.
struct Turn<'a, 't, App> {
    transport: &'a mut Transport<'t, App>,
    app: &'a mut App,
    /// The answers so far.
    out: &'a mut Vec<u8>,
    /// The batch that this is a part of.
    batch: Option<u64>,
    /// How long an answer may be.
    ceiling: usize,
}

/// What `$/cancelRequest` says (LSP 3.17, "Cancellation Support").
#[derive(Deserialize)]
struct Cancel<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

impl<App: 'static> Peer<App> {
    /// A server's side: nobody made this connection, so nobody makes it again.
    pub(super) fn new(service: Rc<Service<App>>, encoding: Encoding) -> Self {
        Self::of(Remote::new(service, encoding, None))
    }

    pub(super) fn of(remote: Remote<App>) -> Self {
        let framer = Framer::new(remote.encoding().framing, remote.service().limits().message);
        Self { remote, framer, answering: Answering::default() }
    }

    // ── what comes ──────────────────────────────────────────────────────────────────────────

    fn handle_text(&mut self, text: &[u8], transport: &mut Transport<'_, App>, app: &mut App) {
        let service = Rc::clone(self.remote.service());
        let mut out = service.scratch();
        let ceiling = service.limits().reply;
        let mut turn = Turn { transport, app, out: &mut out, batch: None, ceiling };
        match self.read(text) {
            Ok(Text::One(message)) => self.handle_message(message, &mut turn),
            Ok(Text::Batch(members)) => self.handle_batch(&members, &mut turn),
            Err(error) => self.refuse("null", &error, &mut turn),
        }
        self.send(transport, &mut out);
        service.put_back(out);
    }

    /// Reads a text, if it is within the limits.
    fn read<'a>(&self, text: &'a [u8]) -> Result<Text<'a>, Error> {
        let limits = self.remote.service().limits();
        match wire::read(text, self.remote.encoding().dialect, limits.depth)? {
            Text::Batch(members) if members.len() > limits.batch => {
                let error = Error::new(Error::BATCH_TOO_LONG, "The batch has too many members");
                Err(error.with_data(&limits.batch))
            }
            Text::Batch(members) if members.is_empty() => {
                Err(Error::invalid_request("a batch has no members"))
            }
            Text::Batch(_) if self.remote.encoding().dialect == super::Dialect::One => {
                Err(Error::invalid_request("version 1.0 has no batches"))
            }
            read => Ok(read),
        }
    }

    fn handle_message(&mut self, message: Message<'_>, turn: &mut Turn<'_, '_, App>) {
        match message {
            Message::Request { id, method, params } if method == "$/cancelRequest" => {
                self.handle_cancel(params, turn);
                self.reply(id, turn).result(&()).unwrap_or_default();
            }
            Message::Request { id, method, params } => {
                self.handle_request(id, &method, params, turn);
            }
            Message::Response { id, result } => {
                let connection = turn.transport.id();
                let registry = turn.transport.registry();
                self.remote.handle_response(registry, turn.app, connection, id, result);
            }
            Message::Invalid { id, why } => {
                self.refuse(id, &Error::invalid_request(why), turn);
            }
        }
    }

    fn handle_request(
        &mut self,
        id: Option<&str>,
        method: &str,
        params: Option<&str>,
        turn: &mut Turn<'_, '_, App>,
    ) {
        let service = Rc::clone(self.remote.service());
        let connection = turn.transport.id();
        let slot = match id {
            None => Slot::Nobody,
            Some(_) if self.is_full() => Slot::Full,
            Some(_) => Slot::Free(self.answering.next()),
        };
        let caller = Caller::Connection(&self.remote, connection);
        let registry = turn.transport.registry();
        let mut call = Call { registry, app: turn.app, caller, method, slot };
        let mut reply = Reply::new(turn.out, self.remote.encoding(), id, turn.ceiling);
        let error = match service.run(&mut call, params, &mut reply) {
            Ok(Done::Now) => None,
            Ok(Done::Later(ticket)) => {
                let (Some(id), Slot::Free(number)) = (id, slot) else {
                    return;
                };
                let pending =
                    Pending { id: id.into(), method: method.into(), batch: turn.batch, ticket };
                return self.keep_waiting(number, pending, turn);
            }
            Err(error) => Some(error),
        };
        if let Some(error) = &error {
            service.count(|counters| counters.failed += 1);
            reply.error(error);
        }
        let event = Event::Called { id: Some(connection), method, error: error.as_ref() };
        service.tell(turn.app, &event);
    }

    fn handle_batch(&mut self, members: &[&str], turn: &mut Turn<'_, '_, App>) {
        let number = self.answering.begin_batch();
        turn.batch = Some(number);
        // All together four times as much as one, so that a batch is no way around the limit.
        let most = turn.ceiling.saturating_mul(4);
        let (dialect, depth) =
            (self.remote.encoding().dialect, self.remote.service().limits().depth);
        for member in members {
            let before = turn.out.len();
            turn.out.push(b',');
            turn.ceiling = turn.ceiling.min(most.saturating_sub(before));
            match Message::read(member, dialect, depth) {
                Ok(message) => self.handle_message(message, turn),
                Err(error) => self.refuse("null", &error, turn),
            }
            if turn.out.len() == before + 1 {
                turn.out.truncate(before);
            }
        }
        self.answering.end_batch(number, turn.out);
    }

    /// A text, or a message, that there is nothing to be done about but to say so.
    fn refuse(&self, id: &str, error: &Error, turn: &mut Turn<'_, '_, App>) {
        self.reply(Some(id), turn).error(error);
        self.remote.service().count(|counters| counters.invalid += 1);
        let event = Event::Invalid { id: turn.transport.id(), error };
        self.remote.service().tell(turn.app, &event);
    }

    fn reply<'a>(&self, id: Option<&'a str>, turn: &'a mut Turn<'_, '_, App>) -> Reply<'a> {
        Reply::new(turn.out, self.remote.encoding(), id, turn.ceiling)
    }

    // ── calls that wait ─────────────────────────────────────────────────────────────────────

    /// Remembers a call until its answer comes, or its time is over.
    fn keep_waiting(&mut self, number: u64, pending: Pending, turn: &mut Turn<'_, '_, App>) {
        let service = self.remote.service();
        let connection = turn.transport.id();
        let timer = turn.transport.registry().after(service.limits().answer, move |registry, _| {
            let late = move |peer: &mut Self, transport: &mut Transport<'_, App>, app: &mut App| {
                let error = Error::new(Error::TOO_SLOW, "The answer took too long");
                peer.handle_answer(number, Err(error), transport, app);
            };
            // If it has ended nobody waits.
            let _ = registry.with(connection, late);
        });
        match timer {
            Ok(timer) => {
                service.count(|counters| counters.waiting += 1);
                self.answering.insert(number, pending, timer);
            }
            Err(_) => {
                pending.ticket.make_void();
                let error = Error::new(Error::BUSY, "There are no timers left");
                self.reply(Some(&pending.id), turn).error(&error);
            }
        }
    }

    /// The answer to a call that waits; one that does not wait any more is left alone.
    pub(super) fn handle_answer(
        &mut self,
        number: u64,
        result: Result<Vec<u8>, Error>,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) {
        let Some((pending, timer)) = self.answering.remove(number) else {
            return;
        };
        transport.registry().cancel(timer);
        pending.ticket.make_void();
        let service = Rc::clone(self.remote.service());
        service.count(|counters| counters.waiting -= 1);
        let mut out = service.scratch();
        let mut reply = Reply::new(&mut out, self.remote.encoding(), Some(&pending.id), usize::MAX);
        // What a ticket hands over is JSON that it has written itself.
        let text = result.map(|text| String::from_utf8(text).unwrap_or_default());
        let result = text.and_then(|text| RawValue::from_string(text).map_err(Error::internal));
        let error = result.and_then(|value| reply.result(&value)).err();
        if let Some(error) = &error {
            service.count(|counters| counters.failed += 1);
            reply.error(error);
        }
        self.answering.settle(pending.batch, &mut out);
        self.send(transport, &mut out);
        service.put_back(out);
        let id = Some(transport.id());
        service.tell(app, &Event::Called { id, method: &pending.method, error: error.as_ref() });
        if self.answering.is_done() {
            transport.close();
        } else if !self.is_held() {
            transport.resume();
        }
    }

    /// The other side does not want to know any more. Which calls it means, its id tells: of two with the
    /// same id, both.
    fn handle_cancel(&mut self, params: Option<&str>, turn: &mut Turn<'_, '_, App>) {
        let cancel = params.and_then(|it| serde_json::from_str::<Cancel<'_>>(it).ok());
        let Some(Cancel { id }) = cancel else {
            return;
        };
        let connection = turn.transport.id();
        for number in self.answering.with_id(id.get()) {
            let cancelled =
                move |peer: &mut Self, transport: &mut Transport<'_, App>, app: &mut App| {
                    let error = Error::new(Error::CANCELLED, "The call was cancelled");
                    peer.handle_answer(number, Err(error), transport, app);
                };
            // Its own callback is running, so that it is there.
            let _ = turn.transport.registry().with(connection, cancelled);
        }
    }

    pub(super) fn handle_progress(
        &mut self,
        number: u64,
        value: &str,
        transport: &mut Transport<'_, App>,
    ) {
        let Some(pending) = self.answering.get(number) else {
            return;
        };
        let params = format!("{{\"token\":{},\"value\":{value}}}", pending.id);
        let mut text = self.remote.encoding().request(None, "$/progress", &params);
        self.send(transport, &mut text);
    }

    /// Whether no more calls can be kept waiting.
    fn is_full(&self) -> bool {
        let service = self.remote.service();
        let limits = service.limits();
        self.answering.len() >= limits.calls
            || service.counters().waiting >= limits.calls_in_all as u64
    }

    /// Whether the other side is held back: its calls wait, and this one waits for nothing from it.
    fn is_held(&self) -> bool {
        self.answering.len() >= self.remote.service().limits().calls && !self.remote.is_asking()
    }

    /// Sends a text, if there is one.
    fn send(&self, transport: &mut Transport<'_, App>, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        match self.remote.encoding().framing {
            Framing::Lines => text.push(b'\n'),
            Framing::Bare => {}
            Framing::ContentLength => {
                let head = format!("Content-Length: {}\r\n\r\n", text.len());
                transport.write(head.as_bytes());
            }
        }
        transport.write(text);
    }

    /// A text that is too long has been passed over, or nothing can be read any more: says so.
    fn complain(&mut self, error: &Error, transport: &mut Transport<'_, App>, app: &mut App) {
        let mut out = Vec::new();
        let mut turn = Turn { transport, app, out: &mut out, batch: None, ceiling: 0 };
        self.refuse("null", error, &mut turn);
        self.send(transport, &mut out);
    }

    fn handle_broken(
        &mut self,
        why: wire::Broken,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) {
        let error = match why {
            wire::Broken::TooLong => self.too_long(),
            _ => Error::parse().with_data(&why.to_string()),
        };
        self.complain(&error, transport, app);
        self.remote.service().tell(app, &Event::Broken { id: transport.id(), why });
        transport.close();
    }

    fn too_long(&self) -> Error {
        let most = self.remote.service().limits().message;
        Error::new(Error::TOO_LONG, "The message is too long").with_data(&most)
    }

    /// Nobody waits for answers on a connection that has ended.
    fn forget_all(&mut self, id: ConnectionId, registry: &mut Registry<App>, app: &mut App) {
        let service = Rc::clone(self.remote.service());
        for (pending, timer) in self.answering.take_all() {
            registry.cancel(timer);
            pending.ticket.make_void();
            service.count(|counters| counters.waiting -= 1);
        }
        for topic in self.remote.take_subscriptions() {
            service.leave_topic(topic, id, app);
        }
    }
}

impl<App: 'static> Protocol<App> for Peer<App> {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let service = self.remote.service();
        service.count(|counters| {
            counters.open += 1;
            counters.connections += 1;
        });
        service.tell(app, &Event::Opened { id: transport.id(), peer: &transport.peer() });
        let id = transport.id();
        client::handle_open(&self.remote, transport.registry(), id);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        while !self.is_held() {
            match self.framer.next(input) {
                Frame::Whole(text) => self.handle_text(text, transport, app),
                Frame::Partial => return,
                Frame::TooLong => {
                    let error = self.too_long();
                    self.complain(&error, transport, app);
                }
                Frame::Broken(why) => {
                    input.take_all();
                    return self.handle_broken(why, transport, app);
                }
            }
        }
        transport.pause();
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        // Whoever sends no more may wait for answers still, as `nc` does; the last of them closes.
        self.answering.close_when_empty();
        if self.answering.is_done() {
            transport.close();
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.remote.with_dial(client::Dial::give_up);
        self.on_end(transport, app);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        self.forget_all(closed.id, registry, app);
        let service = Rc::clone(self.remote.service());
        if closed.opened {
            service.count(|counters| counters.open -= 1);
        }
        service.tell(app, &Event::Closed(closed));
        client::handle_close(&self.remote, registry, app, closed);
    }
}

impl<App> fmt::Debug for Peer<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("answering", &self.answering).finish_non_exhaustive()
    }
}
