//! What a server does on its connections. The loops that report readiness do it for any: echo, a room.

use std::io::{self, ErrorKind, Read, Write};

use slab::Slab;

/// A duty, and what it keeps for all connections.
pub(crate) trait Duty {
    /// A connection, and what the duty keeps for it.
    type Connection<S>;

    /// Takes a connection that was accepted.
    fn open<S: Read + Write>(&mut self, stream: S) -> Self::Connection<S>;

    /// A connection can be read or written: it is, until the kernel has no more to give or takes no
    /// more. If it has ended it is taken out.
    fn on_ready<S: Read + Write>(
        &mut self,
        connections: &mut Slab<Self::Connection<S>>,
        key: usize,
        drain: Drain,
    );
}

/// When reading stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    /// After a read that did not fill the buffer: the kernel has no more, and reports it when it has.
    UntilShort,
    /// Not before the kernel says `WouldBlock`, or the stream is over: when its end was reported,
    /// which lies behind the last byte and is not reported again.
    UntilBlocked,
}

/// Writes what is owed until nothing is, or until the kernel takes no more; whether nothing is.
pub(crate) fn flush<S: Write>(stream: &mut S, unsent: &mut Vec<u8>) -> io::Result<bool> {
    while !unsent.is_empty() {
        match write_some(stream, unsent)? {
            0 => return Ok(false),
            count => drop(unsent.drain(..count)),
        }
    }
    Ok(true)
}

/// Bytes that the kernel took in one write, zero when it would have blocked.
pub(crate) fn write_some<S: Write>(stream: &mut S, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
