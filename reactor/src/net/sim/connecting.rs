//! Connections begin: a handshake over TCP, at once between Unix sockets.

use std::ops::Range;
use std::time::Duration;

use super::Fault;
use super::calls::{Call, Errno};
use super::connection::{CAPACITY, Connection, Content, End, Kind, Side, State};
use super::names::{Sharing, Space, host_of, source_for};
use super::queues::Queue;
use super::world::{Event, Failure, SocketIndex, SocketKind, World};
use crate::net::Readiness;
use crate::{Address, ConnectOptions, StreamOptions};

/// The first time after which the first segment of a connection is sent again (RFC 6298,
/// 2.1); each next one is twice as long.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);
/// How often that one is sent.
const CONNECT_TRIES: u32 = 7;
/// How long it takes to find out that there is no such host.
const UNREACHABLE: Duration = Duration::from_secs(3);
/// What small buffers hold.
const SMALL: Range<u64> = 64..4_096;

impl World {
    pub(super) fn connect(
        &mut self,
        host: u16,
        remote: &Address,
        options: &ConnectOptions,
    ) -> Result<SocketIndex, Failure> {
        let socket = self.open_for(Call::Connect, host).map_err(Failure::of(remote))?;
        match self.bind_client(host, socket, remote, options) {
            Ok(local) if remote.ip().is_some() => {
                self.connect_tcp(host, socket, local, remote, options);
            }
            Ok(local) => self.connect_unix(host, socket, local, remote, options),
            Err(failure) => {
                self.close(socket);
                return Err(failure);
            }
        }
        Ok(socket)
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
            // From any: the system chooses when it knows where to.
            let chosen = match (from, remote.ip()) {
                (Address::Ip(any), Some(to)) if any.ip().is_unspecified() => {
                    Address::Ip((source_for(host, to), any.port()).into())
                }
                _ => from.clone(),
            };
            let from = &chosen;
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
    ) {
        let server = remote.ip().and_then(|ip| host_of(ip, host, self.kernels.len()));
        let client = End::new(host, local, State::Connecting(socket));
        let awaited = End::new(server.unwrap_or(host), remote.clone(), State::Awaited);
        let connection = self.connections.insert(Connection::new(Kind::Tcp, client, awaited));
        self.sockets[socket].kind = SocketKind::Stream { connection, side: Side::Client };
        self.set_options(connection, Side::Client, &options.stream);
        let Some(server) = server else {
            let answer = Err(Errno::EHOSTUNREACH);
            let at = self.now + UNREACHABLE;
            return self.plan_for(connection, at, Event::Answer { connection, answer });
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
    }

    /// A Unix connection is made, or refused, at once.
    fn connect_unix(
        &mut self,
        host: u16,
        socket: SocketIndex,
        local: Address,
        remote: &Address,
        options: &ConnectOptions,
    ) {
        let found = self.find_unix_listener(host, remote);
        let state = if found.is_ok() { State::Open(socket) } else { State::Connecting(socket) };
        let client = End::new(host, local, state);
        let server = End::new(host, remote.clone(), State::Awaited);
        let connection = self.connections.insert(Connection::new(Kind::Unix, client, server));
        self.sockets[socket].kind = SocketKind::Stream { connection, side: Side::Client };
        self.set_options(connection, Side::Client, &options.stream);
        match found {
            Ok(listener) => self.enqueue(connection, listener),
            Err(errno) => {
                let answer = Err(errno);
                self.plan_for(connection, self.now, Event::Answer { connection, answer });
                self.forget_server(connection);
            }
        }
    }

    /// Who listens there, and has room for one more.
    fn find_unix_listener(&self, host: u16, remote: &Address) -> Result<SocketIndex, Errno> {
        let names = &self.kernel(host).names;
        let Some(listener) = names.find(Space::Stream, remote) else {
            return Err(names.nobody(Space::Datagram, remote));
        };
        let queue = self.queue(listener).ok_or(Errno::ECONNREFUSED)?;
        if queue.is_full() { Err(Errno::EAGAIN) } else { Ok(listener) }
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
        self.forget(connection);
    }

    pub(super) fn back_from(&mut self, from: u16, to: u16) -> Duration {
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
            return self.forget(connection);
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
            return self.forget(connection);
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
        self.forget(connection);
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
}
