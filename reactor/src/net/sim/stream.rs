//! Streams, as their sockets see them: what a call finds, takes and says.

use std::io;

use super::calls::{Call, CallFault, Errno};
use super::connection::{Connection, Content, Kind, Side, State};
use super::names::Space;
use super::transit::{EVERYTHING, RESENT};
use super::world::{Event, SocketIndex, SocketKind, World};
use crate::net::Readiness;

impl World {
    // ── what a socket is asked ──────────────────────────────────────────────────────────────

    pub(super) fn stream_of(&self, index: SocketIndex) -> Option<(usize, Side)> {
        match self.sockets.get(index)?.kind {
            SocketKind::Stream { connection, side } => Some((connection, side)),
            _ => None,
        }
    }

    pub(super) fn stream_level(&self, connection: usize, side: Side) -> Readiness {
        let connection = &self.connections[connection];
        let end = &connection.ends[side as usize];
        if end.is_dead {
            return EVERYTHING;
        }
        if end.socket().is_none() {
            return Readiness::default();
        }
        let incoming = &connection.pipes[side.other() as usize];
        let outgoing = &connection.pipes[side as usize];
        let readable = !incoming.arrived.is_empty() || incoming.has_ended;
        let writable = end.has_ended || outgoing.is_writable() || connection.is_deserted(side);
        Readiness::READ
            .when(readable)
            .with(Readiness::WRITE.when(writable))
            .with(Readiness::END.when(incoming.has_ended))
    }

