//! Datagram sockets: receive and send within a budget; no error ends them.

use std::any::Any;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;

use super::deaf_peers::DeafPeers;
use super::{DatagramTransport, SocketClosed};
use crate::id::Key;
use crate::ledger::Scratch;
use crate::net::{AtOnce, Incoming};
use crate::offload::panic_message;
use crate::registry::{DatagramProtocol, Registry, Timed};
use crate::slots::Found;
use crate::source::{Socket, Source};
use crate::timer::Tick;
use crate::trace::{Callback, What};
use crate::{Address, CloseReason, Datagram, SocketId, TimerKey};

/// Errors that a visit may bring beside its datagrams. Those of earlier datagrams come to an end, and
/// something may stand behind them; one that does not would keep the loop busy.
const ERRORS: usize = 64;

/// A datagram socket that is being visited, out of its slot, with all that its methods need.
pub(crate) struct SocketVisit<'a, App> {
    key: Key,
    socket: &'a mut Socket<App>,
    registry: &'a mut Registry<App>,
    app: &'a mut App,
}

impl<'a, App> SocketVisit<'a, App> {
    pub(crate) fn new(
        key: Key,
        socket: &'a mut Socket<App>,
        registry: &'a mut Registry<App>,
        app: &'a mut App,
    ) -> Self {
        Self { key, socket, registry, app }
    }

    /// Does all that there is to do now.
    pub(crate) fn handle(&mut self, scratch: &mut Scratch) {
        if self.socket.queue.is_closed() {
            return;
        }
        if self.socket.queue.open() {
            self.call(Callback::Open, |protocol, transport, app| {
                protocol.on_open(transport, app);
            });
        }
        let has_failed = self.socket.queue.has_failed();
        if has_failed {
            self.socket.queue.recover(self.key, &self.registry.poller);
        }
        self.flush();
        if !self.socket.queue.deaf.is_empty() {
            self.retry_deaf_peers();
        }
        self.receive(scratch);
        if has_failed && let Some(error) = self.socket.queue.take_error(&mut self.registry.ledger) {
            self.report(&error);
        }
    }

    fn come_again(&mut self) {
        self.socket.queue.make_ready(self.key, &mut self.registry.ledger);
    }

    // ── receiving ───────────────────────────────────────────────────────────────────────────

    fn receive(&mut self, scratch: &mut Scratch) {
        let budget = self.registry.ledger.limits.datagram_budget;
        let (mut received, mut errors) = (0, 0);
        while received < budget {
            if !self.socket.queue.can_receive() {
                return;
            }
            let outcome = match self.socket.queue.socket.receive_at_once(scratch) {
                AtOnce::V4(length, from) => {
                    self.deliver_bytes(&scratch[..length], from.into());
                    Ok(1)
                }
                AtOnce::V6(length, from) => {
                    self.deliver_bytes(&scratch[..length], from.into());
                    Ok(1)
                }
                AtOnce::Failed(error) => Err(error),
                AtOnce::Otherwise => self.receive_thoroughly(scratch),
            };
            match outcome {
                Ok(delivered) => received += delivered,
                Err(error) => {
                    if !self.socket.queue.receive_failed(&error, &mut self.registry.ledger) {
                        return;
                    }
                    self.report(&error);
                    errors += 1;
                    if errors == ERRORS {
                        break;
                    }
                }
            }
        }
        if received == 0 {
            self.socket.queue.await_event();
        } else if self.socket.queue.can_receive() {
            self.come_again();
        }
    }

    /// Delivers a plain datagram: bytes and a sender.
    fn deliver_bytes(&mut self, bytes: &[u8], from: SocketAddr) {
        // It owns nothing, so that there is nothing to drop.
        self.deliver(&ManuallyDrop::new(Datagram::plain(bytes, Address::Ip(from))));
    }

    fn deliver(&mut self, datagram: &Datagram<'_>) {
        let ledger = &mut self.registry.ledger;
        let length = datagram.bytes.len();
        ledger.stats.datagrams_received += 1;
        ledger.stats.datagram_bytes_received += length as u64;
        ledger.trace(|| What::Received { bytes: length });
        self.call_open(Callback::Datagram, |protocol, transport, app| {
            protocol.on_datagram(transport, datagram, app);
        });
    }

    /// Receives once, delivers every datagram that came, and returns their number. If a callback closes the
    /// socket, the datagrams behind it are lost, as those are that wait in the socket.
    fn receive_thoroughly(&mut self, scratch: &mut Scratch) -> io::Result<usize> {
        let incoming = self.socket.queue.socket.receive(scratch)?;
        let Incoming { length, stride, from, to, ecn, truncated } = incoming;
        let mut datagram = Datagram { bytes: &[], from, to, ecn, truncated };
        let (mut rest, mut delivered) = (&scratch[..length], 0);
        loop {
            // An empty datagram is one too, and has no stride.
            (datagram.bytes, rest) = rest.split_at(stride.min(rest.len()));
            self.deliver(&datagram);
            delivered += 1;
            if rest.is_empty() || self.socket.queue.is_closed() {
                return Ok(delivered);
            }
        }
    }

