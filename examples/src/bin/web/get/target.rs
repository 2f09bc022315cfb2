//! Where what is fetched is put.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use protocols::http::client::Url;

/// Where what is fetched is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    /// A pipe or a device, `/dev/null` say: written as it is, since another name would be another thing.
    Special(PathBuf),
    File(PathBuf),
}

impl Target {
    pub(crate) fn of(url: &Url, output: Option<&Path>, count: usize) -> Result<Self, String> {
        if output == Some(Path::new("-")) {
            return Ok(Self::Stdout);
        }
        let name = name_of(url);
        match output {
            Some(output) if output.is_dir() => Ok(Self::File(output.join(name))),
            Some(output) if output.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                Err(format!("there is no directory {}", output.display()))
            }
            Some(output) if count == 1 => Ok(match fs::metadata(output) {
                Ok(found) if !found.is_file() => Self::Special(output.to_owned()),
                _ => Self::File(output.to_owned()),
            }),
            Some(output) => Err(format!("{} is no directory, for several files", output.display())),
            None => Ok(Self::File(name.into())),
        }
    }

    /// How much of it is here: of what was begun, or of the whole.
    pub(crate) fn here(&self) -> u64 {
        let size = |path: PathBuf| fs::metadata(path).ok().map(|found| found.len());
        match self {
            Self::Stdout | Self::Special(_) => 0,
            Self::File(path) => size(part(path)).or_else(|| size(path.clone())).unwrap_or(0),
        }
    }

    /// All of it was here before anything was fetched: it gets its name, if it has not.
    pub(crate) fn complete(&self) -> io::Result<()> {
        match self {
            Self::File(path) if part(path).exists() => fs::rename(part(path), path),
            Self::File(_) | Self::Special(_) | Self::Stdout => Ok(()),
        }
    }

    /// Opens it, to write from an offset on: behind what was begun, or behind what has its name already.
    pub(crate) fn open(&self, offset: u64) -> io::Result<Sink> {
        let path = match self {
            Self::Stdout => return Ok(Sink::Stdout),
            Self::Special(path) => {
                return File::options().write(true).open(path).map(Sink::Special);
            }
            Self::File(path) => path,
        };
        if offset > 0 && !part(path).exists() {
            fs::rename(path, part(path))?;
        }
        let mut file = File::options().write(true).create(true).truncate(false).open(part(path))?;
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Sink::File { file, path: path.clone() })
    }
}

/// What is being written.
#[derive(Debug)]
pub(crate) enum Sink {
    Stdout,
    Special(File),
    File { file: File, path: PathBuf },
}

impl Sink {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(bytes),
            Self::Special(file) | Self::File { file, .. } => file.write_all(bytes),
        }
    }

    /// All of it is here: it gets its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().flush(),
            Self::Special(_) => Ok(()),
            Self::File { path, .. } => fs::rename(part(&path), path),
        }
    }
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// The last name in the path; what would lead elsewhere, or is none, is `index.html`.
fn name_of(url: &Url) -> String {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    let name = percent_decode_str(last).decode_utf8_lossy().into_owned();
    let is_name = !name.is_empty()
        && !matches!(&*name, "." | "..")
        && !name.contains(['/', '\\', '\0'])
        && !name.chars().any(char::is_control);
    if is_name { name } else { "index.html".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_does_not_choose_where_it_is_put() {
        let name = |text: &str| name_of(&text.parse().expect("a url"));
        assert_eq!(name("http://h/a/b%20c?d"), "b c");
        assert_eq!(name("http://h/a/"), "index.html");
        assert_eq!(name("http://h/%2e%2e"), "index.html");
        assert_eq!(name("http://h/..%2fb"), "index.html");
    }
}
