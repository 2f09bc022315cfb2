//! Waiting for what proxies have to say of connections, and what becomes of those then.

use std::time::Duration;

use super::Accepted;
use super::preface::{Preface, State};
use crate::id::Key;
use crate::net::StreamSocket;
use crate::proxy::{Reader, Said};
use crate::registry::{Registry, Timed};
use crate::source::Source;
use crate::trace::Refusal;
use crate::{Address, CloseReason, ListenerId, Proxied, ProxyError};

impl<App> Registry<App> {
    /// Waits for what a proxy has to say of a connection that a listener has accepted; whether there is room.
    pub(super) fn await_preface(
        &mut self,
        listener: ListenerId,
        mut socket: StreamSocket,
        proxy: Address,
        timeout: Duration,
    ) -> bool {
        if self.ledger.handshakes.count() >= self.ledger.limits.handshakes {
            self.note_refused(Refusal::Handshakes);
            return false;
        }
        let is_full = self.connections >= self.ledger.limits.connections;
        let key = self.slots.next_key().filter(|_| !is_full);
        let registered = key.filter(|key| socket.register(&self.poller, key.token()).is_ok());
        let Some(key) = registered else {
            self.note_refused(Refusal::Full);
            return false;
        };
        self.ledger.handshakes.begin();
        self.count_connections(1);
        let tick = self.ledger.clock.tick_after(timeout);
        let timer = self.wheel.insert(tick, || Timed::Preface { of: key });
        let state = State::Waiting(Reader::new());
        let preface = Preface { socket, proxy, listener, timer, state };
        self.slots.insert(key, Source::Preface(Box::new(preface)));
        true
    }

    /// Something has come. What it has come to is dealt with at the end of the turn, as with everything that ends.
    pub(crate) fn handle_preface(&mut self, key: Key, preface: &mut Preface) {
        if preface.read() {
            self.ledger.retired.push_back((key, Box::new(CloseReason::Closed)));
        }
    }

    /// The time of a header is over.
    pub(crate) fn end_preface(&mut self, key: Key) {
        let Some(mut source) = self.slots.take(key) else { return };
        if let Source::Preface(preface) = &mut *source
            && let State::Waiting(_) = preface.state
        {
            preface.state = State::Ended(Err(ProxyError::Late));
            self.ledger.retired.push_back((key, Box::new(CloseReason::Closed)));
        }
        self.slots.put(key.index(), source);
    }

    /// Gives a connection to the loop that is to have it, now that its peer is known, or closes it.
    pub(crate) fn settle_preface(&mut self, preface: Preface, app: &mut App) {
        let listener = preface.listener;
        if let Some(accepted) = self.dismiss_preface(preface) {
            if let Some(mut source) = self.slots.take(listener.0) {
                if let Source::Listener(found) = &mut *source {
                    self.place(&mut found.entrance, accepted, app);
                }
                self.slots.put(listener.0.index(), source);
            } else if let Some(mut entrance) = self.entrances.remove(&listener) {
                // The listener is closed. It is out of the map while the program's factory runs.
                self.place(&mut entrance, accepted, app);
                self.entrances.insert(listener, entrance);
            }
        }
        self.forget_preface(listener);
    }

    /// Takes a connection out of the accounts; what is known of it, if its header was fine.
    fn dismiss_preface(&mut self, preface: Preface) -> Option<Accepted> {
        let Preface { mut socket, proxy, timer, state, .. } = preface;
        self.wheel.cancel(timer);
        self.ledger.handshakes.end();
        self.count_connections(-1);
        // It fails only if the system has lost it already.
        let _ = socket.deregister(&self.poller);
        let said = match state {
            State::Ended(said) => said,
            State::Waiting(_) => Err(ProxyError::Late),
        };
        match said {
            Ok(Said::Nobody) => Some(Accepted { socket, peer: proxy, proxied: None }),
            Ok(Said::Client(from, to)) => {
                let proxied = Some(Proxied { by: proxy, to: Address::Ip(to) });
                Some(Accepted { socket, peer: Address::Ip(from), proxied })
            }
            Err(error) => {
                self.note_refused(Refusal::Proxy(error));
                None
            }
        }
    }

    /// One that a listener has waited for is settled: if that is closed, and it was the last, nobody comes by its
    /// entrance any more.
    fn forget_preface(&mut self, listener: ListenerId) {
        if let Ok(found) = self.slots.listener_mut(listener) {
            found.entrance.awaited = found.entrance.awaited.saturating_sub(1);
        } else if let Some(entrance) = self.entrances.get_mut(&listener) {
            entrance.awaited = entrance.awaited.saturating_sub(1);
            if entrance.awaited == 0 {
                self.entrances.remove(&listener);
            }
        }
    }

    /// The loop shuts down: those whose peer is not known have been told nothing, and are closed; whether it was one.
    pub(crate) fn drop_preface(&mut self, key: Key) -> bool {
        let is_preface = |source: &Source<App>| matches!(source, Source::Preface(_));
        let Some(Source::Preface(preface)) = self.slots.remove_if(key, is_preface) else {
            return false;
        };
        let listener = preface.listener;
        self.dismiss_preface(*preface);
        self.forget_preface(listener);
        true
    }
}
