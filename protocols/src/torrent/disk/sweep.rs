//! Every piece there is, hashed by several threads: to make a torrent, and to check one.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::{Disk, DiskError};

/// A piece, and its hash.
type Hashed = (u32, Result<[u8; 20], DiskError>);

/// More would wait for the disk, or for memory.
const MOST_THREADS: usize = 8;

impl Disk {
    /// Hashes all pieces, as many at once as there are processors, and tells of each when it is done: about in their
    /// order, but not quite. It ends early if it is told to break. It blocks until then, and belongs on no loop.
    pub fn hash_all(
        &self,
        mut told: impl FnMut(u32, Result<[u8; 20], DiskError>) -> ControlFlow<()>,
    ) {
        let threads =
            thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
        let next = AtomicU32::new(0);
        let (sender, hashed) = sync_channel(threads);
        thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || self.hash_some(next, &sender));
            }
            drop(sender);
            // Who has had enough drops the receiver, and the threads end with what they are at.
            let _ = hashed.into_iter().try_for_each(|(piece, hash)| told(piece, hash));
        });
    }

    /// Hashes whichever piece is next, until there is none or nobody listens.
    fn hash_some(&self, next: &AtomicU32, sender: &SyncSender<Hashed>) {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= self.info().pieces() || sender.send((piece, self.hash_now(piece))).is_err()
            {
                return;
            }
        }
    }
}
