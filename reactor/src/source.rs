//! Everything that can be registered with the loop, in one enum.

use crate::address::Peers;
use crate::datagram::DatagramQueue;
use crate::id::Key;
use crate::listener::{Listener, Preface};
use crate::registry::{DatagramProtocol, Protocol};
use crate::stats::SocketRow;
use crate::stream::Stream;
use crate::trace::Subject;
use crate::{ConnectionId, ListenerId, SocketId};

/// What a slot holds. The many are streams, so the others are boxed: a stream takes no more for them.
pub(crate) enum Source<App> {
    Listener(Box<Listener<App>>),
    Stream(Connection<App>),
    Datagram(Box<Socket<App>>),
    Preface(Box<Preface>),
}

/// A stream and the protocol on it.
pub(crate) struct Connection<App> {
    pub(crate) stream: Stream,
    pub(crate) protocol: Box<dyn Protocol<App>>,
}

/// A datagram socket and the protocol on it.
pub(crate) struct Socket<App> {
    pub(crate) queue: DatagramQueue,
    pub(crate) protocol: Box<dyn DatagramProtocol<App>>,
}

impl<App> Source<App> {
    /// Whether `on_open` has not been called yet.
    pub(crate) fn is_opening(&self) -> bool {
        match self {
            Self::Listener(_) | Self::Preface(_) => false,
            Self::Stream(connection) => {
                connection.stream.is_connecting() || connection.stream.is_opening()
            }
            Self::Datagram(socket) => socket.queue.is_opening(),
        }
    }

    /// It as a connection that has a socket. Those are the many, and one question finds both.
    pub(crate) fn connection(&mut self) -> Option<&mut Connection<App>> {
        match self {
            Self::Stream(connection) if connection.stream.socket().is_there() => Some(connection),
            _ => None,
        }
    }

    /// Its public name.
    pub(crate) fn subject(&self, key: Key) -> Subject {
        match self {
            Self::Listener(_) => ListenerId(key).into(),
            Self::Stream(_) | Self::Preface(_) => ConnectionId(key).into(),
            Self::Datagram(_) => SocketId(key).into(),
        }
    }

    pub(crate) fn row(&self, peers: &Peers) -> SocketRow {
        match self {
            Self::Listener(listener) => listener.row(),
            Self::Stream(connection) => connection.stream.row(peers),
            Self::Datagram(socket) => socket.queue.row(),
            Self::Preface(preface) => preface.row(),
        }
    }
}
