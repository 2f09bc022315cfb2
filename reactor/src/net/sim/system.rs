//! The kernel of one host, as its loop sees it: what `net` asks of a system.

use std::fs::File;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::Fault;
use super::calls::Call;
use super::datagram::Datagrams;
use super::world::{Event, Failure, Shared, SocketIndex};
use crate::id::{Generations, Token};
use crate::net::{Incoming, NO_METADATA, Outgoing, Readiness};
use crate::offload::Job;
use crate::{
    Address, ConnectOptions, DatagramOptions, ListenOptions, Membership, OpenError, StreamOptions,
};

/// When the wall clocks begin: 2001-01-01, in seconds since the Unix epoch.
const BEGINNING: Duration = Duration::from_secs(978_307_200);
/// The longest that offloaded work takes.
const WORK: Duration = Duration::from_millis(200);
/// A file is read in pieces of this size at most.
const FILE_PIECE: usize = 64 * 1024;

#[derive(Clone)]
pub(crate) struct System {
    world: Shared,
    host: u16,
}

impl System {
    pub(crate) fn new(world: Shared, host: u16) -> Self {
        Self { world, host }
    }

    pub(crate) fn now(&self) -> Instant {
        let world = self.world.borrow();
        world.epoch + world.now
    }

    pub(crate) fn wall_clock(&self) -> SystemTime {
        let world = self.world.borrow();
        let error = world.kernel(self.host).clock_error;
        let right = SystemTime::UNIX_EPOCH + BEGINNING + world.now;
        let by = Duration::from_secs(error.unsigned_abs());
        let set = if error < 0 { right.checked_sub(by) } else { right.checked_add(by) };
        set.unwrap_or(right)
    }

    pub(crate) fn generations(&self) -> Generations {
        Generations::of_network(Rc::clone(&self.world.borrow().registrations))
    }

