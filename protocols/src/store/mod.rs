//! A tree of files that strangers may be let into: nothing outside of it can be reached from within.
//!
//! ```text
//!   what a client says      where that is             what the system is asked
//!   "../../etc/passwd" ──▶ VirtualPath "/etc/passwd" ──▶ openat2(root, "etc/passwd", RESOLVE_BENEATH)
//!                          no "..", no "."               a link that leads out is refused on the way,
//!                                                        not looked at before and followed after
//! ```
//!
//! The root is an open directory (cap-std), and everything is opened from it, so it does not matter what
//! is renamed, or turned into a link, while somebody is on the way.
//!
//! | file | what it is |
//! |---|---|
//! | `path` | where something is, as its user says it |
//! | `error` | what can go wrong |
//! | `entry` | what there is to know of a file or a directory |
//! | `found` | what a directory has under a name: that, or a link to it |
//! | `quota` | how much a user may keep |
//! | `create` | how that begins: anew, or where another has ended |
//! | `upload` | a file that is being written: whole in the end, or not there at all |
//! | `kept` | what there is of an upload that ended early, and whose it is |
//! | `listing` | the names in a directory, and walks through a tree |
//! | `ready` | what can be read at once, since the system has it in memory |
//! | `sweep` | what a power failure has left of uploads |
//!
//! All of it may block, for as long as a disk takes: it belongs into
//! [`offload`](reactor::Registry::offload), except for [`Upload::write`], which copies to the system's
//! cache, and for [`Store::read_ready`] and [`Store::entry_again`], which ask for what is in memory.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_fs_ext::{OpenOptionsMaybeDirExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

mod create;
mod entry;
mod error;
mod found;
mod kept;
mod listing;
mod path;
mod quota;
mod ready;
mod sweep;
mod upload;

pub use entry::{Entry, Kind};
pub use error::StoreError;
pub use found::{Found, Link};
pub use listing::Listing;
pub use path::{InvalidPath, VirtualPath};
pub use quota::Quota;
pub use ready::{Ready, bytes_ready};
pub use upload::{Fate, Replace, Upload};

pub(crate) use path::system_name;

/// What names begin with that are not shown, and cannot be said: those of uploads.
const HIDDEN: &[u8] = b".~upload.";

/// The longest name there may be, in bytes; as on nearly every file system.
const LONGEST_NAME: usize = 255;

/// A tree of files with an open directory as its root.
///
/// ```
/// use protocols::store::{Access, CreateOptions, Store, VirtualPath};
///
/// let directory = tempfile::tempdir()?;
/// let store = Store::open(directory.path(), Access::ReadWrite)?;
/// let path = VirtualPath::root().join(b"../greeting")?;
/// let mut upload = store.create(&path, &CreateOptions::default())?;
/// upload.write(b"hello")?;
/// assert!(store.entry(&path).is_err(), "it lands whole");
/// upload.commit()?;
/// assert_eq!(store.entry(&path)?.size, 5);
/// assert_eq!(std::fs::read(directory.path().join("greeting"))?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Dir>,
    access: Access,
    quota: Option<Arc<Quota>>,
    durable: bool,
}

/// What may be done in a store, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything is refused that would change something.
    ReadOnly,
    /// Nothing is refused.
    ReadWrite,
}

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOptions {
    /// What becomes of a file that has the name. Default: it is replaced.
    pub replace: Replace,
    /// Where the upload begins in the file: so many bytes of it are there already, in the file itself or
    /// in one that was kept. Default zero, a new file.
    pub offset: u64,
    /// Whether what there is of it when it ends early may be [kept](Upload::keep), and is when the program is
    /// killed. Default `false`.
    pub keep: bool,
    /// Its permission bits, where the system has them. Default 0o644.
    pub mode: u32,
    /// What makes the temporary name unlike all others: a random number. Default zero.
    pub token: u64,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self { replace: Replace::Yes, offset: 0, keep: false, mode: 0o644, token: 0 }
    }
}

