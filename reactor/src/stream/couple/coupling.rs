//! What a stream knows of the one it is coupled with.

use std::cell::Cell;
use std::rc::Rc;

use crate::id::Key;

/// What a stream knows of the one it is coupled with.
pub(crate) struct Coupling {
    pub(super) partner: Key,
    pub(super) manner: Manner,
    /// The partner is not read until what is queued here has left.
    pub(super) holds_partner: bool,
    /// Bytes of the partner's that this stream was given to send.
    pub(super) taken: Rc<Cell<u64>>,
}

/// How a stream's bytes get to its partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Through the loop's buffer, since little comes at a time.
    Copying,
    /// From socket to socket, since much comes.
    Splicing,
    /// Through the buffer, however much: the system cannot do otherwise with these sockets.
    OnlyCopying,
}

impl Coupling {
    pub(super) fn new(partner: Key, taken: Rc<Cell<u64>>) -> Self {
        Self { partner, manner: Manner::Copying, holds_partner: false, taken }
    }
}
