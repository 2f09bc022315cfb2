//! A connection's queue of what it has to send: bytes and files, in the order in which they were queued.
//!
//! ```text
//!   front                                                   back
//!  ┌──────────────┬──────────────┬────────────────┬──────────────┐
//!  │ Shared bytes │ Own bytes    │ File 3..9 MiB  │ Own bytes ░░░│◀─ small writes join the last piece
//!  └──────────────┴──────────────┴────────────────┴──────────────┘
//!   └──── one vectored write ───┘ └── sendfile ──┘
//! ```
//!
//! Four invariants:
//!
//! 1. No piece is empty, so a write of the front always makes progress.
//! 2. `queued` is the sum of the pieces' bytes (files count for nothing: they are not in memory).
//! 3. An empty outbox owns no memory.
//! 4. A queue that several outboxes share holds one message. Whose outbox gets more, or sends a part of
//!    it, takes a queue of its own first.

mod cork;
mod parcel;
mod pipes;
mod pressure;
mod queue;

use std::io::IoSlice;
use std::rc::Rc;

use bytes::Bytes;

pub(crate) use cork::Cork;
pub(crate) use parcel::{Parcel, Share};
pub(crate) use pipes::{Lent, Pipes};
pub use pressure::Pressure;
pub(crate) use queue::{Broadcast, FilePiece, Spares};
use queue::{Piece, Queue};

/// Small writes are gathered to pieces of up to this size.
const BLOCK: usize = 16 * 1024;
/// What a queued piece is charged beside its bytes, for its place in the queue and its allocation.
const PIECE_CHARGE: usize = 64;
/// How many pieces leave in one vectored write; kernels allow at least 1,024, the stack prefers 64.
pub(crate) const MAX_SLICES: usize = 64;

/// What one connection has to send. Outboxes that hold the same [`Broadcast`], and nothing else, share its
/// queue.
#[derive(Default)]
pub(crate) struct Outbox(Option<Rc<Queue>>);

