//! Datagram sockets: receive and send within a budget; no error ends them.

use std::any::Any;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;

use super::deaf_peers::DeafPeers;
use super::{DatagramQueue, DatagramTransport, SocketClosed, note_error};
use crate::id::Key;
use crate::ledger::{Ledger, Scratch};
use crate::net::{AtOnce, Incoming};
use crate::offload::panic_message;
use crate::registry::{DatagramProtocol, Registry, Timed};
use crate::slots::Found;
use crate::source::{Socket, Source};
use crate::trace::{Callback, What};
use crate::{Address, CloseReason, Datagram, SocketId, TimerKey};

/// Errors that a visit may bring beside its datagrams. Those of earlier datagrams come to an end, and
/// something may stand behind them; one that does not would keep the loop busy.
const ERRORS: usize = 64;

/// A datagram socket that is being visited, out of its slot, with all that its methods need.
pub(crate) struct SocketVisit<'a, App> {
    pub(crate) protocol: &'a mut (dyn DatagramProtocol<App> + 'static),
    pub(crate) transport: DatagramTransport<'a, App>,
    pub(crate) app: &'a mut App,
}

impl<'a, App> SocketVisit<'a, App> {
    pub(crate) fn new(
        socket: &'a mut Socket<App>,
        registry: &'a mut Registry<App>,
        app: &'a mut App,
    ) -> Self {
        let Socket { queue, protocol } = socket;
        Self { protocol: &mut **protocol, transport: DatagramTransport { queue, registry }, app }
    }

    /// Does all that there is to do now.
    pub(crate) fn handle(&mut self, scratch: &mut Scratch) {
        if self.queue().is_closed() {
            return;
        }
        if self.queue().open() {
            self.call(Callback::Open, |it| it.protocol.on_open(&mut it.transport, it.app));
        }
        let has_failed = self.queue().has_failed();
        if has_failed {
            let DatagramTransport { queue, registry } = &mut self.transport;
            queue.recover(&registry.poller);
        }
        if self.queue().is_forgotten() {
            let DatagramTransport { queue, registry } = &mut self.transport;
            queue.listen_for_room(&registry.poller);
        }
        self.flush();
        if !self.queue().deaf.is_empty() {
            self.retry_deaf_peers();
        }
        self.receive(scratch);
        if has_failed
            && let Some(error) = self.with_ledger(|queue, ledger| queue.take_error(ledger))
        {
            self.report(&error);
        }
    }

    fn queue(&mut self) -> &mut DatagramQueue {
        self.transport.queue
    }

    fn with_ledger<R>(&mut self, act: impl FnOnce(&mut DatagramQueue, &mut Ledger) -> R) -> R {
        act(self.transport.queue, &mut self.transport.registry.ledger)
    }

    fn come_again(&mut self) {
        self.with_ledger(DatagramQueue::make_ready);
    }

    // ── receiving ───────────────────────────────────────────────────────────────────────────

    fn receive(&mut self, scratch: &mut Scratch) {
        let budget = self.transport.registry.ledger.limits.datagram_budget;
        let (mut left, mut errors) = (budget, ERRORS);
        while errors > 0
            && let Some(other) = self.receive_plain(scratch, &mut left)
        {
            match other {
                Ok(incoming) => left = left.saturating_sub(self.deliver_all(incoming, scratch)),
                Err(error) => errors -= self.receive_failed(&error),
            }
        }
        if left == budget {
            self.queue().await_event();
        } else if self.queue().can_receive() {
            self.come_again();
        }
    }

    /// Receives plain datagrams, each with its call, for as long as nothing else comes, or so many.
    fn receive_plain(
        &mut self,
        scratch: &mut Scratch,
        left: &mut usize,
    ) -> Option<io::Result<Incoming>> {
        while *left > 0 && self.queue().can_receive() {
            match self.queue().socket.receive_at_once(scratch) {
                AtOnce::V4(length, from) => self.deliver_plain(&scratch[..length], from.into()),
                AtOnce::V6(length, from) => self.deliver_plain(&scratch[..length], from.into()),
                AtOnce::Failed(error) => return Some(Err(error)),
                AtOnce::Otherwise => return Some(self.queue().socket.receive(scratch)),
            }
            *left -= 1;
        }
        None
    }

