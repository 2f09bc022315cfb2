//! Either system, chosen when a loop is made: the real one or a simulated one (feature `sim`).
//!
//! What is here has the names and methods of `os`, so that above the seam nothing changes with the
//! feature. A real socket pays one branch a call, which always goes the same way.

use std::fs::File;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant, SystemTime};

use super::{
    AtOnce, Begun, Failure, Found, Incoming, Outgoing, Pipe, Readiness, StdDatagram, StdListener,
    StdStream, foreign, os, sim,
};
use crate::id::{Generations, Token};
use crate::offload::Job;
use crate::{
    Address, ConnectOptions, DatagramOptions, Host, ListenOptions, Membership, OpenError,
    StreamOptions,
};

/// A part of the real system, or of a simulated one.
#[derive(Clone)]
pub(crate) enum Either<Os, Sim> {
    Os(Os),
    Sim(Sim),
}

pub(crate) type Poller = Either<os::Poller, sim::System>;
pub(crate) type Events = Either<os::Events, sim::Events>;
pub(crate) type Waker = Either<os::Waker, sim::Waker>;
pub(crate) type System = Either<os::System, sim::System>;
pub(crate) type Pool = Either<os::Pool, sim::System>;
pub(crate) type SpareDescriptor = Either<os::SpareDescriptor, sim::SpareDescriptor>;
pub(crate) type StreamSocket = Either<os::StreamSocket, sim::StreamSocket>;
pub(crate) type ListenerSocket = Either<os::ListenerSocket, sim::ListenerSocket>;
pub(crate) type DatagramSocket = Either<os::DatagramSocket, sim::DatagramSocket>;

/// Makes the same call on either.
macro_rules! either {
    ($self:expr, $it:ident => $call:expr) => {
        match $self {
            Either::Os($it) => $call,
            Either::Sim($it) => $call,
        }
    };
}

/// Defines methods that pass a call on to either.
macro_rules! same {
    ($($(#[$how:meta])* fn $name:ident(&self $(, $word:ident: $type:ty)*) $(-> $result:ty)?;)*) => {$(
        $(#[$how])*
        pub(crate) fn $name(&self $(, $word: $type)*) $(-> $result)? {
            either!(self, it => it.$name($($word),*))
        }
    )*};
}

/// How a socket comes to its loop and leaves it.
macro_rules! comes_and_goes {
    ($kind:ident, $std:ident) => {
        pub(crate) fn adopt(poller: &Poller, socket: $std) -> Result<Self, OpenError> {
            match (poller, socket) {
                (Either::Os(poller), socket) => os::$kind::adopt(poller, socket).map(Self::Os),
                (Either::Sim(system), $std::Other(socket)) => system.attach(socket).map(Self::Sim),
                (Either::Sim(_), _) => Err(foreign()),
            }
        }

        pub(crate) fn into_std(self, poller: &Poller) -> $std {
            match self {
                Self::Os(socket) => socket.into_std(poller.os()),
                Self::Sim(socket) => $std::Other(socket.detach()),
            }
        }

        pub(crate) fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
            match self {
                Self::Os(socket) => socket.register(poller.os(), token),
                Self::Sim(socket) => socket.register(token),
            }
        }

        pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
            match self {
                Self::Os(socket) => socket.deregister(poller.os()),
                Self::Sim(socket) => socket.deregister(),
            }
        }
    };
}

impl StreamSocket {
    /// Of either system the same, since it asks none.
    pub(crate) fn pending() -> Self {
        Self::Os(os::StreamSocket::pending())
    }

