//! A room and its members, for the loops that report readiness: a line is written to one member after the
//! other.

use std::io::{self, ErrorKind, Read, Write};

use slab::Slab;

use super::{BEHIND, whole_lines};
use crate::servers::SCRATCH;
use crate::servers::duty::{Drain, Duty, flush, write_some};

/// What a room keeps for all its members.
pub(super) struct Room {
    lines: Vec<u8>,
    scratch: Vec<u8>,
}

/// A connection, what it owes, and what it has said of a line so far.
pub(super) struct Member<S> {
    stream: S,
    unsent: Vec<u8>,
    unfinished: Vec<u8>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), scratch: vec![0; SCRATCH] }
    }

    fn tell_the_others<S: Read + Write>(&self, members: &mut Slab<Member<S>>, from: usize) {
        if self.lines.is_empty() {
            return;
        }
        for (key, member) in members {
            if key != from {
                member.offer(&self.lines);
            }
        }
    }
}

impl Duty for Room {
    type Connection<S> = Member<S>;

    fn open<S: Read + Write>(&mut self, stream: S) -> Member<S> {
        Member { stream, unsent: Vec::new(), unfinished: Vec::new() }
    }

    fn on_ready<S: Read + Write>(
        &mut self,
        members: &mut Slab<Member<S>>,
        key: usize,
        drain: Drain,
    ) {
        let Some(member) = members.get_mut(key) else {
            return;
        };
        self.lines.clear();
        let has_left = flush(&mut member.stream, &mut member.unsent)
            .and_then(|_| member.read(&mut self.scratch, &mut self.lines, drain))
            .unwrap_or(true);
        if has_left {
            members.remove(key);
        }
        self.tell_the_others(members, key);
    }
}

impl<S: Read + Write> Member<S> {
    /// Sends whole lines, or keeps what the kernel does not take; drops them if too much is kept.
    fn offer(&mut self, lines: &[u8]) {
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

    /// Reads, and appends what became whole lines to `lines`; whether the member has left.
    fn read(&mut self, scratch: &mut [u8], lines: &mut Vec<u8>, drain: Drain) -> io::Result<bool> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    self.unfinished.extend_from_slice(&scratch[..count]);
                    let whole = whole_lines(&self.unfinished);
                    lines.extend(self.unfinished.drain(..whole));
                    if count < scratch.len() && drain == Drain::UntilShort {
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
