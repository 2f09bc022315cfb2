//! Streams: connecting, reading, writing, closing, and what arrives of it.

use std::io;
use std::ops::Range;
use std::time::Duration;

use super::calls::{Call, Errno, Mishap};
use super::connection::{CAPACITY, Connection, Content, End, Kind, Parcel, Side, State};
use super::listener::Queue;
use super::names::{Sharing, Space, host_of, source_for};
use super::rules::{Payload, Verdict};
use super::world::{Event, Failure, SocketIndex, SocketKind, World};
use super::{Fault, Segment};
use crate::net::Readiness;
use crate::{Address, ConnectOptions, StreamOptions};

/// How long a sender tries before it takes the other side for gone.
const GIVES_UP: Duration = Duration::from_secs(900);
/// How long probes take to find out the same of a silent connection.
const PROBED: Duration = Duration::from_secs(180);
/// The first time after which a lost segment is sent again; each next one is twice as long.
const RESENT: Duration = Duration::from_millis(200);
const RESENT_AT_MOST: Duration = Duration::from_secs(120);
/// The same for the first segment of a connection (RFC 6298, 2.1).
const CONNECT_AGAIN: Duration = Duration::from_secs(1);
/// How often that one is sent.
const CONNECT_TRIES: u32 = 7;
/// How long it takes to find out that there is no such host.
const UNREACHABLE: Duration = Duration::from_secs(3);
/// What small buffers hold.
const SMALL: Range<u64> = 64..4_096;

const EVERYTHING: Readiness = Readiness::READ.with(Readiness::WRITE).with(Readiness::END);

// ── connecting ──────────────────────────────────────────────────────────────────────────────

impl World {
    pub(super) fn connect(
        &mut self,
        host: u16,
        remote: &Address,
        options: &ConnectOptions,
    ) -> Result<SocketIndex, Failure> {
        if let Some(Mishap::Error(errno)) = self.gate(Call::Connect, host) {
            return Err(Failure::of(remote)(errno));
        }
        let socket = self.open(host).ok_or(Errno::EMFILE).map_err(Failure::of(remote))?;
        let begun = self.bind_client(host, socket, remote, options).and_then(|local| {
            let begun = match remote {
                Address::Ip(_) => self.connect_tcp(host, socket, local.clone(), remote, options),
                _ => self.connect_unix(host, socket, local.clone(), remote, options),
            };
            begun.map_err(|errno| {
                self.kernel_mut(host).names.release(Space::Stream, &local, socket, false);
                Failure::of(remote)(errno)
            })
        });
        begun.inspect_err(|_| self.close(socket)).map(|()| socket)
    }

    /// Where a connection comes from: where it was told to, or where the system has it.
    fn bind_client(
        &mut self,
        host: u16,
        socket: SocketIndex,
        remote: &Address,
        options: &ConnectOptions,
    ) -> Result<Address, Failure> {
        if let Some(from) = &options.from {
            let bound = self.bind_name(host, Space::Stream, from, Sharing::default(), socket, true);
            return bound.map_err(Failure::of(from));
        }
        let Some(to) = remote.ip() else {
            return Ok(Address::Unnamed);
        };
        let ip = source_for(host, to);
        let port = self.kernel_mut(host).names.free_port(Space::Stream, ip);
        port.map(|port| Address::Ip((ip, port).into())).map_err(Failure::of(remote))
    }

