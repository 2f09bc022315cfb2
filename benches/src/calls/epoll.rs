//! A raw epoll loop that counts bytes, and has one answer ready: what the kernel takes of a call, and hardly
//! anything else.
//!
//! It reads no JSON, and no HTTP either: whoever does can only take longer.

use std::io::{self, ErrorKind, Read, Write};

use slab::Slab;

use super::{Calls, HEAD_OF_ANSWER, RESULT};
use crate::Result;
use crate::askers::Asked;
use crate::servers::duty::{Drain, Duty};
use crate::servers::{Place, SCRATCH, epoll};
use crate::webs::UPGRADE;

const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

pub(super) fn serve(calls: Calls, place: Place) -> Result {
    let question = calls.asking(1, 1).question.len();
    let answer = match calls {
        Calls::EpollHttp => [HEAD_OF_ANSWER, RESULT].concat(),
        // A short text message, not masked (RFC 6455, 5.2).
        Calls::EpollSocket => [&[0x81, RESULT.len() as u8][..], RESULT].concat(),
        _ => [RESULT, b"\n"].concat(),
    };
    epoll::serve(Ready { question, answer, scratch: vec![0; SCRATCH], out: Vec::new() }, place)
}

/// The answer, to every so many bytes.
struct Ready {
    question: usize,
    answer: Vec<u8>,
    scratch: Vec<u8>,
    out: Vec<u8>,
}

/// A connection, and the bytes of a question that is not whole.
struct Connection<S> {
    stream: S,
    unfinished: usize,
}

impl Duty for Ready {
    type Connection<S> = Connection<S>;

    fn open<S>(&mut self, stream: S) -> Connection<S> {
        Connection { stream, unfinished: 0 }
    }

    fn on_ready<S: Read + Write>(
        &mut self,
        connections: &mut Slab<Connection<S>>,
        key: usize,
        drain: Drain,
    ) {
        if let Some(connection) = connections.get_mut(key)
            && self.answer(connection, drain).is_err()
        {
            connections.remove(key);
        }
    }
}

impl Ready {
    /// Answers what has come; an error if the connection is over.
    fn answer<S: Read + Write>(
        &mut self,
        Connection { stream, unfinished }: &mut Connection<S>,
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
            // It is asked for alone, and comes whole.
            if self.scratch[..count] == *UPGRADE {
                self.out.extend_from_slice(UPGRADED);
            } else {
                *unfinished += count;
                for _ in 0..*unfinished / self.question {
                    self.out.extend_from_slice(&self.answer);
                }
                *unfinished %= self.question;
            }
            // What is measured never fills the buffers of both ends.
            stream.write_all(&self.out)?;
            if count < self.scratch.len() && drain == Drain::UntilShort {
                return Ok(());
            }
        }
    }
}