    pub(crate) fn random(&self) -> u64 {
        self.world.borrow_mut().choices.bits()
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.world.borrow().kernel(self.host).is_due))
    }

    /// Fills `events` with what is reported now; never waits.
    pub(crate) fn wait(&self, events: &mut Vec<(Token, Readiness)>) {
        self.world.borrow_mut().wait(self.host, events);
    }

    pub(crate) fn connect(
        &self,
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<StreamSocket, OpenError> {
        if *address == Address::Unnamed {
            return Err(OpenError::Unsupported(address.clone(), "there are no such connections"));
        }
        check_kind(address, options.from.as_ref(), "the peer is of another kind")?;
        let opened = self.world.borrow_mut().connect(self.host, address, options);
        Ok(StreamSocket(self.socket(opened)?))
    }

    pub(crate) fn listen(
        &self,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<ListenerSocket, OpenError> {
        if *address == Address::Unnamed {
            let reason = "it is not an address to listen on";
            return Err(OpenError::Unsupported(address.clone(), reason));
        }
        let opened = self.world.borrow_mut().listen(self.host, address, options);
        Ok(ListenerSocket(self.socket(opened)?))
    }

    pub(crate) fn bind(
        &self,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<DatagramSocket, OpenError> {
        check_kind(address, options.peer.as_ref(), "the socket is of another kind")?;
        if options.metadata && address.ip().is_none() {
            return Err(OpenError::Unsupported(address.clone(), NO_METADATA));
        }
        let opened = self.world.borrow_mut().bind(self.host, address, options);
        Ok(DatagramSocket(self.socket(opened)?))
    }

    fn socket(&self, opened: Result<SocketIndex, Failure>) -> Result<Descriptor, OpenError> {
        let index =
            opened.map_err(|Failure { errno, address }| OpenError::new(&address, errno.into()))?;
        Ok(Descriptor { world: self.world.clone(), index: index as u32 })
    }

    /// Has work done after a virtual while.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Job> {
        let mut world = self.world.borrow_mut();
        let mut at = world.now();
        if world.strikes(Fault::SlowWork) {
            at += world.choices.between(Duration::ZERO, WORK);
        }
        world.plan(at, Event::Work { host: self.host, job });
        Ok(())
    }

    /// Takes a descriptor into reserve; whether there was one.
    pub(crate) fn take_descriptor(&self) -> bool {
        self.world.borrow_mut().take_descriptor(self.host)
    }

    /// Gives it back.
    pub(crate) fn release_descriptor(&self) {
        self.world.borrow_mut().release_descriptor(self.host);
    }
}

/// Refuses an address that is not of the kind of the other: `reason` is that of IP sockets, Unix ones
/// have none of their own.
fn check_kind(
    one: &Address,
    other: Option<&Address>,
    reason: &'static str,
) -> Result<(), OpenError> {
    let Some(other) = other else {
        return Ok(());
    };
    let is_named = matches!(other, Address::Path(_) | Address::Abstract(_));
    match one {
        Address::Ip(_) if other.ip().is_none() => {
            Err(OpenError::Unsupported(other.clone(), reason))
        }
        Address::Ip(_) => Ok(()),
        _ if is_named => Ok(()),
        _ => Err(OpenError::new(other, io::ErrorKind::Unsupported.into())),
    }
}

/// Wakes a loop, from any thread.
#[derive(Clone)]
pub(crate) struct Waker(Arc<AtomicBool>);

impl Waker {
    pub(crate) fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A socket of one host, which is closed when this is dropped.
struct Descriptor {
    world: Shared,
    index: u32,
}

impl Descriptor {
    fn index(&self) -> SocketIndex {
        self.index as usize
    }

    /// Whether it is a socket of that host.
    fn is_of(&self, system: &System) -> bool {
        Rc::ptr_eq(&self.world, &system.world)
            && self.world.borrow().host_of(self.index()) == Some(system.host)
    }

    fn register(&self, token: Token) -> io::Result<()> {
        Ok(self.world.borrow_mut().register(self.index(), token)?)
    }

    fn deregister(&self) -> io::Result<()> {
        self.world.borrow_mut().deregister(self.index());
        Ok(())
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.world.borrow_mut().close(self.index());
    }
}

pub(crate) struct StreamSocket(Descriptor);

impl StreamSocket {
    pub(crate) fn is_of(&self, system: &System) -> bool {
        self.0.is_of(system)
    }

    pub(crate) fn register(&mut self, token: Token) -> io::Result<()> {
        self.0.register(token)
    }

    pub(crate) fn deregister(&mut self) -> io::Result<()> {
        self.0.deregister()
    }

    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        self.0.world.borrow_mut().is_connected(self.0.index())
    }

    pub(crate) fn apply(&self, options: &StreamOptions) -> io::Result<()> {
        let mut world = self.0.world.borrow_mut();
        if let Some((connection, side)) = world.stream_of(self.0.index()) {
            world.connections[connection].end(side).keepalive = options.keepalive.is_some();
        }
        Ok(())
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.world.borrow_mut().read(self.0.index(), buffer)?)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let pieces = std::iter::once(bytes);
        Ok(self.0.world.borrow_mut().write(self.0.index(), pieces, Call::Write)?)
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces = slices.iter().map(|slice| &**slice);
        Ok(self.0.world.borrow_mut().write(self.0.index(), pieces, Call::Write)?)
    }

    /// Sends a part of a file, by a copy; `Ok(0)` is the file's end.
    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let mut piece = vec![0; count.min(FILE_PIECE)];
        let length = crate::net::read_at(file, &mut piece, offset)?;
        if length == 0 {
            return Ok(0);
        }
        let pieces = std::iter::once(&piece[..length]);
        Ok(self.0.world.borrow_mut().write(self.0.index(), pieces, Call::SendFile)?)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        Ok(self.0.world.borrow_mut().shutdown(self.0.index())?)
    }

    pub(crate) fn reset_on_close(&self) {
        self.with_end(|end| end.resets = true);
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.with_end(|end| end.error.take()).flatten().map(io::Error::from)
    }

    pub(crate) fn local(&self) -> Address {
        self.with_end(|end| end.address.clone()).unwrap_or(Address::Unnamed)
    }

    pub(crate) fn peer(&self) -> Address {
        let mut world = self.0.world.borrow_mut();
        let Some((connection, side)) = world.stream_of(self.0.index()) else {
            return Address::Unnamed;
        };
        world.connections[connection].end(side.other()).address.clone()
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.local().ip().is_some() { "tcp" } else { "unix" }
    }

    fn with_end<R>(&self, what: impl FnOnce(&mut super::connection::End) -> R) -> Option<R> {
        let mut world = self.0.world.borrow_mut();
        let (connection, side) = world.stream_of(self.0.index())?;
        Some(what(world.connections[connection].end(side)))
    }
}