    fn connect_tcp(
        &mut self,
        host: u16,
        socket: SocketIndex,
        local: Address,
        remote: &Address,
        options: &ConnectOptions,
    ) -> Result<(), Errno> {
        let server = remote.ip().and_then(|ip| host_of(ip, host, self.kernels.len()));
        let client = End::new(host, local, State::Connecting(socket));
        let awaited = End::new(server.unwrap_or(host), remote.clone(), State::Awaited);
        let connection = self.connections.insert(Connection::new(Kind::Tcp, client, awaited));
        self.sockets[socket].kind = SocketKind::Stream { connection, side: Side::Client };
        self.set_options(connection, Side::Client, &options.stream);
        let Some(server) = server else {
            let answer = Err(Errno::EHOSTUNREACH);
            let at = self.now + UNREACHABLE;
            self.plan_for(connection, at, Event::Answer { connection, answer });
            return Ok(());
        };
        if host != server && self.strikes(Fault::ConnectHangs) {
            self.connections[connection].silent = true;
        }
        let mut at = self.now;
        if host != server {
            at = self.route(host, server).arrival(at, 0);
            if self.strikes(Fault::ConnectSlow) {
                at += CONNECT_AGAIN * (1 + self.choices.below(8) as u32);
            }
        }
        self.plan_for(connection, at, Event::Connect { connection, tries: 1 });
        Ok(())
    }

    /// A Unix connection is made, or refused, at once.
    fn connect_unix(
        &mut self,
        host: u16,
        socket: SocketIndex,
        local: Address,
        remote: &Address,
        options: &ConnectOptions,
    ) -> Result<(), Errno> {
        let names = &self.kernel(host).names;
        let Some(listener) = names.find(Space::Stream, remote) else {
            return Err(names.nobody(Space::Datagram, remote));
        };
        let queue = self.queue(listener).ok_or(Errno::ECONNREFUSED)?;
        if queue.is_full() {
            return Err(Errno::EAGAIN);
        }
        let client = End::new(host, local, State::Open(socket));
        let server = End::new(host, remote.clone(), State::Awaited);
        let connection = self.connections.insert(Connection::new(Kind::Unix, client, server));
        self.sockets[socket].kind = SocketKind::Stream { connection, side: Side::Client };
        self.set_options(connection, Side::Client, &options.stream);
        self.enqueue(connection, listener);
        Ok(())
    }

    /// The first segment reaches its server, or does not.
    pub(super) fn handle_connect(&mut self, connection: usize, tries: u32) {
        if !self.unplan(connection) {
            return;
        }
        let Connection { ends: [client, server], silent, .. } = &self.connections[connection];
        let (from, to, address) = (client.host, server.host, server.address.clone());
        if client.state == State::Gone || client.state == State::Vanished {
            return self.forget_server(connection);
        }
        let lost = *silent || self.is_cut(from, to) || self.kernel(to).is_down;
        let peer = client.address.clone();
        let listener = self.kernel(to).names.find_for(Space::Stream, &address, &peer);
        let listener = listener.filter(|&listener| self.queue(listener).is_some());
        let is_full = listener.and_then(|at| self.queue(at)).is_some_and(Queue::is_full);
        if lost || is_full {
            return self.connect_again(connection, tries);
        }
        self.log.note("connect", from, to, 0);
        let refused = listener.is_none() || from != to && self.strikes(Fault::ConnectRefused);
        let back = self.back_from(to, from);
        let answer = if refused { Err(Errno::ECONNREFUSED) } else { Ok(()) };
        self.plan_for(connection, back, Event::Answer { connection, answer });
        if let (Some(listener), false) = (listener, refused) {
            let there = if from == to { back } else { back + self.route(from, to).latency };
            self.plan_for(connection, there, Event::Establish { connection, listener, tries: 1 });
        } else {
            self.forget_server(connection);
        }
    }

    fn connect_again(&mut self, connection: usize, tries: u32) {
        let at = self.now + CONNECT_AGAIN * (1 << (tries - 1));
        if tries < CONNECT_TRIES {
            return self.plan_for(connection, at, Event::Connect { connection, tries: tries + 1 });
        }
        self.forget_server(connection);
        let answer = Err(Errno::ETIMEDOUT);
        self.plan_for(connection, at, Event::Answer { connection, answer });
    }

    fn forget_server(&mut self, connection: usize) {
        self.connections[connection].end(Side::Server).state = State::Gone;
        self.bury(connection);
    }

