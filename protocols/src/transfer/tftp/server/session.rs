//! One transfer of a server, at a port of its own.
//!
//! A file that is received lands whole or not at all: it is written beside, and gets its name when the
//! last block is there, on the pool of threads. Only then is that block acknowledged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Instant;

use reactor::{
    Address, Datagram, DatagramProtocol, DatagramTransport, Registry, SocketClosed, SocketId,
    TimerKey,
};

use super::{Limits, Place, Server};
use crate::transfer::store::{StoreError, Upload};
use crate::transfer::tftp::pump::{Content, News, Pump};
use crate::transfer::tftp::{Failure, Mode, Options, Transfer};

/// A transfer, in the server's keeping, so that it can be reached when its file is safe.
#[derive(Debug)]
pub(super) struct Session {
    pump: Pump<Receiving>,
    client: Client,
    way: Way,
    /// What has become of it is known, and counted.
    is_settled: bool,
    /// The loop is shutting down, and waits for it.
    is_leaving: bool,
}

/// Whom it is for.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: Address,
    pub(super) place: Place,
}

/// The file of a request.
pub(super) enum Opened {
    ToSend(File, u64),
    ToReceive(Upload),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

/// An upload, as anything that can be written.
#[derive(Debug)]
pub(super) struct Receiving(Upload);

/// A file that is sent. Where its size was granted (RFC 2349), no more and no less is read of it, whatever
/// becomes of the file meanwhile: boot loaders go by that size, and not by what comes.
#[derive(Debug)]
struct Announced {
    file: File,
    rest: Option<u64>,
}

impl Read for Announced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(rest) = self.rest else {
            return self.file.read(buffer);
        };
        let read = (&mut self.file).take(rest).read(buffer)?;
        if read == 0 && rest > 0 && !buffer.is_empty() {
            let message = "the file has become shorter";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.rest = Some(rest - read as u64);
        Ok(read)
    }
}

impl Write for Receiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(io_error)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Session {
    /// The file of a request, on the terms that are granted.
    pub(super) fn new(
        client: Client,
        opened: Opened,
        mode: Mode,
        asked: &Options,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        let (transfer, content, way) = match opened {
            Opened::ToSend(file, size) => {
                // The size of a text is not that of what is sent for it. And of nothing, none is told: curl
                // takes a size of zero for nonsense, and gives up.
                let size = Some(size).filter(|&size| mode == Mode::Octet && size > 0);
                let (granted, terms) = asked.grant(&limits.bounds, size);
                let transfer = Transfer::send(&terms, &granted, limits.patience, now);
                let content = Content::source(Announced { file, rest: granted.size }, mode);
                (transfer, content, Way::Out)
            }
            Opened::ToReceive(upload) => {
                let (granted, terms) = asked.grant(&limits.bounds, asked.size);
                let transfer = Transfer::receive(&terms, &granted, limits.patience, now);
                (transfer, Content::sink(Receiving(upload), mode), Way::In)
            }
        };
        let pump = Pump::answering(transfer, client.peer.clone(), content);
        let pump = pump.with_bounds(limits.file, limits.strays);
        Self { pump, client, way, is_settled: false, is_leaving: false }
    }

    pub(super) fn peer(&self) -> &Address {
        &self.client.peer
    }

    pub(super) fn place(&self) -> Place {
        self.client.place
    }

    pub(super) fn was_answered(&self) -> bool {
        self.pump.transfer().was_answered()
    }
}

/// The protocol of a transfer's socket. It has no state: the session is the server's.
#[derive(Debug)]
pub(super) struct TransferSocket;

impl<App: AsMut<Server> + 'static> DatagramProtocol<App> for TransferSocket {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        advance(socket, app, Pump::run);
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        advance(socket, app, |pump, socket| {
            pump.handle_datagram(socket, &datagram.from, datagram.bytes)
        });
    }

    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, App>, _: TimerKey, app: &mut App) {
        advance(socket, app, Pump::handle_timer);
    }

    fn on_shutdown(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let session = app.as_mut().sessions.get_mut(&socket.id());
        match session.filter(|session| session.pump.transfer().is_storing()) {
            // It ends when its file is safe.
            Some(session) => session.is_leaving = true,
            None => advance(socket, app, |pump, socket| pump.fail(socket, Failure::Cancelled)),
        }
    }

    fn on_close(&mut self, _: &mut Registry<App>, closed: &SocketClosed, app: &mut App) {
        let server = app.as_mut();
        settle(server, closed.id, &Err(Failure::Cancelled));
        drop(server.leave(closed.id));
    }
}

