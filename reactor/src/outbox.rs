//! What waits to be sent: a FIFO of bytes and files, sent in the order they were queued.
//!
//! ```text
//!   front                                                   back
//!  ┌──────────────┬──────────────┬────────────────┬──────────────┐
//!  │ Shared bytes │ Own bytes    │ File 3..9 MiB  │ Own bytes ░░░│◀─ small writes join the last piece
//!  └──────────────┴──────────────┴────────────────┴──────────────┘
//!   └──── one vectored write ───┘ └── sendfile ──┘
//! ```
//!
//! Three invariants:
//!
//! 1. No piece is empty, so a write of the front always makes progress.
//! 2. `queued` is the sum of the pieces' bytes (files count for nothing: they are not in memory).
//! 3. An empty outbox owns no memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Small writes are gathered to pieces of up to this size.
const BLOCK: usize = 16 * 1024;
/// What a queued piece is charged beside its bytes, for its place in the queue and its allocation.
const PIECE_CHARGE: usize = 64;
/// How many pieces leave in one vectored write; kernels allow at least 1,024, the stack prefers 64.
pub(crate) const MAX_SLICES: usize = 64;

/// Queues that are kept at most, about 200 bytes each.
const SPARES: usize = 1_024;
/// A queue that has held more pieces than these gives its memory back.
const SPARE_PIECES: usize = 8;

#[derive(Default)]
pub(crate) struct Outbox(Option<Box<Queue>>);

/// Queues that have run empty, for the outboxes that need one next: those of a broadcast's members need
/// one each, for as long as it takes to send one message.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is kept")]
pub(crate) struct Spares(Vec<Box<Queue>>);

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    queued: usize,
}

enum Piece {
    Shared(Bytes),
    Own { bytes: Vec<u8>, sent: usize },
    File(Box<FilePiece>),
}

/// A part of a file that is being sent.
#[derive(Debug)]
pub(crate) struct FilePiece {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) remaining: u64,
    pub(crate) sent: u64,
}

/// What has to be sent next.
pub(crate) enum Front<'a> {
    Bytes,
    File(&'a mut FilePiece),
}

impl Spares {
    fn take(&mut self) -> Box<Queue> {
        self.0.pop().unwrap_or_default()
    }

    fn keep(&mut self, queue: Box<Queue>) {
        if self.0.len() < SPARES && queue.pieces.capacity() <= SPARE_PIECES {
            self.0.push(queue);
        }
    }
}

impl Outbox {
    pub(crate) fn push_copy(&mut self, bytes: &[u8], spares: &mut Spares) {
        if bytes.is_empty() {
            return;
        }
        let queue = self.0.get_or_insert_with(|| spares.take());
        queue.queued += bytes.len();
        match queue.pieces.back_mut() {
            Some(Piece::Own { bytes: last, .. }) if last.len() + bytes.len() <= BLOCK => {
                last.extend_from_slice(bytes);
            }
            _ => queue.pieces.push_back(Piece::Own { bytes: bytes.to_vec(), sent: 0 }),
        }
    }

    pub(crate) fn push(&mut self, bytes: Bytes, spares: &mut Spares) {
        if bytes.is_empty() {
            return;
        }
        let queue = self.0.get_or_insert_with(|| spares.take());
        queue.queued += bytes.len();
        queue.pieces.push_back(Piece::Shared(bytes));
    }

    /// Queues a file; one of no length is still a piece, so that its completion is reported in order.
    pub(crate) fn push_file(&mut self, file: FilePiece, spares: &mut Spares) {
        let queue = self.0.get_or_insert_with(|| spares.take());
        queue.pieces.push_back(Piece::File(Box::new(file)));
    }

    /// What has to be sent next; `None` when everything has left.
    pub(crate) fn front(&mut self) -> Option<Front<'_>> {
        match self.0.as_mut()?.pieces.front_mut()? {
            Piece::Shared(_) | Piece::Own { .. } => Some(Front::Bytes),
            Piece::File(file) => Some(Front::File(file)),
        }
    }

    /// What is queued, if it is one piece of bytes: nearly always.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        let pieces = &self.0.as_ref()?.pieces;
        if pieces.len() == 1 { pieces.front()?.unsent() } else { None }
    }

    /// Fills `slices` with the pieces in front of the first file, and returns how many they are.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.0.iter().flat_map(|queue| &queue.pieces).map_while(Piece::unsent);
        let mut count = 0;
        for (slot, bytes) in slices.iter_mut().zip(pieces) {
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// Removes the first `sent` bytes, which the kernel has taken.
    pub(crate) fn advance(&mut self, mut sent: usize, spares: &mut Spares) {
        let Some(queue) = self.0.as_mut() else { return };
        queue.queued -= sent;
        while sent > 0 {
            let Some(front) = queue.pieces.front_mut() else {
                break;
            };
            let length = front.unsent().map_or(0, <[u8]>::len);
            if sent < length {
                front.advance(sent);
                break;
            }
            sent -= length;
            queue.pieces.pop_front();
        }
        self.shrink(spares);
    }

    /// Removes the file in front, which has been sent as far as it goes.
    pub(crate) fn pop_file(&mut self, spares: &mut Spares) -> Option<FilePiece> {
        let queue = self.0.as_mut()?;
        let Some(Piece::File(_)) = queue.pieces.front() else {
            return None;
        };
        let file = queue.pieces.pop_front();
        self.shrink(spares);
        match file {
            Some(Piece::File(file)) => Some(*file),
            _ => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes queued in memory.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.queued)
    }

    /// What is held against the caps: the bytes, and the bookkeeping of each piece.
    pub(crate) fn charge(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.queued + queue.pieces.len() * PIECE_CHARGE)
    }

    /// What [`Self::push`] would add to the charge.
    pub(crate) fn charge_of(bytes: &Bytes) -> usize {
        if bytes.is_empty() { 0 } else { bytes.len() + PIECE_CHARGE }
    }

    /// Everything not sent, files included: what is lost if the connection ends now.
    pub(crate) fn unsent(&self) -> u64 {
        let files = |piece: &Piece| match piece {
            Piece::File(file) => file.remaining,
            Piece::Shared(_) | Piece::Own { .. } => 0,
        };
        self.0
            .as_ref()
            .map_or(0, |queue| queue.queued as u64 + queue.pieces.iter().map(files).sum::<u64>())
    }

    /// The queued bytes as they would have been sent; files are left out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        for piece in self.0.iter().flat_map(|queue| &queue.pieces) {
            all.extend_from_slice(piece.unsent().unwrap_or_default());
        }
        all
    }

    fn shrink(&mut self, spares: &mut Spares) {
        if self.0.as_ref().is_some_and(|queue| queue.pieces.is_empty()) {
            debug_assert_eq!(self.len(), 0, "invariant 2");
            self.0.take().into_iter().for_each(|queue| spares.keep(queue));
        }
    }
}

