//! The loop as a session sees it, and the calls that open sockets for clients.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use reactor::{
    Address, ConnectOptions, ConnectionId, ListenOptions, ListenerId, OpenError, Protocol,
    Registry, StreamOptions, TimerKey, Transport,
};

use super::data::{Data, settle};
use super::network::{Awaited, Control, Network, Then, Work};
use super::session::{Arrival, Beginning, Job, Session, TurnedAway};
use super::{Server, TooMany};
use crate::transfer::ftp::secure::{DataTls, Token};
use crate::transfer::ftp::{Settings, secure};
use crate::transfer::store::Upload;

/// Listens for clients. The connections get the options; urgent data is left in its place.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
) -> Result<ListenerId, OpenError> {
    listen_for(registry, address, options, Beginning::Plain)
}

/// As [`listen`], for clients who begin with TLS, as those of the port 990 do, by [`Settings::tls`]. Without that
/// everybody is reset.
///
/// # Errors
///
/// As of [`listen`].
#[cfg(feature = "tls")]
pub fn listen_implicit<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
) -> Result<ListenerId, OpenError> {
    listen_for(registry, address, options, Beginning::Implicit)
}

fn listen_for<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
    beginning: Beginning,
) -> Result<ListenerId, OpenError> {
    // What clients abort with may be urgent, as a whole or in part (RFC 959, 4.1.3).
    let stream = StreamOptions { urgent_inline: true, ..options.stream.clone() };
    let options = ListenOptions { stream, ..options.clone() };
    registry.listen_with(address, &options, move |peer, app| {
        // Files go between hosts: without an address there is no data connection.
        let peer = peer.ip()?.to_canonical();
        let protocol: Box<dyn Protocol<App>> = match app.as_mut().admit(peer) {
            Ok(()) => Box::new(Arrival::new(peer, beginning)),
            Err(TooMany) if beginning == Beginning::Plain => Box::new(TurnedAway),
            // Nobody would hear it.
            Err(TooMany) => return None,
        };
        Some(protocol)
    })
}

impl<App: AsMut<Server> + 'static> Network for Registry<App> {
    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn wall_clock(&self) -> SystemTime {
        Self::wall_clock(self)
    }

    fn random(&mut self) -> u64 {
        Self::random(self)
    }

    fn listen(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
        Awaited { session, client, port, tls }: Awaited,
    ) -> Result<ListenerId, OpenError> {
        self.listen_with(Address::Ip(address), options, move |peer, app: &mut App| {
            let data = Data::new(session, Some(Rc::clone(&port)), tls.clone());
            let protocol: Box<dyn Protocol<App>> = Box::new(data);
            port.admits(peer, client, app.as_mut()).then_some(protocol)
        })
    }

    fn port_of(&self, listener: ListenerId) -> u16 {
        let address = self.listener_address(listener);
        address.ok().and_then(|address| address.port()).unwrap_or(0)
    }

    fn connect(
        &mut self,
        to: SocketAddr,
        options: &ConnectOptions,
        session: ConnectionId,
        tls: Option<DataTls>,
    ) -> Result<ConnectionId, OpenError> {
        self.connect_with(to.into(), options, Data::new(session, None, tls))
    }

    fn close_listener(&mut self, listener: ListenerId) {
        let _ = Self::close_listener(self, listener);
    }

    fn abort(&mut self, data: ConnectionId) {
        let _ = Self::abort(self, data);
    }

    fn begin(&mut self, data: ConnectionId, job: Job) {
        let _ = self.with(data, |data: &mut Data, transport, app| data.begin(transport, app, job));
    }

    fn settle(&mut self, upload: Option<Upload>) {
        settle(self, upload, |_| {});
    }
}

impl<App: AsMut<Server> + 'static> Control for Transport<'_, App> {
    fn id(&self) -> ConnectionId {
        Self::id(self)
    }

    fn network(&mut self) -> &mut dyn Network {
        self.registry()
    }

    fn write(&mut self, bytes: &[u8]) {
        Self::write(self, bytes);
    }

    fn close(&mut self) {
        Self::close(self);
    }

    fn resume(&mut self) {
        Self::resume(self);
    }

    fn set_timer(&mut self, timer: TimerKey, after: Duration) {
        Self::set_timer(self, timer, after);
    }

    fn cancel_timer(&mut self, timer: TimerKey) {
        Self::cancel_timer(self, timer);
    }

    fn begin_tls(&mut self, settings: &Settings, token: &Token) -> bool {
        secure::begin(self, settings, token)
    }

    fn offload(&mut self, work: Work, then: Then) -> bool {
        let done = |session: &mut Session, transport: &mut Transport<'_, App>, app: &mut App, _| {
            session.enter(transport, app, then);
        };
        Self::offload(self, work, done).is_ok()
    }
}
