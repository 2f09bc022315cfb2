//! The files that are open: so many and no more.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::{Allocation, DiskError, DiskOptions};
use crate::store::Access;
use crate::torrent::wire;

/// The folder that a torrent is saved to.
#[derive(Debug)]
pub(super) struct Folder {
    root: Dir,
    options: DiskOptions,
}

impl Folder {
    pub(super) fn open(path: &Path, options: DiskOptions) -> Result<Self, DiskError> {
        let make = || match options.access {
            Access::ReadOnly => Ok(()),
            Access::ReadWrite => std::fs::create_dir_all(path),
        };
        let opened = make().and_then(|()| Dir::open_ambient_dir(path, ambient_authority()));
        let root = opened.map_err(|error| {
            let path = path.to_owned();
            match error.kind() {
                ErrorKind::NotFound => DiskError::NoFolder { path },
                // A file is in the folder's place.
                ErrorKind::AlreadyExists => DiskError::of(path, ErrorKind::NotADirectory.into()),
                _ => DiskError::of(path, error),
            }
        })?;
        Ok(Self { root, options })
    }

    pub(super) fn root(&self) -> &Dir {
        &self.root
    }

    pub(super) fn is_writable(&self) -> bool {
        self.options.access == Access::ReadWrite
    }

    /// Makes a file that is empty, or takes its room.
    pub(super) fn prepare(&self, file: &wire::File) -> Result<(), DiskError> {
        if self.is_writable() && (file.length == 0 || self.options.allocation == Allocation::Full) {
            self.open_file(file, Access::ReadWrite)
                .and_then(|opened| allocate(&opened, file.length))
                .map_err(|error| DiskError::of(file.path.clone(), error))?;
        }
        Ok(())
    }

    fn open_file(&self, file: &wire::File, access: Access) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // A pipe under the name is not waited for.
        options.read(true).nonblock(true);
        if access == Access::ReadOnly || !self.is_writable() {
            let opened = self.root.open_with(&file.path, &options)?.into_std();
            return if opened.metadata()?.is_file() { Ok(opened) } else { Err(no_file()) };
        }
        options.write(true).create(true);
        set_mode(&mut options, file.executable);
        let opened = match self.root.open_with(&file.path, &options) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.root.create_dir_all(file.path.parent().unwrap_or(Path::new(".")))?;
                self.root.open_with(&file.path, &options)?
            }
            opened => opened?,
        };
        let opened = opened.into_std();
        let metadata = opened.metadata()?;
        if !metadata.is_file() {
            return Err(no_file());
        }
        if metadata.len() != file.length {
            opened.set_len(file.length)?;
        }
        Ok(opened)
    }
}

fn no_file() -> io::Error {
    ErrorKind::IsADirectory.into()
}

/// Those that are open, the one that was used last in the end.
#[derive(Debug)]
pub(super) struct Files {
    most: usize,
    open: Vec<Open>,
    /// Those that were written to since the disk was told to keep it, open or not.
    written: BTreeSet<usize>,
}

#[derive(Debug)]
struct Open {
    index: usize,
    access: Access,
    file: Arc<File>,
}

impl Files {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), open: Vec::new(), written: BTreeSet::new() }
    }

    /// A file, for at least this access.
    pub(super) fn get(
        &mut self,
        index: usize,
        file: &wire::File,
        access: Access,
        folder: &Folder,
    ) -> Result<Arc<File>, DiskError> {
        if let Some(at) = self.open.iter().position(|open| open.index == index) {
            let open = self.open.remove(at);
            if open.access == Access::ReadWrite || access == Access::ReadOnly {
                let file = Arc::clone(&open.file);
                self.open.push(open);
                return Ok(file);
            }
        }
        if self.open.len() >= self.most {
            self.open.remove(0);
        }
        let opened = match folder.open_file(file, access) {
            // The system may have no descriptor left, and we have some that can be spared.
            Err(error) if !self.open.is_empty() && error.kind() != ErrorKind::NotFound => {
                self.open.clear();
                folder.open_file(file, access)
            }
            opened => opened,
        };
        let opened = opened.map_err(|error| DiskError::of(file.path.clone(), error))?;
        let opened = Arc::new(opened);
        self.open.push(Open { index, access, file: Arc::clone(&opened) });
        Ok(opened)
    }

    /// Reads from a file that is open already, if that takes no waiting.
    pub(super) fn read_ready(&self, index: usize, bytes: &mut [u8], offset: u64) -> Option<()> {
        let open = self.open.iter().find(|open| open.index == index)?;
        read_ready(&open.file, bytes, offset)
    }

    /// A file will be written to, or was and is not yet on the disk.
    pub(super) fn note_written(&mut self, index: usize) {
        self.written.insert(index);
    }

    /// Those that were written to since this was asked last.
    pub(super) fn take_written(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.written)
    }
}

/// Reads all of it, if the system has it in memory.
#[cfg(target_os = "linux")]
fn read_ready(file: &File, bytes: &mut [u8], offset: u64) -> Option<()> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let length = bytes.len();
    match preadv2(file, &mut [io::IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT) {
        Ok(count) => (count == length).then_some(()),
        // It cannot tell: it is memory itself, or the disk may have to be waited for.
        Err(Errno::OPNOTSUPP) if is_memory(file) => read_at(file, bytes, offset).ok(),
        Err(_) => None,
    }
}

/// Whether a file is on a file system that is nowhere but in memory.
#[cfg(target_os = "linux")]
fn is_memory(file: &File) -> bool {
    /// What `fstatfs` says of tmpfs (`linux/magic.h`).
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type as u64 == TMPFS)
}

#[cfg(not(target_os = "linux"))]
fn read_ready(_: &File, _: &mut [u8], _: u64) -> Option<()> {
    None
}

/// Reads all of it, or it is an error.
#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Writes all of it.
#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Reads all of it, or it is an error.
#[cfg(windows)]
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.get_mut(count..).unwrap_or_default();
        offset += count as u64;
    }
    Ok(())
}

/// Writes all of it.
#[cfg(windows)]
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(count..).unwrap_or_default();
        offset += count as u64;
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn allocate(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    if length == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        // A file system that cannot.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, executable: bool) {
    use cap_std::fs::OpenOptionsExt;
    options.mode(if executable { 0o777 } else { 0o666 });
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions, _: bool) {}
