//! From readiness to callbacks: one file a kind of work.
//!
//! Everything here takes a source out of its slot, calls its protocol with a transport that borrows
//! it directly, and puts it back: one look-up a dispatch. Only one source is ever out of its slot, so
//! whoever finds a slot empty has found the one whose callback is calling.

mod datagram;
mod listener;
mod reap;
mod shutdown;
mod stream;
mod tasks;
mod timers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Registry;
use crate::id::{Key, Token};
use crate::net::Readiness;
use crate::offload::panic_message;
use crate::source::Source;

pub(crate) use shutdown::Shutdown;
pub use shutdown::{CutOff, ShutdownReport};

impl<App> Registry<App> {
    /// Handles one event of the poller.
    #[inline]
    pub(crate) fn handle_event(
        &mut self,
        token: Token,
        readiness: Readiness,
        app: &mut App,
        scratch: &mut [u8],
    ) {
        self.ledger.stats.events += 1;
        if let Some((key, source)) = self.slots.take_token(token) {
            self.handle_source(key, source, readiness, app, scratch);
        } else {
            self.handle_other_token(token, app);
        }
    }

    /// Visits a source that stands on the ready list.
    pub(crate) fn handle_ready(&mut self, key: Key, app: &mut App, scratch: &mut [u8]) {
        let Some(mut source) = self.slots.take(key) else {
            return;
        };
        match &mut source {
            Source::Listener(listener) => listener.is_ready = false,
            Source::Stream(connection) => connection.stream.unmake_ready(),
            Source::Datagram(socket) => socket.queue.unmake_ready(),
        }
        self.handle_source(key, source, Readiness::default(), app, scratch);
    }

    /// The one exhaustive match over kinds of sources.
    #[inline]
    fn handle_source(
        &mut self,
        key: Key,
        mut source: Source<App>,
        readiness: Readiness,
        app: &mut App,
        scratch: &mut [u8],
    ) {
        match &mut source {
            Source::Stream(connection) => {
                connection.stream.note_readiness(readiness);
                self.handle_stream(key, connection, app, scratch);
            }
            Source::Datagram(socket) => {
                socket.queue.note_readiness(readiness);
                self.handle_socket(key, socket, app, scratch);
            }
            Source::Listener(listener) => {
                listener.note_readiness(readiness);
                self.handle_listener(key, listener, app);
            }
        }
        self.slots.put(key, source);
    }

    /// An event of the loop's own, or of something that has ended earlier in the batch.
    #[cold]
    fn handle_other_token(&mut self, token: Token, app: &mut App) {
        if token == Token::WAKER {
            self.ledger.stats.wakeups += 1;
            self.has_mail = true;
            return;
        }
        #[cfg(all(unix, feature = "signals"))]
        if token == Token::SIGNAL {
            return self.handle_signals(app);
        }
        let _ = app;
        self.ledger.stats.stale_events += 1;
    }

    /// Calls what a user wrote. A panic ends what it was called for, and nothing else.
    #[inline]
    pub(crate) fn guarded<R>(call: impl FnOnce() -> R) -> Result<R, String> {
        catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panic_message(&*panic))
    }
}