/// What has to be sent next.
pub(crate) enum Front<'a> {
    Bytes,
    File(&'a mut FilePiece),
    Pipe(&'a mut Lent),
}

impl Outbox {
    pub(crate) fn push_copy(&mut self, bytes: &[u8], spares: &mut Spares) {
        if bytes.is_empty() {
            return;
        }
        let queue = self.queue_mut(spares);
        queue.queued += bytes.len();
        match queue.rest.back_mut() {
            Some(Piece::Own { bytes: last, .. }) if last.len() + bytes.len() <= BLOCK => {
                last.extend_from_slice(bytes);
            }
            _ => queue.rest.push_back(Piece::Own { bytes: bytes.to_vec(), sent: 0 }),
        }
    }

    pub(crate) fn push(&mut self, bytes: Bytes, spares: &mut Spares) {
        if bytes.is_empty() {
            return;
        }
        match &self.0 {
            None => self.0 = Some(spares.take_for(bytes)),
            Some(_) => self.push_behind(bytes, spares),
        }
    }

    fn push_behind(&mut self, bytes: Bytes, spares: &mut Spares) {
        let queue = self.queue_mut(spares);
        queue.queued += bytes.len();
        queue.rest.push_back(Piece::Shared(bytes));
    }

    /// Queues a message that others are sent too.
    pub(crate) fn share(&mut self, message: &Broadcast, spares: &mut Spares) {
        match (&self.0, &message.0.first) {
            (None, _) => self.0 = Some(Rc::clone(&message.0)),
            (Some(_), Some(bytes)) => self.push_behind(bytes.clone(), spares),
            (Some(_), None) => {}
        }
    }

    /// Queues a file; one of no length is still a piece, so that its completion is reported in order.
    pub(crate) fn push_file(&mut self, file: FilePiece, spares: &mut Spares) {
        self.queue_mut(spares).rest.push_back(Piece::File(Box::new(file)));
    }

    /// Queues what is in a pipe. As with a file, none of it is in this process's memory.
    pub(crate) fn push_pipe(&mut self, pipe: Lent, spares: &mut Spares) {
        self.queue_mut(spares).rest.push_back(Piece::Pipe(Box::new(pipe)));
    }

    /// Queues bytes in front of everything: what was taken out of the pipe there.
    pub(crate) fn push_front(&mut self, bytes: Vec<u8>, spares: &mut Spares) {
        if bytes.is_empty() {
            return;
        }
        let queue = self.queue_mut(spares);
        debug_assert!(queue.first.is_none(), "there was a pipe in front");
        queue.queued += bytes.len();
        queue.rest.push_front(Piece::Own { bytes, sent: 0 });
    }

    /// What has to be sent next; `None` when everything has left.
    pub(crate) fn front(&mut self) -> Option<Front<'_>> {
        let queue = self.0.as_mut()?;
        if queue.first.is_some() {
            return Some(Front::Bytes);
        }
        match Rc::get_mut(queue)?.rest.front_mut()? {
            Piece::Shared(_) | Piece::Own { .. } => Some(Front::Bytes),
            Piece::File(file) => Some(Front::File(file)),
            Piece::Pipe(pipe) => Some(Front::Pipe(pipe)),
        }
    }

    /// What is queued, if it is one message.
    pub(crate) fn message(&self) -> Option<&[u8]> {
        let queue = self.0.as_ref()?;
        if queue.rest.is_empty() { queue.first.as_deref() } else { None }
    }

    /// Removes the message, which has been sent whole; by how much the charge falls.
    pub(crate) fn finish_message(&mut self, spares: &mut Spares) -> usize {
        let Some(queue) = self.0.take() else { return 0 };
        let charge = queue.queued + PIECE_CHARGE;
        if Rc::strong_count(&queue) == 1 {
            spares.keep(queue);
        }
        charge
    }

    /// What is queued, if it is one piece of bytes.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        let queue = self.0.as_ref()?;
        match &queue.first {
            Some(bytes) if queue.rest.is_empty() => Some(bytes),
            None if queue.rest.len() == 1 => queue.rest.front()?.unsent(),
            _ => None,
        }
    }

    /// Fills `slices` with the pieces in front of the first file, and returns how many they are.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(queue) = &self.0 else { return 0 };
        let rest = queue.rest.iter().map_while(Piece::unsent);
        let mut count = 0;
        for (slot, bytes) in slices.iter_mut().zip(queue.first.as_deref().into_iter().chain(rest)) {
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// Removes the first `sent` bytes, which the kernel has taken; by how much the charge falls.
    pub(crate) fn advance(&mut self, sent: usize, spares: &mut Spares) -> usize {
        if sent == 0 {
            return 0;
        }
        let before = self.charge();
        let queue = self.queue_mut(spares);
        queue.advance(sent);
        if queue.is_empty() {
            debug_assert_eq!(queue.queued, 0, "invariant 2");
            self.release(spares);
        }
        before - self.charge()
    }

    /// Removes the file in front, which has been sent as far as it goes.
    pub(crate) fn pop_file(&mut self, spares: &mut Spares) -> Option<FilePiece> {
        match self.pop_if(|piece| matches!(piece, Piece::File(_)), spares)? {
            Piece::File(file) => Some(*file),
            _ => None,
        }
    }

    /// Removes the pipe in front.
    pub(crate) fn pop_pipe(&mut self, spares: &mut Spares) -> Option<Lent> {
        match self.pop_if(|piece| matches!(piece, Piece::Pipe(_)), spares)? {
            Piece::Pipe(pipe) => Some(*pipe),
            _ => None,
        }
    }

    fn pop_if(
        &mut self,
        is_wanted: impl FnOnce(&Piece) -> bool,
        spares: &mut Spares,
    ) -> Option<Piece> {
        let queue = Rc::get_mut(self.0.as_mut()?)?;
        queue.rest.front().filter(|piece| queue.first.is_none() && is_wanted(piece))?;
        let piece = queue.rest.pop_front();
        if queue.is_empty() {
            self.release(spares);
        }
        piece
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes queued in memory.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.queued)
    }

    /// What is held against the caps: the bytes, and the bookkeeping of each piece. A message that is
    /// shared counts for each who has yet to send it, as if it had a copy.
    pub(crate) fn charge(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.queued + queue.pieces() * PIECE_CHARGE)
    }

    /// What [`Self::push`] of so many bytes adds to the charge.
    pub(crate) fn charge_of(length: usize) -> usize {
        if length == 0 { 0 } else { length + PIECE_CHARGE }
    }

    /// What [`Self::push_file`] adds to the charge.
    pub(crate) fn charge_of_file() -> usize {
        PIECE_CHARGE
    }

    /// Everything not sent, files and pipes included: what is lost if the connection ends now.
    pub(crate) fn unsent(&self) -> u64 {
        let files = |piece: &Piece| match piece {
            Piece::File(file) => file.remaining,
            Piece::Pipe(lent) => lent.pipe.len() as u64,
            Piece::Shared(_) | Piece::Own { .. } => 0,
        };
        self.0
            .as_ref()
            .map_or(0, |queue| queue.queued as u64 + queue.rest.iter().map(files).sum::<u64>())
    }

    /// Whether a file has yet to be sent.
    pub(crate) fn has_files(&self) -> bool {
        let is_file = |piece: &Piece| matches!(piece, Piece::File(_));
        self.0.as_ref().is_some_and(|queue| queue.rest.iter().any(is_file))
    }

    /// The queued bytes as they would have been sent; files are left out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        let Some(mut queue) = self.0 else { return all };
        all.extend_from_slice(queue.first.as_deref().unwrap_or_default());
        // A queue that is shared has no more than that.
        for piece in &mut Rc::make_mut(&mut queue).rest {
            match piece {
                Piece::Pipe(lent) => all.extend(lent.pipe.take()),
                other => all.extend_from_slice(other.unsent().unwrap_or_default()),
            }
        }
        all
    }

    /// This outbox's own queue: it is made if there is none, and copied if it is shared.
    fn queue_mut(&mut self, spares: &mut Spares) -> &mut Queue {
        let queue = self.0.get_or_insert_with(|| spares.take());
        if Rc::strong_count(queue) > 1 {
            *queue = match queue.first.clone() {
                Some(bytes) => spares.take_for(bytes),
                None => spares.take(),
            };
        }
        Rc::make_mut(queue)
    }

    fn release(&mut self, spares: &mut Spares) {
        self.0.take().into_iter().for_each(|queue| spares.keep(queue));
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

    #[test]
    fn a_broadcast_is_one_queue_until_somebody_needs_his_own() {
        let spares = &mut Spares::default();
        let mut outboxes: [Outbox; 3] = Default::default();
        let broadcast = Broadcast::new(Bytes::from_static(b"abcdef"), spares);
        outboxes.iter_mut().for_each(|outbox| outbox.share(&broadcast, spares));
        broadcast.finish(spares);
        assert_eq!(outboxes.each_ref().map(Outbox::charge), [6 + PIECE_CHARGE; 3]);
        assert!(spares.0.is_empty(), "it is in use");

        let [whole, part, more] = &mut outboxes;
        assert_eq!(part.advance(2, spares), 2);
        more.push_copy(b"gh", spares);
        assert_eq!(whole.finish_message(spares), 6 + PIECE_CHARGE);
        assert_eq!((part.len(), sliced(part)), (4, b"cdef".to_vec()));
        assert_eq!((more.len(), sliced(more)), (8, b"abcdefgh".to_vec()));
        assert!(whole.is_empty());

        assert_eq!(part.advance(4, spares), 4 + PIECE_CHARGE);
        assert_eq!(more.advance(8, spares), 8 + 2 * PIECE_CHARGE);
        assert_eq!(spares.0.len(), 3);
    }

    proptest! {
        /// However writes are split and sent, the peer sees the same bytes in the same order.
        #[test]
        fn order_is_kept(writes in prop::collection::vec((0..3, 0_usize..40), 0..40),
                         sends in prop::collection::vec(1_usize..60, 1..200)) {
            let (mut outbox, spares) = (Outbox::default(), &mut Spares::default());
            let (mut expected, mut seen) = (Vec::new(), Vec::new());
            let mut next = 0_u8;
            for (way, length) in writes {
                let bytes: Vec<u8> = (0..length).map(|_| { next = next.wrapping_add(1); next }).collect();
                expected.extend_from_slice(&bytes);
                match way {
                    0 => outbox.push(bytes.into(), spares),
                    1 => outbox.push_copy(&bytes, spares),
                    _ if length > 0 => outbox.share(&Broadcast::new(bytes.into(), spares), spares),
                    _ => {}
                }
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
