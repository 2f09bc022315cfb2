//! The well-known port: requests come in here, and each that is served gets a port of its own.
//!
//! ```text
//!   port 69          the pool of threads        a port that the system chooses
//!   ┌──────┐  open   ┌─────────────────┐  file  ┌─────────┐
//!   │ Port │ ──────▶ │ the tree        │ ─────▶ │ Session │ ◀──▶ the client
//!   └──────┘         └─────────────────┘        └─────────┘
//!       └─────────────── no such file: ERROR ────────────────────▶
//! ```

use std::net::{IpAddr, SocketAddr};

use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, Registry, SocketId,
};

use super::session::{Client, Opened, Session, TransferSocket};
use super::{Place, Refusal, Server, out_of_sockets};
use crate::transfer::store::{CreateOptions, Replace, Store, StoreError, VirtualPath};
use crate::transfer::tftp::transfer::error;
use crate::transfer::tftp::{Code, Failure, Malformed, Mode, Options, Packet, Request};

/// The protocol of the well-known port. It has no state: the server is the application's.
#[derive(Debug)]
pub(super) struct Port;

impl<App: AsMut<Server> + 'static> DatagramProtocol<App> for Port {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let now = socket.registry().now();
        let server = app.as_mut();
        let (request, is_write) = match Packet::parse(datagram.bytes) {
            Ok(Packet::Read(request)) => (request, false),
            Ok(Packet::Write(request)) => (request, true),
            Err(malformed) if is_request(malformed) => return refuse(socket, datagram, server),
            // Somebody answers what nobody has said: that is not talked about.
            _ => return server.counters.dropped += 1,
        };
        match server.admit(&datagram.from, datagram.bytes, is_write, now) {
            Ok(place) => serve(socket, datagram, &request, is_write, server, place),
            Err(refusal) => turn_away(socket, datagram, &refusal, server),
        }
    }
}

/// Whether bytes were meant for a request.
fn is_request(malformed: Malformed) -> bool {
    matches!(malformed, Malformed::Long | Malformed::Nameless | Malformed::Mode)
}

/// Answers what cannot be served by anybody. It counts as any request does, against those who would have
/// a victim be answered.
fn refuse<App>(
    socket: &mut DatagramTransport<'_, App>,
    datagram: &Datagram<'_>,
    server: &mut Server,
) {
    let now = socket.registry().now();
    if server.may_answer(&datagram.from, now) {
        server.counters.refused += 1;
        let packet = error(Code::IllegalOperation, "that is no request for a file");
        let _ = socket.answer(datagram, &packet);
    } else {
        server.counters.dropped += 1;
    }
}

fn turn_away<App>(
    socket: &mut DatagramTransport<'_, App>,
    datagram: &Datagram<'_>,
    refusal: &Refusal,
    server: &mut Server,
) {
    let Some((code, message)) = refusal.report() else {
        return server.counters.dropped += 1;
    };
    server.counters.refused += 1;
    // If it is lost, it is asked for again.
    let _ = socket.answer(datagram, &error(code, &message));
}

/// A request on its way through the pool of threads.
struct PendingRequest {
    /// The well-known port's socket, which tells if it cannot be served; unless it is bound to all
    /// addresses, and would tell from another than was asked.
    port: Option<SocketId>,
    /// Where a port for it is to be.
    local: Address,
    peer: Address,
    place: Place,
    mode: Mode,
    asked: Options,
}

