//! A file that is being written: whole in the end, or not there at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;

use super::kept::move_here;
use super::{Quota, StoreError};

/// A file that is being written.
///
/// ```text
///                                    commit               the file has its name; whoever opened
///  ┌─ a hidden name beside it ─┐ ──────────────▶ Whole    the old one goes on reading that
///  │  write  write  write  …   │
///  └───────────────────────────┘ ──────────────▶ Gone     as if nothing had been
///      │                           drop, unless its fate is another
///      │ keep
///      ▼
///    Kept     under another hidden name, from where an upload of the same name may go on
/// ```
///
/// What is appended to a file that is there is written in place: commit leaves it, drop cuts it off again,
/// and keep leaves it as well, since that is from where the next goes on.
#[derive(Debug)]
pub struct Upload {
    /// `None` once it has been settled.
    pending: Option<Pending>,
    length: u64,
    quota: Option<Arc<Quota>>,
    /// Bytes that were taken from the quota for it.
    taken: u64,
    fate: Fate,
    durable: bool,
}

/// What becomes of an upload that is dropped, as all are when a program ends in the middle of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is as if nothing had been.
    Undone,
    /// It is [kept](Upload::keep), if it can be.
    Kept,
}

/// What is to be settled.
#[derive(Debug)]
struct Pending {
    file: File,
    /// The directory in which all this happens.
    directory: Dir,
    place: Place,
}

/// Where the bytes go meanwhile.
#[derive(Debug)]
pub(super) enum Place {
    /// To a file of their own.
    Beside {
        /// Where it is kept, if that is to be so and nobody else is there.
        temporary: PathBuf,
        target: PathBuf,
        /// Where what there is of it is kept; `None` if nothing is to be.
        kept: Option<PathBuf>,
        replace: Replace,
    },
    /// To the end of the file itself, which was so long before.
    InPlace { before: u64 },
}

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It is replaced, at the moment the new one is whole.
    Yes,
    /// It stays, and the new one is refused.
    No,
}

impl Upload {
    pub(super) fn new(
        file: File,
        directory: Dir,
        place: Place,
        length: u64,
        quota: Option<Arc<Quota>>,
        durable: bool,
    ) -> Self {
        // What was kept of it was taken from the quota when it was written.
        let taken = if let Place::Beside { .. } = place { length } else { 0 };
        let pending = Some(Pending { file, directory, place });
        Self { pending, length, quota, taken, durable, fate: Fate::Undone }
    }

    /// The same upload with another fate; without this it is undone.
    #[must_use]
    pub fn with_fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    /// Writes the first bytes of another file.
    pub(super) fn copy_from(&mut self, file: File, bytes: u64) -> Result<(), StoreError> {
        if !self.quota.as_ref().is_none_or(|quota| quota.take(bytes)) {
            return Err(StoreError::QuotaExceeded);
        }
        self.taken += bytes;
        let Some(pending) = &mut self.pending else {
            return Err(StoreError::Io(io::ErrorKind::BrokenPipe.into()));
        };
        self.length += io::copy(&mut file.take(bytes), &mut pending.file)?;
        Ok(())
    }

    /// Bytes in the file so far, with those that were there before.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes at the end.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`] and [`StoreError::QuotaExceeded`] are the ones to expect. What was written
    /// before is still there, to be kept or dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let count = bytes.len() as u64;
        if !self.quota.as_ref().is_none_or(|quota| quota.take(count)) {
            return Err(StoreError::QuotaExceeded);
        }
        self.taken += count;
        let Some(pending) = &mut self.pending else {
            return Err(StoreError::Io(io::ErrorKind::BrokenPipe.into()));
        };
        pending.file.write_all(bytes)?;
        self.length += count;
        Ok(())
    }

    /// The file is whole: gives it its name. The number of bytes in it.
    ///
    /// # Errors
    ///
    /// What the system says, and [`StoreError::Exists`] if the name has been taken meanwhile and is not to
    /// be replaced. The upload is gone then.
    pub fn commit(mut self) -> Result<u64, StoreError> {
        self.fate = Fate::Undone;
        let Some(pending) = &self.pending else {
            return Err(StoreError::Io(io::ErrorKind::BrokenPipe.into()));
        };
        if self.durable {
            pending.file.sync_all()?;
        }
        let replaced = pending.give_name()?;
        if let Some(quota) = &self.quota {
            quota.give_back(replaced);
        }
        self.pending = None;
        Ok(self.length)
    }

    /// Nothing more will come, and what there is may be gone on from: whether anything is kept.
    pub fn keep(mut self) -> bool {
        self.try_keep()
    }

    fn try_keep(&mut self) -> bool {
        let older = self.pending.as_ref().filter(|_| self.length > 0).and_then(Pending::keep);
        if let Some(older) = older {
            self.pending = None;
            self.quota.iter().for_each(|quota| quota.give_back(older));
        }
        older.is_some()
    }
}

impl Drop for Upload {
    /// What was not settled is undone, or kept.
    fn drop(&mut self) {
        if self.fate == Fate::Kept {
            self.try_keep();
        }
        if let Some(pending) = self.pending.take() {
            pending.undo();
            if let Some(quota) = &self.quota {
                quota.give_back(self.taken);
            }
        }
    }
}

impl Pending {
    /// Gives the file its name; the size of what had the name before.
    fn give_name(&self) -> Result<u64, StoreError> {
        let Place::Beside { temporary, target, replace, .. } = &self.place else {
            return Ok(0);
        };
        let directory = &self.directory;
        match replace {
            Replace::Yes => {
                let before = directory.symlink_metadata(target);
                directory.rename(temporary, directory, target)?;
                Ok(before.ok().filter(cap_std::fs::Metadata::is_file).map_or(0, |it| it.len()))
            }
            // A link fails where a name is taken, and looking first would be a race.
            Replace::No => {
                directory.hard_link(temporary, directory, target)?;
                directory.remove_file(temporary)?;
                Ok(0)
            }
        }
    }

    /// How many bytes of an older one have made room for it; `None` if it is not kept.
    fn keep(&self) -> Option<u64> {
        match &self.place {
            Place::InPlace { .. } => Some(0),
            Place::Beside { kept: None, .. } => None,
            Place::Beside { temporary, kept: Some(kept), .. } if temporary == kept => Some(0),
            Place::Beside { temporary, kept: Some(kept), .. } => {
                move_here(&self.directory, temporary, kept)
            }
        }
    }

    /// As if nothing had been. That it fails can be told nobody any more.
    fn undo(&self) {
        let _ = match &self.place {
            Place::Beside { temporary, .. } => self.directory.remove_file(temporary),
            Place::InPlace { before } => self.file.set_len(*before),
        };
    }
}
