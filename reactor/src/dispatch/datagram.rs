//! Datagram sockets: receive and send within a budget; no error ends them.

use std::io;

use crate::datagram::Received;
use crate::id::Key;
use crate::ledger::Scratch;
use crate::offload::panic_message;
use crate::registry::{DatagramProtocol, DatagramTransport, Registry};
use crate::source::{Socket, Source};
use crate::{CloseReason, Datagram, SocketId, TimerKey};

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
            self.call_socket(key, socket, app, |protocol, transport, app| {
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
        let mut has_received = false;
        for _ in 0..self.ledger.limits.datagram_budget {
            if !socket.queue.can_receive() {
                return;
            }
            match socket.queue.receive(scratch, &mut self.ledger) {
                Received::Datagram(length, from) => {
                    has_received = true;
                    let datagram = Datagram { bytes: &scratch[..length], from };
                    self.call_socket(key, socket, app, |protocol, transport, app| {
                        protocol.on_datagram(transport, &datagram, app);
                    });
                }
                Received::Error(error) => self.report(key, socket, app, &error),
                Received::Nothing => return,
            }
        }
        if !has_received {
            // Errors of earlier datagrams come to an end; one that does not would keep the loop busy.
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
            if let Err(error) = socket.queue.flush_one(&mut self.ledger) {
                self.report(key, socket, app, &error);
            }
        }
        if socket.queue.can_flush() {
            socket.queue.make_ready(key, &mut self.ledger);
        } else if socket.queue.queued() == 0 {
            self.call_socket(key, socket, app, |protocol, transport, app| {
                protocol.on_drain(transport, app);
            });
        }
    }

    /// Tells the protocol of an error that is not fatal.
    fn report(&mut self, key: Key, socket: &mut Socket<App>, app: &mut App, error: &io::Error) {
        self.call_socket(key, socket, app, |protocol, transport, app| {
            protocol.on_error(transport, error, app);
        });
    }

    /// Calls the protocol, unless the socket has been closed meanwhile.
    fn call_socket(
        &mut self,
        key: Key,
        socket: &mut Socket<App>,
        app: &mut App,
        call: impl FnOnce(&mut dyn DatagramProtocol<App>, &mut DatagramTransport<'_, App>, &mut App),
    ) {
        let Socket { queue, protocol } = socket;
        if queue.is_closed() {
            return;
        }
        let mut transport = DatagramTransport::new(SocketId(key), queue, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        for (bytes, to) in std::mem::take(&mut self.own_datagrams) {
            // Whoever sent it by the id is not there any more to be told; the counters are.
            let _ = queue.send(&bytes, to.as_ref(), &mut self.ledger);
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
        call: impl FnOnce(&mut dyn DatagramProtocol<App>, &mut DatagramTransport<'_, App>, &mut App),
    ) {
        let Some(mut source) = self.slots.take(key) else {
            return;
        };
        if let Source::Datagram(socket) = &mut source {
            self.call_socket(key, socket, app, call);
        }
        self.slots.put(key, source);
    }

    /// A timer of a datagram socket has come due.
    pub(super) fn handle_socket_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_socket_by_key(key, app, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
        });
    }
}
