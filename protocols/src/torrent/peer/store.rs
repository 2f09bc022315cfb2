//! Where the bytes of a torrent are kept.

use std::fmt;

use crate::torrent::disk::{Disk, DiskError};
use crate::torrent::wire::message::Block;

/// Where the bytes of a torrent are kept. Both calls run on the loop's threads for work that blocks, several at a time.
pub trait Store: fmt::Debug + Send + Sync + 'static {
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
    fn read(&self, block: Block, bytes: &mut Vec<u8>) -> Result<(), DiskError> {
        self.append_now(block, bytes)
    }

    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_now(piece, 0, bytes)
    }
}
