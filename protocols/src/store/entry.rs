//! What there is to know of a file or a directory.

use std::time::SystemTime;

use cap_fs_ext::MetadataExt;
use cap_std::fs::Metadata;

/// A file or a directory, as it is shown to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Bytes in a file; zero for everything else.
    pub size: u64,
    /// When it was written last, if the system knows.
    pub modified: Option<SystemTime>,
    /// The nine permission bits; made up where the system has none.
    pub mode: u32,
    /// Names that it has.
    pub links: u64,
    /// What tells it from all others: device and number.
    pub id: (u64, u64),
}

/// What something in a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, where it is not followed: since it is to be known what it is itself, or because it
    /// leads to nothing, or out of the tree.
    Link,
    /// A device, a socket, a pipe.
    Other,
}

impl Entry {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let kind = match metadata.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        Self {
            kind,
            size: if kind == Kind::File { metadata.len() } else { 0 },
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            mode: mode(metadata, kind),
            links: metadata.nlink(),
            id: (metadata.dev(), metadata.ino()),
        }
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata, _: Kind) -> u32 {
    use cap_std::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(metadata: &Metadata, kind: Kind) -> u32 {
    let search = if kind == Kind::Directory { 0o111 } else { 0 };
    let write = if metadata.permissions().readonly() { 0 } else { 0o200 };
    0o444 | search | write
}
