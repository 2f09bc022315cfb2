//! The part of a torrent that is hashed: its pieces and its files.
//!
//! ```text
//!   bytes   0         16384        32768      40000
//!   pieces  │    0      │     1      │    2     │       all as long as `piece length`, but the last
//!   files   │ a │   b        │▒▒▒▒▒▒▒│    c     │       ▒ padding: zeros that are in no file (BEP 47)
//! ```

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use super::bencode::{Document, NoBencode, Node};
use super::{InfoHash, NameRule, Names, NoPath};
use crate::torrent::MetainfoLimits;

/// What a torrent's info dictionary says (BEP 3), and the dictionary itself as it came.
#[derive(Clone)]
pub struct Info {
    raw: Bytes,
    hash: InfoHash,
    layout: Layout,
    name: PathBuf,
    piece_length: u32,
    length: u64,
    /// 20 bytes for each piece, a part of `raw`.
    hashes: Bytes,
    /// In the order of their offsets, none over another. What lies between them is padding.
    files: Vec<File>,
    private: bool,
}

/// How a torrent's files lie on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One file, under the torrent's name.
    Single,
    /// A folder of that name, with the files in it.
    Folder,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is, beneath the folder that the torrent is saved to: see [`Names`].
    pub path: PathBuf,
    /// Where it begins among the torrent's bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Whether it is a program (BEP 47).
    pub executable: bool,
}

/// A run of a torrent's bytes that lies in one file, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Bytes of a file.
    File {
        /// Its index in [`Info::files`].
        file: usize,
        /// Where they are in it.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Zeros that are in no file (BEP 47).
    Padding {
        /// How many.
        length: u64,
    },
}

/// Why it is no info dictionary that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InfoError {
    /// It is not bencode.
    #[error("the torrent is no bencode: {0}")]
    Bencode(NoBencode),
    /// It is no dictionary.
    #[error("the torrent's info is no dictionary")]
    NoDictionary,
    /// It lacks something that has to be there.
    #[error("the torrent has no usable `{0}`")]
    Missing(&'static str),
    /// It is of version 2 only (BEP 52).
    #[error("the torrent is of version 2 only, which is not supported")]
    Version2,
    /// Pieces of no bytes, or longer than [`MetainfoLimits::piece_length`].
    #[error("pieces of {0} bytes are not supported")]
    PieceLength(i64),
    /// A file's length is negative, or all together are too long.
    #[error("the length of a file is none")]
    Length,
    /// There are more hashes, or fewer, than bytes to have them.
    #[error("the torrent has {hashes} bytes of hashes for {pieces} pieces")]
    Hashes {
        /// Bytes of hashes: each has 20.
        hashes: usize,
        /// Pieces.
        pieces: u64,
    },
    /// More than [`MetainfoLimits::files`].
    #[error("the torrent has too many files")]
    TooManyFiles,
    /// A path that is none.
    #[error("the torrent's files cannot be named: {0}")]
    Path(NoPath),
}

impl From<NoBencode> for InfoError {
    fn from(error: NoBencode) -> Self {
        Self::Bencode(error)
    }
}

impl From<NoPath> for InfoError {
    fn from(error: NoPath) -> Self {
        Self::Path(error)
    }
}

impl Info {
    /// Reads an info dictionary.
    ///
    /// # Errors
    ///
    /// See [`InfoError`].
    pub fn parse(raw: Bytes, limits: &MetainfoLimits) -> Result<Self, InfoError> {
        Self::parse_named(raw, limits, NameRule::here())
    }

