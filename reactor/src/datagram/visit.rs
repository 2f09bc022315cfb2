//! Datagram sockets: receive and send within a budget; no error ends them.

use std::any::Any;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;

use super::deaf_peers::DeafPeers;
use super::{DatagramQueue, DatagramTransport, SocketClosed};
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

impl<App> Registry<App> {
    /// Does all that a datagram socket has to do now.
    pub(crate) fn handle_socket(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) {
        if socket.queue.is_closed() {
            return;
        }
        if socket.queue.open() {
            self.call_socket(key, socket, app, Callback::Open, |protocol, transport, app| {
                protocol.on_open(transport, app);
            });
        }
        let has_failed = socket.queue.has_failed();
        if has_failed {
            socket.queue.recover(key, &self.poller);
        }
        self.flush_socket(key, socket, app);
        if !socket.queue.deaf.is_empty() {
            self.retry_deaf_peers(key, socket, app);
        }
        self.receive(key, socket, app, scratch);
        if has_failed && let Some(error) = socket.queue.take_error(&mut self.ledger) {
            self.report(key, socket, app, &error);
        }
    }

    fn receive(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) {
        let (mut received, mut errors) = (0, 0);
        while received < self.ledger.limits.datagram_budget {
            if !socket.queue.can_receive() {
                return;
            }
            let outcome = match socket.queue.receive_at_once(scratch) {
                AtOnce::V4(length, from) => {
                    self.deliver_bytes(key, socket, app, &scratch[..length], from.into());
                    Ok(1)
                }
                AtOnce::V6(length, from) => {
                    self.deliver_bytes(key, socket, app, &scratch[..length], from.into());
                    Ok(1)
                }
                AtOnce::Failed(error) => Err(error),
                AtOnce::Otherwise => self.receive_thoroughly(key, socket, app, scratch),
            };
            match outcome {
                Ok(delivered) => received += delivered,
                Err(error) => {
                    if !socket.queue.receive_failed(&error, &mut self.ledger) {
                        return;
                    }
                    self.report(key, socket, app, &error);
                    errors += 1;
                    if errors == ERRORS {
                        break;
                    }
                }
            }
        }
        if received == 0 {
            socket.queue.await_event();
        } else if socket.queue.can_receive() {
            socket.queue.make_ready(key, &mut self.ledger);
        }
    }

    /// Delivers a plain datagram: bytes and a sender.
    fn deliver_bytes(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        bytes: &[u8],
        from: SocketAddr,
    ) {
        // It owns nothing, so that there is nothing to drop.
        let datagram = ManuallyDrop::new(Datagram::plain(bytes, Address::Ip(from)));
        self.deliver_datagram(key, socket, app, &datagram);
    }

    fn deliver_datagram(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        datagram: &Datagram<'_>,
    ) {
        let length = datagram.bytes.len();
        self.ledger.stats.datagrams_received += 1;
        self.ledger.stats.datagram_bytes_received += length as u64;
        self.ledger.trace(|| What::Received { bytes: length });
        self.call_open_socket(key, socket, app, Callback::Datagram, |protocol, transport, app| {
            protocol.on_datagram(transport, datagram, app);
        });
    }

    /// Receives once, delivers every datagram that came, and returns their number. If a callback closes the
    /// socket, the datagrams behind it are lost, as those are that wait in the socket.
    fn receive_thoroughly(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        let incoming = socket.queue.receive(scratch)?;
        let Incoming { length, stride, from, to, ecn, truncated } = incoming;
        let mut datagram = Datagram { bytes: &[], from, to, ecn, truncated };
        let (mut rest, mut delivered) = (&scratch[..length], 0);
        loop {
            // An empty datagram is one too, and has no stride.
            (datagram.bytes, rest) = rest.split_at(stride.min(rest.len()));
            self.deliver_datagram(key, socket, app, &datagram);
            delivered += 1;
            if rest.is_empty() || socket.queue.is_closed() {
                return Ok(delivered);
            }
        }
    }