    pub(super) fn is_connected(&mut self, index: SocketIndex) -> io::Result<bool> {
        let Some((connection, side)) = self.stream_of(index) else {
            return Err(Errno::EINVAL.into());
        };
        match self.pass(Call::Connected, index, Readiness::WRITE) {
            Err(Errno::EAGAIN) => return Ok(false),
            passed => passed?,
        }
        let end = self.connections[connection].end(side);
        match (end.error.take(), end.state) {
            (Some(errno), _) => Err(errno.into()),
            (None, State::Connecting(_)) => Ok(false),
            // Its error has been told before.
            (None, _) if end.is_dead => Err(Errno::ENOTCONN.into()),
            (None, _) => Ok(true),
        }
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn read(&mut self, index: SocketIndex, buffer: &mut [u8]) -> Result<usize, Errno> {
        let (connection, side) = self.stream_of(index).ok_or(Errno::EINVAL)?;
        let host = self.connections[connection].end(side).host;
        let call_fault = self.gate(Call::Read, host)?;
        let entry = &mut self.connections[connection];
        let available = entry.incoming(side).arrived.len();
        if call_fault == Some(CallFault::WouldBlock) {
            self.nudge(index, Readiness::READ);
            return Err(Errno::EAGAIN);
        }
        if available == 0 {
            return entry.read_nothing(side);
        }
        let mut length = available.min(buffer.len());
        if call_fault == Some(CallFault::Short) && length > 1 {
            length = 1 + self.choices.below(length as u64 - 1) as usize;
            self.nudge(index, Readiness::READ);
        }
        let pipe = self.connections[connection].incoming(side);
        // Two copies, as the bytes may lie around the end of the queue.
        let (front, back) = pipe.arrived.as_slices();
        let first = length.min(front.len());
        buffer[..first].copy_from_slice(&front[..first]);
        buffer[first..length].copy_from_slice(&back[..length - first]);
        pipe.arrived.drain(..length);
        self.tell_of_room(connection, side);
        Ok(length)
    }

    /// Something was read: whoever waits to write more is told, unless too little is free.
    fn tell_of_room(&mut self, connection: usize, reader: Side) {
        let entry = &mut self.connections[connection];
        let pipe = entry.incoming(reader);
        if !pipe.is_wanted || !pipe.is_writable() {
            return;
        }
        pipe.is_wanted = false;
        let (from, to) = (entry.end(reader).host, entry.end(reader.other()).host);
        let at = self.back_from(from, to);
        let side = reader.other();
        self.plan_for(connection, at, Event::Room { connection, side });
    }

    /// This side learns that there is room for more, unless nothing gets through.
    pub(super) fn handle_room(&mut self, connection: usize, side: Side) {
        if !self.unplan(connection) {
            return;
        }
        let entry = &mut self.connections[connection];
        let (from, to) = (entry.end(side.other()).host, entry.end(side).host);
        let (socket, is_silent) = (entry.end(side).socket(), entry.silent);
        match socket {
            Some(_) if !is_silent && self.is_cut(from, to) => {
                let at = self.now + RESENT;
                self.plan_for(connection, at, Event::Room { connection, side });
            }
            Some(socket) if !is_silent => self.notify(socket, Readiness::WRITE),
            _ => {}
        }
        self.forget(connection);
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Takes as many of these bytes as there is room for.
    pub(super) fn write<'a>(
        &mut self,
        index: SocketIndex,
        pieces: impl Iterator<Item = &'a [u8]>,
        call: Call,
    ) -> Result<usize, Errno> {
        let (connection, side) = self.stream_of(index).ok_or(Errno::EINVAL)?;
        let host = self.connections[connection].end(side).host;
        let call_fault = self.gate(call, host)?;
        let entry = &mut self.connections[connection];
        let end = entry.end(side);
        if let Some(errno) = end.error.take() {
            return Err(errno);
        }
        if end.is_dead || end.has_ended || entry.is_deserted(side) {
            return Err(Errno::EPIPE);
        }
        if entry.end(side).socket().is_none() {
            return Err(Errno::ENOTCONN);
        }
        let pipe = entry.outgoing(side);
        let mut room = pipe.room();
        if room == 0 || call_fault == Some(CallFault::WouldBlock) {
            pipe.is_wanted = true;
            self.nudge_if(call_fault.is_some(), index);
            return Err(Errno::EAGAIN);
        }
        if call_fault == Some(CallFault::Short) {
            room = 1 + self.choices.below(room.min(4_096) as u64 - 1) as usize;
        }
        let mut wanted = 0;
        let mut taken = Vec::new();
        for piece in pieces {
            wanted += piece.len();
            taken.extend_from_slice(&piece[..piece.len().min(room - taken.len())]);
        }
        let sent = taken.len();
        if sent < wanted {
            self.connections[connection].outgoing(side).is_wanted = true;
            self.nudge_if(call_fault.is_some(), index);
        }
        if sent > 0 {
            self.send(connection, side, Content::Bytes(taken));
        }
        Ok(sent)
    }

    /// A write that was cut short, though there is room, goes on soon; else it goes on when somebody
    /// has read.
    fn nudge_if(&mut self, was_cut: bool, index: SocketIndex) {
        if was_cut {
            self.nudge(index, Readiness::WRITE);
        }
    }

    pub(super) fn shutdown(&mut self, index: SocketIndex) -> Result<(), Errno> {
        let (connection, side) = self.stream_of(index).ok_or(Errno::EINVAL)?;
        let host = self.connections[connection].end(side).host;
        self.gate(Call::Shutdown, host)?;
        let kind = self.connections[connection].kind;
        let end = self.connections[connection].end(side);
        if end.socket().is_none() || end.is_dead && kind == Kind::Tcp {
            return Err(Errno::ENOTCONN);
        }
        if !std::mem::replace(&mut end.has_ended, true) && !end.is_dead {
            self.send(connection, side, Content::Fin);
        }
        Ok(())
    }

    // ── closing ─────────────────────────────────────────────────────────────────────────────

    /// The socket of one side is closed: FIN behind what was written, or RST (RFC 9293, 3.10.4; RFC
    /// 1122, 4.2.2.13).
    pub(super) fn close_stream(&mut self, index: SocketIndex, connection: usize, side: Side) {
        let entry = &mut self.connections[connection];
        let host = entry.end(side).host;
        let kind = entry.kind;
        let has_unread = !entry.incoming(side).arrived.is_empty();
        let end = entry.end(side);
        let (was, is_dead, has_ended) = (end.state, end.is_dead, end.has_ended);
        // A Unix socket has no reset; its peer is told that something was left unread.
        let resets = end.resets && kind == Kind::Tcp || has_unread;
        let address = end.address.clone();
        end.resets = resets;
        end.state = State::Gone;
        if matches!(was, State::Connecting(_)) {
            // The server's answer finds nobody, which is answered with RST: nobody is accepted.
            self.connections[connection].end(Side::Server).state = State::Gone;
        }
        let is_down = self.kernel(host).is_down;
        if side == Side::Client {
            self.kernel_mut(host).names.release(Space::Stream, &address, index, is_down);
        }
        if is_down {
            self.connections[connection].end(side).state = State::Vanished;
            self.connections[connection].outgoing(side).flight.clear();
            self.probe_later(connection);
        } else if matches!(was, State::Connecting(_)) || is_dead {
        } else if resets {
            self.send(connection, side, Content::Reset);
        } else if !has_ended {
            self.send(connection, side, Content::Fin);
        }
        self.forget(connection);
    }

    /// Forgets a connection that nobody can hear of any more.
    pub(super) fn forget(&mut self, connection: usize) {
        if self.connections.get(connection).is_some_and(Connection::is_over) {
            self.connections.remove(connection);
        }
    }
}

impl Connection {
    /// Whether the other end of a Unix connection is closed: it is known at once.
    pub(super) fn is_deserted(&self, side: Side) -> bool {
        self.kind == Kind::Unix && self.ends[side.other() as usize].state == State::Gone
    }

    /// A read that finds no bytes: the error, the end, or nothing yet.
    fn read_nothing(&mut self, side: Side) -> Result<usize, Errno> {
        let has_ended = self.incoming(side).has_ended;
        if has_ended && self.kind == Kind::Tcp {
            // What has happened since is told by a write, or to whoever asks (Linux, `SOCK_DONE`).
            return Ok(0);
        }
        let end = self.end(side);
        match end.error.take() {
            Some(errno) => Err(errno),
            None if has_ended || end.is_dead => Ok(0),
            None if end.socket().is_none() => Err(Errno::ENOTCONN),
            None => Err(Errno::EAGAIN),
        }
    }
}
