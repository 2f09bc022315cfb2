//! Where the bytes of a torrent are kept.

use std::fmt;

use crate::torrent::disk::{Disk, DiskError};
use crate::torrent::wire::message::Block;

/// Where the bytes of a torrent are kept. Calls that may wait run on the loop's threads for work that blocks, several at
/// a time.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// As [`read`](Self::read), but on the loop, so it may not wait: whether all of it was there at once. Else nothing was
    /// added, and it is read on a thread.
    fn read_ready(&self, block: Block, bytes: &mut Vec<u8>) -> bool {
        let _ = (block, bytes);
        false
    }

    /// Reads a part of a piece that is there, behind what there is in `bytes` already.
    ///
    /// # Errors
    ///
    /// If it cannot be read; then nothing may be added.
    fn read(&self, block: Block, bytes: &mut Vec<u8>) -> Result<(), DiskError>;

    /// Keeps a piece, which has the right hash.
    ///
    /// # Errors
    ///
    /// If it cannot be kept. It is fetched again later then.
    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError>;
}

impl Store for Disk {
    fn read_ready(&self, block: Block, bytes: &mut Vec<u8>) -> bool {
        self.append_ready(block, bytes)
    }

    fn read(&self, block: Block, bytes: &mut Vec<u8>) -> Result<(), DiskError> {
        self.append_now(block, bytes)
    }

    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_now(piece, 0, bytes)
    }
}
