//! One connected stream socket: TCP or, where there are such, Unix.

use std::any::Any;
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};

use socket2::{SockRef, Type};

use super::pipe::Pipe;
use super::poller::Poller;
use super::{options, sys};
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

impl From<std::net::TcpStream> for StdStream {
    fn from(stream: std::net::TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixStream> for StdStream {
    fn from(stream: std::os::unix::net::UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl StreamSocket {
    /// The place of one that is still to be found.
    pub(crate) fn pending() -> Self {
        Self::Pending
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
        match self {
            Self::Tcp(stream) => poller.register_stream(stream, token),
            #[cfg(unix)]
            Self::Unix(stream) => poller.register_stream(stream, token),
            Self::Pending => Err(pending()),
        }
    }

    /// Ends the events of this socket, even if its description lives on in a duplicate.
    pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => poller.deregister(stream),
            #[cfg(unix)]
            Self::Unix(stream) => poller.deregister(stream),
            Self::Pending => Err(pending()),
        }
    }

    /// Whether connecting has come to an end; its error if it failed (`SO_ERROR`).
    ///
    /// Being writable is not enough: the event may be spurious, so the peer's name decides.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(unix)]
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            Self::Pending => return Ok(false),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// Sets what a listener's options did not already give to an accepted socket.
    pub(super) fn apply_accepted(&self, options: &StreamOptions, v6: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => options::apply_stream(&SockRef::from(stream), options, v6),
            #[cfg(unix)]
            Self::Unix(stream) => options::apply_buffers(
                &SockRef::from(stream),
                options.receive_buffer,
                options.send_buffer,
            ),
            Self::Pending => Err(pending()),
        }
    }

    /// Sets options of a socket made elsewhere.
    pub(crate) fn apply(&self, options: &StreamOptions) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                let v6 = stream.local_addr()?.is_ipv6();
                options::apply_stream(&SockRef::from(stream), options, v6)
            }
            #[cfg(unix)]
            Self::Unix(_) => self.apply_accepted(options, false),
            Self::Pending => Err(pending()),
        }
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

    /// Sends a part of a file; `Ok(0)` means the file ends before `offset`.
    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        self.call(|socket| sys::send_file(socket, file, offset, count))
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
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Pending => Err(pending()),
        }
    }

    /// Has the coming close send RST. A Unix socket has no such thing and needs none: closing one
    /// with unread data already tells its peer.
    pub(crate) fn reset_on_close(&self) {
        match self {
            // It fails only on a socket that is reset already.
            Self::Tcp(stream) => drop(sys::reset_on_close(stream)),
            #[cfg(unix)]
            Self::Unix(_) => {}
            Self::Pending => {}
        }
    }

    /// From here on the bytes are encrypted, which only a simulated network wants to know.
    pub(crate) fn seal(&self) {}

    /// The error the system keeps for the socket (`SO_ERROR`), which is cleared by asking.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.take_error(),
            Self::Pending => Ok(None),
        }
        .unwrap_or_else(Some)
    }

    pub(crate) fn local(&self) -> Address {
        match self {
            Self::Tcp(stream) => stream.local_addr().map_or(Address::Unnamed, Address::Ip),
            #[cfg(unix)]
            Self::Unix(stream) => super::listener::named(stream.local_addr()),
            Self::Pending => Address::Unnamed,
        }
    }

    pub(crate) fn peer(&self) -> Address {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map_or(Address::Unnamed, Address::Ip),
            #[cfg(unix)]
            Self::Unix(stream) => super::listener::named(stream.peer_addr()),
            Self::Pending => Address::Unnamed,
        }
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
            Self::Tcp(_) => "tcp",
            #[cfg(unix)]
            Self::Unix(_) => "unix",
            Self::Pending => "tcp",
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