/// Has something done to a session, and sees to what comes of it.
fn advance<App: AsMut<Server> + 'static>(
    socket: &mut DatagramTransport<'_, App>,
    app: &mut App,
    what: impl FnOnce(&mut Pump<Receiving>, &mut DatagramTransport<'_, App>) -> News,
) {
    let server = app.as_mut();
    let Some(session) = server.sessions.get_mut(&socket.id()) else {
        return socket.close();
    };
    match what(&mut session.pump, socket) {
        News::Going | News::Agreed(_) => {}
        News::Complete => store(socket, server),
        News::Over(result) => {
            settle(server, socket.id(), &result);
            socket.close();
        }
    }
}

/// A transfer has ended, and how: its place is free. Only the first time counts.
fn settle(server: &mut Server, id: SocketId, result: &Result<(), Failure>) {
    let Some(session) = server.sessions.get_mut(&id) else {
        return;
    };
    if std::mem::replace(&mut session.is_settled, true) {
        return;
    }
    let (way, bytes) = (session.way, session.pump.moved());
    let Client { peer, place } = session.client.clone();
    server.release(&peer, place);
    match (result, way) {
        (Ok(()), Way::Out) => server.count_sent(bytes),
        (Ok(()), Way::In) => server.count_received(bytes),
        (Err(_), _) => server.counters.failed += 1,
    }
}

/// All of the file is here: gives it its name, away from the loop, which a disk may keep waiting.
fn store<App: AsMut<Server> + 'static>(
    socket: &mut DatagramTransport<'_, App>,
    server: &mut Server,
) {
    let id = socket.id();
    let Some(session) = server.sessions.get_mut(&id) else {
        return;
    };
    let file = match session.pump.take_file() {
        Ok(file) => file,
        Err(failure) => return give_up(socket, server, failure),
    };
    let commit = move || match file {
        Some(Receiving(upload)) => upload.commit().map(drop).map_err(Failure::from),
        None => Ok(()),
    };
    let queued = socket.registry().offload(commit, move |registry, app: &mut App, stored| {
        let stored =
            stored.unwrap_or_else(|error| Err(Failure::from(io::Error::other(error.to_string()))));
        handle_stored(registry, app.as_mut(), id, stored);
    });
    if queued.is_err() {
        give_up(socket, server, Failure::from(io::Error::other("the server is busy")));
    }
}

fn give_up<App>(socket: &mut DatagramTransport<'_, App>, server: &mut Server, failure: Failure) {
    let id = socket.id();
    settle(server, id, &Err(failure.clone()));
    if let Some(session) = server.sessions.get_mut(&id) {
        let _ = session.pump.fail(socket, failure);
    }
    socket.close();
}

/// The file is safe, or is not: its sender is told, and told again for as long as it may not have heard.
fn handle_stored<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    server: &mut Server,
    id: SocketId,
    stored: Result<(), Failure>,
) {
    settle(server, id, &stored);
    let Some(session) = server.sessions.get_mut(&id) else {
        return;
    };
    let now = registry.now();
    session.pump.handle_stored(stored, now);
    while let Some((packet, peer)) = session.pump.poll_packet(now) {
        // If it is lost, it is asked for again.
        let _ = registry.send_to(id, packet, Some(peer));
    }
    if session.is_leaving {
        let _ = registry.close_socket(id);
        return;
    }
    let oldest = server.dally(id);
    forget_later(registry, server, id);
    let _ = oldest.map(|oldest| registry.close_socket(oldest));
}

/// Closes the socket of a transfer that is over, once its sender must have heard that it is.
fn forget_later<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    server: &Server,
    id: SocketId,
) {
    let until = server.sessions.get(&id).and_then(|it| it.pump.transfer().poll_timeout());
    let rest = until.map(|until| until.saturating_duration_since(registry.now()));
    let set = rest.filter(|rest| !rest.is_zero()).map(|rest| {
        registry.after(rest, move |registry, app: &mut App| {
            forget_later(registry, app.as_mut(), id);
        })
    });
    if !matches!(set, Some(Ok(_))) {
        // It may be closed already, by a shutdown.
        let _ = registry.close_socket(id);
    }
}

/// What the store says, as a system would.
fn io_error(error: StoreError) -> io::Error {
    let kind = match &error {
        StoreError::Io(_) => io::ErrorKind::Other,
        StoreError::NoSpace => io::ErrorKind::StorageFull,
        StoreError::QuotaExceeded => io::ErrorKind::QuotaExceeded,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
