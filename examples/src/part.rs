//! Files that are whole or called a part, and what is no file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of standard output.
pub const STDOUT: &str = "/dev/stdout";

/// Where something is written.
#[derive(Clone, Debug)]
pub enum Part {
    /// A pipe, a device, a link: it is written as it is. Under another name it would be another thing, and a file
    /// that takes its place would take it away: `/dev/null` from everybody, if root asks.
    Special(PathBuf),
    /// A file: it has another name until it is whole.
    File {
        /// The name of the whole.
        target: PathBuf,
        /// The name until then.
        part: PathBuf,
    },
}

impl Part {
    /// Of a file that is to be here, or of what is here instead of one.
    #[must_use]
    pub fn of(target: PathBuf) -> Self {
        match fs::symlink_metadata(&target) {
            Ok(found) if !found.is_file() => Self::Special(target),
            _ => {
                let mut name = target.file_name().unwrap_or_default().to_owned();
                name.push(".part");
                Self::File { part: target.with_file_name(name), target }
            }
        }
    }

    /// Whether it is no file: nothing can be said of what is in it.
    #[must_use]
    pub fn is_special(&self) -> bool {
        matches!(self, Self::Special(_))
    }

    /// How much of it there is from another time, if any.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Special(_) => None,
            Self::File { part, .. } => fs::metadata(part).ok().map(|found| found.len()),
        }
    }

    /// Makes the directory that it is to be in, if there is none.
    ///
    /// # Errors
    ///
    /// If it may not be made.
    pub fn make_directory(&self) -> io::Result<()> {
        let directory = self.path().parent().filter(|it| !it.as_os_str().is_empty());
        directory.map_or(Ok(()), fs::create_dir_all)
    }

    /// Opens it at this byte, with nothing behind it; what is no file, at its beginning.
    ///
    /// # Errors
    ///
    /// If it may not be written there.
    pub fn open(&self, offset: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).write(true);
        let part = match self {
            // By its name it is another open file, and what is printed beside would be written over it.
            #[cfg(unix)]
            Self::Special(path) if path == Path::new(STDOUT) => return stdout(),
            Self::Special(path) => return options.truncate(true).open(path),
            Self::File { part, .. } => part,
        };
        let mut file = options.truncate(offset == 0).open(part)?;
        if offset > 0 {
            file.set_len(offset)?;
            file.seek(SeekFrom::End(0))?;
        }
        Ok(file)
    }

    /// It is whole.
    ///
    /// # Errors
    ///
    /// If it may not have its name.
    pub fn finish(&self, modified: Option<SystemTime>) -> io::Result<()> {
        let Self::File { target, part } = self else {
            return Ok(());
        };
        if let Some(modified) = modified {
            File::options().write(true).open(part)?.set_modified(modified)?;
        }
        fs::rename(part, target)
    }

    /// It is worth nothing.
    pub fn discard(&self) {
        if let Self::File { part, .. } = self {
            // Whoever tries again begins anew anyhow.
            let _ = fs::remove_file(part);
        }
    }

    /// It has been given up: what has arrived stays, for another time, and nothing does not.
    pub fn abandon(&self) {
        if self.length() == Some(0) {
            self.discard();
        }
    }

    /// Where it is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Special(path) | Self::File { part: path, .. } => path,
        }
    }

    /// Where it is when it is whole.
    #[must_use]
    pub fn target(&self) -> &Path {
        match self {
            Self::Special(path) | Self::File { target: path, .. } => path,
        }
    }
}

/// Whether a person who says that means standard output.
#[must_use]
pub fn means_stdout(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new(STDOUT)
}

#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Writes a file: all of it or nothing, whenever the program may be killed, or the machine, or the disk be full.
///
/// # Errors
///
/// If it cannot be written; what was there stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = Part::of(path.to_owned());
    let written = part.open(0).and_then(|mut file| {
        file.write_all(bytes)?;
        // A device may have nothing to be synchronized with.
        if part.is_special() { Ok(()) } else { file.sync_all() }
    });
    written.and_then(|()| part.finish(None)).inspect_err(|_| part.discard())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_becomes_the_file_when_it_is_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = Part::of(directory.path().join("sub/file"));
        part.make_directory().expect("it can be made");
        part.open(0).and_then(|mut file| file.write_all(b"hello, wor")).expect("it can be written");
        assert_eq!(part.length(), Some(10));
        part.open(5).and_then(|mut file| file.write_all(b"!")).expect("it can be written");
        assert!(!part.target().exists());
        part.finish(Some(SystemTime::UNIX_EPOCH)).expect("it can be renamed");
        assert_eq!(fs::read(part.target()).expect("it is there"), b"hello!");
        assert_eq!(part.length(), None);
    }

    #[test]
    fn a_part_that_is_given_up_stays_if_there_is_something_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = Part::of(directory.path().join("file"));
        part.open(0).expect("it can be made");
        part.abandon();
        assert!(!part.path().exists());
        part.open(0).and_then(|mut file| file.write_all(b"x")).expect("it can be written");
        part.abandon();
        assert_eq!(part.length(), Some(1));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link_and_what_it_leads_to_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::os::unix::fs::symlink(&file, &link).expect("it can be made");
        for bytes in [&b"the first"[..], b"second"] {
            write_whole(&link, bytes).expect("it can be written");
            assert!(link.is_symlink());
            assert_eq!(fs::read(&file).expect("it is there"), bytes);
        }
        Part::of(link.clone()).discard();
        assert!(link.is_symlink());
    }

    #[test]
    fn what_was_there_stays_if_it_cannot_be_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, "old").expect("there is room");
        // Where it would be written is something else.
        fs::create_dir(directory.path().join("file.part")).expect("there is room");
        write_whole(&file, b"new").expect_err("there is no room");
        assert_eq!(fs::read(&file).expect("it is there"), b"old");
    }
}
