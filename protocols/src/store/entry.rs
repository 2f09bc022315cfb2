//! What there is to know of a file or a directory.

#[cfg(unix)]
use std::time::Duration;
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
    /// When anything about it changed last, these fields and its bytes; nobody can set it back. `None` where the
    /// system does not know (Windows).
    pub changed: Option<SystemTime>,
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
            changed: changed(metadata),
        }
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use cap_std::fs::MetadataExt;
    time(metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<SystemTime> {
    None
}

/// An instant as Unix has it: so many seconds since 1970, or before, and nanoseconds on top.
#[cfg(unix)]
pub(super) fn time(seconds: i64, nanoseconds: i64) -> Option<SystemTime> {
    let (whole, rest) = (Duration::from_secs(seconds.unsigned_abs()), nanoseconds.try_into().ok()?);
    let second = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(whole),
        _ => SystemTime::UNIX_EPOCH.checked_sub(whole),
    };
    second?.checked_add(Duration::from_nanos(rest))
}

#[cfg(target_os = "linux")]
impl Entry {
    /// Of what statx(2) says; the same as [`new`](Self::new) makes of it.
    pub(super) fn of_statx(stat: &rustix::fs::Statx) -> Self {
        use rustix::fs::{FileType, makedev};

        let mode = u32::from(stat.stx_mode);
        let kind = match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        let (modified, changed) = (&stat.stx_mtime, &stat.stx_ctime);
        Self {
            kind,
            size: if kind == Kind::File { stat.stx_size } else { 0 },
            modified: time(modified.tv_sec, modified.tv_nsec.into()),
            mode: mode & 0o777,
            links: stat.stx_nlink.into(),
            id: (makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino),
            changed: time(changed.tv_sec, changed.tv_nsec.into()),
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
