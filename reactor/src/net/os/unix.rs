//! What differs on Unix: calls on descriptors, and what their errors mean.
//!
//! Reads and writes go through rustix: its calls are inlined, about twenty instructions cheaper a
//! message than the C library's, and it passes `MSG_NOSIGNAL`, so that writing to a connection that
//! is gone is an error and never a SIGPIPE.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// Whether a read that did not fill its buffer has emptied the socket, so that the next byte brings
/// another event. True of epoll and kqueue; mio's `poll(2)` backend re-arms only on `WouldBlock`.
pub(crate) const SHORT_READ_DRAINS: bool = cfg!(not(mio_unsupported_force_poll_poll));

/// Whether the system copies a listener's options to what it accepts.
pub(super) const ACCEPTED_INHERIT: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd"));

// Apple has no such flag; there the standard library and mio set SO_NOSIGPIPE on the socket.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

/// Why a call failed, as the system says it.
pub(crate) type Failure = Errno;

/// A socket that is lent.
pub(crate) type Borrowed<'a> = BorrowedFd<'a>;

pub(super) fn borrow(socket: &impl AsFd) -> Borrowed<'_> {
    socket.as_fd()
}

pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::net::recv(socket, buffer, RecvFlags::empty()) {
        Ok((_, length)) => Ok(length),
        Err(errno) => Err(failed(errno)),
    }
}

pub(super) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    rustix::net::send(socket, bytes, NO_SIGNAL).map_err(failed)
}

/// Receives one datagram. Thirteen instructions cheaper than the standard library's, which calls the C
/// library's.
// Called, as of several loops in one program it would be, a datagram is 40 instructions more.
#[inline(always)]
pub(super) fn receive_from(
    socket: &mio::net::UdpSocket,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr)> {
    if !SHORT_READ_DRAINS {
        // mio has to see that it would have blocked.
        return socket.recv_from(buffer);
    }
    match rustix::net::recvfrom(socket, buffer, RecvFlags::empty()) {
        Ok((_, length, Some(from))) => match SocketAddr::try_from(from) {
            Ok(from) => Ok((length, from)),
            Err(errno) => Err(failed(errno)),
        },
        Ok((_, _, None)) => Err(io::ErrorKind::AddrNotAvailable.into()),
        Err(errno) => Err(failed(errno)),
    }
}

/// Sends one datagram over IPv4.
pub(super) fn send_to_v4(
    socket: &mio::net::UdpSocket,
    bytes: &[u8],
    to: &SocketAddrV4,
) -> Result<(), Failure> {
    rustix::net::sendto(socket, bytes, NO_SIGNAL, to).map(drop)
}

/// Out of line, so that a call that succeeds does not pay for it.
#[cold]
#[inline(never)]
fn failed(errno: Errno) -> io::Error {
    errno.into()
}

pub(super) fn send_vectored(socket: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut nothing = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(socket, slices, &mut nothing, NO_SIGNAL)?)
}

/// Room for the descriptors of one message: as many as Linux lets through with it (`SCM_MAX_FD`).
const DESCRIPTORS: usize = rustix::cmsg_space!(ScmRights(253));

/// Sends bytes, and descriptors with the first of them.
pub(super) fn send_with_descriptors(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); DESCRIPTORS];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, NO_SIGNAL)?)
}

/// Receives bytes, and the descriptors that come with them, which no child of this process inherits.
pub(super) fn receive_with_descriptors(
    socket: impl AsFd,
    buffer: &mut [u8],
    arrived: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); DESCRIPTORS];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = rustix::net::recvmsg(socket, &mut slices, &mut control, CLOSE_ON_EXEC)?;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            arrived.extend(descriptors);
        }
    }
    if CLOSE_ON_EXEC.is_empty() {
        for descriptor in &*arrived {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("descriptors were lost: this process has none left for them"));
    }
    Ok(message.bytes)
}

/// What is received is closed when the process runs another program, where one call can say so.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// Reads a part of a file, wherever its cursor is; `Ok(0)` is the file's end.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// The process or the system has no descriptors, or no memory for one, left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// There was no room in some queue of the system's: on the BSDs and Apple's systems, in that of the peer of a Unix
/// datagram socket.
pub(crate) fn is_out_of_buffers(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NOBUFS)
}

/// An option named an interface, by its address or its index, that is not there.
pub(super) fn is_missing_interface(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NODEV | Errno::NXIO))
}

/// An error of `accept` that belongs to the one connection that was to be accepted: the next in the
/// queue may be well. accept(2) asks to treat network errors so.
pub(crate) fn is_passing_accept_error(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
                | Errno::TIMEDOUT
        )
    )
}

/// A descriptor kept in reserve, so that a client can be told when there are no others.
pub(crate) struct SpareDescriptor(Option<File>);

impl SpareDescriptor {
    pub(crate) fn new(_: &super::Poller) -> Self {
        Self::open()
    }

    /// Frees the descriptor; whether there was one.
    pub(crate) fn release(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes one into reserve again, if it is not there and the system has one.
    pub(crate) fn restore(&mut self) {
        if self.0.is_none() {
            *self = Self::open();
        }
    }

    fn open() -> Self {
        Self(File::open("/dev/null").ok())
    }
}
