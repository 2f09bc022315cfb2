//! What can be read at once, since the system has it in memory: on the loop, without a thread.
//!
//! ```text
//!   openat2(root, path, RESOLVE_BENEATH | RESOLVE_CACHED) ──▶ fstat ──▶ preadv2(RWF_NOWAIT)
//!     EAGAIN: a name is not in memory ──▶ None                  EAGAIN: its bytes are not ──▶ None
//! ```
//!
//! The system looks a path up by the same rules as for [`Store::read`], and says so where it would have to wait
//! for the disk. Nothing is kept here, so nothing can be out of date.
//!
//! [`Store::entry_again`] is for who has kept something: whether it is out of date.

use std::fs::File;

use super::{Entry, Store, StoreError, VirtualPath};

impl Store {
    /// As [`read`](Self::read), but never waits for the disk: `None` where it would have to, and where the
    /// system cannot tell (everything but Linux 5.12 and later). Then it is time for `read`, in
    /// [`offload`](reactor::Registry::offload).
    ///
    /// ```
    /// use protocols::store::{Access, Store, VirtualPath};
    ///
    /// let directory = tempfile::tempdir()?;
    /// std::fs::write(directory.path().join("greeting"), "hello")?;
    /// let store = Store::open(directory.path(), Access::ReadOnly)?;
    /// let path = VirtualPath::root().join(b"greeting")?;
    /// let (_file, entry) = store.read_ready(&path).unwrap_or_else(|| store.read(&path))?;
    /// assert_eq!(entry.size, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read), where that is known without the disk.
    pub fn read_ready(&self, path: &VirtualPath) -> Option<Result<(File, Entry), StoreError>> {
        match super::sayable(path) {
            Ok(path) => self.open_ready(&path),
            Err(error) => Some(Err(error)),
        }
    }

    /// What a path leads to now, in one system call: for who has opened it, keeps what was in it, and asks whether it
    /// is still the same. It is, if the answer is equal to the [`Entry`] that was told then, and that had not
    /// [changed](Entry::changed) just before. `Some(None)` if nothing is there; `None` where it is not known, and
    /// everywhere but on Linux.
    ///
    /// Links are followed wherever they lead, and nothing is opened: so an answer says whether something is the same,
    /// and not that it may be read. It waits for the disk where the path has not been looked at for a while, and
    /// [`read_ready`](Self::read_ready) is to be asked before.
    #[must_use]
    pub fn entry_again(&self, path: &VirtualPath) -> Option<Option<Entry>> {
        self.glance(&super::sayable(path).ok()?)
    }

    #[cfg(target_os = "linux")]
    fn glance(&self, path: &std::path::Path) -> Option<Option<Entry>> {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        use rustix::io::Errno;

        match statx(&*self.root, path, AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS) {
            Ok(stat) => Some(Some(Entry::of_statx(&stat))),
            Err(Errno::NOENT) => Some(None),
            Err(_) => None,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn glance(&self, _: &std::path::Path) -> Option<Option<Entry>> {
        None
    }

    #[cfg(target_os = "linux")]
    fn open_ready(&self, path: &std::path::Path) -> Option<Result<(File, Entry), StoreError>> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        use rustix::io::Errno;

        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let resolve = beneath | ResolveFlags::CACHED;
        match openat2(&*self.root, path, flags, Mode::empty(), resolve) {
            Ok(file) => Some(super::plain_file(cap_std::fs::File::from_std(File::from(file)))),
            Err(Errno::NOENT) => Some(Err(StoreError::NotFound)),
            // What else there is to say is said by who may wait, in words of its own.
            Err(_) => None,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_ready(&self, _: &std::path::Path) -> Option<Result<(File, Entry), StoreError>> {
        None
    }
}

/// What is in a short file, if that is in memory.
#[derive(Debug)]
pub enum Ready {
    /// All of it.
    Bytes(Vec<u8>),
    /// Its file system cannot tell; those that are in memory as a whole (tmpfs) cannot.
    Unknown,
}

/// The first bytes of a file, as many as `length`, without waiting for the disk; `None` where it would have
/// to be waited for, or where there are not as many.
#[must_use]
pub fn bytes_ready(file: &File, length: usize) -> Option<Ready> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};

        if length == 0 {
            return Some(Ready::Bytes(Vec::new()));
        }
        let mut bytes = vec![0; length];
        let read =
            preadv2(file, &mut [std::io::IoSliceMut::new(&mut bytes)], 0, ReadWriteFlags::NOWAIT);
        match read {
            Ok(count) => (count == length).then_some(Ready::Bytes(bytes)),
            Err(Errno::OPNOTSUPP) => Some(Ready::Unknown),
            Err(_) => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, length);
        None
    }
}
