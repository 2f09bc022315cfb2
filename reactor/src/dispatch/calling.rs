//! Calling the protocol of a stream, and doing what the call has brought about.
//!
//! ```text
//!   call ──▶ protocol ──┬── has written ─────────────────▶ uncork ──▶ kernel, or outbox
//!                       ├── has done more (attention) ───▶ attend: uncork, obey, hand over, settle
//!                       └── has panicked, or aborted ────▶ cut: the connection ends
//! ```

use std::any::Any;

use crate::id::Key;
use crate::offload::panic_message;
use crate::registry::{Outcome, Protocol, Registry, Transport};
use crate::source::{Connection, Source};
use crate::stream::{Step, Stream};
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, TimerKey};

impl<App> Registry<App> {
    /// Calls the protocol, then does what the call has brought about: sends what it wrote, obeys
    /// what it was told by its id, hands over to its successor.
    #[inline(always)]
    pub(super) fn call(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) -> Step {
        self.ledger.trace_visit(ConnectionId(key), || What::Called(callback));
        let Connection { stream, protocol } = connection;
        if !stream.is_open() {
            self.ledger.attention = true;
            if !stream.can_write() {
                self.cork.seal();
            }
        }
        let mut transport = Transport::new(ConnectionId(key), stream, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        if let Err(panic) = result {
            return self.cut_off_panicked(callback, panic);
        }
        self.ledger.trace(|| What::Returned(callback));
        if self.ledger.attention {
            return self.attend(key, connection, app);
        }
        self.uncork(&mut connection.stream)
    }

    /// The callback is over: what it wrote leaves, or waits in the outbox.
    #[inline(always)]
    fn uncork(&mut self, stream: &mut Stream) -> Step {
        self.cork.reset();
        let step = stream.uncork(&mut self.cork, &mut self.ledger);
        if step.is_break() {
            // It must not reach whoever is called next.
            self.cork.clear();
        }
        step
    }

    /// The callback has done more than write, or the connection is in another state than open.
    #[cold]
    fn attend(&mut self, key: Key, connection: &mut Connection<App>, app: &mut App) -> Step {
        let successor = match self.outcome.take() {
            Some(Outcome::Ended(reason)) => return self.cut(reason),
            Some(Outcome::Replaced(protocol)) => Some(protocol),
            None => None,
        };
        // Taken first: what this connection was told must not be left to the next if a write fails.
        let orders = std::mem::take(&mut self.orders);
        self.ledger.attention = false;
        self.uncork(&mut connection.stream)?;
        for order in orders {
            self.obey(key, connection, order);
        }
        if let Some(protocol) = successor
            && !connection.stream.is_closed()
        {
            let predecessor = std::mem::replace(&mut connection.protocol, protocol);
            // Dropping it is a user's code as well, and may panic.
            self.run_task(|_| drop(predecessor));
            if !connection.stream.can_be_called() {
                return connection.stream.settle(&self.ledger);
            }
            connection.stream.offer_again();
            connection.stream.make_ready(key, &mut self.ledger);
            return self.announce(key, connection, app);
        }
        connection.stream.check_inbox()?;
        connection.stream.settle(&self.ledger)?;
        if connection.stream.take_guard_note() {
            self.arm_guard(key, &mut connection.stream);
        }
        Step::Continue(())
    }

    #[cold]
    fn cut_off_panicked(&mut self, callback: Callback, panic: Box<dyn Any + Send>) -> Step {
        self.ledger.stats.panics += 1;
        self.ledger.trace(|| What::Panicked(callback));
        self.cut(Box::new(CloseReason::Panicked(panic_message(&*panic))))
    }

    /// The callback has ended its connection: what it wrote, decided and was told is void.
    fn cut(&mut self, reason: Box<CloseReason>) -> Step {
        self.cork.clear();
        self.cork.reset();
        self.ledger.attention = false;
        self.orders.clear();
        self.outcome = None;
        Step::Break(reason)
    }

    /// Calls one callback of a connection that is in its slot, if it is open and not closing.
    pub(crate) fn call_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) {
        let Some(source) = self.slots.take(key) else {
            return;
        };
        let Source::Stream(mut connection) = source else {
            return self.slots.put(key, source);
        };
        if connection.stream.can_be_called() {
            let step = self.call(key, &mut connection, app, callback, call);
            // It may have been closed, and what was not read so far has to be out of the way.
            if connection.stream.intake().is_some() {
                connection.stream.make_ready(key, &mut self.ledger);
            }
            self.finish(key, &mut connection.stream, step);
        }
        self.slots.put(key, Source::Stream(connection));
    }

    /// As [`Self::call_by_key`], a protocol of this type; if it is another by now, nobody is called.
    pub(crate) fn call_typed<P: Protocol<App> + 'static>(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut P, &mut Transport<'_, App>, &mut App),
    ) where
        App: 'static,
    {
        self.call_by_key(key, app, callback, |protocol, transport, app| {
            if let Some(protocol) = protocol.as_any_mut().downcast_mut() {
                call(protocol, transport, app);
            }
        });
    }

    /// A timer of a connection has come due.
    pub(super) fn handle_stream_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_by_key(key, app, Callback::Timer, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
        });
    }
}
