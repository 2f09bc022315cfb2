//! What is on its way between the two ends of a stream: sent, lost on the way, arrived.

use std::time::Duration;

use super::calls::Errno;
use super::connection::{Chunk, Content, Kind, Side, State};
use super::rules::{Payload, Verdict};
use super::world::{Event, World};
use super::{Fault, Segment};
use crate::net::Readiness;

/// How long a sender tries before it takes the other side for gone.
const GIVES_UP: Duration = Duration::from_secs(900);
/// How long probes take to find out the same of a silent connection.
const PROBED: Duration = Duration::from_secs(180);
/// The first time after which a lost segment is sent again; each next one is twice as long.
pub(super) const RESENT: Duration = Duration::from_millis(200);
const RESENT_AT_MOST: Duration = Duration::from_secs(120);

/// What a socket reports that has failed.
pub(super) const EVERYTHING: Readiness =
    Readiness::READ.with(Readiness::WRITE).with(Readiness::END);

impl World {
    // ── sending ─────────────────────────────────────────────────────────────────────────────

    /// Puts something on its way to the other side.
    pub(super) fn send(&mut self, connection: usize, side: Side, mut content: Content) {
        let entry = &mut self.connections[connection];
        let (from, to) = (entry.end(side).host, entry.end(side.other()).host);
        let (kind, is_silent, sealed) = (entry.kind, entry.silent, entry.end(side).sealed);
        if kind == Kind::Unix || from == to {
            self.note_content(&content, sealed, from, to);
            return self.launch(connection, side, self.now, content);
        }
        let verdict = self.judge(connection, side, &content);
        let mut extra = Duration::ZERO;
        match verdict {
            Verdict::Pass => {}
            // It is sent again, and everything behind it waits.
            Verdict::Drop => extra = RESENT,
            Verdict::Delay(delay) => extra = delay,
            Verdict::Duplicate | Verdict::Corrupt => {}
            Verdict::Reset => return self.reset_both(connection),
        }
        if self.strikes(Fault::SegmentLost) {
            extra += RESENT * (1 << self.choices.below(4) as u32);
            self.log.note("segment lost", from, to, content.length());
        }
        self.note_content(&content, sealed, from, to);
        let (now, length) = (self.now, content.length());
        let at = self.route(from, to).arrival(now, length) + extra;
        if let Content::Bytes(bytes) = &mut content
            && !is_silent
        {
            if self.strikes(Fault::Silence) {
                self.log.note("silence", from, to, 0);
                self.silence(connection);
            } else if self.strikes(Fault::Reset) {
                bytes.truncate(self.choices.below(bytes.len() as u64 + 1) as usize);
                self.launch(connection, side, at, content);
                self.log.note("reset between", from, to, 0);
                return self.reset_both(connection);
            } else if self.strikes(Fault::EarlyEnd) {
                bytes.truncate(self.choices.below(bytes.len() as u64 + 1) as usize);
                self.launch(connection, side, at, content);
                self.log.note("closed between", from, to, 0);
                return self.cut(connection);
            }
        }
        self.launch(connection, side, at, content);
    }

    fn note_content(&self, content: &Content, sealed: bool, from: u16, to: u16) {
        if sealed {
            self.log.note(content.name(), from, to, content.length());
        } else {
            self.log.note_bytes(content.name(), from, to, content.bytes());
        }
    }

    fn judge(&mut self, connection: usize, side: Side, content: &Content) -> Verdict {
        if self.rules.is_empty() {
            return Verdict::Pass;
        }
        let entry = &self.connections[connection];
        let (end, other) = (&entry.ends[side as usize], &entry.ends[side.other() as usize]);
        let segment = Segment {
            at: self.now,
            from: end.address.clone(),
            to: other.address.clone(),
            payload: match content {
                Content::Bytes(bytes) => Payload::Bytes(bytes),
                Content::Fin => Payload::Fin,
                Content::Reset => Payload::Reset,
            },
        };
        self.rules.judge(&segment)
    }

