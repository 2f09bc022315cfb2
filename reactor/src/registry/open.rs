//! Opening sockets: listening, connecting, binding, and adopting what was opened elsewhere.

use std::io;
use std::rc::Rc;

use super::{DatagramProtocol, Protocol, Registry};
use crate::datagram::DatagramQueue;
use crate::listener::{Factory, Listener};
use crate::net::{
    DatagramSocket, ListenerSocket, StdDatagram, StdListener, StdStream, StreamSocket,
};
use crate::rate::TokenBucket;
use crate::source::{Connection, Socket, Source};
use crate::stream::{Layer, Origin, Stream};
use crate::trace::What;
use crate::{
    Address, ConnectOptions, ConnectionId, DatagramLimits, DatagramOptions, ListenOptions,
    ListenerId, OpenError, SocketId, StreamLimits, StreamOptions,
};

impl<App> Registry<App> {
    /// Listens, and gives every accepted connection the protocol that `factory` makes for it.
    ///
    /// ```
    /// # use reactor::{Input, Protocol, Reactor, Transport};
    /// # struct Echo;
    /// # impl<App> Protocol<App> for Echo {
    /// #     fn on_data(&mut self, t: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
    /// #         t.write(input.take_all());
    /// #     }
    /// # }
    /// let mut reactor = Reactor::<()>::new()?;
    /// let id = reactor.registry().listen("127.0.0.1:0".parse()?, |_peer, _app| Echo)?;
    /// println!("listening on {}", reactor.registry().listener_address(id)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
    pub fn listen<P: Protocol<App> + 'static>(
        &mut self,
        address: Address,
        mut factory: impl FnMut(&Address, &mut App) -> P + 'static,
    ) -> Result<ListenerId, OpenError> {
        self.listen_with(address, &ListenOptions::default(), move |peer, app| {
            Some(Box::new(factory(peer, app)))
        })
    }

    /// As [`listen`](Self::listen), with options, and with a factory that may choose between
    /// protocols, or refuse the peer with `None`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn listen_with(
        &mut self,
        address: Address,
        options: &ListenOptions,
        factory: impl FnMut(&Address, &mut App) -> Option<Box<dyn Protocol<App>>> + 'static,
    ) -> Result<ListenerId, OpenError> {
        self.refuse_while_shutting_down(&address)?;
        let socket = ListenerSocket::open(&self.poller, &address, options)?;
        self.add_listener(&address, socket, options, Box::new(factory))
    }

    /// Listens on a socket that was opened elsewhere: by a supervisor, or before privileges were
    /// dropped. The options of the socket itself stay as they are.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn adopt_listener(
        &mut self,
        listener: impl Into<StdListener>,
        options: &ListenOptions,
        factory: impl FnMut(&Address, &mut App) -> Option<Box<dyn Protocol<App>>> + 'static,
    ) -> Result<ListenerId, OpenError> {
        let socket = ListenerSocket::adopt(&self.poller, listener.into())?;
        let address = socket.local();
        self.refuse_while_shutting_down(&address)?;
        self.add_listener(&address, socket, options, Box::new(factory))
    }

    fn add_listener(
        &mut self,
        address: &Address,
        mut socket: ListenerSocket,
        options: &ListenOptions,
        factory: Factory<App>,
    ) -> Result<ListenerId, OpenError> {
        let Some(key) = self.slots.next_key() else {
            return Err(OpenError::TooManyConnections(address.clone()));
        };
        socket.register(&self.poller, key.token()).map_err(failed(address))?;
        let rate = options.accept_rate.map(|rate| TokenBucket::new(rate, rate));
        let listener = Listener::new(socket, options, rate, factory);
        self.slots.insert(key, Source::Listener(Box::new(listener)));
        Ok(ListenerId(key))
    }

    /// Connects. It never blocks: the connection opens later, with
    /// [`on_open`](Protocol::on_open), or ends with
    /// [`CloseReason::ConnectFailed`](crate::CloseReason::ConnectFailed) or
    /// [`ConnectTimeout`](crate::CloseReason::ConnectTimeout). What is sent to it before is queued.
    ///
    /// # Errors
    ///
    /// Only what is known at once: no descriptors, no route, a full loop; see [`OpenError`]. The
    /// protocol is dropped then, without a callback.
    pub fn connect(
        &mut self,
        address: Address,
        protocol: impl Protocol<App> + 'static,
    ) -> Result<ConnectionId, OpenError> {
        self.connect_with(address, &ConnectOptions::default(), protocol)
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn connect_with(
        &mut self,
        address: Address,
        options: &ConnectOptions,
        protocol: impl Protocol<App> + 'static,
    ) -> Result<ConnectionId, OpenError> {
        self.refuse_while_shutting_down(&address)?;
        self.refuse_when_full(&address)?;
        let layer = client_layer(&address, options)?;
        let (socket, path) = StreamSocket::connect(&self.poller, &address, options)?;
        self.ledger.stats.connects += 1;
        let limits = Rc::new(options.limits.clone());
        let id = self
            .add_stream(socket, address, &Origin::Connecting, limits, Box::new(protocol))
            .map_err(|(_, error)| error)?;
        self.ledger.trace_of(id, || What::Connecting);
        path.and_then(|path| self.client_paths.insert(id.0, path));
        layer.into_iter().for_each(|layer| self.wrap(id, layer));
        Ok(id)
    }

    /// Runs a protocol on a stream that was opened elsewhere. Its [`on_open`](Protocol::on_open) is
    /// called in the next turn.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn adopt(
        &mut self,
        stream: impl Into<StdStream>,
        options: &StreamOptions,
        limits: &StreamLimits,
        protocol: impl Protocol<App> + 'static,
    ) -> Result<ConnectionId, OpenError> {
        let socket = StreamSocket::adopt(&self.poller, stream.into())?;
        let peer = socket.peer();
        self.refuse_while_shutting_down(&peer)?;
        self.refuse_when_full(&peer)?;
        socket.apply(options).map_err(failed(&peer))?;
        let limits = Rc::new(limits.clone());
        self.add_stream(socket, peer, &Origin::Adopted, limits, Box::new(protocol))
            .map_err(|(_, error)| error)
    }

    /// Puts a stream into its slot; hands the protocol back if that fails.
    pub(crate) fn add_stream(
        &mut self,
        mut socket: StreamSocket,
        peer: Address,
        origin: &Origin,
        limits: Rc<StreamLimits>,
        protocol: Box<dyn Protocol<App>>,
    ) -> Result<ConnectionId, (Box<dyn Protocol<App>>, OpenError)> {
        let Some(key) = self.slots.next_key() else {
            return Err((protocol, OpenError::TooManyConnections(peer)));
        };
        if let Err(error) = socket.register(&self.poller, key.token()) {
            return Err((protocol, OpenError::new(&peer, error)));
        }
        let stream = Stream::new(socket, peer, origin, limits, &self.ledger);
        let mut connection = Box::new(Connection { stream, protocol });
        // It is visited without an event: to be opened, or to have its deadline armed.
        connection.stream.make_ready(key, &mut self.ledger);
        self.connections += 1;
        self.slots.insert(key, Source::Stream(connection));
        Ok(ConnectionId(key))
    }

    /// Binds a datagram socket: UDP for an IP address, Unix for a path or a name
    /// ([`Address::Unnamed`] for one that only sends).
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
        let socket = DatagramSocket::open(&self.poller, &address, options)?;
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
        limits: DatagramLimits,
        protocol: impl DatagramProtocol<App> + 'static,
    ) -> Result<SocketId, OpenError> {
        let socket = DatagramSocket::adopt(&self.poller, socket.into())?;
        let address = socket.local();
        self.refuse_while_shutting_down(&address)?;
        self.add_socket(&address, socket, limits, protocol)
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
        socket.register(&self.poller, key.token()).map_err(failed(address))?;
        let mut queue = DatagramQueue::new(socket, limits);
        queue.make_ready(key, &mut self.ledger);
        let socket = Socket { queue, protocol: Box::new(protocol) };
        self.slots.insert(key, Source::Datagram(Box::new(socket)));
        Ok(SocketId(key))
    }

    fn refuse_while_shutting_down(&self, address: &Address) -> Result<(), OpenError> {
        if self.shutdown.is_running() {
            Ok(())
        } else {
            Err(OpenError::ShuttingDown(address.clone()))
        }
    }

    fn refuse_when_full(&self, address: &Address) -> Result<(), OpenError> {
        if self.connections < self.ledger.limits.connections {
            Ok(())
        } else {
            Err(OpenError::TooManyConnections(address.clone()))
        }
    }
}

#[cfg(feature = "tls")]
fn client_layer(
    address: &Address,
    options: &ConnectOptions,
) -> Result<Option<Box<dyn Layer>>, OpenError> {
    let Some(tls) = &options.tls else {
        return Ok(None);
    };
    let engine = tls.engine(address).map_err(|error| OpenError::Tls(address.clone(), error))?;
    Ok(Some(Box::new(engine)))
}

#[cfg(not(feature = "tls"))]
fn client_layer(_: &Address, _: &ConnectOptions) -> Result<Option<Box<dyn Layer>>, OpenError> {
    Ok(None)
}

fn failed(address: &Address) -> impl FnOnce(io::Error) -> OpenError {
    move |error| OpenError::new(address, error)
}
