//! A stream connection: two ends, and a pipe each way.
//!
//! ```text
//!    end 0 ── write ─▶ ┌──────────── pipe 0 ─────────────┐ ── read ─▶ end 1
//!                      │ in flight        │ arrived      │
//!          ◀─ read ─── └──────────── pipe 1 ─────────────┘ ◀─ write ──
//! ```
//!
//! A pipe keeps the order, as TCP does. It holds a bounded number of bytes, in flight and arrived
//! together; a write beyond that would block.

use std::collections::VecDeque;
use std::time::Duration;

use super::calls::Errno;
use super::names::SocketIndex;
use crate::Address;

/// What a pipe holds where nothing else was said: a receive and a send buffer.
pub(super) const CAPACITY: usize = 128 * 1024;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

pub(crate) struct Connection {
    pub(super) kind: Kind,
    pub(super) ends: [End; 2],
    /// Each named by the end that writes to it.
    pub(super) pipes: [Pipe; 2],
    /// Nothing passes any more, and nobody is told.
    pub(super) silent: bool,
    /// Entries of the agenda that name it: it stays until they are through.
    pub(super) planned: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Unix,
}

pub(super) struct End {
    pub(super) host: u16,
    pub(super) address: Address,
    pub(super) state: State,
    /// What it sends is encrypted.
    pub(super) sealed: bool,
    /// What the next call is to be told, once.
    pub(super) error: Option<Errno>,
    /// Its kernel has given the connection up: nothing is sent, nothing arrives.
    pub(super) is_dead: bool,
    /// It has sent FIN.
    pub(super) has_ended: bool,
    /// The coming close is to send RST.
    pub(super) resets: bool,
    /// Probes find out when the other side is gone.
    pub(super) keepalive: bool,
}

/// ```text
///   Connecting ─▶ Open(socket) ─▶ Gone
///   Queued ─────▶      │    ╲
///      │               │     ╲──▶ Vanished     its host crashed
///      └───────────────┴────▶ Gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The client's end, before an answer has come.
    Connecting(SocketIndex),
    Open(SocketIndex),
    /// The server's end, before its first segment has arrived.
    Awaited,
    /// The server's end, in the listener's queue.
    Queued,
    /// Its socket was closed; its host says so to whoever still sends.
    Gone,
    /// Its host has crashed, and says nothing.
    Vanished,
}

#[derive(Default)]
pub(super) struct Pipe {
    pub(super) flight: VecDeque<Chunk>,
    /// Bytes in flight.
    pub(super) flying: usize,
    pub(super) arrived: VecDeque<u8>,
    pub(super) capacity: usize,
    /// FIN has arrived, behind what is still unread.
    pub(super) has_ended: bool,
    /// Something between has closed it: what comes behind the FIN is answered with RST.
    pub(super) is_cut: bool,
    /// A write found no room: whoever writes wants to know when there is some.
    pub(super) is_wanted: bool,
    /// Since when nothing has got through, though something is in flight.
    pub(super) stuck_since: Option<Duration>,
    pub(super) last_arrival: Duration,
}

pub(super) struct Chunk {
    pub(super) arrives: Duration,
    pub(super) content: Content,
}

pub(super) enum Content {
    Bytes(Vec<u8>),
    Fin,
    Reset,
}

impl Connection {
    pub(super) fn new(kind: Kind, client: End, server: End) -> Self {
        let pipe = || Pipe { capacity: CAPACITY, ..Pipe::default() };
        let (ends, pipes) = ([client, server], [pipe(), pipe()]);
        Self { kind, ends, pipes, silent: false, planned: 0 }
    }

    pub(super) fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// What this side writes to.
    pub(super) fn outgoing(&mut self, side: Side) -> &mut Pipe {
        &mut self.pipes[side as usize]
    }

    /// What this side reads from.
    pub(super) fn incoming(&mut self, side: Side) -> &mut Pipe {
        &mut self.pipes[side.other() as usize]
    }

    /// Whether neither end has a socket, and nothing is on its way.
    pub(super) fn is_over(&self) -> bool {
        self.planned == 0
            && self.ends.iter().all(|end| matches!(end.state, State::Gone | State::Vanished))
    }
}

impl End {
    pub(super) fn new(host: u16, address: Address, state: State) -> Self {
        Self {
            host,
            address,
            state,
            error: None,
            is_dead: false,
            has_ended: false,
            sealed: false,
            resets: false,
            keepalive: false,
        }
    }

    /// The socket of an end that is connected.
    pub(super) fn socket(&self) -> Option<SocketIndex> {
        match self.state {
            State::Open(socket) => Some(socket),
            _ => None,
        }
    }
}

impl Pipe {
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.flying + self.arrived.len())
    }

    /// Whether a write may succeed soon: a system says so only when a good part is free.
    pub(super) fn is_writable(&self) -> bool {
        self.room() * 3 >= self.capacity
    }

    /// The next chunk, if it has arrived.
    pub(super) fn next_arrived(&mut self, now: Duration) -> Option<Chunk> {
        self.flight.front().filter(|chunk| chunk.arrives <= now)?;
        self.flight.pop_front()
    }
}
