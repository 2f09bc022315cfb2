//! A bare mio loop and httparse: the least that answers a request it has understood, and the ruler for the
//! others.
//!
//! No limits, no deadlines, no second look at what httparse lets pass, and a Date that never changes.

use std::io::{self, ErrorKind, Read, Write};

use httparse::{EMPTY_HEADER, Request, Status};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::Result;
use crate::servers::{EVENTS, Place, SCRATCH, announce, listen};

/// The listener's token; no slab grows that far.
const LISTENER: Token = Token(usize::MAX);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
      Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!";

pub(super) fn serve(place: Place) -> Result {
    let mut listener = TcpListener::from_std(listen(place)?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    announce(listener.local_addr()?)?;
    let mut connections = Slab::new();
    let mut events = Events::with_capacity(EVENTS);
    let mut scratch = vec![0; SCRATCH];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            let Token(key) = event.token();
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
            } else if let Some(connection) = connections.get_mut(key)
                && !matches!(connection.on_readable(&mut scratch), Ok(()))
            {
                connections.remove(key);
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, connections: &mut Slab<Connection>) -> Result {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let entry = connections.vacant_entry();
                poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
                entry.insert(Connection { stream, unfinished: Vec::new(), answers: Vec::new() });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

struct Connection {
    stream: TcpStream,
    unfinished: Vec<u8>,
    answers: Vec<u8>,
}

impl Connection {
    /// Answers what has come; an error if the connection is over.
    fn on_readable(&mut self, scratch: &mut [u8]) -> io::Result<()> {
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
            if count < scratch.len() && cfg!(not(mio_unsupported_force_poll_poll)) {
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
