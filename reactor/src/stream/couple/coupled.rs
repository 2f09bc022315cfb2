//! The protocol of a coupled connection, and what the two connections share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::coupling::Coupling;
use super::uncoupled::Uncoupled;
use crate::outbox::Pressure;
use crate::{Closed, ConnectionId, Input, Protocol, Registry, Transport};

/// Passes on to its partner what its connection receives.
pub(super) struct Coupled<App> {
    pub(super) partner: ConnectionId,
    pub(super) taken: Rc<Cell<u64>>,
    pub(super) tie: Rc<RefCell<Tie<App>>>,
}

/// The closure that is told how both have ended, and the end of the first to do so.
pub(super) struct Tie<App> {
    told: Option<Told<App>>,
    sides: Vec<Side>,
}

type Told<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Uncoupled)>;

struct Side {
    id: ConnectionId,
    taken: Rc<Cell<u64>>,
    closed: Option<Closed>,
}

impl<App> Coupled<App> {
    pub(super) fn coupling(&self) -> Coupling {
        Coupling::new(self.partner.0, Rc::clone(&self.taken))
    }
}

impl<App> Protocol<App> for Coupled<App> {
    /// It was coupled by its own callback, which has returned.
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        let coupling = self.coupling();
        transport.stream().couple(coupling);
    }

    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        let id = transport.id();
        transport.stream().note_copied(input.len());
        match transport.registry().forward(id.0, self.partner.0, input) {
            Some(Pressure::Low) => {
                input.take_all();
            }
            Some(Pressure::High) => {
                input.take_all();
                transport.stream().hold();
            }
            // It takes nothing any more, and its end, which is about to be told, is ours too.
            None => transport.pause(),
        }
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        // If it has ended, its end is about to be told.
        let _ = transport.registry().end(self.partner);
    }

    /// What is under way is finished, up to the grace.
    fn on_shutdown(&mut self, _: &mut Transport<'_, App>, _: &mut App) {}

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let both = self.tie.borrow_mut().note(closed);
        if let Some((told, uncoupled)) = both {
            registry.ledger.pipes.leave();
            return told(registry, app, uncoupled);
        }
        // It may be about to end by itself, and have no ear for this.
        let _ = if closed.reason.is_clean() {
            registry.close(self.partner)
        } else {
            registry.abort(self.partner)
        };
    }
}

impl<App> Tie<App> {
    pub(super) fn new(told: Told<App>) -> Self {
        Self { told: Some(told), sides: Vec::with_capacity(2) }
    }

    /// Adds one of the two, the first first.
    pub(super) fn expect(&mut self, id: ConnectionId, taken: Rc<Cell<u64>>) {
        self.sides.push(Side { id, taken, closed: None });
    }

    /// Notes the end of one of the two; if the other has ended too, what to tell and to whom.
    fn note(&mut self, closed: &Closed) -> Option<(Told<App>, Uncoupled)> {
        let side = self.sides.iter_mut().find(|side| side.id == closed.id)?;
        side.closed = Some(closed.clone());
        let [first, second] = &self.sides[..] else { return None };
        let uncoupled = Uncoupled {
            first: first.closed.clone()?,
            second: second.closed.clone()?,
            first_to_second: second.taken.get(),
            second_to_first: first.taken.get(),
        };
        Some((self.told.take()?, uncoupled))
    }
}
