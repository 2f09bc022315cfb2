//! What can go wrong in a tree, sorted by what its user is told.

use std::io;

use thiserror::Error;

use super::InvalidPath;

/// Why an operation on a [`Store`](super::Store) failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing is there, or something on the way is not.
    #[error("no such file or directory")]
    NotFound,
    /// The system does not allow it, or the path leads out of the tree by a symbolic link.
    #[error("permission denied")]
    Denied,
    /// The store is open for reading only.
    #[error("read-only")]
    ReadOnly,
    /// Something is there already.
    #[error("it exists already")]
    Exists,
    /// Somebody else is writing it.
    #[error("it is being written")]
    Busy,
    /// A directory, where a file is wanted; or a device, a socket, a pipe.
    #[error("not a plain file")]
    NotAFile,
    /// A file, where a directory is wanted.
    #[error("not a directory")]
    NotADirectory,
    /// A directory that is not empty cannot be removed.
    #[error("the directory is not empty")]
    NotEmpty,
    /// It has more entries than are listed.
    #[error("the directory has more than {0} entries")]
    TooManyEntries(usize),
    /// The disk is full.
    #[error("no space left")]
    NoSpace,
    /// The user has as much there as is allowed, or the file is larger than one may be.
    #[error("the storage allocation is exceeded")]
    QuotaExceeded,
    /// An upload cannot go on from there: the file is shorter.
    #[error("the file has only {0} bytes")]
    OffsetBeyondEnd(u64),
    /// The path is none.
    #[error(transparent)]
    Invalid(#[from] InvalidPath),
    /// This system has no such thing.
    #[error("not possible on this system")]
    Unsupported,
    /// Anything else that the system says.
    #[error("the system failed: {0}")]
    Io(io::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            // A link that leads out of the root is reported so, too.
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::IsADirectory => Self::NotAFile,
            io::ErrorKind::NotADirectory => Self::NotADirectory,
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            io::ErrorKind::StorageFull => Self::NoSpace,
            io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::QuotaExceeded,
            io::ErrorKind::InvalidFilename => Self::Invalid(InvalidPath::TooLong),
            _ => Self::Io(error),
        }
    }
}
