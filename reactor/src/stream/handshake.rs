//! Opens a layer, such as TLS: within a budget a turn, up to a deadline.
//!
//! ```text
//!   accepted, connected:  Opening ──▶ shake_hands ──▶ on_open
//!   start_tls:            Open    ──▶ shake_hands ──▶ on_secure    (not read meanwhile)
//! ```

use super::guard::Phase;
use super::pending::Between;
use super::{Received, Step, Stream, Visit, ended};
use crate::CloseReason;
use crate::ledger::{Ledger, Scratch};
use crate::trace::Callback;

impl Stream {
    pub(super) fn is_shaking_hands(&self) -> bool {
        matches!(self.pending.between, Between::Opening | Between::Starting | Between::Securing)
    }

    /// Sets the deadline of the handshake, now that the socket is there.
    pub(super) fn begin_handshake(&mut self, ledger: &Ledger) {
        if let (true, Some(timeout)) = (self.is_shaking_hands(), self.limits.handshake_timeout) {
            self.begin(Phase::Handshaking, ledger.clock.tick_after(timeout), ledger);
        }
    }

    /// Counts it no longer among the layers that are being opened; whether it was one.
    pub(super) fn end_handshake(&mut self, ledger: &mut Ledger) -> bool {
        let was_shaking = self.is_shaking_hands();
        if was_shaking {
            self.pending.between = Between::Layer;
            ledger.handshakes.end();
        }
        was_shaking
    }

    /// Notes that the layer is open: the other deadlines count from now on.
    fn shaken_hands(&mut self, ledger: &mut Ledger) {
        if self.end_handshake(ledger)
            && let Some(guard) = self.io.guard()
        {
            guard.opened(ledger.clock.tick());
            self.io.deadlines.change();
        }
    }

    /// Takes one step of opening the layer; `false` if it waits for the peer. Plain bytes that come with the
    /// last step are offered when the connection is open.
    fn shake_once(&mut self, buffer: &mut Scratch, ledger: &mut Ledger) -> Step<bool> {
        match self.receive_any(buffer, ledger)? {
            Received::Bytes(length) => {
                self.offer_later(&buffer[..length]);
            }
            Received::Nothing => {}
            Received::End | Received::Truncated => return ended(CloseReason::Truncated),
        }
        Step::Continue(self.io.is_readable())
    }
}

impl<App> Visit<'_, App> {
    /// Opens the layer, if there is one; whether it is open.
    pub(super) fn shake_hands(&mut self, scratch: &mut Scratch) -> Step<bool> {
        let (stream, ledger) = (&mut self.connection.stream, &mut self.registry.ledger);
        if stream.is_shaking_hands() {
            stream.io.push()?;
        }
        while !stream.io.is_open() {
            if !stream.io.is_readable() {
                return Step::Continue(false);
            }
            let (turn, limit) = (ledger.stats.turns, ledger.limits.handshake_budget);
            if !ledger.handshakes.take_step(turn, limit) {
                self.come_again();
                return Step::Continue(false);
            }
            stream.shake_once(scratch, ledger)?;
        }
        stream.shaken_hands(ledger);
        Step::Continue(true)
    }

    /// Opens a layer that was put on an open connection, and tells its protocol; `false` if there is nothing
    /// else to do yet.
    pub(super) fn secure(&mut self, scratch: &mut Scratch) -> Step<bool> {
        let stream = &mut self.connection.stream;
        if !stream.pending.is_securing() || !stream.can_be_called() {
            return Step::Continue(true);
        }
        if !self.shake_hands(scratch)? {
            return Step::Continue(false);
        }
        self.call(Callback::Secure, |protocol, transport, app| {
            protocol.on_secure(transport, app);
        })?;
        Step::Continue(true)
    }
}

#[cfg(feature = "tls")]
mod start {
    use crate::ledger::Ledger;
    use crate::stream::pending::Between;
    use crate::stream::{Layer, State, Stream};
    use crate::tls::{Engine, StartTlsError};

    /// Bytes that may still be queued when a layer begins.
    const BEFORE: usize = 64 * 1024;

    impl Stream {
        /// Puts a layer on an open connection, behind what is queued; what was read and not consumed is for it.
        pub(in crate::stream) fn start_layer(
            &mut self,
            layer: Box<dyn Layer>,
            ledger: &mut Ledger,
        ) -> Result<(), StartTlsError> {
            match self.pending.between {
                Between::Nothing => {}
                Between::Couple => return Err(StartTlsError::Coupled),
                _ => return Err(StartTlsError::Already),
            }
            if self.state != State::Open {
                return Err(StartTlsError::Closing);
            }
            if self.outbox.has_files() || self.outbox.len() > BEFORE {
                return Err(StartTlsError::Busy);
            }
            ledger.recharge(self.outbox.charge(), 0);
            let before = std::mem::take(&mut self.outbox).into_bytes();
            self.io.wrap(layer, before);
            self.note_layer();
            self.pending.between = Between::Starting;
            ledger.handshakes.begin();
            self.begin_handshake(ledger);
            Ok(())
        }

        pub(in crate::stream) fn tls(&self) -> Option<&Engine> {
            self.io.tls()
        }
    }
}
