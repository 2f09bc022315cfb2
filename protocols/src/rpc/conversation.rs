//! What is said on one connection, whatever carries it: calls of the other side are answered, and calls of
//! this side are told what came back.

use std::fmt;
use std::rc::Rc;

use reactor::{Address, ConnectionId, Registry};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Remote;
use super::answering::{Answering, Pending};
use super::channel::Channel;
use super::event::Event;
use super::place::Place;
use super::service::{Call, Caller, Done, Service, Slot};
use super::wire::{self, Message, Reply, Text, as_text};
use super::{Dialect, Error, dial};

/// ```text
///   text ─┬─ request ──▶ method ─┬─ at once ───────────▶ answer
///         │                      └─ later: Answering ──▶ answer, or too slow, or cancelled
///         ├─ response ─▶ Asking ──▶ whoever has called
///         └─ batch ────▶ each of these, and the answers in one array when the last is there
/// ```
///
/// While as many calls wait for their answers as [`Limits::calls`](crate::rpc::Limits::calls) allows, no more is
/// read.
pub(super) struct Conversation<App> {
    remote: Remote<App>,
    answering: Answering,
}

/// What belongs to one text while it is being dealt with.
struct Turn<'a, App> {
    service: &'a Service<App>,
    channel: &'a mut dyn Channel<App>,
    place: Place,
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