pub(crate) struct ListenerSocket(Descriptor);

impl ListenerSocket {
    pub(crate) fn is_of(&self, system: &System) -> bool {
        self.0.is_of(system)
    }

    pub(crate) fn register(&mut self, token: Token) -> io::Result<()> {
        self.0.register(token)
    }

    pub(crate) fn deregister(&mut self) -> io::Result<()> {
        self.0.deregister()
    }

    pub(crate) fn accept(&self, options: &StreamOptions) -> io::Result<(StreamSocket, Address)> {
        let (index, peer) = self.0.world.borrow_mut().accept(self.0.index(), options)?;
        let descriptor = Descriptor { world: self.0.world.clone(), index: index as u32 };
        Ok((StreamSocket(descriptor), peer))
    }

    pub(crate) fn local(&self) -> Address {
        self.0.world.borrow().listener_address(self.0.index())
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.local().ip().is_some() { "tcp" } else { "unix" }
    }
}

pub(crate) struct DatagramSocket(Descriptor);

impl DatagramSocket {
    pub(crate) fn is_of(&self, system: &System) -> bool {
        self.0.is_of(system)
    }

    pub(crate) fn register(&mut self, token: Token) -> io::Result<()> {
        self.0.register(token)
    }

    pub(crate) fn deregister(&mut self) -> io::Result<()> {
        self.0.deregister()
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Incoming> {
        let received = self.0.world.borrow_mut().receive_datagram(self.0.index(), buffer);
        received.map_err(io::Error::from)
    }

    pub(crate) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<()> {
        let is_ours = match outgoing.to {
            Some(Address::Ip(_)) => self.local().ip().is_some(),
            Some(Address::Path(_) | Address::Abstract(_)) => self.local().ip().is_none(),
            Some(Address::Unnamed) => false,
            None => true,
        };
        if !is_ours {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut world = self.0.world.borrow_mut();
        let takes_envelopes =
            world.datagrams(self.0.index()).is_some_and(Datagrams::takes_envelopes);
        if !outgoing.envelope.is_plain() && !takes_envelopes {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(world.send_datagram(self.0.index(), outgoing)?)
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.0.world.borrow_mut().take_datagram_error(self.0.index()).map(io::Error::from)
    }

    pub(crate) fn join(&self, group: Membership) -> io::Result<()> {
        Ok(self.0.world.borrow_mut().join(self.0.index(), group)?)
    }

    pub(crate) fn leave(&self, group: Membership) -> io::Result<()> {
        Ok(self.0.world.borrow_mut().leave(self.0.index(), group)?)
    }

    pub(crate) fn local(&self) -> Address {
        self.0.world.borrow().datagram_address(self.0.index())
    }

    pub(crate) fn peer(&self) -> Option<Address> {
        self.0.world.borrow().datagram_peer(self.0.index())
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.local().ip().is_some() { "udp" } else { "unixgram" }
    }
}
