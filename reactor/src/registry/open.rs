//! Opening connections: by connecting, and by adopting what was opened elsewhere.

use std::io;
use std::rc::Rc;

use super::{Protocol, Registry};
use crate::net::{Begun, StdStream, StreamSocket};
use crate::source::{Connection, Source};
use crate::stream::{Layer, Origin, Stream};
use crate::trace::What;
use crate::{
    Address, CloseReason, ConnectOptions, ConnectionId, OpenError, StreamLimits, StreamOptions,
};

/// Why something was not opened, with the protocol that it was to run.
type Refused<App> = (Box<dyn Protocol<App>>, OpenError);

impl<App> Registry<App> {
    /// Connects. It never blocks: the connection opens later, with
    /// [`on_open`](Protocol::on_open), or ends with
    /// [`CloseReason::ConnectFailed`](crate::CloseReason::ConnectFailed) or
    /// [`ConnectTimeout`](crate::CloseReason::ConnectTimeout). What is sent to it before is queued.
    ///
    /// An address may be a host by its name ([`Address::to_host`]). It is then looked up, by the system or by
    /// [a resolver of one's own](Self::set_resolver), and its addresses are tried as [`ConnectOptions::race`] says,
    /// until one is connected. All that belongs to this one connection: its id is there from the beginning, its
    /// [`connect_timeout`](StreamLimits::connect_timeout) is for all of it, and if nothing comes of it
    /// [`CloseReason::HostFailed`](crate::CloseReason::HostFailed) tells of each attempt. With TLS, the certificate
    /// has to be for this name. Who connects anew looks up anew.
    ///
    /// ```
    /// use reactor::{Closed, Input, Protocol, Reactor, Registry, Transport};
    ///
    /// struct Greeter;
    ///
    /// impl Protocol<Vec<String>> for Greeter {
    ///     fn on_close(&mut self, _: &mut Registry<Vec<String>>, closed: &Closed, ends: &mut Vec<String>) {
    ///         ends.push(closed.reason.to_string());
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new()?;
    /// // Nobody listens there.
    /// reactor.registry().connect("localhost:1".parse()?, Greeter)?;
    /// let mut ends = Vec::new();
    /// reactor.run_until_idle(&mut ends)?;
    /// assert!(ends[0].starts_with("could not connect: "), "{ends:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only what was refused before the system was asked: an address of the wrong kind, TLS without a name to verify,
    /// a loop that is full ([`Limits::connections`](crate::Limits::connections)) or
    /// [shutting down](Self::shutdown). The protocol is dropped then, without a callback. Whatever the system says
    /// is told by [`on_close`](Protocol::on_close), also where it is known at once: that nobody is there, that no
    /// descriptors are left. So to try again is for that one place.
    pub fn connect(
        &mut self,
        address: Address,
        protocol: impl Protocol<App> + 'static,
    ) -> Result<ConnectionId, OpenError> {
        self.connect_with(address, &ConnectOptions::default(), protocol)
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// ```
    /// use reactor::{ConnectOptions, Protocol, Reactor};
    /// use std::time::Duration;
    ///
    /// struct Reader;
    ///
    /// impl<App> Protocol<App> for Reader {}
    ///
    /// let mut options = ConnectOptions::default();
    /// options.limits.connect_timeout = Some(Duration::from_secs(5));
    /// // Of one that says nothing for so long `on_close` tells that, too.
    /// options.limits.read_timeout = Some(Duration::from_secs(60));
    /// let mut reactor = Reactor::<()>::new()?;
    /// reactor.registry().connect_with("127.0.0.1:1".parse()?, &options, Reader)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As there.
    pub fn connect_with(
        &mut self,
        address: Address,
        options: &ConnectOptions,
        protocol: impl Protocol<App> + 'static,
    ) -> Result<ConnectionId, OpenError> {
        self.connect_boxed(address, options, Box::new(protocol))
    }

    pub(super) fn connect_boxed(
        &mut self,
        address: Address,
        options: &ConnectOptions,
        protocol: Box<dyn Protocol<App>>,
    ) -> Result<ConnectionId, OpenError> {
        self.refuse_while_shutting_down(&address)?;
        self.refuse_when_full(&address)?;
        let Address::Host(host) = &address else {
            return self.open_stream(address, options, Origin::Connecting, protocol);
        };
        let layer = client_layer(&address, options)?;
        let id = self.connect_to_host(host.clone(), options, protocol)?;
        layer.into_iter().for_each(|layer| self.wrap(id, layer));
        Ok(id)
    }

    /// Begins to connect to an address that needs no look-up.
    pub(super) fn open_stream(
        &mut self,
        address: Address,
        options: &ConnectOptions,
        origin: Origin,
        protocol: Box<dyn Protocol<App>>,
    ) -> Result<ConnectionId, OpenError> {
        let layer = client_layer(&address, options)?;
        let limits = Rc::new(options.limits.clone());
        let begun = StreamSocket::connect(&self.poller, &address, options);
        let (id, refused) = match self.begin_stream(begun, &address, origin, &limits, protocol) {
            Ok(begun) => begun,
            // The next attempt has its turn at once; and of the wrong kind of address nothing is to be heard.
            Err((_, error)) if origin == Origin::Attempt || error.is_mistake() => {
                return Err(error);
            }
            Err((protocol, error)) => {
                let socket = StreamSocket::pending();
                let id = self
                    .add_stream(socket, address, Origin::Named, limits, protocol)
                    .map_err(|(_, error)| error)?;
                (id, Some(error.into_io()))
            }
        };
        self.ledger.stats.connects += 1;
        self.ledger.trace_of(id, || What::Connecting);
        layer.into_iter().for_each(|layer| self.wrap(id, layer));
        if let Some(error) = refused {
            self.retire(id, CloseReason::ConnectFailed(error));
        }
        Ok(id)
    }

    /// Gives what has begun its slot; why it has come to nothing already, if it has.
    fn begin_stream(
        &mut self,
        begun: Result<Begun<StreamSocket>, OpenError>,
        address: &Address,
        origin: Origin,
        limits: &Rc<StreamLimits>,
        protocol: Box<dyn Protocol<App>>,
    ) -> Result<(ConnectionId, Option<io::Error>), Refused<App>> {
        let Begun { socket, path, refused } = match begun {
            Ok(begun) => begun,
            Err(error) => return Err((protocol, error)),
        };
        let limits = Rc::clone(limits);
        let id = self.add_stream(socket, address.clone(), origin, limits, protocol)?;
        path.and_then(|path| self.client_paths.insert(id.0, path));
        Ok((id, refused))
    }

    /// Runs a protocol on a stream that was opened elsewhere. Its [`on_open`](Protocol::on_open) is
    /// called in the next turn.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    #[doc(alias("from_std"))]
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
        socket.apply(options).map_err(OpenError::of(&peer))?;
        let limits = Rc::new(limits.clone());
        self.add_stream(socket, peer, Origin::Adopted, limits, Box::new(protocol))
            .map_err(|(_, error)| error)
    }