impl Store {
    /// The tree below a directory.
    ///
    /// # Errors
    ///
    /// If there is no such directory, or it may not be opened.
    pub fn open(root: impl AsRef<Path>, access: Access) -> io::Result<Self> {
        let root = Arc::new(Dir::open_ambient_dir(root, ambient_authority())?);
        Ok(Self { root, access, quota: None, durable: false })
    }

    /// The tree below a directory of this tree, from which there is no way up: a home.
    ///
    /// # Errors
    ///
    /// If there is no such directory.
    pub fn beneath(&self, home: &VirtualPath) -> Result<Self, StoreError> {
        let root = Arc::new(self.root.open_dir(sayable(home)?)?);
        Ok(Self { root, ..self.clone() })
    }

    /// The same tree with another access; one that is open for reading only stays so.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        if access == Access::ReadOnly {
            self.access = access;
        }
        self
    }

    /// The same tree with a bound on what may be in it.
    #[must_use]
    pub fn with_quota(mut self, quota: Option<Arc<Quota>>) -> Self {
        self.quota = quota;
        self
    }

    /// The same tree, with uploads that are on the disk itself before they are called whole. A power
    /// failure then takes nothing that was acknowledged; each upload waits for the disk.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// What may be done in it.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The bound on what may be in it.
    #[must_use]
    pub fn quota(&self) -> Option<&Arc<Quota>> {
        self.quota.as_ref()
    }

    // ── reading ─────────────────────────────────────────────────────────────────────────────

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotAFile`] for anything that is not a plain file; a pipe is not waited for.
    pub fn read(&self, path: &VirtualPath) -> Result<(File, Entry), StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).nonblock(true);
        plain_file(self.root.open_with(sayable(path)?, &options)?)
    }

    /// What there is to know of a file or a directory. Links are followed, if they lead to something in the
    /// tree.
    ///
    /// # Errors
    ///
    /// If nothing is there.
    pub fn entry(&self, path: &VirtualPath) -> Result<Entry, StoreError> {
        let path = sayable(path)?;
        match self.root.metadata(&path) {
            Ok(metadata) => Ok(Entry::new(&metadata)),
            Err(_) => Ok(Entry::new(&self.root.symlink_metadata(&path)?)),
        }
    }

    // ── writing ─────────────────────────────────────────────────────────────────────────────

    /// Removes a file or a link.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn remove_file(&self, path: &VirtualPath) -> Result<(), StoreError> {
        let (directory, name) = self.place_for(path)?;
        let metadata = directory.symlink_metadata(&name)?;
        if metadata.is_dir() {
            return Err(StoreError::NotAFile);
        }
        directory.remove_file(&name)?;
        self.give_back(&metadata);
        Ok(())
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn create_directory(&self, path: &VirtualPath, mode: u32) -> Result<(), StoreError> {
        self.check_writable()?;
        if path.is_root() {
            return Err(StoreError::Exists);
        }
        let (directory, name) = self.place_for(path)?;
        Ok(create_directory(&directory, &name, mode)?)
    }

    /// Removes a directory that is empty.
    ///
    /// # Errors
    ///
    /// What the system says. The root stays.
    pub fn remove_directory(&self, path: &VirtualPath) -> Result<(), StoreError> {
        let (directory, name) = self.place_for(path)?;
        match directory.remove_dir(&name) {
            // It may look empty, and hold an upload that was kept: nobody goes on with that any more.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                self.remove_kept(&directory.open_dir(&name)?)?;
                Ok(directory.remove_dir(&name)?)
            }
            result => Ok(result?),
        }
    }

    /// Gives a file or a directory another name, perhaps elsewhere in the tree. A file that has the name is
    /// replaced, unless it is not to be.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn rename(
        &self,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: Replace,
    ) -> Result<(), StoreError> {
        let (old_directory, old_name) = self.place_for(from)?;
        let (new_directory, new_name) = self.place_for(to)?;
        let old = old_directory.symlink_metadata(&old_name)?;
        let new = new_directory.symlink_metadata(&new_name).ok();
        if new.is_some() && replace == Replace::No {
            return Err(StoreError::Exists);
        }
        old_directory.rename(&old_name, &new_directory, &new_name)?;
        // Two names of one file stay two names (rename(2)).
        if let Some(new) = new.filter(|new| Entry::new(new).id != Entry::new(&old).id) {
            self.give_back(&new);
        }
        Ok(())
    }

    /// Sets when a file or a directory was written last.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_modified(&self, path: &VirtualPath, time: SystemTime) -> Result<(), StoreError> {
        self.check_writable()?;
        let mut options = OpenOptions::new();
        options.read(true).nonblock(true).maybe_dir(true);
        // Windows asks for the right to write; Unix does not, and a directory has none.
        options.write(cfg!(windows));
        let file = self.root.open_with(sayable(path)?, &options)?;
        Ok(file.into_std().set_modified(time)?)
    }

    /// Sets the nine permission bits of a file or a directory.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`] where the system has none, or what it says.
    pub fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), StoreError> {
        self.check_writable()?;
        let permissions = permissions(mode & 0o777).ok_or(StoreError::Unsupported)?;
        Ok(self.root.set_permissions(sayable(path)?, permissions)?)
    }

    // ── the rest ────────────────────────────────────────────────────────────────────────────

    /// The directory that something is in, and its name there.
    fn place_for(&self, path: &VirtualPath) -> Result<(Dir, PathBuf), StoreError> {
        self.check_writable()?;
        let name = path.name().ok_or(StoreError::Denied)?;
        let parent = path.parent();
        let parent = sayable(&parent)?;
        if is_hidden(name) {
            return Err(StoreError::Denied);
        }
        if name.len() > LONGEST_NAME {
            return Err(InvalidPath::TooLong.into());
        }
        Ok((self.root.open_dir(parent)?, system_name(name)?))
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        match self.access {
            Access::ReadOnly => Err(StoreError::ReadOnly),
            Access::ReadWrite => Ok(()),
        }
    }

    /// What was there is not any more.
    fn give_back(&self, metadata: &cap_std::fs::Metadata) {
        if let (Some(quota), true) = (&self.quota, metadata.is_file()) {
            quota.give_back(metadata.len());
        }
    }
}

