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
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(offset == 0);
        let mut file = match options.open(&self.part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = self.target.parent().filter(|it| !it.as_os_str().is_empty());
                directory.map_or(Ok(()), fs::create_dir_all)?;
                options.open(&self.part)?
            }
            opened => opened?,
        };
        if offset > 0 {
            file.set_len(offset)?;
            io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        }
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

    /// It has been given up: what has arrived stays, for another time, and nothing does not.
    pub(crate) fn abandon(&self) {
        if fs::metadata(&self.part).is_ok_and(|it| it.is_file() && it.len() == 0) {
            self.discard();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.part
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

/// A name that a server has chosen, as a name in a directory here. `None` if it would lead elsewhere. What no
/// name here should have in it is there in another way: `%` and two digits, as in a URL.
#[cfg(unix)]
pub(crate) fn name_here(name: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    is_one_name(name).then(|| OsString::from_vec(escaped(name)))
}

/// A name that a server has chosen, as a name in a directory here. `None` if it would lead elsewhere. What no
/// name here can have in it is there in another way: `%` and two digits, as in a URL.
#[cfg(not(unix))]
pub(crate) fn name_here(name: &[u8]) -> Option<OsString> {
    is_one_name(name).then(|| String::from_utf8_lossy(&escaped(name)).into_owned().into())
}
fn is_one_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// Without line ends, and without what a terminal would obey.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for piece in name.utf8_chunks() {
        for letter in piece.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = letter.encode_utf8(&mut bytes).as_bytes();
            if letter.is_control() || cfg!(not(unix)) && r#"<>:"|?*\"#.contains(letter) {
                bytes.iter().for_each(|byte| escape(*byte, &mut escaped));
            } else {
                escaped.extend_from_slice(bytes);
            }
        }
        match cfg!(unix) {
            true => escaped.extend_from_slice(piece.invalid()),
            false => piece.invalid().iter().for_each(|byte| escape(*byte, &mut escaped)),
        }
    }
    escaped
}

fn escape(byte: u8, escaped: &mut Vec<u8>) {
    escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
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
    fn a_part_that_is_given_up_stays_if_there_is_something_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = Part::of(directory.path().join("file"));
        part.open(0).expect("it can be made");
        part.abandon();
        assert!(!part.path().exists());
        part.open(0).and_then(|mut file| file.write_all(b"x")).expect("it can be written");
        part.abandon();
        assert_eq!(part.length(), 1);
    }

    #[test]
    fn a_servers_name_is_one_name() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc/passwd"] {
            assert_eq!(name_here(name), None);
        }
        assert_eq!(name_here(b"a b%0A"), Some("a b%0A".into()));
        assert_eq!(name_here(b"a\nb\r\x1b[2J\0"), Some("a%0Ab%0D%1B[2J%00".into()));
        assert_eq!(name_here("\u{9b}2J gr\u{fc}n".as_bytes()), Some("%C2%9B2J gr\u{fc}n".into()));
    }
}
