//! One member of a room, for the loops that report readiness.

use std::io::{self, ErrorKind, Read, Write};

use super::{BEHIND, whole_lines};

/// A connection, what it owes, and what it has said of a line so far.
pub(super) struct Member<S> {
    stream: S,
    unsent: Vec<u8>,
    unfinished: Vec<u8>,
}

/// When reading stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// After a read that did not fill the buffer: the kernel has no more, and reports it when it has.
    Short,
    /// Not before the kernel says `WouldBlock`, or the stream is over.
    Blocked,
}

impl<S: Read + Write> Member<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, unsent: Vec::new(), unfinished: Vec::new() }
    }

    /// Sends whole lines, or keeps what the kernel does not take; drops them if too much is kept.
    pub(super) fn offer(&mut self, lines: &[u8]) {
        if !self.unsent.is_empty() {
            if self.unsent.len() + lines.len() <= BEHIND {
                self.unsent.extend_from_slice(lines);
            }
            return;
        }
        // A connection that failed says so in an event of its own.
        let sent = write_some(&mut self.stream, lines).unwrap_or(lines.len());
        self.unsent.extend_from_slice(&lines[sent..]);
    }

    /// Sends what was kept, as far as the kernel takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match write_some(&mut self.stream, &self.unsent)? {
                0 => return Ok(()),
                count => drop(self.unsent.drain(..count)),
            }
        }
        Ok(())
    }

    /// Reads, and appends what became whole lines to `lines`; whether the member has left.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        lines: &mut Vec<u8>,
        until: Until,
    ) -> io::Result<bool> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    self.unfinished.extend_from_slice(&scratch[..count]);
                    let whole = whole_lines(&self.unfinished);
                    lines.extend(self.unfinished.drain(..whole));
                    if count < scratch.len() && until == Until::Short {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
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