    /// As [`parse`](Self::parse), with files named as another system has them.
    ///
    /// # Errors
    ///
    /// See [`InfoError`].
    pub fn parse_named(
        raw: Bytes,
        limits: &MetainfoLimits,
        rule: NameRule,
    ) -> Result<Self, InfoError> {
        let document = Document::parse(&raw, &limits.bencode())?;
        let root = document.root();
        if !root.is_dictionary() {
            return Err(InfoError::NoDictionary);
        }
        let hashes = hashes(root)?;
        let piece_length = piece_length(root, limits)?;
        let (layout, files, length) = Reading::new(root, rule, limits)?.files(root)?;
        let pieces = length.div_ceil(u64::from(piece_length));
        if u32::try_from(pieces).is_err() || pieces * 20 != hashes.len() as u64 {
            return Err(InfoError::Hashes { hashes: hashes.len(), pieces });
        }
        let name = name(root).ok_or(InfoError::Missing("name"))?;
        Ok(Self {
            hash: InfoHash::of(&raw),
            layout,
            name: Names::new(rule).place([name])?,
            piece_length,
            length,
            hashes: raw.slice_ref(hashes),
            files,
            private: root.get("private").and_then(Node::integer) == Some(1),
            raw: raw.clone(),
        })
    }

    /// What the torrent is known by.
    #[must_use]
    pub fn hash(&self) -> InfoHash {
        self.hash
    }

    /// The dictionary as it came: what the hash is of, and what peers are sent who have only that (BEP 9).
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The name of the file, or of the folder that its files are in.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Whether it is one file, or a folder.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All its bytes, with padding.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How long each piece is, but the last.
    #[must_use]
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are; none if all files are empty.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        (self.hashes.len() / 20) as u32
    }

    /// How long a piece is; zero for one that does not exist.
    #[must_use]
    pub fn piece_size(&self, piece: u32) -> u32 {
        let rest = self.length.saturating_sub(self.start_of(piece));
        rest.min(u64::from(self.piece_length)) as u32
    }

    /// The SHA-1 of a piece, as it should be.
    #[must_use]
    pub fn piece_hash(&self, piece: u32) -> Option<[u8; 20]> {
        self.hashes.as_chunks().0.get(piece as usize).copied()
    }

    /// The files, without padding.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether its peers come from its trackers only (BEP 27).
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Where a part of a piece is among the torrent's bytes; `None` if there is no such part.
    #[must_use]
    pub fn block(&self, piece: u32, begin: u32, length: u32) -> Option<Range<u64>> {
        let end = begin.checked_add(length)?;
        if end > self.piece_size(piece) {
            return None;
        }
        let start = self.start_of(piece);
        Some(start + u64::from(begin)..start + u64::from(end))
    }

    /// Which pieces have bytes of a file; an empty one needs none.
    #[must_use]
    pub fn pieces_of(&self, file: &File) -> Range<u32> {
        let piece = |at: u64| (at / u64::from(self.piece_length)) as u32;
        match file.length {
            0 => 0..0,
            length => piece(file.offset)..piece(file.offset + length - 1) + 1,
        }
    }

    /// The files that a run of bytes lies in, in their order.
    pub fn spans(&self, bytes: Range<u64>) -> impl Iterator<Item = Span> {
        let end = bytes.end.min(self.length);
        let mut at = bytes.start;
        let mut file = self.files.partition_point(|file| file.end() <= at);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            while self.files.get(file).is_some_and(|file| file.end() <= at) {
                file += 1;
            }
            let span = self.span(file, at..end);
            at += span.length();
            Some(span)
        })
    }

    /// The first span of some bytes, which are before the end of this file.
    fn span(&self, file: usize, bytes: Range<u64>) -> Span {
        let most = bytes.end - bytes.start;
        match self.files.get(file) {
            Some(next) if next.offset <= bytes.start => Span::File {
                file,
                offset: bytes.start - next.offset,
                length: most.min(next.end() - bytes.start),
            },
            Some(next) => Span::Padding { length: most.min(next.offset - bytes.start) },
            None => Span::Padding { length: most },
        }
    }

    fn start_of(&self, piece: u32) -> u64 {
        u64::from(piece) * u64::from(self.piece_length)
    }
}

impl File {
    fn end(&self) -> u64 {
        self.offset + self.length
    }
}

impl Span {
    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } | Self::Padding { length } => *length,
        }
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("hash", &self.hash)
            .field("name", &self.name)
            .field("pieces", &self.pieces())
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

fn hashes(root: Node<'_>) -> Result<&[u8], InfoError> {
    match root.get("pieces").and_then(Node::bytes) {
        Some(hashes) => Ok(hashes),
        None if root.get("file tree").is_some() => Err(InfoError::Version2),
        None => Err(InfoError::Missing("pieces")),
    }
}

