//! What a power failure has left: uploads that nobody is writing any more.
//!
//! A process that ends undoes its uploads, or keeps them; one that is killed cannot. What it leaves of one that
//! was not to be kept has a hidden name and a number, of which nobody knows any more what it was to become.
//! What was *kept*, or was to be, has a name, and is left to whoever goes on with it.

use std::path::PathBuf;
use std::time::SystemTime;

use super::kept::is_kept;
use super::path::user_name;
use super::{Store, StoreError, is_hidden};

impl Store {
    /// Removes what was left of uploads that were written to last before a moment; how many there were.
    ///
    /// Others may write to the same tree at this moment, so the moment should lie further back than an
    /// upload can stand still: a day is plenty where connections are closed that stand still for minutes. It
    /// looks at everything in the tree, and belongs into [`offload`](reactor::Registry::offload).
    ///
    /// # Errors
    ///
    /// [`StoreError::ReadOnly`]. A directory that cannot be read, or a file that cannot be removed, is left
    /// as it is.
    pub fn sweep(&self, before: SystemTime) -> Result<u64, StoreError> {
        self.check_writable()?;
        let mut removed = 0;
        let mut ahead = vec![PathBuf::from(".")];
        while let Some(path) = ahead.pop() {
            let Ok(directory) = self.root.read_dir(&path) else { continue };
            for entry in directory.flatten() {
                // It may have vanished since.
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    ahead.push(path.join(entry.file_name()));
                    continue;
                }
                let is_old = metadata.modified().is_ok_and(|modified| modified.into_std() < before);
                if is_temporary(&user_name(&entry.file_name())) && metadata.is_file() && is_old {
                    removed += u64::from(entry.remove_file().is_ok());
                    self.give_back(&metadata);
                }
            }
        }
        Ok(removed)
    }
}

/// Whether it is the name of an upload that is being written, or was.
fn is_temporary(name: &[u8]) -> bool {
    is_hidden(name) && !is_kept(name)
}
