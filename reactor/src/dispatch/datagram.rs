//! Datagram sockets: receive and send within a budget; no error ends them.

use std::io;

use crate::datagram::Received;
use crate::id::Key;
use crate::ledger::Scratch;
use crate::offload::panic_message;
use crate::registry::{DatagramProtocol, DatagramTransport, Registry};
use crate::source::{Socket, Source};
use crate::trace::{Callback, What};
use crate::{CloseReason, Datagram, SocketId, TimerKey};

/// Errors that a visit may bring beside its datagrams. Those of earlier datagrams come to an end, and
/// something may stand behind them; one that does not would keep the loop busy.
const ERRORS: usize = 64;

impl<App> Registry<App> {
    /// Does for a datagram socket what there is to do now.
    pub(super) fn handle_socket(
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
        while received < self.ledger.limits.datagram_budget && errors < ERRORS {
            if !socket.queue.can_receive() {
                return;
            }
            match socket.queue.receive(scratch, &mut self.ledger) {
                Received::Datagram(length, from) => {
                    received += 1;
                    let datagram = Datagram { bytes: &scratch[..length], from };
                    let callback = Callback::Datagram;
                    self.call_socket(key, socket, app, callback, |protocol, transport, app| {
                        protocol.on_datagram(transport, &datagram, app);
                    });
                }
                Received::Error(error) => {
                    errors += 1;
                    self.report(key, socket, app, &error);
                }
                Received::Nothing => return,
            }
        }
        if received == 0 {
            socket.queue.await_event();
        } else if socket.queue.can_receive() {
            socket.queue.make_ready(key, &mut self.ledger);
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
        } else if socket.queue.queued() == 0 {
            self.call_socket(key, socket, app, Callback::Drain, |protocol, transport, app| {
                protocol.on_drain(transport, app);
            });
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
        call: impl FnOnce(&mut dyn DatagramProtocol<App>, &mut DatagramTransport<'_, App>, &mut App),
    ) {
        let Socket { queue, protocol } = socket;
        if queue.is_closed() {
            return;
        }
        let id = SocketId(key);
        self.ledger.trace_visit(id, || What::Called(callback));
        let mut transport = DatagramTransport::new(id, queue, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        self.ledger.trace(|| match result {
            Ok(()) => What::Returned(callback),
            Err(_) => What::Panicked(callback),
        });
        for (bytes, to) in std::mem::take(&mut self.own_datagrams) {
            // Whoever sent it by the id is not there any more to be told; the counters are.
            let _ = queue.send(id, &bytes, to.as_ref(), &mut self.ledger);
        }
        let told_to_close = self.orders.drain(..).any(|order| order.is_close());
        let reason = match result {
            Ok(()) if told_to_close => CloseReason::Closed,
            Ok(()) => return,
            Err(panic) => {
                self.ledger.stats.panics += 1;
                CloseReason::Panicked(panic_message(&*panic))
            }
        };
        if queue.retire() {
            self.ledger.retired.push_back((key, Box::new(reason)));
        }
    }

    /// Calls one callback of a socket that is in its slot.
    pub(super) fn call_socket_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut dyn DatagramProtocol<App>, &mut DatagramTransport<'_, App>, &mut App),
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
    pub(super) fn handle_socket_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_socket_by_key(key, app, Callback::Timer, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
        });
    }
}