/// Looks for the file, away from the loop, which a disk may keep waiting.
fn serve<App: AsMut<Server> + 'static>(
    socket: &mut DatagramTransport<'_, App>,
    datagram: &Datagram<'_>,
    request: &Request<'_>,
    is_write: bool,
    server: &mut Server,
    place: Place,
) {
    let local = local_address(datagram.to, &socket.local());
    let pending = PendingRequest {
        port: Some(socket.id()).filter(|_| local.ip() == socket.local().ip()),
        local,
        peer: datagram.from.clone(),
        place,
        mode: request.mode,
        asked: Options::parse(request.options),
    };
    let (store, name, peer) = (server.store.clone(), request.name.to_vec(), pending.peer.clone());
    let (replace, longest) = (server.replace, server.limits.file);
    let announced = pending.asked.size.unwrap_or(0);
    let token = socket.registry().random();
    let work = move || match is_write {
        false => open_to_send(&store, &name),
        true if announced > longest => Err(Failure::TooLong(longest)),
        true => open_to_receive(&store, &name, replace, token),
    };
    let queued = socket.registry().offload(work, move |registry, app: &mut App, opened| {
        let opened = opened.unwrap_or_else(|error| Err(broken(&error.to_string())));
        begin(registry, app, pending, opened);
    });
    if queued.is_err() {
        server.release(&peer, place);
        turn_away(socket, datagram, &Refusal::Busy, server);
    }
}

fn open_to_send(store: &Store, name: &[u8]) -> Result<Opened, Failure> {
    let (file, entry) = store.read(&path(name)?)?;
    Ok(Opened::ToSend(file, entry.size))
}

fn open_to_receive(
    store: &Store,
    name: &[u8],
    replace: Replace,
    token: u64,
) -> Result<Opened, Failure> {
    let options = CreateOptions { replace, token, ..CreateOptions::default() };
    Ok(Opened::ToReceive(store.create(&path(name)?, &options)?))
}

fn path(name: &[u8]) -> Result<VirtualPath, Failure> {
    Ok(VirtualPath::root().join(name).map_err(StoreError::from)?)
}

/// The file has been found, or has not.
fn begin<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    app: &mut App,
    pending: PendingRequest,
    opened: Result<Opened, Failure>,
) {
    let now = registry.now();
    let server = app.as_mut();
    let begun = opened.and_then(|opened| {
        let options = DatagramOptions::default();
        let id = registry
            .bind_datagram_with(pending.local.clone(), &options, TransferSocket)
            .map_err(|error| out_of_sockets(&error))?;
        let client = Client { peer: pending.peer.clone(), place: pending.place };
        let PendingRequest { mode, asked, .. } = &pending;
        Ok((id, Session::new(client, opened, *mode, asked, &server.limits, now)))
    });
    match begun {
        Ok((id, session)) => server.enter(id, session),
        Err(failure) => {
            server.release(&pending.peer, pending.place);
            server.counters.refused += 1;
            if let Some((code, message)) = failure.report() {
                tell_failure(registry, pending, error(code, &message));
            }
        }
    }
}

/// Tells a client that it will not be served, from the address that it has asked. If nobody can tell, it
/// will ask again.
fn tell_failure<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    pending: PendingRequest,
    packet: Vec<u8>,
) {
    let PendingRequest { port, local, peer, .. } = pending;
    match port {
        Some(port) => drop(registry.send_to(port, &packet, Some(&peer))),
        None => drop(registry.bind_datagram(local, OnePacket { peer, packet })),
    }
}

/// A socket for one packet.
#[derive(Debug)]
struct OnePacket {
    peer: Address,
    packet: Vec<u8>,
}

impl<App> DatagramProtocol<App> for OnePacket {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
        // If it is lost, it is asked for again.
        let _ = socket.send_to(&self.packet, &self.peer);
        socket.close();
    }
}

/// A port of its own, at the address that was asked: a client hears no other.
fn local_address(asked: Option<IpAddr>, port: &Address) -> Address {
    let ip = asked.or(port.ip()).unwrap_or(IpAddr::from([127, 0, 0, 1]));
    match port.socket_addr() {
        // The scope of a link-local address belongs to it.
        Some(SocketAddr::V6(mut port)) if IpAddr::V6(*port.ip()) == ip => {
            port.set_port(0);
            SocketAddr::V6(port).into()
        }
        _ => SocketAddr::from((ip, 0)).into(),
    }
}

fn broken(message: &str) -> Failure {
    Failure::File { code: Code::Undefined, message: message.to_owned() }
}
