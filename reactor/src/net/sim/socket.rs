//! The sockets of a host, as its loop holds them: each a number on its thread's [store](super::store).

use std::any::Any;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::thread::LocalKey;

use slab::Slab;

use super::calls::Call;
use super::connection::End;
use super::queues::Datagrams;
use super::store::{Detached, Kept, Simulated};
use super::world::{Shared, SocketIndex, World};
use crate::id::Token;
use crate::net::{AtOnce, Failure, Incoming, Outgoing, Pipe, foreign, read_at};
use crate::{Address, Membership, OpenError, StreamOptions};

/// A file is read in pieces of this size at most.
const FILE_PIECE: usize = 64 * 1024;

pub(crate) struct Stream;
pub(crate) struct Listener;
pub(crate) struct Datagram;

pub(crate) type StreamSocket = Socket<Stream>;
pub(crate) type ListenerSocket = Socket<Listener>;
pub(crate) type DatagramSocket = Socket<Datagram>;

/// A socket of one kind; closed when this is dropped.
pub(crate) struct Socket<Kind>(Kept<Descriptor>, PhantomData<Kind>);

/// What a loop gives back: the socket out of its loop, on whatever thread it is held.
struct Apart<Kind>(Detached<Descriptor>, PhantomData<fn() -> Kind>);

/// A socket in the world, which is closed when this is dropped.
pub(super) struct Descriptor {
    world: Shared,
    index: SocketIndex,
}

thread_local! {
    static DESCRIPTORS: RefCell<Slab<Descriptor>> = const { RefCell::new(Slab::new()) };
}

impl Simulated for Descriptor {
    fn store() -> &'static LocalKey<RefCell<Slab<Self>>> {
        &DESCRIPTORS
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.world.borrow_mut().close(self.index);
    }
}

impl<Kind: 'static> Socket<Kind> {
    pub(super) fn new(world: Shared, index: SocketIndex) -> Self {
        Self(Kept::new(Descriptor { world, index }), PhantomData)
    }

    /// What [`detach`](Self::detach) has given back, if it is for whom `is_ours` says that it is.
    pub(super) fn attach(
        socket: Box<dyn Any>,
        is_ours: impl FnOnce(&Shared, SocketIndex) -> bool,
    ) -> Result<Self, OpenError> {
        let apart = socket.downcast::<Apart<Kind>>().map_err(|_| foreign())?;
        let kept = apart
            .0
            .attach()
            .filter(|kept| kept.with(|descriptor| is_ours(&descriptor.world, descriptor.index)));
        Ok(Self(kept.ok_or_else(foreign)?, PhantomData))
    }

    pub(crate) fn detach(self) -> Box<dyn Any + Send + Sync> {
        self.ask(World::deregister);
        Box::new(Apart::<Kind>(self.0.detach(), PhantomData))
    }

    pub(crate) fn register(&self, token: Token) -> io::Result<()> {
        Ok(self.ask(|world, socket| world.register(socket, token))?)
    }

    pub(crate) fn deregister(&self) -> io::Result<()> {
        self.ask(World::deregister);
        Ok(())
    }

    /// What a simulated socket cannot do.
    fn unsupported<T>() -> io::Result<T> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nobody else has a descriptor of it.
    pub(crate) fn duplicate<T>(&self) -> io::Result<T> {
        Self::unsupported()
    }

    // Out of line, so that real sockets do not pay for it.
    #[cold]
    fn ask<R>(&self, what: impl FnOnce(&mut World, SocketIndex) -> R) -> R {
        self.0.with(|Descriptor { world, index }| what(&mut world.borrow_mut(), *index))
    }
}

