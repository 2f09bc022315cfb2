//! Couples two connections: the loop passes on what each of them receives to the other.
//!
//! ```text
//!              ┌────────────────────────── the loop ──────────────────────────┐
//!   a's peer ──▶ a: read ── on_data ──▶ forward ──▶ kernel, or b's outbox      ├──▶ b's peer
//!              │      ▲                                   │                    │
//!              │      └── released when it has run empty ◀┘ held while it is high
//!   a's FIN  ──▶ a: on_end ───────────▶ b: end, behind all that is queued      ├──▶ FIN
//!              │                                                               │
//!              │            and the same from b to a                           │
//!              └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! Each of the two runs a protocol of the loop's own, [`Coupled`], which passes on what its callbacks are told.
//! What a stream has to know for it, few streams have: it is a [`Coupling`], out of the way of the others.
//!
//! The ends: a FIN passes as a FIN, so each side may go on after the other has finished. When both have, both
//! connections end cleanly. If one ends in another way, the other is reset: its peer must not take a part for
//! the whole.

mod coupled;
mod coupling;
mod dial;
mod forward;
mod splice;
mod uncoupled;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use thiserror::Error;

use super::{Outcome, State, Stream, Transport};
use crate::ConnectionId;
use crate::registry::Registry;
use crate::slots::Found;
use crate::source::Source;

use coupled::{Coupled, Tie};
pub(super) use coupling::Coupling;
pub use dial::NotCoupled;
pub use uncoupled::Uncoupled;

/// Two connections could not be coupled; both are as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CoupleError {
    /// This one has ended.
    #[error("{0} has ended")]
    Stale(ConnectionId),
    /// This one is closing, or sends no more.
    #[error("{0} is closing")]
    Closing(ConnectionId),
    /// This one is coupled already.
    #[error("{0} is coupled already")]
    Coupled(ConnectionId),
    /// A connection cannot be coupled with itself.
    #[error("{0} cannot be coupled with itself")]
    Itself(ConnectionId),
}

