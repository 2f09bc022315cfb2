//! The file: a line that says what it is, a frame with all there was, and a frame for each commit since.
//!
//! ```text
//!   chat accounts 1
//!   @ 41 …  everything, written to another file that took this one's place when it was whole
//!   @ 42 …  appended, and on the disk before anybody was told
//!   @ 43 …
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::NotOpened;
use super::frame;
use super::frame::Frame;
use super::record::{Change, unusable_password};
use super::tables::Tables;
use crate::password::PasswordError;

const HEAD: &[u8] = b"chat accounts 1\n";
/// How every version's head begins.
const HEAD_START: &[u8] = b"chat accounts ";

/// An open file of accounts, which no other program has open.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Holds the lock, until it is let go of. It is a file of its own, since the journal's is replaced.
    lock: Option<File>,
    /// The number of the last frame.
    number: u64,
    /// Bytes up to the end of the last frame.
    length: u64,
}

/// What a crash had left behind, and was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The file.
    pub path: PathBuf,
    /// Bytes of changes that nobody had been told were kept.
    pub dropped: usize,
}

/// What a file holds.
#[derive(Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) tables: Tables,
    /// The number of the last whole frame.
    pub(super) number: u64,
    /// Bytes up to its end.
    pub(super) length: usize,
}

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    NotOurs,
    TooNew,
    Password { account: String, why: PasswordError },
    Damaged { at: usize, what: &'static str },
}

