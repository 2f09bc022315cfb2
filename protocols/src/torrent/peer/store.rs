//! Where the bytes of a torrent are kept.

use std::fmt;

use bytes::Bytes;

use crate::torrent::disk::{self, Disk, DiskError};
use crate::torrent::wire::message::Block;

/// Where the bytes of a torrent are kept. Both calls run on the loop's threads for work that blocks, several at a time.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// A part of a piece that is there.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn read(&self, block: Block) -> Result<Bytes, DiskError>;

    /// Keeps a piece, which has the right hash.
    ///
    /// # Errors
    ///
    /// If it cannot be kept. It is fetched again later then.
    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError>;
}

impl Store for Disk {
    fn read(&self, Block { piece, begin, length }: Block) -> Result<Bytes, DiskError> {
        self.read_now(disk::Block { piece, begin, length })
    }

    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_now(piece, 0, bytes)
    }
}
