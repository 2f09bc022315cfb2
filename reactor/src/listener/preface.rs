//! An accepted connection of which a proxy has yet to say whom it speaks for.
//!
//! ```text
//!              the proxy is trusted               the header is whole
//!   accepted ───────────────────────▶ Waiting ─────────────────────────▶ Ended ──▶ placed, at the end of the turn
//!                                        │ ended, malformed, late
//!                                        └───────────────────────────────▶ Ended ──▶ closed
//! ```
//!
//! It has a slot of its own, and no protocol: the program hears of it when its peer is known. It is counted as a
//! connection, and among the handshakes, whose number is bounded.

use std::io;

use crate::id::Key;
use crate::net::StreamSocket;
use crate::proxy::{Reader, Said};
use crate::stats::SocketRow;
use crate::{Address, ListenerId, ProxyError};

/// What is read of a header at a time, where it does not matter what it is.
const PIECE: usize = 512;

pub(crate) struct Preface {
    pub(super) socket: StreamSocket,
    /// The other end of the socket.
    pub(super) proxy: Address,
    pub(super) listener: ListenerId,
    /// Ends the time that it has.
    pub(super) timer: Key,
    pub(super) state: State,
}

pub(super) enum State {
    Waiting(Reader),
    Ended(Result<Said, ProxyError>),
}

impl Preface {
    pub(crate) fn row(&self) -> SocketRow {
        SocketRow {
            protocol: self.socket.kind(),
            receive_queue: 0,
            send_queue: 0,
            local: self.socket.local(),
            peer: Some(self.proxy.clone()),
            state: "reading the PROXY header",
        }
    }

    /// Reads what there is of the header, and nothing else; whether it has ended with that.
    pub(super) fn read(&mut self) -> bool {
        let State::Waiting(reader) = &mut self.state else { return false };
        let mut piece = [0; PIECE];
        loop {
            let wanted = reader.wants().min(PIECE);
            let ended = match self.socket.read(&mut piece[..wanted]) {
                Ok(0) => Err(ProxyError::Ended),
                Ok(length) => match reader.take(&piece[..length]) {
                    Ok(None) => continue,
                    Ok(Some(said)) => Ok(said),
                    Err(error) => Err(error),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Err(ProxyError::Ended),
            };
            self.state = State::Ended(ended);
            return true;
        }
    }
}
