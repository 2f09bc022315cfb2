//! Calling the protocol of a stream, and doing what the call has brought about.
//!
//! ```text
//!   call ──▶ protocol ──┬── has written ─────────────────▶ uncork ──▶ kernel, or outbox
//!                       ├── has done more (attention) ───▶ attend: uncork, obey, hand over, settle
//!                       └── has panicked, or aborted ────▶ cut: the connection ends
//! ```

use std::any::Any;

use super::{Step, Visit};
use crate::id::Key;
use crate::offload::panic_message;
use crate::registry::{Protocol, Registry};
use crate::source::Connection;
use crate::stream::{Outcome, Transport};
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, TimerKey};

impl<App> Visit<'_, App> {
    /// Calls the protocol, then does what the call has brought about: sends what it wrote, obeys
    /// what it was told by its id, hands over to its successor.
    #[inline(always)]
    pub(super) fn call(
        &mut self,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) -> Step {
        let id = ConnectionId(self.key);
        self.registry.ledger.trace_visit(id, || What::Called(callback));
        let Connection { stream, protocol } = &mut *self.connection;
        if !stream.is_open() {
            self.registry.ledger.attention = true;
            if !stream.can_write() {
                self.registry.cork.seal();
            }
        }
        let mut transport = Transport::new(id, stream, self.registry);
        let result = Registry::<App>::guarded(|| call(&mut **protocol, &mut transport, self.app));
        if let Err(panic) = result {
            return self.cut_off_panicked(callback, panic);
        }
        self.registry.ledger.trace(|| What::Returned(callback));
        if self.registry.ledger.attention {
            return self.attend();
        }
        self.uncork()
    }

    /// The callback is over: what it wrote leaves, or waits in the outbox.
    #[inline(always)]
    fn uncork(&mut self) -> Step {
        let Registry { cork, ledger, .. } = &mut *self.registry;
        cork.reset();
        let step = self.connection.stream.uncork(cork, ledger);
        if step.is_break() {
            // It must not reach whoever is called next.
            cork.clear();
        }
        step
    }

    /// The callback has done more than write, or the connection is in another state than open.
    #[cold]
    fn attend(&mut self) -> Step {
        let successor = match self.registry.outcome.take() {
            Some(Outcome::Ended(reason)) => return self.cut(reason),
            Some(Outcome::Replaced(protocol)) => Some(protocol),
            None => None,
        };
        // Taken first: what this connection was told must not be left to the next if a write fails.
        let orders = std::mem::take(&mut self.registry.orders);
        self.registry.ledger.attention = false;
        self.uncork()?;
        for order in orders {
            self.connection.stream.obey(self.key, order, &mut self.registry.ledger);
        }
        if let Some(protocol) = successor
            && !self.connection.stream.is_closed()
        {
            return self.succeed(protocol);
        }
        self.connection.stream.check_inbox()?;
        self.settle()?;
        if self.connection.stream.take_guard_note() {
            self.arm_guard();
        }
        Step::Continue(())
    }

    /// Another protocol takes over: it is told that the connection is open, and offered what is left.
    fn succeed(&mut self, protocol: Box<dyn Protocol<App>>) -> Step {
        let predecessor = std::mem::replace(&mut self.connection.protocol, protocol);
        // Dropping it is a user's code as well, and may panic.
        self.registry.run_task(|_| drop(predecessor));
        if !self.connection.stream.can_be_called() {
            return self.settle();
        }
        self.connection.stream.offer_again();
        self.come_again();
        self.announce()
    }

    fn cut_off_panicked(&mut self, callback: Callback, panic: Box<dyn Any + Send>) -> Step {
        self.registry.ledger.stats.panics += 1;
        self.registry.ledger.trace(|| What::Panicked(callback));
        self.cut(Box::new(CloseReason::Panicked(panic_message(&*panic))))
    }

    /// The callback has ended its connection: what it wrote, decided and was told is void.
    fn cut(&mut self, reason: Box<CloseReason>) -> Step {
        self.registry.cork.clear();
        self.registry.cork.reset();
        self.registry.ledger.attention = false;
        self.registry.orders.clear();
        self.registry.outcome = None;
        Step::Break(reason)
    }
}

impl<App> Registry<App> {
    /// Calls one callback of a connection that is in its slot, if it is open and not closing.
    pub(crate) fn call_by_key(
        &mut self,
        key: Key,
        app: &mut App,
        callback: Callback,
        call: impl FnOnce(&mut (dyn Protocol<App> + 'static), &mut Transport<'_, App>, &mut App),
    ) {
        self.visit(key, app, |visit| {
            if !visit.connection.stream.can_be_called() {
                return;
            }
            let step = visit.call(callback, call);
            // It may have been closed, and what was not read so far has to be out of the way.
            if visit.connection.stream.intake().is_some() {
                visit.come_again();
            }
            visit.finish(step);
        });
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
    pub(crate) fn handle_stream_timer(&mut self, key: Key, timer: TimerKey, app: &mut App) {
        self.call_by_key(key, app, Callback::Timer, |protocol, transport, app| {
            protocol.on_timer(transport, timer, app);
        });
    }
}
