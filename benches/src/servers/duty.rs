//! What a server does on its connections. The loops that report readiness do it for any: echo, a room.

use std::io::{self, ErrorKind, Read, Write};

use slab::Slab;

use super::SCRATCH;

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

/// What is said on a connection to what has come.
pub(crate) trait Answer {
    /// What is kept for a connection.
    type Unfinished: Default;

    /// Appends the answers to `out`; an error if the connection is over.
    fn answer(
        &mut self,
        unfinished: &mut Self::Unfinished,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()>;
}

/// Answers on all connections, with one buffer each way.
pub(crate) struct Answering<A> {
    by: A,
    scratch: Vec<u8>,
    out: Vec<u8>,
}

impl<A: Answer> Answering<A> {
    pub(crate) fn new(by: A) -> Self {
        Self { by, scratch: vec![0; SCRATCH], out: Vec::new() }
    }

    fn on_ready<S: Read + Write>(
        &mut self,
        (stream, unfinished): &mut (S, A::Unfinished),
        drain: Drain,
    ) -> io::Result<()> {
        loop {
            let count = match stream.read(&mut self.scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.out.clear();
            self.by.answer(unfinished, &self.scratch[..count], &mut self.out)?;
            // What is measured never fills the buffers of both ends.
            stream.write_all(&self.out)?;
            if count < self.scratch.len() && drain == Drain::UntilShort {
                return Ok(());
            }
        }
    }
}

impl<A: Answer> Duty for Answering<A> {
    type Connection<S> = (S, A::Unfinished);

    fn open<S>(&mut self, stream: S) -> (S, A::Unfinished) {
        (stream, A::Unfinished::default())
    }

    fn on_ready<S: Read + Write>(
        &mut self,
        connections: &mut Slab<(S, A::Unfinished)>,
        key: usize,
        drain: Drain,
    ) {
        if let Some(connection) = connections.get_mut(key)
            && self.on_ready(connection, drain).is_err()
        {
            connections.remove(key);
        }
    }
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
