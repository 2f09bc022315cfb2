//! How uploads begin: anew, or where another has ended.

use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::fs::{Dir, OpenOptions};

use super::kept::{Claim, begin_here, claim, kept_name};
use super::path::system_name;
use super::upload::Place;
use super::{CreateOptions, HIDDEN, Replace, Store, StoreError, Upload, VirtualPath};

/// Temporary names that are tried.
const TRIES: u64 = 1_024;

impl Store {
    /// Begins to write a file; see [`Upload`].
    ///
    /// With an offset it goes on where another has ended: at that place of a file that was kept, or of the
    /// file itself. What the file itself has beyond it is replaced when the upload is committed, and not
    /// before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] if there is a file that is not to be replaced,
    /// [`StoreError::OffsetBeyondEnd`], or what the system says.
    pub fn create(
        &self,
        path: &VirtualPath,
        options: &CreateOptions,
    ) -> Result<Upload, StoreError> {
        let (directory, target) = self.place_for(path)?;
        let before = match directory.symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Err(StoreError::NotAFile),
            Ok(_) if options.replace == Replace::No => return Err(StoreError::Exists),
            Ok(_) => Some(directory.metadata(&target)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let kept = path.name().and_then(kept_name).filter(|_| before.is_none());
        match (&before, options.offset) {
            (_, 0) => self.begin(directory, target, kept, options),
            (Some(before), offset) if before.len() == offset => self.append(path),
            (Some(before), offset) if before.len() > offset => {
                self.begin_with_copy(path, directory, target, options)
            }
            (Some(before), _) => Err(StoreError::OffsetBeyondEnd(before.len())),
            (None, _) => self.go_on(directory, target, kept, options),
        }
    }

    /// Writes at the end of a file, which is made if it is not there; of one that was kept, if there is one.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn append_or_create(
        &self,
        path: &VirtualPath,
        options: &CreateOptions,
    ) -> Result<Upload, StoreError> {
        match self.entry(path) {
            Ok(_) if options.replace == Replace::No => Err(StoreError::Exists),
            Ok(_) => self.append(path),
            Err(StoreError::NotFound) => {
                let offset = self.kept(path).unwrap_or(0);
                self.create(path, &CreateOptions { offset, ..options.clone() })
            }
            Err(error) => Err(error),
        }
    }

    fn begin(
        &self,
        directory: Dir,
        target: PathBuf,
        kept: Option<PathBuf>,
        options: &CreateOptions,
    ) -> Result<Upload, StoreError> {
        let mut open = OpenOptions::new();
        open.write(true).create_new(true);
        set_mode_of_new(&mut open, options.mode);
        let (file, mut temporary) =
            at_temporary_name(options.token, |name| directory.open_with(name, &open))?;
        let file = file.into_std();
        let kept = kept.filter(|_| options.keep);
        if let Some(kept) = &kept
            && let Some(older) = begin_here(&directory, &temporary, &file, kept)
        {
            temporary.clone_from(kept);
            self.quota.iter().for_each(|quota| quota.give_back(older));
        }
        let place = Place::Beside { temporary, target, kept, replace: options.replace };
        Ok(Upload::new(file, directory, place, 0, self.quota.clone(), self.durable))
    }

    /// Begins anew, with the first bytes of the file that is there.
    fn begin_with_copy(
        &self,
        path: &VirtualPath,
        directory: Dir,
        target: PathBuf,
        options: &CreateOptions,
    ) -> Result<Upload, StoreError> {
        let (old, _) = self.read(path)?;
        let mut upload = self.begin(directory, target, None, options)?;
        upload.copy_from(old, options.offset)?;
        Ok(upload)
    }

    /// Goes on with what was kept.
    fn go_on(
        &self,
        directory: Dir,
        target: PathBuf,
        kept: Option<PathBuf>,
        options: &CreateOptions,
    ) -> Result<Upload, StoreError> {
        let offset = options.offset;
        let Some(kept) = kept else {
            return Err(StoreError::OffsetBeyondEnd(0));
        };
        let (mut file, is_ours) = match claim(&directory, &kept) {
            Claim::Ours(file) => (file, true),
            Claim::Unlocked(file) => (file, false),
            Claim::Nothing => return Err(StoreError::OffsetBeyondEnd(0)),
            Claim::Taken => return Err(StoreError::Busy),
        };
        let length = file.metadata()?.len();
        if length < offset {
            return Err(StoreError::OffsetBeyondEnd(length));
        }
        let temporary = if is_ours {
            kept.clone()
        } else {
            // Nobody else goes on with it meanwhile.
            let link = |name: &Path| directory.hard_link(&kept, &directory, name);
            let (_, temporary) = at_temporary_name(options.token, link)?;
            directory.remove_file(&kept)?;
            temporary
        };
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        if let Some(quota) = &self.quota {
            quota.give_back(length - offset);
        }
        let kept = Some(kept).filter(|_| options.keep);
        let place = Place::Beside { temporary, target, kept, replace: options.replace };
        Ok(Upload::new(file, directory, place, offset, self.quota.clone(), self.durable))
    }

    fn append(&self, path: &VirtualPath) -> Result<Upload, StoreError> {
        let (directory, target) = self.place_for(path)?;
        let mut options = OpenOptions::new();
        options.write(true).nonblock(true);
        let mut file = directory.open_with(&target, &options)?.into_std();
        if !file.metadata()?.is_file() {
            return Err(StoreError::NotAFile);
        }
        let before = file.seek(SeekFrom::End(0))?;
        let place = Place::InPlace { before };
        Ok(Upload::new(file, directory, place, before, self.quota.clone(), self.durable))
    }
}

/// Makes something at a name that nothing has. That random numbers meet is hardly to be expected, and
/// would be nobody's fault, so the next name is tried.
fn at_temporary_name<T>(
    token: u64,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> Result<(T, PathBuf), StoreError> {
    let mut last = io::ErrorKind::AlreadyExists.into();
    for step in 0..TRIES {
        let number = format!("{:016x}", token.wrapping_add(step));
        let name = system_name(&[HIDDEN, number.as_bytes()].concat())?;
        match make(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            result => return Ok((result?, name)),
        }
    }
    Err(StoreError::Io(last))
}

#[cfg(unix)]
fn set_mode_of_new(options: &mut OpenOptions, mode: u32) {
    use cap_std::fs::OpenOptionsExt;
    options.mode(mode);
}

#[cfg(not(unix))]
fn set_mode_of_new(_: &mut OpenOptions, _: u32) {}
