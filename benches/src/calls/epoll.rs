//! A raw epoll loop that counts bytes, and has one answer ready: what the kernel takes of a call, and hardly
//! anything else.
//!
//! It reads no JSON, and no HTTP either: whoever does can only take longer.

use std::io;

use super::{Calls, HEAD_OF_ANSWER, RESULT};
use crate::Result;
use crate::clients::askers::Asked;
use crate::servers::duty::{Answer, Answering};
use crate::servers::{Place, epoll};
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
    epoll::serve(Answering::new(Ready { question, answer }), place)
}

/// The answer, to every so many bytes.
struct Ready {
    question: usize,
    answer: Vec<u8>,
}

impl Answer for Ready {
    /// Bytes of a question that is not whole.
    type Unfinished = usize;

    fn answer(
        &mut self,
        unfinished: &mut usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        // It is asked for alone, and comes whole.
        if *bytes == *UPGRADE {
            out.extend_from_slice(UPGRADED);
            return Ok(());
        }
        *unfinished += bytes.len();
        for _ in 0..*unfinished / self.question {
            out.extend_from_slice(&self.answer);
        }
        *unfinished %= self.question;
        Ok(())
    }
}
