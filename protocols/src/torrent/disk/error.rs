//! What can go wrong with a torrent's files.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use thiserror::Error;

use crate::store::StoreError;

/// Why something could not be done. The path is that of the file in the torrent, or of the folder it is saved to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// There is no room: when there is, it can be tried again, and nothing is lost.
    #[error("no room on the disk for {}", path.display())]
    Full {
        /// What was to be written.
        path: PathBuf,
    },
    /// The file is not there, or is shorter than it should be.
    #[error("{} is not there, or too short", path.display())]
    Missing {
        /// What was to be read.
        path: PathBuf,
    },
    /// There is no such folder to look into.
    #[error("there is no folder {}", path.display())]
    NoFolder {
        /// What it was to be.
        path: PathBuf,
    },
    /// The torrent has no such piece, or the piece no such block.
    #[error("there is no such block")]
    NoBlock,
    /// What the system says else.
    #[error("{}: {error}", path.display())]
    Failed {
        /// What it was about.
        path: PathBuf,
        /// What it says.
        error: StoreError,
    },
    /// The pool did not do it: the loop ends, or a thread did.
    #[error("the work was not done")]
    Aborted,
}

impl DiskError {
    pub(super) fn of(path: PathBuf, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Self::Missing { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Failed { path, error: error.into() },
        }
    }
}

/// A block that was not written, with the reason.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct WriteFailed {
    /// The reason.
    pub error: DiskError,
    /// The block.
    pub data: Bytes,
}