    fn back_from(&mut self, from: u16, to: u16) -> Duration {
        let now = self.now;
        if from == to { now } else { self.route(from, to).arrival(now, 0) }
    }

    /// The server's answer reaches the client.
    pub(super) fn handle_answer(&mut self, connection: usize, answer: Result<(), Errno>) {
        if !self.unplan(connection) {
            return;
        }
        let client = self.connections[connection].end(Side::Client);
        let State::Connecting(socket) = client.state else {
            return self.bury(connection);
        };
        client.state = State::Open(socket);
        match answer {
            Ok(()) => self.notify(socket, Readiness::WRITE),
            Err(errno) => self.fail(connection, Side::Client, errno),
        }
    }

    /// The server learns that the client knows: the connection can be accepted. If the queue has
    /// become full meanwhile, the client is told again and again, until there is room.
    pub(super) fn handle_established(
        &mut self,
        connection: usize,
        listener: SocketIndex,
        tries: u32,
    ) {
        if !self.unplan(connection) {
            return;
        }
        let [client, server] = &self.connections[connection].ends;
        if server.state != State::Awaited {
            return self.bury(connection);
        }
        // Whoever listens now: it may be another one by now, or nobody.
        let names = &self.kernel(server.host).names;
        let found = names.find_for(Space::Stream, &server.address, &client.address);
        let is_full = self.queue(listener).map(Queue::is_full).filter(|_| found == Some(listener));
        match is_full {
            Some(false) => return self.enqueue(connection, listener),
            Some(true) if tries < CONNECT_TRIES => {
                let at = self.now + CONNECT_AGAIN * (1 << (tries - 1));
                let again = Event::Establish { connection, listener, tries: tries + 1 };
                return self.plan_for(connection, at, again);
            }
            _ => {}
        }
        self.connections[connection].end(Side::Server).state = State::Gone;
        self.send(connection, Side::Server, Content::Reset);
        self.bury(connection);
    }

    fn set_options(&mut self, connection: usize, side: Side, options: &StreamOptions) {
        let capacity = if self.strikes(Fault::SmallBuffers) {
            Some((SMALL.start + self.choices.below(SMALL.end - SMALL.start)) as usize)
        } else {
            options.send_buffer
        };
        let connection = &mut self.connections[connection];
        connection.end(side).keepalive = options.keepalive.is_some();
        let capacity = capacity.unwrap_or(CAPACITY);
        let pipe = connection.outgoing(side);
        pipe.capacity = pipe.capacity.min(capacity.max(1));
        let incoming = connection.incoming(side);
        incoming.capacity =
            incoming.capacity.min(options.receive_buffer.map_or(CAPACITY, |bytes| bytes.max(1)));
    }

