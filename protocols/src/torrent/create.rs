//! A torrent of files that are there.
//!
//! ```text
//!   PATH ──walk──▶ names and lengths ──Draft──▶ pieces ──hash──▶ Metainfo
//! ```
//!
//! The same files under the same names make the same torrent, whoever makes it and wherever: files are in the order
//! of their names, and nothing of the machine is among what is hashed.

use std::ffi::OsStr;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::MetainfoLimits;
use super::disk::{Disk, DiskError, DiskOptions};
use super::wire::bencode::{Dictionary, dictionary};
use super::wire::{Info, InfoError, Layout, Metainfo, RESERVED};
use crate::store::Access;

/// The shortest piece: it is what peers ask each other for in one request.
const SHORTEST_PIECE: u32 = 16 << 10;
/// The longest that is chosen for somebody who does not say.
const LONGEST_CHOSEN: u32 = 16 << 20;
/// How many pieces there are at most, as long as they are not too long: the torrent has 20 bytes for each.
const PIECES: u64 = 2048;

/// Files that a torrent is to be made of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The folder that they are in, or the folder's.
    parent: PathBuf,
    name: String,
    layout: Layout,
    files: Vec<Found>,
    length: u64,
    piece_length: u32,
    private: bool,
    skipped: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
struct Found {
    /// The names beneath the torrent's own; none if it is a single file.
    names: Vec<String>,
    length: u64,
    executable: bool,
}

/// Why no torrent can be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Something cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It has no name: the root of a disk.
    #[error("{} has no name that a torrent could have", path.display())]
    NoName {
        /// What.
        path: PathBuf,
    },
    /// Names in a torrent are UTF-8 (BEP 3).
    #[error("{} is not UTF-8: others could not have it under this name", path.display())]
    NotUtf8 {
        /// The file, or the folder.
        path: PathBuf,
    },
    /// Who fetches it would have it under another name, and not find it again.
    #[error("a torrent cannot have a file of this name: {}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// There are no files, or nothing in them.
    #[error("there is nothing to make a torrent of: no file that has anything in it")]
    Nothing,
    /// It has to be a power of two, of 16 KiB at least and 64 MiB at most.
    #[error("a piece has 16 KiB, 32 KiB and so on, up to 64 MiB: {0} bytes are none of these")]
    PieceLength(u32),
    /// It is too large for a torrent: too many files, or too many pieces.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// Something could not be read, or has become another meanwhile.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file has another length than at first.
    #[error("{} has changed meanwhile", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It was to stop.
    #[error("stopped")]
    Stopped,
}