/// What was opened, if it is a plain file.
fn plain_file(file: cap_std::fs::File) -> Result<(File, Entry), StoreError> {
    let entry = Entry::new(&file.metadata()?);
    match entry.kind {
        Kind::File => Ok((file.into_std(), entry)),
        Kind::Directory | Kind::Link | Kind::Other => Err(StoreError::NotAFile),
    }
}

/// A path that does not name what is hidden.
fn sayable(path: &VirtualPath) -> Result<Cow<'_, Path>, StoreError> {
    if path.names().any(is_hidden) {
        return Err(StoreError::NotFound);
    }
    Ok(path.beneath_root()?)
}

fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(HIDDEN)
}

#[cfg(unix)]
fn create_directory(directory: &Dir, name: &Path, mode: u32) -> io::Result<()> {
    use cap_std::fs::{DirBuilder, DirBuilderExt};
    directory.create_dir_with(name, DirBuilder::new().mode(mode))
}

#[cfg(not(unix))]
fn create_directory(directory: &Dir, name: &Path, _: u32) -> io::Result<()> {
    directory.create_dir(name)
}

#[cfg(unix)]
fn permissions(mode: u32) -> Option<cap_std::fs::Permissions> {
    use cap_std::fs::PermissionsExt;
    Some(cap_std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permissions(_: u32) -> Option<cap_std::fs::Permissions> {
    None
}
