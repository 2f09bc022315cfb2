//! A bare loop and httparse: the least that answers a request it has understood, and the ruler for the others. Over
//! epoll itself, and over mio.
//!
//! No limits, no deadlines, no second look at what httparse lets pass, and a Date that never changes.

use std::io::{self, ErrorKind};

use httparse::{EMPTY_HEADER, Request, Status};

use crate::Result;
use crate::servers::duty::{Answer, Answering};
use crate::servers::{Place, epoll, mio};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
      Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!";

pub(super) fn serve(place: Place) -> Result {
    mio::serve(Answering::new(Hello), place)
}

pub(super) fn serve_by_epoll(place: Place) -> Result {
    epoll::serve(Answering::new(Hello), place)
}

/// The same answer to each request.
struct Hello;

impl Answer for Hello {
    type Unfinished = Vec<u8>;

    fn answer(
        &mut self,
        unfinished: &mut Vec<u8>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        if unfinished.is_empty() {
            let taken = answer(bytes, out)?;
            unfinished.extend_from_slice(&bytes[taken..]);
        } else {
            unfinished.extend_from_slice(bytes);
            let taken = answer(unfinished, out)?;
            unfinished.drain(..taken);
        }
        Ok(())
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