impl Draft {
    /// What there is under a path: a file, or a folder with everything in it, hidden files too. Links, pipes and the
    /// like are [left out](Self::skipped).
    ///
    /// # Errors
    ///
    /// See [`CreateError`].
    pub fn of(path: impl AsRef<Path>) -> Result<Self, CreateError> {
        let path = path.as_ref();
        let failed = |error| CreateError::Io { path: path.to_owned(), error };
        let path = &fs::canonicalize(path).map_err(failed)?;
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(CreateError::NoName { path: path.clone() });
        };
        let metadata = fs::metadata(path).map_err(failed)?;
        let mut draft = Self {
            parent: parent.to_owned(),
            name: utf8(name, path)?,
            layout: if metadata.is_dir() { Layout::Folder } else { Layout::Single },
            files: Vec::new(),
            length: 0,
            piece_length: 0,
            private: false,
            skipped: Vec::new(),
        };
        match draft.layout {
            Layout::Folder => draft.walk(path)?,
            Layout::Single => draft.add(Vec::new(), &metadata),
        }
        if draft.length == 0 {
            return Err(CreateError::Nothing);
        }
        draft.files.sort_by(|a, b| a.names.cmp(&b.names));
        draft.piece_length = piece_length_for(draft.length);
        Ok(draft)
    }

    /// With pieces of another length.
    ///
    /// # Errors
    ///
    /// [`CreateError::PieceLength`].
    pub fn with_piece_length(mut self, length: u32) -> Result<Self, CreateError> {
        let longest = MetainfoLimits::default().piece_length;
        if !length.is_power_of_two() || !(SHORTEST_PIECE..=longest).contains(&length) {
            return Err(CreateError::PieceLength(length));
        }
        self.piece_length = length;
        Ok(self)
    }

    /// With peers from its trackers only (BEP 27).
    #[must_use]
    pub fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// The name of the file, or of the folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes there are in all.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How long a piece is.
    #[must_use]
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// What was left out.
    #[must_use]
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// Reads everything, and makes the torrent of it: without trackers, which are for the caller to add. It blocks
    /// meanwhile; `progress` is told how many bytes are done, and can stop it.
    ///
    /// # Errors
    ///
    /// See [`CreateError`].
    pub fn hash(
        &self,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Metainfo, CreateError> {
        let blank =
            self.info(&vec![0; self.length.div_ceil(self.piece_length.into()) as usize * 20])?;
        self.check_names(&blank)?;
        let options = DiskOptions { access: Access::ReadOnly, ..DiskOptions::default() };
        let disk = Disk::open(Arc::new(blank), &self.parent, options)?;
        let mut hashes = vec![0; disk.info().pieces() as usize * 20];
        let (mut done, mut failed) = (0, None);
        disk.hash_all(|piece, hash| {
            match (hash, hashes.chunks_mut(20).nth(piece as usize)) {
                (Ok(hash), Some(place)) => place.copy_from_slice(&hash),
                (Err(error), _) => failed = Some(error.into()),
                (Ok(_), None) => {}
            }
            done += u64::from(disk.info().piece_size(piece));
            if failed.is_none() && progress(done).is_break() {
                failed = Some(CreateError::Stopped);
            }
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        failed.map_or(Ok(()), Err)?;
        self.check_lengths(disk.info())?;
        Ok(Metainfo {
            info: self.info(&hashes)?,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            comment: None,
            created_by: None,
            created_at: None,
        })
    }

    fn walk(&mut self, root: &Path) -> Result<(), CreateError> {
        let mut folders = vec![(root.to_owned(), Vec::new())];
        while let Some((folder, inside)) = folders.pop() {
            let failed = |error| CreateError::Io { path: folder.clone(), error };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let (path, metadata) = (entry.path(), entry.metadata().map_err(failed)?);
                let name = entry.file_name();
                if is_left_out(metadata.file_type(), &name) {
                    self.skipped.push(path);
                    continue;
                }
                let names: Vec<_> = inside.iter().cloned().chain([utf8(&name, &path)?]).collect();
                if metadata.is_dir() {
                    folders.push((path, names));
                } else {
                    self.add(names, &metadata);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, names: Vec<String>, metadata: &Metadata) {
        self.length = self.length.saturating_add(metadata.len());
        let executable = is_executable(metadata);
        self.files.push(Found { names, length: metadata.len(), executable });
    }

    /// The info dictionary with these hashes.
    fn info(&self, hashes: &[u8]) -> Result<Info, InfoError> {
        let text = dictionary(|info| {
            match (self.layout, self.files.first()) {
                (Layout::Single, Some(file)) => file.write(info),
                _ => info.list("files", |list| {
                    self.files.iter().for_each(|file| list.dictionary(|into| file.write(into)));
                }),
            }
            info.bytes("name", &self.name);
            info.integer("piece length", self.piece_length.into());
            info.bytes("pieces", hashes);
            if self.private {
                info.integer("private", 1);
            }
        });
        Info::parse(Bytes::from(text), &MetainfoLimits::default())
    }

    /// Whoever reads the torrent looks for its files where they are.
    fn check_names(&self, info: &Info) -> Result<(), CreateError> {
        for (found, file) in self.files.iter().zip(info.files()) {
            let path: PathBuf = std::iter::once(&self.name).chain(&found.names).collect();
            if path != file.path {
                return Err(CreateError::Name { path });
            }
        }
        Ok(())
    }

    fn check_lengths(&self, info: &Info) -> Result<(), CreateError> {
        for file in info.files() {
            let path = self.parent.join(&file.path);
            let length = fs::metadata(&path).map(|metadata| metadata.len());
            if length.ok() != Some(file.length) {
                return Err(CreateError::Changed { path });
            }
        }
        Ok(())
    }
}

impl Found {
    fn write(&self, file: &mut Dictionary<'_>) {
        if self.executable {
            file.bytes("attr", "x");
        }
        file.integer("length", i64::try_from(self.length).unwrap_or(i64::MAX));
        if !self.names.is_empty() {
            file.list("path", |path| self.names.iter().for_each(|name| path.bytes(name)));
        }
    }
}

/// About a thousand pieces, of a power of two: each costs 20 bytes in the torrent, and a longer one makes peers wait
/// longer before they can pass it on.
fn piece_length_for(length: u64) -> u32 {
    let mut piece = SHORTEST_PIECE;
    while piece < LONGEST_CHOSEN && length.div_ceil(piece.into()) > PIECES {
        piece *= 2;
    }
    piece
}

fn utf8(name: &OsStr, path: &Path) -> Result<String, CreateError> {
    name.to_str().map(str::to_owned).ok_or_else(|| CreateError::NotUtf8 { path: path.to_owned() })
}

fn is_left_out(kind: FileType, name: &OsStr) -> bool {
    let is_ours = name.as_encoded_bytes().starts_with(RESERVED.as_bytes());
    is_ours || !(kind.is_file() || kind.is_dir())
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}
