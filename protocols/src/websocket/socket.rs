//! One WebSocket, as its handler sees it during a callback.

use std::fmt;
use std::time::Duration;

use reactor::{Address, ConnectionId, Registry, StreamLimits, TimerKey, Transport};

use super::link::{Link, State, Timer};
use super::wire::{CloseCode, Message, Opcode};

/// One WebSocket, lent to its handler for the time of a callback.
pub struct Socket<'s, 't, App> {
    pub(super) link: &'s mut Link,
    pub(super) transport: &'s mut Transport<'t, App>,
}

impl<App> Socket<'_, '_, App> {
    /// Its connection's id: keep it to reach the WebSocket from elsewhere.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.transport.id()
    }

    /// The other end's address.
    #[must_use]
    pub fn peer(&self) -> Address {
        self.transport.peer()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.link.subprotocol.as_deref()
    }

    /// Everything else that is registered with the loop.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.transport.registry()
    }

    // ── sending ─────────────────────────────────────────────────────────────────────────────

    /// Sends a message. It leaves when the callback returns, with what else it has written. Once this side
    /// has closed, it is dropped.
    #[inline]
    pub fn send(&mut self, message: Message<'_>) {
        let (opcode, payload) = match message {
            Message::Text(text) => (Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
        };
        self.link.write_message(self.transport, opcode, payload);
    }

    /// Sends text.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.link.write_message(self.transport, Opcode::Text, text.as_bytes());
    }

    /// Sends bytes that are known to be UTF-8 as a text: whoever has written them need not have them looked through.
    #[cfg(feature = "rpc-web")]
    #[inline]
    pub(crate) fn utf8(&mut self, text: &[u8]) {
        debug_assert!(std::str::from_utf8(text).is_ok());
        self.link.write_message(self.transport, Opcode::Text, text);
    }

    /// Sends bytes.
    #[inline]
    pub fn binary(&mut self, bytes: &[u8]) {
        self.link.write_message(self.transport, Opcode::Binary, bytes);
    }

    /// Asks whether the peer is there; its answer is [`on_pong`](super::Handler::on_pong). A payload above
    /// 125 bytes is cut.
    pub fn ping(&mut self, payload: &[u8]) {
        if self.link.state == State::Open {
            let payload = payload.get(..125).unwrap_or(payload);
            self.link.write(self.transport, Opcode::Ping, false, payload);
        }
    }

    /// Bytes queued because the system has not taken them yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.transport.queued_bytes()
    }

    // ── flow ────────────────────────────────────────────────────────────────────────────────

    /// Stops reading: no message comes until [`resume`](Self::resume), and the peer has to wait.
    pub fn pause(&mut self) {
        self.link.is_paused = true;
        self.transport.pause();
    }

    /// Goes on reading.
    pub fn resume(&mut self) {
        self.link.is_paused = false;
        self.transport.resume();
    }

    // ── ending ──────────────────────────────────────────────────────────────────────────────

    /// Says goodbye, with a reason of up to 123 bytes (what is more is cut). Nothing is sent after it, no
    /// message comes, and [`on_close`](super::Handler::on_close) tells what the peer said to it.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.say_goodbye(code, reason, State::Closing);
    }

    /// As [`close`](Self::close), but what the peer still says before its own goodbye is heard: for who has
    /// said everything, and waits for the answers.
    pub fn end(&mut self, code: CloseCode, reason: &str) {
        self.say_goodbye(code, reason, State::Ending);
    }

    fn say_goodbye(&mut self, code: CloseCode, reason: &str, next: State) {
        if self.link.state != State::Open {
            return;
        }
        self.link.write_close(self.transport, code, reason);
        self.link.state = next;
        // The peer's goodbye has to be read, to whatever the program has paused.
        self.resume();
        let patience = self.link.limits().close_timeout;
        self.transport.set_timer(Timer::Goodbye.key(), patience);
    }

    /// Resets the connection: what is queued is lost.
    pub fn abort(&mut self) {
        self.transport.abort();
    }

    // ── limits and time ─────────────────────────────────────────────────────────────────────

    /// The limits of its connection.
    #[must_use]
    pub fn limits(&self) -> &StreamLimits {
        self.transport.limits()
    }

    /// Changes the limits of its connection alone: a larger outbox for long messages, say.
    pub fn set_limits(&mut self, limits: StreamLimits) {
        self.transport.set_limits(limits);
    }

    /// Has [`on_timer`](super::Handler::on_timer) called after a delay. A key that is set already moves.
    /// The keys from `u32::MAX - 15` on are the WebSocket's own.
    pub fn set_timer(&mut self, key: TimerKey, after: Duration) {
        self.transport.set_timer(key, after);
    }

    /// Cancels a timer; whether it was set.
    pub fn cancel_timer(&mut self, key: TimerKey) -> bool {
        self.transport.cancel_timer(key)
    }
}

impl<App> fmt::Debug for Socket<'_, '_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("link", &self.link).finish()
    }
}
