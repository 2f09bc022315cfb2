//! The file in which it is kept whom the DHT's node knows.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocols::torrent::wire::DhtTable;

use crate::file;

/// Where it is kept; nowhere, if the command line does not say it.
pub(crate) struct Kept(Option<PathBuf>);

impl Kept {
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// Reads what an earlier run has written; nothing, if there was none.
    ///
    /// # Errors
    ///
    /// A sentence for a person: also if it is another file, which is not to be written over.
    pub(crate) fn read(&self) -> Result<Option<DhtTable>, Box<dyn Error>> {
        let Some(path) = &self.0 else {
            return Ok(None);
        };
        let at = path.display();
        let text = match file::read_most(path, DhtTable::LONGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It is better known now than after an hour that nothing can be written there.
                write(path, &[])
                    .and_then(|()| fs::remove_file(path))
                    .map_err(|error| format!("{at}: {error}"))?;
                return Ok(None);
            }
            Err(error) => return Err(format!("{at}: {error}").into()),
        };
        let table = DhtTable::parse(&text).map_err(|error| format!("--dht-file {at}: {error}"))?;
        Ok(Some(table))
    }

    /// Writes it, in place of what was there.
    ///
    /// # Errors
    ///
    /// A sentence for a person; what was there stays.
    pub(crate) fn write(&self, table: &DhtTable) -> Result<(), String> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        write(path, &table.write()).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// All of it or nothing, whenever the program may be killed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}
