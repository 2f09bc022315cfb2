//! Sockets that a process was started with, and those it starts a successor with.
//!
//! ```text
//!   a supervisor, or the process before this one
//!        │ descriptors
//!        ▼
//!   inherit_listener ──▶ waits, by its address ──listen at that address──▶ a listener of the loop
//!                                                                             │ duplicate_listener
//!                                                                             ▼
//!                                                                        the next process
//! ```

use std::io;

use super::Registry;
use crate::net::{DatagramSocket, ListenerSocket};
use crate::source::Source;
use crate::{
    Address, DatagramOptions, ListenOptions, ListenerId, OpenError, SocketId, Stale, StdDatagram,
    StdListener,
};

/// What was inherited and nobody has asked for yet.
#[derive(Default)]
pub(crate) struct Inherited {
    listeners: Vec<(Address, StdListener)>,
    datagrams: Vec<(Address, StdDatagram)>,
}

impl<App> Registry<App> {
    /// Keeps a listening socket that this process was started with, for whoever listens at its address:
    /// [`listen_with`](Self::listen_with) takes it then instead of opening one, whatever protocol it is for.
    /// Port 0 takes any of the same IP address. The socket's own options stay as they are. Returns its address.
    ///
    /// ```
    /// # use reactor::{Protocol, Reactor};
    /// # struct Echo;
    /// # impl<App> Protocol<App> for Echo {}
    /// let mut reactor = Reactor::<()>::new()?;
    /// // A supervisor has opened it.
    /// let given = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = reactor.registry().inherit_listener(given)?;
    /// // The address is in use, and yet one can listen there.
    /// let id = reactor.registry().listen(address.clone(), |_peer, _app| Echo)?;
    /// assert_eq!(reactor.registry().listener_address(id)?, address);
    /// assert!(reactor.registry().inherited().next().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it has no address, or is of a simulated system.
    pub fn inherit_listener(
        &mut self,
        listener: impl Into<StdListener>,
    ) -> Result<Address, OpenError> {
        let listener = listener.into();
        let address = listener.local()?;
        self.inherited.listeners.push((address.clone(), listener));
        Ok(address)
    }

    /// As [`inherit_listener`](Self::inherit_listener), a socket of datagrams, for
    /// [`bind_datagram_with`](Self::bind_datagram_with).
    ///
    /// # Errors
    ///
    /// If it has no address, or is of a simulated system.
    pub fn inherit_datagram(
        &mut self,
        socket: impl Into<StdDatagram>,
    ) -> Result<Address, OpenError> {
        let socket = socket.into();
        let address = socket.local()?;
        self.inherited.datagrams.push((address.clone(), socket));
        Ok(address)
    }

    /// The addresses of inherited sockets that nobody has asked for: a program that has opened all it wants
    /// may find here what it was given in vain, and whose clients would wait for nobody.
    pub fn inherited(&self) -> impl Iterator<Item = &Address> {
        let Inherited { listeners, datagrams } = &self.inherited;
        let listeners = listeners.iter().map(|(address, _)| address);
        listeners.chain(datagrams.iter().map(|(address, _)| address))
    }

    /// All listeners of the loop, in no particular order.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerId> {
        self.slots.iter().filter_map(|(key, source)| match source {
            Source::Listener(_) => Some(ListenerId(key)),
            _ => None,
        })
    }

    /// All sockets of datagrams of the loop, in no particular order.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.slots.iter().filter_map(|(key, source)| match source {
            Source::Datagram(_) => Some(SocketId(key)),
            _ => None,
        })
    }

    /// The same socket once more, for a successor. Both have one queue: whoever is in it comes to the one that
    /// accepts first, and to the other when one of them is closed. (To close a listener that is the only one
    /// resets those.) To go on accepting here is the way to let nobody wait until the successor is there; then
    /// [`detach_listener`](Self::detach_listener) leaves the rest to it. The path of a Unix socket stays from now on, however
    /// this listener ends: the other may serve there.
    ///
    /// # Errors
    ///
    /// If it has ended ([`NotFound`](io::ErrorKind::NotFound)), is simulated
    /// ([`Unsupported`](io::ErrorKind::Unsupported)), or if there are no descriptors left.
    pub fn duplicate_listener(&self, id: ListenerId) -> io::Result<StdListener> {
        let listener = self.slots.listener(id);
        listener.map_err(not_found)?.socket.duplicate()
    }

    /// As [`duplicate_listener`](Self::duplicate_listener), a socket of datagrams.
    ///
    /// # Errors
    ///
    /// If it has ended, or is being called ([`NotFound`](io::ErrorKind::NotFound)), is simulated
    /// ([`Unsupported`](io::ErrorKind::Unsupported)), or if there are no descriptors left.
    pub fn duplicate_socket(&self, id: SocketId) -> io::Result<StdDatagram> {
        match self.slots.get(id.0) {
            Some(Some(Source::Datagram(socket))) => socket.queue.socket.duplicate(),
            _ => Err(not_found(Stale)),
        }
    }

    /// The listener of an address: an inherited one, or a new one.
    pub(crate) fn open_listener(
        &mut self,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<ListenerSocket, OpenError> {
        match take(&mut self.inherited.listeners, address) {
            Some(listener) => ListenerSocket::adopt(&self.poller, listener),
            None => ListenerSocket::open(&self.poller, address, options),
        }
    }

    /// The socket of an address: an inherited one, or a new one.
    pub(crate) fn open_datagram(
        &mut self,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<DatagramSocket, OpenError> {
        match take(&mut self.inherited.datagrams, address) {
            Some(socket) => DatagramSocket::inherit(&self.poller, socket, options),
            None => DatagramSocket::open(&self.poller, address, options),
        }
    }
}

fn not_found(stale: Stale) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, stale)
}

/// Takes what is at an address, which is empty in almost every program.
fn take<S>(waiting: &mut Vec<(Address, S)>, wanted: &Address) -> Option<S> {
    let at = waiting.iter().position(|(address, _)| is_at(address, wanted))?;
    Some(waiting.remove(at).1)
}

fn is_at(address: &Address, wanted: &Address) -> bool {
    let any_port = wanted.port() == Some(0) && wanted.ip() == address.ip();
    any_port || address == wanted
}
