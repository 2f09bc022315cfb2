//! Listeners: accept within a budget, refuse, rest.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::{Accepted, Drained, Entrance, Listener, State};
use crate::id::Key;
use crate::net::{StreamSocket, is_out_of_descriptors, is_passing_accept_error};
use crate::registry::{Protocol, Registry, Timed};
use crate::source::Source;
use crate::stream::Origin;
use crate::trace::{Callback, Refusal, What};
use crate::{Address, CloseReason, ListenerId};

impl<App> Registry<App> {
    /// Accepts until the queue is empty, the budget is used up, or there is a reason to rest.
    pub(crate) fn handle_listener(
        &mut self,
        key: Key,
        listener: &mut Listener<App>,
        app: &mut App,
    ) {
        for _ in 0..self.ledger.limits.accept_budget {
            if !listener.can_accept() {
                return;
            }
            let rate = listener.rate;
            if let Some(Err(next)) = listener.rate.as_mut().map(|rate| rate.take(self.now())) {
                return self.rest(key, listener, next - self.now());
            }
            match listener.socket.accept(&listener.stream) {
                Ok((socket, peer)) => {
                    self.welcome(key, listener, socket, peer, app);
                    if listener.has_taken_too_many() {
                        return self.end_draining(key, listener, false);
                    }
                }
                // On poll(2), mio no longer knows a socket that has hung up.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotFound
                    ) && listener.has_hung_up() =>
                {
                    return self.end_listener(key, listener, io::ErrorKind::BrokenPipe.into());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Nobody came in for it.
                    listener.rate = rate;
                    listener.queue_is_empty();
                    self.end_draining(key, listener, true);
                }
                Err(error) if is_passing_accept_error(&error) => {
                    self.ledger.stats.accept_errors += 1;
                    self.ledger.trace(|| What::AcceptFailed(error.kind()));
                }
                // It listens no more.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return self.end_listener(key, listener, error);
                }
                Err(error) => return self.handle_accept_failure(key, listener, error),
            }
        }
        if listener.can_accept() {
            listener.make_ready(key, &mut self.ledger);
        }
    }

    /// Finds out for whom an accepted connection speaks, if it may be for somebody else.
    fn welcome(
        &mut self,
        key: Key,
        listener: &mut Listener<App>,
        socket: StreamSocket,
        peer: Address,
        app: &mut App,
    ) {
        match &listener.proxy_protocol {
            Some(expected) if expected.is_expected_of(&peer) => {
                if self.await_preface(ListenerId(key), socket, peer, expected.timeout) {
                    listener.entrance.awaited += 1;
                }
            }
            _ => {
                self.place(&mut listener.entrance, Accepted { socket, peer, proxied: None }, app);
            }
        }
    }

    /// Gives an accepted connection to the loop that is to have it.
    pub(super) fn place(
        &mut self,
        entrance: &mut Entrance<App>,
        accepted: Accepted,
        app: &mut App,
    ) {
        let kept = match &mut entrance.spread {
            Some(spread) => spread.place(accepted, self),
            None => Some(accepted),
        };
        if let Some(accepted) = kept {
            self.admit(entrance, accepted, app);
        }
    }

    /// Gives an accepted connection its protocol, or refuses it: dropping the socket closes it.
    pub(super) fn admit(
        &mut self,
        entrance: &mut Entrance<App>,
        accepted: Accepted,
        app: &mut App,
    ) {
        if self.connections >= self.ledger.limits.connections {
            return self.note_refused(Refusal::Full);
        }
        if entrance.layer.is_some()
            && self.ledger.handshakes.count() >= self.ledger.limits.handshakes
        {
            return self.note_refused(Refusal::Handshakes);
        }
        let counted = match (accepted.peer.ip(), self.ledger.limits.connections_per_address) {
            (Some(ip), Some(limit)) => {
                if !self.by_address.enter(ip, limit) {
                    return self.note_refused(Refusal::Address);
                }
                Some(ip)
            }
            _ => None,
        };
        // Asked last: a peer that is given a protocol is accepted, and the program may count on its end.
        if !self.admit_counted(entrance, accepted, counted.is_some(), app) {
            counted.into_iter().for_each(|ip| self.by_address.leave(ip));
        }
    }

    /// Asks the factory; whether there is a new connection.
    fn admit_counted(
        &mut self,
        entrance: &mut Entrance<App>,
        accepted: Accepted,
        counted: bool,
        app: &mut App,
    ) -> bool {
        let Accepted { socket, peer, proxied } = accepted;
        let Some(protocol) = self.call_factory(entrance, &peer, app) else {
            self.note_refused(Refusal::Factory);
            return false;
        };
        let limits = Rc::clone(&entrance.limits);
        let origin = Origin::Accepted { counted };
        let added = self.add_stream(socket, peer, origin, limits, protocol);
        if let Ok(id) = added {
            self.ledger.stats.accepted += 1;
            self.ledger.trace(|| What::Accepted(id));
            proxied.and_then(|proxied| self.proxied.insert(id.0, proxied));
            if let Some(layer) = &entrance.layer {
                self.wrap_or_end(id, layer());
            }
        } else {
            // It could not be registered: the system is short of memory, or the slots are full.
            self.note_refused(Refusal::Full);
        }
        added.is_ok()
    }

    /// Has the program make the protocol of a new connection; a panic is as good as a refusal.
    fn call_factory(
        &mut self,
        entrance: &mut Entrance<App>,
        peer: &Address,
        app: &mut App,
    ) -> Option<Box<dyn Protocol<App>>> {
        self.ledger.trace(|| What::Called(Callback::Factory));
        let Ok(protocol) = Self::guarded(|| (entrance.factory)(peer, app)) else {
            self.ledger.stats.panics += 1;
            self.ledger.trace(|| What::Panicked(Callback::Factory));
            return None;
        };
        self.ledger.trace(|| What::Returned(Callback::Factory));
        protocol
    }

    /// Counts a connection that is closed as soon as it was accepted.
    pub(super) fn note_refused(&mut self, refusal: Refusal) {
        let stats = &mut self.ledger.stats;
        *match refusal {
            Refusal::Full => &mut stats.refused_full,
            Refusal::Address => &mut stats.refused_address,
            Refusal::Factory => &mut stats.refused_by_factory,
            Refusal::Descriptors => &mut stats.refused_no_descriptor,
            Refusal::Handshakes => &mut stats.refused_handshakes,
            Refusal::Proxy(_) => &mut stats.refused_proxy,
        } += 1;
        self.ledger.trace(|| What::Refused(refusal));
    }

    /// `accept` failed for a reason that the next call would meet again.
    ///
    /// The connection that waits longest is refused with the spare descriptor, so that its peer learns of it;
    /// the others keep waiting. Without the rest a level-triggered loop would spin here; without the
    /// timer an edge-triggered one would never come back.
    fn handle_accept_failure(&mut self, key: Key, listener: &mut Listener<App>, error: io::Error) {
        self.ledger.stats.accept_errors += 1;
        self.ledger.trace(|| What::AcceptFailed(error.kind()));
        if is_out_of_descriptors(&error) && self.spare.release() {
            if let Ok((refused, _)) = listener.socket.accept(&listener.stream) {
                drop(refused);
                self.note_refused(Refusal::Descriptors);
            }
            self.spare.restore();
        }
        if let State::Draining(_) = listener.state {
            return self.end_draining(key, listener, false);
        }
        self.tell_of_accept_failure(ListenerId(key), error);
        self.rest(key, listener, self.ledger.limits.accept_rest);
        if !self.resting.contains(&key) {
            self.resting.push(key);
        }
    }

    /// Retires a listener that is being drained, if it is. The program is told at the end of the turn.
    fn end_draining(&mut self, key: Key, listener: &mut Listener<App>, is_empty: bool) {
        if let State::Draining(Drained { taken, .. }) = listener.state {
            listener.state = State::Drained(Drained { taken, is_empty });
            self.ledger.retired.push_back((key, Box::new(CloseReason::Closed)));
        }
    }

    /// Retires a listener whose socket was shut down by another process that has it. The program is told at the
    /// end of the turn.
    fn end_listener(&mut self, key: Key, listener: &mut Listener<App>, error: io::Error) {
        self.ledger.stats.accept_errors += 1;
        self.ledger.trace(|| What::AcceptFailed(error.kind()));
        let why = format!("somebody else has shut the listener down: {error}");
        let reason = CloseReason::Failed(io::Error::new(error.kind(), why));
        listener.state = State::Closed;
        self.ledger.retired.push_back((key, Box::new(reason)));
    }

    fn rest(&mut self, key: Key, listener: &mut Listener<App>, length: Duration) {
        self.ledger.stats.accept_rests += 1;
        self.ledger.trace(|| What::RestBegan);
        let tick = self.ledger.clock.tick_after(length);
        listener.state = State::Resting(self.wheel.insert(tick, || Timed::Rest { listener: key }));
    }

    /// Some descriptor has been freed: the listeners that rest for one may try again.
    pub(crate) fn wake_resting(&mut self) {
        self.spare.restore();
        for key in std::mem::take(&mut self.resting) {
            self.end_rest(key);
        }
    }

    /// Ends a listener's rest: its timer has fired, or there is no need to wait for it.
    pub(crate) fn end_rest(&mut self, key: Key) {
        let Some(mut source) = self.slots.take(key) else { return };
        if let Source::Listener(listener) = &mut *source
            && let State::Resting(timer) = listener.state
        {
            self.wheel.cancel(timer);
            self.ledger.trace_visit(ListenerId(key), || What::RestEnded);
            listener.state = State::Accepting;
            listener.make_ready(key, &mut self.ledger);
        }
        self.slots.put(key.index(), source);
    }
}
