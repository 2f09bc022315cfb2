//! What differs on Windows: calls on sockets, and what their errors mean.

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::net::{SocketAddr, SocketAddrV4};
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsSocket, BorrowedSocket};

use socket2::SockRef;

/// mio polls sockets through AFD here and re-arms only on `WouldBlock`, so every drain must reach it.
pub(crate) const SHORT_READ_DRAINS: bool = false;

/// Whether the system copies a listener's options to what it accepts.
pub(super) const ACCEPTED_INHERIT: bool = false;

const WSAEACCES: i32 = 10_013;
const WSAEMFILE: i32 = 10_024;
const WSAENOBUFS: i32 = 10_055;

/// Why a call failed.
pub(crate) type Failure = io::Error;

/// A socket that is lent.
pub(crate) type Borrowed<'a> = BorrowedSocket<'a>;

pub(super) fn borrow(socket: &impl AsSocket) -> Borrowed<'_> {
    socket.as_socket()
}

pub(super) fn receive(socket: impl AsSocket, buffer: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(&socket)).read(buffer)
}

pub(super) fn send(socket: impl AsSocket, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(&socket).send(bytes)
}

/// Receives one datagram.
pub(super) fn receive_from(
    socket: &mio::net::UdpSocket,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr)> {
    socket.recv_from(buffer)
}

/// Sends one datagram over IPv4.
pub(super) fn send_to_v4(
    socket: &mio::net::UdpSocket,
    bytes: &[u8],
    to: &SocketAddrV4,
) -> Result<(), Failure> {
    socket.send_to(bytes, (*to).into()).map(drop)
}

pub(super) fn send_vectored(socket: impl AsSocket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    SockRef::from(&socket).send_vectored(slices)
}

/// Reads a part of a file; `Ok(0)` is the file's end.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

/// The process or the system has no sockets, or no memory for one, left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(WSAEMFILE | WSAENOBUFS))
}

/// There was no room in some queue of the system's.
pub(crate) fn is_out_of_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAENOBUFS)
}

/// An option named an interface that is not there; what Windows says is sorted elsewhere already.
pub(super) fn is_missing_interface(_: &io::Error) -> bool {
    false
}

/// An error of `accept` that belongs to the one connection that was to be accepted.
pub(crate) fn is_passing_accept_error(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionReset | K::ConnectionAborted | K::Interrupted)
        || error.raw_os_error() == Some(WSAEACCES)
}

/// There are no Unix sockets here, and so no paths of theirs.
pub(crate) enum OwnedPath {}

impl OwnedPath {
    pub(crate) fn keep(&self) {}
}

/// Windows has no bound on descriptors that a spare one would help against.
pub(crate) struct SpareDescriptor;

impl SpareDescriptor {
    pub(crate) fn new(_: &super::Poller) -> Self {
        Self
    }

    pub(crate) fn release(&mut self) -> bool {
        false
    }

    pub(crate) fn restore(&mut self) {}
}
