//! The file in which it is kept whom the DHT's node knows.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use examples::part::{Part, write_whole};
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
            // Nobody loses anything by writing over it.
            Ok(text) if text.is_empty() => return Ok(None),
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It is better known now than after an hour that nothing can be written there.
                let part = Part::of(path.clone());
                part.open(0).map_err(|error| format!("{at}: {error}"))?;
                part.discard();
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
        write_whole(path, &table.write()).map_err(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_empty_is_none_and_looking_makes_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nodes");
        let kept = Kept::new(Some(path.clone()));
        assert!(kept.read().expect("there is none").is_none());
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
        fs::write(&path, "").expect("there is room");
        assert!(kept.read().expect("it is none").is_none());
        fs::write(&path, "else").expect("there is room");
        assert!(kept.read().is_err());
    }
}