impl Piece {
    /// The bytes of a piece that is in memory.
    fn unsent(&self) -> Option<&[u8]> {
        match self {
            Self::Shared(bytes) => Some(bytes),
            Self::Own { bytes, sent } => Some(&bytes[*sent..]),
            Self::File(_) => None,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Shared(bytes) => bytes.advance(count),
            Self::Own { sent, .. } => *sent += count,
            Self::File(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sliced(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn file(length: u64) -> FilePiece {
        let file = tempfile::tempfile().expect("a temporary file");
        FilePiece { file, offset: 0, remaining: length, sent: 0 }
    }

    #[test]
    fn an_empty_outbox_owns_nothing() {
        let (mut outbox, spares) = (Outbox::default(), &mut Spares::default());
        outbox.push(Bytes::new(), spares);
        outbox.push_copy(b"", spares);
        assert!(outbox.is_empty());
        outbox.push_copy(b"abc", spares);
        outbox.advance(3, spares);
        assert!(outbox.is_empty());
        assert_eq!(size_of::<Outbox>(), size_of::<usize>());
    }

    #[test]
    fn small_writes_share_a_piece_and_a_million_of_them_are_charged() {
        let (mut outbox, spares) = (Outbox::default(), &mut Spares::default());
        for _ in 0..100 {
            outbox.push_copy(b"x", spares);
        }
        assert_eq!(outbox.charge(), 100 + PIECE_CHARGE);
        for _ in 0..100 {
            outbox.push(Bytes::from_static(b"x"), spares);
        }
        assert_eq!(outbox.charge(), 200 + 101 * PIECE_CHARGE);
    }

    #[test]
    fn bytes_behind_a_file_wait_for_it() {
        let (mut outbox, spares) = (Outbox::default(), &mut Spares::default());
        outbox.push_copy(b"head", spares);
        outbox.push_file(file(9), spares);
        outbox.push_copy(b"tail", spares);
        assert_eq!(sliced(&outbox), b"head");
        assert_eq!(outbox.unsent(), 4 + 9 + 4);
        outbox.advance(4, spares);
        assert!(matches!(outbox.front(), Some(Front::File(_))));
        assert_eq!(sliced(&outbox), b"");
        assert!(outbox.pop_file(spares).is_some());
        assert_eq!(sliced(&outbox), b"tail");
        assert!(outbox.pop_file(spares).is_none());
    }

    #[test]
    fn a_queue_that_has_run_empty_serves_the_next_outbox_unless_it_has_grown() {
        let (mut outbox, spares) = (Outbox::default(), &mut Spares::default());
        outbox.push_copy(b"abc", spares);
        outbox.advance(3, spares);
        assert_eq!(spares.0.len(), 1);
        for _ in 0..100 {
            outbox.push(Bytes::from_static(b"x"), spares);
        }
        assert!(spares.0.is_empty());
        outbox.advance(100, spares);
        assert!(spares.0.is_empty(), "it has grown");
    }

    proptest! {
        /// However writes are split and sent, the peer sees the same bytes in the same order.
        #[test]
        fn order_is_kept(writes in prop::collection::vec((any::<bool>(), 0_usize..40), 0..40),
                         sends in prop::collection::vec(1_usize..60, 1..200)) {
            let (mut outbox, spares) = (Outbox::default(), &mut Spares::default());
            let (mut expected, mut seen) = (Vec::new(), Vec::new());
            let mut next = 0_u8;
            for (shared, length) in writes {
                let bytes: Vec<u8> = (0..length).map(|_| { next = next.wrapping_add(1); next }).collect();
                expected.extend_from_slice(&bytes);
                if shared { outbox.push(bytes.into(), spares) } else { outbox.push_copy(&bytes, spares) }
                prop_assert_eq!(outbox.len(), expected.len());
            }
            for send in sends.into_iter().cycle() {
                let ready = sliced(&outbox);
                if ready.is_empty() { break }
                let sent = send.min(ready.len());
                seen.extend_from_slice(&ready[..sent]);
                outbox.advance(sent, spares);
            }
            prop_assert_eq!(seen, expected);
            prop_assert!(outbox.is_empty());
        }
    }
}
