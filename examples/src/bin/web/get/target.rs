//! Where what is fetched is put.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use examples::part::{Part, means_stdout};
use percent_encoding::percent_decode_str;
use protocols::http::client::Url;

/// Where what is fetched is put.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Stdout,
    File(Part),
}

impl Target {
    pub(crate) fn of(url: &Url, output: Option<&Path>, count: usize) -> Result<Self, String> {
        if output.is_some_and(means_stdout) {
            return Ok(Self::Stdout);
        }
        let name = name_of(url);
        let path = match output {
            Some(output) if output.is_dir() => output.join(name),
            Some(output) if output.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(format!("there is no directory {}", output.display()));
            }
            Some(output) if count == 1 => output.to_owned(),
            Some(output) => {
                return Err(format!("{} is no directory, for several files", output.display()));
            }
            None => name.into(),
        };
        Ok(Self::File(Part::of(path)))
    }

    /// How much of it is here: of what was begun, or of the whole.
    pub(crate) fn here(&self) -> u64 {
        match self {
            Self::Stdout => 0,
            Self::File(part) => part.length().or_else(|| whole(part)).unwrap_or(0),
        }
    }

    /// All of it was here before anything was fetched: it gets its name, if it has not.
    pub(crate) fn complete(&self) -> io::Result<()> {
        match self {
            Self::File(part) if part.length().is_some() => part.finish(None),
            Self::File(_) | Self::Stdout => Ok(()),
        }
    }

    /// It has been given up: what has arrived stays, and nothing does not.
    pub(crate) fn abandon(&self) {
        if let Self::File(part) = self {
            part.abandon();
        }
    }

    /// Opens it, to write from an offset on: behind what was begun, or behind what has its name already.
    pub(crate) fn open(&self, offset: u64) -> io::Result<Sink> {
        let Self::File(part) = self else {
            return Ok(Sink::Stdout);
        };
        if offset > 0 && part.length().is_none() {
            fs::rename(part.target(), part.path())?;
        }
        Ok(Sink::File(part.open(offset)?, part.clone()))
    }
}

/// How long the whole is that is here from another time.
fn whole(part: &Part) -> Option<u64> {
    let found = fs::metadata(part.target()).ok().filter(|_| !part.is_special());
    found.map(|found| found.len())
}

/// What is being written.
#[derive(Debug)]
pub(crate) enum Sink {
    Stdout,
    File(File, Part),
}

impl Sink {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(bytes),
            Self::File(file, _) => file.write_all(bytes),
        }
    }

    /// All of it is here: it gets its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().flush(),
            Self::File(_, part) => part.finish(None),
        }
    }
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
