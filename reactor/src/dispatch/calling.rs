//! Calling the protocol of a stream, and doing what the call has brought about.
//!
//! ```text
//!   call ──▶ protocol ──┬── has written ─────────────────▶ uncork ──▶ kernel, or outbox
//!                       ├── has done more (attention) ───▶ attend: uncork, obey, hand over, settle
//!                       └── has panicked, or aborted ────▶ cut: the connection ends
//! ```

use std::any::Any;

use crate::id::Key;
use crate::ledger::SMALL;
use crate::offload::panic_message;
use crate::registry::{Outcome, Protocol, Registry, Transport};
use crate::source::{Connection, Source};
use crate::stream::Step;
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
        self.call_as::<true>(key, connection, app, callback, call)
    }

    /// As [`Self::call`], where it is known whether there is a trace. Without one it is the short way,
    /// which only a connection takes that is open.
    #[inline(always)]
    pub(super) fn call_as<const TRACED: bool>(
        &mut self,
        key: Key,
        connection: &mut Connection<App>,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) -> Step {
        if TRACED {
            self.ledger.trace_visit(ConnectionId(key), || What::Called(callback));
        }
        let Connection { stream, protocol } = connection;
        debug_assert!(TRACED || stream.is_open(), "it is_flowing");
        if TRACED && !stream.is_open() {
            self.ledger.attention = true;
            if !stream.can_write() {
                self.ledger.seal();
            }
        }
        let mut transport = Transport::new(ConnectionId(key), stream, self);
        let result = Self::guarded(|| call(&mut **protocol, &mut transport, app));
        if let Err(panic) = result {
            return self.cut_off_panicked(callback, panic);
        }
        if TRACED {
            self.ledger.trace(|| What::Returned(callback));
        }
        if self.ledger.attention {
            return self.attend(key, connection, app);
        }
        self.ledger.cork_limit = SMALL;
        connection.stream.uncork_as::<TRACED>(&mut self.ledger)
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
        self.ledger.unseal();
        connection.stream.uncork(&mut self.ledger)?;
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
    #[inline(never)]
    fn cut_off_panicked(&mut self, callback: Callback, panic: Box<dyn Any + Send>) -> Step {
        self.ledger.stats.panics += 1;
        self.ledger.trace(|| What::Panicked(callback));
        self.cut(Box::new(CloseReason::Panicked(panic_message(&*panic))))
    }

    /// The callback has ended its connection: what it wrote, decided and was told is void.
    #[cold]
    fn cut(&mut self, reason: Box<CloseReason>) -> Step {
        self.ledger.cork.clear();
        self.ledger.unseal();
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