    pub(crate) fn connect(
        poller: &Poller,
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<Begun<Self>, OpenError> {
        match poller {
            Either::Os(poller) => {
                let Begun { socket, path, refused } =
                    os::StreamSocket::connect(poller, address, options)?;
                Ok(Begun { socket: Self::Os(socket), path, refused })
            }
            Either::Sim(system) => {
                let socket = Self::Sim(system.connect(address, options)?);
                Ok(Begun { socket, path: None, refused: None })
            }
        }
    }

    comes_and_goes! { StreamSocket, StdStream }

    same! {
        fn is_there(&self) -> bool;
        fn is_connected(&self) -> io::Result<bool>;
        fn apply(&self, options: &StreamOptions) -> io::Result<()>;
        fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;
        fn write(&self, bytes: &[u8]) -> io::Result<usize>;
        #[cfg(unix)]
        fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>>;
        #[cfg(unix)]
        fn send_with_descriptors(
            &self,
            bytes: &[u8],
            descriptors: &[std::os::fd::BorrowedFd<'_>]
        ) -> io::Result<usize>;
        #[cfg(unix)]
        fn receive_with_descriptors(
            &self,
            buffer: &mut [u8],
            arrived: &mut Vec<std::os::fd::OwnedFd>
        ) -> io::Result<usize>;
        fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
        fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize>;
        fn splice_in(&self, pipe: &mut Pipe) -> io::Result<usize>;
        fn splice_out(&self, pipe: &mut Pipe) -> io::Result<usize>;
        fn shutdown_write(&self) -> io::Result<()>;
        fn reset_on_close(&self);
        fn seal(&self);
        fn take_error(&self) -> Option<io::Error>;
        fn local(&self) -> Address;
        fn peer(&self) -> Address;
        fn kind(&self) -> &'static str;
    }
}

impl ListenerSocket {
    pub(crate) fn open(
        poller: &Poller,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<Self, OpenError> {
        match poller {
            Either::Os(poller) => os::ListenerSocket::open(poller, address, options).map(Self::Os),
            Either::Sim(system) => system.listen(address, options).map(Self::Sim),
        }
    }

    comes_and_goes! { ListenerSocket, StdListener }

    pub(crate) fn accept(&self, options: &StreamOptions) -> io::Result<(StreamSocket, Address)> {
        Ok(match self {
            Self::Os(socket) => {
                let (socket, peer) = socket.accept(options)?;
                (Either::Os(socket), peer)
            }
            Self::Sim(socket) => {
                let (socket, peer) = socket.accept(options)?;
                (Either::Sim(socket), peer)
            }
        })
    }

    same! {
        fn duplicate(&self) -> io::Result<StdListener>;
        fn local(&self) -> Address;
        fn kind(&self) -> &'static str;
    }
}

impl DatagramSocket {
    pub(crate) fn open(
        poller: &Poller,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<Self, OpenError> {
        match poller {
            Either::Os(poller) => os::DatagramSocket::open(poller, address, options).map(Self::Os),
            Either::Sim(system) => system.bind(address, options).map(Self::Sim),
        }
    }

    comes_and_goes! { DatagramSocket, StdDatagram }

    pub(crate) fn inherit(
        poller: &Poller,
        socket: StdDatagram,
        options: &DatagramOptions,
    ) -> Result<Self, OpenError> {
        match poller {
            Either::Os(poller) => {
                os::DatagramSocket::inherit(poller, socket, options).map(Self::Os)
            }
            Either::Sim(_) => Err(foreign()),
        }
    }

    /// Of a simulated socket both are always told.
    pub(crate) fn register_both(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.register_both(poller.os(), token),
            Self::Sim(_) => Ok(()),
        }
    }

    /// A simulated socket goes on by itself.
    pub(crate) fn register_again(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.register_again(poller.os(), token),
            Self::Sim(_) => Ok(()),
        }
    }

    same! {
        fn duplicate(&self) -> io::Result<StdDatagram>;
        fn receive_at_once(&self, buffer: &mut [u8]) -> AtOnce;
        fn receive(&self, buffer: &mut [u8]) -> io::Result<Incoming>;
        fn send_at_once(&self, bytes: &[u8], to: Option<&Address>) -> Option<Result<(), Failure>>;
        fn run_of(&self, length: usize) -> usize;
        fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<()>;
        fn take_error(&self) -> Option<io::Error>;
        fn join(&self, group: Membership) -> io::Result<()>;
        fn leave(&self, group: Membership) -> io::Result<()>;
        fn local(&self) -> Address;
        fn peer(&self) -> Option<Address>;
        fn kind(&self) -> &'static str;
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        os::Poller::new().map(Self::Os)
    }

    pub(crate) fn system(&self) -> System {
        match self {
            Self::Os(poller) => Either::Os(poller.system()),
            Self::Sim(system) => Either::Sim(system.clone()),
        }
    }

    pub(crate) fn waker(&self) -> Waker {
        match self {
            Self::Os(poller) => Either::Os(poller.waker()),
            Self::Sim(system) => Either::Sim(system.waker()),
        }
    }

    pub(crate) fn pool(&self, threads: usize) -> Pool {
        match self {
            Self::Os(poller) => Either::Os(poller.pool(threads)),
            Self::Sim(system) => Either::Sim(system.clone()),
        }
    }

    /// A simulated loop never waits: whoever turns it lets the time pass.
    pub(crate) fn wait(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match (self, events) {
            (Self::Os(poller), Either::Os(events)) => poller.wait(events, timeout),
            (Self::Sim(system), Either::Sim(events)) => system.wait(events),
            _ => unreachable!("a loop's events were made for its poller"),
        }
    }

    /// The poller of a real socket: only a real one opens or adopts such.
    fn os(&self) -> &os::Poller {
        match self {
            Self::Os(poller) => poller,
            Self::Sim(_) => unreachable!("a simulated loop has no real socket"),
        }
    }
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl std::os::fd::AsFd for Poller {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // Nobody outside is ever given a simulated loop as a `Reactor`, only its `Registry`.
        self.os().as_fd()
    }
}

#[cfg(all(unix, feature = "signals"))]
impl Poller {
    /// Signals are sent to a process, and a simulated loop has none of its own.
    pub(crate) fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        match self {
            Self::Os(poller) => poller.watch_signals(signals),
            Self::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn pending_signals(&mut self) -> Vec<i32> {
        match self {
            Self::Os(poller) => poller.pending_signals(),
            Self::Sim(_) => Vec::new(),
        }
    }
}

impl Events {
    pub(crate) fn new(poller: &Poller, most: usize) -> Self {
        match poller {
            Either::Os(poller) => Self::Os(os::Events::new(poller, most)),
            Either::Sim(_) => Self::Sim(sim::Events::new(most)),
        }
    }

    /// One loop over either, so that what is done with an event is compiled once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> {
        match self {
            Self::Os(events) => Either::Os(events.iter()),
            Self::Sim(events) => Either::Sim(events.iter()),
        }
    }

    same! {
        fn len(&self) -> usize;
    }
}

impl<Os, Sim> Iterator for Either<Os, Sim>
where
    Os: Iterator,
    Sim: Iterator<Item = Os::Item>,
{
    type Item = Os::Item;

    fn next(&mut self) -> Option<Self::Item> {
        either!(self, events => events.next())
    }
}

impl Waker {
    same! {
        fn wake(&self);
    }
}

impl System {
    same! {
        fn now(&self) -> Instant;
        fn wall_clock(&self) -> SystemTime;
        fn generations(&self) -> Generations;
        fn random(&self) -> u64;
    }
}

impl Pool {
    pub(crate) fn submit(&mut self, job: Job) -> Result<(), Job> {
        either!(self, pool => pool.submit(job))
    }

    pub(crate) fn look_up(&mut self, host: &Host, found: Found) -> bool {
        either!(self, pool => pool.look_up(host, found))
    }
}

impl SpareDescriptor {
    pub(crate) fn new(poller: &Poller) -> Self {
        match poller {
            Either::Os(poller) => Self::Os(os::SpareDescriptor::new(poller)),
            Either::Sim(system) => Self::Sim(sim::SpareDescriptor::new(system)),
        }
    }

    pub(crate) fn release(&mut self) -> bool {
        either!(self, spare => spare.release())
    }

    pub(crate) fn restore(&mut self) {
        either!(self, spare => spare.restore());
    }
}
