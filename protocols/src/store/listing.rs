//! The names in a directory, and walks through a tree.

use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;

use super::found::find;
use super::kept::{Claim, claim, is_kept};
use super::path::{system_name, user_name};
use super::{Found, Store, StoreError, VirtualPath, is_hidden, sayable};

/// A directory with the names that are in it, in order. Its entries are looked at one by one, so
/// that a long list can be shown in pieces.
#[derive(Debug)]
pub struct Listing {
    root: Arc<Dir>,
    path: PathBuf,
    names: Vec<Vec<u8>>,
}

impl Store {
    /// The names in a directory, sorted byte by byte.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotADirectory`], and [`StoreError::TooManyEntries`] if there are more than `most`: they
    /// are sorted, so all have to be in memory.
    pub fn list(&self, path: &VirtualPath, most: usize) -> Result<Listing, StoreError> {
        let path = sayable(path)?;
        let mut names = Vec::new();
        for entry in self.root.read_dir(&path)? {
            let name = user_name(&entry?.file_name());
            if is_hidden(&name) {
                continue;
            }
            if names.len() == most {
                return Err(StoreError::TooManyEntries(most));
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(Listing { root: Arc::clone(&self.root), path: path.into_owned(), names })
    }

    /// Bytes in all files of the tree, kept uploads included: what a [`Quota`](super::Quota) begins with.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read.
    pub fn bytes_used(&self) -> Result<u64, StoreError> {
        let mut bytes: u64 = 0;
        let mut ahead = vec![PathBuf::from(".")];
        while let Some(path) = ahead.pop() {
            for entry in self.root.read_dir(&path)? {
                let entry = entry?;
                // It may have vanished since.
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    ahead.push(path.join(entry.file_name()));
                } else if metadata.is_file() {
                    bytes = bytes.saturating_add(metadata.len());
                }
            }
        }
        Ok(bytes)
    }

    /// Removes what was kept of uploads in a directory, except where somebody goes on with it.
    pub(super) fn remove_kept(&self, directory: &Dir) -> Result<(), StoreError> {
        for entry in directory.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if is_kept(&user_name(&name))
                && !matches!(claim(directory, name.as_ref()), Claim::Taken)
            {
                let metadata = entry.metadata()?;
                entry.remove_file()?;
                self.give_back(&metadata);
            }
        }
        Ok(())
    }
}

impl Listing {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Leaves out all names but some.
    pub fn retain(&mut self, mut wanted: impl FnMut(&[u8]) -> bool) {
        self.names.retain(|name| wanted(name));
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// The name at a place, and what there is to know of it; `None` if it has vanished meanwhile, or the
    /// list has ended.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<(&[u8], Found)> {
        let name = self.names.get(at)?;
        let path = self.path.join(system_name(name).ok()?);
        Some((name, find(&self.root, &path).ok()?))
    }
}