    fn flush_socket(&mut self, key: Key, socket: &mut Socket<App>, app: &mut App) {
        if !socket.queue.can_flush() {
            return;
        }
        for _ in 0..self.ledger.limits.datagram_budget {
            if !socket.queue.can_flush() {
                break;
            }
            if let Err(error) = socket.queue.flush_one(SocketId(key), &mut self.ledger) {
                self.report(key, socket, app, &error);
            }
        }
        if socket.queue.can_flush() {
            socket.queue.make_ready(key, &mut self.ledger);
        } else if !socket.queue.has_queued() {
            self.call_socket(key, socket, app, Callback::Drain, |protocol, transport, app| {
                protocol.on_drain(transport, app);
            });
        }
    }

    /// Tries again those peers whose time has come, and sets the timer for the others.
    fn retry_deaf_peers(&mut self, key: Key, socket: &mut Socket<App>, app: &mut App) {
        for _ in 0..self.ledger.limits.datagram_budget {
            match socket.queue.retry_deaf(SocketId(key), &mut self.ledger) {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => self.report(key, socket, app, &error),
            }
            if socket.queue.is_closed() {
                return;
            }
        }
        match socket.queue.deaf.next_retry() {
            Some(tick) => self.arm_retry(key, &mut socket.queue.deaf, tick),
            None => {
                self.disarm_retry(&mut socket.queue.deaf);
                if !socket.queue.has_queued() {
                    self.call_socket(key, socket, app, Callback::Drain, |protocol, socket, app| {
                        protocol.on_drain(socket, app);
                    });
                }
            }
        }
    }

    fn arm_retry(&mut self, key: Key, deaf: &mut DeafPeers, tick: Tick) {
        match deaf.timer {
            Some(timer) => drop(self.wheel.rearm(timer, tick)),
            // Beyond the timers' limit: it is what keeps the queue from standing still.
            None => deaf.timer = Some(self.wheel.insert(tick, || Timed::Retry { socket: key })),
        }
    }

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

    /// Tells the protocol of an error that is not fatal.
    fn report(&mut self, key: Key, socket: &mut Socket<App>, app: &mut App, error: &io::Error) {
        self.call_socket(key, socket, app, Callback::Error, |protocol, transport, app| {
            protocol.on_error(transport, error, app);
        });
    }

    /// Calls the protocol, unless the socket has been closed meanwhile.
    fn call_socket(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(
            &mut (dyn DatagramProtocol<App> + 'static),
            &mut DatagramTransport<'_, App>,
            &mut App,
        ),
    ) {
        if !socket.queue.is_closed() {
            self.call_open_socket(key, socket, app, callback, call);
        }
    }

    /// Calls the protocol of a socket that is known to be open.
    fn call_open_socket(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(
            &mut (dyn DatagramProtocol<App> + 'static),
            &mut DatagramTransport<'_, App>,
            &mut App,
        ),
    ) {
        let Socket { queue, protocol } = socket;
        let id = SocketId(key);
        self.ledger.trace_visit(id, || What::Called(callback));
        let mut transport = DatagramTransport::new(id, queue, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        if let Err(panic) = result {
            self.ledger.trace(|| What::Panicked(callback));
            return self.attend_to_socket(key, queue, Some(panic));
        }
        self.ledger.trace(|| What::Returned(callback));
        if self.ledger.attention {
            self.attend_to_socket(key, queue, None);
        }
    }

    /// The callback has done more than send from its socket, or it has panicked.
    fn attend_to_socket(
        &mut self,
        key: Key,
        queue: &mut DatagramQueue,
        panic: Option<Box<dyn Any + Send>>,
    ) {
        self.ledger.attention = false;
        for (bytes, to) in std::mem::take(&mut self.own_datagrams) {
            // The call that sent it by the id has returned, so only the counters tell.
            let _ = queue.send(SocketId(key), &bytes, to.as_ref(), &mut self.ledger);
        }
        let told_to_close = self.orders.drain(..).any(|order| order.is_close());
        let reason = match panic {
            None if told_to_close => CloseReason::Closed,
            None => return,
            Some(panic) => {
                self.ledger.stats.panics += 1;
                CloseReason::Panicked(panic_message(&*panic))
            }
        };
        if queue.retire() {
            self.ledger.retired.push_back((key, Box::new(reason)));
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
        if let Source::Datagram(socket) = &mut source {
            self.call_socket(key, socket, app, callback, call);
        }
        self.slots.put(key, source);
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
