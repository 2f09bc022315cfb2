//! One connected stream socket: TCP or, where there are such, Unix.

use std::any::Any;
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, Type};

use super::pipe::Pipe;
use super::poller::Poller;
use super::{address, from_std, options, sys};
use crate::id::Token;
use crate::net::{Begun, NOBODY, foreign, refuse_from};
use crate::{Address, ConnectOptions, OpenError, StreamOptions};

pub(crate) enum StreamSocket {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
    /// None yet: which it will be is still to be found out.
    Pending,
}

/// A stream socket as the standard library has it: to adopt one made elsewhere, or to get one back.
#[derive(Debug)]
#[non_exhaustive]
pub enum StdStream {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// A Unix stream socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
    /// One of another system than this machine's, which only loops of that system adopt.
    Other(Box<dyn Any + Send + Sync>),
}

from_std! { StdStream, Tcp(std::net::TcpStream), std::os::unix::net::UnixStream }

/// Does the same with mio's socket, whichever it is, or something else if there is none yet.
macro_rules! each {
    ($self:expr, $socket:ident => $call:expr, else $pending:expr) => {
        match $self {
            StreamSocket::Tcp($socket) => $call,
            #[cfg(unix)]
            StreamSocket::Unix($socket) => $call,
            StreamSocket::Pending => $pending,
        }
    };
}

impl StreamSocket {
    /// The place of one that is still to be found.
    pub(crate) fn pending() -> Self {
        Self::Pending
    }

    /// Whether it is one, and not only the place of one.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// Begins to connect; whether it works out is told by [`Self::is_connected`] later.
    pub(crate) fn connect(
        _: &Poller,
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<Begun<Self>, OpenError> {
        refuse_from(address, options.from.as_ref())?;
        match address {
            Address::Ip(remote) => Self::connect_tcp(address, remote, options),
            #[cfg(unix)]
            Address::Path(_) | Address::Abstract(_) => {
                super::listener::connect_unix(address, options)
            }
            _ => Err(OpenError::Unsupported(address.clone(), NOBODY)),
        }
    }

    fn connect_tcp(
        address: &Address,
        remote: &SocketAddr,
        options: &ConnectOptions,
    ) -> Result<Begun<Self>, OpenError> {
        let failed = |error| OpenError::new(address, error);
        let socket = options::open(remote, Type::STREAM).map_err(failed)?;
        if let Some(from @ Address::Ip(local)) = &options.from {
            socket.bind(&(*local).into()).map_err(|error| OpenError::new(from, error))?;
        }
        options::apply_stream(&socket, &options.stream, remote.is_ipv6()).map_err(failed)?;
        let refused = begin(socket.connect(&(*remote).into())).err();
        let socket = Self::Tcp(mio::net::TcpStream::from_std(socket.into()));
        Ok(Begun { socket, path: None, refused })
    }

    pub(crate) fn adopt(_: &Poller, stream: StdStream) -> Result<Self, OpenError> {
        match stream {
            StdStream::Tcp(stream) => stream
                .set_nonblocking(true)
                .map(|()| Self::Tcp(mio::net::TcpStream::from_std(stream))),
            #[cfg(unix)]
            StdStream::Unix(stream) => stream
                .set_nonblocking(true)
                .map(|()| Self::Unix(mio::net::UnixStream::from_std(stream))),
            StdStream::Other(_) => return Err(foreign()),
        }
        .map_err(|error| OpenError::new(&Address::Unnamed, error))
    }

    /// The socket as the standard library has it; it stays non-blocking.
    pub(crate) fn into_std(mut self, poller: &Poller) -> StdStream {
        // It fails only if the socket was never registered, and then there is nothing to undo.
        let _ = self.deregister(poller);
        match self {
            Self::Tcp(stream) => StdStream::Tcp(stream.into()),
            #[cfg(unix)]
            Self::Unix(stream) => StdStream::Unix(stream.into()),
            Self::Pending => StdStream::Other(Box::new(())),
        }
    }

    pub(crate) fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        each!(self, socket => poller.register_stream(socket, token), else Err(pending()))
    }

