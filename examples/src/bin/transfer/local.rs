//! Files of this machine: names from a server as names here, and files that are whole or called a part.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that is being fetched: it has another name until it is whole.
#[derive(Debug)]
pub(crate) struct Part {
    target: PathBuf,
    part: PathBuf,
}

impl Part {
    /// Of a file that is to be here.
    pub(crate) fn of(target: PathBuf) -> Self {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        Self { part: target.with_file_name(name), target }
    }

    /// How much of it there is from another time.
    pub(crate) fn length(&self) -> u64 {
        fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    /// Opens it at this byte, with nothing behind it.
    pub(crate) fn open(&self, offset: u64) -> io::Result<File> {
        if let Some(directory) = self.target.parent().filter(|it| !it.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(&self.part)?;
        file.set_len(offset)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(file)
    }

    /// It is whole.
    pub(crate) fn finish(&self, modified: Option<SystemTime>) -> io::Result<()> {
        if let Some(modified) = modified {
            File::options().write(true).open(&self.part)?.set_modified(modified)?;
        }
        fs::rename(&self.part, &self.target)
    }

    /// It is worth nothing.
    pub(crate) fn discard(&self) {
        // Whoever tries again begins anew anyhow.
        let _ = fs::remove_file(&self.part);
    }

    pub(crate) fn path(&self) -> &Path {
        &self.part
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

/// A name that a server has chosen, as a name in a directory here. `None` if it cannot be one on this
/// system.
#[cfg(unix)]
pub(crate) fn name_here(name: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStrExt;
    let is_one_name = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
    is_one_name.then(|| std::ffi::OsStr::from_bytes(name).to_owned())
}

/// A name that a server has chosen, as a name in a directory here. `None` if it cannot be one on this
/// system: with a drive in it, a stream, or what is a path.
#[cfg(not(unix))]
pub(crate) fn name_here(name: &[u8]) -> Option<OsString> {
    let name = std::str::from_utf8(name).ok()?;
    let is_one_name = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':']);
    is_one_name.then(|| OsString::from(name))
}

/// A name of a file here, as a server is told it.
#[cfg(unix)]
pub(crate) fn name_there(name: &std::ffi::OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes().to_vec()
}

/// A name of a file here, as a server is told it.
#[cfg(not(unix))]
pub(crate) fn name_there(name: &std::ffi::OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_part_becomes_the_file_when_it_is_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = Part::of(directory.path().join("sub/file"));
        part.open(0).and_then(|mut file| file.write_all(b"hello, wor")).expect("it can be written");
        assert_eq!(part.length(), 10);
        part.open(5).and_then(|mut file| file.write_all(b"!")).expect("it can be written");
        assert!(!part.target().exists());
        part.finish(Some(SystemTime::UNIX_EPOCH)).expect("it can be renamed");
        assert_eq!(fs::read(part.target()).expect("it is there"), b"hello!");
        assert_eq!(part.length(), 0);
    }

    #[test]
    fn a_servers_name_is_one_name() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc/passwd"] {
            assert_eq!(name_here(name), None);
        }
        assert_eq!(name_here(b"a b"), Some("a b".into()));
    }
}
