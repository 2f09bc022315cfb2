//! The echo of one connection, for the loops that report readiness.

use std::io::{self, ErrorKind, Read, Write};

/// Whether a connection stays.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing more to do until the next event.
    Wait,
    /// The peer takes no more for now: the next event of interest is that it does.
    Blocked,
    /// The peer has ended its stream and has all its bytes back.
    Ended,
}

/// When reading stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// After a read that did not fill the buffer: the kernel has no more, and reports it when it has.
    UntilShort,
    /// Not before the kernel says `WouldBlock`, or the stream is over: when its end was reported,
    /// which lies behind the last byte and is not reported again.
    UntilBlocked,
}

/// What a connection owes its peer. Empty, and without memory of its own, nearly always.
#[derive(Debug, Default)]
pub(super) struct Echo {
    unsent: Vec<u8>,
}

impl Echo {
    /// Echoes until the kernel has no more to give or takes no more.
    pub(super) fn on_ready<S: Read + Write>(
        &mut self,
        mut stream: S,
        scratch: &mut [u8],
        drain: Drain,
    ) -> io::Result<Flow> {
        if !self.unsent.is_empty() && self.flush(&mut stream)? == Flow::Blocked {
            return Ok(Flow::Blocked);
        }
        loop {
            match stream.read(scratch) {
                Ok(0) => return Ok(Flow::Ended),
                Ok(count) => {
                    if self.write(&mut stream, &scratch[..count])? == Flow::Blocked {
                        return Ok(Flow::Blocked);
                    }
                    if count < scratch.len() && drain == Drain::UntilShort {
                        return Ok(Flow::Wait);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Flow::Wait),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a batch at once, and keeps what the kernel refuses.
    fn write<S: Write>(&mut self, stream: &mut S, batch: &[u8]) -> io::Result<Flow> {
        let count = write_some(stream, batch)?;
        if count == batch.len() {
            return Ok(Flow::Wait);
        }
        self.unsent.extend_from_slice(&batch[count..]);
        self.flush(stream)
    }

    /// Writes what is owed until nothing is, or until the kernel takes no more.
    fn flush<S: Write>(&mut self, stream: &mut S) -> io::Result<Flow> {
        while !self.unsent.is_empty() {
            match write_some(stream, &self.unsent)? {
                0 => return Ok(Flow::Blocked),
                count => drop(self.unsent.drain(..count)),
            }
        }
        self.unsent = Vec::new();
        Ok(Flow::Wait)
    }
}

/// Bytes that the kernel took in one write, zero when it would have blocked.
fn write_some<S: Write>(stream: &mut S, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