impl<App: 'static> Conversation<App> {
    pub(super) fn new(remote: Remote<App>) -> Self {
        Self { remote, answering: Answering::default() }
    }

    // ── what comes ──────────────────────────────────────────────────────────────────────────

    /// A text has come.
    pub(super) fn handle_text(
        &mut self,
        text: &[u8],
        channel: &mut dyn Channel<App>,
        app: &mut App,
    ) {
        let service = Rc::clone(self.remote.service());
        let mut out = service.scratch();
        let ceiling = service.limits().reply;
        let place = channel.place();
        let mut turn =
            Turn { service: &service, channel, place, app, out: &mut out, batch: None, ceiling };
        match self.read(text) {
            Ok(Text::One(message)) => self.handle_message(message, &mut turn),
            Ok(Text::Batch(members)) => self.handle_batch(&members, &mut turn),
            Err(error) => self.refuse(b"null", &error, &mut turn),
        }
        say(channel, &mut out);
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
            Text::Batch(_) if self.remote.encoding().dialect == Dialect::One => {
                Err(Error::invalid_request("version 1.0 has no batches"))
            }
            read => Ok(read),
        }
    }

    fn handle_message(&mut self, message: Message<'_>, turn: &mut Turn<'_, App>) {
        match message {
            Message::Request { id, method, params } if *method == *b"$/cancelRequest" => {
                self.handle_cancel(params, turn);
                self.reply(id, turn).result(&()).unwrap_or_default();
            }
            Message::Request { id, method, params } => {
                self.handle_request(id, &method, params, turn);
            }
            Message::Response { id, result } => {
                let connection = turn.place.connection();
                let registry = turn.channel.registry();
                self.remote.handle_response(registry, turn.app, connection, id, result);
            }
            Message::Invalid { id, why } => {
                self.refuse(id, &Error::invalid_request(why), turn);
            }
        }
    }

    fn handle_request(
        &mut self,
        id: Option<&[u8]>,
        method: &[u8],
        params: Option<&[u8]>,
        turn: &mut Turn<'_, App>,
    ) {
        let service = turn.service;
        let slot = match id {
            None => Slot::Nobody,
            Some(_) if self.is_full() => Slot::Full,
            Some(_) => Slot::Free(self.answering.next()),
        };
        let caller = Caller::Connection(&self.remote, turn.place);
        let registry = turn.channel.registry();
        let mut call = Call { registry, app: turn.app, caller, method, slot };
        let mut reply = Reply::new(turn.out, self.remote.encoding(), id, turn.ceiling);
        let error = match service.run(&mut call, params, &mut reply) {
            Ok(Done::Now) => None,
            Ok(Done::Later(claim)) => {
                let (Some(id), Slot::Free(number)) = (id, slot) else {
                    return;
                };
                let pending =
                    Pending { id: id.into(), method: method.into(), batch: turn.batch, claim };
                return self.keep_waiting(number, pending, turn);
            }
            Err(error) => Some(error),
        };
        if let Some(error) = &error {
            service.count(|counters| counters.failed += 1);
            reply.error(error);
        }
        service.tell(turn.app, || Event::Called {
            id: Some(turn.place.connection()),
            method: as_text(method),
            error: error.as_ref(),
        });
    }

    fn handle_batch(&mut self, members: &[&[u8]], turn: &mut Turn<'_, App>) {
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
                Err(error) => self.refuse(b"null", &error, turn),
            }
            if turn.out.len() == before + 1 {
                turn.out.truncate(before);
            }
        }
        self.answering.end_batch(number, turn.out);
    }

    /// A text, or a message, that there is nothing to be done about but to say so.
    fn refuse(&self, id: &[u8], error: &Error, turn: &mut Turn<'_, App>) {
        self.reply(Some(id), turn).error(error);
        self.remote.service().count(|counters| counters.invalid += 1);
        let id = turn.place.connection();
        self.remote.service().tell(turn.app, || Event::Invalid { id, error });
    }

    fn reply<'a>(&self, id: Option<&'a [u8]>, turn: &'a mut Turn<'_, App>) -> Reply<'a> {
        Reply::new(turn.out, self.remote.encoding(), id, turn.ceiling)
    }

    // ── calls that wait ─────────────────────────────────────────────────────────────────────

    /// Remembers a call until its answer comes, or its time is over.
    fn keep_waiting(&mut self, number: u64, pending: Pending, turn: &mut Turn<'_, App>) {
        let service = self.remote.service();
        let late = Error::new(Error::TOO_SLOW, "The answer took too long");
        match turn.channel.fail_after(service.limits().answer, number, late) {
            Ok(timer) => {
                service.count(|counters| counters.waiting += 1);
                // In a batch the comma stands there already.
                let at = turn.out.len().saturating_sub(1);
                self.answering.insert(number, pending, at, timer);
            }
            Err(_) => {
                pending.claim.make_void();
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
        channel: &mut dyn Channel<App>,
        app: &mut App,
    ) {
        let Some((pending, timer)) = self.answering.remove(number) else {
            return;
        };
        channel.registry().cancel(timer);
        pending.claim.make_void();
        let service = Rc::clone(self.remote.service());
        service.count(|counters| counters.waiting -= 1);
        let mut out = service.scratch();
        let mut reply = Reply::new(&mut out, self.remote.encoding(), Some(&pending.id), usize::MAX);
        let error = match result {
            Ok(text) => {
                // What a ticket hands over is JSON that it has written itself.
                reply.written(&text);
                None
            }
            Err(error) => {
                service.count(|counters| counters.failed += 1);
                reply.error(&error);
                Some(error)
            }
        };
        self.answering.settle(pending.batch, number, &mut out);
        say(channel, &mut out);
        service.put_back(out);
        let (id, method) = (Some(channel.id()), as_text(&pending.method));
        service.tell(app, || Event::Called { id, method, error: error.as_ref() });
        if self.answering.is_done() {
            channel.close();
        } else if !self.is_held() {
            channel.resume();
        }
    }

    /// The other side does not want to know any more. Which calls it means, its id tells: of two with the
    /// same id, both.
    fn handle_cancel(&mut self, params: Option<&[u8]>, turn: &mut Turn<'_, App>) {
        let cancel = params.and_then(|it| serde_json::from_slice::<Cancel<'_>>(it).ok());
        let Some(Cancel { id }) = cancel else {
            return;
        };
        for number in self.answering.with_id(id.get().as_bytes()) {
            turn.channel.fail(number, Error::new(Error::CANCELLED, "The call was cancelled"));
        }
    }

    pub(super) fn handle_progress(
        &mut self,
        number: u64,
        value: &str,
        channel: &mut dyn Channel<App>,
    ) {
        let Some(pending) = self.answering.get(number).filter(|_| channel.place().is_lasting())
        else {
            return;
        };
        let token = as_text(&pending.id);
        let params = format!("{{\"token\":{token},\"value\":{value}}}");
        let mut text = self.remote.encoding().request(None, "$/progress", &params);
        say(channel, &mut text);
    }

    /// Whether no more calls can be kept waiting.
    fn is_full(&self) -> bool {
        let service = self.remote.service();
        let limits = service.limits();
        self.answering.len() >= limits.calls
            || service.counters().waiting >= limits.calls_in_all as u64
    }

    /// Whether the other side is held back: its calls wait, and this one waits for nothing from it.
    pub(super) fn is_held(&self) -> bool {
        self.answering.len() >= self.remote.service().limits().calls && !self.remote.is_asking()
    }

    /// A text that is too long has been passed over, or nothing can be read any more: says so.
    pub(super) fn complain(
        &mut self,
        error: &Error,
        channel: &mut dyn Channel<App>,
        app: &mut App,
    ) {
        let service = Rc::clone(self.remote.service());
        let mut out = Vec::new();
        let place = channel.place();
        let mut turn =
            Turn { service: &service, channel, place, app, out: &mut out, batch: None, ceiling: 0 };
        self.refuse(b"null", error, &mut turn);
        say(channel, &mut out);
    }

    pub(super) fn too_long(&self) -> Error {
        let most = self.remote.service().limits().message;
        Error::new(Error::TOO_LONG, "The message is too long").with_data(&most)
    }

    /// Nobody waits for answers on a connection that has ended.
    pub(super) fn forget_calls(&mut self, registry: &mut Registry<App>) {
        let service = self.remote.service();
        for (pending, timer) in self.answering.take_all() {
            registry.cancel(timer);
            pending.claim.make_void();
            service.count(|counters| counters.waiting -= 1);
        }
    }

    // ── from its beginning to its end ───────────────────────────────────────────────────────

    /// There is a connection that both sides can speak on whenever they like.
    pub(super) fn handle_open(
        &mut self,
        peer: &Address,
        channel: &mut dyn Channel<App>,
        app: &mut App,
    ) {
        let service = self.remote.service();
        service.count(|counters| {
            counters.open += 1;
            counters.connections += 1;
        });
        service.tell(app, || Event::Opened { id: channel.id(), peer });
        let (id, hang_up) = (channel.id(), channel.hanging_up());
        dial::handle_open(&self.remote, channel.registry(), id, hang_up);
    }

    /// Whoever sends no more may wait for answers still, as `nc` does; the last of them closes.
    pub(super) fn handle_end(&mut self, channel: &mut dyn Channel<App>) {
        self.answering.close_when_empty();
        if self.answering.is_done() {
            channel.close();
        }
    }

    /// The loop ends: what is being answered is answered.
    pub(super) fn handle_shutdown(&mut self, channel: &mut dyn Channel<App>) {
        self.remote.with_dial(dial::Dial::give_up);
        self.handle_end(channel);
    }

    /// The connection has ended, or was never there.
    pub(super) fn handle_close(
        &mut self,
        ended: &Ended<'_>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let &Ended { id, peer, why, is_clean, was_open } = ended;
        self.forget_calls(registry);
        let service = Rc::clone(self.remote.service());
        for topic in self.remote.take_subscriptions() {
            service.leave_topic(topic, id, app);
        }
        if was_open {
            service.count(|counters| counters.open -= 1);
        }
        service.tell(app, || Event::Closed { id, peer, why, is_clean });
        dial::handle_close(&self.remote, registry, why);
    }

    pub(super) fn remote(&self) -> &Remote<App> {
        &self.remote
    }

    /// Whether calls of the other side wait for their answers.
    #[cfg(feature = "rpc-web")]
    pub(super) fn is_owing(&self) -> bool {
        self.answering.len() > 0
    }
}

/// How a connection has ended.
pub(super) struct Ended<'a> {
    pub(super) id: ConnectionId,
    pub(super) peer: &'a Address,
    pub(super) why: &'a str,
    pub(super) is_clean: bool,
    /// It may never have been.
    pub(super) was_open: bool,
}

/// Says a text, if there is one.
fn say<App>(channel: &mut dyn Channel<App>, text: &mut Vec<u8>) {
    if !text.is_empty() {
        channel.say(text);
    }
}

impl<App> fmt::Debug for Conversation<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("answering", &self.answering).finish_non_exhaustive()
    }
}
