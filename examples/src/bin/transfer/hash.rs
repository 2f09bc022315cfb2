//! Hashes of local files, to hold against a server's.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use protocols::transfer::ftp::client::{self, Done, Failure, Features, Operation};
use protocols::transfer::ftp::command::{Command, Opts};
use sha2::{Digest, Sha256, Sha512};

use crate::guess::reply;
use crate::task::{How, Thought};

/// An algorithm that is known here, the best one first.
const KNOWN: [&str; 2] = ["SHA-256", "SHA-512"];

/// A file here and one on a server, whose hashes are held against each other.
///
/// ```text
///   choose ─▶ question ─▶ handle_answer ─▶ ours ─▶ judge
/// ```
///
/// What the server cannot do is left out.
#[derive(Debug, Default)]
pub(crate) struct Check {
    algorithm: Option<&'static str>,
    /// The hash that the server says the file has.
    theirs: Option<String>,
}

impl Check {
    /// Chooses an algorithm, if hashes are wanted: what the server has to be told of that.
    pub(crate) fn choose(&mut self, how: How, features: &Features) -> Option<Operation> {
        let choice = choose(&features.hashes).filter(|_| how.hash);
        self.algorithm = choice.map(|(algorithm, _)| algorithm);
        let (algorithm, true) = choice? else { return None };
        let wanted = Opts::Hash(Some(algorithm.as_bytes().to_vec()));
        Some(Operation::Command(Command::Opts(wanted)))
    }

    /// What has come of telling it.
    pub(crate) fn handle_choice(&mut self, outcome: &Result<Done, Failure>) {
        self.algorithm = self.algorithm.filter(|_| outcome.is_ok());
    }

    /// Asks the server for the hash of its file.
    pub(crate) fn question(&self, remote: Vec<u8>) -> Option<Operation> {
        self.algorithm.map(|_| Operation::Command(Command::Hash(remote)))
    }

    /// What has come of that.
    pub(crate) fn handle_answer(&mut self, outcome: Result<Done, Failure>) {
        let hash = reply(outcome).and_then(|reply| client::hash(&reply));
        let hash = hash.filter(|hash| Some(&*hash.algorithm) == self.algorithm);
        self.theirs = hash.map(|hash| hash.digits);
    }

    /// Works out the hash of the file here, if there is one to hold it against.
    pub(crate) fn ours(&self, path: PathBuf) -> Option<Thought> {
        let algorithm = self.algorithm.filter(|_| self.theirs.is_some())?;
        Some(Box::new(move || {
            of_file(&path, algorithm).map_err(|error| format!("{}: {error}", path.display()))
        }))
    }

    /// In words, whether it is the server's.
    pub(crate) fn judge(&self, ours: &str) -> Result<String, String> {
        let algorithm = self.algorithm.unwrap_or_default();
        match self.theirs.as_deref() == Some(ours) {
            true => Ok(format!("{algorithm} is the same")),
            false => Err(format!("{algorithm} differs")),
        }
    }
}

/// The one to use with a server that offers these; and whether it has to be told.
fn choose(offered: &[String]) -> Option<(&'static str, bool)> {
    let used = offered.first()?;
    let algorithm = KNOWN.into_iter().find(|known| used == known);
    let other = || KNOWN.into_iter().find(|known| offered.iter().any(|it| it == known));
    algorithm.map(|it| (it, false)).or_else(|| other().map(|it| (it, true)))
}

/// The hash of a whole file, in hexadecimal digits.
fn of_file(path: &Path, algorithm: &str) -> io::Result<String> {
    match algorithm {
        "SHA-512" => digest::<Sha512>(path),
        _ => digest::<Sha256>(path),
    }
}

fn digest<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_hash() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), b"abc").expect("it can be written");
        let hash = of_file(file.path(), "SHA-256").expect("it can be read");
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn the_one_in_use_is_taken_if_it_is_known() {
        let offers = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(choose(&offers(&["SHA-512", "SHA-256"])), Some(("SHA-512", false)));
        assert_eq!(choose(&offers(&["MD5", "SHA-256"])), Some(("SHA-256", true)));
        assert_eq!(choose(&offers(&["MD5"])), None);
        assert_eq!(choose(&[]), None);
    }
}
