//! Where a torrent's bytes are: pieces and blocks on one side, files on the other.
//!
//! ```text
//!   peers                        the loop's pool of threads                     the system
//!   read(block)    ──────────▶   read where its files are       ──────────▶   pread, of each
//!   write(block)   ──────────▶   write where it belongs         ──────────▶   pwrite
//!   verify(piece)  ──────────▶   read it, and compare its SHA-1
//!        ◀── a callback with the result, on the loop
//! ```
//!
//! A [`Disk`] is a handle that can be cloned and sent to other threads; what its methods do blocks, and each has a
//! form for the loop that does it on the pool ([`Registry::offload`]) and calls back:
//!
//! | on the loop | blocking | what it does |
//! |---|---|---|
//! | – | [`Disk::open`] | looks at the folder; nothing is made yet |
//! | – | [`Disk::prepare`] | makes the empty files, and takes the room for the others if that is asked for |
//! | [`Disk::read`] | [`Disk::read_now`] | a block, for a peer |
//! | [`Disk::append_ready`] | – | the same, if the system has it in memory |
//! | [`Disk::write`] | [`Disk::write_now`] | a block, from a peer: it is not known to be right yet |
//! | [`Disk::verify`] | [`Disk::verify_now`] | whether a piece is what the torrent says |
//! | [`Disk::remember`] | [`Disk::remember_now`] | writes down which pieces are there, for the next start |
//! | – | [`Disk::resume`] | what was written down, and what of it has to be verified anew |
//! | – | [`Disk::verify_all`] | whether many pieces are, by all processors: to check a torrent, or to know what is there |
//! | – | [`Disk::hash_all`] | the hashes of all pieces, to make a torrent |
//! | – | [`Disk::file`] | a file's handle, to send from it without a copy |
//!
//! Where a write fails nothing is lost: the block comes back with the reason, and [`DiskError::Full`] can be tried
//! again when there is room. A block may be written twice, and pieces in any order.
//!
//! Nothing outside of the folder is touched: it is opened once (cap-std), and a link that leads out of it is refused
//! on the way.
//!
//! | file | what it is |
//! |---|---|
//! | `files` | the files that are open: so many and no more |
//! | `calls` | what the loop asks for |
//! | `record` | what is written down for the next start |
//! | `sweep` | many pieces, by several threads |
//! | `error` | what can go wrong |

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::wire::{Info, Span};
use crate::store::Access;

mod calls;
mod error;
mod files;
mod record;
mod sweep;

pub use calls::Busy;
pub use error::{DiskError, WriteFailed};
pub use record::Resumed;

pub use super::wire::message::Block;
use files::{Files, Folder, read_at, write_at};

#[cfg(doc)]
use reactor::Registry;

/// How much is read at once to be hashed: it stays in the processor's cache.
const CHUNK: usize = 128 << 10;

/// How a torrent is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// Whether files may be made and written. Default: they may.
    pub access: Access,
    /// When files get their room. Default: when there is something to write.
    pub allocation: Allocation,
    /// How many files are open at one time. Default 32: more would not be faster, and a system may give a program as
    /// few as 256. The pool's threads can hold one more each, for the moment.
    pub open_files: usize,
}

/// When files get their room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// When something is written; until then there are holes.
    Sparse,
    /// In [`Disk::prepare`]: a disk that is too small is found out at once, and files are in fewer parts. Systems
    /// that have no such call make it as if it were sparse.
    Full,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { access: Access::ReadWrite, allocation: Allocation::Sparse, open_files: 32 }
    }
}

/// The files of one torrent.
#[derive(Clone, Debug)]
pub struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: Arc<Info>,
    folder: Folder,
    files: Mutex<Files>,
}

impl Disk {
    /// The torrent beneath `folder`: its file, or the folder with its files, is in that. The folder is made if it
    /// may be.
    ///
    /// # Errors
    ///
    /// If there is no such folder and none can be made.
    pub fn open(
        info: Arc<Info>,
        folder: impl AsRef<Path>,
        options: DiskOptions,
    ) -> Result<Self, DiskError> {
        let folder = Folder::open(folder.as_ref(), options)?;
        let files = Mutex::new(Files::new(options.open_files));
        Ok(Self { shared: Arc::new(Shared { info, folder, files }) })
    }

    /// The torrent that this is of.
    #[must_use]
    pub fn info(&self) -> &Arc<Info> {
        &self.shared.info
    }

    /// Makes those of the files that are empty, and takes the room for the others if it is to be taken beforehand:
    /// for each whose index is `wanted`. It may be done again.
    ///
    /// # Errors
    ///
    /// [`DiskError::Full`], or what the system says.
    pub fn prepare(&self, wanted: impl Fn(usize) -> bool) -> Result<(), DiskError> {
        let files = self.info().files().iter().enumerate().filter(|(index, _)| wanted(*index));
        for (_, file) in files {
            self.shared.folder.prepare(file)?;
        }
        Ok(())
    }

    /// Reads a block; padding is zeros.
    ///
    /// # Errors
    ///
    /// [`DiskError::Missing`] if a file is not there, or is too short.
    pub fn read_now(&self, block: Block) -> Result<Bytes, DiskError> {
        let mut data = Vec::new();
        self.append_now(block, &mut data)?;
        Ok(data.into())
    }