    /// Gives what is accepted its options. Its client may be gone by now.
    pub(super) fn set_accepted(&mut self, connection: usize, options: &StreamOptions) {
        self.set_options(connection, Side::Server, options);
        let entry = &mut self.connections[connection];
        let is_gone = matches!(entry.end(Side::Client).state, State::Gone | State::Vanished);
        let (from, to) = (entry.end(Side::Client).host, entry.end(Side::Server).host);
        if is_gone || entry.silent || self.is_cut(from, to) || self.is_cut(to, from) {
            self.probe_later(connection);
        }
    }

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
        let host = self.connections[connection].end(side).host;
        match self.gate(Call::Connected, host) {
            Some(Mishap::Error(errno)) => return Err(errno.into()),
            Some(_) => {
                self.nudge(index, Readiness::WRITE);
                return Ok(false);
            }
            None => {}
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
        let mishap = self.gate(Call::Read, host);
        if let Some(Mishap::Error(errno)) = mishap {
            return Err(errno);
        }
        let entry = &mut self.connections[connection];
        let available = entry.incoming(side).arrived.len();
        if mishap == Some(Mishap::WouldBlock) {
            self.nudge(index, Readiness::READ);
            return Err(Errno::EAGAIN);
        }
        if available == 0 {
            return entry.read_nothing(side);
        }
        let mut length = available.min(buffer.len());
        if mishap == Some(Mishap::Short) && length > 1 {
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

    /// This side learns that there is room for more.
    pub(super) fn handle_room(&mut self, connection: usize, side: Side) {
        if !self.unplan(connection) {
            return;
        }
        if let Some(socket) = self.connections[connection].end(side).socket() {
            self.notify(socket, Readiness::WRITE);
        }
        self.bury(connection);
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
        let mishap = self.gate(call, host);
        if let Some(Mishap::Error(errno)) = mishap {
            return Err(errno);
        }
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
        if room == 0 || mishap == Some(Mishap::WouldBlock) {
            pipe.is_wanted = true;
            self.nudge_if(mishap.is_some(), index);
            return Err(Errno::EAGAIN);
        }
        if mishap == Some(Mishap::Short) {
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
            self.nudge_if(mishap.is_some(), index);
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
        if let Some(Mishap::Error(errno)) = self.gate(Call::Shutdown, host) {
            return Err(errno);
        }
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

    /// Puts something on its way to the other side.
    pub(super) fn send(&mut self, connection: usize, side: Side, mut content: Content) {
        let entry = &mut self.connections[connection];
        let (from, to) = (entry.end(side).host, entry.end(side.other()).host);
        let (kind, is_silent) = (entry.kind, entry.silent);
        if kind == Kind::Unix || from == to {
            self.log.note_bytes(content.name(), from, to, content.bytes());
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
        self.log.note_bytes(content.name(), from, to, content.bytes());
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

    /// Puts a parcel into the pipe; it never overtakes another.
    fn launch(&mut self, connection: usize, side: Side, at: Duration, content: Content) {
        let entry = &mut self.connections[connection];
        let is_near = entry.end(side).host == entry.end(side.other()).host;
        let pipe = entry.outgoing(side);
        let arrives = at.max(pipe.last_arrival);
        pipe.last_arrival = arrives;
        pipe.flying += content.length();
        pipe.flight.push_back(Parcel { arrives, content });
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
            return self.bury(connection);
        }
        let nobody_answers = silent
            || self.is_cut(host, other)
            || self.is_cut(other, host)
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
        self.bury(connection);
    }

    /// Hands over everything that has arrived by now.
    fn deliver(&mut self, connection: usize, side: Side) {
        let now = self.now;
        let entry = &mut self.connections[connection];
        entry.incoming(side).stuck_since = None;
        // It is not to be forgotten by what its own parcels bring about.
        entry.planned += 1;
        loop {
            let pipe = self.connections[connection].incoming(side);
            let Some(parcel) = pipe.next_arrived(now) else {
                break;
            };
            pipe.flying -= parcel.content.length();
            self.receive_parcel(connection, side, parcel.content);
        }
        self.unplan(connection);
        self.bury(connection);
    }

    fn receive_parcel(&mut self, connection: usize, side: Side, content: Content) {
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
    fn fail(&mut self, connection: usize, side: Side, errno: Errno) {
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

    fn send_reset(&mut self, connection: usize, side: Side) {
        let entry = &mut self.connections[connection];
        let (from, to) = (entry.end(side).host, entry.end(side.other()).host);
        let at = self.back_from(from, to);
        self.launch(connection, side, at, Content::Reset);
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
        self.bury(connection);
    }

    /// Forgets a connection that nobody can hear of any more.
    pub(super) fn bury(&mut self, connection: usize) {
        if self.connections.get(connection).is_some_and(Connection::is_over) {
            self.connections.remove(connection);
        }
    }
}

impl Connection {
    /// Whether the other end of a Unix connection is closed: it is known at once.
    fn is_deserted(&self, side: Side) -> bool {
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
