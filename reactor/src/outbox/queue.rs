//! What outboxes are made of: queues of pieces, which several outboxes may share.

use std::collections::VecDeque;
use std::fs::File;
use std::rc::Rc;

use bytes::{Buf, Bytes};

use super::Lent;

/// Queues that are kept at most, 100 to 350 bytes each.
const SPARES: usize = 1_024;
/// A queue that has held more pieces than these gives its memory back.
const SPARE_PIECES: usize = 8;

/// A message to many, as a queue of its own: an outbox that is empty only refers to it. So to queue a
/// delivery, and to send it later, takes 155 instructions instead of 267.
pub(crate) struct Broadcast(pub(super) Rc<Queue>);

/// Queues that have run empty, for the outboxes that need one next.
#[derive(Default)]
pub(crate) struct Spares(pub(super) Vec<Rc<Queue>>);

#[derive(Default)]
pub(super) struct Queue {
    /// Shared bytes that came into the empty queue. Nearly always there is nothing else, so they stand
    /// here rather than in the ring, which takes some forty instructions to enter and to leave.
    pub(super) first: Option<Bytes>,
    pub(super) rest: VecDeque<Piece>,
    pub(super) queued: usize,
}

pub(super) enum Piece {
    Shared(Bytes),
    Own { bytes: Vec<u8>, sent: usize },
    File(Box<FilePiece>),
    Pipe(Box<Lent>),
}

/// A part of a file that is being sent.
#[derive(Debug)]
pub(crate) struct FilePiece {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) remaining: u64,
    pub(crate) sent: u64,
}

impl Broadcast {
    pub(crate) fn new(bytes: Bytes, spares: &mut Spares) -> Self {
        Self(spares.take_for(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.first.as_deref().unwrap_or_default()
    }

    /// Ends the broadcast: every outbox it is for has it.
    pub(crate) fn finish(self, spares: &mut Spares) {
        spares.keep(self.0);
    }
}

impl Spares {
    pub(super) fn take(&mut self) -> Rc<Queue> {
        self.0.pop().unwrap_or_default()
    }

    /// A queue that holds these shared bytes, which must not be empty.
    pub(super) fn take_for(&mut self, bytes: Bytes) -> Rc<Queue> {
        let mut queue = self.take();
        // It always is nobody else's.
        match Rc::get_mut(&mut queue) {
            Some(own) => {
                own.queued = bytes.len();
                own.first = Some(bytes);
                queue
            }
            None => Rc::new(Queue { queued: bytes.len(), first: Some(bytes), ..Queue::default() }),
        }
    }

    /// Keeps a queue for later, unless it is shared, it has grown, or there are enough.
    pub(super) fn keep(&mut self, mut queue: Rc<Queue>) {
        if let Some(own) = Rc::get_mut(&mut queue)
            && own.rest.capacity() <= SPARE_PIECES
            && self.0.len() < SPARES
        {
            own.first = None;
            own.queued = 0;
            self.0.push(queue);
        }
    }
}

impl Queue {
    pub(super) fn advance(&mut self, mut sent: usize) {
        self.queued -= sent;
        if let Some(first) = &mut self.first {
            if sent < first.len() {
                return first.advance(sent);
            }
            sent -= first.len();
            self.first = None;
        }
        while sent > 0 {
            let Some(front) = self.rest.front_mut() else {
                break;
            };
            let length = front.unsent().map_or(0, <[u8]>::len);
            if sent < length {
                return front.advance(sent);
            }
            sent -= length;
            self.rest.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }

    pub(super) fn pieces(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }
}

/// A queue that is shared holds one message, and no more.
impl Clone for Queue {
    fn clone(&self) -> Self {
        debug_assert!(self.rest.is_empty(), "invariant 4");
        Self { first: self.first.clone(), rest: VecDeque::new(), queued: self.queued }
    }
}

impl Piece {
    /// The bytes of a piece that is in memory.
    pub(super) fn unsent(&self) -> Option<&[u8]> {
        match self {
            Self::Shared(bytes) => Some(bytes),
            Self::Own { bytes, sent } => Some(&bytes[*sent..]),
            Self::File(_) | Self::Pipe(_) => None,
        }
    }

    pub(super) fn advance(&mut self, count: usize) {
        match self {
            Self::Shared(bytes) => bytes.advance(count),
            Self::Own { sent, .. } => *sent += count,
            Self::File(_) | Self::Pipe(_) => {}
        }
    }
}