    /// Puts a stream into its slot; hands the protocol back if that fails.
    pub(crate) fn add_stream(
        &mut self,
        mut socket: StreamSocket,
        peer: Address,
        origin: Origin,
        limits: Rc<StreamLimits>,
        protocol: Box<dyn Protocol<App>>,
    ) -> Result<ConnectionId, Refused<App>> {
        let Some(key) = self.slots.next_key() else {
            return Err((protocol, OpenError::TooManyConnections(peer)));
        };
        if origin != Origin::Named
            && let Err(error) = socket.register(&self.poller, key.token())
        {
            return Err((protocol, OpenError::new(&peer, error)));
        }
        let stream = Stream::new(socket, peer, origin, limits, &mut self.ledger);
        let mut connection = Connection { stream, protocol };
        // It is visited without an event: to be opened, or to have its deadline armed.
        connection.stream.make_ready(key, &mut self.ledger);
        // An attempt is a part of the connection that it is made for.
        self.count_connections(isize::from(origin != Origin::Attempt));
        self.slots.insert(key, Source::Stream(connection));
        Ok(ConnectionId(key))
    }

    /// Counts connections that have come, or gone.
    pub(crate) fn count_connections(&mut self, change: isize) {
        self.connections = self.connections.saturating_add_signed(change);
        self.mailbox.load.set_connections(self.connections);
    }

    pub(crate) fn refuse_while_shutting_down(
        &mut self,
        address: &Address,
    ) -> Result<(), OpenError> {
        if self.shutdown.is_ending() {
            return Err(OpenError::ShuttingDown(address.clone()));
        }
        self.shutdown.begin_anew();
        Ok(())
    }

    pub(crate) fn refuse_when_full(&self, address: &Address) -> Result<(), OpenError> {
        if self.connections < self.ledger.limits.connections {
            Ok(())
        } else {
            Err(OpenError::TooManyConnections(address.clone()))
        }
    }
}

/// The layer of a connection to this address, if it is to have one.
fn client_layer(
    address: &Address,
    options: &ConnectOptions,
) -> Result<Option<Box<dyn Layer>>, OpenError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        let engine = tls.engine(address).map_err(|error| OpenError::Tls(address.clone(), error))?;
        return Ok(Some(Box::new(engine)));
    }
    let _ = (address, options);
    Ok(None)
}