    // ── sending ─────────────────────────────────────────────────────────────────────────────

    /// Sends what is queued.
    fn flush(&mut self) {
        if !self.socket.queue.can_flush() {
            return;
        }
        for _ in 0..self.registry.ledger.limits.datagram_budget {
            if !self.socket.queue.can_flush() {
                break;
            }
            let id = SocketId(self.key);
            if let Err(error) = self.socket.queue.flush_one(id, &mut self.registry.ledger) {
                self.report(&error);
            }
        }
        if self.socket.queue.can_flush() {
            self.come_again();
        } else {
            self.tell_if_drained();
        }
    }

    /// Tries again those peers whose time has come, and sets the timer for the others.
    fn retry_deaf_peers(&mut self) {
        for _ in 0..self.registry.ledger.limits.datagram_budget {
            match self.socket.queue.retry_deaf(SocketId(self.key), &mut self.registry.ledger) {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => self.report(&error),
            }
            if self.socket.queue.is_closed() {
                return;
            }
        }
        match self.socket.queue.deaf.next_retry() {
            Some(tick) => self.arm_retry(tick),
            None => {
                self.registry.disarm_retry(&mut self.socket.queue.deaf);
                self.tell_if_drained();
            }
        }
    }

    fn arm_retry(&mut self, tick: Tick) {
        let (wheel, deaf) = (&mut self.registry.wheel, &mut self.socket.queue.deaf);
        match deaf.timer {
            Some(timer) => drop(wheel.rearm(timer, tick)),
            // Beyond the timers' limit: it is what keeps the queue from standing still.
            None => deaf.timer = Some(wheel.insert(tick, || Timed::Retry { socket: self.key })),
        }
    }

    fn tell_if_drained(&mut self) {
        if !self.socket.queue.has_queued() {
            self.call(Callback::Drain, |protocol, transport, app| {
                protocol.on_drain(transport, app);
            });
        }
    }

    // ── calling ─────────────────────────────────────────────────────────────────────────────

    /// Tells the protocol of an error that is not fatal.
    fn report(&mut self, error: &io::Error) {
        self.call(Callback::Error, |protocol, transport, app| {
            protocol.on_error(transport, error, app);
        });
    }

    /// Calls the protocol, unless the socket has been closed meanwhile.
    fn call(
        &mut self,
        callback: Callback,
        call: impl FnOnce(
            &mut (dyn DatagramProtocol<App> + 'static),
            &mut DatagramTransport<'_, App>,
            &mut App,
        ),
    ) {
        if !self.socket.queue.is_closed() {
            self.call_open(callback, call);
        }
    }

    /// Calls the protocol of a socket that is known to be open.
    fn call_open(
        &mut self,
        callback: Callback,
        call: impl FnOnce(
            &mut (dyn DatagramProtocol<App> + 'static),
            &mut DatagramTransport<'_, App>,
            &mut App,
        ),
    ) {
        let Socket { queue, protocol } = &mut *self.socket;
        let id = SocketId(self.key);
        self.registry.ledger.trace_visit(id, || What::Called(callback));
        let mut transport = DatagramTransport::new(id, queue, self.registry);
        let result = Registry::<App>::guarded(|| call(&mut **protocol, &mut transport, self.app));
        if let Err(panic) = result {
            self.registry.ledger.trace(|| What::Panicked(callback));
            return self.attend(Some(panic));
        }
        self.registry.ledger.trace(|| What::Returned(callback));
        if self.registry.ledger.attention {
            self.attend(None);
        }
    }

    /// The callback has done more than send from its socket, or it has panicked.
    fn attend(&mut self, panic: Option<Box<dyn Any + Send>>) {
        let Registry { own_datagrams, orders, ledger, .. } = &mut *self.registry;
        let queue = &mut self.socket.queue;
        ledger.attention = false;
        for (bytes, to) in std::mem::take(own_datagrams) {
            // The call that sent it by the id has returned, so only the counters tell.
            let _ = queue.send(SocketId(self.key), &bytes, to.as_ref(), ledger);
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
        if queue.retire() {
            ledger.retired.push_back((self.key, Box::new(reason)));
        }
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
            socket.queue.make_ready(key, &mut self.ledger);
        }
    }

    /// Calls one callback of a socket that is in its slot.
    pub(crate) fn call_socket_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(
            &mut (dyn DatagramProtocol<App> + 'static),
            &mut DatagramTransport<'_, App>,
            &mut App,
        ),
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
            SocketVisit::new(key, socket, self, app).call_open(callback, call);
        }
        self.slots.put(key.index(), source);
    }

    /// A timer of a datagram socket has come due.
    pub(crate) fn handle_socket_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_socket_by_key(key, app, Callback::Timer, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
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
        queue.dispose(&self.poller);
        let closed = SocketClosed { id, reason, unsent: queue.queued() };
        drop(queue);
        self.run_callback(Some(id.into()), Callback::Close, |registry| {
            // Dropped in here: that is a user's code as well, and may panic.
            let mut protocol = protocol;
            protocol.on_close(registry, &closed, app);
        });
    }
}