    /// Puts a chunk into the pipe; it never overtakes another.
    fn launch(&mut self, connection: usize, side: Side, at: Duration, content: Content) {
        let entry = &mut self.connections[connection];
        let is_near = entry.end(side).host == entry.end(side.other()).host;
        let pipe = entry.outgoing(side);
        let arrives = at.max(pipe.last_arrival);
        pipe.last_arrival = arrives;
        pipe.flying += content.length();
        pipe.flight.push_back(Chunk { arrives, content });
        if is_near {
            self.deliver(connection, side.other());
        } else {
            let side = side.other();
            self.plan_for(connection, arrives, Event::Arrive { connection, side, again: false });
        }
    }

    /// Something between resets both sides.
    pub(super) fn reset_both(&mut self, connection: usize) {
        for side in [Side::Client, Side::Server] {
            let entry = &mut self.connections[connection];
            let (from, to) = (entry.end(side).host, entry.end(side.other()).host);
            let at = self.back_from(from, to);
            self.launch(connection, side, at, Content::Reset);
        }
    }

    /// Something between has closed both sides: what either sends later is answered with RST.
    fn cut(&mut self, connection: usize) {
        for side in [Side::Client, Side::Server] {
            let entry = &mut self.connections[connection];
            let (from, to) = (entry.end(side).host, entry.end(side.other()).host);
            let at = self.back_from(from, to);
            self.launch(connection, side, at, Content::Fin);
            self.connections[connection].outgoing(side).is_cut = true;
        }
    }

    /// Neither side ever hears of the other again.
    pub(super) fn silence(&mut self, connection: usize) {
        self.connections[connection].silent = true;
        self.probe_later(connection);
    }

    /// Those sides that probe find out later whether the other is gone.
    pub(super) fn probe_later(&mut self, connection: usize) {
        for side in [Side::Client, Side::Server] {
            if self.connections[connection].end(side).keepalive {
                let at = self.now + PROBED;
                self.plan_for(connection, at, Event::Probe { connection, side });
            }
        }
    }

    pub(super) fn handle_probe(&mut self, connection: usize, side: Side) {
        if !self.unplan(connection) {
            return;
        }
        let entry = &mut self.connections[connection];
        let (host, other) = (entry.end(side).host, entry.end(side.other()).host);
        let (state, silent) = (entry.end(side.other()).state, entry.silent);
        let awaits = !entry.incoming(side).flight.is_empty() || entry.incoming(side).has_ended;
        if entry.end(side).socket().is_none() {
            return self.forget(connection);
        }
        // A path that was cut for a shorter time has let an earlier probe through.
        let since = self.now.saturating_sub(PROBED);
        let is_cut = |from, to| self.routes.is_cut_since(from, to, since, self.now);
        let nobody_answers = silent
            || is_cut(host, other)
            || is_cut(other, host)
            || state == State::Vanished && self.kernel(other).is_down;
        if nobody_answers {
            self.fail(connection, side, Errno::ETIMEDOUT);
        } else if state == State::Vanished || state == State::Gone && !awaits {
            self.fail(connection, side, Errno::ECONNRESET);
        }
    }

    // ── arriving ────────────────────────────────────────────────────────────────────────────

    /// What this side was sent arrives, if anything gets through.
    pub(super) fn handle_arrival(&mut self, connection: usize, side: Side, again: bool) {
        if !self.unplan(connection) {
            return;
        }
        let now = self.now;
        let entry = &mut self.connections[connection];
        let (from, to) = (entry.end(side.other()).host, entry.end(side).host);
        let (silent, vanished) = (entry.silent, entry.end(side).state == State::Vanished);
        let blocked = silent || self.is_cut(from, to) || vanished && self.kernel(to).is_down;
        if !blocked {
            return self.deliver(connection, side);
        }
        let pipe = self.connections[connection].incoming(side);
        if pipe.stuck_since.is_some() && !again {
            return;
        }
        let stuck = now - *pipe.stuck_since.get_or_insert(now);
        if stuck < GIVES_UP {
            let at = now + stuck.clamp(RESENT, RESENT_AT_MOST);
            return self.plan_for(connection, at, Event::Arrive { connection, side, again: true });
        }
        pipe.flight.clear();
        pipe.flying = 0;
        self.fail(connection, side.other(), Errno::ETIMEDOUT);
        self.forget(connection);
    }

