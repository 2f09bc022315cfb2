//! Opening a datagram socket, and what can be told it and asked of it by its id.

use std::io;

use bytes::Bytes;

use super::{DatagramQueue, DatagramTransport};
use crate::net::{DatagramSocket, StdDatagram};
use crate::registry::{DatagramProtocol, Order, Registry};
use crate::slots::Found;
use crate::source::{Socket, Source};
use crate::trace::Callback;
use crate::{
    Address, CloseReason, DatagramLimits, DatagramOptions, OpenError, ReachError, SocketId, Stale,
};

impl<App> Registry<App> {
    /// Binds a datagram socket: UDP for an IP address, Unix for a path or a name
    /// ([`Address::Unnamed`] for one that only sends).
    ///
    /// ```
    /// use reactor::{Datagram, DatagramProtocol, DatagramTransport, Reactor};
    ///
    /// /// Sends every datagram back, or drops it where the queue is full.
    /// struct Echo;
    ///
    /// impl<App> DatagramProtocol<App> for Echo {
    ///     fn on_datagram(
    ///         &mut self,
    ///         socket: &mut DatagramTransport<'_, App>,
    ///         datagram: &Datagram<'_>,
    ///         _: &mut App,
    ///     ) {
    ///         let _ = socket.answer(datagram, datagram.bytes);
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::<()>::new()?;
    /// let socket = reactor.registry().bind_datagram("127.0.0.1:0".parse()?, Echo)?;
    /// println!("bound to {}", reactor.registry().socket_address(socket)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn bind_datagram(
        &mut self,
        address: Address,
        protocol: impl DatagramProtocol<App> + 'static,
    ) -> Result<SocketId, OpenError> {
        self.bind_datagram_with(address, &DatagramOptions::default(), protocol)
    }

    /// As [`bind_datagram`](Self::bind_datagram), with options: a fixed peer, multicast groups,
    /// broadcast.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn bind_datagram_with(
        &mut self,
        address: Address,
        options: &DatagramOptions,
        protocol: impl DatagramProtocol<App> + 'static,
    ) -> Result<SocketId, OpenError> {
        self.refuse_while_shutting_down(&address)?;
        let socket = self.open_datagram(&address, options)?;
        self.add_socket(&address, socket, options.limits.clone(), protocol)
    }

    /// Runs a protocol on a datagram socket that was opened elsewhere.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn adopt_datagram(
        &mut self,
        socket: impl Into<StdDatagram>,
        limits: &DatagramLimits,
        protocol: impl DatagramProtocol<App> + 'static,
    ) -> Result<SocketId, OpenError> {
        let socket = DatagramSocket::adopt(&self.poller, socket.into())?;
        let address = socket.local();
        self.refuse_while_shutting_down(&address)?;
        self.add_socket(&address, socket, limits.clone(), protocol)
    }

    fn add_socket(
        &mut self,
        address: &Address,
        mut socket: DatagramSocket,
        limits: DatagramLimits,
        protocol: impl DatagramProtocol<App> + 'static,
    ) -> Result<SocketId, OpenError> {
        let Some(key) = self.slots.next_key() else {
            return Err(OpenError::TooManyConnections(address.clone()));
        };
        socket.register(&self.poller, key.token()).map_err(OpenError::of(address))?;
        let mut queue = DatagramQueue::new(SocketId(key), socket, limits);
        queue.make_ready(&mut self.ledger);
        let socket = Socket { queue, protocol: Box::new(protocol) };
        self.slots.insert(key, Source::Datagram(Box::new(socket)));
        Ok(SocketId(key))
    }

    /// Closes a datagram socket. What is queued is dropped.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn close_socket(&mut self, id: SocketId) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Datagram(socket)) if !socket.queue.is_closed() => {
                socket.queue.retire(CloseReason::Closed, &mut self.ledger);
                Ok(())
            }
            Found::Running => {
                self.ledger.attention = true;
                self.orders.push(Order::Close);
                Ok(())
            }
            _ => Err(Stale),
        }
    }

    /// Closes a datagram socket and gives it back. Its protocol is dropped without another callback.
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls.
    pub fn detach_socket(&mut self, id: SocketId) -> Result<StdDatagram, Stale> {
        let is_open =
            |source: &Source<App>| matches!(source, Source::Datagram(it) if !it.queue.is_closed());
        let Some(Source::Datagram(mut socket)) = self.slots.remove_if(id.0, is_open) else {
            return Err(Stale);
        };
        self.cancel_timers(socket.queue.timers);
        self.disarm_retry(&mut socket.queue.deaf);
        Ok(socket.queue.socket.into_std(&self.poller))
    }

    /// Sends a datagram from a socket, to its connected peer if there is no address.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if the socket has ended, [`io::ErrorKind::WouldBlock`] if its queue
    /// is full and the datagram was dropped, or what the system says.
    ///
    /// From a callback of that very socket there is no error: the datagram leaves when the callback
    /// returns, and if it cannot it is only counted, in
    /// [`Stats::datagram_errors`](crate::Stats::datagram_errors) or
    /// [`datagrams_dropped`](crate::Stats::datagrams_dropped). Its
    /// [`DatagramTransport`](crate::DatagramTransport) tells more.
    pub fn send_to(&mut self, id: SocketId, bytes: &[u8], to: Option<&Address>) -> io::Result<()> {
        match self.slots.find(id.0) {
            Found::Here(Source::Datagram(socket)) if !socket.queue.is_closed() => {
                socket.queue.send(bytes, to, &mut self.ledger)
            }
            Found::Running => {
                self.ledger.attention = true;
                self.own_datagrams.push((Bytes::copy_from_slice(bytes), to.cloned()));
                Ok(())
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Reaches the protocol of a datagram socket, with the transport that its callbacks have, as
    /// [`with`](Self::with) does for a connection: what a connection has for a socket of the same program, say.
    ///
    /// `act` runs when no callback is on the stack, later in this turn or in the next, and not at all if the
    /// socket has closed by then. Several for one socket run in the order in which they were given.
    ///
    /// ```
    /// # use reactor::{Datagram, DatagramProtocol, DatagramTransport, Registry, SocketId, TimerKey};
    /// # use std::time::Duration;
    /// struct Beacon {
    ///     text: Vec<u8>,
    /// }
    /// # impl<App> DatagramProtocol<App> for Beacon {
    /// # }
    ///
    /// /// What is announced has changed: at once, and from now on.
    /// fn announce<App: 'static>(beacon: SocketId, text: Vec<u8>, registry: &mut Registry<App>) {
    ///     let told = registry.with_socket(beacon, |beacon: &mut Beacon, socket, _app| {
    ///         beacon.text = text;
    ///         socket.set_timer(TimerKey(0), Duration::ZERO);
    ///     });
    ///     if told.is_err() {
    ///         println!("nothing is announced any more");
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the socket has ended, or runs a protocol of another type. Of the one whose callback calls, the
    /// latter is only known later.
    pub fn with_socket<P: DatagramProtocol<App> + 'static>(
        &mut self,
        id: SocketId,
        act: impl FnOnce(&mut P, &mut DatagramTransport<'_, App>, &mut App) + 'static,
    ) -> Result<(), ReachError>
    where
        App: 'static,
    {
        match self.slots.find(id.0) {
            Found::Here(Source::Datagram(socket)) if !socket.queue.is_closed() => {
                if !socket.protocol.as_any_mut().is::<P>() {
                    return Err(ReachError::OtherProtocol);
                }
            }
            Found::Running => {}
            _ => return Err(ReachError::Stale),
        }
        self.defer_call(move |registry, app| {
            registry.call_socket_by_key(id.0, app, Callback::Task, |visit| {
                if let Some(protocol) = visit.protocol.as_any_mut().downcast_mut() {
                    act(protocol, &mut visit.transport, visit.app);
                }
            });
        });
        Ok(())
    }

    /// The address a datagram socket is bound to.
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls (ask its
    /// [`DatagramTransport`](crate::DatagramTransport) there).
    pub fn socket_address(&self, id: SocketId) -> Result<Address, Stale> {
        match self.slots.get(id.0) {
            Some(Some(Source::Datagram(socket))) => Ok(socket.queue.socket.local()),
            _ => Err(Stale),
        }
    }
}
