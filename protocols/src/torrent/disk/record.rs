//! What is written down for the next start: which pieces were there, and what the files looked like then.
//!
//! ```text
//!   .~torrent.HASH    d5:filesl l9:i4096ei1700000000000000000e e … e4:have3:…e
//!                             how long a file was, and when it was written last, in nanoseconds
//! ```
//!
//! A piece is taken for granted only if every file it lies in still looks the same. If the program was killed while
//! it wrote to a file, that file looks different, and its pieces are verified anew.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Disk, DiskError};
use crate::store::Access;
use crate::torrent::wire::bencode::{self, Document, Node, dictionary};
use crate::torrent::wire::{RESERVED, Span};

/// What a start begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The pieces that are there, a bit each as in the message `bitfield` (BEP 3): the highest bit of the first byte
    /// is piece 0.
    pub have: Vec<u8>,
    /// Those that may be there: [`Disk::verify`] knows. All others are not.
    pub doubtful: Vec<u32>,
}

/// How long a file is, and when it was written last, in nanoseconds.
type Look = (u64, i64);

/// What was written down.
struct Record {
    looks: Vec<Option<Look>>,
    have: Vec<u8>,
}

impl Disk {
    /// Which pieces are there as far as is known without reading them.
    ///
    /// # Errors
    ///
    /// What the system says of a file that is there.
    pub fn resume(&self) -> Result<Resumed, DiskError> {
        let looks = self.looks()?;
        let record = self.record();
        let pieces = self.info().pieces();
        let mut resumed =
            Resumed { have: vec![0; pieces.div_ceil(8) as usize], doubtful: Vec::new() };
        for piece in 0..pieces {
            match self.judge(piece, &looks, record.as_ref()) {
                Verdict::There => set(&mut resumed.have, piece),
                Verdict::Perhaps => resumed.doubtful.push(piece),
                Verdict::Not => {}
            }
        }
        Ok(resumed)
    }

    /// Writes down which pieces are there, `have` being bits as in [`Resumed::have`]. What was written to files
    /// since the last time is on the disk itself before, so that this holds after a power failure too. Where nothing
    /// may be written this is not either.
    ///
    /// # Errors
    ///
    /// [`DiskError::Full`], or what the system says; what was written down before stays.
    pub fn remember_now(&self, have: &[u8]) -> Result<(), DiskError> {
        if !self.shared.folder.is_writable() {
            return Ok(());
        }
        self.sync()?;
        let looks = self.looks()?;
        let text = dictionary(|record| {
            record.list("files", |files| {
                for look in looks {
                    files.list(|file| {
                        if let Some((length, written)) = look {
                            file.integer(length.cast_signed());
                            file.integer(written);
                        }
                    });
                }
            });
            record.bytes("have", have);
        });
        let (name, fresh) = (self.record_name(""), self.record_name(".new"));
        let root = self.shared.folder.root();
        let write = || {
            let mut file = root.create(&fresh)?;
            file.write_all(&text)?;
            file.sync_data()?;
            root.rename(&fresh, root, &name)
        };
        write().map_err(|error| {
            let _ = root.remove_file(&fresh);
            DiskError::of(name.clone(), error)
        })
    }

    /// Removes what was written down: everything is there, or nothing is wanted any more.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn forget_now(&self) -> Result<(), DiskError> {
        let name = self.record_name("");
        match self.shared.folder.root().remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::of(name, error))
            }
            _ => Ok(()),
        }
    }

    fn judge(&self, piece: u32, looks: &[Option<Look>], record: Option<&Record>) -> Verdict {
        let Some(bytes) = self.info().block(piece, 0, self.info().piece_size(piece)) else {
            return Verdict::Not;
        };
        let mut unchanged = record.is_some();
        for span in self.info().spans(bytes) {
            let Span::File { file, offset, length } = span else {
                continue;
            };
            let look = looks.get(file).copied().flatten();
            if look.is_none_or(|(long, _)| long < offset + length) {
                return Verdict::Not;
            }
            unchanged &= record.is_some_and(|record| record.looks.get(file) == Some(&look));
        }
        match record {
            Some(record) if unchanged && is_set(&record.have, piece) => Verdict::There,
            Some(_) if unchanged => Verdict::Not,
            _ => Verdict::Perhaps,
        }
    }

    /// What there is of each file.
    fn looks(&self) -> Result<Vec<Option<Look>>, DiskError> {
        let root = self.shared.folder.root();
        let look = |path: &Path| match root.metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let written = metadata.modified().map(cap_std::time::SystemTime::into_std);
                Ok(Some((metadata.len(), written.map_or(0, nanoseconds))))
            }
            Ok(_) => Ok(None),
            Err(error) => match DiskError::of(path.to_owned(), error) {
                DiskError::Missing { .. } => Ok(None),
                error => Err(error),
            },
        };
        self.info().files().iter().map(|file| look(&file.path)).collect()
    }

    /// What was written down, if it can be read and is about as many files.
    fn record(&self) -> Option<Record> {
        let (files, pieces) = (self.info().files().len(), self.info().pieces());
        let most = 1024 + files * 64 + pieces.div_ceil(8) as usize;
        let file = self.shared.folder.root().open(self.record_name("")).ok()?;
        let mut text = Vec::new();
        file.take(most as u64 + 1).read_to_end(&mut text).ok()?;
        let limits = bencode::Limits { bytes: most, depth: 3, values: 8 + files * 3 };
        let document = Document::parse(&text, &limits).ok()?;
        let looks: Vec<_> = document.root().get("files")?.items().map(look).collect();
        let have = document.root().get("have")?.bytes()?.to_vec();
        let is_ours = looks.len() == files && have.len() == pieces.div_ceil(8) as usize;
        is_ours.then_some(Record { looks, have })
    }

    fn record_name(&self, suffix: &str) -> PathBuf {
        format!("{RESERVED}{}{suffix}", self.info().hash()).into()
    }

    /// What was written is on the disk itself.
    fn sync(&self) -> Result<(), DiskError> {
        // Windows asks for the right to write; elsewhere a file that is gone is not to be made for this.
        let access = if cfg!(windows) { Access::ReadWrite } else { Access::ReadOnly };
        let written = self.files().take_written();
        for index in written {
            let synced = self
                .open_file(index, access)
                .and_then(|file| file.sync_data().map_err(|error| self.failed(index, error)));
            match synced {
                Ok(()) | Err(DiskError::Missing { .. }) => {}
                Err(error) => {
                    self.files().note_written(index);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

enum Verdict {
    There,
    Perhaps,
    Not,
}

fn look(file: Node<'_>) -> Option<Look> {
    let mut numbers = file.items();
    Some((numbers.next()?.unsigned()?, numbers.next()?.integer()?))
}

fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).map(|since| since.as_nanos()).unwrap_or_default();
    i64::try_from(since).unwrap_or(i64::MAX)
}

fn set(bits: &mut [u8], piece: u32) {
    if let Some(byte) = bits.get_mut(piece as usize / 8) {
        *byte |= 0x80 >> (piece % 8);
    }
}

fn is_set(bits: &[u8], piece: u32) -> bool {
    bits.get(piece as usize / 8).is_some_and(|byte| byte & (0x80 >> (piece % 8)) != 0)
}