    /// Hands over everything that has arrived by now.
    fn deliver(&mut self, connection: usize, side: Side) {
        let now = self.now;
        let entry = &mut self.connections[connection];
        entry.incoming(side).stuck_since = None;
        // It is not to be forgotten by what its own chunks bring about.
        entry.planned += 1;
        loop {
            let pipe = self.connections[connection].incoming(side);
            let Some(chunk) = pipe.next_arrived(now) else {
                break;
            };
            pipe.flying -= chunk.content.length();
            self.receive_chunk(connection, side, chunk.content);
        }
        self.unplan(connection);
        self.forget(connection);
    }

    fn receive_chunk(&mut self, connection: usize, side: Side, content: Content) {
        let entry = &mut self.connections[connection];
        let end = entry.end(side);
        if end.is_dead {
            return;
        }
        let socket = end.socket();
        if matches!(end.state, State::Gone | State::Vanished) {
            // Nobody is there any more, and whoever sends is told so; but one FIN is a good answer to
            // another (RFC 9293, 3.6).
            let said_goodbye = end.state == State::Gone && !end.resets;
            let is_answered = match content {
                Content::Bytes(_) => true,
                Content::Fin => !said_goodbye,
                Content::Reset => false,
            };
            if is_answered {
                self.send_reset(connection, side);
            }
            return;
        }
        let is_deserted = entry.is_deserted(side);
        let pipe = entry.incoming(side);
        let what = match content {
            Content::Reset => return self.handle_reset(connection, side),
            Content::Bytes(_) | Content::Fin if pipe.has_ended => {
                if pipe.is_cut {
                    self.send_reset(connection, side);
                }
                return;
            }
            Content::Fin => {
                pipe.has_ended = true;
                Readiness::READ.with(Readiness::END).with(Readiness::WRITE.when(is_deserted))
            }
            Content::Bytes(bytes) => {
                pipe.arrived.extend(bytes);
                Readiness::READ
            }
        };
        if let Some(socket) = socket {
            self.notify(socket, what);
        }
    }

    fn handle_reset(&mut self, connection: usize, side: Side) {
        if self.strikes(Fault::ResetDiscards) {
            self.connections[connection].incoming(side).arrived.clear();
        }
        let entry = &mut self.connections[connection];
        let peer_ended = entry.incoming(side).has_ended;
        // Behind a FIN that was not answered yet it is as if a pipe broke (Linux, `tcp_reset`).
        let broken = entry.kind == Kind::Tcp && peer_ended && !entry.end(side).has_ended;
        let errno = if broken { Errno::EPIPE } else { Errno::ECONNRESET };
        self.fail(connection, side, errno);
    }

    /// A side's kernel gives a connection up: its socket is told at the next call.
    pub(super) fn fail(&mut self, connection: usize, side: Side, errno: Errno) {
        let entry = &mut self.connections[connection];
        let pipe = entry.outgoing(side);
        // What has left arrives; nothing is sent again.
        pipe.is_wanted = false;
        let end = entry.end(side);
        end.error = Some(errno);
        end.is_dead = true;
        if let Some(socket) = end.socket() {
            self.notify(socket, EVERYTHING);
        }
        if errno == Errno::ETIMEDOUT {
            // The other side was not told, and may be waiting.
            self.probe_later(connection);
        }
    }

    pub(super) fn send_reset(&mut self, connection: usize, side: Side) {
        let entry = &mut self.connections[connection];
        let (from, to) = (entry.end(side).host, entry.end(side.other()).host);
        let at = self.back_from(from, to);
        self.launch(connection, side, at, Content::Reset);
    }
}

impl Content {
    pub(super) fn length(&self) -> usize {
        self.bytes().len()
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Fin | Self::Reset => &[],
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Bytes(_) => "segment",
            Self::Fin => "FIN",
            Self::Reset => "RST",
        }
    }
}
