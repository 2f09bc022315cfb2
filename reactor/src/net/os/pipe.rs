//! A pipe through which the system moves bytes from one socket to another, and this process never sees them
//! (`splice(2)`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

/// What a pipe is asked to hold: as much as two of the loop's reads. The system's own default, 64 KiB, is
/// filled by sixteen segments of any size, so that every call would move little. Where it does not allow so
/// much, the pipe is as large as it is.
const CAPACITY: usize = 256 * 1024;

/// Neither end ever waits.
const AT_ONCE: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

/// A pipe, and how much is in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    reads: OwnedFd,
    writes: OwnedFd,
    filled: usize,
}

impl Pipe {
    pub(crate) fn new() -> io::Result<Self> {
        let (reads, writes) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&writes, CAPACITY);
        Ok(Self { reads, writes, filled: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Fills it, as far as there is room, with what has come to a socket; `Ok(0)` is the socket's end. It has to
    /// be empty: else nobody could tell a full pipe from an empty socket.
    pub(super) fn fill(&mut self, socket: impl AsFd) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "a full pipe looks like an empty socket");
        let moved = splice(socket, &self.writes, CAPACITY)?;
        self.filled += moved;
        Ok(moved)
    }

    /// Sends what is in it, as far as the socket takes it.
    pub(super) fn pour(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let moved = splice(&self.reads, socket, self.filled)?;
        self.filled = self.filled.saturating_sub(moved);
        Ok(moved)
    }

    /// Takes out what is in it.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; std::mem::take(&mut self.filled)];
        let mut length = 0;
        while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match rustix::io::read(&self.reads, rest) {
                Ok(read) if read > 0 => length += read,
                Err(Errno::INTR) => {}
                // Nobody else reads it, so this does not happen.
                _ => break,
            }
        }
        bytes.truncate(length);
        bytes
    }
}

fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    Ok(rustix::pipe::splice(from, None, to, None, most, AT_ONCE)?)
}

/// Whether the system cannot move bytes between such sockets, rather than not now or never again.
pub(crate) fn cannot_splice(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(errno) => {
            matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM)
        }
        None => error.kind() == io::ErrorKind::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_goes_through_a_pipe_or_is_taken_out_of_it_is_the_same() {
        let (mut source, from) = UnixStream::pair().expect("there are descriptors");
        let (to, mut sink) = UnixStream::pair().expect("there are descriptors");
        from.set_nonblocking(true).expect("it is a socket");
        let mut pipe = Pipe::new().expect("there are descriptors");
        let blocked = pipe.fill(&from).expect_err("nothing was said");
        assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);

        source.write_all(b"hello").expect("there is room");
        assert_eq!(pipe.fill(&from).expect("it was said"), 5);
        assert_eq!((pipe.len(), pipe.pour(&to).expect("there is room")), (5, 5));
        let mut heard = [0; 5];
        sink.read_exact(&mut heard).expect("it was sent");
        assert_eq!((&heard, pipe.is_empty()), (b"hello", true));

        source.write_all(b"again").expect("there is room");
        drop(source);
        assert_eq!(pipe.fill(&from).expect("it was said"), 5);
        assert_eq!(pipe.take(), b"again");
        assert_eq!(pipe.fill(&from).expect("it has ended"), 0);
    }
}