impl Journal {
    /// Opens a file or makes it; cuts off what a crash has left at its end.
    pub(super) fn open(path: &Path) -> Result<(Self, Tables, Option<Repaired>), NotOpened> {
        let failed = |error| NotOpened::Io { path: path.to_owned(), error };
        let lock = lock(&beside(path, "lock"))
            .map_err(failed)?
            .ok_or_else(|| NotOpened::InUse(path.to_owned()))?;
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            result => result.map_err(failed)?,
        };
        // Nothing has ever been there, or somebody has made room for it with `touch`.
        if bytes.is_empty() {
            let tables = Tables::default();
            let journal =
                Self::replace_at(path.to_owned(), lock, 1, &tables.encode()).map_err(failed)?;
            return Ok((journal, tables, None));
        }
        let contents = read(&bytes).map_err(|why| why.at(path))?;
        let (journal, dropped) = Self::reopen(path, lock, &contents).map_err(failed)?;
        let repaired = (dropped > 0).then(|| Repaired { path: path.to_owned(), dropped });
        Ok((journal, contents.tables, repaired))
    }

    /// Opens a file that is there; how many bytes were cut off.
    fn reopen(path: &Path, lock: File, contents: &Contents) -> io::Result<(Self, usize)> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = contents.length as u64;
        let dropped = file.metadata()?.len().saturating_sub(length);
        if dropped > 0 {
            file.set_len(length)?;
            file.sync_all()?;
        }
        file.seek(SeekFrom::Start(length))?;
        let (path, number) = (path.to_owned(), contents.number);
        let journal = Self { path, file, lock: Some(lock), number, length };
        Ok((journal, usize::try_from(dropped).unwrap_or(usize::MAX)))
    }

    /// Appends changes, and waits until they are on the disk. When that fails, nobody knows what the
    /// file ends with, and it has to be replaced before it is appended to again.
    pub(super) fn append(&mut self, changes: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(changes.len() + 64);
        frame::write(&mut bytes, self.number + 1, changes);
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.number += 1;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Puts a new file with everything in it in place of this one.
    pub(super) fn replace(&mut self, everything: &[u8]) -> io::Result<()> {
        let (file, length) = write_new(&self.path, self.number + 1, everything)?;
        self.file = file;
        self.number += 1;
        self.length = length;
        Ok(())
    }

    fn replace_at(path: PathBuf, lock: File, number: u64, everything: &[u8]) -> io::Result<Self> {
        let (file, length) = write_new(&path, number, everything)?;
        Ok(Self { path, file, lock: Some(lock), number, length })
    }

    /// Lets others open the file, which is not to be written from here any more.
    pub(super) fn release(&mut self) {
        self.lock = None;
    }

    /// Whether others are kept from it.
    pub(super) fn is_held(&self) -> bool {
        self.lock.is_some()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// Reads a file of accounts. What comes behind the last whole frame does not count, if a crash can
/// have left it there.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, Unreadable> {
    let Some(rest) = bytes.strip_prefix(HEAD) else {
        let is_later = bytes.starts_with(HEAD_START);
        return Err(if is_later { Unreadable::TooNew } else { Unreadable::NotOurs });
    };
    let mut contents = Contents { tables: Tables::default(), number: 0, length: HEAD.len() };
    let Some(first) = frame::read(rest) else {
        // The first frame was whole before the file was put in its place.
        return Err(Unreadable::Damaged {
            at: HEAD.len(),
            what: "what was kept first is not whole",
        });
    };
    contents.take(&first)?;
    while let Some(frame) = bytes.get(contents.length..).and_then(frame::read) {
        if frame.number != contents.number + 1 {
            return Err(contents.damaged("changes are missing"));
        }
        contents.take(&frame)?;
    }
    let left = bytes.get(contents.length..).unwrap_or_default();
    if frame::is_followed_by(left, contents.number + 1) {
        return Err(contents.damaged("a change is not whole, and others follow it"));
    }
    Ok(contents)
}

impl Contents {
    /// Makes the changes of the next frame.
    fn take(&mut self, frame: &Frame<'_>) -> Result<(), Unreadable> {
        let text = std::str::from_utf8(frame.payload);
        for line in text.map_err(|_| self.damaged("it is not text"))?.lines() {
            self.tables.apply(Change::decode(line).ok_or_else(|| Unreadable::line(line))?);
        }
        self.number = frame.number;
        self.length += frame.length;
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> Unreadable {
        Unreadable::Damaged { at: self.length, what }
    }
}

impl Unreadable {
    /// A line is no change. Its checksum is right, so that is what was written: by a version that knows
    /// more, or with a hash that nobody here can bear.
    fn line(line: &str) -> Self {
        match unusable_password(line) {
            Some((account, why)) => Self::Password { account, why },
            None => Self::TooNew,
        }
    }

    fn at(self, path: &Path) -> NotOpened {
        let path = path.to_owned();
        match self {
            Self::NotOurs => NotOpened::NotOurs(path),
            Self::TooNew => NotOpened::TooNew(path),
            Self::Password { account, why } => NotOpened::Password { path, account, why },
            Self::Damaged { at, what } => NotOpened::Damaged { path, at, what },
        }
    }
}

/// Writes everything into a new file, and puts it in place of the old one when it is whole: whatever
/// happens, one of the two is there.
fn write_new(path: &Path, number: u64, everything: &[u8]) -> io::Result<(File, u64)> {
    let mut bytes = HEAD.to_vec();
    frame::write(&mut bytes, number, everything);
    let new = beside(path, "new");
    let mut file = private().create(true).truncate(true).open(&new)?;
    // Its bytes first, then its name: the other order can leave a name without bytes.
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        // On a full disk it would take what room there is.
        let _ = fs::remove_file(&new);
    })?;
    sync_directory(path)?;
    Ok((file, bytes.len() as u64))
}

/// `accounts.new` for `accounts`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Files that nobody else may read: there are password hashes in them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Locks a file for as long as it is open; `None` if somebody else has.
#[cfg(unix)]
fn lock(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    let file = private().create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(Some(file)),
    }
}

/// As above: on Windows a file that is opened without sharing is locked.
#[cfg(windows)]
fn lock(path: &Path) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    match private().create(true).truncate(false).share_mode(0).open(path) {
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        result => result.map(Some),
    }
}

/// Has the directory remember the new file.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// As above: Windows writes names before `rename` returns, and opens no directories.
#[cfg(windows)]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
