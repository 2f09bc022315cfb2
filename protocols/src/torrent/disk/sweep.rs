//! Many pieces, hashed by several threads: to make a torrent, to check one, and to know what is there of it.

use std::ops::ControlFlow;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::{Disk, DiskError};

/// A piece, and its hash.
type Hashed = (u32, Result<[u8; 20], DiskError>);

/// More would wait for the disk, or for memory.
const MOST_THREADS: usize = 8;

impl Disk {
    /// Hashes all pieces, as many at once as there are processors, and tells of each when it is done: about in their
    /// order, but not quite. It ends early if it is told to break. It blocks until then, and belongs on no loop.
    pub fn hash_all(&self, told: impl FnMut(u32, Result<[u8; 20], DiskError>) -> ControlFlow<()>) {
        self.sweep(0..self.info().pieces(), told);
    }

    /// Verifies these pieces, as many at once as there are processors, and tells of each whether it is what the torrent says;
    /// one that is not there is not. It ends early if it is told to break. It blocks until then, and belongs on no loop.
    ///
    /// # Errors
    ///
    /// What the system says of a file that is there. Of the pieces that are left nothing is told then.
    pub fn verify_all<P>(
        &self,
        pieces: P,
        mut told: impl FnMut(u32, bool) -> ControlFlow<()>,
    ) -> Result<(), DiskError>
    where
        P: IntoIterator<Item = u32>,
        P::IntoIter: Send,
    {
        let mut verified = Ok(());
        self.sweep(pieces.into_iter(), |piece, hash| match self.is_right(piece, hash) {
            Ok(is_right) => told(piece, is_right),
            Err(error) => {
                verified = Err(error);
                ControlFlow::Break(())
            }
        });
        verified
    }

    fn sweep(
        &self,
        pieces: impl Iterator<Item = u32> + Send,
        mut told: impl FnMut(u32, Result<[u8; 20], DiskError>) -> ControlFlow<()>,
    ) {
        let threads =
            thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
        let next = Mutex::new(pieces);
        let (sender, hashed) = sync_channel(threads);
        let started = thread::scope(|scope| {
            // Where threads are short, fewer do.
            let started = (0..threads).map_while(|_| {
                let (sender, next) = (sender.clone(), &next);
                thread::Builder::new()
                    .spawn_scoped(scope, move || self.hash_some(next, &sender))
                    .ok()
            });
            let started = started.count();
            drop(sender);
            // Who has had enough drops the receiver, and the threads end with what they are at.
            let _ = hashed.into_iter().try_for_each(|(piece, hash)| told(piece, hash));
            started
        });
        if started == 0 {
            let mut pieces = next.into_inner().unwrap_or_else(PoisonError::into_inner);
            let _ = pieces.try_for_each(|piece| told(piece, self.hash_now(piece)));
        }
    }

    /// Hashes whichever piece is next, until there is none or nobody listens.
    fn hash_some(&self, next: &Mutex<impl Iterator<Item = u32>>, sender: &SyncSender<Hashed>) {
        let next = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(piece) = next()
            && sender.send((piece, self.hash_now(piece))).is_ok()
        {}
    }
}
