//! What a program that talks to echo servers is asked and told.

use std::io;

use reactor::{ConnectionId, Registry, SocketId};

use super::{Client, Failure, Lost, Reply};

/// A program that talks to echo servers: where it keeps its clients, and what it is told of them.
pub trait Caller: Sized + 'static {
    /// The client with this id; `None` if the program has given it up, which ends its connection.
    fn client(&mut self, id: ClientId) -> Option<&mut Client>;

    /// The client is connected, or its datagram socket bound.
    fn on_open(&mut self, registry: &mut Registry<Self>, id: ClientId) {
        let _ = (registry, id);
    }

    /// Bytes have come back on a stream, and they are what was sent: a payload, a part of one, or
    /// parts of two.
    fn on_bytes(&mut self, registry: &mut Registry<Self>, id: ClientId, bytes: &[u8]) {
        let _ = (registry, id, bytes);
    }

    /// A payload has come back whole.
    fn on_reply(&mut self, registry: &mut Registry<Self>, id: ClientId, reply: Reply) {
        let _ = (registry, id, reply);
    }

    /// A datagram has not come back in time. The client goes on.
    fn on_loss(&mut self, registry: &mut Registry<Self>, id: ClientId, lost: Lost) {
        let _ = (registry, id, lost);
    }

    /// The network reports that a datagram found nobody, or no way. The client goes on: who knows
    /// which one it was, and whether the next will do better.
    fn on_trouble(&mut self, registry: &mut Registry<Self>, id: ClientId, trouble: io::ErrorKind) {
        let _ = (registry, id, trouble);
    }

    /// The conversation is over: well, if this side ended it and everything came back before.
    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: ClientId,
        outcome: Result<(), Failure>,
    );
}

/// Names a client: by its connection, or by its datagram socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientId {
    /// TCP, or a Unix stream.
    Stream(ConnectionId),
    /// UDP, or Unix datagrams.
    Datagrams(SocketId),
}
