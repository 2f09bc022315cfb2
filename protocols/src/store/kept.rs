//! What there is of an upload that ended early, and whose it is.
//!
//! ```text
//!                      STOR, keep                          226
//!   (nothing) ──────────────────────▶ .~upload.kept.NAME ───────▶ NAME
//!                                      │     ▲  locked
//!      the client is lost, or the      │     │  STOR again, REST and STOR, APPE: whoever
//!      program is killed: the lock is  ▼     │  gets the lock
//!      the system's, and goes with it  .~upload.kept.NAME
//! ```
//!
//! An upload that may be kept is written under the name it would be kept under, which follows from its own:
//! then there is nothing to be done when the program is killed, and SIZE finds it when it has begun again.
//! Whoever writes holds a lock (flock(2)), so that a second upload of that name is not taken for the one that
//! goes on: it is written elsewhere, and moved here when it ends early, if nobody is here any more.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use sha2::{Digest, Sha256};

use super::path::system_name;
use super::{Entry, HIDDEN, LONGEST_NAME, Store, VirtualPath, sayable};

/// What follows in the name of an upload that is kept.
const KEPT: &[u8] = b"kept.";
/// The same, if its name is so long that a hash has to stand for it.
const LONG: &[u8] = b"long.";
/// How often it may be moved away between its opening and the lock.
const TRIES: u32 = 8;

/// What has become of an attempt to have an upload that was kept.
pub(super) enum Claim {
    /// It is ours as long as this is open.
    Ours(File),
    /// It is not there.
    Nothing,
    /// Somebody is writing it, or something is there that never was an upload.
    Taken,
    /// This system, or this file system, has no locks: it may be anybody's.
    Unlocked(File),
}

impl Store {
    /// How much of an upload was [kept](super::Upload::keep) that may be gone on with; only where no file has
    /// the name, and nobody is writing it.
    #[must_use]
    pub fn kept(&self, path: &VirtualPath) -> Option<u64> {
        let directory = self.root.open_dir(sayable(&path.parent()).ok()?).ok()?;
        match claim(&directory, &kept_name(path.name()?)?) {
            Claim::Ours(file) | Claim::Unlocked(file) => file.metadata().ok(),
            Claim::Nothing | Claim::Taken => None,
        }
        .map(|metadata| metadata.len())
        .filter(|&length| length > 0)
    }
}

/// Under which name an upload is kept.
pub(super) fn kept_name(name: &[u8]) -> Option<PathBuf> {
    let kept = [HIDDEN, KEPT, name].concat();
    if kept.len() <= LONGEST_NAME {
        return system_name(&kept).ok();
    }
    let hash: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    system_name(&[HIDDEN, LONG, hash.as_bytes()].concat()).ok()
}

/// Whether it is the name of an upload that is kept.
pub(super) fn is_kept(name: &[u8]) -> bool {
    name.strip_prefix(HIDDEN).is_some_and(|rest| rest.starts_with(KEPT) || rest.starts_with(LONG))
}

/// Takes an upload that was kept, to go on with it.
pub(super) fn claim(directory: &Dir, kept: &Path) -> Claim {
    let mut options = OpenOptions::new();
    options.write(true).nonblock(true).follow(FollowSymlinks::No);
    for _ in 0..TRIES {
        let file = match directory.open_with(kept, &options) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Claim::Nothing,
            Err(_) => return Claim::Taken,
        };
        let Ok(opened) = file.metadata() else { return Claim::Taken };
        if !opened.is_file() {
            return Claim::Taken;
        }
        let file = file.into_std();
        match lock(&file) {
            Lock::Held if is_still(directory, kept, &opened) => return Claim::Ours(file),
            // Whoever had it has given it another name before the lock was ours.
            Lock::Held => {}
            Lock::Refused => return Claim::Taken,
            Lock::Unknown => return Claim::Unlocked(file),
        }
    }
    Claim::Taken
}

/// Whether what has the name is what was opened by it.
fn is_still(directory: &Dir, kept: &Path, opened: &Metadata) -> bool {
    let id = |metadata: &Metadata| Entry::new(metadata).id;
    directory.symlink_metadata(kept).is_ok_and(|now| id(&now) == id(opened))
}

/// Moves an upload here that has just begun, and is to be found here however it ends. How many bytes of an
/// older one that was of: who begins anew wants no part of it. `None` if somebody else is here, or could not
/// tell that somebody is.
pub(super) fn begin_here(
    directory: &Dir,
    temporary: &Path,
    file: &File,
    kept: &Path,
) -> Option<u64> {
    match lock(file) {
        Lock::Held => move_here(directory, temporary, kept),
        Lock::Refused | Lock::Unknown => None,
    }
}

/// Moves an upload here that has ended early, as [`begin_here`] does.
pub(super) fn move_here(directory: &Dir, temporary: &Path, kept: &Path) -> Option<u64> {
    let older = match claim(directory, kept) {
        Claim::Taken => return None,
        Claim::Nothing => None,
        // While this is open nobody else takes it for theirs.
        Claim::Ours(older) | Claim::Unlocked(older) => Some(older),
    };
    if older.is_none() {
        // A link fails if somebody has been faster.
        match directory.hard_link(temporary, directory, kept) {
            Ok(()) => return directory.remove_file(temporary).ok().map(|()| 0),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return None,
            // There are file systems without links.
            Err(_) => {}
        }
    }
    directory.rename(temporary, directory, kept).ok()?;
    Some(older.and_then(|older| older.metadata().ok()).map_or(0, |metadata| metadata.len()))
}

#[cfg_attr(not(unix), allow(dead_code, reason = "there are no locks"))]
enum Lock {
    Held,
    /// Somebody else has it.
    Refused,
    /// There is no such thing here.
    Unknown,
}

/// Until the file is closed, or the program ends, however it does.
#[cfg(unix)]
fn lock(file: &File) -> Lock {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Lock::Held,
        Err(Errno::WOULDBLOCK) => Lock::Refused,
        Err(_) => Lock::Unknown,
    }
}

#[cfg(not(unix))]
fn lock(_: &File) -> Lock {
    Lock::Unknown
}