    /// Delivers a plain datagram: bytes and a sender.
    fn deliver_plain(&mut self, bytes: &[u8], from: SocketAddr) {
        // It owns nothing, so that there is nothing to drop.
        self.deliver(&ManuallyDrop::new(Datagram::plain(bytes, Address::Ip(from))));
    }

    /// Nothing was received: there is nothing for now, or it is the error of an earlier datagram, and the next call
    /// tells of what has arrived meanwhile. Returns how many errors that were.
    fn receive_failed(&mut self, error: &io::Error) -> usize {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.with_ledger(|_, ledger| ledger.trace(|| What::ReadBlocked));
            self.queue().await_event();
            return 0;
        }
        self.with_ledger(|_, ledger| note_error(error, ledger));
        self.report(error);
        1
    }

    fn deliver(&mut self, datagram: &Datagram<'_>) {
        let ledger = &mut self.transport.registry.ledger;
        let length = datagram.bytes.len();
        ledger.stats.datagrams_received += 1;
        ledger.stats.datagram_bytes_received += length as u64;
        ledger.trace(|| What::Received { bytes: length });
        self.call_open(Callback::Datagram, |it| {
            it.protocol.on_datagram(&mut it.transport, datagram, it.app);
        });
    }

    /// Delivers every datagram that has come by one call, and returns their number. If a callback closes the
    /// socket, those behind it are lost, as those are that wait in the socket.
    fn deliver_all(&mut self, incoming: Incoming, scratch: &Scratch) -> usize {
        let Incoming { length, stride, from, to, ecn, truncated } = incoming;
        let mut datagram = Datagram { bytes: &[], from, to, ecn, truncated };
        let (mut rest, mut delivered) = (&scratch[..length], 0);
        loop {
            // An empty datagram is one too, and has no stride.
            (datagram.bytes, rest) = rest.split_at(stride.min(rest.len()));
            self.deliver(&datagram);
            delivered += 1;
            if rest.is_empty() || self.queue().is_closed() {
                return delivered;
            }
        }
    }

    // ── sending ─────────────────────────────────────────────────────────────────────────────

    /// Sends what is queued.
    fn flush(&mut self) {
        if !self.queue().can_flush() {
            return;
        }
        for _ in 0..self.transport.registry.ledger.limits.datagram_budget {
            if !self.queue().can_flush() {
                break;
            }
            if let Err(error) = self.with_ledger(DatagramQueue::flush_one) {
                self.report(&error);
            }
        }
        if self.queue().can_flush() {
            self.come_again();
        } else {
            self.tell_if_drained();
        }
    }

    /// Tries again those peers whose time has come, and sets the timer for the others.
    fn retry_deaf_peers(&mut self) {
        for _ in 0..self.transport.registry.ledger.limits.datagram_budget {
            match self.with_ledger(DatagramQueue::retry_deaf) {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => self.report(&error),
            }
            if self.queue().is_closed() {
                return;
            }
        }
        let DatagramTransport { queue, registry } = &mut self.transport;
        match (queue.deaf.next_retry(), queue.deaf.timer) {
            (Some(tick), Some(timer)) => drop(registry.wheel.rearm(timer, tick)),
            // Beyond the timers' limit: it is what keeps the queue from standing still.
            (Some(tick), None) => {
                let retry = || Timed::Retry { socket: queue.id.0 };
                queue.deaf.timer = Some(registry.wheel.insert(tick, retry));
            }
            (None, _) => {
                registry.disarm_retry(&mut queue.deaf);
                self.tell_if_drained();
            }
        }
    }

    fn tell_if_drained(&mut self) {
        if !self.queue().has_queued() {
            self.call(Callback::Drain, |it| it.protocol.on_drain(&mut it.transport, it.app));
        }
    }

    // ── calling ─────────────────────────────────────────────────────────────────────────────

    /// Tells the protocol of an error that is not fatal.
    fn report(&mut self, error: &io::Error) {
        self.call(Callback::Error, |it| it.protocol.on_error(&mut it.transport, error, it.app));
    }

    /// Calls the protocol, unless the socket has been closed meanwhile.
    fn call(&mut self, callback: Callback, call: impl FnOnce(&mut Self)) {
        if !self.queue().is_closed() {
            self.call_open(callback, call);
        }
    }

    /// Calls the protocol of a socket that is known to be open.
    fn call_open(&mut self, callback: Callback, call: impl FnOnce(&mut Self)) {
        self.with_ledger(|queue, ledger| ledger.trace_visit(queue.id, || What::Called(callback)));
        let result = Registry::<App>::guarded(|| call(self));
        let ledger = &self.transport.registry.ledger;
        if let Err(panic) = result {
            ledger.trace(|| What::Panicked(callback));
            return self.attend(Some(panic));
        }
        ledger.trace(|| What::Returned(callback));
        if ledger.attention {
            self.attend(None);
        }
    }

    /// The callback has done more than send from its socket, or it has panicked.
    fn attend(&mut self, panic: Option<Box<dyn Any + Send>>) {
        let DatagramTransport { queue, registry } = &mut self.transport;
        let Registry { own_datagrams, orders, ledger, .. } = &mut **registry;
        ledger.attention = false;
        for (bytes, to) in std::mem::take(own_datagrams) {
            // The call that sent it by the id has returned, so only the counters tell.
            let _ = queue.send(&bytes, to.as_ref(), ledger);
        }
        let told_to_close = orders.drain(..).any(|order| order.is_close());
        let reason = match panic {
            None if told_to_close => CloseReason::Closed,
            None => return,
            Some(panic) => {
                ledger.stats.panics += 1;
                CloseReason::Panicked(panic_message(&*panic))
            }
        };
        queue.retire(reason, ledger);
    }
}