    /// As [`read_now`](Self::read_now), behind what there is in `data` already.
    ///
    /// # Errors
    ///
    /// As there; then nothing was added.
    pub fn append_now(&self, block: Block, data: &mut Vec<u8>) -> Result<(), DiskError> {
        let (bytes, before) = (self.place(block)?, data.len());
        data.resize(before + block.length as usize, 0);
        let (_, added) = data.split_at_mut(before);
        let read = self.read_into(bytes, added);
        if read.is_err() {
            data.truncate(before);
        }
        read
    }

    /// As [`append_now`](Self::append_now), but never waits: `false`, and nothing added, if its files are not open, or not
    /// all of it is in the system's memory. Then, and on systems that cannot tell, it is time for the pool.
    #[must_use]
    pub fn append_ready(&self, block: Block, data: &mut Vec<u8>) -> bool {
        let Ok(bytes) = self.place(block) else {
            return false;
        };
        let before = data.len();
        data.resize(before + block.length as usize, 0);
        let (_, added) = data.split_at_mut(before);
        let is_ready = self.read_ready(bytes, added).is_some();
        if !is_ready {
            data.truncate(before);
        }
        is_ready
    }

    /// Writes a block where it belongs; what is padding is dropped.
    ///
    /// # Errors
    ///
    /// [`DiskError::Full`], or what the system says. A part of it may have been written.
    pub fn write_now(&self, piece: u32, begin: u32, data: &[u8]) -> Result<(), DiskError> {
        let length = u32::try_from(data.len()).map_err(|_| DiskError::NoBlock)?;
        let bytes = self.place(Block { piece, begin, length })?;
        let mut rest = data;
        for span in self.info().spans(bytes) {
            let part = rest.split_off(..span.length() as usize).ok_or(DiskError::NoBlock)?;
            if let Span::File { file, offset, .. } = span {
                let opened = self.open_file(file, Access::ReadWrite)?;
                self.files().note_written(file);
                write_at(&opened, part, offset).map_err(|error| self.failed(file, error))?;
            }
        }
        Ok(())
    }

    /// Whether a piece is what the torrent says; one that is not there is not.
    ///
    /// # Errors
    ///
    /// What the system says of a file that is there.
    pub fn verify_now(&self, piece: u32) -> Result<bool, DiskError> {
        self.is_right(piece, self.hash_now(piece))
    }

    fn is_right(&self, piece: u32, hash: Result<[u8; 20], DiskError>) -> Result<bool, DiskError> {
        match hash {
            Ok(hash) => Ok(self.info().piece_hash(piece) == Some(hash)),
            Err(DiskError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The SHA-1 of a piece as it is on the disk.
    ///
    /// # Errors
    ///
    /// [`DiskError::Missing`] if a file is not there, or is too short.
    pub fn hash_now(&self, piece: u32) -> Result<[u8; 20], DiskError> {
        let length = self.info().piece_size(piece);
        let mut bytes = self.place(Block { piece, begin: 0, length })?;
        let mut chunk = vec![0; CHUNK.min(length as usize)];
        let mut hash = Sha1::new();
        while !bytes.is_empty() {
            let end = bytes.end.min(bytes.start + CHUNK as u64);
            let part = chunk.get_mut(..(end - bytes.start) as usize).unwrap_or_default();
            self.read_into(bytes.start..end, part)?;
            hash.update(&*part);
            bytes.start = end;
        }
        Ok(hash.finalize().into())
    }

    /// A file, by its index among those of the torrent, open for reading: to send it without a copy. The handle is
    /// the caller's own.
    ///
    /// # Errors
    ///
    /// [`DiskError::Missing`] if it is not there.
    pub fn file(&self, index: usize) -> Result<File, DiskError> {
        let file = self.open_file(index, Access::ReadOnly)?;
        file.try_clone().map_err(|error| self.failed(index, error))
    }

    fn place(&self, block: Block) -> Result<Range<u64>, DiskError> {
        self.info().block(block.piece, block.begin, block.length).ok_or(DiskError::NoBlock)
    }

    /// Reads what lies there into as many zeros.
    fn read_into(&self, bytes: Range<u64>, mut rest: &mut [u8]) -> Result<(), DiskError> {
        for span in self.info().spans(bytes) {
            let part = rest.split_off_mut(..span.length() as usize).ok_or(DiskError::NoBlock)?;
            match span {
                Span::File { file, offset, .. } => {
                    let opened = self.open_file(file, Access::ReadOnly)?;
                    read_at(&opened, part, offset).map_err(|error| self.failed(file, error))?;
                }
                Span::Padding { .. } => part.fill(0),
            }
        }
        Ok(())
    }

    /// As [`read_into`](Self::read_into), if nothing has to be waited for: neither the disk, nor a thread that opens a file.
    fn read_ready(&self, bytes: Range<u64>, mut rest: &mut [u8]) -> Option<()> {
        for span in self.info().spans(bytes) {
            let part = rest.split_off_mut(..span.length() as usize)?;
            if let Span::File { file, offset, .. } = span {
                self.shared.files.try_lock().ok()?.read_ready(file, part, offset)?;
            }
        }
        Some(())
    }

    fn open_file(&self, index: usize, access: Access) -> Result<Arc<File>, DiskError> {
        let file = self.info().files().get(index).ok_or(DiskError::NoBlock)?;
        self.files().get(index, file, access, &self.shared.folder)
    }

    /// What panicked meanwhile has left a list of open files, which is as good as before.
    fn files(&self) -> MutexGuard<'_, Files> {
        self.shared.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, file: usize, error: std::io::Error) -> DiskError {
        let path =
            self.info().files().get(file).map_or_else(PathBuf::new, |file| file.path.clone());
        DiskError::of(path, error)
    }
}
