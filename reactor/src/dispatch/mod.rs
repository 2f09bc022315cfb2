//! From events to callbacks, and the phases of a turn.
//!
//! Everything here takes a source out of its slot, calls its protocol with a transport that borrows
//! it directly, and puts it back: one look-up a dispatch. Only one source is ever out of its slot, so
//! an empty slot is that of the source whose callback is calling.

mod reap;
mod shutdown;
mod tasks;
mod timers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Registry;
use crate::datagram::SocketVisit;
use crate::id::{Key, Token};
use crate::ledger::Scratch;
use crate::net::{Events, Readiness};
use crate::source::Source;
use crate::stream::Visit;
use crate::trace::What;

impl<App> Registry<App> {
    /// Handles the events of one wait: finds the socket of each, and visits it.
    pub(crate) fn handle_events(&mut self, events: &Events, app: &mut App, scratch: &mut Scratch) {
        self.ledger.stats.events += events.len() as u64;
        self.ledger.trace_loop(|| What::TurnBegan { events: events.len() });
        for (token, readiness) in events.iter() {
            let Some(mut source) = self.slots.take_token(token) else {
                self.handle_other_token(token, app);
                continue;
            };
            let index = token.index();
            if let Some(connection) = source.connection() {
                Visit::new(index, connection, self, app).handle_readiness(readiness, scratch);
            } else {
                let key = self.slots.key_at(index);
                self.handle_other_source(key, &mut source, readiness, app, scratch);
            }
            self.slots.put(index, source);
        }
    }

    /// Handles an event of anything but a connection.
    #[inline(never)]
    fn handle_other_source(
        &mut self,
        key: Key,
        source: &mut Source<App>,
        readiness: Readiness,
        app: &mut App,
        scratch: &mut Scratch,
    ) {
        self.ledger.trace_visit(source.subject(key), || What::event(readiness));
        match source {
            // It ended earlier in this batch of events.
            Source::Datagram(socket) if socket.queue.is_closed() => {
                self.ledger.stats.stale_events += 1;
                self.ledger.trace(|| What::StaleEvent);
            }
            Source::Datagram(socket) => {
                socket.queue.note_readiness(readiness);
                SocketVisit::new(socket, self, app).handle(scratch);
            }
            Source::Listener(listener) => {
                listener.note_readiness(readiness);
                self.handle_listener(key, listener, app);
            }
            Source::Preface(preface) => self.handle_preface(key, preface),
            // It has no socket yet, of which an event could tell.
            Source::Stream(_) => {}
        }
    }

    /// Visits a source from the ready list.
    pub(crate) fn handle_ready(&mut self, key: Key, app: &mut App, scratch: &mut Scratch) {
        let Some(mut source) = self.slots.take(key) else { return };
        self.ledger.trace_visit(source.subject(key), || What::Visited);
        match &mut *source {
            Source::Stream(connection) => {
                connection.stream.unmake_ready();
                Visit::new(key.index(), connection, self, app).handle(scratch);
            }
            Source::Datagram(socket) => {
                socket.queue.is_ready = false;
                SocketVisit::new(socket, self, app).handle(scratch);
            }
            Source::Listener(listener) => {
                listener.is_ready = false;
                self.handle_listener(key, listener, app);
            }
            // It is visited when something has come.
            Source::Preface(_) => {}
        }
        self.slots.put(key.index(), source);
    }

    /// Handles an event of the loop's own, or one for a source that is gone.
    fn handle_other_token(&mut self, token: Token, app: &mut App) {
        if token == Token::WAKER {
            self.ledger.stats.wakeups += 1;
            self.ledger.trace_loop(|| What::Woken);
            self.has_mail = true;
            return;
        }
        #[cfg(all(unix, feature = "signals"))]
        if token == Token::SIGNAL {
            return self.handle_signals(app);
        }
        let _ = app;
        self.ledger.stats.stale_events += 1;
        self.ledger.trace_loop(|| What::StaleEvent);
    }

    /// Calls code of the program, and catches its panic: that ends one connection, say, but never the loop.
    pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> std::thread::Result<R> {
        catch_unwind(AssertUnwindSafe(call))
    }
}
