//! A bare loop and httparse: the least that answers a request it has understood, and the ruler for the others. Over
//! epoll itself, and over mio.
//!
//! No limits, no deadlines, no second look at what httparse lets pass, and a Date that never changes.

use std::io::{self, ErrorKind, Read, Write};

use httparse::{EMPTY_HEADER, Request, Status};
use slab::Slab;

use crate::Result;
use crate::servers::duty::{Drain, Duty};
use crate::servers::{Place, SCRATCH, epoll, mio};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
      Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!";

pub(super) fn serve(place: Place) -> Result {
    mio::serve(Hello::default(), place)
}

pub(super) fn serve_by_epoll(place: Place) -> Result {
    epoll::serve(Hello::default(), place)
}

/// The same answer on all connections, with one buffer.
struct Hello {
    scratch: Vec<u8>,
}

impl Default for Hello {
    fn default() -> Self {
        Self { scratch: vec![0; SCRATCH] }
    }
}

impl Duty for Hello {
    type Connection<S> = Connection<S>;

    fn open<S>(&mut self, stream: S) -> Connection<S> {
        Connection { stream, unfinished: Vec::new(), answers: Vec::new() }
    }

    fn on_ready<S: Read + Write>(
        &mut self,
        connections: &mut Slab<Connection<S>>,
        key: usize,
        drain: Drain,
    ) {
        if let Some(connection) = connections.get_mut(key)
            && connection.on_ready(&mut self.scratch, drain).is_err()
        {
            connections.remove(key);
        }
    }
}

struct Connection<S> {
    stream: S,
    unfinished: Vec<u8>,
    answers: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    /// Answers what has come; an error if the connection is over.
    fn on_ready(&mut self, scratch: &mut [u8], drain: Drain) -> io::Result<()> {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let bytes = &scratch[..count];
            if self.unfinished.is_empty() {
                let taken = answer(bytes, &mut self.answers)?;
                self.unfinished.extend_from_slice(&bytes[taken..]);
            } else {
                self.unfinished.extend_from_slice(bytes);
                let taken = answer(&self.unfinished, &mut self.answers)?;
                self.unfinished.drain(..taken);
            }
            // What is measured never fills the buffers of both ends.
            self.stream.write_all(&self.answers)?;
            self.answers.clear();
            if count < scratch.len() && drain == Drain::UntilShort {
                return Ok(());
            }
        }
    }
}

/// Answers all requests that are whole; how many bytes those were.
fn answer(bytes: &[u8], answers: &mut Vec<u8>) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        let mut fields = [EMPTY_HEADER; 16];
        match Request::new(&mut fields).parse(&bytes[taken..]) {
            Ok(Status::Complete(length)) => taken += length,
            Ok(Status::Partial) => break,
            Err(_) => return Err(ErrorKind::InvalidData.into()),
        }
        answers.extend_from_slice(ANSWER);
    }
    Ok(taken)
}
