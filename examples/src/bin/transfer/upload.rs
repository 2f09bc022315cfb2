//! Sending one file: its bytes, its time, and whether the server has the right ones.

use std::fs::File;
use std::path::PathBuf;
use std::time::SystemTime;

use protocols::transfer::ftp::client::{self, Done, Failure, Features, Operation, Put};
use protocols::transfer::ftp::command::{Command, Opts};

use crate::guess::reply;
use crate::hash;
use crate::task::{How, Next, Report};
use crate::url::shown;

/// A file that is sent.
///
/// ```text
///   Resume ─▶ Transfer ─▶ Size ─▶ Algorithm ─▶ Hash ─▶ Compare ─▶ Modified ─▶ done
/// ```
///
/// What the server cannot do is left out.
#[derive(Debug)]
pub(crate) struct Upload {
    local: PathBuf,
    remote: Vec<u8>,
    how: How,
    size: u64,
    modified: Option<SystemTime>,
    offset: u64,
    moved: u64,
    algorithm: Option<&'static str>,
    theirs: Option<String>,
    checked: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Resume,
    Transfer,
    Size,
    Algorithm,
    Hash,
    Compare,
    Modified,
    Finish,
}

impl Upload {
    /// From this file here.
    pub(crate) fn new(local: PathBuf, remote: Vec<u8>, how: How) -> Self {
        let metadata = std::fs::metadata(&local).ok();
        Self {
            size: metadata.as_ref().map_or(0, std::fs::Metadata::len),
            modified: metadata.and_then(|metadata| metadata.modified().ok()),
            local,
            remote,
            how,
            offset: 0,
            moved: 0,
            algorithm: None,
            theirs: None,
            checked: String::new(),
            stage: Stage::Resume,
        }
    }

    pub(crate) fn name(&self) -> String {
        shown(&self.remote)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn begin(&mut self, features: &Features) -> Next {
        self.enter(Stage::Resume, features)
    }

    fn enter(&mut self, stage: Stage, features: &Features) -> Next {
        self.stage = stage;
        let remote = self.remote.clone();
        match stage {
            Stage::Resume if self.how.resume => Next::Do(Operation::Command(Command::Size(remote))),
            Stage::Resume => self.enter(Stage::Transfer, features),
            Stage::Transfer => self.transfer(features),
            Stage::Size if features.size => Next::Do(Operation::Command(Command::Size(remote))),
            Stage::Size => self.enter(Stage::Algorithm, features),
            Stage::Algorithm => self.choose_algorithm(features),
            Stage::Hash if self.algorithm.is_some() => {
                Next::Do(Operation::Command(Command::Hash(remote)))
            }
            Stage::Hash => self.enter(Stage::Modified, features),
            Stage::Compare => self.compare(features),
            Stage::Modified => self.set_modified(features),
            Stage::Finish => {
                let (bytes, remark) = (self.moved, std::mem::take(&mut self.checked));
                Next::Done(Report::Moved { bytes, remark, told: None }, Vec::new())
            }
        }
    }

    pub(crate) fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next {
        let next = match (self.stage, outcome) {
            (Stage::Resume, outcome) => {
                let there = reply(outcome).and_then(|reply| client::size(&reply)).unwrap_or(0);
                self.offset = if there > self.size { 0 } else { there };
                Stage::Transfer
            }
            (Stage::Transfer, Ok(Done::Sent(bytes))) => {
                self.moved = bytes;
                Stage::Size
            }
            (Stage::Transfer, Err(failure)) => return Next::Failed(failure.to_string()),
            (Stage::Size, outcome) => {
                match reply(outcome).and_then(|reply| client::size(&reply)) {
                    Some(there) if there != self.size => {
                        let size = self.size;
                        return Next::Failed(format!("it has {size} bytes, and {there} are there"));
                    }
                    Some(_) => self.checked = "the size is right".to_owned(),
                    None => {}
                }
                Stage::Algorithm
            }
            (Stage::Algorithm, Err(_)) => {
                self.algorithm = None;
                Stage::Hash
            }
            (Stage::Algorithm, Ok(_)) => Stage::Hash,
            (Stage::Hash, outcome) => {
                let hash = reply(outcome).and_then(|reply| client::hash(&reply));
                let hash = hash.filter(|hash| Some(&*hash.algorithm) == self.algorithm);
                self.theirs = hash.map(|hash| hash.digits);
                Stage::Compare
            }
            // That its time is another is no harm.
            (Stage::Modified, _) => Stage::Finish,
            (stage, _) => stage,
        };
        self.enter(next, features)
    }

    fn transfer(&mut self, features: &Features) -> Next {
        if self.offset == self.size && self.how.resume && self.offset > 0 {
            return self.enter(Stage::Size, features);
        }
        let how = if self.offset > 0 { Put::From(self.offset) } else { Put::Replace };
        match File::open(&self.local) {
            Ok(file) => Next::Do(Operation::Put {
                path: self.remote.clone(),
                how,
                file,
                from: self.offset,
                length: self.size - self.offset,
            }),
            Err(error) => Next::Failed(format!("{}: {error}", self.local.display())),
        }
    }

    fn choose_algorithm(&mut self, features: &Features) -> Next {
        let offered = if self.how.hash { &features.hashes[..] } else { &[] };
        let choice = hash::choose(offered);
        self.algorithm = choice.map(|(algorithm, _)| algorithm);
        match choice {
            Some((algorithm, true)) => {
                let wanted = Opts::Hash(Some(algorithm.as_bytes().to_vec()));
                Next::Do(Operation::Command(Command::Opts(wanted)))
            }
            _ => self.enter(Stage::Hash, features),
        }
    }

    fn compare(&mut self, features: &Features) -> Next {
        let (Some(algorithm), Some(_)) = (self.algorithm, &self.theirs) else {
            return self.enter(Stage::Modified, features);
        };
        let path = self.local.clone();
        Next::Think(Box::new(move || {
            hash::of_file(&path, algorithm).map_err(|error| format!("{}: {error}", path.display()))
        }))
    }

    /// What the hash is of the file here.
    pub(crate) fn handle_hash(&mut self, ours: Result<String, String>) -> Next {
        let algorithm = self.algorithm.unwrap_or_default();
        match ours {
            Ok(ours) if Some(&ours) == self.theirs.as_ref() => {
                self.checked = format!("{algorithm} is the same");
                self.stage = Stage::Modified;
                self.set_modified_if_offered()
            }
            Ok(_) => {
                Next::Failed(format!("what is there is not what was sent: {algorithm} differs"))
            }
            Err(why) => Next::Failed(why),
        }
    }

    fn set_modified(&mut self, features: &Features) -> Next {
        if features.set_modified {
            return self.set_modified_if_offered();
        }
        self.enter(Stage::Finish, features)
    }

    /// A server that does not know how says so, and nothing has happened.
    fn set_modified_if_offered(&mut self) -> Next {
        match self.modified {
            Some(modified) => {
                let command = Command::Mfmt(modified.into(), self.remote.clone());
                Next::Do(Operation::Command(command))
            }
            None => {
                let (bytes, remark) = (self.moved, std::mem::take(&mut self.checked));
                Next::Done(Report::Moved { bytes, remark, told: None }, Vec::new())
            }
        }
    }
}