impl<App> Registry<App> {
    /// Cancels the timer of the next try: all is sent, or the socket has ended.
    pub(super) fn disarm_retry(&mut self, deaf: &mut DeafPeers) {
        deaf.timer.take().map(|timer| self.wheel.cancel(timer));
    }

    /// The timer of a socket's next try has fired.
    pub(crate) fn handle_retry(&mut self, key: Key, timer: Key) {
        self.wheel.cancel(timer);
        if let Found::Here(Source::Datagram(socket)) = self.slots.find(key) {
            socket.queue.deaf.timer = None;
            socket.queue.make_ready(&mut self.ledger);
        }
    }

    /// Calls one callback of a socket that is in its slot.
    pub(crate) fn call_socket_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut SocketVisit<'_, App>),
    ) {
        let Some(mut source) = self.slots.take(key) else {
            return;
        };
        // As of a connection: uncalled it is dropped when the socket is back in its slot.
        let mut call = Some(call);
        if let Source::Datagram(socket) = &mut *source
            && !socket.queue.is_closed()
            && let Some(call) = call.take()
        {
            SocketVisit::new(socket, self, app).call_open(callback, call);
        }
        self.slots.put(key.index(), source);
    }

    /// A timer of a datagram socket has come due.
    pub(crate) fn handle_socket_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_socket_by_key(key, app, Callback::Timer, |visit| {
            visit.protocol.on_timer(&mut visit.transport, timer, visit.app);
        });
    }

    /// Closes a socket that has ended, and calls `on_close`.
    pub(crate) fn dispose_socket(
        &mut self,
        key: Key,
        socket: Socket<App>,
        reason: CloseReason,
        app: &mut App,
    ) {
        let Socket { mut queue, protocol } = socket;
        self.cancel_timers(queue.timers);
        self.disarm_retry(&mut queue.deaf);
        let id = SocketId(key);
        self.ledger.trace_visit(id, || What::closed(&reason));
        // It fails only if the owner of a duplicate has taken it out already. Else that would have its events.
        let _ = queue.socket.deregister(&self.poller);
        let closed = SocketClosed { id, reason, unsent: queue.queued() };
        drop(queue);
        self.run_callback(Some(id.into()), Callback::Close, |registry| {
            // Dropped in here: that is a user's code as well, and may panic.
            let mut protocol = protocol;
            protocol.on_close(registry, &closed, app);
        });
    }
}
