//! What a program can tell a connection by its id, and ask of it, from anywhere.

use std::io;

use super::{Layer, Step, Stream, Transport};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::registry::{Order, Protocol, Registry};
use crate::slots::Found;
use crate::source::Source;
use crate::trace::{Callback, What};
use crate::{CloseReason, ConnectionId, ReachError, Stale, TimerKey};

impl<App> Registry<App> {
    /// Sends no more on a connection, as [`Transport::end`](crate::Transport::end) does: FIN
    /// follows what is queued, and the peer may go on.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn end(&mut self, id: ConnectionId) -> Result<(), Stale> {
        self.order(id, Order::End)
    }

    /// Closes a connection gracefully, as [`Transport::close`](crate::Transport::close) does.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn close(&mut self, id: ConnectionId) -> Result<(), Stale> {
        self.order(id, Order::Close)
    }

    /// Closes a connection without waiting for its peer, as [`Transport::release`](crate::Transport::release)
    /// does.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn release(&mut self, id: ConnectionId) -> Result<(), Stale> {
        self.order(id, Order::Release)
    }

    /// Resets a connection, as [`Transport::abort`](crate::Transport::abort) does.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn abort(&mut self, id: ConnectionId) -> Result<(), Stale> {
        self.order(id, Order::Abort)
    }

    /// Stops reading a connection, as [`Transport::pause`](crate::Transport::pause) does.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn pause(&mut self, id: ConnectionId) -> Result<(), Stale> {
        self.order(id, Order::Pause)
    }

    /// Goes on reading a connection that was paused: what a proxy does when its other side drains.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn resume(&mut self, id: ConnectionId) -> Result<(), Stale> {
        self.order(id, Order::Resume)
    }

    /// Reaches the protocol of a connection, with the transport that its callbacks have: what one
    /// connection has for another of the same program, a data connection for the session that asked
    /// for it, say. So what belongs to a connection can stay in its protocol, and needs no map of
    /// sessions in the application.
    ///
    /// `act` runs when no callback is on the stack, later in this turn or in the next, and not at all if
    /// the connection has closed by then, or runs another protocol. Several for one connection run in
    /// the order in which they were given.
    ///
    /// ```
    /// # use reactor::{ConnectionId, Input, Protocol, Registry, Transport};
    /// struct Session {
    ///     received: u64,
    /// }
    /// # impl<App> Protocol<App> for Session {
    /// # }
    ///
    /// /// An upload has arrived, on a connection of its own.
    /// fn uploaded<App: 'static>(session: ConnectionId, bytes: u64, registry: &mut Registry<App>) {
    ///     let told = registry.with(session, move |session: &mut Session, transport, _app| {
    ///         session.received += bytes;
    ///         transport.write(b"226 It has arrived.\r\n");
    ///     });
    ///     if told.is_err() {
    ///         println!("nobody waits for it any more");
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the connection has ended, or runs a protocol of another type. Of the one whose callback
    /// calls, that is only known later.
    pub fn with<P: Protocol<App> + 'static>(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut P, &mut Transport<'_, App>, &mut App) + 'static,
    ) -> Result<(), ReachError>
    where
        App: 'static,
    {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) if !connection.stream.is_closed() => {
                if connection.protocol.find::<P>().is_none() {
                    return Err(ReachError::OtherProtocol);
                }
            }
            Found::Running => {}
            _ => return Err(ReachError::Stale),
        }
        self.defer_call(move |registry, app| registry.call_typed(id.0, app, Callback::Task, act));
        Ok(())
    }

    /// As [`with`](Self::with), whatever its protocol is: lends `act` the connection's transport, with
    /// every verb that a callback has.
    ///
    /// ```
    /// # use reactor::{ConnectionId, Registry, StreamLimits};
    /// # use std::time::Duration;
    /// /// A guest who has paid may be silent for longer.
    /// fn paid<App: 'static>(guest: ConnectionId, registry: &mut Registry<App>) {
    ///     let _ = registry.with_transport(guest, |transport, _app| {
    ///         let idle_timeout = Some(Duration::from_secs(3_600));
    ///         let limits = StreamLimits { idle_timeout, ..transport.limits().clone() };
    ///         transport.set_limits(limits);
    ///     });
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the connection has ended.
    pub fn with_transport(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Transport<'_, App>, &mut App) + 'static,
    ) -> Result<(), Stale> {
        if !self.is_connected(id) {
            return Err(Stale);
        }
        self.defer_call(move |registry, app| {
            registry
                .call_by_key(id.0, app, Callback::Task, |_, transport, app| act(transport, app));
        });
        Ok(())
    }

    fn order(&mut self, id: ConnectionId, order: Order) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) if !connection.stream.is_closed() => {
                connection.stream.apply(id.0, order, &mut self.ledger);
            }
            Found::Running => {
                self.order_running(order);
            }
            _ => return Err(Stale),
        }
        Ok(())
    }

    /// Orders the connection whose callback is running: what it writes after that is dropped at once, as when
    /// its own [`Transport`] is told.
    fn order_running(&mut self, order: Order) {
        self.ledger.attention = true;
        if matches!(order, Order::Abort) {
            self.cork.clear();
        }
        if order.ends_sending() {
            self.cork.close();
        }
        self.orders.push(order);
    }

    /// Whether a connection is there and has not ended.
    #[must_use]
    pub fn is_connected(&self, id: ConnectionId) -> bool {
        match self.slots.get(id.0) {
            Some(Some(Source::Stream(connection))) => !connection.stream.is_closed(),
            // It is running.
            Some(None) => true,
            _ => false,
        }
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
        // Uncalled it is dropped when the connection is back in its slot: that is a user's code as well, and may panic.
        let mut call = Some(call);
        self.visit(key, app, |visit| {
            if !visit.connection.stream.can_be_called() {
                return;
            }
            let Some(call) = call.take() else { return };
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
            if let Some(protocol) = protocol.find() {
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

    /// Puts a layer on a connection that is not in a callback.
    pub(crate) fn wrap(&mut self, id: ConnectionId, layer: Box<dyn Layer>) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(id.0) {
            connection.stream.wrap(layer, &mut self.ledger);
            connection.stream.make_ready(id.0, &mut self.ledger);
        }
    }

    /// As [`wrap`](Self::wrap); one for which no layer could be made ends.
    pub(crate) fn wrap_or_end(&mut self, id: ConnectionId, layer: io::Result<Box<dyn Layer>>) {
        match layer {
            Ok(layer) => self.wrap(id, layer),
            Err(error) => self.retire(id, CloseReason::from_io(error)),
        }
    }

    /// Ends a connection that is not in a callback.
    pub(crate) fn retire(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Found::Here(Source::Stream(connection)) = self.slots.find(id.0) {
            connection.stream.retire(id.0, Box::new(reason), &mut self.ledger);
        }
    }
}

impl Stream {
    /// Carries out an order on a connection that is not in a callback.
    pub(super) fn apply(&mut self, key: Key, order: Order, ledger: &mut Ledger) {
        match order {
            // What follows a goodbye is dropped, as it is when the connection itself says it.
            Order::SendFile(piece) if !self.can_write() => {
                ledger.stats.discarded_bytes += piece.remaining;
            }
            Order::SendFile(piece) => match self.enqueue_file(ConnectionId(key), piece, ledger) {
                Step::Continue(()) => self.touch(key, ledger),
                Step::Break(reason) => self.retire(key, reason, ledger),
            },
            Order::End => {
                self.end();
                self.touch(key, ledger);
            }
            Order::Close => {
                self.close();
                self.touch(key, ledger);
            }
            Order::Release => {
                self.release();
                self.touch(key, ledger);
            }
            Order::Abort => self.retire(key, Box::new(CloseReason::Aborted), ledger),
            Order::Pause => {
                ledger.trace_of(ConnectionId(key), || What::Paused);
                self.pause();
            }
            Order::Resume => {
                if self.resume(ledger) {
                    ledger.trace_of(ConnectionId(key), || What::Resumed);
                    self.make_ready(key, ledger);
                }
            }
        }
    }
}