    /// Ends the events of this socket, even if its description lives on in a duplicate.
    pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
        each!(self, socket => poller.deregister(socket), else Err(pending()))
    }

    /// What socket2 knows how to do with it; `None` if there is none yet.
    fn socket(&self) -> Option<SockRef<'_>> {
        each!(self, socket => Some(SockRef::from(socket)), else None)
    }

    /// Whether connecting has come to an end; its error if it failed (`SO_ERROR`).
    ///
    /// Being writable is not enough: the event may be spurious, so the peer's name decides.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        let Some(socket) = self.socket() else { return Ok(false) };
        match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// Sets what a listener's options did not already give to an accepted socket.
    pub(super) fn apply_accepted(&self, options: &StreamOptions, v6: bool) -> io::Result<()> {
        let socket = self.socket().ok_or_else(pending)?;
        match self {
            Self::Tcp(_) => options::apply_stream(&socket, options, v6),
            _ => options::apply_buffers(&socket, options.receive_buffer, options.send_buffer),
        }
    }

    /// Sets options of a socket made elsewhere.
    pub(crate) fn apply(&self, options: &StreamOptions) -> io::Result<()> {
        self.apply_accepted(options, self.local().ip().is_some_and(|ip| ip.is_ipv6()))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|socket| sys::receive(socket, buffer))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|socket| sys::send(socket, bytes))
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call(|socket| sys::send_vectored(socket, slices))
    }

    /// Sends a part of a file without copying it through this process; `Ok(0)` means the file ends before `offset`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let Some(count) = std::num::NonZeroUsize::new(count) else {
            return Ok(0);
        };
        self.call(|socket| SockRef::from(&socket).sendfile(file, offset, Some(count)))
    }

    /// As on Linux, by a bounded copy.
    ///
    /// The BSDs and Apple have a sendfile too, but it reports a partial transfer as `WouldBlock` with the
    /// count on the side, and no safe wrapper passes that count on.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let wanted = count.min(buffer.len());
        let length = sys::read_at(file, &mut buffer[..wanted], offset)?;
        if length == 0 { Ok(0) } else { self.write(&buffer[..length]) }
    }

    /// Moves what has come to a pipe, which is empty; `Ok(0)` is the end.
    pub(crate) fn splice_in(&self, pipe: &mut Pipe) -> io::Result<usize> {
        self.call(|socket| pipe.fill(socket))
    }

    /// Sends what is in a pipe, as far as it goes.
    pub(crate) fn splice_out(&self, pipe: &mut Pipe) -> io::Result<usize> {
        self.call(|socket| pipe.pour(socket))
    }

    /// Sends FIN behind everything written so far.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.socket().ok_or_else(pending)?.shutdown(Shutdown::Write)
    }

    /// Has the coming close send RST: `SO_LINGER` with no time. A Unix socket has no such thing and needs none:
    /// closing one with unread data already tells its peer.
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tcp(stream) = self {
            // It fails only on a socket that is reset already.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// From here on the bytes are encrypted, which only a simulated network wants to know.
    pub(crate) fn seal(&self) {}

    /// The error the system keeps for the socket (`SO_ERROR`), which is cleared by asking.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.socket()?.take_error().unwrap_or_else(Some)
    }

    pub(crate) fn local(&self) -> Address {
        let name = self.socket().and_then(|socket| socket.local_addr().ok());
        name.map_or(Address::Unnamed, |name| address(&name))
    }

    pub(crate) fn peer(&self) -> Address {
        let name = self.socket().and_then(|socket| socket.peer_addr().ok());
        name.map_or(Address::Unnamed, |name| address(&name))
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<sys::Borrowed<'_>> {
        self.call(Ok).ok()
    }

    /// Makes one call, where mio can see whether it would have blocked.
    // Called, a read and a write are 15 instructions more each.
    #[inline(always)]
    fn call<'a, T>(
        &'a self,
        call: impl FnOnce(sys::Borrowed<'a>) -> io::Result<T>,
    ) -> io::Result<T> {
        let result = call(match self {
            Self::Tcp(stream) => sys::borrow(stream),
            #[cfg(unix)]
            Self::Unix(stream) => sys::borrow(stream),
            Self::Pending => return Err(pending()),
        });
        match self {
            Self::Tcp(stream) => stream.try_io(|| result),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_io(|| result),
            Self::Pending => result,
        }
    }

    /// As [`write`](Self::write), and descriptors leave with the first byte.
    #[cfg(unix)]
    pub(crate) fn send_with_descriptors(
        &self,
        bytes: &[u8],
        descriptors: &[std::os::fd::BorrowedFd<'_>],
    ) -> io::Result<usize> {
        self.call(|socket| sys::send_with_descriptors(socket, bytes, descriptors))
    }

    /// As [`read`](Self::read), and the descriptors that come with it.
    #[cfg(unix)]
    pub(crate) fn receive_with_descriptors(
        &self,
        buffer: &mut [u8],
        arrived: &mut Vec<std::os::fd::OwnedFd>,
    ) -> io::Result<usize> {
        self.call(|socket| sys::receive_with_descriptors(socket, buffer, arrived))
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            #[cfg(unix)]
            Self::Unix(_) => "unix",
            _ => "tcp",
        }
    }
}

/// What is said of a socket that is not there yet: nobody asks before it is.
#[cold]
fn pending() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// "In progress" is how a connect that does not block succeeds.
pub(super) fn begin(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        #[cfg(unix)]
        Err(error)
            if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::INPROGRESS) =>
        {
            Ok(())
        }
        result => result,
    }
}