fn piece_length(root: Node<'_>, limits: &MetainfoLimits) -> Result<u32, InfoError> {
    let length = root.get("piece length").and_then(Node::integer);
    let length = length.ok_or(InfoError::Missing("piece length"))?;
    match u32::try_from(length) {
        Ok(fits) if fits > 0 && fits <= limits.piece_length => Ok(fits),
        _ => Err(InfoError::PieceLength(length)),
    }
}

/// Older programs wrote names in whatever encoding they had, and UTF-8 beside it.
fn name(root: Node<'_>) -> Option<&[u8]> {
    let utf8 = root.get("name.utf-8").filter(|name| name.text().is_some());
    utf8.or_else(|| root.get("name"))?.bytes()
}

/// The list of files while it is read.
struct Reading<'d> {
    name: &'d [u8],
    names: Names,
    most: usize,
    files: Vec<File>,
    length: u64,
}

impl<'d> Reading<'d> {
    fn new(root: Node<'d>, rule: NameRule, limits: &MetainfoLimits) -> Result<Self, InfoError> {
        let name = name(root).ok_or(InfoError::Missing("name"))?;
        let (most, names) = (limits.files, Names::new(rule));
        Ok(Self { name, names, most, files: Vec::new(), length: 0 })
    }

    fn files(mut self, root: Node<'d>) -> Result<(Layout, Vec<File>, u64), InfoError> {
        let Some(files) = root.get("files").filter(|files| files.is_list()) else {
            let length = root.get("length").ok_or(InfoError::Missing("length"))?;
            let path = self.names.place([self.name])?;
            self.add(path, length.unsigned().ok_or(InfoError::Length)?, attributes(root))?;
            return Ok((Layout::Single, self.files, self.length));
        };
        for file in files.items() {
            self.file(file)?;
        }
        if self.files.is_empty() {
            return Err(InfoError::Missing("files"));
        }
        Ok((Layout::Folder, self.files, self.length))
    }

    fn file(&mut self, file: Node<'d>) -> Result<(), InfoError> {
        let attributes = attributes(file);
        // A link takes none of the bytes whatever it says, and is not made: it could lead anywhere.
        if attributes.contains(&b'l') {
            return Ok(());
        }
        let length = file.get("length").and_then(Node::unsigned).ok_or(InfoError::Length)?;
        if attributes.contains(&b'p') {
            return self.lengthen(length);
        }
        let path = path(file).ok_or(InfoError::Missing("path"))?;
        let mut names = path.items().map(|name| name.bytes().unwrap_or_default()).peekable();
        if names.peek().is_none() {
            return Err(NoPath::Empty.into());
        }
        let path = self.names.place(std::iter::once(self.name).chain(names))?;
        self.add(path, length, attributes)
    }

    fn add(&mut self, path: PathBuf, length: u64, attributes: &[u8]) -> Result<(), InfoError> {
        if self.files.len() >= self.most {
            return Err(InfoError::TooManyFiles);
        }
        let (offset, executable) = (self.length, attributes.contains(&b'x'));
        self.files.push(File { path, offset, length, executable });
        self.lengthen(length)
    }

    fn lengthen(&mut self, length: u64) -> Result<(), InfoError> {
        // No position in a file, or in the torrent, is beyond what a signed number can say.
        let length = self.length.checked_add(length).filter(|sum| i64::try_from(*sum).is_ok());
        self.length = length.ok_or(InfoError::Length)?;
        Ok(())
    }
}

/// BEP 47: a letter each.
fn attributes(file: Node<'_>) -> &[u8] {
    file.get("attr").and_then(Node::bytes).unwrap_or_default()
}

fn path(file: Node<'_>) -> Option<Node<'_>> {
    let is_text =
        |path: &Node<'_>| path.is_list() && path.items().all(|name| name.text().is_some());
    file.get("path.utf-8")
        .filter(is_text)
        .or_else(|| file.get("path"))
        .filter(|path| path.is_list())
}
