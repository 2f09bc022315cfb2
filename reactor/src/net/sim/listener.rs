//! Listening sockets: a queue of connections that nobody has accepted yet.

use std::collections::VecDeque;

use super::calls::{Call, Errno};
use super::connection::{Connection, Content, End, Kind, Side, State};
use super::names::{Sharing, Space};
use super::queues::Queue;
use super::world::{Failure, SocketIndex, SocketKind, World};
use crate::net::Readiness;
use crate::{Address, ListenOptions, StreamOptions};

impl World {
    pub(super) fn listen(
        &mut self,
        host: u16,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<SocketIndex, Failure> {
        let socket = self.open_for(Call::Listen, host).map_err(Failure::of(address))?;
        let sharing = Sharing { address: false, port: options.reuse_port };
        let bound =
            self.bind_name(host, Space::Stream, address, sharing, socket, options.replace_stale);
        let bound = bound.inspect_err(|_| self.close(socket)).map_err(Failure::of(address))?;
        let backlog = (options.backlog as usize).max(1);
        let queue = Queue { address: bound, backlog, connections: VecDeque::new() };
        self.sockets[socket].kind = SocketKind::Listener(queue);
        Ok(socket)
    }

    /// Binds a socket, if need be over a path that nobody listens on any more. Somebody who does is
    /// found out by connecting to them.
    pub(super) fn bind_name(
        &mut self,
        host: u16,
        space: Space,
        address: &Address,
        sharing: Sharing,
        socket: SocketIndex,
        replace_stale: bool,
    ) -> Result<Address, Errno> {
        let names = &mut self.kernel_mut(host).names;
        let bound = names.bind(host, space, address, sharing, socket);
        if bound.is_ok() || address.path().is_none() || !replace_stale {
            return bound;
        }
        if self.answers(host, space, address) {
            return Err(Errno::EADDRINUSE);
        }
        let names = &mut self.kernel_mut(host).names;
        names.unlink(address);
        names.bind(host, space, address, sharing, socket)
    }

    /// Whether there is somebody at a path who does not refuse a connection of this kind.
    fn answers(&mut self, host: u16, space: Space, address: &Address) -> bool {
        let names = &self.kernel(host).names;
        let stream = names.find(Space::Stream, address);
        match (space, stream) {
            (_, None) => names.find(Space::Datagram, address).is_some(),
            (Space::Datagram, Some(_)) => true,
            (Space::Stream, Some(listener)) => match self.queue(listener) {
                None => false,
                Some(queue) => {
                    if !queue.is_full() {
                        self.look_in(host, address, listener);
                    }
                    true
                }
            },
        }
    }

    /// A connection that is closed as soon as it is made.
    fn look_in(&mut self, host: u16, address: &Address, listener: SocketIndex) {
        let client = End::new(host, Address::Unnamed, State::Gone);
        let server = End::new(host, address.clone(), State::Awaited);
        let connection = self.connections.insert(Connection::new(Kind::Unix, client, server));
        self.enqueue(connection, listener);
        self.send(connection, Side::Client, Content::Fin);
    }

    pub(super) fn queue(&self, index: SocketIndex) -> Option<&Queue> {
        match self.sockets.get(index).map(|socket| &socket.kind) {
            Some(SocketKind::Listener(queue)) => Some(queue),
            _ => None,
        }
    }

    fn queue_mut(&mut self, index: SocketIndex) -> Option<&mut Queue> {
        match self.sockets.get_mut(index).map(|socket| &mut socket.kind) {
            Some(SocketKind::Listener(queue)) => Some(queue),
            _ => None,
        }
    }

    /// A connection waits to be accepted.
    pub(super) fn enqueue(&mut self, connection: usize, listener: SocketIndex) {
        if let Some(queue) = self.queue_mut(listener) {
            queue.connections.push_back(connection);
            self.connections[connection].end(Side::Server).state = State::Queued;
            self.notify(listener, Readiness::READ);
        }
    }

    pub(super) fn accept(
        &mut self,
        index: SocketIndex,
        options: &StreamOptions,
    ) -> Result<(SocketIndex, Address), Errno> {
        let host = self.host_of(index).ok_or(Errno::EINVAL)?;
        if let Err(errno) = self.pass(Call::Accept, index, Readiness::READ) {
            if matches!(errno, Errno::ECONNABORTED | Errno::EPROTO) {
                self.abort_first(index);
            }
            return Err(errno);
        }
        if self.queue(index).ok_or(Errno::EINVAL)?.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let socket = self.open(host)?;
        let next = self.queue_mut(index).and_then(|queue| queue.connections.pop_front());
        let Some(connection) = next else {
            self.close(socket);
            return Err(Errno::EAGAIN);
        };
        self.sockets[socket].kind = SocketKind::Stream { connection, side: Side::Server };
        self.set_accepted(connection, options);
        let entry = &mut self.connections[connection];
        entry.end(Side::Server).state = State::Open(socket);
        Ok((socket, entry.end(Side::Client).address.clone()))
    }

    /// The connection that has waited longest is no more.
    fn abort_first(&mut self, index: SocketIndex) {
        let first = self.queue_mut(index).and_then(|queue| queue.connections.pop_front());
        if let Some(connection) = first {
            self.refuse_queued(connection);
        }
    }

    /// What waited to be accepted is reset, or vanishes with its host.
    pub(super) fn close_listener(&mut self, index: SocketIndex, host: u16, queue: Queue) {
        let is_down = self.kernel(host).is_down;
        self.kernel_mut(host).names.release(Space::Stream, &queue.address, index, is_down);
        for connection in queue.connections {
            if is_down {
                self.connections[connection].end(Side::Server).state = State::Vanished;
                self.probe_later(connection);
            } else {
                self.refuse_queued(connection);
            }
        }
    }

    fn refuse_queued(&mut self, connection: usize) {
        let entry = &mut self.connections[connection];
        entry.end(Side::Server).state = State::Gone;
        self.send(connection, Side::Server, Content::Reset);
        self.forget(connection);
    }

    pub(super) fn listener_address(&self, index: SocketIndex) -> Address {
        self.queue(index).map_or(Address::Unnamed, |queue| queue.address.clone())
    }
}