impl<App: 'static> Registry<App> {
    /// Couples two connections: from here on the loop passes on what either side says, as fast as the other
    /// takes it, and its end behind it. Their protocols are dropped without `on_close`; `ended` is called
    /// once, when both connections have ended.
    ///
    /// - **What was read and not consumed** goes along, so a protocol may look at the first bytes to find out
    ///   whom they are for. A connection that was paused goes on.
    /// - **Half-closes pass**: a FIN of one side is sent to the other behind all that came before it, and the
    ///   other may go on.
    /// - **An end that is none** (a reset, a deadline, an error) resets the other side too.
    /// - **A side that is still connecting** is sent what the other says once it is open. If connecting
    ///   fails the other is reset, so whoever has another address to try couples in `on_open`.
    /// - **Bounds**: what waits for one side is at most its
    ///   [`outbox_high`](crate::StreamLimits::outbox_high) and one read more; then the other is not read until it
    ///   has been sent. Each direction stands alone, whatever
    ///   [`outbox_holds_reading`](crate::StreamLimits::outbox_holds_reading) says.
    /// - **Deadlines** are those of each connection. Mind
    ///   [`close_timeout`](crate::StreamLimits::close_timeout): it begins when both sides have finished, and
    ///   whoever takes longer for the last bytes is reset.
    /// - **A shutdown** of the loop lets them finish, up to its grace.
    ///
    /// ```
    /// # use reactor::{Address, Closed, ConnectionId, Input, Protocol, Reactor, Registry, Transport};
    /// /// Connects each client to a backend.
    /// struct Front(Address);
    ///
    /// impl Protocol<()> for Front {
    ///     fn on_open(&mut self, client: &mut Transport<'_, ()>, _: &mut ()) {
    ///         client.pause();
    ///         let back = Back { client: client.id() };
    ///         if client.registry().connect(self.0.clone(), back).is_err() {
    ///             client.close();
    ///         }
    ///     }
    /// }
    ///
    /// struct Back {
    ///     client: ConnectionId,
    /// }
    ///
    /// impl Protocol<()> for Back {
    ///     fn on_open(&mut self, backend: &mut Transport<'_, ()>, _: &mut ()) {
    ///         let coupled = backend.couple(self.client, |_, _, ended| {
    ///             println!("{}: {} up", ended.second.peer, ended.second_to_first);
    ///         });
    ///         if coupled.is_err() {
    ///             backend.close();
    ///         }
    ///     }
    ///     /// The backend is down: coupled connections do not get here.
    ///     fn on_close(&mut self, registry: &mut Registry<()>, _: &Closed, _: &mut ()) {
    ///         let _ = registry.abort(self.client);
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::<()>::new()?;
    /// let backend: Address = "127.0.0.1:80".parse()?;
    /// reactor.registry().listen("127.0.0.1:0".parse()?, move |_, _| Front(backend.clone()))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If one of the two has ended, is closing, sends no more or is coupled already: see [`CoupleError`].
    pub fn couple(
        &mut self,
        first: ConnectionId,
        second: ConnectionId,
        ended: impl FnOnce(&mut Self, &mut App, Uncoupled) + 'static,
    ) -> Result<(), CoupleError> {
        if first == second {
            return Err(CoupleError::Itself(first));
        }
        self.may_couple(first)?;
        self.may_couple(second)?;
        self.ledger.pipes.enter();
        let tie = Rc::new(RefCell::new(Tie::new(Box::new(ended))));
        for (id, partner) in [(first, second), (second, first)] {
            let taken = Rc::new(Cell::new(0));
            tie.borrow_mut().expect(id, Rc::clone(&taken));
            self.tie(id, Coupled { partner, taken, tie: Rc::clone(&tie) });
        }
        // Later, when neither of them is running.
        self.defer_call(move |registry, _| {
            registry.begin_forwarding(first, second);
            registry.begin_forwarding(second, first);
        });
        Ok(())
    }

    fn may_couple(&mut self, id: ConnectionId) -> Result<(), CoupleError> {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) => connection.stream.may_couple(id),
            Found::Running if self.cork.is_closed() => Err(CoupleError::Closing(id)),
            Found::Running => Ok(()),
            _ => Err(CoupleError::Stale(id)),
        }
    }

    /// Gives a connection the protocol that passes on what it receives.
    fn tie(&mut self, id: ConnectionId, coupled: Coupled<App>) {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) => {
                connection.stream.couple(coupled.coupling());
                let before = std::mem::replace(&mut connection.protocol, Box::new(coupled));
                // Dropping it is a user's code as well, and may panic.
                self.run_task(|_| drop(before));
            }
            // It takes over when the callback returns, and is told so.
            _ => {
                self.outcome = Some(Outcome::Replaced(Box::new(coupled)));
                self.ledger.attention = true;
            }
        }
    }

    /// Passes on what a connection said before it was coupled.
    fn begin_forwarding(&mut self, id: ConnectionId, partner: ConnectionId) {
        let Found::Here(Source::Stream(connection)) = self.slots.find(id.0) else {
            return;
        };
        let stream = &mut connection.stream;
        if stream.is_closed() || stream.partner() != Some(partner.0) {
            return;
        }
        let unread = stream.io.take_unread();
        let has_ended = stream.state == State::PeerEnded;
        stream.flow(id.0, &mut self.ledger);
        if !unread.is_empty() && self.forward(id.0, partner.0, &unread).is_none() {
            return;
        }
        if has_ended {
            let _ = self.end(partner);
        }
    }
}

impl<App: 'static> Transport<'_, App> {
    /// Couples this connection, as the first, with another: see [`Registry::couple`]. It takes effect when the
    /// callback returns.
    ///
    /// # Errors
    ///
    /// If one of the two has ended, is closing, sends no more or is coupled already: see [`CoupleError`].
    pub fn couple(
        &mut self,
        other: ConnectionId,
        ended: impl FnOnce(&mut Registry<App>, &mut App, Uncoupled) + 'static,
    ) -> Result<(), CoupleError> {
        let id = self.id();
        self.stream().may_couple(id)?;
        self.registry().couple(id, other, ended)
    }
}

impl Stream {
    fn may_couple(&self, id: ConnectionId) -> Result<(), CoupleError> {
        if self.is_closed() {
            Err(CoupleError::Stale(id))
        } else if !self.can_write() {
            Err(CoupleError::Closing(id))
        } else if self.is_coupled() {
            Err(CoupleError::Coupled(id))
        } else {
            Ok(())
        }
    }
}