impl StreamSocket {
    /// Always: the place of one that is still to be found is a real socket's.
    pub(crate) fn is_there(&self) -> bool {
        true
    }

    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        self.ask(World::is_connected)
    }

    pub(crate) fn apply(&self, options: &StreamOptions) -> io::Result<()> {
        self.with_end(|end| end.keepalive = options.keepalive.is_some());
        Ok(())
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.ask(|world, socket| world.read(socket, buffer))?)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(std::iter::once(bytes), Call::Write)
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(slices.iter().map(|slice| &**slice), Call::Write)
    }

    /// Sends a part of a file, by a copy; `Ok(0)` is the file's end.
    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let mut piece = vec![0; count.min(FILE_PIECE)];
        match read_at(file, &mut piece, offset)? {
            0 => Ok(0),
            length => self.send(std::iter::once(&piece[..length]), Call::SendFile),
        }
    }

    fn send<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>, call: Call) -> io::Result<usize> {
        Ok(self.ask(|world, socket| world.write(socket, pieces, call))?)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        Ok(self.ask(World::shutdown)?)
    }

    /// There is none that the system knows.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }

    /// Nobody asks it to, since it has none itself.
    #[cfg(unix)]
    pub(crate) fn send_with_descriptors(
        &self,
        _: &[u8],
        _: &[std::os::fd::BorrowedFd<'_>],
    ) -> io::Result<usize> {
        Self::unsupported()
    }

    #[cfg(unix)]
    pub(crate) fn receive_with_descriptors(
        &self,
        _: &mut [u8],
        _: &mut Vec<std::os::fd::OwnedFd>,
    ) -> io::Result<usize> {
        Self::unsupported()
    }

    /// It does not go through the real system's pipes.
    pub(crate) fn splice_in(&self, _: &mut Pipe) -> io::Result<usize> {
        Self::unsupported()
    }

    pub(crate) fn splice_out(&self, _: &mut Pipe) -> io::Result<usize> {
        Self::unsupported()
    }

    pub(crate) fn reset_on_close(&self) {
        self.with_end(|end| end.resets = true);
    }

    /// What is sent from here on is encrypted with a randomness that is not the network's: how much it is
    /// is noted down, and not what.
    pub(crate) fn seal(&self) {
        self.with_end(|end| end.sealed = true);
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.with_end(|end| end.error.take()).flatten().map(io::Error::from)
    }

    pub(crate) fn local(&self) -> Address {
        self.with_end(|end| end.address.clone()).unwrap_or(Address::Unnamed)
    }

    pub(crate) fn peer(&self) -> Address {
        self.ask(|world, socket| {
            let (connection, side) = world.stream_of(socket)?;
            Some(world.connections[connection].end(side.other()).address.clone())
        })
        .unwrap_or(Address::Unnamed)
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.local().ip().is_some() { "tcp" } else { "unix" }
    }

    fn with_end<R>(&self, what: impl FnOnce(&mut End) -> R) -> Option<R> {
        self.ask(|world, socket| {
            let (connection, side) = world.stream_of(socket)?;
            Some(what(world.connections[connection].end(side)))
        })
    }
}

impl ListenerSocket {
    pub(crate) fn accept(&self, options: &StreamOptions) -> io::Result<(StreamSocket, Address)> {
        let (index, peer) = self.ask(|world, socket| world.accept(socket, options))?;
        let world = self.0.with(|descriptor| Shared::clone(&descriptor.world));
        Ok((Socket::new(world, index), peer))
    }

    pub(crate) fn local(&self) -> Address {
        self.ask(|world, socket| world.listener_address(socket))
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.local().ip().is_some() { "tcp" } else { "unix" }
    }
}

impl DatagramSocket {
    /// Nothing is done at once: every datagram goes the long way.
    pub(crate) fn receive_at_once(&self, _: &mut [u8]) -> AtOnce {
        AtOnce::Otherwise
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Incoming> {
        Ok(self.ask(|world, socket| world.receive_datagram(socket, buffer))?)
    }

    pub(crate) fn send_at_once(
        &self,
        _: &[u8],
        _: Option<&Address>,
    ) -> Option<Result<(), Failure>> {
        None
    }

    pub(crate) fn run_of(&self, _: usize) -> usize {
        1
    }

    pub(crate) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<()> {
        let is_ours = match outgoing.to {
            Some(Address::Ip(_)) => self.local().ip().is_some(),
            Some(Address::Path(_) | Address::Abstract(_)) => self.local().ip().is_none(),
            Some(Address::Unnamed | Address::Host(_)) => false,
            None => true,
        };
        if !is_ours {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.ask(|world, socket| {
            let takes_envelopes = world.datagrams(socket).is_some_and(Datagrams::takes_envelopes);
            if !outgoing.envelope.is_plain() && !takes_envelopes {
                return Err(io::ErrorKind::Unsupported.into());
            }
            Ok(world.send_datagram(socket, outgoing)?)
        })
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.ask(World::take_datagram_error).map(io::Error::from)
    }

    pub(crate) fn join(&self, group: Membership) -> io::Result<()> {
        Ok(self.ask(|world, socket| world.join(socket, group))?)
    }

    pub(crate) fn leave(&self, group: Membership) -> io::Result<()> {
        Ok(self.ask(|world, socket| world.leave(socket, group))?)
    }

    pub(crate) fn local(&self) -> Address {
        self.ask(|world, socket| world.datagram_address(socket))
    }

    pub(crate) fn peer(&self) -> Option<Address> {
        self.ask(|world, socket| world.datagram_peer(socket))
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.local().ip().is_some() { "udp" } else { "unixgram" }
    }
}
