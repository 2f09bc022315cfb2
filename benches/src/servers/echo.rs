//! The echo of one connection, for the loops that report readiness.

use std::io::{self, ErrorKind, Read, Write};

use slab::Slab;

use super::SCRATCH;
use super::duty::{Drain, Duty, flush, write_some};

/// Whether a connection stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing more to do until the next event.
    Wait,
    /// The peer takes no more for now: the next event of interest is that it does.
    Blocked,
    /// The peer has ended its stream and has all its bytes back.
    Ended,
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

    /// Writes what is owed, and keeps no memory for it once nothing is.
    fn flush<S: Write>(&mut self, stream: &mut S) -> io::Result<Flow> {
        if !flush(stream, &mut self.unsent)? {
            return Ok(Flow::Blocked);
        }
        self.unsent = Vec::new();
        Ok(Flow::Wait)
    }
}

/// The echo of all connections, with one buffer.
pub(super) struct Echoes {
    scratch: Vec<u8>,
}

impl Echoes {
    pub(super) fn new() -> Self {
        Self { scratch: vec![0; SCRATCH] }
    }
}

impl Duty for Echoes {
    type Connection<S> = (S, Echo);

    fn open<S>(&mut self, stream: S) -> (S, Echo) {
        (stream, Echo::default())
    }

    fn on_ready<S: Read + Write>(
        &mut self,
        connections: &mut Slab<(S, Echo)>,
        key: usize,
        drain: Drain,
    ) {
        let Some((stream, echo)) = connections.get_mut(key) else {
            return;
        };
        match echo.on_ready(stream, &mut self.scratch, drain) {
            Ok(Flow::Wait | Flow::Blocked) => {}
            Ok(Flow::Ended) | Err(_) => drop(connections.remove(key)),
        }
    }
}
